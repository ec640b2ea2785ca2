//! Workbooks that are written here part by part: what programs rarely write, and what no program writes.

use std::io::{Cursor, Write as _};

use mailrun::recipients::{LineNumbers, Notice, ReadError, ReadSettings, RecipientReader};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The rows and the notices of a file, or the error.
fn read(bytes: &[u8]) -> Result<(Vec<String>, Vec<Notice>, LineNumbers), ReadError> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    let settings = ReadSettings::default();
    let mut reader = RecipientReader::open(file.path(), "list", &settings)?;
    let rows = reader.by_ref().map(|row| {
        let cells = row?.cells;
        Ok(cells.iter().collect::<Vec<_>>().join("|"))
    });
    let rows = rows.collect::<Result<_, _>>()?;
    let notices = reader.warnings().into_iter().map(|it| it.notice);
    Ok((rows, notices.collect(), reader.blank().clone()))
}

fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(*name, SimpleFileOptions::default())
            .expect("a part");
        zip.write_all(content).expect("written");
    }
    zip.finish().expect("an archive").into_inner()
}

fn relations(relations: &[(&str, &str)]) -> String {
    let relations = relations.iter().zip(1..);
    let relations = relations.map(|((kind, target), id)| {
        format!(r#"<Relationship Id="r{id}" Type="x/{kind}" Target="{target}"/>"#)
    });
    format!(
        "<Relationships>{}</Relationships>",
        relations.collect::<String>()
    )
}

/// A workbook with the sheet “Members”. `rows` are those below the header, whose cells A1 and B1 have the names `email` and
/// `name`.
fn xlsx(rows: &str, strings: &str) -> Vec<u8> {
    let sheet = format!(
        r#"<worksheet><sheetData><row r="1"><c r="A1" t="str"><v>email</v></c><c r="B1" t="str"><v>name</v></c></row>{rows}</sheetData></worksheet>"#
    );
    let root = relations(&[("officeDocument", "xl/workbook.xml")]);
    let parts = relations(&[
        ("worksheet", "worksheets/sheet1.xml"),
        ("sharedStrings", "sharedStrings.xml"),
    ]);
    archive(&[
        ("_rels/.rels", root.as_bytes()),
        (
            "xl/workbook.xml",
            br#"<workbook xmlns:r="r"><sheets><sheet name="Members" r:id="r1"/></sheets></workbook>"#,
        ),
        ("xl/_rels/workbook.xml.rels", parts.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        (
            "xl/sharedStrings.xml",
            format!("<sst>{strings}</sst>").as_bytes(),
        ),
    ])
}

/// A record of an .xlsb part ([MS-XLSB] 2.1.4).
fn record(kind: u16, fields: &[&[u8]]) -> Vec<u8> {
    let data = fields.concat();
    let mut record = match kind {
        0..0x80 => vec![kind as u8],
        _ => vec![kind as u8 | 0x80, (kind >> 7) as u8],
    };
    record.push(u8::try_from(data.len()).expect("a short record"));
    record.extend(data);
    record
}

fn wide(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    let length = text.encode_utf16().count() as u32;
    length.to_le_bytes().into_iter().chain(units).collect()
}

/// A workbook with texts in these cells: their row, their column, and the text.
fn xlsb(cells: &[(u32, u32, &str)]) -> Vec<u8> {
    let number = |number: u32| number.to_le_bytes();
    let workbook = [
        record(
            0x9c,
            &[&number(0), &number(1), &wide("r1"), &wide("Members")],
        ),
        record(0x90, &[]),
        record(0x9d, &[]),
    ];
    let mut sheet = vec![record(0x94, &[&[0; 16]]), record(0x91, &[])];
    for (row, column, text) in cells {
        sheet.push(record(0, &[&number(*row)]));
        sheet.push(record(6, &[&number(*column), &number(0), &wide(text)]));
    }
    sheet.push(record(0x92, &[]));
    let root = relations(&[("officeDocument", "xl/workbook.bin")]);
    let parts = relations(&[("worksheet", "worksheets/sheet1.bin")]);
    archive(&[
        ("_rels/.rels", root.as_bytes()),
        ("xl/workbook.bin", &workbook.concat()),
        ("xl/_rels/workbook.bin.rels", parts.as_bytes()),
        ("xl/worksheets/sheet1.bin", &sheet.concat()),
    ])
}

fn ods(content: &str) -> Vec<u8> {
    let content = format!("<office:document-content>{content}</office:document-content>");
    archive(&[
        (
            "mimetype",
            b"application/vnd.oasis.opendocument.spreadsheet",
        ),
        ("content.xml", content.as_bytes()),
    ])
}

/// A table with a row for each text of comma-separated cells.
fn table(name: &str, style: &str, rows: &[&str]) -> String {
    let rows = rows.iter().map(|row| {
        let cells = row
            .split(',')
            .map(|text| format!("<table:table-cell><text:p>{text}</text:p></table:table-cell>"));
        let cells: String = cells.collect();
        format!("<table:table-row>{cells}</table:table-row>")
    });
    let rows: String = rows.collect();
    format!(r#"<table:table table:name="{name}" table:style-name="{style}">{rows}</table:table>"#)
}

#[test]
fn unknown_entities_are_errors_with_their_cell() {
    let ann = r#"<row r="2"><c r="A2" t="str"><v>ann@one.example</v></c>"#;
    for (rows, strings) in [
        (r#"<c r="B2" t="str"><v>A&nbsp;B</v></c></row>"#, ""),
        (
            r#"<c r="B2" t="inlineStr"><is><t>A&nbsp;B</t></is></c></row>"#,
            "",
        ),
        (
            r#"<c r="B2" t="s"><v>1</v></c></row>"#,
            "<si><t>A</t></si><si><t>A&nbsp;B</t></si>",
        ),
    ] {
        let error = read(&xlsx(&format!("{ann}{rows}"), strings)).expect_err("an unknown entity");
        assert_eq!(
            error.to_string(),
            "list: the workbook can't be read: cell B2 of the sheet “Members” has the unknown entity &nbsp;"
        );
    }
    // A text that no cell has doesn't matter, and the entities of XML are read.
    let strings = "<si><t>A&nbsp;B</t></si><si><t>A &amp; &#xe9; &#66;</t></si>";
    let rows = format!(r#"{ann}<c r="B2" t="s"><v>1</v></c></row>"#);
    let (rows, ..) = read(&xlsx(&rows, strings)).expect("a workbook");
    assert_eq!(rows, ["ann@one.example|A & é B"]);

    let members = table("Members", "", &["email,name", "ann@one.example,A&nbsp;B"]);
    let error = read(&ods(&members)).expect_err("an unknown entity");
    assert!(
        error
            .to_string()
            .ends_with("cell B2 of the sheet “Members” has the unknown entity &nbsp;"),
        "{error}"
    );
    let value = r#"<table:table-cell office:value-type="string" office:string-value="A&nbsp;B"/>"#;
    let row = format!("<table:table-row>{value}</table:table-row></table:table>");
    let members = table("Members", "", &["email,name"]).replace("</table:table>", &row);
    let error = read(&ods(&members)).expect_err("an unknown entity");
    assert!(
        error.to_string().contains("cell A2 of the sheet “Members”"),
        "{error}"
    );
}

#[test]
fn other_sheets_with_addresses_are_found_wherever_they_are() {
    let hidden = r#"<style:style style:name="h"><style:table-properties table:display="false"/></style:style>"#;
    let rows = &["email,name", "ann@one.example,Ann"][..];
    let cover = table("Cover", "", &["Members of 2026"]);
    let nested = cover.replace("Members of 2026", &table("inner", "", rows));
    let wide = table("Wide", "", &[&"x,".repeat(20_000)]);
    let sheets = [
        table("Old", "h", rows),
        table("Members", "", rows),
        table("Empty", "", &[]),
        cover,
        nested.replace("Cover", "Nested"),
        wide,
        table("Secret", "h", rows),
        table(
            "Titled",
            "",
            &["Guests", "", "name,E-Mail", "Bob,bob@one.example"],
        ),
        table("Guests", "", rows),
    ];
    let (rows, notices, _) =
        read(&ods(&format!("{hidden}{}", sheets.concat()))).expect("a workbook");
    assert_eq!(rows, ["ann@one.example|Ann"]);
    let [Notice::OtherSheets(names)] = &notices[..] else {
        panic!("{notices:?}");
    };
    assert_eq!(names.sheet, "Members");
    assert_eq!(names.others, ["Titled", "Guests"]);
}

#[test]
fn a_note_beside_the_table_is_no_row() {
    let cell = |name: &str, text: &str| format!(r#"<c r="{name}" t="str"><v>{text}</v></c>"#);
    let rows = format!(
        r#"<row r="2">{}</row><row r="3">{}</row><row r="4">{}{}</row><row r="5">{}</row><row r="6"><c r="D6" t="e"><v>#N/A</v></c></row>"#,
        cell("D2", "Call them first"),
        cell("A3", "ann@one.example"),
        cell("A4", "bob@one.example"),
        cell("D4", "moved"),
        cell("B5", "Total: 2"),
    );
    let (rows, notices, blank) = read(&xlsx(&rows, "")).expect("a workbook");
    assert_eq!(rows, ["ann@one.example|", "bob@one.example|", "|Total: 2"]);
    let [Notice::CellsOutsideHeader(lines)] = &notices[..] else {
        panic!("{notices:?}");
    };
    assert_eq!(lines.first, [2, 4, 6]);
    assert_eq!(blank.first, [2, 6]);
}

#[test]
fn cells_of_an_xlsb_file_may_be_far_apart() {
    let cells = [
        (0, 0, "email"),
        (0, 1, "name"),
        // Not in order.
        (2, 0, "bob@two.example"),
        (1, 1, "Ann"),
        (1, 0, "ann@one.example"),
        (1_048_575, 16_383, "far away"),
    ];
    let (rows, notices, _) = read(&xlsb(&cells)).expect("a workbook");
    assert_eq!(rows, ["ann@one.example|Ann", "bob@two.example|"]);
    let [Notice::LegacyWorkbook, Notice::CellsOutsideHeader(lines)] = &notices[..] else {
        panic!("{notices:?}");
    };
    assert_eq!(lines.first, [1_048_576]);
}
