//! The events in the body of a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, Row};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::config::WebhookKind;
use crate::gateway::lists::{messages, v2};
use crate::gateway::store::EventKind;

/// The queued events, oldest first: their IDs and what the receiver gets about them.
pub(super) fn events(
    connection: &Connection,
    kind: WebhookKind,
    max: u32,
) -> rusqlite::Result<Vec<(i64, Option<Value>)>> {
    let (columns, event): (_, fn(&Row<'_>) -> rusqlite::Result<Value>) = match kind {
        WebhookKind::V2 => (v2::event_columns(), v2::event),
        WebhookKind::Events => (messages::event_columns(), messages::single_event),
    };
    let sql = format!(
        "SELECT {columns}, event.id, event.kind FROM webhook_event
         CROSS JOIN event ON event.id = webhook_event.event
         CROSS JOIN message ON message.id = event.message
         ORDER BY webhook_event.event LIMIT ?"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let last = select.column_count() - 1;
    let row = |row: &Row<'_>| {
        let name: String = row.get(last)?;
        let event = is_pushed(kind, &name).then(|| event(row)).transpose()?;
        Ok((row.get(last - 1)?, event))
    };
    select.query_map([max], row)?.collect()
}

/// The vendor's webhook of the new panel does not report complaints.
fn is_pushed(kind: WebhookKind, event: &str) -> bool {
    match kind {
        WebhookKind::V2 => event != EventKind::Feedback.as_str(),
        WebhookKind::Events => true,
    }
}

pub(super) fn body(kind: WebhookKind, events: &[Value]) -> Vec<u8> {
    let json = json!(events).to_string();
    match kind {
        WebhookKind::V2 => json.into_bytes(),
        WebhookKind::Events => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("p", &STANDARD.encode(json));
            form.finish().into_bytes()
        }
    }
}
