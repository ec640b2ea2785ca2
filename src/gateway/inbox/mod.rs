//! The inbox: a page that shows the stored messages, and the JSON that it fetches.
//!
//! ```text
//! GET    /                         the page; its files are below /inbox/
//! GET    /inbox/about              {title, writable}
//! GET    /inbox/messages           ?q= &before=ID &limit= &zone=    newest first: {messages, more}
//! DELETE /inbox/messages           ?q= &zone=                       all matches: {deleted, kept}
//! GET    /inbox/count              ?q= &zone=                       {total, unread, matches, capped}
//! GET    /inbox/groups             ?by=tag|run|request              [{name, query, count, at}]
//! GET    /inbox/events             server-sent: `changed` after every change
//! GET    /inbox/m/UID              one message: fields, events, headers, text, files
//! GET    /inbox/m/UID/html         ?images=1                        for the frame ([`crate::frame`])
//! GET    /inbox/m/UID/source       the raw message as text
//! GET    /inbox/m/UID/request      the API request that created it
//! GET    /inbox/m/UID/eml          a download
//! GET    /inbox/m/UID/parts/N      a download of one of its files
//! POST   /inbox/m/UID/read, unread
//! DELETE /inbox/m/UID
//! ```
//!
//! `q` is in the language of [`query`]; its days are in the time zone `zone`, such as `Europe/Warsaw`.
//! Errors are `{error}`, for people. POST and DELETE need the header `X-Mailrun`, which no page of
//! another origin can send.

mod changes;
mod condition;
mod delete;
mod files;
mod groups;
mod list;
mod maildir;
mod message;
mod params;
mod query;
mod select;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::store::Store;
use crate::clock::Clock;

pub use self::maildir::{FollowError, follow};

pub(super) struct Inbox {
    store: Store,
    title: String,
    /// Whether messages can be deleted.
    writable: bool,
    clock: Clock,
    /// Identifies this process in the IDs of events.
    process: String,
}

impl Inbox {
    pub(super) fn new(store: Store, title: String, writable: bool, clock: Clock) -> Self {
        let process = clock.now().as_millisecond().to_string();
        Self {
            store,
            title,
            writable,
            clock,
            process,
        }
    }
}

/// The routes of the page, without access control.
pub(super) fn router<S: Clone + Send + Sync + 'static>(inbox: Arc<Inbox>) -> Router<S> {
    Router::new()
        .route("/", get(files::page))
        .route("/inbox/{file}", get(files::file))
        .route("/inbox/about", get(list::about))
        .route("/inbox/messages", get(list::messages).delete(delete::all))
        .route("/inbox/count", get(list::count))
        .route("/inbox/groups", get(groups::groups))
        .route("/inbox/events", get(changes::events))
        .route("/inbox/m/{uid}", get(message::view).delete(delete::one))
        .route("/inbox/m/{uid}/html", get(message::html))
        .route("/inbox/m/{uid}/source", get(message::source))
        .route("/inbox/m/{uid}/request", get(message::request))
        .route("/inbox/m/{uid}/eml", get(message::eml))
        .route("/inbox/m/{uid}/parts/{number}", get(message::part))
        .route("/inbox/m/{uid}/read", post(message::read))
        .route("/inbox/m/{uid}/unread", post(message::unread))
        .with_state(inbox)
}

/// A list that the store keeps as JSON.
fn json_list(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!([]))
}
