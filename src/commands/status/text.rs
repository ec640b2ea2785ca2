//! The status of a run for people.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::RunStatus;
use crate::api::EventKind;
use crate::clock::Clock;
use crate::commands::when::lines;
use crate::ledger::postgres::WorkerStatus;
use crate::ledger::{LedgerError, ResultRow, Status};
use crate::report::{
    counted, duration, grouped, plural_s, reasons, rows_of_messages, variant_line,
};
use crate::terminal_text::printable_line;

/// How many unknown rows are listed.
const LISTED: usize = 20;

/// # Errors
/// The ledger can't be read.
pub(super) fn as_text(status: &RunStatus) -> Result<String, LedgerError> {
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
            let with = rows_of_messages(rows, status.members.of(name));
            line(format!("{:>12}  {name}{with}", grouped(rows)));
        }
    }
    let total = status.counts.total() + status.members.total();
    line(format!(
        "{:>12}  row{} in all",
        grouped(total),
        plural_s(total)
    ));
    for rows in &status.variants {
        line(variant_line(rows));
    }
    if let Some(delivery) = &status.delivery {
        line(followed(delivery.followed));
        for state in EventKind::ALL {
            let rows = delivery.counts.of(state);
            if rows > 0 {
                line(format!("{:>12}  {}", grouped(rows), state.as_str()));
            }
        }
    }
    if let Some(rate) = status.rate {
        let eta = status
            .eta
            .map(|eta| format!(", {} left", duration(eta)))
            .unwrap_or_default();
        line(format!("{rate:>12.1}  per second{eta}"));
    }
    if let Some((schedule, estimate)) = &status.schedule {
        let now = Clock::system().now();
        let begun = status.counts.of(Status::Accepted) > 0;
        for line in lines(schedule, estimate, now, begun, 14) {
            let _ = writeln!(text, "{line}");
        }
    }
    for worker in &status.workers {
        text.push_str(&worker_line(worker));
    }
    if let Some(pause) = &status.pause {
        let left = duration(Duration::from_secs_f64(pause.left.max(0.0)));
        let reason = printable_line(&pause.reason);
        let _ = writeln!(text, "all workers pause for {left}: {reason}");
    }
    if let Some(full) = &status.full_day {
        let until = full.until.strftime("%Y-%m-%d %H:%M UTC");
        let limit = grouped(full.recipients.get().into());
        let _ = writeln!(
            text,
            "the limit of {limit}/day is reached: waiting until {until}"
        );
    }
    if let Some(to) = &status.moved_to {
        let to = printable_line(to);
        let _ = writeln!(text, "the run continues in {to}; this copy is not sent");
    }
    let all = reasons(&*status.opened.ledger)?;
    for reason in all.iter().filter(|reason| !reason.error.is_empty()) {
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

/// The heading of the delivery states.
fn followed(at: Option<Timestamp>) -> String {
    match at {
        Some(at) => format!(
            "of the accepted messages, according to `mailrun follow` at {}:",
            at.strftime("%Y-%m-%d %H:%M UTC")
        ),
        None => "the API has not answered `mailrun follow` yet".to_owned(),
    }
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
    for row in rows.iter().take(LISTED) {
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
    let more = all.saturating_sub(rows.len().min(LISTED) as u64);
    if more > 0 {
        text += &format!("and {}\n", counted(more, "more unknown row"));
    }
    text
}
