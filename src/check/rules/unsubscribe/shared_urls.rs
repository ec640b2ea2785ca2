//! Finds recipients with the same address for unsubscribing.

use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;
use rusqlite::Connection;

use super::{HEADER, SHARED, Uris, value};
use crate::check::context::{CampaignContext, RowContext};
use crate::check::family::RuleTotals;
use crate::check::rules::campaign_file::{at_text, header, varies};
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::report::counted;
use crate::spill::{self, SpillError};

/// How many addresses a thread keeps in memory. They take 1 MiB.
const MOST: usize = 1 << 16;

const SCHEMA: &str = "CREATE TABLE uris (hash INTEGER NOT NULL, row INTEGER NOT NULL)";
const ADD: &str = "INSERT INTO uris (hash, row) VALUES (?1, ?2)";
const ALL: &str = "SELECT hash, row FROM uris ORDER BY hash, row";
const ANY_ORDER: &str = "SELECT hash, row FROM uris";

/// The addresses of all rows. Those of a long list are in a temporary file.
#[derive(Debug, Default)]
pub(super) struct UnsubscribeUrls {
    /// The hashes that are not in the file yet, each with its row.
    pending: Vec<(u64, u32)>,
    file: Option<Connection>,
    failed: Option<SpillError>,
}

/// Rows with the address of an earlier row.
#[derive(Debug, Default, PartialEq, Eq)]
struct Repeated {
    count: u64,
    first_row: Option<u32>,
}

impl RuleTotals for UnsubscribeUrls {
    fn row(&mut self, context: &RowContext<'_>) {
        let is_reported = context.shared.least <= SHARED.severity;
        if !is_reported || !header(context.shared, HEADER).is_some_and(varies) {
            return;
        }
        let https = value(context, HEADER).and_then(|list| Uris::of(list).https);
        if let Some(uri) = https {
            self.take(hash(uri), context.row.number, MOST);
        }
    }

    fn merge(&mut self, mut other: Self) {
        self.pending.append(&mut other.pending);
        self.failed = self.failed.take().or(other.failed);
        match (&self.file, other.file) {
            (_, None) => {}
            (None, Some(file)) => self.file = Some(file),
            (Some(_), Some(file)) => self.attempt(|all| {
                all.write()?;
                let Some(to) = &all.file else {
                    return Ok(());
                };
                add(to, file.prepare(ANY_ORDER)?.query_map([], entry)?)
            }),
        }
    }

    fn finish(mut self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        let repeated = match self.failed.take() {
            Some(error) => Err(error),
            None => self.repeated(),
        };
        let finding = match repeated {
            Ok(repeated) if repeated.count == 0 => return,
            Ok(repeated) => repeated.finding(),
            Err(error) => SHARED
                .found(format!(
                    "the addresses for unsubscribing can't be compared: {error}"
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
        self.pending.push((hash, row));
        if self.pending.len() >= most {
            self.attempt(Self::write);
        }
    }

    /// Does some work, unless earlier work has failed.
    fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Result<(), SpillError>) {
        if self.failed.is_none() {
            self.failed = work(self).err();
        }
        if self.failed.is_some() {
            self.pending = Vec::new();
        }
    }

    /// Moves the pending hashes to the file.
    fn write(&mut self) -> Result<(), SpillError> {
        let file = match self.file.take() {
            Some(file) => file,
            None => spill::open(SCHEMA)?,
        };
        let file = self.file.insert(file);
        add(file, self.pending.drain(..).map(Ok))
    }

    fn repeated(&mut self) -> Result<Repeated, SpillError> {
        let mut repeated = Repeated::default();
        if self.file.is_none() {
            self.pending.sort_unstable();
            repeated.count(self.pending.drain(..).map(Ok))?;
            return Ok(repeated);
        }
        self.write()?;
        if let Some(file) = &self.file {
            repeated.count(file.prepare(ALL)?.query_map([], entry)?)?;
        }
        Ok(repeated)
    }
}

impl Repeated {
    /// Counts the entries that follow one with the same hash.
    fn count(
        &mut self,
        sorted: impl Iterator<Item = rusqlite::Result<(u64, u32)>>,
    ) -> rusqlite::Result<()> {
        let mut before = None;
        for entry in sorted {
            let (hash, row) = entry?;
            if before.replace(hash) == Some(hash) {
                self.count += 1;
                self.first_row = Some(self.first_row.map_or(row, |known| known.min(row)));
            }
        }
        Ok(())
    }

    fn finding(&self) -> Finding {
        let has = if self.count == 1 { "has" } else { "have" };
        let such = self
            .first_row
            .map(|row| format!(", such as row {row}"))
            .unwrap_or_default();
        let message = format!(
            "{} {has} the unsubscribe address of another{such}, so nobody can tell who used it",
            counted(self.count, "recipient")
        );
        let mut finding = SHARED
            .found(message)
            .help("put something into it that only this recipient has");
        finding.place.row = self.first_row;
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
        // SQLite has no unsigned integers.
        add.execute((hash.cast_signed(), row))?;
    }
    Ok(())
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<(u64, u32)> {
    Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
}

/// A hash that is the same in all threads. Two of 1,000,000 addresses collide in one of 37 million runs.
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
    fn counts_addresses_across_threads_in_memory_and_in_files() {
        for (most, other) in [(9, 9), (9, 2), (2, 9), (2, 2), (1, 1)] {
            let mut one = urls(&[(u64::MAX, 1), (2, 2), (u64::MAX, 3)], most);
            let rows = [(2, 4), (5, 5), (6, 6), (6, 7), (u64::MAX, 8)];
            one.merge(urls(&rows, other));
            let is_in_file = most < 4 || other < 6;
            assert_eq!(one.file.is_some(), is_in_file, "{most} {other}");
            let expected = Repeated {
                count: 4,
                first_row: Some(3),
            };
            assert_eq!(one.repeated().expect("a file"), expected, "{most} {other}");
        }
    }

    #[test]
    fn reports_a_failed_write_and_frees_the_memory() {
        let mut one = urls(&[(1, 1), (2, 2)], 9);
        one.file = Some(Connection::open_in_memory().expect("a database"));
        one.take(3, 3, 3);
        assert!(one.failed.is_some() && one.pending.is_empty());
        one.take(4, 4, 3);
        let mut all = urls(&[(5, 5)], 9);
        all.merge(one);
        let error = all.failed.expect("it failed").to_string();
        assert!(error.contains("no such table"), "{error}");
    }
}
