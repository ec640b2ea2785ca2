//! `mailrun status`.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::failure::Failure;
use super::open::{Opened, open};
use crate::cli::{Format, Status as Args};
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::ledger::{Counts, ResultRow, Status};
use crate::report::{counted, duration, grouped, printable_line, reasons, s};
use crate::run::Lock;

/// How many unknown rows the text shows.
const SHOWN: usize = 20;
/// How many unknown rows the JSON has.
const LISTED: u32 = 1000;

/// What the JSON holds; the text shows the same.
struct Report {
    opened: Opened,
    counts: Counts,
    holder: Option<i32>,
    rate: Option<f64>,
    eta: Option<Duration>,
    /// The first unknown rows.
    unknown: Vec<ResultRow>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let opened = open(&args.run)?;
    let holder = Lock::holder(&opened.folder);
    let counts = opened.ledger.counts()?;
    let counts = if holder.is_some() {
        counts
    } else {
        counts.without_holder()
    };
    let rate = if holder.is_some() {
        rate(&opened)?
    } else {
        None
    };
    let left = counts.of(Status::Pending) + counts.of(Status::Sending);
    let eta = rate
        .filter(|_| left > 0)
        .map(|rate| Duration::from_secs_f64(left as f64 / rate));
    let unknown = opened.ledger.first_unknown(LISTED, holder.is_some())?;
    let report = Report {
        opened,
        counts,
        holder,
        rate,
        eta,
        unknown,
    };
    match args.format {
        Format::Json => println!("{:#}", as_json(&report)?),
        Format::Text => print!("{}", as_text(&report)?),
    }
    Ok(ExitCode::Done)
}

/// Recipients a second over the last minutes in which any were posted.
fn rate(opened: &Opened) -> Result<Option<f64>, Failure> {
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

fn as_json(report: &Report) -> Result<serde_json::Value, Failure> {
    let run = &report.opened.run;
    let counts: serde_json::Map<_, _> = Status::ALL
        .iter()
        .map(|status| (status.as_str().to_owned(), report.counts.of(*status).into()))
        .collect();
    let reasons: Vec<_> = reasons(&report.opened.ledger)?
        .into_iter()
        .map(|(status, code, error, rows)| json!({"status": status, "code": code, "error": error, "rows": rows}))
        .collect();
    let unknown: Vec<_> = report
        .unknown
        .iter()
        .map(|row| json!({"row": row.number, "email": row.email, "error": row.error, "at": row.at.map(|at| at.to_string())}))
        .collect();
    Ok(json!({
        "run": report.opened.folder.path(),
        "name": run.name,
        "target": run.target.as_str(),
        "started_at": run.started.to_string(),
        "rows": report.counts.total(),
        "blank_rows": run.blank_rows,
        "counts": counts,
        "reasons": reasons,
        "unknown": unknown,
        "process": report.holder,
        "rate": report.rate,
        "eta_seconds": report.eta.map(|eta| eta.as_secs()),
    }))
}

fn as_text(report: &Report) -> Result<String, Failure> {
    let run = &report.opened.run;
    let mut text = String::new();
    let state = match report.holder {
        Some(pid) => format!("being worked on by the process {pid}"),
        None => "not being worked on".to_owned(),
    };
    let mut line = |words: String| text.push_str(&(words + "\n"));
    line(format!(
        "{} ({}), {state}",
        report.opened.folder.path().display(),
        run.target.as_str()
    ));
    for status in Status::ALL
        .into_iter()
        .filter(|status| report.counts.of(*status) > 0)
    {
        line(format!(
            "{:>12}  {status}",
            grouped(report.counts.of(status))
        ));
    }
    line(format!(
        "{:>12}  row{} in all",
        grouped(report.counts.total()),
        s(report.counts.total())
    ));
    if let Some(rate) = report.rate {
        let eta = report
            .eta
            .map(|eta| format!(", {} left", duration(eta)))
            .unwrap_or_default();
        line(format!("{rate:>12.1}  a second{eta}"));
    }
    for (status, _, error, rows) in reasons(&report.opened.ledger)? {
        let _ = writeln!(
            text,
            "{:>12}  {status}: {}",
            grouped(rows),
            printable_line(&error)
        );
    }
    text.push_str(&unknown_rows(
        &report.unknown,
        report.counts.of(Status::Unknown),
    ));
    Ok(text)
}

/// The rows that want a decision: which, when, why.
fn unknown_rows(rows: &[ResultRow], all: u64) -> String {
    let mut text = String::new();
    for row in rows.iter().take(SHOWN) {
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
    let more = all.saturating_sub(rows.len().min(SHOWN) as u64);
    if more > 0 {
        text += &format!("and {}\n", counted(more, "more unknown row"));
    }
    text
}
