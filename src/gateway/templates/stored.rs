//! Stored templates.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::twig;
use crate::api::{Request, Template, V2Template};
use crate::gateway::response::Refusal;
use crate::gateway::store::{Store, StoreError};

/// The bodies of a stored template. A body may be empty.
pub(super) struct Bodies {
    html: String,
    text: String,
}

impl Bodies {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            html: row.get(0)?,
            text: row.get(1)?,
        })
    }

    /// Takes the place of a request's bodies.
    pub(super) fn replace_bodies(self, request: &mut Request<'_>) {
        if !self.html.is_empty() {
            request.html = Some(self.html.into());
        }
        if !self.text.is_empty() {
            request.text = Some(self.text.into());
        }
    }
}

/// The template that `add_template` stored under this ID.
pub(super) fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<Bodies>> {
    let mut select = connection.prepare_cached("SELECT html, text FROM template WHERE id = ?")?;
    select.query_row([id], Bodies::read).optional()
}

/// The template that `email/template` stored for this account.
pub(super) fn find_for_account(
    connection: &Connection,
    account: &str,
    external_id: &str,
) -> rusqlite::Result<Option<Bodies>> {
    let mut select = connection.prepare_cached(
        "SELECT html, text FROM account_template WHERE account = ? AND external_id = ?",
    )?;
    select
        .query_row([account, external_id], Bodies::read)
        .optional()
}

/// Stores a template of `add_template`.
///
/// # Errors
/// If it could not be stored.
pub(in crate::gateway) async fn insert(
    store: &Store,
    id: String,
    template: Template,
    now: Timestamp,
) -> Result<(), StoreError> {
    let insert_row = move |connection: &Connection| {
        connection.execute(
            "INSERT INTO template (id, html, text, created_at) VALUES (?, ?, ?, ?)",
            params![id, template.html, template.text, now.as_millisecond()],
        )
    };
    store.write(insert_row).await.map(drop)
}

/// # Errors
/// If a body of a template is not a template.
pub(in crate::gateway) fn check(template: &V2Template) -> Result<(), Refusal> {
    for (field, text) in [("html", &template.html), ("text", &template.text)] {
        if let Err(error) = twig::Template::parse(text) {
            return Err(Refusal::invalid(format!("{field}, {error}")));
        }
    }
    Ok(())
}

/// Stores a template of `email/template`, or replaces the one with the same ID.
///
/// # Errors
/// If it could not be stored.
pub(in crate::gateway) async fn put(
    store: &Store,
    template: V2Template,
    now: Timestamp,
) -> Result<(), StoreError> {
    let insert = move |connection: &Connection| {
        connection.execute(
            "INSERT INTO account_template (account, external_id, name, html, text, created_at)
             VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (account, external_id) DO UPDATE SET
               name = excluded.name, html = excluded.html, text = excluded.text",
            params![
                template.smtp_account,
                template.external_id,
                template.name,
                template.html,
                template.text,
                now.as_millisecond()
            ],
        )
    };
    store.write(insert).await.map(drop)
}

/// Deletes the templates with these IDs, and returns the IDs that there were.
///
/// # Errors
/// If nothing was deleted, or that is unknown.
pub(in crate::gateway) async fn delete(
    store: &Store,
    external_ids: Vec<String>,
) -> Result<Vec<String>, StoreError> {
    let delete = move |connection: &Connection| {
        let mut delete =
            connection.prepare_cached("DELETE FROM account_template WHERE external_id = ?")?;
        let mut deleted = Vec::new();
        for id in external_ids {
            if delete.execute([&id])? > 0 {
                deleted.push(id);
            }
        }
        Ok(deleted)
    };
    store.write(delete).await
}
