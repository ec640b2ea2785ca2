//! Reading a ledger: what it says about its run, and numbers of rows.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::connection::open_for_reading;
use super::{
    LedgerError, Run, Status, StatusCounts, Target, from_millis, parse_cells, text, to_millis,
};

/// A ledger opened for reading. Nothing here writes or locks. All methods fail if the ledger can't be
/// read.
pub struct Ledger {
    pub(super) connection: Connection,
    path: PathBuf,
}

/// Rows that have the same status for the same reason.
#[derive(serde::Serialize)]
pub(crate) struct StatusReason {
    pub(crate) status: Status,
    pub(crate) code: String,
    pub(crate) error: String,
    pub(crate) rows: u64,
}

/// Rows that are invalid for the same reason.
#[derive(Default)]
pub(crate) struct InvalidRows {
    pub(crate) code: String,
    pub(crate) count: u64,
    /// The numbers of the first rows.
    pub(crate) first: Vec<u32>,
}

impl Ledger {
    /// # Errors
    /// The ledger does not exist, or is not one that this version reads.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        if !path.is_file() {
            return Err(LedgerError::Missing(path.to_owned()));
        }
        Ok(Self {
            connection: open_for_reading(path)?,
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// # Errors
    /// The plan is not complete.
    pub(crate) fn run(&self) -> Result<Run, LedgerError> {
        let select = "SELECT name, target, test_to, campaign, started_at, id_prefix, header, blank_rows FROM run WHERE planned";
        let mut select = self.connection.prepare(select)?;
        let mut rows = select.query([])?;
        let row = rows.next()?.ok_or(LedgerError::NotPlanned)?;
        Ok(Run {
            name: row.get(0)?,
            target: Target::parse(text(row, 1)?)?,
            test_to: row.get(2)?,
            campaign: PathBuf::from(row.get::<_, String>(3)?),
            started: from_millis(row.get(4)?)?,
            id_prefix: row.get(5)?,
            header: parse_cells(text(row, 6)?)?,
            blank_rows: row.get::<_, i64>(7)? as u64,
        })
    }

    /// # Errors
    /// Rows of a complete plan are missing.
    pub(crate) fn counts(&self) -> Result<StatusCounts, LedgerError> {
        let counts = self.statuses()?;
        self.check_row_count(counts.total())?;
        Ok(counts)
    }

    pub(super) fn statuses(&self) -> Result<StatusCounts, LedgerError> {
        let mut counts = StatusCounts::default();
        let mut select = self
            .connection
            .prepare("SELECT status, count(*) FROM delivery GROUP BY status")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            counts.set(Status::parse(text(row, 0)?)?, row.get::<_, i64>(1)? as u64);
        }
        Ok(counts)
    }

    /// The most frequent reasons first.
    pub(crate) fn reasons(&self, most: u32) -> Result<Vec<StatusReason>, LedgerError> {
        let mut select = self.connection.prepare(
            "SELECT status, ifnull(code, ''), ifnull(error, ''), count(*) AS rows FROM delivery
             WHERE status IN ('rejected', 'failed', 'unknown', 'sending', 'invalid', 'skipped')
             GROUP BY 1, 2, 3 ORDER BY rows DESC, 1, 2, 3 LIMIT ?",
        )?;
        let mut rows = select.query([most])?;
        let mut reasons = Vec::new();
        while let Some(row) = rows.next()? {
            reasons.push(StatusReason {
                status: Status::parse(text(row, 0)?)?,
                code: row.get(1)?,
                error: row.get(2)?,
                rows: row.get::<_, i64>(3)? as u64,
            });
        }
        Ok(reasons)
    }

    /// The invalid rows by code, the most frequent codes first. Of each code, `numbers` rows are
    /// named.
    pub(crate) fn invalid_by_code(&self, numbers: usize) -> Result<Vec<InvalidRows>, LedgerError> {
        let mut select = self.connection.prepare(
            "SELECT row, ifnull(code, '') FROM delivery WHERE status = 'invalid' ORDER BY row",
        )?;
        let mut rows = select.query([])?;
        let mut invalid: Vec<InvalidRows> = Vec::new();
        while let Some(row) = rows.next()? {
            let code = text(row, 1)?;
            let index = invalid.iter().position(|group| group.code == code);
            let index = index.unwrap_or_else(|| {
                invalid.push(InvalidRows {
                    code: code.to_owned(),
                    ..InvalidRows::default()
                });
                invalid.len() - 1
            });
            let group = &mut invalid[index];
            group.count += 1;
            if group.first.len() < numbers {
                group.first.push(row.get(0)?);
            }
        }
        invalid.sort_by_key(|group| std::cmp::Reverse(group.count));
        Ok(invalid)
    }

    /// The number of the last row; 0 if there are no rows.
    pub(crate) fn last_row(&self) -> Result<u32, LedgerError> {
        let sql = "SELECT ifnull(max(row), 0) FROM recipient";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// The number of the `rows`th pending row, or of the last one if there are fewer.
    pub(crate) fn nth_pending(&self, rows: u64) -> Result<u32, LedgerError> {
        let last: Option<u32> = self.connection.query_row(
            "SELECT max(row) FROM (SELECT row FROM delivery WHERE status = 'pending' ORDER BY row LIMIT ?)",
            [i64::try_from(rows).unwrap_or(i64::MAX)],
            |row| row.get(0),
        )?;
        Ok(last.unwrap_or(0))
    }

    /// The lanes that have pending rows, each with their number.
    pub(crate) fn pending_by_lane(&self) -> Result<Vec<(u32, u64)>, LedgerError> {
        let mut select = self.connection.prepare(
            "SELECT lane, count(*) FROM delivery WHERE status = 'pending' GROUP BY lane",
        )?;
        let lanes = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        Ok(lanes.collect::<Result<_, _>>()?)
    }

    /// The recipients posted in each minute since `since`, in all lanes or in one, oldest first: the
    /// minute since 1970, and the number.
    pub(crate) fn posted_since(
        &self,
        since: Timestamp,
        lane: Option<u32>,
    ) -> Result<Vec<(i64, u64)>, LedgerError> {
        let mut select = self.connection.prepare(
            "SELECT minute, sum(recipients) FROM posted
             WHERE minute >= ?1 AND ifnull(lane = ?2, 1) GROUP BY minute ORDER BY minute",
        )?;
        let rows = select.query_map(params![to_millis(since) / 60_000, lane], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
