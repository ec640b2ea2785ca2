//! Which endpoint answers what.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body::Body;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::access::Noted;
use super::answers::{Refusal, in_doubt, respond, store_failed};
use super::capture::{self, Captured, Values};
use super::room::{Posted, Room};
use super::{Gateway, Kept, inbox, metrics, outbox, rest, templates};
use crate::api::{Answer, Dialect, MAX_SIZE};
use crate::web::TooSlow;

/// The most bytes of a body: a message of the greatest size, every byte of it percent-encoded, and
/// a million for the other fields.
const MAX_BODY: usize = 3 * MAX_SIZE + 1_000_000;

/// The largest body of which messages are built right where it was read. That takes some 0.1 ms, as long as
/// handing it to another thread and back.
const SMALL_BODY: usize = 64 * 1024;

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
    let mut router = Router::new();
    if !matches!(gateway.kept, Kept::Nothing) {
        router = router
            .route("/api/sendmail", post(sendmail))
            .route("/api/new_sendmail", post(new_sendmail));
    }
    if let Kept::Store(store) = &gateway.kept {
        let accounts = gateway.permits.accounts();
        router = router
            .route("/healthz", get(health))
            .route("/metrics", get(metrics))
            .route("/api/sendmail_templates", post(sendmail_templates))
            .merge(rest::router(store, &gateway.post, accounts));
    }
    if let Some(inbox) = &gateway.inbox {
        router = router.merge(inbox::router(Arc::clone(inbox)));
    }
    let mut router = router
        .fallback(unknown)
        .method_not_allowed_fallback(unknown);
    let with = || Arc::clone(&gateway);
    if gateway.chaos.is_some() {
        router = router.layer(middleware::from_fn_with_state(with(), spoilt));
    }
    router
        .layer(Extension(Room::default()))
        .layer(middleware::from_fn_with_state(with(), guarded))
        .layer(middleware::from_fn_with_state(with(), noted))
        .with_state(gateway)
}

/// Gives a request its ID, and writes down what comes of it.
async fn noted(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let req_id = gateway.post.random_id();
    gateway.access.pass(req_id, request, next).await
}

/// Lets a request pass or not.
async fn guarded(
    State(gateway): State<Arc<Gateway>>,
    Extension(asked): Extension<Asked>,
    request: Request,
    next: Next,
) -> Response {
    let refuse = |status, message| Refusal::new(status, message).answer(&asked.req_id);
    gateway.guard.pass(request, next, refuse).await
}

/// Makes trouble on demand.
async fn spoilt(
    State(gateway): State<Arc<Gateway>>,
    Extension(asked): Extension<Asked>,
    request: Request,
    next: Next,
) -> Response {
    let metrics = &gateway.access.metrics;
    match &gateway.chaos {
        Some(chaos) => chaos.pass(&asked, metrics, request, next).await,
        None => next.run(request).await,
    }
}

async fn health(
    State(gateway): State<Arc<Gateway>>,
    Extension(asked): Extension<Asked>,
) -> Response {
    let (status, mut json) = match gateway.health.check().await {
        Ok(()) => (StatusCode::OK, json!({"status": "ok"})),
        Err(message) => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({"status": "error", "message": message}),
        ),
    };
    json["req_id"] = asked.req_id.into();
    respond(status, json.to_string().into_bytes())
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    // Some of it is read from the store.
    match spawn_blocking(move || gateway.access.metrics.text()).await {
        Ok(text) => ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn unknown(Extension(asked): Extension<Asked>) -> Response {
    Refusal::unknown_action().answer(&asked.req_id)
}

async fn sendmail(
    State(gateway): State<Arc<Gateway>>,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Response {
    take(gateway, Kind::Plain(Dialect::Sendmail), asked, request).await
}

async fn new_sendmail(
    State(gateway): State<Arc<Gateway>>,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Response {
    take(gateway, Kind::Plain(Dialect::NewSendmail), asked, request).await
}

async fn sendmail_templates(
    State(gateway): State<Arc<Gateway>>,
    Extension(asked): Extension<Asked>,
    request: Request,
) -> Response {
    take(gateway, Kind::Templates, asked, request).await
}

async fn take(gateway: Arc<Gateway>, kind: Kind, asked: Asked, request: Request) -> Response {
    let body = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal.answer(&asked.req_id),
    };
    let req_id = asked.req_id.clone();
    let done = if gateway.is_quick(kind) && body.len() <= SMALL_BODY {
        let done = gateway.work(kind, &asked, &body);
        Ok(done.map(|done| (done, body.into_part())))
    } else {
        let gateway = Arc::clone(&gateway);
        // Building large messages, and files, would hold up every other request.
        spawn_blocking(move || {
            let done = gateway.work(kind, &asked, &body);
            done.map(|done| (done, body.into_part()))
        })
        .await
    };
    let ((mut captured, values), part) = match done {
        Ok(Ok(done)) => done,
        Ok(Err(refusal)) => return refusal.answer(&req_id),
        Err(_) => return in_doubt(),
    };
    let noted = noted_of(&captured, values.len());
    if let Kept::Store(store) = &gateway.kept {
        let stored = store.write_again(move |connection| {
            // What waits to be written takes its room, whether or not its client waits for it.
            let _part = &part;
            let mut captured = captured.iter_mut();
            captured.try_fold(None, |request, captured| {
                captured.insert(connection, request)
            })
        });
        if let Err(error) = stored.await {
            return store_failed(&error, &req_id);
        }
    }
    let mut response = respond(StatusCode::OK, Answer::success(values, req_id).encode());
    response.extensions_mut().insert(noted);
    response
}

fn noted_of(captured: &[Captured], recipients: usize) -> Noted {
    let mut noted = Noted {
        recipients,
        ..Noted::default()
    };
    for (account, messages) in captured.iter().map(Captured::told) {
        if let Some(account) = account {
            account.clone_into(&mut noted.account);
        }
        noted.taken += messages;
    }
    noted
}

/// What can be posted with messages in it.
#[derive(Clone, Copy)]
enum Kind {
    Plain(Dialect),
    /// `sendmail_templates`
    Templates,
}

impl Gateway {
    /// Whether [`Gateway::work`] reads and writes nothing.
    fn is_quick(&self, kind: Kind) -> bool {
        matches!((&self.kept, kind), (Kept::Store(_), Kind::Plain(_)))
    }

    /// What of a request can be done without waiting for a commit; what is left is to be stored, the
    /// messages of one request together.
    fn work(
        &self,
        kind: Kind,
        asked: &Asked,
        body: &[u8],
    ) -> Result<(Vec<Captured>, Values), Refusal> {
        match (&self.kept, kind) {
            (Kept::Outbox(maildir), Kind::Plain(dialect)) => {
                let values = outbox::take(&self.post, maildir, dialect, body)?;
                Ok((Vec::new(), values))
            }
            (Kept::Store(_), Kind::Plain(dialect)) => {
                let (captured, values) = capture::prepare(self, dialect, asked, body)?;
                Ok((vec![captured], values))
            }
            (Kept::Store(store), Kind::Templates) => templates::prepare(self, store, asked, body),
            (Kept::Outbox(_), Kind::Templates) | (Kept::Nothing, _) => {
                Err(Refusal::unknown_action())
            }
        }
    }
}

/// Reads the body of what is posted.
///
/// # Errors
/// A body of another type, one that is too large, one that there is no room for, or one that comes too slowly.
pub(super) async fn read(request: Request) -> Result<Posted, Refusal> {
    check_head(request.headers())?;
    let room = request.extensions().get::<Room>().cloned();
    let room = room.unwrap_or_default();
    let mut body = request.into_body();
    let mut length = 0;
    let mut kept = Some(Posted::default());
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|error| unread(&error))?.into_data() else {
            continue;
        };
        length += data.len();
        if length > MAX_BODY {
            return Err(Refusal::too_large());
        }
        // What there is no room for is read to its end: who is still sending may not hear an answer.
        kept = kept.and_then(|posted| posted.with(&data, &room));
    }
    kept.ok_or_else(Refusal::no_room)
}

fn unread(error: &axum::Error) -> Refusal {
    if TooSlow::is_cause_of(error) {
        return Refusal::new(StatusCode::REQUEST_TIMEOUT, TooSlow.to_string());
    }
    let message = format!("The body can't be read: {error}");
    Refusal::new(StatusCode::BAD_REQUEST, message)
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
