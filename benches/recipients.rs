//! Plans a million rows from a CSV file, from JSON Lines and from a workbook, each in a process of its own, and prints
//! the time and the peak of the memory.
//!
//! ```text
//! cargo bench --bench recipients            # 1,000,000 rows
//! cargo bench --bench recipients -- 100000
//! ```

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use jiff::Timestamp;
use mailrun::campaign::Campaign;
use mailrun::ledger::sqlite::path_in;
use mailrun::ledger::{Run, Target};
use mailrun::recipients::RecipientReader;
use mailrun::run::{PlanInputs, PlanProgress, plan};
use mailrun::suppression::CampaignLists;
use zip::write::SimpleFileOptions;

const HEADER: [&str; 6] = ["email", "first_name", "last_name", "zip", "amount", "day"];
const ROUNDS: usize = 3;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|it| it != "--bench");
    match (arguments.next(), arguments.next()) {
        (Some(folder), Some(file)) => measure(Path::new(&folder), &file),
        (rows, _) => all(rows.map_or(1_000_000, |rows| rows.parse().expect("a number"))),
    }
}

fn all(rows: u32) {
    let folder = tempfile::tempdir().expect("a folder");
    write_lists(folder.path(), rows).expect("room");
    for round in 1..=ROUNDS {
        for file in ["list.csv", "list.jsonl", "list.xlsx"] {
            print!("round {round}, {rows} rows of {file}: ");
            std::io::stdout().flush().expect("written");
            let program = std::env::current_exe().expect("this program");
            let mut command = Command::new(program);
            command.arg(folder.path()).arg(file);
            assert!(command.status().expect("it runs").success());
        }
    }
}

/// Plans the list, as `send` does.
fn measure(folder: &Path, file: &str) {
    let toml = format!(
        "name = \"bench\"\n[api]\nsmtp_account = \"1.acme.smtp\"\n[message]\nfrom = \"news@acme.example\"\n\
         subject = \"News\"\ntext = \"letter.txt\"\n[recipients]\nfile = \"{file}\"\n"
    );
    fs::create_dir_all(folder.join("templates")).expect("a folder");
    fs::write(folder.join("templates/letter.txt"), "News").expect("written");
    fs::write(folder.join("campaign.toml"), toml).expect("written");
    let campaign = Campaign::load(folder).expect("the campaign");
    let run = Run {
        name: "bench".to_owned(),
        target: Target::Real,
        test_to: None,
        campaign: folder.to_owned(),
        started: Timestamp::UNIX_EPOCH,
        id_prefix: "00".to_owned(),
        header: HEADER.map(str::to_owned).to_vec(),
        blank_rows: 0,
        variants: Vec::new(),
        chosen: None,
    };
    let ledger = tempfile::tempdir().expect("a folder");
    let ledger = path_in(ledger.path());
    fs::create_dir_all(ledger.parent().expect("a folder")).expect("a folder");
    let began = Instant::now();
    let settings = &campaign.recipients.settings;
    let mut reader = RecipientReader::open(&folder.join(file), file, settings).expect("a list");
    assert_eq!(reader.header().columns(), HEADER);
    let inputs = PlanInputs {
        lists: &CampaignLists::default(),
        campaign: &campaign,
        run: &run,
        ledger: &ledger,
        only: None,
        sample: None,
        used: &[],
        progress: &PlanProgress::default(),
    };
    let planned = plan(&mut reader, &inputs).expect("a plan");
    assert_eq!(planned.pending, planned.rows);
    planned.planner.finish(0, run.started).expect("a plan");
    let took = began.elapsed();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{took:.1?}, peak{}", peak.unwrap_or(" unknown"));
    fs::remove_dir_all(ledger.parent().expect("a folder")).expect("removed");
}

fn cells(row: u32) -> [String; 4] {
    [
        format!("reader{row}@mail{}.example", row % 997),
        format!("Jan{row}"),
        format!("Kowalski{row}"),
        format!("{:02}-{:03}", row % 100, row % 1000),
    ]
}

/// Writes the same rows in each format. In the workbook, all texts are shared ones, as Excel writes them, and
/// nearly all of them are different.
fn write_lists(folder: &Path, rows: u32) -> zip::result::ZipResult<()> {
    let create = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    let (mut csv, mut json) = (create("list.csv")?, create("list.jsonl")?);
    let mut workbook = zip::ZipWriter::new(create("list.xlsx")?);
    let options = SimpleFileOptions::default();
    let rels = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    for (part, text) in [
        (
            "_rels/.rels",
            format!("<Relationships><Relationship Id=\"a\" Type=\"{rels}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"),
        ),
        (
            "xl/workbook.xml",
            format!("<workbook xmlns:r=\"{rels}\"><sheets><sheet name=\"Members\" r:id=\"a\"/></sheets></workbook>"),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            ["worksheet sheet", "sharedStrings texts", "styles styles"]
                .iter()
                .zip(["a", "b", "c"])
                .map(|(kind, id)| {
                    let (kind, part) = kind.split_once(' ').unwrap_or_default();
                    format!("<Relationship Id=\"{id}\" Type=\"{rels}/{kind}\" Target=\"{part}.xml\"/>")
                })
                .fold("<Relationships>".to_owned(), |text, it| text + &it)
                + "</Relationships>",
        ),
        (
            "xl/styles.xml",
            "<styleSheet><numFmts><numFmt numFmtId=\"164\" formatCode=\"yyyy-mm-dd\"/></numFmts><cellXfs><xf \
             numFmtId=\"0\"/><xf numFmtId=\"2\"/><xf numFmtId=\"164\"/></cellXfs></styleSheet>"
                .to_owned(),
        ),
    ] {
        workbook.start_file(part, options)?;
        workbook.write_all(text.as_bytes())?;
    }
    writeln!(csv, "{}", HEADER.join(","))?;
    workbook.start_file("xl/sheet.xml", options)?;
    write!(workbook, "<worksheet><sheetData><row r=\"1\">")?;
    for (index, letter) in ('A'..='F').enumerate() {
        write!(workbook, "<c r=\"{letter}1\" t=\"s\"><v>{index}</v></c>")?;
    }
    write!(workbook, "</row>")?;
    for row in 1..=rows {
        let [email, first, last, zip] = cells(row);
        let amount = f64::from(row % 9000) * 1.25;
        let day = 46_023 + row % 28;
        writeln!(
            csv,
            "{email},{first},{last},{zip},{amount:.2},2026-01-{:02}",
            row % 28 + 1
        )?;
        writeln!(
            json,
            "{{\"email\": \"{email}\", \"first_name\": \"{first}\", \"last_name\": \"{last}\", \"zip\": \"{zip}\", \
             \"amount\": \"{amount:.2}\", \"day\": \"2026-01-{:02}\"}}",
            row % 28 + 1
        )?;
        let (line, text) = (row + 1, row * 4 + 2);
        write!(
            workbook,
            "<row r=\"{line}\"><c r=\"A{line}\" t=\"s\"><v>{text}</v></c><c r=\"B{line}\" t=\"s\"><v>{}</v></c><c \
             r=\"C{line}\" t=\"s\"><v>{}</v></c><c r=\"D{line}\" t=\"s\"><v>{}</v></c><c r=\"E{line}\" \
             s=\"1\"><v>{amount}</v></c><c r=\"F{line}\" s=\"2\"><v>{day}</v></c></row>",
            text + 1,
            text + 2,
            text + 3
        )?;
    }
    write!(workbook, "</sheetData></worksheet>")?;
    workbook.start_file("xl/texts.xml", options)?;
    write!(workbook, "<sst>")?;
    for text in HEADER
        .iter()
        .map(|text| (*text).to_owned())
        .chain((1..=rows).flat_map(cells))
    {
        write!(workbook, "<si><t>{text}</t></si>")?;
    }
    write!(workbook, "</sst>")?;
    workbook.finish()?.flush()?;
    csv.flush()?;
    json.flush()?;
    Ok(())
}
