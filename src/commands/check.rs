//! `mailrun check`.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::failure::Failure;
use super::prepare::{Wanted, invalid_rows, new_run, prepare};
use super::show::Shown;
use crate::campaign::Campaign;
use crate::check::{self, Findings, Off, Report};
use crate::cli::{Check, CheckFormat};
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::ledger::Target;
use crate::report::{counted, printable_line};
use crate::run::Folder;

pub(super) fn run(args: &Check, shown: &Shown) -> Result<ExitCode, Failure> {
    let checked = checked(args, shown);
    let base = std::env::current_dir().unwrap_or_default();
    let report = Report {
        findings: &checked.findings,
        rows: checked.rows,
        off: &checked.off,
        campaign: &Campaign::file(&args.campaign),
        base: &base,
    };
    match args.format {
        CheckFormat::Json => println!("{}", check::json(&report)),
        CheckFormat::Sarif => println!("{}", check::sarif(&report)),
        CheckFormat::Github => {
            let lines = check::github(&report);
            let lines = lines.lines().map(printable_line);
            lines.for_each(|line| println!("{line}"));
            println!("{}", totals(&report));
        }
        CheckFormat::Text => text(&report, shown),
    }
    let count = |severity| report.findings.count(severity);
    let failed = count(Severity::Error) > 0 || (args.strict && count(Severity::Warning) > 0);
    Ok(if failed {
        ExitCode::Error
    } else {
        ExitCode::Done
    })
}

fn text(report: &Report<'_>, shown: &Shown) {
    for group in report.findings.groups() {
        println!("{}", shown.text(group));
    }
    if report.findings.beyond > 0 {
        println!(
            "and {} of other kinds",
            counted(report.findings.beyond, "more finding")
        );
    }
    for (code, reason) in report.off {
        println!("off: {code}: {}", printable_line(reason));
    }
    println!("{}", totals(report));
}

/// The last line: how many there are.
fn totals(report: &Report<'_>) -> String {
    let count = |severity, noun| counted(report.findings.count(severity), noun);
    let rows = report.rows;
    let mut totals = format!(
        "{}, {}, {}",
        rows.map_or_else(|| "? rows".to_owned(), |rows| counted(rows, "row")),
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning")
    );
    if report.findings.count(Severity::Note) > 0 {
        totals = format!("{totals}, {}", count(Severity::Note, "note"));
    }
    totals
}

/// What came of it.
#[derive(Default)]
struct Checked {
    findings: Findings,
    /// How many rows there are, if they could be read.
    rows: Option<u64>,
    off: Off,
}

fn checked(args: &Check, shown: &Shown) -> Checked {
    let campaign = match Campaign::load(&args.campaign) {
        Ok(campaign) => campaign,
        Err(findings) => {
            return Checked {
                findings: findings.into_iter().collect(),
                ..Checked::default()
            };
        }
    };
    // What is wrong with it is among the findings.
    let off = check::off(&campaign).unwrap_or_default();
    let (findings, rows) = match inspect(&campaign, args.net, shown) {
        Ok((findings, rows)) => (findings, Some(rows)),
        Err(failure) => (failure.findings, None),
    };
    Checked {
        findings,
        rows,
        off,
    }
}

fn inspect(campaign: &Campaign, net: bool, shown: &Shown) -> Result<(Findings, u64), Failure> {
    let scratch = tempfile::tempdir().map_err(|error| (std::env::temp_dir(), error))?;
    let folder = Folder::at(scratch.path());
    let mut rng = StdRng::seed_from_u64(0);
    let wanted = Wanted {
        campaign,
        folder: &folder,
        freeze: false,
        run: new_run(
            campaign,
            Target::Local,
            None,
            Clock::system().now(),
            &mut rng,
        ),
        test_to: None,
        only: None,
        except_sent: &[],
        preflight: true,
        least: Severity::Note,
        net,
        skip_invalid: false,
    };
    let (mut findings, total) = match prepare(wanted, shown) {
        Ok(ready) => (ready.findings, Some(ready.counts.total())),
        Err(failure) => (failure.findings, None),
    };
    let planned = folder.ledger();
    let total = match total {
        Some(total) => total,
        None if planned.is_file() => crate::ledger::Ledger::open(&planned)?.counts()?.total(),
        None => return Err(findings.into()),
    };
    invalid_rows(&planned, campaign, &mut findings)?;
    Ok((findings, total))
}
