//! `events.csv`: what the API said about accepted messages, by row and time. Also the recipients of some rows, as input of
//! another campaign.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use jiff::fmt::temporal::DateTimePrinter;

use super::results::{ResultsError, add_states_of_groups, escaped, write_atomically, writer};
use crate::api::EventKind;
use crate::feedback::EventStore;
use crate::ledger::{FORGOTTEN, Ledger, ResultRow};

const COLUMNS: [&str; 6] = ["row", "email", "message_id", "event", "at", "description"];
/// How many rows are read at once.
const PAGE: u32 = 2048;

/// Writes the events to `path`, atomically.
///
/// # Errors
/// The ledger or the events can't be read, or the file can't be written.
pub(crate) fn write_events(
    ledger: &dyn Ledger,
    events: &dyn EventStore,
    path: &Path,
) -> Result<(), ResultsError> {
    write_atomically(path, ".events-", |file| {
        let mut csv = writer(file);
        csv.write_record(COLUMNS)?;
        for (after, last) in pages(ledger)? {
            let of_rows = events.events(after, last)?;
            if of_rows.is_empty() {
                continue;
            }
            let rows = ledger.rows(after, last)?;
            let rows: HashMap<u32, &ResultRow> = rows.iter().map(|row| (row.number, row)).collect();
            for event in of_rows {
                let row = rows.get(&event.row);
                let number = event.row.to_string();
                let at = DateTimePrinter::new().timestamp_to_string(&event.at);
                let email = row.map_or("", |row| &row.email);
                let id = row.and_then(|row| row.message_id.as_deref());
                let cells = [
                    number.as_str().into(),
                    escaped(email),
                    escaped(id.unwrap_or_default()),
                    event.kind.as_str().into(),
                    at.as_str().into(),
                    escaped(&event.description),
                ];
                csv.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
            }
        }
        csv.flush().map_err(csv::Error::from)?;
        Ok(())
    })
}

/// Writes the input's header and the rows whose state `is_wanted`, as they are in the input, without those of forgotten
/// people. Returns their number.
///
/// # Errors
/// The ledger or the events can't be read, or the rows can't be written.
pub(crate) fn write_recipients(
    ledger: &dyn Ledger,
    events: &dyn EventStore,
    is_wanted: impl Fn(EventKind) -> bool,
    to: &mut dyn Write,
) -> Result<u64, ResultsError> {
    let mut csv = writer(to);
    csv.write_record(ledger.run()?.header)?;
    let mut written = 0;
    let has_groups = ledger.members()?.total() > 0;
    for (after, last) in pages(ledger)? {
        let mut states = events.states(after, last)?;
        if !has_groups && !states.values().any(|state| is_wanted(*state)) {
            continue;
        }
        let rows = ledger.rows(after, last)?;
        add_states_of_groups(events, &rows, after, &mut states)?;
        states.retain(|_, state| is_wanted(*state));
        let wanted = rows
            .iter()
            .filter(|row| states.contains_key(&row.message_row));
        for row in wanted.filter(|row| row.email != FORGOTTEN) {
            csv.write_record(&row.cells)?;
            written += 1;
        }
    }
    csv.flush().map_err(csv::Error::from)?;
    Ok(written)
}

/// Writes them to `path`, atomically.
///
/// # Errors
/// As [`write_recipients`].
pub(crate) fn write_recipients_file(
    ledger: &dyn Ledger,
    events: &dyn EventStore,
    is_wanted: impl Fn(EventKind) -> bool,
    path: &Path,
) -> Result<u64, ResultsError> {
    let mut written = 0;
    write_atomically(path, ".recipients-", |file| {
        written = write_recipients(ledger, events, is_wanted, file)?;
        Ok(())
    })?;
    Ok(written)
}

/// The rows before and at the end of each page.
fn pages(ledger: &dyn Ledger) -> Result<impl Iterator<Item = (u32, u32)>, ResultsError> {
    let last = ledger.last_row()?;
    let page = |number: u32| (number * PAGE, (number * PAGE).saturating_add(PAGE));
    Ok((0..last.div_ceil(PAGE)).map(page))
}
