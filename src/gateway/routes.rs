//! Which endpoint answers what.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Extension, FromRequest, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::post;
use tokio::task::spawn_blocking;

use super::answers::{Refusal, in_doubt, respond, store_failed};
use super::capture::{self, Captured, Values};
use super::{Gateway, Kept, inbox, outbox};
use crate::api::{Answer, Dialect, MAX_SIZE};

/// The most bytes of a body: a message of the greatest size, every byte of it percent-encoded, and
/// a million for the other fields.
const MAX_BODY: usize = 3 * MAX_SIZE + 1_000_000;

/// The media type of what is posted.
const FORM: &str = "application/x-www-form-urlencoded";

/// What the gateway knows of a request beside the request itself.
#[derive(Clone)]
pub(super) struct Asked {
    /// The answer's name for it, also in the log.
    pub(super) req_id: String,
    /// Who asks.
    pub(super) remote: Option<SocketAddr>,
}

pub(super) fn router(gateway: Arc<Gateway>) -> Router {
    let api = match gateway.kept {
        Kept::Nothing => Router::new(),
        Kept::Outbox(_) | Kept::Store(_) => Router::new()
            .route("/api/sendmail", post(sendmail))
            .route("/api/new_sendmail", post(new_sendmail)),
    };
    let page = gateway.inbox.clone().map(inbox::router);
    api.merge(page.unwrap_or_default())
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&gateway),
            guarded,
        ))
        .with_state(gateway)
}

/// Gives a request its ID, and lets it pass or not.
async fn guarded(
    State(gateway): State<Arc<Gateway>>,
    mut request: Request,
    next: Next,
) -> Response {
    let remote = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let asked = Asked {
        req_id: gateway.post.random_id(),
        remote: remote.map(|ConnectInfo(address)| *address),
    };
    match gateway.guard.check(request.headers()) {
        Ok(()) => {
            request.extensions_mut().insert(asked);
            next.run(request).await
        }
        Err(refusal) => refusal.answer(&asked.req_id),
    }
}

async fn unknown(Extension(asked): Extension<Asked>) -> Response {
    Refusal::new(StatusCode::NOT_FOUND, "Unknown action").answer(&asked.req_id)
}

async fn sendmail(
    State(gateway): State<Arc<Gateway>>,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Response {
    take(gateway, Dialect::Sendmail, asked, request).await
}

async fn new_sendmail(
    State(gateway): State<Arc<Gateway>>,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Response {
    take(gateway, Dialect::NewSendmail, asked, request).await
}

async fn take(gateway: Arc<Gateway>, dialect: Dialect, asked: Asked, request: Request) -> Response {
    let body = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal.answer(&asked.req_id),
    };
    let req_id = asked.req_id.clone();
    let work = {
        let gateway = Arc::clone(&gateway);
        // Building messages, and files, would hold up every other request.
        spawn_blocking(move || gateway.work(dialect, &asked, &body))
    };
    let (captured, values) = match work.await {
        Ok(Ok(done)) => done,
        Ok(Err(refusal)) => return refusal.answer(&req_id),
        Err(_) => return in_doubt(),
    };
    if let (Some(captured), Kept::Store(store)) = (captured, &gateway.kept) {
        let stored = store.write(move |connection| captured.insert(connection));
        if let Err(error) = stored.await {
            return store_failed(&error, &req_id);
        }
    }
    respond(StatusCode::OK, Answer::success(values, req_id).encode())
}

impl Gateway {
    /// What of a request can be done without waiting for a commit; what is left is to be stored.
    fn work(
        &self,
        dialect: Dialect,
        asked: &Asked,
        body: &[u8],
    ) -> Result<(Option<Captured>, Values), Refusal> {
        match &self.kept {
            Kept::Outbox(maildir) => {
                let values = outbox::take(&self.post, maildir, dialect, body)?;
                Ok((None, values))
            }
            Kept::Nothing => Err(Refusal::new(StatusCode::NOT_FOUND, "Unknown action")),
            Kept::Store(_) => {
                let (captured, values) =
                    capture::prepare(&self.post, &self.permits, dialect, asked, body)?;
                Ok((Some(captured), values))
            }
        }
    }
}

async fn read(request: Request) -> Result<Bytes, Refusal> {
    check_head(request.headers())?;
    Bytes::from_request(request, &())
        .await
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::too_large(),
            status => Refusal::new(status, rejection.body_text()),
        })
}

/// What can be said of a body before it is read.
fn check_head(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let media_type = text(CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    if media_type.is_some_and(|media_type| !media_type.eq_ignore_ascii_case(FORM)) {
        let message = format!("The body must be {FORM}");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let length = text(CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return Err(Refusal::too_large());
    }
    Ok(())
}
