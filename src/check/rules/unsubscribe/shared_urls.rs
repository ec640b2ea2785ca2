//! Finds recipients with the same address for unsubscribing.

use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;
use rusqlite::Connection;

use super::{HEADER, SHARED, Uris, is_made_by_mailrun, value};
use crate::check::context::{CampaignContext, RowContext};
use crate::check::family::RuleTotals;
use crate::check::rules::campaign_file::{at_text, header, varies};
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::report::counted;
use crate::spill::{self, SpillError};

const SCHEMA: &str = "CREATE TABLE uris (hash INTEGER NOT NULL, row INTEGER NOT NULL)";
const ADD: &str = "INSERT INTO uris (hash, row) VALUES (?1, ?2)";
const ALL: &str = "SELECT hash, row FROM uris";
/// The rows with the address of an earlier row: how many there are, and the first one.
const REPEATED: &str = "SELECT count(*), min(row) FROM \
    (SELECT row, row_number() OVER (PARTITION BY hash ORDER BY row) AS nth FROM uris) WHERE nth > 1";

/// The hashes of the addresses of all rows, in a temporary file. `None` if there are none yet.
#[derive(Debug, Default)]
pub(super) struct UnsubscribeUrls(Option<Result<Connection, SpillError>>);

impl RuleTotals for UnsubscribeUrls {
    fn row(&mut self, context: &RowContext<'_>) {
        let is_reported = context.shared.least <= SHARED.severity;
        if !is_reported || !header(context.shared, HEADER).is_some_and(varies) {
            return;
        }
        let https = value(context, HEADER).and_then(|list| Uris::of(list).https);
        let https = https.filter(|uri| !is_made_by_mailrun(context.shared.campaign, uri));
        if let Some(uri) = https {
            self.attempt(|file| add(file, hash(uri), context.row.number));
        }
    }

    fn merge(&mut self, other: Self) {
        match other.0 {
            Some(Ok(file)) if self.0.is_some() => self.attempt(|all| {
                let mut entries = file.prepare(ALL)?;
                let mut entries = entries.query(())?;
                while let Some(entry) = entries.next()? {
                    add(all, entry.get(0)?, entry.get(1)?)?;
                }
                Ok(())
            }),
            Some(Err(error)) => self.0 = Some(Err(error)),
            file => self.0 = self.0.take().or(file),
        }
    }

    fn finish(self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        let finding = match self.repeated() {
            Ok((0, _)) => return,
            Ok((count, first)) => repeated(count, first),
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
    /// Does some work with the file, unless earlier work has failed.
    fn attempt(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) {
        let file = self.0.get_or_insert_with(|| spill::open(SCHEMA));
        if let Ok(open) = file
            && let Err(error) = work(open)
        {
            *file = Err(error.into());
        }
    }

    /// The number of rows with the address of an earlier row, and the first of them.
    fn repeated(self) -> Result<(u64, Option<u32>), SpillError> {
        match self.0 {
            None => Ok((0, None)),
            Some(file) => Ok(file?.query_row(REPEATED, (), |row| {
                Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
            })?),
        }
    }
}

fn repeated(count: u64, first: Option<u32>) -> Finding {
    let has = if count == 1 { "has" } else { "have" };
    let such = first
        .map(|row| format!(", such as row {row}"))
        .unwrap_or_default();
    let message = format!(
        "{} {has} the unsubscribe address of another{such}, so nobody can tell who used it",
        counted(count, "recipient")
    );
    let mut finding = SHARED
        .found(message)
        .help("put something into it that only this recipient has");
    finding.place.row = first;
    finding
}

fn add(file: &Connection, hash: i64, row: u32) -> rusqlite::Result<()> {
    file.prepare_cached(ADD)?.execute((hash, row))?;
    Ok(())
}

/// A hash that is the same in all threads. Two of 1,000,000 addresses collide in one of 37 million runs.
fn hash(uri: &str) -> i64 {
    let mut hasher = RandomState::with_seeds(2369, 8058, 5322, 2045).build_hasher();
    hasher.write(uri.as_bytes());
    // SQLite has no unsigned integers.
    hasher.finish().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(rows: &[(i64, u32)]) -> UnsubscribeUrls {
        let mut urls = UnsubscribeUrls::default();
        for (hash, row) in rows {
            urls.attempt(|file| add(file, *hash, *row));
        }
        urls
    }

    #[test]
    fn counts_addresses_across_threads() {
        let mut one = UnsubscribeUrls::default();
        one.merge(urls(&[(-1, 1), (2, 2), (-1, 3)]));
        one.merge(urls(&[(2, 4), (5, 5), (6, 6), (6, 7), (-1, 8)]));
        one.merge(UnsubscribeUrls::default());
        assert_eq!(one.repeated().expect("a file"), (4, Some(3)));
        assert_eq!(urls(&[]).repeated().expect("nothing"), (0, None));
    }

    #[test]
    fn reports_a_failed_write() {
        let file = Connection::open_in_memory().expect("a database");
        let mut one = UnsubscribeUrls(Some(Ok(file)));
        one.attempt(|file| add(file, 3, 3));
        one.attempt(|file| add(file, 4, 4));
        let mut all = urls(&[(5, 5)]);
        all.merge(one);
        all.merge(urls(&[(6, 6)]));
        let error = all.repeated().expect_err("it failed").to_string();
        assert!(error.contains("no such table"), "{error}");
    }
}
