//! `mailrun preview`.

use std::path::{Path, PathBuf};

use super::deliver::rng;
use super::failure::Failure;
use super::prepare::new_run;
use super::preview_terminal as terminal;
use super::show::Shown;
use crate::address::Address;
use crate::campaign::Campaign;
use crate::check::{self, Findings, Lint, of_row};
use crate::cli::Preview;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::{Finding, Place, Severity};
use crate::ledger::{Run, Target};
use crate::preview::{self, Browser, Fault, Kept, Page, Rows, Sheet, SheetError, Told};
use crate::recipients::{Lines, Reader, Row, RowFault};
use crate::render::{self, Engine, Inputs};
use crate::run::recipients_file;

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
    let lint = Lint::new(&check::Inputs {
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
        lint: &lint,
        file: Path::new(&name),
        shown,
    };
    if terminal::is_wanted(args) {
        let email = reader.header().email();
        let rows = Rows::new(reader).map_err(|error| (std::env::temp_dir(), error))?;
        let make = |kept: &Kept, width| maker.page(kept, email, width);
        return terminal::browse(Browser::new(rows, &run.header, terminal::look(), &make));
    }
    let sheet = args.out.as_deref().map(|dir| {
        let clock = Clock::system();
        (dir, Sheet::new(dir, &campaign.name, run.started, clock))
    });
    maker.once(reader, args, sheet)
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
    lint: &'a Lint<'a>,
    /// The file of the recipients, as the user would name it.
    file: &'a Path,
    shown: &'a Shown,
}

impl Maker<'_> {
    /// Shows the messages that are asked for, or writes them into files.
    fn once(
        &self,
        mut reader: Reader,
        args: &Preview,
        mut sheet: Option<(&Path, Sheet)>,
    ) -> Result<ExitCode, Failure> {
        let wanted = Wanted {
            row: args.row,
            email: args.email.as_ref().map(Address::normalized),
        };
        let mut left = match (args.limit, wanted.one(), &sheet) {
            (Some(limit), _, _) => limit,
            (None, false, Some(_)) => u64::MAX,
            _ => 1,
        };
        let mut count = 0;
        while left > 0 {
            let Some(row) = reader.next().transpose()? else {
                break;
            };
            let Some((row, line)) = wanted.take(row, self.file)? else {
                continue;
            };
            match &mut sheet {
                Some((dir, sheet)) => self.write(&row, line, dir, sheet)?,
                None => self.print(&row, line, count > 0)?,
            }
            count += 1;
            left -= 1;
        }
        if count == 0 {
            return Err(wanted.nobody(self.file));
        }
        if let Some((dir, sheet)) = sheet {
            let index = sheet.finish().map_err(|error| match error {
                SheetError::Io(error) => (dir.to_owned(), error).into(),
                other => Failure::new("io", other.to_string()),
            })?;
            self.shown
                .say(&format!("contact sheet: {}", index.display()));
        }
        Ok(ExitCode::Done)
    }

    fn print(&self, row: &render::Row, line: u64, not_first: bool) -> Result<(), Failure> {
        let prepared = self
            .engine
            .prepare(row)
            .map_err(|finding| of_row(*finding, row.number, line, self.file))?;
        let look = terminal::look();
        let told = self.told(&self.findings(row, line), look.width);
        if not_first {
            println!();
        }
        println!("{}", preview::shown(&prepared, Some(&told), &look));
        Ok(())
    }

    fn write(
        &self,
        row: &render::Row,
        line: u64,
        dir: &Path,
        sheet: &mut Sheet,
    ) -> Result<(), Failure> {
        let prepared = self
            .engine
            .prepare(row)
            .map_err(|finding| of_row(*finding, row.number, line, self.file))?;
        let findings = match sheet.has_room() {
            true => self.findings(row, line),
            false => Findings::default(),
        };
        let eml = sheet
            .add(&prepared, &findings)
            .map_err(|error| (dir.to_owned(), error))?;
        println!("{}", eml.display());
        Ok(())
    }

    /// A row as it is shown on the screen.
    fn page(&self, kept: &Kept, email: usize, width: usize) -> Page {
        let alone = |finding| {
            let finding = of_row(finding, kept.number, kept.line, self.file);
            (None, Findings::from_iter([finding]))
        };
        let (prepared, findings) = match kept.to_row(email) {
            Err(fault) => alone(bad_row(&fault)),
            Ok(row) => match self.engine.prepare(&row) {
                Ok(prepared) => (Some(prepared), self.findings(&row, kept.line)),
                Err(finding) => alone(*finding),
            },
        };
        let told = self.told(&findings, width);
        Page { prepared, told }
    }

    fn findings(&self, row: &render::Row, line: u64) -> Findings {
        let found = self.lint.message(row).into_iter();
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

fn bad_row(fault: &Fault) -> Finding {
    let code = RowFault::known_code(&fault.code);
    Finding::error(code, Place::default(), &fault.words)
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
    fn take(&self, row: Row, file: &Path) -> Result<Option<(render::Row, u64)>, Failure> {
        if self.row.is_some_and(|number| number != row.number) {
            return Ok(None);
        }
        let mailbox = match row.recipient {
            Ok(mailbox) => mailbox,
            Err(fault) if self.row.is_some() => {
                let finding = bad_row(&Fault::from(&fault));
                return Err(of_row(finding, row.number, row.line, file).into());
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
        let wanted = render::Row {
            number: row.number,
            mailbox,
            cells: row.cells.iter().map(str::to_owned).collect(),
            resends: 0,
            recorded: Vec::new(),
        };
        Ok(Some((wanted, row.line)))
    }

    fn nobody(&self, file: &Path) -> Failure {
        let file = PathBuf::from(file);
        let file = file.display();
        let what = match (self.row, &self.email) {
            (Some(row), _) => format!("there is no row {row} in {file}"),
            (_, Some(email)) => format!("{email} is not among the recipients in {file}"),
            _ => format!("there is no recipient in {file} who can be sent to"),
        };
        Failure::new("no-recipient", what)
    }
}
