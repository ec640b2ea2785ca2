//! Writing the plan: all rows, once, and what the preflight finds out about them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::connection::{sync_commits, write_ahead};
use super::forget::{add_key_names, skip_forgotten_sent};
use super::reopen::{same_key, skip_sent_in};
use crate::durable::sync_dir;
use crate::ledger::variants::held_back_lane;
use crate::ledger::{
    ForgetKeys, Latencies, LedgerError, Run, Status, StoredMember, StoredMinute, StoredRow,
    key_name, parse_cells, to_millis,
};
use crate::render::Recorded;

#[derive(Debug)]
pub struct NewRow<'a> {
    /// From 1.
    pub number: u32,
    /// Its line in the recipients' file.
    pub line: u64,
    /// The address cell as written.
    pub email: &'a str,
    /// The normalized address, if the cell holds one.
    pub address: Option<&'a str>,
    /// The value of `row_key`, which tells rows of the same address apart.
    pub key: Option<&'a str>,
    /// All cells, a JSON array.
    pub cells: &'a str,
    /// 0 is the lane of all domains without their own limit.
    pub lane: u32,
    /// That of its message.
    pub variant: Option<&'a str>,
    /// It is not sent until a variant is chosen.
    pub held_back: bool,
    /// If the row is not sent: its status, a code, and a reason.
    pub left_out: Option<(Status, &'a str, &'a str)>,
}

/// Writes the rows of a new ledger. Nothing of it counts before [`Planner::finish`]. All methods fail
/// if the ledger can't be written.
pub struct Planner {
    connection: Connection,
    now: i64,
    has_lanes: bool,
    has_members: bool,
    /// The keys of the hashes in a copy.
    forget_keys: BTreeSet<String>,
}

impl Planner {
    /// Creates the ledger's file.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn create(path: &Path, run: &Run) -> Result<Self, LedgerError> {
        create(path)?;
        let connection = Connection::open(path)?;
        write_ahead(&connection, path)?;
        // Only the finished plan has to be durable, and `finish` syncs it. Until then all of it stays
        // in the log: a checkpoint that is not synced could be lost although the log is not.
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        // Each delivery is written after the recipient that it refers to.
        connection.pragma_update(None, "foreign_keys", "OFF")?;
        connection.execute_batch("BEGIN")?;
        let header = serde_json::to_string(&run.header).unwrap_or_default();
        let variants = serde_json::to_string(&run.variants).unwrap_or_default();
        connection.execute(
            "INSERT INTO run (id, name, target, test_to, campaign, started_at, id_prefix, header, variants, chosen)
             VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                run.name,
                run.target.as_str(),
                run.test_to,
                run.campaign.to_string_lossy(),
                to_millis(run.started),
                run.id_prefix,
                header,
                variants,
                run.chosen
            ],
        )?;
        connection.execute_batch("COMMIT; BEGIN")?;
        Ok(Self {
            connection,
            now: to_millis(run.started),
            has_lanes: false,
            has_members: false,
            forget_keys: BTreeSet::new(),
        })
    }

    /// Notes that the run has a schedule, which is kept beside the ledger.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub(crate) fn mark_scheduled(&self) -> Result<(), LedgerError> {
        self.connection
            .execute("UPDATE run SET scheduled = 1", [])?;
        Ok(())
    }

    /// # Errors
    /// The ledger can't be written.
    pub fn add(&mut self, row: &NewRow<'_>) -> Result<(), LedgerError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO recipient (row, line, email, address, key, cells) VALUES (?, ?, ?, ?, ?, ?)",
        )?;
        insert.execute(params![
            row.number,
            row.line as i64,
            row.email,
            row.address,
            row.key,
            row.cells
        ])?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO delivery (row, status, code, error, at, lane, variant) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?;
        let lane = match row.held_back {
            true => held_back_lane(row.lane),
            false => row.lane.into(),
        };
        self.has_lanes |= lane != 0;
        let (status, code, error) = match row.left_out {
            None => (Status::Pending, None, None),
            Some((status, code, error)) => (status, Some(code), Some(error)),
        };
        insert.execute(params![
            row.number,
            status.as_str(),
            code,
            error,
            row.left_out.map(|_| self.now),
            lane,
            row.variant
        ])?;
        Ok(())
    }

    /// Adds a row to the message of an earlier one.
    pub(crate) fn add_member(&mut self, member: &StoredMember) -> Result<(), LedgerError> {
        let sql = "INSERT INTO member (row, first, line, email, cells) VALUES (?, ?, ?, ?, ?)";
        let mut insert = self.connection.prepare_cached(sql)?;
        let StoredMember {
            row,
            first,
            line,
            email,
            cells,
        } = member;
        insert.execute(params![row, first, *line as i64, email, cells])?;
        self.has_members = true;
        Ok(())
    }

    /// Makes the rows of each group easy to find, after the last row. The error of an invalid group names its row.
    pub(crate) fn end_groups(&mut self) -> Result<(), LedgerError> {
        if self.has_members {
            self.index_groups()?;
            let sql = "UPDATE delivery SET error = 'row ' || row || ': ' || error
                 WHERE status = 'invalid' AND error NOT GLOB 'row [0-9]*'
                   AND EXISTS (SELECT 1 FROM member WHERE member.first = delivery.row)";
            self.connection.execute_batch(sql)?;
        }
        Ok(())
    }

    /// Not before the last row: the groups are spread over the whole list.
    fn index_groups(&self) -> Result<(), LedgerError> {
        let sql = "CREATE INDEX IF NOT EXISTS member_first ON member (first)";
        Ok(self.connection.execute_batch(sql)?)
    }

    /// Keeps the first rows that are sent, with their groups, and deletes all others. Returns how many rows there are,
    /// and how many of them are sent.
    pub(crate) fn keep_first(&mut self, most: u64) -> Result<(u64, u64), LedgerError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.connection.execute(
            "DELETE FROM delivery WHERE row NOT IN (
               SELECT row FROM delivery WHERE status = 'pending' ORDER BY row LIMIT ?)",
            [most],
        )?;
        self.connection.execute_batch(
            "DELETE FROM recipient WHERE row NOT IN (SELECT row FROM delivery);
             DELETE FROM member WHERE first NOT IN (SELECT row FROM delivery)",
        )?;
        let sql = "SELECT (SELECT count(*) FROM delivery), (SELECT count(*) FROM member)";
        let (pending, members): (i64, i64) = self
            .connection
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(((pending + members) as u64, pending as u64))
    }

    /// Adds a row of another ledger, with its status.
    pub(crate) fn add_stored(&mut self, row: &StoredRow) -> Result<(), LedgerError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO recipient (row, line, email, address, key, cells) VALUES (?, ?, ?, ?, ?, ?)",
        )?;
        let line = row.line as i64;
        let StoredRow {
            email,
            address,
            key,
            cells,
            ..
        } = row;
        insert.execute(params![row.row, line, email, address, key, cells])?;
        if let Some(name) = row.address.as_deref().and_then(key_name)
            && !self.forget_keys.contains(name)
        {
            self.forget_keys.insert(name.to_owned());
        }
        self.has_lanes |= row.lane != 0;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO delivery (row, status, attempts, resends, alone, lane, variant, chosen, message_id, code,
                                   error, at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        insert.execute(params![
            row.row,
            row.status.as_str(),
            row.attempts,
            row.resends,
            row.alone,
            row.lane,
            row.variant,
            row.chosen,
            row.message_id,
            row.code,
            row.error,
            row.at
        ])?;
        Ok(())
    }

    /// Adds how many recipients were posted in another ledger.
    pub(crate) fn add_minute(&mut self, minute: StoredMinute) -> Result<(), LedgerError> {
        let sql = "INSERT INTO posted (minute, lane, recipients) VALUES (?, ?, ?)";
        let mut insert = self.connection.prepare_cached(sql)?;
        let recipients = minute.recipients as i64;
        insert.execute(params![minute.minute, minute.lane, recipients])?;
        Ok(())
    }

    /// Adds how long requests took in another ledger.
    pub(crate) fn add_latencies(&mut self, latencies: &Latencies) -> Result<(), LedgerError> {
        let sql = "INSERT INTO latency (bound, requests) VALUES (?, ?)";
        for (bound, requests) in latencies.classes() {
            let mut insert = self.connection.prepare_cached(sql)?;
            insert.execute(params![bound, requests as i64])?;
        }
        Ok(())
    }

    /// The normalized address and the key of a row that was added.
    pub(crate) fn address_and_key(
        &self,
        row: u32,
    ) -> Result<(Option<String>, Option<String>), LedgerError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT address, key FROM recipient WHERE row = ?")?;
        let found = select.query_row([row], |row| Ok((row.get(0)?, row.get(1)?)));
        Ok(found.optional()?.unwrap_or_default())
    }

    /// The cells of a row that was added.
    pub(crate) fn cells(&self, row: u32) -> Result<Vec<String>, LedgerError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT cells FROM recipient WHERE row = ?")?;
        let cells: Option<String> = select.query_row([row], |row| row.get(0)).optional()?;
        cells.map_or(Ok(Vec::new()), |cells| Ok(parse_cells(&cells)?.0))
    }

    /// Gives a pending row a status in which it is not sent. Returns whether it was pending.
    pub(crate) fn leave_out(
        &mut self,
        row: u32,
        status: Status,
        code: &str,
        error: &str,
    ) -> Result<bool, LedgerError> {
        let mut update = self.connection.prepare_cached(
            "UPDATE delivery SET status = ?, code = ?, error = ?, at = ? WHERE row = ? AND status = 'pending'",
        )?;
        let changed = update.execute(params![status.as_str(), code, error, self.now, row])?;
        Ok(changed > 0)
    }

    /// Writes the size and the SHA-256 of a row's own attachment.
    pub(crate) fn record(&mut self, row: u32, attachment: &Recorded) -> Result<(), LedgerError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO attachment (row, position, path, size, sha256) VALUES (?, ?, ?, ?, ?)",
        )?;
        let path = attachment.path.to_string_lossy();
        insert.execute(params![
            row,
            attachment.position,
            path,
            attachment.size as i64,
            attachment.sha256
        ])?;
        Ok(())
    }

    /// Skips the pending rows whose address got the message in another run, or may have got it.
    /// Returns their number.
    pub(crate) fn skip_sent_in(
        &mut self,
        other: &Path,
        keys: &ForgetKeys,
        reason: &str,
    ) -> Result<usize, LedgerError> {
        self.connection.execute_batch("COMMIT")?;
        let skipped = skip_sent_in(&self.connection, other, keys, reason, self.now)?;
        self.connection.execute_batch("BEGIN")?;
        Ok(skipped)
    }

    /// Skips the pending rows with the normalized addresses that `addresses` passes on.
    pub(crate) fn skip_sent_to(
        &mut self,
        reason: &str,
        keys: impl FnOnce() -> Result<ForgetKeys, LedgerError>,
        addresses: impl FnOnce(
            &mut dyn FnMut(&str, Option<&str>) -> Result<(), LedgerError>,
        ) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        self.connection.execute_batch(
            "CREATE TEMP TABLE sent (address TEXT, key TEXT) STRICT;
             CREATE INDEX sent_address ON sent (address)",
        )?;
        addresses(&mut |address, key| {
            let sql = "INSERT INTO sent (address, key) VALUES (?, ?)";
            let mut insert = self.connection.prepare_cached(sql)?;
            insert.execute([Some(address), key])?;
            Ok(())
        })?;
        self.connection.execute(
            &("UPDATE delivery SET status = 'skipped', code = 'already-sent', error = ?1, at = ?2
             WHERE status = 'pending' AND row IN (
               SELECT row FROM recipient AS mine JOIN sent ON sent.address = mine.address AND "
                .to_owned()
                + &same_key("mine", "sent")
                + ")"),
            params![reason, self.now],
        )?;
        // Read after the addresses: none of them was made with a newer key.
        skip_forgotten_sent(&self.connection, &keys()?, reason, self.now)?;
        self.connection.execute_batch("DROP TABLE sent")?;
        Ok(())
    }

    /// Makes the rows readable for others. The plan is still not complete.
    pub(crate) fn publish(&mut self) -> Result<(), LedgerError> {
        Ok(self.connection.execute_batch("COMMIT; BEGIN")?)
    }

    /// Completes the plan. This is durable when it returns.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn finish(self, blank_rows: u64, started: Timestamp) -> Result<(), LedgerError> {
        if self.has_lanes {
            // Finds the rows of a lane without reading the others.
            self.connection
                .execute_batch("CREATE INDEX delivery_lane ON delivery (lane)")?;
        }
        if self.has_members {
            self.index_groups()?;
        }
        add_key_names(&self.connection, &self.forget_keys)?;
        self.connection.execute_batch("COMMIT")?;
        sync_commits(&self.connection)?;
        self.connection.execute(
            "UPDATE run SET planned = 1, rows = (SELECT count(*) FROM delivery),
               members = (SELECT count(*) FROM member), blank_rows = ?, started_at = ?",
            params![blank_rows as i64, to_millis(started)],
        )?;
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        self.connection.close().map_err(|(_, error)| error)?;
        Ok(())
    }
}

/// Creates a ledger without rows, durably. It gets its name last, so that a ledger without tables is
/// damaged, and not left by a process or machine that died.
fn create(path: &Path) -> Result<(), LedgerError> {
    let new = temporary(path);
    let connection = Connection::open(&new)?;
    sync_commits(&connection)?;
    connection.execute_batch(concat!("BEGIN;", include_str!("schema.sql"), "COMMIT;"))?;
    // Last, so that the log is empty: it is not renamed.
    write_ahead(&connection, path)?;
    connection.close().map_err(|(_, error)| error)?;
    std::fs::rename(&new, path)
        .and_then(|()| path.parent().map_or(Ok(()), sync_dir))
        .map_err(|error| LedgerError::Io(path.to_owned(), error))
}

/// The name of a ledger while it is created.
pub(super) fn temporary(path: &Path) -> PathBuf {
    path.with_extension("new")
}
