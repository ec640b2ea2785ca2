//! Finds the row of a message.

use rusqlite::{Connection, params};

use super::store::EventsError;
use crate::address::Address;
use crate::api::message_id;
use crate::ledger::{Ledger, is_forgotten};
use crate::spill::{self, SpillError};

/// How many rows are read from the ledger at once.
const PAGE: u32 = 5_000;

/// The accepted rows by message ID and recipient, in a temporary file.
pub(crate) struct MessageIndex {
    table: Connection,
    /// How many rows can be found.
    pub(crate) rows: u64,
    /// Accepted rows of forgotten people, which are not found.
    pub(crate) forgotten: Vec<u32>,
    /// When the last of them was accepted, in milliseconds since 1970.
    pub(crate) last_accepted: i64,
}

impl MessageIndex {
    /// Reads all accepted rows. The messages of a test all went to `test_to`.
    ///
    /// # Errors
    /// The ledger can't be read, or the file can't be written.
    pub(crate) fn build(
        ledger: &dyn Ledger,
        test_to: Option<&Address>,
    ) -> Result<Self, EventsError> {
        let table = spill::open(
            "CREATE TABLE message (
               id TEXT NOT NULL, address TEXT NOT NULL, row INTEGER NOT NULL, PRIMARY KEY (id, address, row)
             ) STRICT, WITHOUT ROWID;",
        )?;
        let test_to = test_to.map(Address::normalized);
        let (mut after, mut rows, mut last_accepted) = (0, 0, 0);
        let mut forgotten = Vec::new();
        loop {
            let page = ledger.accepted(after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.row;
            for row in &page {
                if is_forgotten(&row.address) {
                    forgotten.push(row.row);
                    continue;
                }
                last_accepted = last_accepted.max(row.at);
                if let Some(id) = message_id(&row.message_id) {
                    let address = test_to.as_ref().unwrap_or(&row.address);
                    let sql = "INSERT INTO message (id, address, row) VALUES (?, ?, ?)";
                    let mut insert = table.prepare_cached(sql).map_err(SpillError::from)?;
                    let inserted = insert.execute(params![id, address, row.row]);
                    inserted.map_err(SpillError::from)?;
                    rows += 1;
                }
            }
        }
        Ok(Self {
            table,
            rows,
            forgotten,
            last_accepted,
        })
    }

    /// The row with this message ID and this recipient. `None` if there is none, or more than one.
    ///
    /// # Errors
    /// The file can't be read.
    pub(crate) fn row_of(&self, id: &str, address: &str) -> Result<Option<u32>, EventsError> {
        let Ok(address) = Address::parse(address) else {
            return Ok(None);
        };
        let sql = "SELECT row FROM message WHERE id = ? AND address = ? LIMIT 2";
        let mut select = self.table.prepare_cached(sql).map_err(SpillError::from)?;
        let rows = select
            .query_map(params![id, address.normalized()], |row| row.get(0))
            .map_err(SpillError::from)?;
        let rows: Vec<u32> = rows.collect::<Result<_, _>>().map_err(SpillError::from)?;
        Ok(match rows.as_slice() {
            [row] => Some(*row),
            _ => None,
        })
    }
}
