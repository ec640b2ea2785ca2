//! Compares planning and the preflight with Tera alone on the same cores.

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mailrun::campaign::Campaign;
use mailrun::check::{self, Checkers, RowPass};
use mailrun::clock::Clock;
use mailrun::finding::Severity;
use mailrun::ledger::sqlite::path_in;
use mailrun::ledger::{Run, Target};
use mailrun::recipients::{LineNumbers, RecipientReader};
use mailrun::render::{Engines, Inputs};
use mailrun::run::{DifferingDuplicates, PlanInputs, PlanProgress, plan};
use mailrun::suppression::CampaignLists;
use tera::{Context, Tera, Value};

pub(crate) struct Took {
    pub(crate) plan: Duration,
    /// Errors only, as before sending.
    pub(crate) preflight: Duration,
    /// All rules, as `check` does.
    pub(crate) check: Duration,
    pub(crate) tera: Duration,
}

/// Plans a campaign, and renders its rows with the preflight, with `check` and with Tera alone.
pub(crate) fn measure(dir: &Path, rows: u64) -> Took {
    let campaign = Campaign::load(dir).expect("the campaign");
    let run = Run {
        name: "bench".to_owned(),
        target: Target::Real,
        test_to: None,
        campaign: dir.to_owned(),
        started: Timestamp::UNIX_EPOCH,
        id_prefix: "00".to_owned(),
        header: HEADER.map(str::to_owned).to_vec(),
        blank_rows: 0,
        variants: Vec::new(),
        chosen: None,
    };
    let ledger = tempfile::tempdir().expect("a folder");
    let ledger = path_in(ledger.path());
    std::fs::create_dir_all(ledger.parent().expect("a folder")).expect("a folder");
    let began = Instant::now();
    let settings = &campaign.recipients.settings;
    let file = dir.join("recipients.csv");
    let mut reader = RecipientReader::open(&file, "recipients.csv", settings).expect("CSV");
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
    planned.planner.finish(0, run.started).expect("a plan");
    let plan = began.elapsed();

    let engines = Engines::new(&Inputs {
        campaign: &campaign,
        dir,
        is_frozen: false,
        own_dir: dir,
        header: &run.header,
        started: run.started,
        id_prefix: &run.id_prefix,
        verp_key: [0; 32],
        test_to: None,
        feedback_keys: None,
    });
    let engines = engines.expect("an engine");
    let [preflight, check] = [Severity::Error, Severity::Note].map(|least| {
        let began = Instant::now();
        let checkers = Checkers::new(&engines, |campaign, engine| check::CheckerInputs {
            campaign,
            engine,
            used_by_variants: Vec::new(),
            header: &run.header,
            recipients: &file,
            rows,
            email: 0,
            duplicates: LineNumbers::default(),
            differing: DifferingDuplicates::default(),
            least,
            net: false,
            clock: Clock::system(),
        });
        let inputs = RowPass {
            ledger: &ledger,
            last: u32::try_from(rows).expect("few rows"),
            checkers: &checkers.expect("rules"),
            stages: &PlanProgress::default(),
        };
        let take = |found: check::RowFinding| {
            let Severity::Error = found.finding.severity else {
                return Ok(());
            };
            panic!("row {}: {:?}", found.row, found.finding)
        };
        check::check_rows(&inputs, take).expect("a ledger");
        began.elapsed()
    });
    let tera = tera_alone(dir, rows);
    std::fs::remove_dir_all(ledger.parent().expect("a folder")).expect("a folder");
    Took {
        plan,
        preflight,
        check,
        tera,
    }
}

const HEADER: [&str; 6] = ["email", "first_name", "city", "segment", "points", "token"];
/// The templates that the campaign renders for each row.
const TEMPLATES: [&str; 5] = [
    "newsletter.html",
    "newsletter.txt",
    "subject",
    "tag",
    "header",
];

/// The time that Tera alone takes on all cores, including one context per row.
fn tera_alone(dir: &Path, rows: u64) -> Duration {
    let mut tera = Tera::new();
    let templates = std::fs::read_dir(dir.join("templates")).expect("a folder");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("a file").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        (name, std::fs::read_to_string(path).expect("a template"))
    };
    let campaign = std::fs::read_to_string(dir.join("campaign.toml")).expect("the campaign");
    let campaign: toml::Table = campaign.parse().expect("TOML");
    let message = &campaign["message"];
    let line = |value: &toml::Value| value.as_str().expect("a string").to_owned();
    let lines = [
        ("subject".to_owned(), line(&message["subject"])),
        (
            "tag".to_owned(),
            line(
                message["tags"]
                    .as_array()
                    .and_then(|tags| tags.last())
                    .expect("a tag"),
            ),
        ),
        (
            "header".to_owned(),
            line(&message["headers"]["List-Unsubscribe"]),
        ),
    ];
    tera.register_filter("urlencode", tera_contrib::urlencode::urlencode);
    tera.register_filter(
        "urlencode_strict",
        tera_contrib::urlencode::urlencode_strict,
    );
    tera.register_function("now", |_: tera::Kwargs, _: &tera::State| {
        Ok(Value::from("1970-01-01T00:00:00+00:00"))
    });
    let vars = campaign["vars"].as_table().expect("variables");
    for (name, value) in vars {
        let value = serde_json::to_value(value).expect("JSON");
        tera.global_context().insert(name.clone(), &value);
    }
    tera.add_raw_templates(templates.map(read).chain(lines))
        .expect("templates");
    let next = AtomicU64::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                loop {
                    let row = next.fetch_add(1, Ordering::Relaxed);
                    if row >= rows {
                        return;
                    }
                    let (points, token) = (format!("{}", row % 300), format!("{row:016x}"));
                    let email = format!("reader{row}@list.example");
                    let cells = [&*email, "Zofia", "Kraków", "home", &points, &token];
                    let mut context = Context::new();
                    for (name, cell) in HEADER.iter().zip(cells) {
                        context.insert_value(*name, Value::from(cell));
                    }
                    for template in TEMPLATES {
                        std::hint::black_box(tera.render(template, &context).expect("a text"));
                    }
                }
            });
        }
    });
    began.elapsed()
}
