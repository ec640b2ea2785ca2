//! `results.csv`: a line a row, in the order of the input.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use jiff::fmt::temporal::DateTimePrinter;

use crate::durable::sync_dir;
use crate::ledger::{Ledger, LedgerError, ResultRow, Status};

/// The columns that stand before the input's own.
const COLUMNS: [&str; 9] = [
    "row",
    "email",
    "status",
    "message_id",
    "code",
    "error",
    "attempts",
    "possible_duplicate",
    "finished_at",
];
/// What a column of the input that is called like one of ours is called.
const INPUT: &str = "input.";

/// How many rows' lines are made at once.
const PAGE: u32 = 2048;

/// Why the results could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// The ledger can't be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The file can't be written.
    #[error("can't write {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Standard output can't be written.
    #[error("can't write the results: {0}")]
    Csv(#[from] csv::Error),
}

/// Writes the results to a file that is whole whenever it is there: to a temporary file beside it
/// first, synced and renamed. `live` says whether a process works on the run; without one, rows in
/// flight are unknown. Unless `raw`, cells that a spreadsheet would run are guarded.
///
/// # Errors
/// When the ledger can't be read or the file can't be written.
pub fn write_results(
    ledger: &Ledger,
    path: &Path,
    raw: bool,
    live: bool,
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
        .prefix(".results-")
        .tempfile_in(dir)
        .map_err(io)?;
    let whole = io::BufWriter::new(file.as_file_mut());
    write_results_to(ledger, whole, raw, live).map_err(|error| match error {
        ResultsError::Csv(error) => io(error.into()),
        error => error,
    })?;
    file.as_file().sync_all().map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    sync_dir(dir).map_err(io)
}

/// Writes the results anywhere.
///
/// # Errors
/// When the ledger can't be read or the results can't be written.
pub fn write_results_to(
    ledger: &Ledger,
    to: impl Write,
    raw: bool,
    live: bool,
) -> Result<(), ResultsError> {
    let header = ledger.run()?.header;
    let guard: Guard = if raw { as_it_is } else { guarded };
    let mut csv = writer(to);
    let columns = input_columns(&header);
    csv.write_record(
        COLUMNS
            .iter()
            .map(|name| Cow::Borrowed(*name))
            .chain(columns.iter().map(|name| guard(name)))
            .map(Cow::into_owned),
    )?;
    csv.flush().map_err(csv::Error::from)?;
    let to = csv
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))?;
    let lines = Lines {
        ledger: ledger.path(),
        columns: header.len(),
        raw,
        live,
        guard,
    };
    let rows = lines.write(ledger.last_row()?, to)?;
    Ok(ledger.were_all(rows)?)
}

/// The lines of rows, made on all cores.
struct Lines<'a> {
    ledger: &'a Path,
    columns: usize,
    raw: bool,
    live: bool,
    guard: Guard,
}

/// Some lines, and how many.
type Page = Result<(Vec<u8>, u64), ResultsError>;

impl Lines<'_> {
    /// Writes the lines of all rows up to `last`, in order; gives their number. Each thread makes
    /// every so many-th page, and they are taken from the threads in turn.
    fn write(&self, last: u32, mut to: impl Write) -> Result<u64, ResultsError> {
        let pages = last.div_ceil(PAGE);
        let cores = thread::available_parallelism().map_or(1, usize::from) as u32;
        let threads = cores.min(pages).max(1);
        let mut rows = 0;
        thread::scope(|scope| {
            let made: Vec<Receiver<Page>> = (0..threads)
                .map(|first| {
                    let (made, pages_made) = sync_channel(2);
                    scope.spawn(move || self.make((first..pages).step_by(threads as usize), &made));
                    pages_made
                })
                .collect();
            for page in 0..pages {
                let lost = |_| LedgerError::Stopped("a thread died that reads it".to_owned());
                let (lines, count) = made[(page % threads) as usize].recv().map_err(lost)??;
                to.write_all(&lines).map_err(csv::Error::from)?;
                rows += count;
            }
            Ok::<_, ResultsError>(())
        })?;
        to.flush().map_err(csv::Error::from)?;
        Ok(rows)
    }

    fn make(&self, pages: impl Iterator<Item = u32>, made: &SyncSender<Page>) {
        let ledger = match Ledger::open(self.ledger) {
            Ok(ledger) => ledger,
            Err(error) => {
                // Who takes the pages may have given up.
                let _ = made.send(Err(error.into()));
                return;
            }
        };
        for page in pages {
            if made.send(self.page(&ledger, page)).is_err() {
                return;
            }
        }
    }

    fn page(&self, ledger: &Ledger, page: u32) -> Page {
        let mut csv = writer(Vec::new());
        let mut rows = 0;
        let after = page * PAGE;
        ledger.rows(after, after.saturating_add(PAGE), |row| {
            rows += 1;
            let row = row.as_shown(self.live);
            write_row(&mut csv, &row, self.width(&row), self.guard)
        })?;
        let lines = csv.into_inner();
        let lines = lines.map_err(|error| csv::Error::from(error.into_error()))?;
        Ok((lines, rows))
    }

    /// Readers want lines of one width, so cells beyond the header are left out; but raw results that
    /// come back as recipients must not make a row right that was not.
    fn width(&self, row: &ResultRow) -> usize {
        if self.raw {
            self.columns.max(row.cells.len())
        } else {
            self.columns
        }
    }
}

fn writer<W: Write>(to: W) -> csv::Writer<W> {
    csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .flexible(true)
        .from_writer(to)
}

fn write_row(
    csv: &mut csv::Writer<impl Write>,
    row: &ResultRow,
    columns: usize,
    guard: Guard,
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
        guard(&row.email),
        row.status.as_str().into(),
        guard(row.message_id.as_deref().unwrap_or_default()),
        row.code.as_deref().unwrap_or_default().into(),
        guard(row.error.as_deref().unwrap_or_default()),
        attempts.as_str().into(),
        possible_duplicate.into(),
        finished.as_str().into(),
    ];
    let cells = (0..columns).map(|index| guard(row.cells.get(index).map_or("", String::as_str)));
    for cell in ours.into_iter().chain(cells) {
        csv.write_field(cell.as_bytes())?;
    }
    csv.write_record(None::<&[u8]>)?;
    Ok(())
}

/// The input's columns, under names that none of ours and none of the others has.
fn input_columns(header: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    for name in header {
        let mut name = name.clone();
        while COLUMNS.contains(&name.as_str()) || (!name.is_empty() && names.contains(&name)) {
            name.insert_str(0, INPUT);
        }
        names.push(name);
    }
    names
}

/// What is done with a text before it is written.
type Guard = fn(&str) -> Cow<'_, str>;

fn as_it_is(cell: &str) -> Cow<'_, str> {
    Cow::Borrowed(cell)
}

/// A cell that a spreadsheet would take for a formula, as text.
fn guarded(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}
