//! Receives messages by SMTP (RFC 5321), for programs that do not speak the API.
//!
//! ```text
//! line ─► session (no I/O) ─► reply
//!            └ DATA ─► text without added dots ─► parse ─► store or outbox ─► 250
//! ```
//!
//! A 250 after the final dot means what a 200 of the API means: the message is on the disk. Without a reply,
//! the message may be stored. Any other reply means that it is not.
//!
//! A message is stored byte for byte, once for each recipient of the envelope.

mod auth;
mod connection;
mod data;
mod envelope;
mod faults;
mod receive;
mod reply;
mod session;
mod stream;
mod tls;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream};

use self::connection::Connection;
use self::session::SessionRules;
use self::stream::Stream;
use super::Gateway;
use crate::api::MAX_SIZE;
use crate::web::{Acceptor, ConnectionLimits, ConnectionObserver, Protocol, Stopping};

pub use self::tls::{Certificate, CertificateError};

/// The account of messages from clients without a login.
pub(super) const DEFAULT_ACCOUNT: &str = "smtp";
/// The largest message in bytes: one of the API's maximum, with its headers and the line breaks in base64.
const MAX_MESSAGE: usize = MAX_SIZE + 1_000_000;

/// Where and how messages are received by SMTP.
pub struct SmtpSetup {
    pub listener: TcpListener,
    /// With it, clients can use STARTTLS.
    pub certificate: Option<Certificate>,
    /// The account of messages that name none in their header `X-Mailrun-Account`. Without it, that is the
    /// login's App Key, or `smtp`.
    pub account: Option<String>,
}

/// What the connections of an SMTP server share.
struct SmtpServer {
    gateway: Arc<Gateway>,
    rules: Arc<SessionRules>,
    limits: ConnectionLimits,
    certificate: Option<Certificate>,
    account: Option<String>,
}

/// Serves until `shutdown` completes. Messages that are arriving then are still answered, within the
/// limit.
///
/// # Errors
/// If the listener has failed.
pub(super) async fn serve(
    gateway: Arc<Gateway>,
    limits: ConnectionLimits,
    setup: SmtpSetup,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let listening = setup.listener.local_addr()?;
    let rules = SessionRules {
        name: server_name(&gateway, listening.ip()),
        max_message: MAX_MESSAGE,
        has_tls: setup.certificate.is_some(),
        needs_login: gateway.guard.login().is_some(),
        relays: gateway.permits.relays(),
    };
    let observer = Arc::clone(&gateway.access_log.metrics) as Arc<dyn ConnectionObserver>;
    let server = SmtpServer {
        gateway,
        rules: Arc::new(rules),
        limits: limits.clone(),
        certificate: setup.certificate,
        account: setup.account,
    };
    let acceptor = Acceptor {
        protocol: SmtpProtocol(Arc::new(server)),
        limits,
        observer,
    };
    acceptor.serve(setup.listener, shutdown).await;
    Ok(())
}

/// The first of the gateway's names, or an address literal (RFC 5321 4.1.3).
fn server_name(gateway: &Gateway, ip: IpAddr) -> String {
    match (gateway.guard.hosts().first(), ip.to_canonical()) {
        (Some(host), _) => host.clone(),
        (None, IpAddr::V4(ip)) => format!("[{ip}]"),
        (None, IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
    }
}

struct SmtpProtocol(Arc<SmtpServer>);

impl Protocol for SmtpProtocol {
    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        stopping: Stopping,
    ) -> BoxFuture<'static, ()> {
        let server = Arc::clone(&self.0);
        let connection = Connection::new(server, Stream::Plain(stream), peer, stopping);
        connection.run().boxed()
    }

    fn reject(&self, stream: TcpStream) -> BoxFuture<'static, io::Result<()>> {
        connection::reject(Stream::Plain(stream)).boxed()
    }
}
