//! Posting a request and getting its answer. Nothing is retried in here.

mod http;
pub mod lookup;

use std::future::Future;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

pub use http::{HttpSettings, HttpTransport, SetupError};

/// Makes `ring` the process's cryptography for TLS, which reqwest takes from there.
pub(crate) fn install_crypto_provider() {
    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The body of a request, in pieces, so that attachments are shared and not copied.
#[derive(Debug, Clone, Default)]
pub struct Body(pub Vec<Bytes>);

impl Body {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What came back, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`; in seconds where the answer says what time it is at the server.
    pub retry_after: Option<String>,
    /// The header `Location`.
    pub location: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// No connection could be made (DNS, TCP, TLS): the request was certainly not taken.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// Something failed after that: the request may have been taken.
    #[error("{0}")]
    Broken(String),
}

/// A date as HTTP writes it (RFC 9110 5.6.7).
pub fn http_date(text: &str) -> Option<Timestamp> {
    let date = rfc2822::parse(&text.trim().replace("GMT", "+0000")).ok()?;
    Some(date.timestamp())
}

/// Asking an API what it knows; nothing is changed by it.
pub trait Lookup: Send + Sync + 'static {
    /// Asks `GET emails` with this query once.
    fn emails(&self, query: &str) -> impl Future<Output = Result<Reply, PostError>> + Send;
}

/// The way to an API.
pub trait Transport: Send + Sync + 'static {
    /// Posts a request once.
    fn post(&self, body: Body) -> impl Future<Output = Result<Reply, PostError>> + Send;
}
