//! The variants of the rows.

use tokio_postgres::types::Type;

use super::PostgresLedger;
use super::columns::column;
use super::database::{Parameter, wait};
use crate::ledger::variants::in_order;
use crate::ledger::{LedgerError, PostgresError, Status, StatusCounts, VariantChoice, VariantRows};

impl PostgresLedger {
    pub(super) fn rows_by_variant(&self) -> Result<Vec<VariantRows>, LedgerError> {
        if self.run.variants.is_empty() {
            return Ok(Vec::new());
        }
        let sql = "SELECT variant, chosen, status::text, count(*) FROM mailrun.delivery
             WHERE run = $1 AND (variant IS NOT NULL OR lane < 0) GROUP BY 1, 2, 3 ORDER BY 1, 2";
        let mut all: Vec<VariantRows> = Vec::new();
        for row in wait(self.database.query(sql, &[(&self.id, Type::INT8)]))? {
            let (variant, chosen): (Option<String>, bool) = (column(&row, 0)?, column(&row, 1)?);
            let last = all.pop_if(|last| last.variant == variant && last.chosen == chosen);
            let mut rows = last.unwrap_or(VariantRows {
                variant,
                chosen,
                counts: StatusCounts::default(),
            });
            let status = Status::parse(column(&row, 2)?)?;
            rows.counts.set(status, column::<i64>(&row, 3)? as u64);
            all.push(rows);
        }
        Ok(in_order(all, &self.run.variants))
    }

    pub(super) fn count_held_back(&self) -> Result<u64, LedgerError> {
        if self.run.variants.is_empty() {
            return Ok(0);
        }
        let sql = "SELECT count(*) FROM mailrun.delivery WHERE run = $1 AND lane < 0 AND status = 'pending'";
        let rows = wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?;
        let row = rows.first().ok_or(PostgresError::LostCommits)?;
        Ok(column::<i64>(row, 0)? as u64)
    }

    /// Workers that were told before of the choice may send the run meanwhile.
    pub(super) fn choose(&self, name: &str) -> Result<VariantChoice, LedgerError> {
        let sql = "SELECT chosen FROM mailrun.run WHERE id = $1";
        let rows = wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?;
        let row = rows.first().ok_or(PostgresError::LostCommits)?;
        match column::<Option<String>>(row, 0)? {
            Some(before) if before == name => return Ok(VariantChoice::Made(0)),
            Some(before) => return Ok(VariantChoice::Other(before)),
            None => {}
        }
        self.check_cluster()?;
        wait(async {
            let mut client = self.database.fresh().await?;
            let run: [Parameter<'_>; 1] = [(&self.id, Type::INT8)];
            let transaction = client.transaction().await?;
            let begin = "SELECT mailrun.begin_change($1)";
            transaction.query_typed(begin, &run).await?;
            let sql = "SELECT other, rows FROM mailrun.choose_variant($1, $2)";
            let parameters: [Parameter<'_>; 2] = [(&self.id, Type::INT8), (&name, Type::TEXT)];
            let row = transaction.query_typed_one(sql, &parameters).await?;
            let end = "SELECT mailrun.end_change($1)";
            transaction.query_typed(end, &run).await?;
            transaction.commit().await?;
            Ok(match column::<Option<String>>(&row, 0)? {
                Some(before) => VariantChoice::Other(before),
                None => VariantChoice::Made(column::<i64>(&row, 1)? as u64),
            })
        })
        .map_err(|error: PostgresError| error.into())
    }
}
