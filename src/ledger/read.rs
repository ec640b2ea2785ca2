//! Reading the ledger. Nothing in here writes or locks.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::check::check_version;
use super::posted;
use super::{Counts, LedgerError, Run, Status, Target, from_millis, to_millis};
use crate::address::Mailbox;
use crate::render::{Recorded, Row};

/// Why a row is unknown whose claim has no live holder.
pub(super) const LEFT_IN_FLIGHT: &str = "mailrun ended while the request was in flight";

/// The readers' side of a ledger.
pub struct Ledger {
    pub(super) connection: Connection,
    path: PathBuf,
}

/// A row to be sent.
#[derive(Debug, Clone)]
pub struct PlannedRow {
    /// The row, as the engine needs it.
    pub row: Row,
    /// Its line in the file.
    pub line: u64,
    /// The attempts so far.
    pub attempts: u32,
    /// It is to have a request of its own.
    pub alone: bool,
}

/// A row with what became of it.
#[derive(Debug, Clone)]
pub struct ResultRow {
    /// Its number, from 1.
    pub number: u32,
    /// Its line in the file.
    pub line: u64,
    /// The address cell as written.
    pub email: String,
    /// All cells.
    pub cells: Vec<String>,
    /// What became of it.
    pub status: Status,
    /// The message ID, if the API took it.
    pub message_id: Option<String>,
    /// The API's code, or the finding's.
    pub code: Option<String>,
    /// The reason, in a line.
    pub error: Option<String>,
    /// The attempts so far.
    pub attempts: u32,
    /// Whether it was sent again after it may have been taken.
    pub possible_duplicate: bool,
    /// When it got this status, unless it is pending.
    pub at: Option<Timestamp>,
}

/// Rows that are invalid for the same reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvalidRows {
    /// The code of the reason.
    pub code: String,
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub rows: Vec<u32>,
}

impl ResultRow {
    /// The row as it looks from outside: unless `live`, nobody works on the run, and what was in
    /// flight is unknown.
    #[must_use]
    pub fn as_shown(mut self, live: bool) -> Self {
        if self.status == Status::Sending && !live {
            self.status = Status::Unknown;
            self.error = Some(LEFT_IN_FLIGHT.to_owned());
        }
        self
    }
}

impl Ledger {
    /// Opens a run's ledger for reading.
    ///
    /// # Errors
    /// When there is none, or when it is not one that this version reads.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        if !path.is_file() {
            return Err(LedgerError::Missing(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        check_version(&connection, path)?;
        posted::check(&connection, path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of its run.
    ///
    /// # Errors
    /// When the plan is not complete, or the ledger can't be read.
    pub fn run(&self) -> Result<Run, LedgerError> {
        let planned: bool = self
            .connection
            .query_row("SELECT planned FROM run", [], |row| row.get(0))
            .optional()?
            .unwrap_or(false);
        if planned {
            self.unfinished_run()
        } else {
            Err(LedgerError::NotPlanned)
        }
    }

    /// The same, of a run whose plan need not be complete.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn unfinished_run(&self) -> Result<Run, LedgerError> {
        let select = "SELECT name, target, test_to, campaign, started_at, id_prefix, header, blank_rows FROM run";
        let mut select = self.connection.prepare(select)?;
        let mut rows = select.query([])?;
        let row = rows.next()?.ok_or(LedgerError::NotPlanned)?;
        let header: String = row.get(6)?;
        Ok(Run {
            name: row.get(0)?,
            target: Target::parse(&row.get::<_, String>(1)?)?,
            test_to: row.get(2)?,
            campaign: PathBuf::from(row.get::<_, String>(3)?),
            started: from_millis(row.get(4)?)?,
            id_prefix: row.get(5)?,
            header: parse_cells(&header)?,
            blank_rows: row.get::<_, i64>(7)? as u64,
        })
    }

    /// How many rows have each status: of a complete plan, all rows that it has.
    ///
    /// # Errors
    /// When the ledger can't be read, or rows are missing in it.
    pub fn counts(&self) -> Result<Counts, LedgerError> {
        let counts = self.statuses()?;
        if let Some(planned) = self.planned_rows_in_all()? {
            self.all_rows(counts.total(), planned)?;
        }
        Ok(counts)
    }

    /// How many rows a complete plan has.
    fn planned_rows_in_all(&self) -> Result<Option<u64>, LedgerError> {
        let planned: Option<i64> = self
            .connection
            .query_row("SELECT rows FROM run WHERE planned", [], |row| row.get(0))
            .optional()?;
        Ok(planned.map(|rows| rows as u64))
    }

    pub(super) fn statuses(&self) -> Result<Counts, LedgerError> {
        let mut counts = Counts::default();
        let mut select = self
            .connection
            .prepare("SELECT status, count(*) FROM delivery GROUP BY status")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            counts.set(
                Status::parse(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?,
                row.get::<_, i64>(1)? as u64,
            );
        }
        Ok(counts)
    }

    /// The reasons of rows that have them: status, code, error and the number of rows, most first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn reasons(&self, most: u32) -> Result<Vec<(Status, String, String, u64)>, LedgerError> {
        let mut select = self.connection.prepare(
            "SELECT status, ifnull(code, ''), ifnull(error, ''), count(*) AS rows FROM delivery
             WHERE status IN ('rejected', 'failed', 'unknown', 'sending', 'invalid', 'skipped')
             GROUP BY 1, 2, 3 ORDER BY rows DESC, 1, 2, 3 LIMIT ?",
        )?;
        let mut rows = select.query([most])?;
        let mut reasons = Vec::new();
        while let Some(row) = rows.next()? {
            reasons.push((
                Status::parse(&row.get::<_, String>(0)?)?,
                row.get(1)?,
                row.get(2)?,
                row.get::<_, i64>(3)? as u64,
            ));
        }
        Ok(reasons)
    }

    /// The rows that are invalid by their codes, what most have first; of each the first `named`.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn invalid_by_code(&self, named: usize) -> Result<Vec<InvalidRows>, LedgerError> {
        let mut select = self.connection.prepare(
            "SELECT row, ifnull(code, '') FROM delivery WHERE status = 'invalid' ORDER BY row",
        )?;
        let mut rows = select.query([])?;
        let mut invalid: Vec<InvalidRows> = Vec::new();
        while let Some(row) = rows.next()? {
            let code = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
            let known = invalid.iter().position(|one| one.code == code);
            let index = known.unwrap_or_else(|| {
                invalid.push(InvalidRows {
                    code: code.to_owned(),
                    ..InvalidRows::default()
                });
                invalid.len() - 1
            });
            let one = &mut invalid[index];
            one.count += 1;
            if one.rows.len() < named {
                one.rows.push(row.get(0)?);
            }
        }
        invalid.sort_by_key(|one| std::cmp::Reverse(one.count));
        Ok(invalid)
    }

    /// The pending rows after `after`, at most `most`, in the order of the input.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn pending(&self, after: u32, most: u32) -> Result<Vec<PlannedRow>, LedgerError> {
        self.planned_rows(PENDING, None, after, u32::MAX, most)
    }

    /// The pending rows of a lane after `after` up to `last`, at most `most`, in the order of the
    /// input. Those of other lanes are not looked at.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn pending_in_lane(
        &self,
        lane: u32,
        after: u32,
        last: u32,
        most: u32,
    ) -> Result<Vec<PlannedRow>, LedgerError> {
        self.planned_rows(PENDING, Some(lane), after, last, most)
    }

    /// The unknown rows after `after`, at most `most`, in the order of the input. Nobody works on
    /// the run but who asks, so that rows in flight are unknown.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn unknown(&self, after: u32, most: u32) -> Result<Vec<PlannedRow>, LedgerError> {
        self.planned_rows(
            "status IN ('unknown', 'sending')",
            None,
            after,
            u32::MAX,
            most,
        )
    }

    /// The pending rows after `after` up to `last`, in the order of the input.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn pending_between(&self, after: u32, last: u32) -> Result<Vec<PlannedRow>, LedgerError> {
        self.planned_rows(PENDING, None, after, last, u32::MAX)
    }

    fn planned_rows(
        &self,
        filter: &str,
        lane: Option<u32>,
        after: u32,
        last: u32,
        most: u32,
    ) -> Result<Vec<PlannedRow>, LedgerError> {
        let mut select = self.connection.prepare_cached(&planned_sql(filter, lane))?;
        let mut rows = select.query(params![after, last, most, lane])?;
        let mut pending = Vec::new();
        while let Some(row) = rows.next()? {
            let recorded = if row.get(7)? {
                self.recorded(row.get(0)?)?
            } else {
                Vec::new()
            };
            pending.push(planned_row(row, recorded)?);
        }
        Ok(pending)
    }

    /// What was recorded of a row's own attachments.
    fn recorded(&self, row: u32) -> Result<Vec<Recorded>, LedgerError> {
        let mut select = self.connection.prepare_cached(
            "SELECT position, path, size, sha256 FROM attachment WHERE row = ? ORDER BY position",
        )?;
        let mut rows = select.query([row])?;
        let mut recorded = Vec::new();
        while let Some(row) = rows.next()? {
            recorded.push(Recorded {
                position: row.get(0)?,
                path: PathBuf::from(row.get::<_, String>(1)?),
                size: row.get::<_, i64>(2)? as u64,
                sha256: row.get(3)?,
            });
        }
        Ok(recorded)
    }

    /// The number of the last row; 0 if there is none.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn last_row(&self) -> Result<u32, LedgerError> {
        let sql = "SELECT ifnull(max(row), 0) FROM recipient";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// Gives the rows after `after` up to `last` to `take`, in the order of the input.
    ///
    /// # Errors
    /// When the ledger can't be read, or what `take` says.
    pub fn rows<E: From<LedgerError>>(
        &self,
        after: u32,
        last: u32,
        take: impl FnMut(ResultRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let filter = format!("WHERE row > {after} AND row <= {last}");
        self.result_rows(&filter, u32::MAX, take)
    }

    /// That so many rows are all that were planned.
    ///
    /// # Errors
    /// When they are not.
    pub fn were_all(&self, rows: u64) -> Result<(), LedgerError> {
        match self.planned_rows_in_all()? {
            Some(planned) => self.all_rows(rows, planned),
            None => Ok(()),
        }
    }

    /// Gives every row that is invalid to `take`, in the order of the input.
    ///
    /// # Errors
    /// When the ledger can't be read, or what `take` says.
    pub fn invalid_rows<E: From<LedgerError>>(
        &self,
        take: impl FnMut(ResultRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.result_rows("WHERE status = 'invalid'", u32::MAX, take)
    }

    /// The first unknown rows, at most `most`, in the order of the input. Unless `live`, nobody works
    /// on the run, and rows in flight are unknown as well.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn first_unknown(&self, most: u32, live: bool) -> Result<Vec<ResultRow>, LedgerError> {
        let in_flight = if live { "unknown" } else { "sending" };
        let filter = format!("WHERE status IN ('unknown', '{in_flight}')");
        let mut unknown = Vec::new();
        self.result_rows(&filter, most, |row| {
            unknown.push(row.as_shown(live));
            Ok::<_, LedgerError>(())
        })?;
        Ok(unknown)
    }

    fn result_rows<E: From<LedgerError>>(
        &self,
        filter: &str,
        most: u32,
        mut take: impl FnMut(ResultRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!(
            "SELECT row, email, cells, status, message_id, code, error, attempts, resends, at, line
             FROM recipient JOIN delivery USING (row) {filter} ORDER BY row LIMIT {most}"
        );
        let mut select = self.connection.prepare(&sql).map_err(LedgerError::from)?;
        let mut rows = select.query([]).map_err(LedgerError::from)?;
        while let Some(row) = rows.next().map_err(LedgerError::from)? {
            take(result_row(row)?)?;
        }
        Ok(())
    }

    /// The number of the `rows`th pending row, or of the last one if there are fewer.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn nth_pending(&self, rows: u64) -> Result<u32, LedgerError> {
        let last: Option<u32> = self.connection.query_row(
            "SELECT max(row) FROM (SELECT row FROM delivery WHERE status = 'pending' ORDER BY row LIMIT ?)",
            [i64::try_from(rows).unwrap_or(i64::MAX)],
            |row| row.get(0),
        )?;
        Ok(last.unwrap_or(0))
    }

    /// How many rows of each lane are pending.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn pending_by_lane(&self) -> Result<Vec<(u32, u64)>, LedgerError> {
        let mut select = self.connection.prepare(
            "SELECT lane, count(*) FROM delivery WHERE status = 'pending' GROUP BY lane",
        )?;
        let lanes = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        Ok(lanes.collect::<Result<_, _>>()?)
    }

    /// How many recipients, of all lanes or of one, were posted in each minute since `since`,
    /// oldest first: the minute since 1970, and the number.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn posted_since(
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

    /// When the first and the last row were accepted, and how many were.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn accepted_between(&self) -> Result<Option<(Timestamp, Timestamp, u64)>, LedgerError> {
        let sql = "SELECT min(at), max(at), count(*) FROM delivery WHERE status = 'accepted'";
        let (first, last, rows): (Option<i64>, Option<i64>, i64) =
            self.connection
                .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        match (first, last) {
            (Some(first), Some(last)) => {
                Ok(Some((from_millis(first)?, from_millis(last)?, rows as u64)))
            }
            _ => Ok(None),
        }
    }
}

/// Which rows are to be sent.
const PENDING: &str = "status = 'pending'";

/// Selects the rows after ?1 up to ?2, at most ?3, for which `filter` holds, of the lane ?4 if there
/// is one.
fn planned_sql(filter: &str, lane: Option<u32>) -> String {
    let in_lane = if lane.is_some() {
        "lane = ?4"
    } else {
        "?4 IS NULL"
    };
    format!(
        "SELECT row, line, email, cells, attempts, resends, alone,
                EXISTS (SELECT 1 FROM attachment WHERE attachment.row = delivery.row), address
         FROM delivery JOIN recipient USING (row)
         WHERE {in_lane} AND row > ?1 AND row <= ?2 AND {filter} ORDER BY row LIMIT ?3"
    )
}

fn planned_row(
    row: &rusqlite::Row<'_>,
    recorded: Vec<Recorded>,
) -> Result<PlannedRow, LedgerError> {
    let number = row.get(0)?;
    let email = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
    let mailbox = Mailbox::parse(email)
        .map_err(|error| LedgerError::Damaged(format!("row {number}: {error}")))?;
    let address = row.get_ref(8)?.as_str().map_err(rusqlite::Error::from)?;
    if !mailbox.address.is_normalized_as(address) {
        return Err(LedgerError::Damaged(format!(
            "row {number} has two different addresses"
        )));
    }
    Ok(PlannedRow {
        row: Row {
            number,
            mailbox,
            cells: parse_cells(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?,
            resends: row.get(5)?,
            recorded,
        },
        line: row.get::<_, i64>(1)? as u64,
        attempts: row.get(4)?,
        alone: row.get(6)?,
    })
}

fn result_row(row: &rusqlite::Row<'_>) -> Result<ResultRow, LedgerError> {
    Ok(ResultRow {
        number: row.get(0)?,
        line: row.get::<_, i64>(10)? as u64,
        email: row.get(1)?,
        cells: parse_cells(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?,
        status: Status::parse(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?,
        message_id: row.get(4)?,
        code: row.get(5)?,
        error: row.get(6)?,
        attempts: row.get(7)?,
        possible_duplicate: row.get::<_, u32>(8)? > 0,
        at: row.get::<_, Option<i64>>(9)?.map(from_millis).transpose()?,
    })
}

fn parse_cells(json: &str) -> Result<Vec<String>, LedgerError> {
    serde_json::from_str(json).map_err(|error| LedgerError::Damaged(error.to_string()))
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{NewRow, Planner, path_in};

    #[test]
    fn the_rows_of_a_lane_are_found_without_a_look_at_the_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = path_in(dir.path());
        let mut planner = Planner::create(&path, &crate::ledger::tests::run()).expect("a ledger");
        for number in 1..=100 {
            planner
                .add(&NewRow {
                    number,
                    line: 1,
                    email: "a@b.example",
                    address: Some("a@b.example"),
                    cells: "[]",
                    lane: u32::from(number <= 99),
                    left_out: None,
                })
                .expect("a row");
        }
        planner.finish(0, Timestamp::UNIX_EPOCH).expect("a plan");
        let ledger = Ledger::open(&path).expect("a ledger");
        let plan = format!("EXPLAIN QUERY PLAN {}", planned_sql(PENDING, Some(0)));
        let mut steps = ledger.connection.prepare(&plan).expect("a plan");
        let first: String = steps
            .query_row(params![0, 100, 10, 0], |row| row.get(3))
            .expect("a step");
        assert!(
            first.contains("USING INDEX delivery_lane (lane=? AND rowid>?"),
            "{first}"
        );
        let rows = ledger.pending_in_lane(0, 0, 100, 10).expect("rows");
        assert_eq!(
            rows.iter().map(|row| row.row.number).collect::<Vec<_>>(),
            [100]
        );
        assert_eq!(ledger.pending_by_lane().expect("lanes"), [(0, 1), (1, 99)]);
        assert_eq!(ledger.nth_pending(7).expect("a row"), 7);
    }
}
