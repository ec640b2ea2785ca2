//! `mailrun status`.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::failure::Failure;
use super::open_run::{OpenRun, open};
use super::output;
use crate::cli;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::ledger::{Ledger, ResultRow, Status, StatusCounts};
use crate::report::{counted, duration, grouped, plural_s, reasons};
use crate::run::Lock;
use crate::terminal_text::printable_line;

/// How many unknown rows are listed in text and in JSON.
const LISTED_AS_TEXT: usize = 20;
const LISTED_AS_JSON: u32 = 1000;

struct RunStatus {
    opened: OpenRun,
    counts: StatusCounts,
    /// The process that works on the run.
    holder: Option<i32>,
    /// Recipients per second.
    rate: Option<f64>,
    eta: Option<Duration>,
    /// The first unknown rows.
    unknown: Vec<ResultRow>,
}

pub(super) fn run(args: &cli::StatusArgs) -> Result<ExitCode, Failure> {
    let opened = open(&args.run)?;
    let holder = Lock::holder(&opened.folder);
    let mut counts = opened.ledger.counts()?;
    let mut rate = None;
    match holder {
        Some(_) => rate = current_rate(&opened)?,
        None => counts = counts.without_holder(),
    }
    let left = counts.of(Status::Pending) + counts.of(Status::Sending);
    let eta = rate
        .filter(|_| left > 0)
        .map(|rate| Duration::from_secs_f64(left as f64 / rate));
    let unknown = opened
        .ledger
        .first_unknown(LISTED_AS_JSON, holder.is_some())?;
    let status = RunStatus {
        opened,
        counts,
        holder,
        rate,
        eta,
        unknown,
    };
    match args.format {
        cli::OutputFormat::Json => output::json_line(format_args!("{:#}", as_json(&status)?)),
        cli::OutputFormat::Text => output::line(as_text(&status)?.trim_end_matches('\n')),
    }
    Ok(ExitCode::Done)
}

/// Recipients per second over the last five minutes; `None` if none were posted.
fn current_rate(opened: &OpenRun) -> Result<Option<f64>, Failure> {
    let now = Clock::system().now();
    let since = now
        .saturating_sub(jiff::SignedDuration::from_mins(5))
        .unwrap_or(now);
    let posted: u64 = opened
        .ledger
        .posted_since(since, None)?
        .iter()
        .map(|(_, recipients)| recipients)
        .sum();
    let started = opened.run.started.max(since);
    let seconds = now.duration_since(started).as_secs_f64();
    Ok((posted > 0 && seconds > 0.0).then(|| posted as f64 / seconds))
}

fn as_json(status: &RunStatus) -> Result<serde_json::Value, Failure> {
    let run = &status.opened.run;
    let counts: serde_json::Map<_, _> = Status::ALL
        .iter()
        .map(|name| (name.as_str().to_owned(), status.counts.of(*name).into()))
        .collect();
    let reasons = reasons(&status.opened.ledger)?;
    let unknown: Vec<_> = status
        .unknown
        .iter()
        .map(|row| json!({"row": row.number, "email": row.email, "error": row.error, "at": row.at.map(|at| at.to_string())}))
        .collect();
    Ok(json!({
        "run": status.opened.folder.path(),
        "name": run.name,
        "target": run.target.as_str(),
        "started_at": run.started.to_string(),
        "rows": status.counts.total(),
        "blank_rows": run.blank_rows,
        "counts": counts,
        "reasons": reasons,
        "unknown": unknown,
        "process": status.holder,
        "rate": status.rate,
        "eta_seconds": status.eta.map(|eta| eta.as_secs()),
    }))
}

fn as_text(status: &RunStatus) -> Result<String, Failure> {
    let run = &status.opened.run;
    let mut text = String::new();
    let state = match status.holder {
        Some(pid) => format!("process {pid} is working on it"),
        None => "not running".to_owned(),
    };
    let mut line = |line: String| text.push_str(&(line + "\n"));
    line(format!(
        "{} ({}), {state}",
        status.opened.folder.path().display(),
        run.target.as_str()
    ));
    for name in Status::ALL {
        let rows = status.counts.of(name);
        if rows > 0 {
            line(format!("{:>12}  {name}", grouped(rows)));
        }
    }
    let total = status.counts.total();
    line(format!(
        "{:>12}  row{} in all",
        grouped(total),
        plural_s(total)
    ));
    if let Some(rate) = status.rate {
        let eta = status
            .eta
            .map(|eta| format!(", {} left", duration(eta)))
            .unwrap_or_default();
        line(format!("{rate:>12.1}  per second{eta}"));
    }
    for reason in reasons(&status.opened.ledger)? {
        let _ = writeln!(
            text,
            "{:>12}  {}: {}",
            grouped(reason.rows),
            reason.status,
            printable_line(&reason.error)
        );
    }
    text.push_str(&unknown_rows(
        &status.unknown,
        status.counts.of(Status::Unknown),
    ));
    Ok(text)
}

fn unknown_rows(rows: &[ResultRow], all: u64) -> String {
    let mut text = String::new();
    for row in rows.iter().take(LISTED_AS_TEXT) {
        let at = row
            .at
            .map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
        let line = format!(
            "unknown: row {}, {}, {}: {}",
            row.number,
            row.email,
            at.unwrap_or_default(),
            row.error.as_deref().unwrap_or_default()
        );
        text += &format!("{}\n", printable_line(&line));
    }
    let more = all.saturating_sub(rows.len().min(LISTED_AS_TEXT) as u64);
    if more > 0 {
        text += &format!("and {}\n", counted(more, "more unknown row"));
    }
    text
}
