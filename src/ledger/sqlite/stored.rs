//! Rows as they are stored.

use std::path::PathBuf;

use rusqlite::params;

use super::{SqliteLedger, text};
use crate::ledger::{LedgerError, Status, StoredAttachment, StoredMember, StoredMinute, StoredRow};
use crate::render::Recorded;

impl SqliteLedger {
    pub(crate) fn stored_rows(&self, after: u32, most: u32) -> Result<Vec<StoredRow>, LedgerError> {
        let mut select = self.connection.prepare_cached(
            "SELECT row, line, email, address, cells, status, attempts, resends, alone, lane, message_id, code,
                    error, at, variant, chosen, key
             FROM delivery JOIN recipient USING (row) WHERE row > ? ORDER BY row LIMIT ?",
        )?;
        let mut rows = select.query(params![after, most])?;
        let mut stored = Vec::new();
        while let Some(row) = rows.next()? {
            stored.push(StoredRow {
                row: row.get(0)?,
                line: row.get::<_, i64>(1)? as u64,
                email: row.get(2)?,
                address: row.get(3)?,
                cells: row.get(4)?,
                status: Status::parse(text(row, 5)?)?,
                attempts: row.get(6)?,
                resends: row.get(7)?,
                alone: row.get(8)?,
                lane: row.get(9)?,
                message_id: row.get(10)?,
                code: row.get(11)?,
                error: row.get(12)?,
                at: row.get(13)?,
                variant: row.get(14)?,
                chosen: row.get(15)?,
                key: row.get(16)?,
            });
        }
        Ok(stored)
    }

    /// At most `most` rows after a row that are in the messages of others.
    pub(crate) fn stored_members(
        &self,
        after: u32,
        most: u32,
    ) -> Result<Vec<StoredMember>, LedgerError> {
        let sql =
            "SELECT row, first, line, email, cells FROM member WHERE row > ? ORDER BY row LIMIT ?";
        let mut select = self.connection.prepare_cached(sql)?;
        let members = select.query_map([after, most], |row| {
            Ok(StoredMember {
                row: row.get(0)?,
                first: row.get(1)?,
                line: row.get::<_, i64>(2)? as u64,
                email: row.get(3)?,
                cells: row.get(4)?,
            })
        })?;
        Ok(members.collect::<Result<_, _>>()?)
    }

    /// The own attachments of the rows after a row.
    pub(crate) fn stored_attachments(
        &self,
        after: u32,
        most: u32,
    ) -> Result<Vec<StoredAttachment>, LedgerError> {
        // All attachments of a row are on one page.
        let mut select = self.connection.prepare_cached(
            "SELECT row, position, path, size, sha256 FROM attachment
             WHERE row > ?1 AND row <= ?1 + ?2 ORDER BY row, position",
        )?;
        let attachments = select.query_map(params![after, most], |row| {
            Ok(StoredAttachment {
                row: row.get(0)?,
                recorded: Recorded {
                    position: row.get(1)?,
                    path: PathBuf::from(row.get::<_, String>(2)?),
                    size: row.get::<_, i64>(3)? as u64,
                    sha256: row.get(4)?,
                },
            })
        })?;
        Ok(attachments.collect::<Result<_, _>>()?)
    }

    pub(crate) fn stored_minutes(&self) -> Result<Vec<StoredMinute>, LedgerError> {
        let sql = "SELECT minute, lane, recipients FROM posted ORDER BY minute, lane";
        let mut select = self.connection.prepare_cached(sql)?;
        let minutes = select.query_map([], |row| {
            Ok(StoredMinute {
                minute: row.get(0)?,
                lane: row.get(1)?,
                recipients: row.get::<_, i64>(2)? as u64,
            })
        })?;
        Ok(minutes.collect::<Result<_, _>>()?)
    }
}
