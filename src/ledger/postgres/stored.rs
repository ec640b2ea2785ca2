//! Rows as they are stored.

use std::path::PathBuf;

use tokio_postgres::types::Type;

use super::PostgresLedger;
use super::columns::{column, number};
use super::database::{Parameter, wait};
use crate::ledger::{LedgerError, Status, StoredAttachment, StoredMember, StoredMinute, StoredRow};
use crate::render::Recorded;

impl PostgresLedger {
    /// At most `most` rows after a row.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) fn stored_rows(&self, after: u32, most: u32) -> Result<Vec<StoredRow>, LedgerError> {
        let sql = "SELECT d.row, r.line, r.email, r.address, r.cells, d.status::text, d.attempts, d.resends, d.alone,
                    d.lane, d.message_id, d.code, d.error, d.at, d.variant, d.chosen, r.key
             FROM mailrun.delivery AS d JOIN mailrun.recipient AS r USING (run, row)
             WHERE d.run = $1 AND d.row > $2 ORDER BY d.row LIMIT $3";
        let parameters: [Parameter<'_>; 3] = [
            (&self.id, Type::INT8),
            (&number(after), Type::INT4),
            (&i64::from(most), Type::INT8),
        ];
        wait(self.database.query(sql, &parameters))?
            .iter()
            .map(|row| {
                Ok(StoredRow {
                    row: column::<i32>(row, 0)? as u32,
                    line: column::<i64>(row, 1)? as u64,
                    email: column(row, 2)?,
                    address: column(row, 3)?,
                    cells: column(row, 4)?,
                    status: Status::parse(column(row, 5)?)?,
                    attempts: column::<i32>(row, 6)? as u32,
                    resends: column::<i32>(row, 7)? as u32,
                    alone: column(row, 8)?,
                    lane: column(row, 9)?,
                    message_id: column(row, 10)?,
                    code: column(row, 11)?,
                    error: column(row, 12)?,
                    at: column(row, 13)?,
                    variant: column(row, 14)?,
                    chosen: column(row, 15)?,
                    key: column(row, 16)?,
                })
            })
            .collect()
    }

    /// At most `most` rows after a row that are in the messages of others.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) fn stored_members(
        &self,
        after: u32,
        most: u32,
    ) -> Result<Vec<StoredMember>, LedgerError> {
        let sql = "SELECT row, first, line, email, cells FROM mailrun.member
             WHERE run = $1 AND row > $2 ORDER BY row LIMIT $3";
        let parameters: [Parameter<'_>; 3] = [
            (&self.id, Type::INT8),
            (&number(after), Type::INT4),
            (&i64::from(most), Type::INT8),
        ];
        wait(self.database.query(sql, &parameters))?
            .iter()
            .map(|row| {
                Ok(StoredMember {
                    row: column::<i32>(row, 0)? as u32,
                    first: column::<i32>(row, 1)? as u32,
                    line: column::<i64>(row, 2)? as u64,
                    email: column(row, 3)?,
                    cells: column(row, 4)?,
                })
            })
            .collect()
    }

    /// The own attachments of the `most` rows after a row.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(crate) fn stored_attachments(
        &self,
        after: u32,
        most: u32,
    ) -> Result<Vec<StoredAttachment>, LedgerError> {
        let sql = "SELECT row, position, path, size, sha256 FROM mailrun.attachment
             WHERE run = $1 AND row > $2 AND row <= $3 ORDER BY row, position";
        let parameters: [Parameter<'_>; 3] = [
            (&self.id, Type::INT8),
            (&number(after), Type::INT4),
            (&number(after.saturating_add(most)), Type::INT4),
        ];
        wait(self.database.query(sql, &parameters))?
            .iter()
            .map(|row| {
                Ok(StoredAttachment {
                    row: column::<i32>(row, 0)? as u32,
                    recorded: Recorded {
                        position: column::<i32>(row, 1)? as u32,
                        path: PathBuf::from(column::<String>(row, 2)?),
                        size: column::<i64>(row, 3)? as u64,
                        sha256: column(row, 4)?,
                    },
                })
            })
            .collect()
    }

    /// # Errors
    /// The ledger can't be read.
    pub(crate) fn stored_minutes(&self) -> Result<Vec<StoredMinute>, LedgerError> {
        let sql = "SELECT minute, lane, sum(recipients)::bigint FROM mailrun.posted WHERE run = $1
             GROUP BY minute, lane ORDER BY minute, lane";
        wait(self.database.query(sql, &[(&self.id, Type::INT8)]))?
            .iter()
            .map(|row| {
                Ok(StoredMinute {
                    minute: column(row, 0)?,
                    lane: column::<i32>(row, 1)? as u32,
                    recipients: column::<i64>(row, 2)? as u64,
                })
            })
            .collect()
    }
}
