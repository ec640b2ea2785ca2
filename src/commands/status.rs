//! `mailrun status`.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::failure::Failure;
use super::open_run::{OpenRun, open};
use super::output;
use super::run_home::RunHome;
use crate::cli;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::ledger::postgres::{SharedPause, WorkerStatus};
use crate::ledger::{ResultRow, Status, StatusCounts};
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
    /// The processes that send a run in a database.
    workers: Vec<WorkerStatus>,
    pause: Option<SharedPause>,
    /// Recipients per second.
    rate: Option<f64>,
    eta: Option<Duration>,
    /// The first unknown rows.
    unknown: Vec<ResultRow>,
}

pub(super) fn run(args: &cli::StatusArgs) -> Result<ExitCode, Failure> {
    let opened = open(&args.run)?;
    let (holder, workers, pause) = match &opened.home {
        RunHome::Folder(folder) => (Lock::holder(folder), Vec::new(), None),
        RunHome::Database(ledger) => (None, ledger.workers()?, ledger.pause()?),
    };
    let live = holder.is_some() || !workers.is_empty();
    let mut counts = opened.ledger.counts()?;
    let mut rate = None;
    if live {
        rate = current_rate(&opened)?;
    } else {
        counts = counts.without_holder();
    }
    let left = counts.of(Status::Pending) + counts.of(Status::Sending);
    let eta = rate
        .filter(|_| left > 0)
        .map(|rate| Duration::from_secs_f64(left as f64 / rate));
    let unknown = opened.ledger.first_unknown(LISTED_AS_JSON, live)?;
    let status = RunStatus {
        opened,
        counts,
        holder,
        workers,
        pause,
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
    let reasons = reasons(&*status.opened.ledger)?;
    let unknown: Vec<_> = status
        .unknown
        .iter()
        .map(|row| json!({"row": row.number, "email": row.email, "error": row.error, "at": row.at.map(|at| at.to_string())}))
        .collect();
    let workers: Vec<_> = status
        .workers
        .iter()
        .map(|worker| {
            json!({"host": worker.host, "process": worker.process, "rate": worker.rate,
                   "in_flight": worker.in_flight, "heartbeat_seconds_ago": worker.last_heartbeat})
        })
        .collect();
    let mut json = json!({
        "run": status.opened.home.name(),
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
    });
    if let (RunHome::Database(_), Some(fields)) = (&status.opened.home, json.as_object_mut()) {
        let pause = status.pause.as_ref();
        let pause = pause.map(|pause| json!({"seconds": pause.left, "reason": pause.reason}));
        fields.insert("workers".to_owned(), workers.into());
        fields.insert("pause".to_owned(), pause.unwrap_or_default());
    }
    Ok(json)
}

fn as_text(status: &RunStatus) -> Result<String, Failure> {
    let run = &status.opened.run;
    let mut text = String::new();
    let state = match (status.holder, status.workers.len() as u64) {
        (Some(pid), _) => format!("process {pid} is working on it"),
        (None, 0) => "not running".to_owned(),
        (None, workers) => format!("{} sending it", counted(workers, "worker")),
    };
    let mut line = |line: String| text.push_str(&(line + "\n"));
    line(format!(
        "{} ({}), {state}",
        status.opened.home.name(),
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
    for worker in &status.workers {
        text.push_str(&worker_line(worker));
    }
    if let Some(pause) = &status.pause {
        let left = duration(Duration::from_secs_f64(pause.left.max(0.0)));
        let reason = printable_line(&pause.reason);
        let _ = writeln!(text, "all workers pause for {left}: {reason}");
    }
    for reason in reasons(&*status.opened.ledger)? {
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

fn worker_line(worker: &WorkerStatus) -> String {
    let line = format!(
        "worker {}, process {}: {:.1} per second, {} in flight, last heartbeat {:.1} s ago",
        worker.host,
        worker.process,
        worker.rate,
        grouped(worker.in_flight),
        worker.last_heartbeat
    );
    format!("{}\n", printable_line(&line))
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
