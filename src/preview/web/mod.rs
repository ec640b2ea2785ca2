//! The preview page: every recipient's message in the browser, before it is sent.
//!
//! ```text
//! GET /                     the page; its files are below /preview/
//! GET /preview/about        the campaign: {title, rows, columns, broken, common, …}; `broken` has the
//!                           errors of the saved version, `common` the findings of the whole campaign
//! GET /preview/rows         ?q= &from=PLACE &limit= &row=   {total, matches, place, scan, rows}; with `scan`
//!                                                           true, get the rows from /preview/scan
//!                           ?of=1,5,9                       {rows}
//! GET /preview/scan         ?q= &from=PLACE &limit=         rows with findings: {found, next, done}
//! GET /preview/events       server-sent events: `saved` when the campaign was saved
//! GET /preview/m/ROW        one message: its cells, findings, text, files
//! GET /preview/m/ROW/html   ?look=light|dark|inverted &images=1   see [`crate::frame`]
//! GET /preview/m/ROW/source
//! GET /preview/m/ROW/headers
//! GET /preview/m/ROW/diff   ?of=html|text &other=ROW        without `other`: the version before the last save
//! GET /preview/m/ROW/eml    a download
//! ```
//!
//! `query` defines the language of `q`. `set.COLUMN=VALUE` renders a message with another value in a
//! cell. No request changes anything. Messages are rendered on request only. Errors are `{error}`, a
//! text for the user.

mod assets;
mod common_warnings;
mod diff;
mod events;
mod file_watcher;
mod list;
mod live_campaign;
mod loaded_campaign;
mod message;
mod query;
mod search;
mod searchable_rows;
mod to_json;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;

use self::live_campaign::LiveCampaign;
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::finding::Finding;
use crate::suppression::CampaignLists;
use crate::web::{ConnectionLimits, Guard, HttpError, Server};

/// Reads the kept lists of a campaign.
pub(crate) type ListReader = dyn Fn(&Campaign) -> Result<CampaignLists, Vec<Finding>> + Send + Sync;

pub(crate) struct Preview(Arc<LiveCampaign>);

impl Preview {
    /// Loads the campaign at `path`. The page shows its errors. Every message is that of `variant`, if there is one.
    pub(crate) fn open(
        path: PathBuf,
        variant: Option<String>,
        lists: Box<ListReader>,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(LiveCampaign::new(path, variant, lists, clock)))
    }

    /// Serves the page until `shutdown` completes.
    ///
    /// # Errors
    /// When other machines can reach the listener.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let guard = Guard::new(None, listener.local_addr()?, Vec::new());
        let guard = Arc::new(guard.map_err(io::Error::other)?);
        let server = Server {
            router: router(Arc::clone(&self.0))
                .layer(middleware::from_fn_with_state(guard, guarded)),
            limits: ConnectionLimits::default(),
            observer: Arc::new(()),
            rejection: Box::new(|| {
                json!({ "error": "Too many connections" })
                    .to_string()
                    .into()
            }),
        };
        tokio::select! {
            () = server.serve(listener, shutdown) => Ok(()),
            () = file_watcher::watch(self.0) => Ok(()),
        }
    }
}

fn router(live: Arc<LiveCampaign>) -> Router {
    Router::new()
        .route("/", get(assets::page))
        .route("/preview/{file}", get(assets::file))
        .route("/preview/about", get(list::about))
        .route("/preview/rows", get(list::rows))
        .route("/preview/scan", get(list::scan))
        .route("/preview/events", get(events::events))
        .route("/preview/m/{row}", get(message::view))
        .route("/preview/m/{row}/{part}", get(message::part))
        .fallback(unknown)
        .with_state(live)
}

async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let refuse = |status, words| HttpError(status, words).into_response();
    guard.pass(request, next, refuse).await
}

async fn unknown() -> HttpError {
    HttpError(StatusCode::NOT_FOUND, "Not found.".to_owned())
}
