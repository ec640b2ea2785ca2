//! The endpoints.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::access_log;
use super::entries::WebhookBatch;
use super::is_local;
use super::journal::Journal;
use super::page::{Page, View};
use super::webhook::{self, WebhookError, WebhookSecrets};
use crate::clock::Clock;
use crate::list_name::ListName;
use crate::unsubscribe::{FeedbackKeys, ONE_CLICK, TEST_TOKEN, UnsubscribeToken};
use crate::web::{LoginCheck, LoginError, Peer, add_security_headers};

/// The largest body of a click, and of a webhook, in bytes.
const MAX_CLICK: usize = 16 << 10;
const MAX_WEBHOOK: usize = 8 << 20;
/// Headers that say that a proxy passed a request on.
const FORWARDED: [&str; 5] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "via",
];

pub(super) struct Service {
    pub(super) keys: FeedbackKeys,
    pub(super) pages: BTreeMap<ListName, Page>,
    pub(super) default_page: Page,
    pub(super) webhooks: Option<WebhookSecrets>,
    pub(super) login: Option<LoginCheck>,
    pub(super) journal: Journal,
    /// Tells the applier about new entries.
    pub(super) wake: SyncSender<()>,
    pub(super) clock: Clock,
}

type Shared = State<Arc<Service>>;

pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/u/{token}", get(ask).post(click))
        .route("/u/{token}/undo", post(undo))
        .route("/webhook/v2", post(webhook_v2))
        .route("/webhook/events", post(webhook_old))
        .route("/healthz", get(async || "ok\n"))
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::map_response(async |mut response: Response| {
            add_security_headers(response.headers_mut(), true);
            response
        }))
        .layer(middleware::from_fn(access_log::record))
        .with_state(service)
}

impl Service {
    /// What a token says, if this server serves its list.
    fn verified(&self, token: &str) -> Option<(UnsubscribeToken, &Page)> {
        let verified = self.keys.verify(token)?;
        let page = self.pages.get(&verified.list)?;
        Some((verified, page))
    }

    fn not_found(&self, headers: &HeaderMap) -> Response {
        self.default_page.response(headers, &View::NotFound)
    }

    fn wake(&self) {
        // If it is full, the applier is awake.
        let _ = self.wake.try_send(());
    }
}

async fn not_found(State(service): Shared, headers: HeaderMap) -> Response {
    service.not_found(&headers)
}

/// Shows the page, and changes nothing: scanners of mail follow links.
async fn ask(State(service): Shared, Path(token): Path<String>, headers: HeaderMap) -> Response {
    if token == TEST_TOKEN {
        let view = View::Ask { is_test: true };
        return service.default_page.response(&headers, &view);
    }
    match service.verified(&token) {
        Some((_, page)) => page.response(&headers, &View::Ask { is_test: false }),
        None => service.not_found(&headers),
    }
}

/// Unsubscribes (RFC 8058 3.2).
async fn click(State(service): Shared, Path(token): Path<String>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let headers = &head.headers;
    let is_test = token == TEST_TOKEN;
    let verified = service.verified(&token);
    if !is_test && verified.is_none() {
        return service.not_found(headers);
    }
    let body = match read(&head, body, MAX_CLICK).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    if !is_one_click(headers, &body) {
        let message = "the body must be List-Unsubscribe=One-Click\n";
        return (StatusCode::BAD_REQUEST, message).into_response();
    }
    let Some((verified, page)) = verified else {
        let (is_test, undo) = (true, None);
        let view = View::Done { is_test, undo };
        return service.default_page.response(headers, &view);
    };
    match service.journal.click(verified).await {
        Ok(at) => {
            service.wake();
            let proof = service.keys.undo_proof(&token, at);
            let undo = Some((token.as_str(), proof.as_str()));
            let is_test = false;
            page.response(headers, &View::Done { is_test, undo })
        }
        Err(_) => page.response(headers, &View::Failed),
    }
}

/// Undoes the click that the proof is about.
async fn undo(State(service): Shared, Path(token): Path<String>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let headers = &head.headers;
    let Some((verified, page)) = service.verified(&token) else {
        return service.not_found(headers);
    };
    let body = match read(&head, body, MAX_CLICK).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let mut fields = url::form_urlencoded::parse(&body);
    let proof = fields.find(|(name, _)| name == "proof");
    let proof = proof.and_then(|(_, proof)| service.keys.verify_undo(&token, &proof));
    let Some(at) = proof else {
        return service.not_found(headers);
    };
    match service.journal.undo(verified, at).await {
        Ok(()) => {
            service.wake();
            page.response(headers, &View::Undone)
        }
        Err(_) => page.response(headers, &View::Failed),
    }
}

async fn webhook_v2(State(service): Shared, request: Request) -> Response {
    take_webhook(&service, request, webhook::check_v2, webhook::batch_v2).await
}

async fn webhook_old(State(service): Shared, request: Request) -> Response {
    take_webhook(&service, request, webhook::check_old, webhook::batch_old).await
}

type Check = fn(&HeaderMap, &WebhookSecrets, jiff::Timestamp) -> Result<String, WebhookError>;
type Decode = fn(String, &[u8]) -> Result<WebhookBatch, WebhookError>;

/// Records the events of a request. Who sent it is checked before its body is read.
async fn take_webhook(
    service: &Service,
    request: Request,
    check: Check,
    decode: Decode,
) -> Response {
    let (head, body) = request.into_parts();
    let Some(secrets) = &service.webhooks else {
        return service.not_found(&head.headers);
    };
    // Before the login: behind a proxy, all clients have one address, so wrong logins of strangers would delay the vendor.
    let id = match check(&head.headers, secrets, service.clock.now()) {
        Ok(id) => id,
        Err(error) => return refused(error),
    };
    if let Err(response) = authorize(service, &head).await {
        return response;
    }
    let body = match read(&head, body, MAX_WEBHOOK).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let batch = match decode(id, &body) {
        Ok(batch) => batch,
        Err(error) => return refused(error),
    };
    match service.journal.webhook(batch).await {
        Ok(()) => {
            service.wake();
            "OK".into_response()
        }
        Err(_) => busy(),
    }
}

fn refused(error: WebhookError) -> Response {
    let status = match error {
        WebhookError::Checksum | WebhookError::TooOld => StatusCode::FORBIDDEN,
        WebhookError::Body => StatusCode::BAD_REQUEST,
    };
    (status, format!("{error}\n")).into_response()
}

fn busy() -> Response {
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, "try again\n").into_response();
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("10"));
    response
}

/// The login. Without one, the client must be on this machine and no proxy may be in between: the checksums do not cover
/// the body.
async fn authorize(service: &Service, head: &Parts) -> Result<(), Response> {
    let peer = head.extensions.get::<Peer>().map(|Peer(peer)| *peer);
    let Some(login) = &service.login else {
        let forwarded = FORWARDED
            .iter()
            .any(|name| head.headers.contains_key(*name));
        return match peer.is_some_and(is_local) && !forwarded {
            true => Ok(()),
            false => {
                let message = "without a login, webhooks are accepted from this machine only\n";
                Err((StatusCode::FORBIDDEN, message).into_response())
            }
        };
    };
    let client = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer: SocketAddr| peer.ip());
    login.check(&head.headers, client).await.map_err(|error| {
        let status = match error {
            LoginError::Invalid => StatusCode::UNAUTHORIZED,
            LoginError::TooManyGuesses => StatusCode::TOO_MANY_REQUESTS,
        };
        let mut response = (status, "the login is missing or wrong\n").into_response();
        let scheme = HeaderValue::from_static("Basic realm=\"mailrun\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        response
    })
}

async fn read(head: &Parts, body: Body, max: usize) -> Result<Bytes, Response> {
    let length = head.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let too_large = || (StatusCode::PAYLOAD_TOO_LARGE, "too large\n").into_response();
    if length.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    // It is too large, or came too slowly.
    to_bytes(body, max).await.map_err(|_| too_large())
}

/// Whether the body is that of RFC 8058: a form, encoded in one of the two ways of HTML.
fn is_one_click(headers: &HeaderMap, body: &[u8]) -> bool {
    let (name, value) = ONE_CLICK.split_once('=').unwrap_or((ONE_CLICK, ""));
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let is_multipart = kind.is_some_and(|kind| {
        let kind = kind.trim_start().get(..19);
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data"))
    });
    if is_multipart {
        let text = String::from_utf8_lossy(body);
        let field = format!("name=\"{name}\"");
        let mut parts = text.split(&field).skip(1);
        return parts.any(|part| part.lines().skip(1).any(|line| line.trim() == value));
    }
    url::form_urlencoded::parse(body).any(|(field, text)| field == name && text == value)
}
