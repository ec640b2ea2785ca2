//! Why a lookup failed.

use std::net::IpAddr;

use super::DnsError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookupError {
    /// The URL must not be requested.
    #[error("{0}")]
    NotAllowed(String),
    #[error("{0} is not a public address")]
    NotPublic(IpAddr),
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// The certificate is invalid, or there is no TLS.
    #[error("no secure connection: {0}")]
    Tls(String),
    /// There are too many redirects, or one is invalid.
    #[error("{0}")]
    Redirect(String),
    #[error("{0}")]
    Unanswered(String),
}
