//! `mailrun preview`.

use std::io;
use std::path::Path;

use super::console::Console;
use super::deliver::rng;
use super::failure::Failure;
use super::kept_lists::campaign_lists;
use super::output;
use super::prepare::new_run;
use super::preview_terminal as terminal;
use crate::address::Address;
use crate::campaign::Campaign;
use crate::check::{self, Checkers, Findings, of_row};
use crate::cli::{LedgerOption, PreviewArgs};
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::finding::{Finding, Severity};
use crate::ledger::{Run, Target};
use crate::preview::{
    self, ContactSheet, ContactSheetError, FindingSummary, LazyRows, MessageBrowser, RenderedRow,
    StoredRow,
};
use crate::recipients::{LineNumbers, RecipientReader};
use crate::render::{self, Engines, Inputs, Prepared};
use crate::report::grouped;
use crate::run::{DifferingDuplicates, Exclusions, recipients_file};
use crate::terminal_text::printable_line;

pub(super) fn run(args: &PreviewArgs, console: &Console) -> Result<ExitCode, Failure> {
    let campaign = Campaign::load(&args.campaign)?;
    let (path, name, _spooled) = recipients_file(&campaign)?;
    let reader = RecipientReader::open(&path, &name, &campaign.recipients.settings)?;
    let clock = Clock::system();
    let run = new_run(&campaign, Target::Local, None, clock.now(), &mut rng());
    let run = Run {
        header: reader.header().columns().to_vec(),
        ..run
    };
    let variant = shown_variant(args, &campaign)?;
    let engines = Engines::new(&Inputs {
        campaign: &campaign,
        dir: &campaign.dir,
        is_frozen: false,
        own_dir: &campaign.dir,
        header: &run.header,
        started: run.started,
        id_prefix: &run.id_prefix,
        verp_key: [0; 32],
        test_to: None,
        feedback_keys: None,
    })?;
    let checkers = Checkers::new(&engines, |campaign, engine| check::CheckerInputs {
        campaign,
        engine,
        used_by_variants: Vec::new(),
        header: &run.header,
        email: reader.header().email(),
        recipients: Path::new(&name),
        // Each message is checked on its own.
        rows: 1,
        duplicates: LineNumbers::default(),
        differing: DifferingDuplicates::default(),
        least: Severity::Note,
        net: false,
        clock: clock.clone(),
    })?;
    let renderer = RowRenderer {
        campaign: &campaign,
        variant,
        engines: &engines,
        checkers: &checkers,
        recipients: Path::new(&name),
        console,
    };
    let lists = campaign_lists(&campaign, &campaign.dir, &LedgerOption::default())?;
    let left_out = Exclusions::new(&campaign, &campaign.dir, lists)?;
    let email = reader.header().email();
    let left_out = left_out.of_rows(&campaign, &run.header, email, run.started)?;
    let rows = LazyRows::new(reader, left_out).map_err(cannot_spool)?;
    if terminal::can_browse(args) {
        let email = rows.email();
        let make = |row: &StoredRow, width| renderer.page(row, email, width);
        return terminal::browse(MessageBrowser::new(
            rows,
            &run.header,
            terminal::output_style(),
            &make,
        ));
    }
    let selection = Selection::new(args);
    match &args.out {
        None => print(&renderer, rows, &selection),
        Some(dir) => {
            let sheet = ContactSheet::new(dir, &campaign.name, run.started, Clock::system());
            write_files(&renderer, rows, &selection, sheet.map_err(cannot_write)?)
        }
    }
}

/// The variant to show instead of each row's own.
///
/// # Errors
/// The campaign has no such variant.
pub(super) fn shown_variant<'a>(
    args: &'a PreviewArgs,
    campaign: &Campaign,
) -> Result<Option<&'a str>, Failure> {
    let Some(name) = args.variant.as_deref() else {
        return Ok(None);
    };
    let names: Vec<&str> = campaign
        .variants
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    if names.contains(&name) {
        return Ok(Some(name));
    }
    let help = match names.as_slice() {
        [] => "it has no [[variants]]; leave out `--variant`".to_owned(),
        names => format!("its variants are: {}", names.join(", ")),
    };
    let error = format!("the campaign has no variant “{}”", printable_line(name));
    Err(Failure::with_help("variant", error, help).usage())
}

fn print(
    renderer: &RowRenderer<'_>,
    rows: LazyRows,
    selection: &Selection,
) -> Result<ExitCode, Failure> {
    let style = terminal::output_style();
    let mut first = true;
    selection.for_each(rows, renderer.recipients, |row, email| {
        let (message, findings) = renderer.render(row, email, true);
        if message.is_none() && !selection.is_many() {
            return Err(as_errors(&findings));
        }
        let summary = renderer.summary(&findings, style.width);
        if !std::mem::take(&mut first) {
            output::line("");
        }
        match message {
            Some(message) => output::coloured_line(format_args!(
                "{}",
                preview::message_text(&message, Some(&summary), &style)
            )),
            None => output::coloured_line(format_args!(
                "{}",
                preview::no_message_text(row.number, &summary, &style).join("\n")
            )),
        }
        Ok(())
    })?;
    Ok(ExitCode::Done)
}

/// Writes the selected messages to files, with a contact sheet.
fn write_files(
    renderer: &RowRenderer<'_>,
    rows: LazyRows,
    selection: &Selection,
    mut sheet: ContactSheet,
) -> Result<ExitCode, Failure> {
    selection.for_each(rows, renderer.recipients, |row, email| {
        let (message, findings) = renderer.render(row, email, sheet.has_room());
        match message {
            Some(message) => {
                let eml = sheet.add(&message, &findings).map_err(cannot_write)?;
                output::path_line(&eml);
            }
            None => sheet.add_without_message(row.number, row.cell(email), &findings),
        }
        Ok(())
    })?;
    let without = sheet.rows_without_message();
    let index = sheet.finish().map_err(cannot_write)?;
    let without = match without {
        0 => String::new(),
        1 => "; 1 row has no message".to_owned(),
        rows => format!("; {} rows have no message", grouped(rows)),
    };
    let index = index.display();
    renderer
        .console
        .print(&format!("contact sheet: {index}{without}"));
    Ok(ExitCode::Done)
}

/// A single row without a message is an error, even where it is a warning among many rows.
fn as_errors(findings: &Findings) -> Failure {
    let groups = findings.groups();
    let findings = groups.into_iter().map(|group| Finding {
        severity: Severity::Error,
        ..group.finding.clone()
    });
    findings.collect::<Vec<_>>().into()
}

fn cannot_spool(error: io::Error) -> Failure {
    (std::env::temp_dir(), error).into()
}

fn cannot_write(error: ContactSheetError) -> Failure {
    match error {
        ContactSheetError::Io(dir, error) => (dir, error).into(),
        other => Failure::new("io", other.to_string()),
    }
}

/// Renders the messages of rows and checks them.
struct RowRenderer<'a> {
    campaign: &'a Campaign,
    /// The variant that is shown, instead of each row's own.
    variant: Option<&'a str>,
    engines: &'a Engines,
    checkers: &'a Checkers<'a>,
    /// The recipients' file, as the user would name it.
    recipients: &'a Path,
    console: &'a Console,
}

impl RowRenderer<'_> {
    fn page(&self, row: &StoredRow, email: usize, width: usize) -> RenderedRow {
        let (prepared, findings) = self.render(row, email, true);
        let findings = self.summary(&findings, width);
        RenderedRow { prepared, findings }
    }

    /// A row's message, and its findings if `check` is set. Without a message, the findings say why.
    fn render(&self, row: &StoredRow, email: usize, check: bool) -> (Option<Prepared>, Findings) {
        match self.prepare(row, email) {
            Ok((cells, message)) if check => (Some(message), self.check(&cells, row.line)),
            Ok((_, message)) => (Some(message), Findings::default()),
            Err(finding) => (None, Findings::from_iter([*finding])),
        }
    }

    fn prepare(
        &self,
        row: &StoredRow,
        email: usize,
    ) -> Result<(render::Row, Prepared), Box<Finding>> {
        let cells = row.to_row(email);
        let cells = cells.map_err(|fault| Box::new(fault.finding()));
        let prepared = cells.and_then(|mut cells| {
            cells.variant = self.variant_of(&cells);
            let message = self.engines.prepare(&cells)?;
            Ok((cells, message))
        });
        prepared
            .map_err(|finding| Box::new(of_row(*finding, row.number, row.line, self.recipients)))
    }

    fn variant_of(&self, row: &render::Row) -> Option<String> {
        let own = || self.campaign.variant_for(&row.mailbox.address.normalized());
        let shown = self.variant.map(str::to_owned);
        shown.or_else(|| own().map(|variant| variant.name.clone()))
    }

    fn check(&self, row: &render::Row, line: u64) -> Findings {
        let findings = self.checkers.message(row).into_iter();
        findings
            .map(|finding| match finding.place.file {
                // Findings about a template have its place.
                Some(_) => finding,
                None => of_row(finding, row.number, line, self.recipients),
            })
            .collect()
    }

    fn summary(&self, findings: &Findings, width: usize) -> FindingSummary {
        let groups = findings.groups().into_iter();
        let text = groups.map(|group| {
            let text = self.console.format_within(group, width);
            text.trim_end().to_owned()
        });
        FindingSummary::new(findings, text.collect())
    }
}

/// The rows to show.
struct Selection {
    row: Option<u32>,
    /// A normalized address.
    email: Option<String>,
    limit: Option<u64>,
    to_files: bool,
}

impl Selection {
    fn new(args: &PreviewArgs) -> Self {
        Self {
            row: args.row,
            email: args.email.as_ref().map(Address::normalized),
            limit: args.limit,
            to_files: args.out.is_some(),
        }
    }

    fn names_one(&self) -> bool {
        self.row.is_some() || self.email.is_some()
    }

    /// Whether it may be several rows. Then rows without a message are among them.
    fn is_many(&self) -> bool {
        self.limit.is_some() || (self.to_files && !self.names_one())
    }

    /// Calls `show` with each selected row and the index of the address column. If one recipient is
    /// selected, it is the first row with that address that gets a message.
    fn for_each(
        &self,
        mut rows: LazyRows,
        recipients: &Path,
        mut show: impl FnMut(&StoredRow, usize) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let email = rows.email();
        let mut left = match self.limit {
            Some(limit) => limit,
            None if self.is_many() => u64::MAX,
            None => 1,
        };
        let (mut any, mut without_message) = (false, None);
        let mut index = 0;
        // Read no further than necessary: a later row may be broken.
        while left > 0
            && let Some(row) = rows.get(index).map_err(cannot_spool)?
        {
            index += 1;
            let is_other = self.is_many() && row.is_passed_over();
            if is_other || !self.contains(&row, email) {
                continue;
            }
            if row.no_message.is_none() || self.is_many() {
                show(&row, email)?;
                (any, left) = (true, left - 1);
            } else {
                left -= u64::from(self.row.is_some());
                without_message.get_or_insert(row);
            }
        }
        if let Some(error) = rows.into_error() {
            return Err(error.into());
        }
        match without_message.filter(|row| self.names_one() || row.is_undecided()) {
            _ if any => Ok(()),
            Some(row) => show(&row, email),
            None => Err(self.no_recipient(recipients)),
        }
    }

    fn contains(&self, row: &StoredRow, email: usize) -> bool {
        self.row.is_none_or(|number| number == row.number)
            && (self.email.is_none() || self.email == row.address(email))
    }

    fn no_recipient(&self, recipients: &Path) -> Failure {
        let file = recipients.display();
        let message = match (self.row, &self.email) {
            (Some(row), _) => format!("{file} has no row {row}"),
            (_, Some(email)) => format!("{email} is not in {file}"),
            _ => format!("{file} has no recipient that can be sent to"),
        };
        Failure::new("no-recipient", message)
    }
}
