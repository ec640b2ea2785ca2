//! Rows, as the ledger returns them.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::params;

use super::{LEFT_IN_FLIGHT, Ledger, LedgerError, Status, from_millis, parse_cells, text};
use crate::address::Mailbox;
use crate::render::{Recorded, Row};

/// A row to be sent.
pub(crate) struct PlannedRow {
    pub(crate) row: Row,
    /// Its line in the recipients' file.
    pub(crate) line: u64,
    /// The attempts so far.
    pub(crate) attempts: u32,
    /// It must have a request of its own.
    pub(crate) alone: bool,
}

/// A row with its status.
pub(crate) struct ResultRow {
    /// From 1.
    pub(crate) number: u32,
    /// Its line in the recipients' file.
    pub(crate) line: u64,
    /// The address cell as written.
    pub(crate) email: String,
    pub(crate) cells: Vec<String>,
    pub(crate) status: Status,
    pub(crate) message_id: Option<String>,
    /// The API's code, or that of the finding.
    pub(crate) code: Option<String>,
    /// One line.
    pub(crate) error: Option<String>,
    pub(crate) attempts: u32,
    /// It was sent again although it may have been taken before.
    pub(crate) possible_duplicate: bool,
    /// When it got this status; `None` if it was never claimed or left out.
    pub(crate) at: Option<Timestamp>,
}

impl ResultRow {
    /// The row as reports show it. Unless the run is `live`, no process works on it, and a row in
    /// flight is unknown.
    #[must_use]
    pub(crate) fn into_reported(mut self, live: bool) -> Self {
        if self.status == Status::Sending && !live {
            self.status = Status::Unknown;
            self.error = Some(LEFT_IN_FLIGHT.to_owned());
        }
        self
    }
}

/// Rows are returned in the order of the input. `after` is the number of the row before the first,
/// `last` that of the last.
impl Ledger {
    pub(crate) fn pending(&self, after: u32, most: u32) -> Result<Vec<PlannedRow>, LedgerError> {
        self.planned_rows(PENDING, None, after, u32::MAX, most)
    }

    pub(crate) fn pending_between(
        &self,
        after: u32,
        last: u32,
    ) -> Result<Vec<PlannedRow>, LedgerError> {
        self.planned_rows(PENDING, None, after, last, u32::MAX)
    }

    /// Does not read the rows of other lanes.
    pub(crate) fn pending_in_lane(
        &self,
        lane: u32,
        after: u32,
        last: u32,
        most: u32,
    ) -> Result<Vec<PlannedRow>, LedgerError> {
        self.planned_rows(PENDING, Some(lane), after, last, most)
    }

    /// The unknown rows. The caller holds the run's lock, so rows in flight are unknown too.
    pub(crate) fn unknown(&self, after: u32, most: u32) -> Result<Vec<PlannedRow>, LedgerError> {
        self.planned_rows(
            "status IN ('unknown', 'sending')",
            None,
            after,
            u32::MAX,
            most,
        )
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
        let mut planned = Vec::new();
        while let Some(row) = rows.next()? {
            let attachments = if row.get(7)? {
                self.attachments_of(row.get(0)?)?
            } else {
                Vec::new()
            };
            planned.push(planned_row(row, attachments)?);
        }
        Ok(planned)
    }

    /// A row's own attachments, as they were when the run was planned.
    fn attachments_of(&self, row: u32) -> Result<Vec<Recorded>, LedgerError> {
        let mut select = self.connection.prepare_cached(
            "SELECT position, path, size, sha256 FROM attachment WHERE row = ? ORDER BY position",
        )?;
        let attachments = select.query_map([row], |row| {
            Ok(Recorded {
                position: row.get(0)?,
                path: PathBuf::from(row.get::<_, String>(1)?),
                size: row.get::<_, i64>(2)? as u64,
                sha256: row.get(3)?,
            })
        })?;
        Ok(attachments.collect::<Result<_, _>>()?)
    }

    /// Calls `take` with each row. Returns the errors of `take` as well.
    pub(crate) fn rows<E: From<LedgerError>>(
        &self,
        after: u32,
        last: u32,
        take: impl FnMut(ResultRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let filter = format!("WHERE row > {after} AND row <= {last}");
        self.result_rows(&filter, u32::MAX, take)
    }

    /// Calls `take` with each invalid row. Returns the errors of `take` as well.
    pub(crate) fn invalid_rows<E: From<LedgerError>>(
        &self,
        take: impl FnMut(ResultRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.result_rows("WHERE status = 'invalid'", u32::MAX, take)
    }

    /// The first unknown rows. Unless the run is `live`, no process works on it, and rows in flight
    /// are unknown too.
    pub(crate) fn first_unknown(
        &self,
        most: u32,
        live: bool,
    ) -> Result<Vec<ResultRow>, LedgerError> {
        let in_flight = if live { "unknown" } else { "sending" };
        let filter = format!("WHERE status IN ('unknown', '{in_flight}')");
        let mut unknown = Vec::new();
        self.result_rows(&filter, most, |row| {
            unknown.push(row.into_reported(live));
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
}

const PENDING: &str = "status = 'pending'";

/// Selects at most ?3 rows after ?1 up to ?2 that match `filter`, of the lane ?4 if there is one.
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
    let mailbox = Mailbox::parse(text(row, 2)?)
        .map_err(|error| LedgerError::Damaged(format!("row {number}: {error}")))?;
    if !mailbox.address.is_normalized_as(text(row, 8)?) {
        return Err(LedgerError::Damaged(format!(
            "row {number} has two different addresses"
        )));
    }
    Ok(PlannedRow {
        row: Row {
            number,
            mailbox,
            cells: parse_cells(text(row, 3)?)?,
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
        cells: parse_cells(text(row, 2)?)?,
        status: Status::parse(text(row, 3)?)?,
        message_id: row.get(4)?,
        code: row.get(5)?,
        error: row.get(6)?,
        attempts: row.get(7)?,
        possible_duplicate: row.get::<_, u32>(8)? > 0,
        at: row.get::<_, Option<i64>>(9)?.map(from_millis).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{NewRow, Planner, path_in};

    #[test]
    fn the_rows_of_a_lane_are_read_without_the_others() {
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
