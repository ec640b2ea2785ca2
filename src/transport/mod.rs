//! Posting a request and reading its answer. Nothing is retried here.

mod http;
pub mod lookup;
mod mask;

use std::future::Future;

use bytes::Bytes;
use jiff::Timestamp;

pub use http::{HttpSettings, HttpTransport, SetupError};

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

/// An answer, not interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    pub status: u16,
    /// The header `Retry-After`; in seconds if the answer has the server's time.
    pub retry_after: Option<String>,
    pub location: Option<String>,
    pub body: Bytes,
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

/// A date in a header (RFC 9110 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    Timestamp::try_from(date).ok()
}

/// Reading from an API.
pub(crate) trait Lookup: Send + Sync + 'static {
    /// Sends `GET emails` with this query once.
    fn emails(&self, query: &str) -> impl Future<Output = Result<HttpReply, PostError>> + Send;
}

/// Sending to an API.
pub trait Transport: Send + Sync + 'static {
    /// Posts a request once.
    fn post(&self, body: RequestBody) -> impl Future<Output = Result<HttpReply, PostError>> + Send;
}
