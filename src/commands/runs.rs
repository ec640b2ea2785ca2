//! `mailrun runs`.

use serde_json::json;

use super::console::Console;
use super::failure::Failure;
use super::output;
use super::run_home::{no_ledger, open_database};
use crate::cli::{OutputFormat, RunsArgs};
use crate::exit_code::ExitCode;
use crate::ledger::Status;
use crate::ledger::postgres::{RunEntry, all_runs};
use crate::report::{counted, grouped};

pub(super) fn run(args: &RunsArgs, console: &Console) -> Result<ExitCode, Failure> {
    let database = open_database(&args.ledger, None)?.ok_or_else(no_ledger)?;
    let runs = all_runs(&database)?;
    match args.format {
        OutputFormat::Json => {
            let runs: Vec<_> = runs.iter().map(as_json).collect();
            output::json_line(format_args!("{:#}", serde_json::Value::from(runs)));
        }
        OutputFormat::Text if runs.is_empty() => {
            console.print(&format!("The ledger {} has no runs.", database.url()));
        }
        OutputFormat::Text => runs.iter().for_each(|run| output::line(as_text(run))),
    }
    Ok(ExitCode::Done)
}

fn as_json(run: &RunEntry) -> serde_json::Value {
    let counts: serde_json::Map<_, _> = Status::ALL
        .iter()
        .map(|name| (name.as_str().to_owned(), run.counts.of(*name).into()))
        .collect();
    json!({
        "run": run.name,
        "name": run.campaign,
        "target": run.target.as_str(),
        "started_at": run.started.to_string(),
        "rows": run.counts.total(),
        "counts": counts,
        "workers": run.workers,
        "moved_to": run.moved_to,
    })
}

/// The name of the run, who sends it, and its counts.
fn as_text(run: &RunEntry) -> String {
    let mut parts = vec![match (&run.moved_to, run.workers) {
        (Some(to), _) => format!("continues in {to}"),
        (None, 0) => "not running".to_owned(),
        (None, workers) => counted(workers, "worker"),
    }];
    parts.extend(Status::ALL.into_iter().filter_map(|status| {
        let rows = run.counts.of(status);
        (rows > 0).then(|| format!("{} {status}", grouped(rows)))
    }));
    format!("{}  {}", run.name, parts.join(", "))
}
