//! The blacklist: addresses that get nothing from an account.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde_json::{Value, json};

use super::lists::{Field, Kind, Select, Table, time_of};
use super::store::{Store, StoreError};
use crate::address::Address;
use crate::api::{BlacklistEntry, ListError, ListQuery};

const COLUMNS: &str = "account, email, reason, comment, source, created_at";

/// The list, as it is asked for.
pub(super) fn list(query: &ListQuery) -> Result<Select, ListError> {
    let field = |name, kind, narrow, sort| Field {
        name,
        column: name,
        kind,
        narrow,
        sort,
    };
    const BY_TIME: &[&str] = &["created_at", "email", "account"];
    let table = Table {
        columns: COLUMNS.to_owned(),
        id: "rowid",
        from: "blacklist WHERE true".to_owned(),
        read: "blacklist ON blacklist.rowid = chosen.id",
        fields: vec![
            field("account", Kind::Text, 0, Some(&["account", "email"])),
            field("email", Kind::Address, 1, Some(&["email", "account"])),
            field("reason", Kind::Text, 0, None),
            field("source", Kind::Text, 0, None),
            field("created_at", Kind::Time, 0, Some(BY_TIME)),
        ],
        sort: (BY_TIME, true),
        row,
    };
    Select::new(&table, query)
}

/// The entries of one address, of all accounts.
pub(super) fn of(connection: &Connection, address: &Address) -> rusqlite::Result<Vec<Value>> {
    let sql = format!("SELECT {COLUMNS} FROM blacklist WHERE email = ? ORDER BY account");
    let mut select = connection.prepare_cached(&sql)?;
    select.query_map([address.normalized()], row)?.collect()
}

fn row(row: &Row<'_>) -> rusqlite::Result<Value> {
    let text = |column| row.get::<_, String>(column);
    Ok(json!({
        "account": text(0)?,
        "email": text(1)?,
        "reason": text(2)?,
        "comment": text(3)?,
        "source": text(4)?,
        "created_at": time_of(row.get(5)?),
    }))
}

/// Puts an address on it, or says anew why it is there.
pub(super) async fn add(
    store: &Store,
    entry: BlacklistEntry,
    now: Timestamp,
) -> Result<(), StoreError> {
    let insert = move |connection: &Connection| {
        connection.execute(
            "INSERT INTO blacklist (account, email, reason, comment, source, created_at)
             VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (account, email) DO UPDATE SET
               reason = excluded.reason, comment = excluded.comment, source = excluded.source",
            params![
                entry.account,
                entry.email.normalized(),
                entry.reason.as_str(),
                entry.comment,
                entry.source,
                now.as_millisecond()
            ],
        )
    };
    store.write(insert).await.map(drop)
}

/// Takes an address off it, for all accounts; gives how many entries it had.
pub(super) async fn remove(store: &Store, address: &Address) -> Result<usize, StoreError> {
    let address = address.normalized();
    store
        .write(move |connection| {
            connection.execute("DELETE FROM blacklist WHERE email = ?", [address])
        })
        .await
}
