//! The blacklist: addresses to which an account sends nothing.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde_json::{Value, json};

use super::{FieldKind, ListField, ListStatement, ListTable, time_from_millis};
use crate::address::Address;
use crate::api::{BlacklistEntry, BlacklistReason, ListError, ListQuery};
use crate::gateway::store::{Store, StoreError};

const COLUMNS: &str = "account, email, reason, comment, source, created_at";

pub(in crate::gateway) fn list(query: &ListQuery) -> Result<ListStatement, ListError> {
    statement(query, row)
}

/// The list of the API v2.1.
pub(in crate::gateway) fn list_v2(query: &ListQuery) -> Result<ListStatement, ListError> {
    statement(query, v2_row)
}

fn statement(
    query: &ListQuery,
    row: fn(&Row<'_>) -> rusqlite::Result<Value>,
) -> Result<ListStatement, ListError> {
    let field = |name, kind, selectivity, sort| ListField {
        name,
        column: name,
        kind,
        selectivity,
        sort,
    };
    const BY_TIME: &[&str] = &["created_at", "email", "account"];
    let table = ListTable {
        columns: COLUMNS.to_owned(),
        id: "rowid",
        from: "blacklist WHERE true".to_owned(),
        read: "blacklist ON blacklist.rowid = chosen.id",
        fields: vec![
            field("account", FieldKind::Text, 0, Some(&["account", "email"])),
            field("email", FieldKind::Address, 1, Some(&["email", "account"])),
            field("reason", FieldKind::Text, 0, None),
            field("source", FieldKind::Text, 0, None),
            field("created_at", FieldKind::Time, 0, Some(BY_TIME)),
        ],
        sort: (BY_TIME, true),
        row,
    };
    ListStatement::new(&table, query)
}

/// The entries of an address, for all accounts.
pub(in crate::gateway) fn of_address(
    connection: &Connection,
    address: &Address,
) -> rusqlite::Result<Vec<Value>> {
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
        "created_at": time_from_millis(row.get(5)?),
    }))
}

fn v2_row(row: &Row<'_>) -> rusqlite::Result<Value> {
    let text = |column| row.get::<_, String>(column);
    Ok(json!({
        "email": text(1)?,
        "smtpAccount": text(0)?,
        "reason": text(2)?,
        "comment": text(3)?,
        "createdAt": time_from_millis(row.get(5)?),
    }))
}

/// Adds an entry, or replaces the reason, comment and source of an existing one.
pub(in crate::gateway) async fn add(
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

/// Adds an entry unless there is one. The address is normalized.
pub(in crate::gateway) fn add_if_missing(
    connection: &Connection,
    account: &str,
    email: &str,
    reason: BlacklistReason,
    comment: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO blacklist (account, email, reason, comment, source, created_at)
         VALUES (?, ?, ?, ?, 'gateway', ?) ON CONFLICT (account, email) DO NOTHING",
    )?;
    let now = now.as_millisecond();
    insert.execute(params![account, email, reason.as_str(), comment, now])?;
    Ok(())
}

/// Removes an address for all accounts, and returns the number of removed entries.
pub(in crate::gateway) async fn remove(
    store: &Store,
    address: &Address,
) -> Result<usize, StoreError> {
    let address = address.normalized();
    store
        .write(move |connection| {
            connection.execute("DELETE FROM blacklist WHERE email = ?", [address])
        })
        .await
}

/// Removes addresses for one account: each as the client wrote it, and normalized. Returns those that were listed, as
/// the client wrote them.
pub(in crate::gateway) async fn remove_from_account(
    store: &Store,
    account: String,
    addresses: Vec<(String, String)>,
) -> Result<Vec<String>, StoreError> {
    let sql = "DELETE FROM blacklist WHERE account = ? AND email = ?";
    remove_each(store, sql, account, addresses).await
}

/// Blocks domains for an account.
pub(in crate::gateway) async fn add_domains(
    store: &Store,
    account: String,
    domains: Vec<String>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let insert = move |connection: &Connection| {
        let mut insert = connection.prepare_cached(
            "INSERT INTO domain_blacklist (account, domain, created_at) VALUES (?, ?, ?)
             ON CONFLICT (account, domain) DO NOTHING",
        )?;
        for domain in domains {
            insert.execute(params![account, domain, now.as_millisecond()])?;
        }
        Ok(())
    };
    store.write(insert).await
}

/// As [`remove_from_account`], for domains.
pub(in crate::gateway) async fn remove_domains(
    store: &Store,
    account: String,
    domains: Vec<(String, String)>,
) -> Result<Vec<String>, StoreError> {
    let sql = "DELETE FROM domain_blacklist WHERE account = ? AND domain = ?";
    remove_each(store, sql, account, domains).await
}

async fn remove_each(
    store: &Store,
    sql: &'static str,
    account: String,
    items: Vec<(String, String)>,
) -> Result<Vec<String>, StoreError> {
    let remove = move |connection: &Connection| {
        let mut delete = connection.prepare_cached(sql)?;
        let mut removed = Vec::new();
        for (written, normalized) in items {
            if delete.execute([&account, &normalized])? > 0 {
                removed.push(written);
            }
        }
        Ok(removed)
    };
    store.write(remove).await
}
