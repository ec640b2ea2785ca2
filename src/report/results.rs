//! `results.csv`: one line per row, in the order of the input.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use jiff::fmt::temporal::DateTimePrinter;

use crate::api::EventKind;
use crate::durable::sync_dir;
use crate::feedback::{EventStore, EventsError};
use crate::ledger::{Ledger, LedgerError, ResultRow, Status};
use crate::suppression::ListError;

/// The columns before those of the input.
const COLUMNS: [&str; 11] = [
    "row",
    "email",
    "status",
    "message_id",
    "code",
    "error",
    "attempts",
    "possible_duplicate",
    "finished_at",
    "delivery",
    "variant",
];
/// The prefix of an input column whose name is taken.
const INPUT: &str = "input.";
/// How many rows a thread formats at once.
const PAGE: u32 = 2048;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ResultsError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error(transparent)]
    List(#[from] ListError),
    #[error("can't write {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    /// Standard output can't be written.
    #[error("can't write the results: {0}")]
    Csv(#[from] csv::Error),
}

/// How results are written.
#[derive(Clone, Copy)]
pub(crate) struct ResultsFormat {
    /// Cells that a spreadsheet would run as formulas are not escaped.
    pub(crate) raw: bool,
    /// A process works on the run. Otherwise, rows in flight are unknown.
    pub(crate) live: bool,
}

/// Writes the results to `path`, atomically. `events` has the delivery states if the run was followed.
///
/// # Errors
/// The ledger or the events can't be read, or the file can't be written.
pub(crate) fn write_results(
    ledger: &dyn Ledger,
    events: Option<&dyn EventStore>,
    path: &Path,
    format: ResultsFormat,
) -> Result<(), ResultsError> {
    write_atomically(path, ".results-", |file| {
        write_results_to(ledger, events, file, format)
    })
}

/// Writes a file to a temporary file beside it, which is synced and renamed.
///
/// # Errors
/// That of `write`, or the file can't be written.
pub(crate) fn write_atomically(
    path: &Path,
    prefix: &str,
    write: impl FnOnce(&mut dyn Write) -> Result<(), ResultsError>,
) -> Result<(), ResultsError> {
    let io = |error| ResultsError::Io {
        path: path.to_owned(),
        error,
    };
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(prefix)
        .tempfile_in(dir)
        .map_err(io)?;
    let mut buffered = io::BufWriter::new(file.as_file_mut());
    let written =
        write(&mut buffered).and_then(|()| Ok(buffered.flush().map_err(csv::Error::from)?));
    drop(buffered);
    written.map_err(|error| match error {
        ResultsError::Csv(error) => io(error.into()),
        error => error,
    })?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    sync_dir(dir).map_err(io)
}

/// Writes the results like [`write_results`], to any writer.
///
/// # Errors
/// The ledger or the events can't be read, or the results can't be written.
pub(crate) fn write_results_to(
    ledger: &dyn Ledger,
    events: Option<&dyn EventStore>,
    to: impl Write,
    format: ResultsFormat,
) -> Result<(), ResultsError> {
    let header = ledger.run()?.header;
    let escape: CellEscape = if format.raw { unchanged } else { escaped };
    let mut csv = writer(to);
    let columns = input_columns(&header);
    csv.write_record(
        COLUMNS
            .iter()
            .map(|name| Cow::Borrowed(*name))
            .chain(columns.iter().map(|name| escape(name)))
            .map(Cow::into_owned),
    )?;
    csv.flush().map_err(csv::Error::from)?;
    let to = csv
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))?;
    let lines = LineFormatter {
        columns: header.len(),
        format,
        escape,
    };
    let rows = lines.write(ledger, events, to)?;
    match ledger.counts()?.total() + ledger.members()?.total() {
        total if total == rows => Ok(()),
        total => Err(
            LedgerError::Damaged(format!("{total} rows were planned, but it has {rows}")).into(),
        ),
    }
}

/// Formats rows as CSV lines, on all cores.
struct LineFormatter {
    columns: usize,
    format: ResultsFormat,
    escape: CellEscape,
}

/// LineFormatter and their number.
type FormattedPage = Result<(Vec<u8>, u64), ResultsError>;

impl LineFormatter {
    /// Writes the lines of all rows, and returns their number. The threads take the pages
    /// in turn, so that page `n` comes from thread `n` modulo their number.
    fn write(
        &self,
        ledger: &dyn Ledger,
        events: Option<&dyn EventStore>,
        mut to: impl Write,
    ) -> Result<u64, ResultsError> {
        let pages = ledger.last_row()?.div_ceil(PAGE);
        let cores = thread::available_parallelism().map_or(1, usize::from) as u32;
        let threads = cores.min(pages).max(1);
        let mut rows = 0;
        thread::scope(|scope| {
            let receivers: Vec<Receiver<FormattedPage>> = (0..threads)
                .map(|first| {
                    let (sender, receiver) = sync_channel(2);
                    let pages = (first..pages).step_by(threads as usize);
                    let ledger = ledger.reopen()?;
                    let events = events.map(EventStore::reopen).transpose()?;
                    scope.spawn(move || {
                        self.format_pages(&*ledger, events.as_deref(), pages, &sender);
                    });
                    Ok(receiver)
                })
                .collect::<Result<_, ResultsError>>()?;
            for page in 0..pages {
                let died = |_| LedgerError::Stopped("a thread that reads it died".to_owned());
                let receiver = &receivers[(page % threads) as usize];
                let (lines, count) = receiver.recv().map_err(died)??;
                to.write_all(&lines).map_err(csv::Error::from)?;
                rows += count;
            }
            Ok::<_, ResultsError>(())
        })?;
        to.flush().map_err(csv::Error::from)?;
        Ok(rows)
    }

    fn format_pages(
        &self,
        ledger: &dyn Ledger,
        events: Option<&dyn EventStore>,
        pages: impl Iterator<Item = u32>,
        sender: &SyncSender<FormattedPage>,
    ) {
        for page in pages {
            if sender.send(self.page(ledger, events, page)).is_err() {
                return;
            }
        }
    }

    fn page(
        &self,
        ledger: &dyn Ledger,
        events: Option<&dyn EventStore>,
        page: u32,
    ) -> FormattedPage {
        let mut csv = writer(Vec::new());
        let mut rows = 0;
        let after = page * PAGE;
        let last = after.saturating_add(PAGE);
        let states = events
            .map(|events| events.states(after, last))
            .transpose()?;
        let mut states = states.unwrap_or_default();
        let of_page = ledger.rows(after, last)?;
        if let Some(events) = events {
            add_states_of_groups(events, &of_page, after, &mut states)?;
        }
        for row in of_page {
            rows += 1;
            let row = row.into_reported(self.format.live);
            let state = states.get(&row.message_row).copied();
            write_row(&mut csv, &row, state, self.width(&row), self.escape)?;
        }
        let lines = csv.into_inner();
        let lines = lines.map_err(|error| csv::Error::from(error.into_error()))?;
        Ok((lines, rows))
    }

    /// How many cells of a row are written. Readers expect lines of one width, so cells beyond the
    /// header are left out. Raw results keep them: as recipients they must not turn an invalid row
    /// into a valid one.
    fn width(&self, row: &ResultRow) -> usize {
        if self.format.raw {
            self.columns.max(row.cells.len())
        } else {
            self.columns
        }
    }
}

/// Adds the states of messages that began before a page.
pub(super) fn add_states_of_groups(
    events: &dyn EventStore,
    rows: &[ResultRow],
    after: u32,
    states: &mut HashMap<u32, EventKind>,
) -> Result<(), EventsError> {
    let mut firsts: Vec<u32> = rows.iter().map(|row| row.message_row).collect();
    firsts.retain(|first| *first <= after);
    firsts.sort_unstable();
    firsts.dedup();
    if !firsts.is_empty() {
        states.extend(events.states_of(&firsts)?);
    }
    Ok(())
}

pub(super) fn writer<W: Write>(to: W) -> csv::Writer<W> {
    csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .flexible(true)
        .from_writer(to)
}

fn write_row(
    csv: &mut csv::Writer<impl Write>,
    row: &ResultRow,
    state: Option<EventKind>,
    columns: usize,
    escape: CellEscape,
) -> Result<(), ResultsError> {
    let finished = row
        .at
        .filter(|_| !matches!(row.status, Status::Pending | Status::Sending));
    let finished = finished
        .map(|at| DateTimePrinter::new().timestamp_to_string(&at))
        .unwrap_or_default();
    let (number, attempts) = (row.number.to_string(), row.attempts.to_string());
    let possible_duplicate = if row.possible_duplicate {
        "true"
    } else {
        "false"
    };
    let ours = [
        number.as_str().into(),
        escape(&row.email),
        row.status.as_str().into(),
        escape(row.message_id.as_deref().unwrap_or_default()),
        row.code.as_deref().unwrap_or_default().into(),
        escape(row.error.as_deref().unwrap_or_default()),
        attempts.as_str().into(),
        possible_duplicate.into(),
        finished.as_str().into(),
        state.map_or("", EventKind::as_str).into(),
        row.variant.as_deref().unwrap_or_default().into(),
    ];
    let cells = (0..columns).map(|index| escape(row.cells.get(index).map_or("", String::as_str)));
    for cell in ours.into_iter().chain(cells) {
        csv.write_field(cell.as_bytes())?;
    }
    csv.write_record(None::<&[u8]>)?;
    Ok(())
}

/// The names of the input's columns, made unique.
fn input_columns(header: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    let mut taken: HashSet<String> = COLUMNS.map(str::to_owned).into();
    for name in header {
        let mut name = name.clone();
        while taken.contains(&name) {
            name.insert_str(0, INPUT);
        }
        if !name.is_empty() {
            taken.insert(name.clone());
        }
        names.push(name);
    }
    names
}

type CellEscape = fn(&str) -> Cow<'_, str>;

fn unchanged(cell: &str) -> Cow<'_, str> {
    Cow::Borrowed(cell)
}

/// What begins a formula. Excel also takes full-width signs, which Japanese and Chinese keyboards write.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// Where a spreadsheet that does not split at commas may begin another cell: in many countries Excel splits
/// at semicolons, and then it reads quotes inside a line as text.
const SEPARATORS: [char; 4] = [';', '\t', '\r', '\n'];

pub(super) fn is_formula(cell: &str) -> bool {
    cell.starts_with(FORMULA)
}

/// Makes a spreadsheet read a cell as text that it would read as a formula: with `'` before the formula, in
/// each part of the cell that may become a cell of its own.
pub(super) fn escaped(cell: &str) -> Cow<'_, str> {
    let is_formula = |part: &str| part.trim_start_matches(['"', ' ']).starts_with(FORMULA);
    let is_escaped = cell.starts_with(FORMULA) || cell.starts_with(['\t', '\r']);
    if !is_escaped && !cell.split(SEPARATORS).skip(1).any(is_formula) {
        return Cow::Borrowed(cell);
    }
    let mut escaped = String::with_capacity(cell.len() + 8);
    if is_escaped {
        escaped.push('\'');
    }
    for (number, part) in cell.split_inclusive(SEPARATORS).enumerate() {
        if number > 0 && is_formula(part) {
            escaped.push('\'');
        }
        escaped.push_str(part);
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_escaped_in_every_part() {
        for (cell, expected) in [
            ("x", "x"),
            ("a;b\tc\nd - e", "a;b\tc\nd - e"),
            ("=1", "'=1"),
            ("-1;2", "'-1;2"),
            ("x;=1+1", "x;'=1+1"),
            ("x;;+1\t@a\n-2", "x;;'+1\t'@a\n'-2"),
            ("x; =1", "x;' =1"),
            ("x;\"=1\"", "x;'\"=1\""),
            ("＝1;＋1", "'＝1;'＋1"),
            ("\t=1", "'\t'=1"),
            ("a@b.example", "a@b.example"),
        ] {
            assert_eq!(escaped(cell), expected, "{cell}");
        }
    }
}
