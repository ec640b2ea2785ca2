//! `cargo bench --bench stages`: measures each stage of a message, for the newsletter in `examples/`.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use mailrun::address::Mailbox;
use mailrun::api::{Answer, FormDialect};
use mailrun::campaign::Campaign;
use mailrun::ledger::sqlite::{NewRow, Planner, open_writer, path_in};
use mailrun::ledger::{Claim, Run, Settlement, Target};
use mailrun::recipients::RecipientReader;
use mailrun::render::{Engine, Inputs, Row};
use mailrun::run::{PlanInputs, PlanProgress, plan};
use mailrun::suppression::CampaignLists;
use tempfile::TempDir;

const HEADER: [&str; 6] = ["email", "first_name", "city", "segment", "points", "token"];
/// Rows in a commit.
const GROUP: u32 = 64;
const PLANNED: u32 = 10_000;

fn campaign() -> Campaign {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/newsletter");
    Campaign::load(&example).expect("the example")
}

fn engine(campaign: &Campaign) -> Engine {
    let engine = Engine::new(&Inputs {
        campaign,
        dir: &campaign.dir,
        is_frozen: false,
        own_dir: &campaign.dir,
        header: &HEADER.map(str::to_owned),
        started: Timestamp::UNIX_EPOCH,
        id_prefix: "00",
        verp_key: [0; 32],
        test_to: None,
        feedback_keys: None,
    });
    engine.expect("an engine")
}

fn row(number: u32) -> Row {
    let email = format!("reader{number}@list.example");
    let cells = [&*email, "Zofia", "Kraków", "home", "250", "7f3a09c2"];
    Row {
        number,
        mailbox: Mailbox::parse(&email).expect("an address"),
        cells: cells.map(str::to_owned).to_vec(),
        json: Vec::new(),
        variant: None,
        resends: 0,
        others: Vec::new(),
        recorded: Vec::new(),
    }
}

fn render(criterion: &mut Criterion) {
    let campaign = campaign();
    let engine = engine(&campaign);
    let row = row(1);
    let mut group = criterion.benchmark_group("render");
    group.throughput(Throughput::Elements(1));
    group.bench_function("inspect", |b| b.iter(|| engine.inspect(black_box(&row))));
    group.bench_function("prepare", |b| b.iter(|| engine.prepare(black_box(&row))));
    group.finish();
}

fn encode(criterion: &mut Criterion) {
    let campaign = campaign();
    let prepared = engine(&campaign).prepare(&row(1)).expect("a message");
    let envelope = engine(&campaign).envelope(vec![prepared.recipient]);
    let request = prepared.message.request(&envelope);
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    group.bench_function("a request", |b| {
        b.iter_batched_ref(
            || Vec::with_capacity(16 << 10),
            |out| request.encode_into(FormDialect::Sendmail, out),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for recipients in [1_u32, 200] {
        let addresses =
            (0..recipients).map(|n| (format!("reader{n}@list.example"), format!("{n}@x")));
        let body = Answer::success(addresses, "k3v9".to_owned()).encode();
        group.throughput(Throughput::Elements(recipients.into()));
        group.bench_function(format!("answer for {recipients}"), |b| {
            b.iter(|| Answer::decode(black_box(&body)));
        });
    }
    group.finish();
}

fn run() -> Run {
    Run {
        name: "bench".to_owned(),
        target: Target::Local,
        test_to: None,
        campaign: PathBuf::from("."),
        started: Timestamp::UNIX_EPOCH,
        id_prefix: "00".to_owned(),
        header: HEADER.map(str::to_owned).to_vec(),
        blank_rows: 0,
        variants: Vec::new(),
        chosen: None,
    }
}

/// A ledger with pending rows.
fn ledger(rows: u32) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let mut planner = Planner::create(&path_in(dir.path()), &run()).expect("a ledger");
    for number in 1..=rows {
        let email = format!("reader{number}@list.example");
        let row = NewRow {
            number,
            line: u64::from(number) + 1,
            email: &email,
            address: Some(&email),
            key: None,
            cells: "[]",
            lane: 0,
            variant: None,
            held_back: false,
            left_out: None,
        };
        planner.add(&row).expect("a row");
    }
    planner.finish(0, Timestamp::UNIX_EPOCH).expect("a plan");
    dir
}

/// Durable commits with as many rows as requests are in flight.
fn claim_and_settle(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let now = Timestamp::UNIX_EPOCH;
    let dir = ledger(GROUP);
    let writer = open_writer(&path_in(dir.path()), now).expect("a writer");
    let again = || Settlement::Again {
        counted: false,
        error: String::new(),
    };
    let rows: Vec<u32> = (1..=GROUP).collect();
    let mut group = criterion.benchmark_group("ledger");
    group.throughput(Throughput::Elements(GROUP.into()));
    group.bench_function(format!("claim and settle {GROUP} rows"), |b| {
        b.iter(|| {
            let claims = rows.iter().map(|row| Claim {
                rows: vec![*row],
                domain: 0,
            });
            let claimed = runtime.block_on(writer.claim(claims.collect(), now));
            claimed.expect("a claim");
            let settled = rows.iter().map(|row| (*row, again())).collect();
            writer.settle(settled, now).expect("settled");
            runtime.block_on(writer.flush()).expect("flushed");
        });
    });
    group.finish();
}

fn planning(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder");
    let recipients = dir.path().join("recipients.csv");
    let mut csv = HEADER.join(",") + "\n";
    for number in 1..=PLANNED {
        csv += &format!("reader{number}@list.example,Zofia,Kraków,home,250,{number:016x}\n");
    }
    std::fs::write(&recipients, csv).expect("a file");
    let (campaign, run) = (campaign(), run());
    let mut group = criterion.benchmark_group("plan");
    group.throughput(Throughput::Elements(PLANNED.into()));
    group.sample_size(20);
    group.bench_function(format!("{PLANNED} rows"), |b| {
        b.iter_with_large_drop(|| {
            let dir = tempfile::tempdir().expect("a folder");
            let settings = &campaign.recipients.settings;
            let mut reader =
                RecipientReader::open(&recipients, "recipients.csv", settings).expect("CSV");
            let inputs = PlanInputs {
                lists: &CampaignLists::default(),
                campaign: &campaign,
                run: &run,
                ledger: &path_in(dir.path()),
                only: None,
                sample: None,
                used: &[],
                progress: &PlanProgress::default(),
            };
            let planned = plan(&mut reader, &inputs).expect("a plan");
            planned.planner.finish(0, run.started).expect("a plan");
            dir
        });
    });
    group.finish();
}

/// Compiling templates takes time in proportion to their size: compare the throughputs.
fn large_templates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    for (tags, image) in [(1_000, 0), (8_000, 0), (300, 4 << 20)] {
        let mut html = "<p>x {{ city }}</p>".repeat(tags);
        html.push_str(&format!(
            "<img src=\"data:image/png;base64,{}\">",
            "A".repeat(image)
        ));
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).expect("a file");
        };
        std::fs::create_dir(dir.path().join("templates")).expect("a folder");
        write("templates/a.html", &html);
        write("recipients.csv", "email\n");
        write(
            "campaign.toml",
            "name = \"a\"\n[api]\nsmtp_account = \"1.a.smtp\"\n[message]\nfrom = \"a@b.example\"\nsubject = \"a\"\nhtml = \"a.html\"\n",
        );
        let campaign = Campaign::load(dir.path()).expect("a campaign");
        group.throughput(Throughput::Bytes(html.len() as u64));
        group.bench_function(format!("{tags} tags, {} MB of image", image >> 20), |b| {
            b.iter(|| engine(black_box(&campaign)));
        });
    }
    group.finish();
}

criterion_group!(
    stages,
    render,
    encode,
    decode,
    claim_and_settle,
    planning,
    large_templates
);
criterion_main!(stages);
