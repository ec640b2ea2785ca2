//! The operations on a ledger.

use jiff::Timestamp;
use tokio_postgres::types::Type;

use super::columns::{column, number};
use super::database::{Parameter, wait};
use super::forget::forget_keys;
use super::runs::{PostgresLedger, real_runs};
use crate::ledger::{
    AcceptedRow, DUPLICATE, InvalidRows, Latencies, Ledger, LedgerError, LeftOut, PlannedRow,
    ResultRow, RowOutcome, Run, Status, StatusCounts, StatusReason, VariantChoice, VariantRows,
    to_millis,
};

/// Whether the delivery `d` is that of a forgotten person, to whom nothing can be sent.
const OF_FORGOTTEN: &str = "EXISTS (SELECT FROM mailrun.recipient AS r
                   WHERE r.run = d.run AND r.row = d.row AND starts_with(r.address, 'forgotten:'))";

impl Ledger for PostgresLedger {
    fn reopen(&self) -> Result<Box<dyn Ledger>, LedgerError> {
        Ok(Box::new(Self {
            database: std::sync::Arc::new(self.database.second()),
            ..self.clone()
        }))
    }

    fn run(&self) -> Result<Run, LedgerError> {
        Ok(self.run.clone())
    }

    fn counts(&self) -> Result<StatusCounts, LedgerError> {
        let sql =
            "SELECT status::text, count(*) FROM mailrun.delivery WHERE run = $1 GROUP BY status";
        let mut counts = StatusCounts::default();
        for row in wait(self.database.query(sql, &[(&self.id, Type::INT8)]))? {
            counts.set(
                Status::parse(column(&row, 0)?)?,
                column::<i64>(&row, 1)? as u64,
            );
        }
        if counts.total() != self.rows {
            return Err(LedgerError::Damaged(format!(
                "{} rows were planned, but it has {}",
                self.rows,
                counts.total()
            )));
        }
        Ok(counts)
    }

    fn members(&self) -> Result<StatusCounts, LedgerError> {
        let mut counts = StatusCounts::default();
        if !self.has_members {
            return Ok(counts);
        }
        let sql = "SELECT d.status::text, count(*) FROM mailrun.member AS m
             JOIN mailrun.delivery AS d ON d.run = m.run AND d.row = m.first WHERE m.run = $1 GROUP BY 1";
        for row in &wait(self.database.query(sql, &[(&self.id, Type::INT8)]))? {
            let rows: i64 = column(row, 1)?;
            counts.set(Status::parse(column(row, 0)?)?, rows as u64);
        }
        Ok(counts)
    }

    fn reasons(&self, most: u32) -> Result<Vec<StatusReason>, LedgerError> {
        let sql = "SELECT status::text, coalesce(code, ''),
                    CASE WHEN code = 'duplicate' THEN $3 ELSE coalesce(error, '') END, count(*) FROM mailrun.delivery
             WHERE run = $1 AND status IN ('rejected', 'failed', 'unknown', 'invalid', 'skipped')
             GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT $2";
        let parameters: [Parameter<'_>; 3] = [
            (&self.id, Type::INT8),
            (&i64::from(most), Type::INT8),
            (&DUPLICATE, Type::TEXT),
        ];
        wait(self.database.query(sql, &parameters))?
            .iter()
            .map(|row| {
                Ok(StatusReason {
                    status: Status::parse(column(row, 0)?)?,
                    code: column(row, 1)?,
                    error: column(row, 2)?,
                    rows: column::<i64>(row, 3)? as u64,
                })
            })
            .collect()
    }

    fn invalid_by_code(&self, numbers: usize) -> Result<Vec<InvalidRows>, LedgerError> {
        let sql = "SELECT coalesce(code, ''), count(*), (array_agg(row ORDER BY row))[:$2] FROM mailrun.delivery
             WHERE run = $1 AND status = 'invalid' GROUP BY 1 ORDER BY 2 DESC, min(row)";
        let parameters: [Parameter<'_>; 2] =
            [(&self.id, Type::INT8), (&(numbers as i32), Type::INT4)];
        wait(self.database.query(sql, &parameters))?
            .iter()
            .map(|row| {
                let first: Vec<i32> = column(row, 2)?;
                Ok(InvalidRows {
                    code: column(row, 0)?,
                    count: column::<i64>(row, 1)? as u64,
                    first: first.into_iter().map(|row| row as u32).collect(),
                })
            })
            .collect()
    }

    fn last_row(&self) -> Result<u32, LedgerError> {
        let sql = "SELECT greatest(
               (SELECT coalesce(max(row), 0) FROM mailrun.recipient WHERE run = $1),
               (SELECT coalesce(max(row), 0) FROM mailrun.member WHERE run = $1))";
        let rows = wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?;
        rows.first()
            .map_or(Ok(0), |row| Ok(column::<i32>(row, 0)? as u32))
    }

    fn posted_since(
        &self,
        since: Timestamp,
        domain: Option<u32>,
    ) -> Result<Vec<(i64, u64)>, LedgerError> {
        let sql = "SELECT minute, sum(recipients)::bigint FROM mailrun.posted
             WHERE run = $1 AND minute >= $2 AND ($3 IS NULL OR lane = $3) GROUP BY minute ORDER BY minute";
        let parameters: [Parameter<'_>; 3] = [
            (&self.id, Type::INT8),
            (&(to_millis(since) / 60_000), Type::INT8),
            (&domain.map(number), Type::INT4),
        ];
        wait(self.database.query(sql, &parameters))?
            .iter()
            .map(|row| Ok((column(row, 0)?, column::<i64>(row, 1)? as u64)))
            .collect()
    }

    fn pending_by_lane(&self) -> Result<Vec<(u32, u64)>, LedgerError> {
        let sql = "SELECT lane, count(*) FROM mailrun.delivery WHERE run = $1 AND status = 'pending' AND lane >= 0
             GROUP BY lane ORDER BY lane";
        wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?
            .iter()
            .map(|row| Ok((column::<i32>(row, 0)? as u32, column::<i64>(row, 1)? as u64)))
            .collect()
    }

    fn latencies(&self) -> Result<Latencies, LedgerError> {
        let sql = "SELECT bound, requests FROM mailrun.latency WHERE run = $1";
        let mut latencies = Latencies::default();
        for row in wait(self.database.query(sql, &[(&self.id, Type::INT8)]))? {
            let requests: i64 = column(&row, 1)?;
            latencies.add(column::<i32>(&row, 0)? as u32, requests as u64);
        }
        Ok(latencies)
    }

    fn pending(&self, after: u32, most: u32) -> Result<Vec<PlannedRow>, LedgerError> {
        wait(self.planned_rows("d.status = 'pending'", after, u32::MAX, most))
    }

    fn unknown(&self, after: u32, most: u32) -> Result<Vec<PlannedRow>, LedgerError> {
        let unknown = "d.status = 'unknown' AND NOT starts_with(r.address, 'forgotten:')";
        wait(self.planned_rows(unknown, after, u32::MAX, most))
    }

    fn rows(&self, after: u32, last: u32) -> Result<Vec<ResultRow>, LedgerError> {
        let parameters: [Parameter<'_>; 2] =
            [(&number(after), Type::INT4), (&number(last), Type::INT4)];
        let mut rows = wait(self.result_rows("d.row > $3 AND d.row <= $4", &parameters, u32::MAX))?;
        if self.has_members {
            rows.extend(wait(self.result_members(after, last))?);
            rows.sort_unstable_by_key(|row| row.number);
        }
        Ok(rows)
    }

    fn outcomes(&self, after: u32, last: u32) -> Result<Vec<RowOutcome>, LedgerError> {
        let sql = "SELECT d.row, r.address, d.status::text, d.at, CASE WHEN NOT d.chosen THEN d.variant END
             FROM mailrun.delivery AS d JOIN mailrun.recipient AS r USING (run, row)
             WHERE d.run = $1 AND d.row > $2 AND d.row <= $3 ORDER BY d.row";
        let parameters: [Parameter<'_>; 3] = [
            (&self.id, Type::INT8),
            (&number(after), Type::INT4),
            (&number(last), Type::INT4),
        ];
        wait(self.database.query(sql, &parameters))?
            .iter()
            .map(|row| {
                Ok(RowOutcome {
                    row: column::<i32>(row, 0)? as u32,
                    address: column(row, 1)?,
                    status: Status::parse(column(row, 2)?)?,
                    at: column(row, 3)?,
                    variant: column(row, 4)?,
                })
            })
            .collect()
    }

    fn accepted(&self, after: u32, most: u32) -> Result<Vec<AcceptedRow>, LedgerError> {
        let sql = "SELECT d.row, d.message_id, r.address, coalesce(d.at, 0)
             FROM mailrun.delivery AS d JOIN mailrun.recipient AS r USING (run, row)
             WHERE d.run = $1 AND d.row > $2 AND d.status = 'accepted' AND d.message_id IS NOT NULL
               AND r.address IS NOT NULL
             ORDER BY d.row LIMIT $3";
        let parameters: [Parameter<'_>; 3] = [
            (&self.id, Type::INT8),
            (&number(after), Type::INT4),
            (&i64::from(most), Type::INT8),
        ];
        wait(self.database.query(sql, &parameters))?
            .iter()
            .map(|row| {
                Ok(AcceptedRow {
                    row: column::<i32>(row, 0)? as u32,
                    message_id: column(row, 1)?,
                    address: column(row, 2)?,
                    at: column(row, 3)?,
                })
            })
            .collect()
    }

    fn first_unknown(&self, most: u32, live: bool) -> Result<Vec<ResultRow>, LedgerError> {
        let filter = match live {
            true => "d.status = 'unknown'",
            // Those of a worker that was silent for longer than its lease become unknown with the next change.
            false => "d.status IN ('unknown', 'sending')",
        };
        wait(self.result_rows(filter, &[], most))
    }

    fn by_variant(&self) -> Result<Vec<VariantRows>, LedgerError> {
        self.rows_by_variant()
    }

    fn held_back(&self) -> Result<u64, LedgerError> {
        self.count_held_back()
    }

    fn choose_variant(&self, name: &str) -> Result<VariantChoice, LedgerError> {
        self.choose(name)
    }

    fn skip(&self, rows: &[LeftOut], now: Timestamp) -> Result<(), LedgerError> {
        let numbers: Vec<i32> = rows.iter().map(|row| number(row.row)).collect();
        let codes: Vec<&str> = rows.iter().map(|row| row.code).collect();
        let reasons: Vec<&str> = rows.iter().map(|row| row.reason.as_str()).collect();
        let sql = "UPDATE mailrun.delivery AS d SET status = 'skipped', code = l.code, error = l.error, at = $2
             FROM unnest($3, $4, $5) AS l(row, code, error)
             WHERE d.run = $1 AND d.row = l.row AND d.status = 'pending'";
        let changed = self.change(
            sql,
            &[
                (&self.id, Type::INT8),
                (&to_millis(now), Type::INT8),
                (&numbers, Type::INT4_ARRAY),
                (&codes, Type::TEXT_ARRAY),
                (&reasons, Type::TEXT_ARRAY),
            ],
        )?;
        all_changed(changed, rows.len())
    }

    fn retry(&self, rejected: bool) -> Result<u64, LedgerError> {
        self.change(
            &format!(
                "UPDATE mailrun.delivery AS d SET alone = (status = 'rejected'), status = 'pending', attempts = 0,
                        code = NULL, error = NULL
                 WHERE run = $1 AND (status = 'failed' OR ($2 AND status = 'rejected')) AND NOT {OF_FORGOTTEN}"
            ),
            &[(&self.id, Type::INT8), (&rejected, Type::BOOL)],
        )
    }

    fn resolve_accepted(&self, now: Timestamp) -> Result<u64, LedgerError> {
        self.change(
            "UPDATE mailrun.delivery SET status = 'accepted', at = $2,
                    error = 'accepted according to the user; ' || coalesce(error, '')
             WHERE run = $1 AND status = 'unknown'",
            &[(&self.id, Type::INT8), (&to_millis(now), Type::INT8)],
        )
    }

    fn resolve_resend(&self) -> Result<u64, LedgerError> {
        self.change(
            &format!(
                "UPDATE mailrun.delivery AS d SET status = 'pending', resends = resends + 1, attempts = 0,
                        code = NULL, error = NULL
                 WHERE run = $1 AND status = 'unknown' AND NOT {OF_FORGOTTEN}"
            ),
            &[(&self.id, Type::INT8)],
        )
    }

    fn accept(&self, rows: &[(u32, String)], now: Timestamp) -> Result<(), LedgerError> {
        let numbers: Vec<i32> = rows.iter().map(|(row, _)| number(*row)).collect();
        let ids: Vec<&str> = rows.iter().map(|(_, id)| id.as_str()).collect();
        let sql = "UPDATE mailrun.delivery AS d SET status = 'accepted', message_id = a.id, code = '200', error = NULL,
                    at = $2
             FROM unnest($3, $4) AS a(row, id)
             WHERE d.run = $1 AND d.row = a.row AND d.status = 'unknown'";
        let changed = self.change(
            sql,
            &[
                (&self.id, Type::INT8),
                (&to_millis(now), Type::INT8),
                (&numbers, Type::INT4_ARRAY),
                (&ids, Type::TEXT_ARRAY),
            ],
        )?;
        all_changed(changed, rows.len())
    }
}

impl PostgresLedger {
    /// Skips the pending rows whose address got the message in a later real run of the campaign, or may
    /// have got it, but not those that the user wants to send again. Returns their number.
    ///
    /// # Errors
    /// A worker sends the run, or the ledger can't be written.
    pub(crate) fn skip_sent_in_later_runs(&self, now: Timestamp) -> Result<u64, LedgerError> {
        let runs = real_runs(&self.database, &self.run.name)?;
        let later = runs.iter().filter(|run| run.run.started > self.run.started);
        let later: Vec<_> = later.collect();
        if later.is_empty() {
            return Ok(0);
        }
        later.iter().try_for_each(|run| run.check_cluster())?;
        let sql = "UPDATE mailrun.delivery AS d SET status = 'skipped', code = 'already-sent', at = $2,
                    error = 'already sent in the run ' || s.name
             FROM (
               SELECT mine.row, min(later.name) AS name
               FROM mailrun.run AS this JOIN mailrun.run AS later USING (campaign)
                 JOIN mailrun.recipient AS theirs ON theirs.run = later.id
                 JOIN mailrun.delivery AS sent ON sent.run = theirs.run AND sent.row = theirs.row
                 JOIN mailrun.recipient AS mine ON mine.run = this.id AND mine.address = theirs.address
                   AND coalesce(mine.key = theirs.key, true)
               WHERE this.id = $1 AND later.target = 'real' AND later.started_at > this.started_at
                 AND sent.status IN ('accepted', 'unknown', 'sending')
               GROUP BY mine.row
             ) AS s
             WHERE d.run = $1 AND d.row = s.row AND d.status = 'pending' AND d.resends = 0";
        let parameters: [Parameter<'_>; 2] =
            [(&self.id, Type::INT8), (&to_millis(now), Type::INT8)];
        let skipped = self.change(sql, &parameters)?;
        let mut keys = None;
        let mut has_hashes = false;
        for run in &later {
            for name in run.forget_key_names()? {
                let keys = match &keys {
                    Some(keys) => keys,
                    None => keys.insert(forget_keys(&self.database)?),
                };
                keys.get(&name)?;
                has_hashes = true;
            }
        }
        if !has_hashes {
            return Ok(skipped);
        }
        let sql = "UPDATE mailrun.delivery AS d SET status = 'skipped', code = 'already-sent', at = $2,
                    error = 'already sent in the run ' || s.name
             FROM (
               SELECT mine.row, min(later.name) AS name
               FROM mailrun.run AS this
                 JOIN mailrun.recipient AS mine ON mine.run = this.id
                 JOIN mailrun.delivery AS waiting ON waiting.run = mine.run AND waiting.row = mine.row
                 CROSS JOIN mailrun.forget_key AS k
                 JOIN mailrun.recipient AS theirs ON theirs.address = mailrun.forgotten(k, mine.address)
                 JOIN mailrun.run AS later ON later.id = theirs.run
                 JOIN mailrun.delivery AS sent ON sent.run = theirs.run AND sent.row = theirs.row
               WHERE this.id = $1 AND waiting.status = 'pending' AND later.campaign = this.campaign
                 AND later.target = 'real' AND later.started_at > this.started_at
                 AND sent.status IN ('accepted', 'unknown', 'sending')
               GROUP BY mine.row
             ) AS s
             WHERE d.run = $1 AND d.row = s.row AND d.status = 'pending' AND d.resends = 0";
        Ok(skipped + self.change(sql, &parameters)?)
    }

    /// The names of the keys of its hashes.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) fn forget_key_names(&self) -> Result<Vec<String>, LedgerError> {
        let sql = "SELECT DISTINCT substr(address, 11, 8) FROM mailrun.recipient
             WHERE run = $1 AND starts_with(address, 'forgotten:')";
        let rows = wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?;
        rows.iter().map(|row| Ok(column(row, 0)?)).collect()
    }

    /// Changes rows in a transaction while no worker sends the run. Returns their number. A run that may
    /// have lost claims is not changed.
    fn change(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<u64, LedgerError> {
        self.check_cluster()?;
        wait(async {
            let mut client = self.database.fresh().await?;
            let run: [Parameter<'_>; 1] = [(&self.id, Type::INT8)];
            let transaction = client.transaction().await?;
            transaction
                .query_typed("SELECT mailrun.begin_change($1)", &run)
                .await?;
            let changed = transaction.execute_typed(sql, parameters).await?;
            transaction
                .query_typed("SELECT mailrun.end_change($1)", &run)
                .await?;
            transaction.commit().await?;
            Ok(changed)
        })
        .map_err(|error: crate::ledger::PostgresError| error.into())
    }
}

fn all_changed(changed: u64, rows: usize) -> Result<(), LedgerError> {
    match changed == rows as u64 {
        true => Ok(()),
        false => Err(LedgerError::Damaged(
            "one of the rows does not have the expected status".to_owned(),
        )),
    }
}
