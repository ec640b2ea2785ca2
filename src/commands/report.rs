//! `mailrun report`.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::console::Console;
use super::failure::Failure;
use super::open_run::{OpenRun, open};
use super::output;
use crate::cli::{ReportArgs, ReportFormat};
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::ledger::Status;
use crate::report::{
    Group, ResultsError, RunFigures, Tracking, as_json, brief, page, write_atomically, write_csv,
};

pub(super) fn run(args: &ReportArgs, console: &Console) -> Result<ExitCode, Failure> {
    let opened: Vec<OpenRun> = args
        .runs()
        .map(|run| open(&run))
        .collect::<Result<_, _>>()?;
    let out = out(args, &opened)?;
    let mut runs = Vec::new();
    for opened in &opened {
        let events = opened.home.events()?;
        let home = opened.home.name();
        let live = opened.is_live()?;
        let tracking = match opened.campaign() {
            Ok((campaign, _)) if campaign.api().is_none() => Tracking::Mail,
            // A damaged copy of the campaign is no reason to have no report.
            Ok(_) | Err(_) => Tracking::Api,
        };
        runs.push(RunFigures::read(
            home,
            live,
            tracking,
            &*opened.ledger,
            events.as_deref(),
        )?);
    }
    runs.sort_by_key(|run| run.run.started);
    let content = content(args.format, &runs)?;
    match out {
        None => match output::data().write_all(&content) {
            // The reader has read enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written
                .map_err(csv::Error::from)
                .map_err(ResultsError::from)?,
        },
        Some(path) => {
            write_atomically(&path, ".report-", |file| {
                Ok(file.write_all(&content).map_err(csv::Error::from)?)
            })?;
            for run in &runs {
                console.print(&brief(run));
            }
            output::path_line(&path);
        }
    }
    Ok(ExitCode::Done)
}

/// The file to write; `None` for standard output.
fn out(args: &ReportArgs, opened: &[OpenRun]) -> Result<Option<PathBuf>, Failure> {
    match (&args.out, args.format) {
        (Some(out), _) if out == Path::new("-") => return Ok(None),
        (Some(out), _) => return Ok(Some(out.clone())),
        (None, ReportFormat::Json | ReportFormat::Csv) => return Ok(None),
        (None, ReportFormat::Html) => {}
    }
    let message = match opened {
        [one] => match one.home.report() {
            Some(path) => return Ok(Some(path)),
            None => "a run in a ledger has no folder for report.html",
        },
        _ => "a report of several runs is in none of their folders",
    };
    let help = "add `--out FILE`, or `--out -` for standard output";
    Err(Failure::with_help("report", message, help).usage())
}

fn content(format: ReportFormat, runs: &[RunFigures]) -> Result<Vec<u8>, Failure> {
    let groups = groups(runs);
    Ok(match format {
        ReportFormat::Html => page(runs, &groups, Clock::system().now())?.into_bytes(),
        ReportFormat::Json => format!("{:#}\n", as_json(runs, &groups)).into_bytes(),
        ReportFormat::Csv => {
            let mut lines = Vec::new();
            write_csv(runs, &mut lines)?;
            lines
        }
    })
}

/// The runs as groups. Runs of one campaign differ in their times alone.
fn groups(runs: &[RunFigures]) -> Vec<Group> {
    let is_one_campaign = runs.iter().all(|run| run.run.name == runs[0].run.name);
    let group = |run: &RunFigures| {
        let started = run.run.started.strftime("%Y-%m-%d %H:%M");
        Group {
            name: match is_one_campaign {
                true => started.to_string(),
                false => format!("{}, {started}", run.run.name),
            },
            sent: run.statuses.of(Status::Accepted),
            counts: run.known_delivery().map(|delivery| delivery.counts),
            tracking: run.tracking,
        }
    };
    runs.iter().map(group).collect()
}
