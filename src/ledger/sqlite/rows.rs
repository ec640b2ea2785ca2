//! Reading rows.

use std::path::PathBuf;

use rusqlite::params;

use super::{SqliteLedger, text};
use crate::ledger::rows::{other_row, stored_mailbox};
use crate::ledger::{
    LedgerError, MEMBERS_PAGE, PlannedRow, ResultRow, Status, from_millis, parse_cells,
};
use crate::render::{Recorded, Row};

impl SqliteLedger {
    pub(crate) fn pending_between(
        &self,
        after: u32,
        last: u32,
    ) -> Result<Vec<PlannedRow>, LedgerError> {
        self.planned_rows(PENDING, None, after, last, u32::MAX)
    }

    /// Does not read the rows of other lanes.
    pub(super) fn pending_in_lane(
        &self,
        lane: u32,
        after: u32,
        last: u32,
        most: u32,
    ) -> Result<Vec<PlannedRow>, LedgerError> {
        self.planned_rows(PENDING, Some(lane), after, last, most)
    }

    pub(super) fn planned_rows(
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
        if self.has_members()? {
            self.add_members(&mut planned)?;
        }
        Ok(planned)
    }

    /// Adds the other rows of their groups to the rows of a page, and shortens it if these are too many.
    fn add_members(&self, planned: &mut Vec<PlannedRow>) -> Result<(), LedgerError> {
        let sql = "SELECT cells FROM member WHERE first = ? ORDER BY row";
        let mut select = self.connection.prepare_cached(sql)?;
        let (mut members, mut read) = (0, 0);
        for planned in planned.iter_mut() {
            if members >= MEMBERS_PAGE {
                break;
            }
            let mut rows = select.query([planned.row.number])?;
            while let Some(row) = rows.next()? {
                planned.row.others.push(other_row(text(row, 0)?)?);
            }
            members += planned.row.others.len();
            read += 1;
        }
        planned.truncate(read);
        Ok(())
    }

    /// The rows in the messages of others, as they are in the results.
    pub(super) fn result_members(
        &self,
        after: u32,
        last: u32,
    ) -> Result<Vec<ResultRow>, LedgerError> {
        let mut select = self.connection.prepare_cached(
            "SELECT member.row, email, cells, status, message_id, code, error, attempts, resends, at, line, variant, first
             FROM member JOIN delivery ON delivery.row = member.first
             WHERE member.row > ? AND member.row <= ? ORDER BY member.row",
        )?;
        let mut rows = select.query([after, last])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(ResultRow {
                message_row: row.get(12)?,
                ..result_row(row)?
            });
        }
        Ok(found)
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

    /// The invalid rows after a row, in the order of the input.
    pub(crate) fn invalid_rows(
        &self,
        after: u32,
        most: u32,
    ) -> Result<Vec<ResultRow>, LedgerError> {
        let filter = format!("WHERE status = 'invalid' AND row > {after}");
        self.result_rows(&filter, most)
    }

    pub(super) fn result_rows(
        &self,
        filter: &str,
        most: u32,
    ) -> Result<Vec<ResultRow>, LedgerError> {
        let sql = format!(
            "SELECT row, email, cells, status, message_id, code, error, attempts, resends, at, line, variant
             FROM recipient JOIN delivery USING (row) {filter} ORDER BY row LIMIT {most}"
        );
        let mut select = self.connection.prepare_cached(&sql)?;
        let mut rows = select.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(result_row(row)?);
        }
        Ok(found)
    }
}

pub(super) const PENDING: &str = "status = 'pending'";

/// Selects at most ?3 rows after ?1 up to ?2 that match `filter`, of the lane ?4 if there is one.
fn planned_sql(filter: &str, lane: Option<u32>) -> String {
    let in_lane = if lane.is_some() {
        "lane = ?4"
    } else {
        "?4 IS NULL"
    };
    format!(
        "SELECT row, line, email, cells, attempts, resends, alone,
                EXISTS (SELECT 1 FROM attachment WHERE attachment.row = delivery.row), address, variant
         FROM delivery JOIN recipient USING (row)
         WHERE {in_lane} AND row > ?1 AND row <= ?2 AND {filter} ORDER BY row LIMIT ?3"
    )
}

fn planned_row(
    row: &rusqlite::Row<'_>,
    recorded: Vec<Recorded>,
) -> Result<PlannedRow, LedgerError> {
    let number = row.get(0)?;
    let mailbox = stored_mailbox(number, text(row, 2)?, text(row, 8)?)?;
    let (cells, json) = parse_cells(text(row, 3)?)?;
    Ok(PlannedRow {
        row: Row {
            number,
            mailbox,
            variant: row.get(9)?,
            cells,
            json,
            others: Vec::new(),
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
        message_row: row.get(0)?,
        line: row.get::<_, i64>(10)? as u64,
        email: row.get(1)?,
        cells: parse_cells(text(row, 2)?)?.0,
        variant: row.get(11)?,
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
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::Ledger as _;
    use crate::ledger::sqlite::{NewRow, Planner, path_in};

    #[test]
    fn the_rows_of_a_lane_are_read_without_the_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = path_in(dir.path());
        let mut planner =
            Planner::create(&path, &crate::ledger::sqlite::tests::run()).expect("a ledger");
        for number in 1..=100 {
            planner
                .add(&NewRow {
                    number,
                    line: 1,
                    email: "a@b.example",
                    address: Some("a@b.example"),
                    key: None,
                    cells: "[]",
                    lane: u32::from(number <= 99),
                    variant: None,
                    held_back: false,
                    left_out: None,
                })
                .expect("a row");
        }
        planner.finish(0, Timestamp::UNIX_EPOCH).expect("a plan");
        let ledger = SqliteLedger::open(&path).expect("a ledger");
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
