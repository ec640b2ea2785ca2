//! `mailrun preview`.

use std::path::PathBuf;

use super::deliver::rng;
use super::failure::Failure;
use super::prepare::new_run;
use crate::campaign::Campaign;
use crate::check::of_row;
use crate::cli::Preview;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::ledger::{Run, Target};
use crate::preview;
use crate::recipients::{Reader, Row};
use crate::render::{self, Engine, Inputs, Prepared};
use crate::run::recipients_file;

pub(super) fn run(args: &Preview) -> Result<ExitCode, Failure> {
    let campaign = Campaign::load(&args.campaign)?;
    let (path, name, _spooled) = recipients_file(&campaign)?;
    let mut reader = Reader::open(&path, &name, &campaign.recipients.settings)?;
    let run = new_run(
        &campaign,
        Target::Local,
        None,
        Clock::system().now(),
        &mut rng(),
    );
    let run = Run {
        header: reader.header().columns().to_vec(),
        ..run
    };
    let engine = engine(&campaign, &run)?;
    let wanted = Wanted {
        row: args.row,
        email: args.email.as_ref().map(crate::address::Address::normalized),
    };
    let mut left = match (args.limit, wanted.one(), &args.out) {
        (Some(limit), _, _) => limit,
        (None, false, Some(_)) => u64::MAX,
        _ => 1,
    };
    let mut shown = 0;
    while left > 0 {
        let Some(row) = reader.next().transpose()? else {
            break;
        };
        let Some(row) = wanted.take(row, &name)? else {
            continue;
        };
        let (number, line) = (row.0.number, row.1);
        let prepared = engine
            .prepare(&row.0)
            .map_err(|finding| of_row(*finding, number, line, &PathBuf::from(&name)))?;
        show(args, &prepared, shown > 0, &run)?;
        shown += 1;
        left -= 1;
    }
    match shown {
        0 => Err(wanted.nobody(&name)),
        _ => Ok(ExitCode::Done),
    }
}

fn engine(campaign: &Campaign, run: &Run) -> Result<Engine, Failure> {
    Ok(Engine::new(&Inputs {
        campaign,
        dir: &campaign.dir,
        own_dir: &campaign.dir,
        header: &run.header,
        started: run.started,
        id_prefix: &run.id_prefix,
        test_to: None,
    })?)
}

fn show(args: &Preview, prepared: &Prepared, not_first: bool, run: &Run) -> Result<(), Failure> {
    match &args.out {
        Some(dir) => {
            let files =
                preview::write(dir, prepared, run.started).map_err(|error| (dir.clone(), error))?;
            println!("{}", files.display());
        }
        None => {
            if not_first {
                println!();
            }
            println!("{}", preview::terminal(prepared));
        }
    }
    Ok(())
}

/// Which rows are to be shown.
struct Wanted {
    row: Option<u32>,
    email: Option<String>,
}

impl Wanted {
    fn one(&self) -> bool {
        self.row.is_some() || self.email.is_some()
    }

    /// The row as the engine needs it, with its line, if it is one that is wanted and can be sent.
    fn take(&self, row: Row, file: &str) -> Result<Option<(render::Row, u64)>, Failure> {
        if self.row.is_some_and(|number| number != row.number) {
            return Ok(None);
        }
        let mailbox = match row.recipient {
            Ok(mailbox) => mailbox,
            Err(fault) if self.row.is_some() => {
                let finding = crate::finding::Finding::error(
                    "bad-row",
                    crate::finding::Place::default(),
                    fault.to_string(),
                );
                return Err(of_row(finding, row.number, row.line, &PathBuf::from(file)).into());
            }
            Err(_) => return Ok(None),
        };
        if self
            .email
            .as_ref()
            .is_some_and(|email| *email != mailbox.address.normalized())
        {
            return Ok(None);
        }
        let cells = row.cells.iter().map(str::to_owned).collect();
        Ok(Some((
            render::Row {
                number: row.number,
                mailbox,
                cells,
                resends: 0,
                recorded: Vec::new(),
            },
            row.line,
        )))
    }

    fn nobody(&self, file: &str) -> Failure {
        let what = match (self.row, &self.email) {
            (Some(row), _) => format!("there is no row {row} in {file}"),
            (_, Some(email)) => format!("{email} is not among the recipients in {file}"),
            _ => format!("there is no recipient in {file} who can be sent to"),
        };
        Failure::new("no-recipient", what)
    }
}
