//! The operations on a ledger.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::params;

use super::forget::is_hash;
use super::rows::PENDING;
use super::{SqliteLedger, reopen, text, variants};
use crate::ledger::{
    AcceptedRow, DUPLICATE, InvalidRows, Latencies, Ledger, LedgerError, LeftOut, PlannedRow,
    ResultRow, RowOutcome, Run, Status, StatusCounts, StatusReason, Target, VariantChoice,
    VariantRows, from_millis, parse_strings, to_millis,
};

impl Ledger for SqliteLedger {
    fn reopen(&self) -> Result<Box<dyn Ledger>, LedgerError> {
        Ok(Box::new(Self::open(&self.path)?))
    }

    fn run(&self) -> Result<Run, LedgerError> {
        let select = "SELECT name, target, test_to, campaign, started_at, id_prefix, header, blank_rows, variants, chosen
             FROM run WHERE planned";
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
            header: parse_strings(text(row, 6)?)?,
            blank_rows: row.get::<_, i64>(7)? as u64,
            variants: parse_strings(text(row, 8)?)?,
            chosen: row.get(9)?,
        })
    }

    fn counts(&self) -> Result<StatusCounts, LedgerError> {
        self.checked_counts()
    }

    fn members(&self) -> Result<StatusCounts, LedgerError> {
        let mut counts = StatusCounts::default();
        if !self.has_members()? {
            return Ok(counts);
        }
        let sql = "SELECT status, count(*) FROM member JOIN delivery ON delivery.row = member.first GROUP BY status";
        let mut select = self.connection.prepare(sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            counts.set(Status::parse(text(row, 0)?)?, row.get::<_, i64>(1)? as u64);
        }
        Ok(counts)
    }

    fn reasons(&self, most: u32) -> Result<Vec<StatusReason>, LedgerError> {
        let mut select = self.connection.prepare(
            "SELECT status, ifnull(code, ''),
                    CASE WHEN code = 'duplicate' THEN ?2 ELSE ifnull(error, '') END, count(*) AS rows FROM delivery
             WHERE status IN ('rejected', 'failed', 'unknown', 'sending', 'invalid', 'skipped')
             GROUP BY 1, 2, 3 ORDER BY rows DESC, 1, 2, 3 LIMIT ?1",
        )?;
        let mut rows = select.query(params![most, DUPLICATE])?;
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

    fn invalid_by_code(&self, numbers: usize) -> Result<Vec<InvalidRows>, LedgerError> {
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

    fn last_row(&self) -> Result<u32, LedgerError> {
        let sql = "SELECT max(ifnull((SELECT max(row) FROM recipient), 0), ifnull((SELECT max(row) FROM member), 0))";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    fn posted_since(
        &self,
        since: Timestamp,
        domain: Option<u32>,
    ) -> Result<Vec<(i64, u64)>, LedgerError> {
        let mut select = self.connection.prepare(
            "SELECT minute, sum(recipients) FROM posted
             WHERE minute >= ?1 AND ifnull(lane = ?2, 1) GROUP BY minute ORDER BY minute",
        )?;
        let rows = select.query_map(params![to_millis(since) / 60_000, domain], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn pending_by_lane(&self) -> Result<Vec<(u32, u64)>, LedgerError> {
        let mut select = self.connection.prepare(
            "SELECT lane, count(*) FROM delivery WHERE status = 'pending' AND lane >= 0 GROUP BY lane ORDER BY lane",
        )?;
        let lanes = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
        Ok(lanes.collect::<Result<_, _>>()?)
    }

    fn latencies(&self) -> Result<Latencies, LedgerError> {
        let sql = "SELECT bound, requests FROM latency";
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query([])?;
        let mut latencies = Latencies::default();
        while let Some(row) = rows.next()? {
            latencies.add(row.get(0)?, row.get::<_, i64>(1)? as u64);
        }
        Ok(latencies)
    }

    fn pending(&self, after: u32, most: u32) -> Result<Vec<PlannedRow>, LedgerError> {
        self.planned_rows(PENDING, None, after, u32::MAX, most)
    }

    fn unknown(&self, after: u32, most: u32) -> Result<Vec<PlannedRow>, LedgerError> {
        let unknown = format!(
            "status IN ('unknown', 'sending') AND NOT ifnull({}, 0)",
            is_hash("address")
        );
        self.planned_rows(&unknown, None, after, u32::MAX, most)
    }

    fn rows(&self, after: u32, last: u32) -> Result<Vec<ResultRow>, LedgerError> {
        let filter = format!("WHERE row > {after} AND row <= {last}");
        let mut rows = self.result_rows(&filter, u32::MAX)?;
        if self.has_members()? {
            rows.extend(self.result_members(after, last)?);
            rows.sort_unstable_by_key(|row| row.number);
        }
        Ok(rows)
    }

    fn outcomes(&self, after: u32, last: u32) -> Result<Vec<RowOutcome>, LedgerError> {
        let mut select = self.connection.prepare_cached(
            "SELECT row, address, status, at, CASE WHEN chosen = 0 THEN variant END FROM recipient JOIN delivery USING (row)
             WHERE row > ? AND row <= ? ORDER BY row",
        )?;
        let mut rows = select.query([after, last])?;
        let mut outcomes = Vec::new();
        while let Some(row) = rows.next()? {
            outcomes.push(RowOutcome {
                row: row.get(0)?,
                address: row.get(1)?,
                status: Status::parse(text(row, 2)?)?,
                at: row.get(3)?,
                variant: row.get(4)?,
            });
        }
        Ok(outcomes)
    }

    fn accepted(&self, after: u32, most: u32) -> Result<Vec<AcceptedRow>, LedgerError> {
        let mut select = self.connection.prepare_cached(
            "SELECT row, message_id, address, ifnull(at, 0) FROM delivery JOIN recipient USING (row)
             WHERE row > ? AND status = 'accepted' AND message_id IS NOT NULL AND address IS NOT NULL
             ORDER BY row LIMIT ?",
        )?;
        let rows = select.query_map(params![after, most], |row| {
            Ok(AcceptedRow {
                row: row.get(0)?,
                message_id: row.get(1)?,
                address: row.get(2)?,
                at: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn first_unknown(&self, most: u32, live: bool) -> Result<Vec<ResultRow>, LedgerError> {
        let in_flight = if live { "unknown" } else { "sending" };
        let filter = format!("WHERE status IN ('unknown', '{in_flight}')");
        let rows = self.result_rows(&filter, most)?;
        let reported = rows.into_iter().map(|row| row.into_reported(live));
        Ok(reported.collect())
    }

    fn by_variant(&self) -> Result<Vec<VariantRows>, LedgerError> {
        self.rows_by_variant()
    }

    fn held_back(&self) -> Result<u64, LedgerError> {
        self.count_held_back()
    }

    fn choose_variant(&self, name: &str) -> Result<VariantChoice, LedgerError> {
        variants::choose(&self.path, name)
    }

    fn skip(&self, rows: &[LeftOut], now: Timestamp) -> Result<(), LedgerError> {
        reopen::skip(&self.path, rows, now)
    }

    fn retry(&self, rejected: bool) -> Result<u64, LedgerError> {
        reopen::retry(&self.path, rejected)
    }

    fn resolve_accepted(&self, now: Timestamp) -> Result<u64, LedgerError> {
        reopen::resolve_accepted(&self.path, now)
    }

    fn resolve_resend(&self) -> Result<u64, LedgerError> {
        reopen::resolve_resend(&self.path)
    }

    fn accept(&self, rows: &[(u32, String)], now: Timestamp) -> Result<(), LedgerError> {
        reopen::accept(&self.path, rows, now)
    }
}

impl SqliteLedger {
    /// Whether a row without a key was sent, or may have been.
    pub(crate) fn sent_without_key(&self) -> Result<bool, LedgerError> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM delivery JOIN recipient USING (row)
             WHERE status IN ('accepted', 'unknown', 'sending') AND key IS NULL AND NOT ifnull({}, 0))",
            is_hash("address")
        );
        Ok(self.connection.query_row(&sql, [], |row| row.get(0))?)
    }
}
