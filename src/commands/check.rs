//! `mailrun check`.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::console::{Console, more_kinds};
use super::failure::Failure;
use super::output;
use super::prepare::{RunOptions, add_invalid_rows, new_run, prepare};
use crate::campaign::Campaign;
use crate::check::{self, Findings, Off, Report};
use crate::cli::{CheckArgs, CheckFormat, LedgerOption};
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::Severity;
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger, Target};
use crate::report::counted;
use crate::run::{ExclusionReason, Folder};
use crate::terminal_text::printable_line;

pub(super) fn run(args: &CheckArgs, console: &Console) -> Result<ExitCode, Failure> {
    let result = check_campaign(args, console);
    let base = std::env::current_dir().unwrap_or_default();
    let report = Report {
        findings: &result.findings,
        rows: result.rows,
        off: &result.off,
        suppressed: &result.suppressed,
        not_selected: &result.not_selected,
        campaign: &Campaign::file(&args.campaign),
        base: &base,
    };
    match args.format {
        CheckFormat::Json => output::json_line(check::json(&report)),
        CheckFormat::Sarif => output::json_line(check::sarif(&report)),
        CheckFormat::Github => {
            let lines = check::github(&report);
            let lines = lines.lines().map(printable_line);
            lines.for_each(output::line);
            output::line(totals(&report));
        }
        CheckFormat::Text => print_text(&report, console),
    }
    let count = |severity| report.findings.count(severity);
    let failed = count(Severity::Error) > 0 || (args.strict && count(Severity::Warning) > 0);
    Ok(if failed {
        ExitCode::Error
    } else {
        ExitCode::Done
    })
}

fn print_text(report: &Report<'_>, console: &Console) {
    for group in report.findings.groups() {
        output::coloured_line(console.format(group));
    }
    if let Some(line) = more_kinds(report.findings) {
        output::line(line);
    }
    for (code, reason) in report.off {
        output::line(format_args!("off: {code}: {}", printable_line(reason)));
    }
    for (reason, rows) in report.not_selected.iter().chain(report.suppressed) {
        let rows = counted(*rows, "row");
        output::line(format_args!("left out: {rows}: {}", printable_line(reason)));
    }
    output::line(totals(report));
}

/// For example `57 rows, 0 errors, 2 warnings`; without rows if they could not be read.
fn totals(report: &Report<'_>) -> String {
    let count = |severity| report.findings.count(severity);
    let mut totals = vec![
        counted(count(Severity::Error), "error"),
        counted(count(Severity::Warning), "warning"),
    ];
    if let Some(rows) = report.rows {
        totals.insert(0, counted(rows, "row"));
    }
    if count(Severity::Note) > 0 {
        totals.push(counted(count(Severity::Note), "note"));
    }
    totals.join(", ")
}

#[derive(Default)]
struct CheckResult {
    findings: Findings,
    /// `None` if the recipients could not be read.
    rows: Option<u64>,
    off: Off,
    /// Why rows are suppressed, and how many.
    suppressed: Vec<(String, u64)>,
    /// Which expressions do not select rows, and how many.
    not_selected: Vec<(String, u64)>,
}

fn check_campaign(args: &CheckArgs, console: &Console) -> CheckResult {
    let campaign = match Campaign::load(&args.campaign) {
        Ok(campaign) => campaign,
        Err(findings) => {
            return CheckResult {
                findings: findings.into_iter().collect(),
                ..CheckResult::default()
            };
        }
    };
    // Errors in it are among the findings.
    let off = check::off(&campaign).unwrap_or_default();
    let result = inspect(&campaign, args.net, console);
    let result = result.unwrap_or_else(|failure| CheckResult {
        findings: failure.findings,
        ..CheckResult::default()
    });
    CheckResult { off, ..result }
}

fn inspect(campaign: &Campaign, net: bool, console: &Console) -> Result<CheckResult, Failure> {
    let scratch = tempfile::tempdir().map_err(|error| (std::env::temp_dir(), error))?;
    let folder = Folder::at(scratch.path());
    let mut rng = StdRng::seed_from_u64(0);
    let options = RunOptions {
        campaign,
        ledger: &LedgerOption::default(),
        folder: &folder,
        freeze: false,
        schedule: None,
        run: new_run(
            campaign,
            Target::Local,
            None,
            Clock::system().now(),
            &mut rng,
        ),
        test_to: None,
        max_rows: None,
        sample: None,
        except_sent: None,
        preflight: true,
        least: Severity::Note,
        net,
        skip_invalid: false,
        feedback_keys: None,
    };
    let (mut findings, total) = match prepare(options, console) {
        Ok(prepared) => {
            let rows = prepared.counts.total() + prepared.members.total();
            (prepared.findings, Some(rows))
        }
        Err(failure) => (failure.findings, None),
    };
    let planned = folder.ledger();
    if total.is_none() && !planned.is_file() {
        return Err(findings.into());
    }
    let ledger = SqliteLedger::open(&planned)?;
    add_invalid_rows(&planned, campaign, &mut findings)?;
    Ok(CheckResult {
        findings,
        rows: Some(match total {
            Some(total) => total,
            None => ledger.counts()?.total() + ledger.members()?.total(),
        }),
        suppressed: ledger.skipped(ExclusionReason::SUPPRESSED)?,
        not_selected: ledger.skipped(ExclusionReason::NOT_SELECTED)?,
        off: Off::default(),
    })
}
