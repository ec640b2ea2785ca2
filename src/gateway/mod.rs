//! The built-in mail API server: it speaks the vendor's API and keeps what it takes in an outbox.
//!
//! ```text
//! POST /api/sendmail ─► guard ─► decode, limits ─► mime ─► maildir ─► answer
//! ```
//!
//! It meets the sender on the wire alone: all that they share is [`crate::api`] and [`crate::address`].
//!
//! The outbox is a [Maildir] with one file for each address in `to`. Copies (`cc`,
//! `bcc`) get no file of their own: they are named in the file's `X-Mailrun-Envelope-To` headers.

mod encoding;
mod guard;
mod inbox;
pub mod maildir;
pub mod mime;
mod sendmail;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use rand::Rng;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use self::guard::Guard;
use self::maildir::Maildir;
use self::sendmail::Post;
use crate::api::{Answer, Dialect, MAX_SIZE};
use crate::clock::Clock;

/// The most bytes of a body: a message of the greatest size, every byte of it percent-encoded, and
/// a million for the other fields.
const MAX_BODY: usize = 3 * MAX_SIZE + 1_000_000;

/// The media type of what is posted.
const FORM: &str = "application/x-www-form-urlencoded";

/// What a gateway needs to run.
pub struct Config {
    /// The App Key: the user of the login.
    pub app_key: String,
    /// The Secret Key: the password of the login.
    pub secret_key: SecretString,
    /// The outbox: the folder of a Maildir, made where there is none.
    pub outbox: PathBuf,
    /// The time.
    pub clock: Clock,
    /// Where message IDs and request IDs get their random bits from.
    pub random: Box<dyn Rng + Send>,
}

/// Serves the API until `shutdown` is done; what is being taken then is taken to its end.
///
/// # Errors
/// An outbox that cannot be made, or a listener that has failed.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let gateway = Arc::new(Gateway::new(config, listener.local_addr()?)?);
    let listener = listener.tap_io(|stream| {
        // An answer is one write; it must not wait for the one before it to be acknowledged.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
    });
    axum::serve(listener, router(gateway))
        .with_graceful_shutdown(shutdown)
        .await
}

struct Gateway {
    guard: Guard,
    post: Post,
}

impl Gateway {
    fn new(config: Config, listening: SocketAddr) -> io::Result<Self> {
        let Config {
            app_key,
            secret_key,
            outbox,
            clock,
            random,
        } = config;
        let guard = Guard {
            app_key,
            secret_key,
            listening,
        };
        let outbox = Maildir::open(&outbox)?;
        Ok(Self {
            guard,
            post: Post {
                outbox,
                clock,
                random: Mutex::new(random),
            },
        })
    }

    fn refuse(&self, refusal: Refusal) -> Response {
        tracing::info!(
            status = refusal.status.as_u16(),
            reason = refusal.message,
            "refused"
        );
        let answer = Answer::error(
            refusal.status.as_u16(),
            refusal.message,
            self.post.random_id(),
        );
        respond(refusal.status, &answer)
    }
}

fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/api/sendmail", post(sendmail))
        .route("/api/new_sendmail", post(new_sendmail))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&gateway),
            guarded,
        ))
        .with_state(gateway)
}

/// Why a whole request is refused.
struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    fn too_large() -> Self {
        let message = format!(
            "Email size exceeds outgoing message size limit. The most is {MAX_SIZE} bytes of html, \
             text and attachments in base64"
        );
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }
}

fn respond(status: StatusCode, answer: &Answer) -> Response {
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        answer.encode(),
    )
        .into_response()
}

async fn guarded(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    match gateway.guard.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => gateway.refuse(refusal),
    }
}

async fn unknown(State(gateway): State<Arc<Gateway>>) -> Response {
    gateway.refuse(Refusal::new(StatusCode::NOT_FOUND, "Unknown action"))
}

async fn sendmail(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    take(gateway, Dialect::Sendmail, request).await
}

async fn new_sendmail(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    take(gateway, Dialect::NewSendmail, request).await
}

async fn take(gateway: Arc<Gateway>, dialect: Dialect, request: Request) -> Response {
    let body = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return gateway.refuse(refusal),
    };
    let taken = {
        let gateway = Arc::clone(&gateway);
        // Building and storing messages would hold up every other request.
        spawn_blocking(move || gateway.post.take(dialect, &body)).await
    };
    match taken {
        Ok(Ok(values)) => respond(
            StatusCode::OK,
            &Answer::success(values, gateway.post.random_id()),
        ),
        Ok(Err(refusal)) => gateway.refuse(refusal),
        // Nobody knows what was stored, so this is not the API's JSON.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
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
