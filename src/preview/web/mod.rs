//! The page on which people see every recipient's message before it is sent, and what it asks for.
//!
//! ```text
//! GET /                     the page; its files are below /preview/
//! GET /preview/about        the campaign: {title, rows, columns, broken, common, …}
//! GET /preview/rows         ?q= &from=PLACE &limit= &row=   {total, matches, place, rows}; none with `scan`
//!                           ?of=1,5,9                       {rows}
//! GET /preview/scan         ?q= &from=PLACE &limit=         those with findings: {found, next, done}
//! GET /preview/events       server-sent: `saved` when the campaign was saved
//! GET /preview/m/ROW        one message: its cells, findings, text, files
//! GET /preview/m/ROW/html   ?look=light|dark|inverted &images=1   the frame ([`crate::frame`])
//! GET /preview/m/ROW/source
//! GET /preview/m/ROW/headers
//! GET /preview/m/ROW/diff   ?of=html|text &other=ROW        without `other`, what the last save changed
//! GET /preview/m/ROW/eml    to be saved
//! ```
//!
//! `q` is the language of `query`. With `set.COLUMN=VALUE` a message is made with another value in a
//! cell. Nothing here changes anything, and nothing is rendered that is not asked for. Errors are
//! `{error}`, for people.

mod changes;
mod differences;
mod everywhere;
mod files;
mod list;
mod loaded;
mod message;
mod query;
mod search;
mod shown;
mod site;
mod spool;
mod watching;

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

use self::site::Site;
use crate::clock::Clock;
use crate::web::{Failed, Guard, Limits, Server};

/// A campaign that is ready to be shown.
pub struct Preview(Arc<Site>);

impl Preview {
    /// Reads the campaign at `path`. What is wrong with it is shown on the page.
    pub fn open(path: PathBuf, clock: Clock) -> Self {
        Self(Arc::new(Site::new(path, clock)))
    }

    /// Serves the page until `shutdown` is done.
    ///
    /// # Errors
    /// A listener that others than this machine reach.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let guard = Guard::new(None, listener.local_addr()?, Vec::new());
        let guard = Arc::new(guard.map_err(io::Error::other)?);
        let server = Server {
            router: router(Arc::clone(&self.0))
                .layer(middleware::from_fn_with_state(guard, guarded)),
            limits: Limits::default(),
            watcher: Arc::new(()),
            too_many: Box::new(|| {
                json!({ "error": "Too many connections" })
                    .to_string()
                    .into()
            }),
        };
        tokio::select! {
            () = server.serve(listener, shutdown) => Ok(()),
            () = watching::watch(self.0) => Ok(()),
        }
    }
}

fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(files::page))
        .route("/preview/{file}", get(files::file))
        .route("/preview/about", get(list::about))
        .route("/preview/rows", get(list::rows))
        .route("/preview/scan", get(list::scan))
        .route("/preview/events", get(changes::events))
        .route("/preview/m/{row}", get(message::view))
        .route("/preview/m/{row}/html", get(message::html))
        .route("/preview/m/{row}/source", get(message::source))
        .route("/preview/m/{row}/headers", get(message::headers))
        .route("/preview/m/{row}/diff", get(message::diff))
        .route("/preview/m/{row}/eml", get(message::eml))
        .fallback(unknown)
        .with_state(site)
}

/// Lets a request pass or not.
async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let refuse = |status, words| Failed(status, words).into_response();
    guard.pass(request, next, refuse).await
}

async fn unknown() -> Failed {
    Failed(StatusCode::NOT_FOUND, "There is nothing here.".to_owned())
}
