//! Groups of messages: by tag, by run and by API request.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use rusqlite::{Connection, Row};
use serde_json::{Value, json};

use super::Inbox;
use super::query::quoted;
use crate::web::{HttpError, QueryParams, json};

const MAX_GROUPS: i64 = 200;

// The columns are: the value to search for, the name, the number of messages, the time.

/// Distinct sets of tags are few compared to messages.
const TAGS: &str = "WITH sets AS MATERIALIZED
   (SELECT tags, count(*) AS messages, max(created_at) AS newest FROM message GROUP BY tags)
 SELECT value, value, sum(messages), max(newest) FROM sets, json_each(sets.tags)
 GROUP BY value ORDER BY sum(messages) DESC, value LIMIT ?";

/// The message IDs of a run start with its 20 hexadecimal digits and a dot.
const RUNS: &str = "WITH runs AS MATERIALIZED
   (SELECT substr(message_id, 1, 20) AS run, count(*) AS messages, max(id) AS newest FROM message
    WHERE substr(message_id, 21, 1) = '.' AND NOT substr(message_id, 1, 20) GLOB '*[^0-9a-f]*'
    GROUP BY run ORDER BY newest DESC LIMIT ?)
 SELECT run, run, messages, created_at FROM runs JOIN message ON id = newest ORDER BY newest DESC";

const REQUESTS: &str = "SELECT req_id, coalesce((SELECT subject FROM message WHERE request = newest.id LIMIT 1), req_id),
        (SELECT count(*) FROM message WHERE request = newest.id), at
 FROM (SELECT id, req_id, at FROM request ORDER BY id DESC LIMIT ?) AS newest";

pub(super) async fn groups(
    State(inbox): State<Arc<Inbox>>,
    params: QueryParams,
) -> Result<Response, HttpError> {
    let (key, select) = match params.get("by") {
        "tag" => ("tag", TAGS),
        "run" => ("run", RUNS),
        "request" => ("request", REQUESTS),
        _ => {
            let message = "`by` must be tag, run or request".to_owned();
            return Err(HttpError(StatusCode::BAD_REQUEST, message));
        }
    };
    let read = move |connection: &Connection| {
        let mut select = connection.prepare_cached(select)?;
        let group = |row: &Row<'_>| {
            let value: String = row.get(0)?;
            Ok(json!({
                "query": quoted(key, &value),
                "name": row.get::<_, String>(1)?,
                "count": row.get::<_, i64>(2)?,
                "at": row.get::<_, i64>(3)?,
            }))
        };
        let rows = select.query_map([MAX_GROUPS], group)?;
        rows.collect::<rusqlite::Result<Vec<Value>>>()
    };
    Ok(json(&inbox.store.read_async(read).await?))
}
