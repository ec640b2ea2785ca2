//! The page on which people read what the gateway keeps, and what it asks for.
//!
//! ```text
//! GET    /                         the page; its files are below /inbox/
//! GET    /inbox/about              what this is: {title, writable}
//! GET    /inbox/messages           ?q= &before=ID &limit= &zone=    newest first: {messages, more}
//! DELETE /inbox/messages           ?q= &zone=                       all that match: {deleted, kept}
//! GET    /inbox/count              ?q= &zone=                       {total, unread, matches, capped}
//! GET    /inbox/groups             ?by=tag|run|request              [{name, query, count, at}]
//! GET    /inbox/events             server-sent: `changed` when anything has changed
//! GET    /inbox/m/UID              one message: its fields, events, headers, text, files
//! GET    /inbox/m/UID/html         ?images=1                        the frame ([`crate::frame`])
//! GET    /inbox/m/UID/source       as it stands
//! GET    /inbox/m/UID/request      the API's request that made it
//! GET    /inbox/m/UID/eml          to be saved
//! GET    /inbox/m/UID/parts/N      one of its files, to be saved
//! POST   /inbox/m/UID/read, unread
//! DELETE /inbox/m/UID
//! ```
//!
//! `q` is the [query]'s language, days in it are those of `zone` (such as `Europe/Warsaw`). Errors are
//! `{error}`, for people. What changes something needs the header `X-Mailrun`, as all routes do that
//! do: no page of another origin can send it.

mod answers;
mod changes;
mod condition;
mod files;
mod list;
mod maildir;
mod message;
mod query;
mod remove;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::store::Store;
use crate::clock::Clock;

pub use self::maildir::{FollowError, follow};

/// What the page shows.
pub(super) struct Inbox {
    store: Store,
    /// What stands beside the name of the program.
    title: String,
    /// Whether messages can be deleted.
    writable: bool,
    clock: Clock,
    /// When the process began, so that its events are no other's.
    begun: String,
}

impl Inbox {
    pub(super) fn new(store: Store, title: String, writable: bool, clock: Clock) -> Self {
        let begun = clock.now().as_millisecond().to_string();
        Self {
            store,
            title,
            writable,
            clock,
            begun,
        }
    }
}

/// The page's routes. Who asks is not looked at here.
pub(super) fn router<S: Clone + Send + Sync + 'static>(inbox: Arc<Inbox>) -> Router<S> {
    Router::new()
        .route("/", get(files::page))
        .route("/inbox/{file}", get(files::file))
        .route("/inbox/about", get(list::about))
        .route("/inbox/messages", get(list::messages).delete(remove::all))
        .route("/inbox/count", get(list::count))
        .route("/inbox/groups", get(list::groups))
        .route("/inbox/events", get(changes::events))
        .route("/inbox/m/{uid}", get(message::view).delete(remove::one))
        .route("/inbox/m/{uid}/html", get(message::html))
        .route("/inbox/m/{uid}/source", get(message::source))
        .route("/inbox/m/{uid}/request", get(message::request))
        .route("/inbox/m/{uid}/eml", get(message::eml))
        .route("/inbox/m/{uid}/parts/{number}", get(message::part))
        .route("/inbox/m/{uid}/read", post(message::read))
        .route("/inbox/m/{uid}/unread", post(message::unread))
        .with_state(inbox)
}
