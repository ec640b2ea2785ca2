//! Posting a request, and what became of it. Nothing is retried here.

mod dkim;
mod http;
pub mod lookup;
mod mask;
mod smtp;

use std::future::Future;

use bytes::Bytes;
use jiff::Timestamp;

use crate::address::Address;
use crate::api::{Dialect, HttpReply, Posted};
use crate::message::Recipient;
use crate::outcome::{Blame, LookupOutcome, PostOutcome, one_line};

pub(crate) use dkim::DkimKey;
pub use http::{HttpSettings, HttpTransport, SetupError};
pub(crate) use smtp::{SmtpTransport, SmtpTransportSettings};

/// Makes `ring` the process's cryptography for TLS, which reqwest takes from there.
pub(crate) fn install_crypto_provider() {
    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The body of a request, in chunks, so that attachments are shared and not copied.
#[derive(Debug, Clone, Default)]
pub struct RequestBody(pub Vec<Bytes>);

impl RequestBody {
    /// The length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// DNS, TCP or TLS failed: the request was certainly not taken.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// The server's certificate is invalid or not trusted (RFC 5280): no later attempt will succeed.
    #[error(
        "the server's TLS certificate is not trusted: {0}. If the server is yours, add the certificate of its authority \
         to those of the system, or name a file with it in SSL_CERT_FILE; then continue with `mailrun resume`"
    )]
    Untrusted(String),
    /// Something failed after that: the request may have been taken.
    #[error("{0}")]
    Broken(String),
}

/// A request, ready to be posted.
#[derive(Debug, Clone)]
pub struct PostRequest {
    /// Each of them gets a message of its own.
    pub to: Vec<Recipient>,
    /// The envelope sender.
    pub sender: Address,
    /// The recipients of copies.
    pub copies: Vec<Address>,
    pub body: RequestBody,
}

/// Looking up messages.
pub(crate) trait Lookup: Send + Sync + 'static {
    /// Asks once about the message with this ID.
    fn look_up(&self, message_id: &str) -> impl Future<Output = LookupOutcome> + Send;
}

/// A way of sending.
pub trait Transport: Send + Sync + 'static {
    /// Posts a request once, and says what became of it.
    fn post(&self, request: &PostRequest) -> impl Future<Output = PostOutcome> + Send;
}

/// The way of sending that a campaign chooses.
pub(crate) enum AnyTransport {
    Http(HttpTransport),
    Smtp(SmtpTransport),
}

impl Transport for AnyTransport {
    async fn post(&self, request: &PostRequest) -> PostOutcome {
        match self {
            Self::Http(http) => http.post(request).await,
            Self::Smtp(smtp) => smtp.post(request).await,
        }
    }
}

/// What the result of posting a request means for its recipients.
pub fn post_outcome(
    result: &Result<HttpReply, PostError>,
    dialect: &dyn Dialect,
    to: &[Posted<'_>],
    now: Timestamp,
) -> PostOutcome {
    match result {
        Ok(reply) => dialect.outcome(reply, to, now),
        Err(error @ PostError::NotConnected(_)) => {
            PostOutcome::not_taken(Blame::Network, one_line(&error.to_string()), None)
        }
        Err(error @ PostError::Untrusted(_)) => PostOutcome::Stop {
            reason: error.to_string(),
            not_taken: true,
        },
        Err(error @ PostError::Broken(_)) => {
            PostOutcome::unknown(to.len(), one_line(&error.to_string()))
        }
    }
}
