//! `mailrun suppress`: lists of addresses that get no messages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::console::Console;
use super::failure::Failure;
use super::kept_lists::ListHome;
use super::output;
use super::run_home::open_database;
use super::suppress_api;
use crate::campaign::{Campaign, FILE_NAME};
use crate::check::of_warning;
use crate::cli::{
    ListArgs, SuppressAddArgs, SuppressArgs, SuppressCheckArgs, SuppressCommand,
    SuppressExportArgs, SuppressImportArgs, SuppressRemoveArgs,
};
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::list_name::{ListName, ListNameError};
use crate::recipients::{ReadSettings, read_addresses};
use crate::report::{LIST_COLUMNS, grouped, unescaped, write_list, write_list_file};
use crate::suppression::{Entry, KeptList, ListPlace, NewEntry, Reason};
use crate::terminal_text::printable;

/// The source of entries that a person adds.
const SOURCE: &str = "command line";

pub(super) fn run(args: &SuppressArgs, console: &Console) -> Result<ExitCode, Failure> {
    match &args.command {
        SuppressCommand::Add(args) => add(args, console),
        SuppressCommand::Remove(args) => remove(args),
        // As with grep, 1 is an answer and 2 an error.
        SuppressCommand::Check(args) => check(args).map_err(Failure::usage),
        SuppressCommand::Import(args) => import(args, console),
        SuppressCommand::Export(args) => export(args, console),
    }
}

/// A list that the command line names.
pub(super) struct NamedList {
    pub(super) place: ListPlace,
    /// The campaign that says where it is.
    pub(super) campaign: Option<Campaign>,
    /// As it was written.
    name: String,
}

impl NamedList {
    fn find(args: &ListArgs) -> Result<Self, Failure> {
        let name = args.list.clone();
        if !ListName::is_meant_by(&name) {
            return Self::at_path(args, name);
        }
        let list: ListName = name.parse().map_err(|error: ListNameError| {
            Failure::with_help("list", error.to_string(), ListNameError::HELP).usage()
        })?;
        let folder = match (&args.campaign, &args.ledger.url) {
            (Some(campaign), _) => Some(campaign.clone()),
            (None, Some(_)) => None,
            (None, None) => Path::new(FILE_NAME).is_file().then(|| PathBuf::from(".")),
        };
        if let Some(folder) = folder {
            let campaign = Campaign::load(&folder)?;
            let home = ListHome::of(&campaign, &campaign.dir, &args.ledger)?;
            let place = home.place(&campaign, &list);
            return Ok(Self {
                place,
                campaign: Some(campaign),
                name,
            });
        }
        match open_database(&args.ledger, None)? {
            Some(database) => Ok(Self {
                place: ListPlace::Ledger(database, list),
                campaign: None,
                name,
            }),
            None => Err(Failure::with_help(
                "list",
                format!("it is not clear where the list {name} is"),
                "add `--campaign DIR`, or `--ledger URL` for a list in a ledger; or write the path of the list's file",
            )
            .usage()),
        }
    }

    fn at_path(args: &ListArgs, name: String) -> Result<Self, Failure> {
        let path = PathBuf::from(&name);
        if path.extension().is_none_or(|extension| extension != "db") {
            let message = format!("“{name}” is neither the name of a list nor the file of one");
            let help =
                "write for example `@acme`, or a path that ends in .db, such as lists/acme.db";
            return Err(Failure::with_help("list", message, help).usage());
        }
        let campaign = args.campaign.as_deref().map(Campaign::load).transpose()?;
        Ok(Self {
            place: ListPlace::File(path),
            campaign,
            name,
        })
    }

    fn missing(&self) -> Failure {
        Failure::with_help(
            "no-list",
            format!(
                "the list {} does not exist: there is no {}",
                self.name, self.place
            ),
            "`mailrun suppress add` creates a list",
        )
    }

    fn read(&self) -> Result<KeptList, Failure> {
        KeptList::read(&self.place)?.ok_or_else(|| self.missing())
    }

    fn create(&self, console: &Console) -> Result<KeptList, Failure> {
        let (list, is_new) = KeptList::create(&self.place)?;
        if is_new {
            console.print(&format!("Created the list {}: {}", self.name, self.place));
        }
        Ok(list)
    }

    /// The campaign, for its account.
    pub(super) fn campaign(&self) -> Result<&Campaign, Failure> {
        self.campaign.as_ref().ok_or_else(|| {
            Failure::with_help(
                "usage",
                "the blacklist belongs to an account, and no campaign names one",
                "add `--campaign DIR`",
            )
            .usage()
        })
    }
}

fn add(args: &SuppressAddArgs, console: &Console) -> Result<ExitCode, Failure> {
    let named = NamedList::find(&args.list)?;
    let mut list = named.create(console)?;
    let now = Clock::system().now();
    let entries: Vec<NewEntry> = args
        .addresses
        .iter()
        .map(|address| NewEntry {
            address: address.clone(),
            reason: args.reason.into(),
            source: SOURCE.to_owned(),
            at: now,
            note: String::new(),
        })
        .collect();
    let mut adder = Adder::default();
    adder.add(&mut list, &entries)?;
    if !entries.is_empty() {
        console.print(&adder.summary(&named.name));
    }
    Ok(ExitCode::Done)
}

fn remove(args: &SuppressRemoveArgs) -> Result<ExitCode, Failure> {
    let named = NamedList::find(&args.list)?;
    let mut list = KeptList::open(&named.place)?.ok_or_else(|| named.missing())?;
    let now = Clock::system().now();
    for address in &args.addresses {
        let removed = list.remove(address, args.reason.map(Reason::from), now)?;
        if removed.is_empty() {
            let reason = args.reason.map(Reason::from).map(Reason::as_str);
            let reason = reason.map_or(String::new(), |reason| format!(" as {reason}"));
            output::line(format_args!("{address}: not on the list{reason}"));
        }
        for entry in &removed {
            output::line(format_args!("{address}: removed {}", described(entry)));
        }
        for entry in list.entries_of(address)? {
            output::line(format_args!(
                "{address}: still on the list: {}",
                described(&entry)
            ));
        }
    }
    Ok(ExitCode::Done)
}

fn check(args: &SuppressCheckArgs) -> Result<ExitCode, Failure> {
    let list = NamedList::find(&args.list)?.read()?;
    let mut any = false;
    for address in &args.addresses {
        let entries = list.entries_of(address)?;
        any |= !entries.is_empty();
        for entry in &entries {
            output::line(format_args!("{address}: {}", described(entry)));
        }
        if entries.is_empty() {
            output::line(format_args!("{address}: not on the list"));
        }
    }
    Ok(match any {
        true => ExitCode::Done,
        false => ExitCode::Error,
    })
}

/// For example `hard-bounce (follow, 2026-12-01T09:00:00Z): 550 no such user`.
fn described(entry: &Entry) -> String {
    let note = match entry.note.as_str() {
        "" => String::new(),
        note => format!(": {}", printable(note)),
    };
    let source = printable(&entry.source);
    format!(
        "{} ({source}, {:.0}){note}",
        entry.reason.as_str(),
        entry.at
    )
}

fn import(args: &SuppressImportArgs, console: &Console) -> Result<ExitCode, Failure> {
    let named = NamedList::find(&args.list)?;
    let mut adder = Adder::default();
    let list = match &args.file {
        // Everything is read before the list is created or changed.
        Some(file) => {
            let entries = entries_of_file(file, args, console)?;
            let mut list = named.create(console)?;
            adder.add(&mut list, &entries)?;
            list
        }
        None => {
            let entries = suppress_api::blacklist(named.campaign()?)?;
            let mut list = named.create(console)?;
            adder.add(&mut list, &entries)?;
            list
        }
    };
    drop(list);
    console.print(&adder.summary(&named.name));
    Ok(ExitCode::Done)
}

/// The addresses of a file. Each line of an exported list keeps its reason, source, time and note.
fn entries_of_file(
    file: &Path,
    args: &SuppressImportArgs,
    console: &Console,
) -> Result<Vec<NewEntry>, Failure> {
    let name = file.display().to_string();
    let short = file.file_name().unwrap_or_default().to_string_lossy();
    let source = format!("file {short}");
    let now = Clock::system().now();
    let mut entries = Vec::new();
    let mut fault = None;
    let settings = ReadSettings {
        email: args.email.clone(),
        encoding: args.encoding,
        delimiter: args.delimiter,
        keep_padding: false,
        sheet: args.sheet.clone(),
        header_row: args.header_row,
        hidden: None,
    };
    let warnings = read_addresses(file, &name, &settings, |address, row, columns| {
        let cell = |index| row.cells.get(index).unwrap_or_default();
        let imported = NewEntry {
            address,
            reason: Reason::Imported,
            source: source.clone(),
            at: now,
            note: String::new(),
        };
        if columns != LIST_COLUMNS {
            entries.push(imported);
            return;
        }
        let reason = Reason::parse(cell(1));
        let at = cell(3).parse().ok();
        match (reason, at) {
            (Some(reason), Some(at)) => entries.push(NewEntry {
                reason,
                source: unescaped(cell(2)).to_owned(),
                at,
                note: unescaped(cell(4)).to_owned(),
                ..imported
            }),
            (None, _) => {
                fault.get_or_insert((row.line, format!("“{}” is not a reason", cell(1))));
            }
            (_, None) => {
                fault.get_or_insert((row.line, format!("“{}” is not a time", cell(3))));
            }
        }
    })?;
    console.print_findings(&warnings.iter().map(of_warning).collect());
    match fault {
        Some((line, fault)) => {
            let message = format!("{name}:{line}: {fault}");
            let help = "correct it as in an exported list, or rename the columns to import the addresses alone";
            Err(Failure::with_help("recipients", message, help))
        }
        None => Ok(entries),
    }
}

/// Counts what is added.
#[derive(Default)]
struct Adder {
    new: BTreeMap<Reason, u64>,
    known: u64,
}

impl Adder {
    fn add(&mut self, list: &mut KeptList, entries: &[NewEntry]) -> Result<(), Failure> {
        for (entry, is_new) in entries.iter().zip(list.add(entries)?) {
            match is_new {
                true => *self.new.entry(entry.reason).or_default() += 1,
                false => self.known += 1,
            }
        }
        Ok(())
    }

    /// For example `Added 3 entries to @acme: 2 manual, 1 complaint. 1 was there already.`
    fn summary(&self, list: &str) -> String {
        let total: u64 = self.new.values().sum();
        let reasons = self.new.iter();
        let reasons =
            reasons.map(|(reason, count)| format!("{} {}", grouped(*count), reason.as_str()));
        let reasons: Vec<String> = reasons.collect();
        let mut text = format!("Added {} to {list}", entries(total));
        if total > 0 {
            text += &format!(": {}", reasons.join(", "));
        }
        text += ".";
        if self.known > 0 {
            let verb = if self.known == 1 { "was" } else { "were" };
            text += &format!(" {} {verb} there already.", grouped(self.known));
        }
        text
    }
}

fn entries(count: u64) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{} entries", grouped(count)),
    }
}

fn export(args: &SuppressExportArgs, console: &Console) -> Result<ExitCode, Failure> {
    let named = NamedList::find(&args.list)?;
    let list = named.read()?;
    if args.to_api {
        return suppress_api::export(named.campaign()?, &list, console);
    }
    let written = match &args.out {
        Some(path) if path != Path::new("-") => write_list_file(&list, path)?,
        _ => write_list(&list, &mut output::data())?,
    };
    console.print(&format!("{} written", entries(written.entries)));
    if written.forgotten > 0 {
        console.print(&format!(
            "{} left out: only the hash of the address is known",
            entries(written.forgotten)
        ));
    }
    Ok(ExitCode::Done)
}
