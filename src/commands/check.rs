//! `mailrun check`.

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use super::failure::Failure;
use super::prepare::{Wanted, invalid_rows, new_run, prepare};
use super::show::Shown;
use crate::campaign::Campaign;
use crate::check::{Findings, Group};
use crate::cli::{Check, Format};
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::ledger::Target;
use crate::report::counted;
use crate::run::Folder;

pub(super) fn run(args: &Check, shown: &Shown) -> Result<ExitCode, Failure> {
    let (findings, rows) = findings(&args.campaign, shown);
    let (errors, warnings) = (
        findings.count(Severity::Error),
        findings.count(Severity::Warning),
    );
    match args.format {
        Format::Json => println!("{}", as_json(&findings, rows)),
        Format::Text => {
            for group in findings.groups() {
                println!("{}", shown.text(group));
            }
            if findings.beyond > 0 {
                println!(
                    "and {} of other kinds",
                    counted(findings.beyond, "more finding")
                );
            }
            println!(
                "{}, {}, {}",
                rows.map_or_else(|| "? rows".to_owned(), |rows| counted(rows, "row")),
                counted(errors, "error"),
                counted(warnings, "warning")
            );
        }
    }
    let failed = errors > 0 || (args.strict && warnings > 0);
    Ok(if failed {
        ExitCode::Error
    } else {
        ExitCode::Done
    })
}

/// Everything that is wrong, and the number of rows if they could be read.
fn findings(campaign: &Path, shown: &Shown) -> (Findings, Option<u64>) {
    match inspect(campaign, shown) {
        Ok((findings, rows)) => (findings, Some(rows)),
        Err(failure) => (failure.findings, None),
    }
}

fn inspect(path: &Path, shown: &Shown) -> Result<(Findings, u64), Failure> {
    let campaign = Campaign::load(path)?;
    let scratch = tempfile::tempdir().map_err(|error| (std::env::temp_dir(), error))?;
    let folder = Folder::at(scratch.path());
    let mut rng = StdRng::seed_from_u64(0);
    let wanted = Wanted {
        campaign: &campaign,
        folder: &folder,
        freeze: false,
        run: new_run(
            &campaign,
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
    invalid_rows(&planned, &campaign, &mut findings)?;
    Ok((findings, total))
}

fn as_json(findings: &Findings, rows: Option<u64>) -> String {
    let list: Vec<_> = findings.groups().map(group_as_json).collect();
    let report = json!({
        "rows": rows,
        "errors": findings.count(Severity::Error),
        "warnings": findings.count(Severity::Warning),
        "findings": list,
    });
    format!("{report:#}")
}

fn group_as_json(group: &Group) -> serde_json::Value {
    let finding = &group.finding;
    json!({
        "severity": finding.severity,
        "code": finding.code,
        "message": finding.message,
        "help": finding.help,
        "file": finding.place.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "rows": group.rows,
        "count": group.count,
    })
}
