//! `mailrun preview`.

use std::io;
use std::path::Path;

use super::deliver::rng;
use super::failure::Failure;
use super::prepare::new_run;
use super::preview_terminal as terminal;
use super::show::Shown;
use crate::address::Address;
use crate::campaign::Campaign;
use crate::check::{self, Checker, Findings, of_row};
use crate::cli::Preview;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::{Finding, Severity};
use crate::ledger::{Run, Target};
use crate::preview::{self, Browser, Kept, Page, Rows, Sheet, SheetError, Told};
use crate::recipients::{Lines, Reader};
use crate::render::{self, Engine, Inputs, Prepared};
use crate::report::grouped;
use crate::run::{LeftOut, recipients_file};

pub(super) fn run(args: &Preview, shown: &Shown) -> Result<ExitCode, Failure> {
    let campaign = Campaign::load(&args.campaign)?;
    let (path, name, _spooled) = recipients_file(&campaign)?;
    let reader = Reader::open(&path, &name, &campaign.recipients.settings)?;
    let clock = Clock::system();
    let run = new_run(&campaign, Target::Local, None, clock.now(), &mut rng());
    let run = Run {
        header: reader.header().columns().to_vec(),
        ..run
    };
    let engine = engine(&campaign, &run)?;
    let checker = Checker::new(&check::Inputs {
        campaign: &campaign,
        engine: &engine,
        header: &run.header,
        email: reader.header().email(),
        recipients: Path::new(&name),
        // One message is looked at by itself.
        rows: 1,
        duplicates: Lines::default(),
        least: Severity::Note,
        net: false,
        clock,
    })?;
    let maker = Maker {
        engine: &engine,
        checker: &checker,
        file: Path::new(&name),
        shown,
    };
    let left_out = LeftOut::new(&campaign)?;
    let rows = Rows::new(reader, left_out).map_err(no_room)?;
    if terminal::is_wanted(args) {
        let email = rows.email();
        let make = |kept: &Kept, width| maker.page(kept, email, width);
        return terminal::browse(Browser::new(rows, &run.header, terminal::look(), &make));
    }
    let wanted = Wanted::new(args);
    match &args.out {
        None => printed(&maker, rows, &wanted),
        Some(dir) => {
            let sheet = Sheet::new(dir, &campaign.name, run.started, Clock::system());
            files(&maker, rows, &wanted, sheet.map_err(unwritable)?)
        }
    }
}

/// Shows the messages that are asked for.
fn printed(maker: &Maker<'_>, rows: Rows, wanted: &Wanted) -> Result<ExitCode, Failure> {
    let look = terminal::look();
    let mut first = true;
    wanted.each(rows, maker.file, |kept, email| {
        let (prepared, findings) = maker.made(kept, email);
        if prepared.is_none() && !wanted.several() {
            return Err(asked_for(&findings));
        }
        let told = maker.told(&findings, look.width);
        if !std::mem::take(&mut first) {
            println!();
        }
        match prepared {
            Some(prepared) => println!("{}", preview::shown(&prepared, Some(&told), &look)),
            None => println!(
                "{}",
                preview::not_shown(kept.number, &told, &look).join("\n")
            ),
        }
        Ok(())
    })?;
    Ok(ExitCode::Done)
}

/// Writes the messages that are asked for into files, with a sheet of all.
fn files(
    maker: &Maker<'_>,
    rows: Rows,
    wanted: &Wanted,
    mut sheet: Sheet,
) -> Result<ExitCode, Failure> {
    wanted.each(rows, maker.file, |kept, email| {
        let (prepared, findings) = match sheet.has_room() {
            true => maker.made(kept, email),
            false => maker.made_unlooked(kept, email),
        };
        match prepared {
            Some(prepared) => {
                let eml = sheet.add(&prepared, &findings).map_err(unwritable)?;
                println!("{}", eml.display());
            }
            None => sheet.add_without(kept.number, kept.cell(email), &findings),
        }
        Ok(())
    })?;
    let without = sheet.without();
    let index = sheet.finish().map_err(unwritable)?;
    let without = match without {
        0 => String::new(),
        1 => "; 1 row gets no message".to_owned(),
        rows => format!("; {} rows get no message", grouped(rows)),
    };
    let index = index.display();
    maker.shown.say(&format!("contact sheet: {index}{without}"));
    Ok(ExitCode::Done)
}

/// That the one row that was asked for gets no message is an error, whatever it is among others.
fn asked_for(findings: &Findings) -> Failure {
    let groups = findings.groups();
    let findings = groups.into_iter().map(|group| Finding {
        severity: Severity::Error,
        ..group.finding.clone()
    });
    findings.collect::<Vec<_>>().into()
}

fn no_room(error: io::Error) -> Failure {
    (std::env::temp_dir(), error).into()
}

fn unwritable(error: SheetError) -> Failure {
    match error {
        SheetError::Io(dir, error) => (dir, error).into(),
        other => Failure::new("io", other.to_string()),
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

/// Makes messages of rows, with what is wrong with them.
struct Maker<'a> {
    engine: &'a Engine,
    checker: &'a Checker<'a>,
    /// The file of the recipients, as the user would name it.
    file: &'a Path,
    shown: &'a Shown,
}

impl Maker<'_> {
    /// A row as it is shown on the screen.
    fn page(&self, kept: &Kept, email: usize, width: usize) -> Page {
        let (prepared, findings) = self.made(kept, email);
        let told = self.told(&findings, width);
        Page { prepared, told }
    }

    /// A row's message with what is wrong with it; without a message, why there is none.
    fn made(&self, kept: &Kept, email: usize) -> (Option<Prepared>, Findings) {
        let made = self.prepared(kept, email);
        made.map_or_else(
            |finding| without(*finding),
            |(row, prepared)| (Some(prepared), self.findings(&row, kept.line)),
        )
    }

    /// The same, where what is wrong with a message does not matter.
    fn made_unlooked(&self, kept: &Kept, email: usize) -> (Option<Prepared>, Findings) {
        let made = self.prepared(kept, email);
        made.map_or_else(
            |finding| without(*finding),
            |(_, prepared)| (Some(prepared), Findings::default()),
        )
    }

    fn prepared(&self, kept: &Kept, email: usize) -> Result<(render::Row, Prepared), Box<Finding>> {
        let row = kept.to_row(email);
        let row = row.map_err(|fault| Box::new(fault.finding()));
        let made = row.and_then(|row| {
            let prepared = self.engine.prepare(&row)?;
            Ok((row, prepared))
        });
        made.map_err(|finding| Box::new(of_row(*finding, kept.number, kept.line, self.file)))
    }

    fn findings(&self, row: &render::Row, line: u64) -> Findings {
        let found = self.checker.message(row).into_iter();
        // What is in a template has its place.
        found
            .map(|finding| match finding.place.file {
                Some(_) => finding,
                None => of_row(finding, row.number, line, self.file),
            })
            .collect()
    }

    fn told(&self, findings: &Findings, width: usize) -> Told {
        let text = findings.groups();
        let text = text
            .into_iter()
            .map(|group| self.shown.text_within(group, width).trim_end().to_owned());
        Told::new(findings, text.collect())
    }
}

fn without(finding: Finding) -> (Option<Prepared>, Findings) {
    (None, Findings::from_iter([finding]))
}

/// Which rows are to be shown.
struct Wanted {
    row: Option<u32>,
    email: Option<String>,
    limit: Option<u64>,
    files: bool,
}

impl Wanted {
    fn new(args: &Preview) -> Self {
        Self {
            row: args.row,
            email: args.email.as_ref().map(Address::normalized),
            limit: args.limit,
            files: args.out.is_some(),
        }
    }

    /// Whether it is more than one, so that those that get no message are among them.
    fn several(&self) -> bool {
        let one = self.row.is_some() || self.email.is_some();
        self.limit.is_some() || (self.files && !one)
    }

    /// Gives every row that is wanted to `take`, with the place of the address column. Of a single
    /// one that is looked for it is the first that gets a message.
    fn each(
        &self,
        mut rows: Rows,
        file: &Path,
        mut take: impl FnMut(&Kept, usize) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let email = rows.email();
        let mut left = match self.limit {
            Some(limit) => limit,
            None if self.several() => u64::MAX,
            None => 1,
        };
        let (mut any, mut passed) = (false, None);
        let mut index = 0;
        // No more is read than is wanted: the file may be broken further on.
        while left > 0
            && let Some(kept) = rows.get(index).map_err(no_room)?
        {
            index += 1;
            if !self.is(&kept, email) {
                continue;
            }
            if kept.fault.is_none() || self.several() {
                take(&kept, email)?;
                (any, left) = (true, left - 1);
            } else {
                left -= u64::from(self.row.is_some());
                passed.get_or_insert(kept);
            }
        }
        if let Some(error) = rows.into_error() {
            return Err(error.into());
        }
        let asked = self.row.is_some() || self.email.is_some();
        match passed.filter(|_| asked) {
            _ if any => Ok(()),
            Some(kept) => take(&kept, email),
            None => Err(self.nobody(file)),
        }
    }

    fn is(&self, kept: &Kept, email: usize) -> bool {
        let address = || kept.address(email);
        self.row.is_none_or(|row| row == kept.number)
            && (self.email.is_none() || self.email == address())
    }

    fn nobody(&self, file: &Path) -> Failure {
        let file = file.display();
        let what = match (self.row, &self.email) {
            (Some(row), _) => format!("there is no row {row} in {file}"),
            (_, Some(email)) => format!("{email} is not among the recipients in {file}"),
            _ => format!("there is no recipient in {file} who can be sent to"),
        };
        Failure::new("no-recipient", what)
    }
}
