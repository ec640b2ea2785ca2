//! Selects the messages that match a condition.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::condition::Condition;

/// The part of a statement after its columns. The last `?` is the limit.
pub(super) struct Selection {
    sql: String,
    values: Vec<Value>,
}

impl Selection {
    /// The matching messages with an ID below `before`, newest first; `None` if there can be none.
    ///
    /// The word index returns IDs in descending order, so only the messages that are read are visited.
    pub(super) fn new(
        connection: &Connection,
        condition: &Condition,
        before: i64,
    ) -> rusqlite::Result<Option<Self>> {
        let Some((min, max)) = id_range(connection, condition)? else {
            return Ok(None);
        };
        let max = max.min(before.saturating_sub(1));
        let (tables, id) = match condition.words {
            None => ("message WHERE", "message.id"),
            Some(_) => (
                "idx.words CROSS JOIN message ON message.id = words.rowid WHERE words MATCH ? AND",
                "words.rowid",
            ),
        };
        let mut sql = format!("FROM {tables} {id} BETWEEN ? AND ?{}", condition.and);
        let mut values: Vec<Value> = Vec::new();
        values.extend(condition.words.clone().map(Value::from));
        values.extend([min.into(), max.into()]);
        values.extend(condition.values.iter().cloned());
        if let Some(after) = condition.after {
            sql += " AND message.created_at >= ?";
            values.push(after.into());
        }
        if let Some(before) = condition.before {
            sql += " AND message.created_at < ?";
            values.push(before.into());
        }
        sql += &format!(" ORDER BY {id} DESC LIMIT ?");
        Ok(Some(Self { sql, values }))
    }

    /// A statement and its values.
    pub(super) fn columns(mut self, columns: &str, limit: i64) -> (String, Vec<Value>) {
        self.values.push(limit.into());
        (format!("SELECT {columns} {}", self.sql), self.values)
    }
}

/// The lowest and the highest ID in the time range of a condition; `None` if the range has no message.
fn id_range(
    connection: &Connection,
    condition: &Condition,
) -> rusqlite::Result<Option<(i64, i64)>> {
    if condition.after.is_none() && condition.before.is_none() {
        return Ok(Some((i64::MIN, i64::MAX)));
    }
    let mut select = connection.prepare_cached(
        "SELECT min(id), max(id) FROM message INDEXED BY message_created
         WHERE created_at >= ? AND created_at < ?",
    )?;
    let after = condition.after.unwrap_or(i64::MIN);
    let before = condition.before.unwrap_or(i64::MAX);
    select.query_row([after, before], |row| {
        let ids: (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(ids.0.zip(ids.1))
    })
}
