//! Recipients that have the same address to unsubscribe.

use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;
use rusqlite::Connection;

use super::{HEADER, SHARED, Uris, value};
use crate::check::context::{CampaignContext, RowContext};
use crate::check::family::Totals;
use crate::check::rules::campaign_file::{at_text, header, varies};
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::report::counted;
use crate::spill::{self, SpillError};

/// How many addresses a thread keeps in memory: 1 MiB of them.
const MOST: usize = 1 << 16;

const SCHEMA: &str = "CREATE TABLE uris (hash INTEGER NOT NULL, row INTEGER NOT NULL)";
const ADD: &str = "INSERT INTO uris (hash, row) VALUES (?1, ?2)";
const ALL: &str = "SELECT hash, row FROM uris ORDER BY hash, row";
const ANY_ORDER: &str = "SELECT hash, row FROM uris";

/// The addresses of all rows: of a long list in a temporary file.
#[derive(Debug, Default)]
pub(super) struct UnsubscribeUrls {
    /// The hashes of the last ones, each with its row.
    last: Vec<(u64, u32)>,
    written: Option<Connection>,
    failed: Option<SpillError>,
}

/// Rows whose address was there before.
#[derive(Debug, Default, PartialEq, Eq)]
struct Again {
    /// How many.
    count: u64,
    /// The first of them.
    row: Option<u32>,
}

impl Totals for UnsubscribeUrls {
    fn row(&mut self, context: &RowContext<'_>) {
        let wanted = context.shared.least <= SHARED.severity;
        if !wanted || !header(context.shared, HEADER).is_some_and(varies) {
            return;
        }
        let https = value(context, HEADER).and_then(|list| Uris::of(list).https);
        if let Some(uri) = https {
            self.take(hash(uri), context.row.number, MOST);
        }
    }

    fn merge(&mut self, mut other: Self) {
        self.last.append(&mut other.last);
        self.failed = self.failed.take().or(other.failed);
        match (&self.written, other.written) {
            (_, None) => {}
            (None, Some(file)) => self.written = Some(file),
            (Some(_), Some(file)) => self.trying(|all| {
                all.write()?;
                let Some(to) = &all.written else {
                    return Ok(());
                };
                add(to, file.prepare(ANY_ORDER)?.query_map([], entry)?)
            }),
        }
    }

    fn finish(mut self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        let again = match self.failed.take() {
            Some(error) => Err(error),
            None => self.again(),
        };
        let finding = match again {
            Ok(again) if again.count == 0 => return,
            Ok(again) => again.finding(),
            Err(error) => SHARED
                .found(format!(
                    "the addresses to unsubscribe can't be compared: {error}"
                ))
                .help(SpillError::HELP),
        };
        let row = finding.place.row;
        let mut finding = match header(shared, HEADER) {
            Some(list) => at_text(shared, finding, list),
            None => finding,
        };
        finding.place.row = row;
        sink.add(finding);
    }
}

impl UnsubscribeUrls {
    fn take(&mut self, hash: u64, row: u32, most: usize) {
        self.last.push((hash, row));
        if self.last.len() >= most {
            self.trying(Self::write);
        }
    }

    /// What fails once is not tried again.
    fn trying(&mut self, work: impl FnOnce(&mut Self) -> Result<(), SpillError>) {
        if self.failed.is_none() {
            self.failed = work(self).err();
        }
        if self.failed.is_some() {
            self.last = Vec::new();
        }
    }

    /// Writes the last ones to the file.
    fn write(&mut self) -> Result<(), SpillError> {
        let file = match self.written.take() {
            Some(file) => file,
            None => spill::open(SCHEMA)?,
        };
        let file = self.written.insert(file);
        add(file, self.last.drain(..).map(Ok))
    }

    fn again(&mut self) -> Result<Again, SpillError> {
        let mut again = Again::default();
        if self.written.is_none() {
            self.last.sort_unstable();
            again.count(self.last.drain(..).map(Ok))?;
            return Ok(again);
        }
        self.write()?;
        if let Some(file) = &self.written {
            again.count(file.prepare(ALL)?.query_map([], entry)?)?;
        }
        Ok(again)
    }
}

impl Again {
    /// Counts those that follow one with the same hash.
    fn count(
        &mut self,
        sorted: impl Iterator<Item = rusqlite::Result<(u64, u32)>>,
    ) -> rusqlite::Result<()> {
        let mut before = None;
        for entry in sorted {
            let (hash, row) = entry?;
            if before.replace(hash) == Some(hash) {
                self.count += 1;
                self.row = Some(self.row.map_or(row, |known| known.min(row)));
            }
        }
        Ok(())
    }

    fn finding(&self) -> Finding {
        let has = if self.count == 1 { "has" } else { "have" };
        let such = self
            .row
            .map(|row| format!(", such as row {row}"))
            .unwrap_or_default();
        let message = format!(
            "{} {has} the address to unsubscribe of another{such}: nobody can tell who did",
            counted(self.count, "recipient")
        );
        let mut finding = SHARED
            .found(message)
            .help("put something in it that no two recipients have in common");
        finding.place.row = self.row;
        finding
    }
}

fn add(
    file: &Connection,
    entries: impl Iterator<Item = rusqlite::Result<(u64, u32)>>,
) -> Result<(), SpillError> {
    let mut add = file.prepare_cached(ADD)?;
    for entry in entries {
        let (hash, row) = entry?;
        // SQLite has no integers without a sign.
        add.execute((hash.cast_signed(), row))?;
    }
    Ok(())
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<(u64, u32)> {
    Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
}

/// The same in all threads. Two of 1,000,000 addresses have the same by chance once in 37 million runs.
fn hash(uri: &str) -> u64 {
    let mut hasher = RandomState::with_seeds(2369, 8058, 5322, 2045).build_hasher();
    hasher.write(uri.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(rows: &[(u64, u32)], most: usize) -> UnsubscribeUrls {
        let mut urls = UnsubscribeUrls::default();
        for (hash, row) in rows {
            urls.take(*hash, *row, most);
        }
        urls
    }

    #[test]
    fn addresses_are_counted_across_threads_wherever_they_are_kept() {
        for (most, other) in [(9, 9), (9, 2), (2, 9), (2, 2), (1, 1)] {
            let mut one = urls(&[(u64::MAX, 1), (2, 2), (u64::MAX, 3)], most);
            let rows = [(2, 4), (5, 5), (6, 6), (6, 7), (u64::MAX, 8)];
            one.merge(urls(&rows, other));
            let written = most < 4 || other < 6;
            assert_eq!(one.written.is_some(), written, "{most} {other}");
            let wanted = Again {
                count: 4,
                row: Some(3),
            };
            assert_eq!(one.again().expect("a file"), wanted, "{most} {other}");
        }
    }

    #[test]
    fn a_file_that_can_not_be_written_is_told_and_takes_no_memory() {
        let mut one = urls(&[(1, 1), (2, 2)], 9);
        one.written = Some(Connection::open_in_memory().expect("a database"));
        one.take(3, 3, 3);
        assert!(one.failed.is_some() && one.last.is_empty());
        one.take(4, 4, 3);
        let mut all = urls(&[(5, 5)], 9);
        all.merge(one);
        let told = all.failed.expect("it failed").to_string();
        assert!(told.contains("no such table"), "{told}");
    }
}
