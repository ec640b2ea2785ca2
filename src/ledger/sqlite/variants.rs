//! The variants of the rows.

use std::path::Path;

use rusqlite::{OptionalExtension, params};

use super::connection::open_for_writing;
use super::{SqliteLedger, text};
use crate::ledger::variants::in_order;
use crate::ledger::{Ledger, LedgerError, Status, StatusCounts, VariantChoice, VariantRows};

impl SqliteLedger {
    pub(super) fn rows_by_variant(&self) -> Result<Vec<VariantRows>, LedgerError> {
        self.planned_by_variant(&self.run()?.variants)
    }

    /// The same, also if the plan is not complete. `names` are those of all variants.
    pub(crate) fn planned_by_variant(
        &self,
        names: &[String],
    ) -> Result<Vec<VariantRows>, LedgerError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut select = self.connection.prepare(
            "SELECT variant, chosen, status, count(*) FROM delivery
             WHERE variant IS NOT NULL OR lane < 0 GROUP BY 1, 2, 3 ORDER BY 1, 2",
        )?;
        let mut rows = select.query([])?;
        let mut all: Vec<VariantRows> = Vec::new();
        while let Some(row) = rows.next()? {
            let (variant, chosen): (Option<String>, bool) = (row.get(0)?, row.get(1)?);
            let last = all.pop_if(|last| last.variant == variant && last.chosen == chosen);
            let mut rows = last.unwrap_or(VariantRows {
                variant,
                chosen,
                counts: StatusCounts::default(),
            });
            let status = Status::parse(text(row, 2)?)?;
            rows.counts.set(status, row.get::<_, i64>(3)? as u64);
            all.push(rows);
        }
        Ok(in_order(all, names))
    }

    pub(super) fn count_held_back(&self) -> Result<u64, LedgerError> {
        if self.run()?.variants.is_empty() {
            return Ok(0);
        }
        let sql = "SELECT count(*) FROM delivery WHERE lane < 0 AND status = 'pending'";
        let rows: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(rows as u64)
    }
}

pub(super) fn choose(path: &Path, name: &str) -> Result<VariantChoice, LedgerError> {
    let mut connection = open_for_writing(path)?;
    let transaction = connection.transaction()?;
    let before: Option<String> = transaction
        .query_row("SELECT chosen FROM run", [], |row| row.get(0))
        .optional()?
        .flatten();
    if let Some(before) = before.filter(|before| before != name) {
        return Ok(VariantChoice::Other(before));
    }
    transaction.execute("UPDATE run SET chosen = ?", [name])?;
    let rows = transaction.execute(
        "UPDATE delivery SET variant = ?, chosen = 1, lane = -1 - lane WHERE lane < 0 AND status = 'pending'",
        params![name],
    )?;
    transaction.commit()?;
    Ok(VariantChoice::Made(rows as u64))
}
