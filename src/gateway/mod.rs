//! The gateway: a server that speaks the vendor's API and stores the messages that it accepts.
//!
//! ```text
//! POST /api/sendmail ─► guard ─► decode, validate ─► compose MIME ─► outbox or store ─► response
//! ```
//!
//! For `send --local`, the gateway writes messages into an outbox and does nothing else. The outbox is a
//! Maildir with one file for each address in `to`. Copies (`cc`, `bcc`) get no file: the file's
//! `X-Mailrun-Envelope-To` headers name them. With a [`Store`], it is the stand-alone gateway with the
//! whole API. Both can receive messages by SMTP too.

mod access_log;
mod body_memory;
mod capture;
pub mod chaos;
mod compose;
pub mod config;
mod export;
mod health;
mod histogram;
mod inbox;
mod lists;
mod maildir;
mod message_endpoint;
mod metrics;
mod outbox;
mod protocol;
pub mod relay;
mod removal;
mod request;
mod request_fields;
mod response;
mod routes;
pub(crate) mod simulation;
mod smtp;
pub mod store;
mod templates;
pub(crate) mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::StatusCode;
use futures_util::FutureExt;
use rand::Rng;
use tokio::net::TcpListener;

use self::access_log::AccessLog;
use self::body_memory::BodyMemory;
use self::chaos::Chaos;
use self::compose::Composer;
use self::health::Health;
use self::inbox::Inbox;
use self::maildir::Maildir;
use self::metrics::Metrics;
use self::relay::Permits;
use self::store::Store;
use crate::api::Answer;
use crate::clock::Clock;
use crate::web::{ConnectionObserver, Guard, Server};

pub(crate) use self::export::{ExportError, export};
pub use self::inbox::{FollowError, follow};
pub(crate) use self::removal::remove_messages;
pub use self::smtp::{Certificate, CertificateError, SmtpSetup};
pub use crate::web::{ConnectionLimits, Login, LoginRequired};

/// The parts of a gateway.
pub struct Setup {
    /// The login that clients need. If there is none, clients may use any login or no login.
    pub login: Option<Login>,
    /// Names that requests may send as `Host`, besides `localhost` and the address.
    pub hosts: Vec<String>,
    pub limits: ConnectionLimits,
    pub chaos: Option<Chaos>,
    pub storage: Storage,
    /// Who may send through which account.
    pub permits: Permits,
    pub clock: Clock,
    /// The source of message IDs and request IDs.
    pub random: Box<dyn Rng + Send>,
}

/// Where messages are stored.
pub enum Storage {
    /// A Maildir, created if it is missing. Of the API, only messages are accepted.
    Outbox(PathBuf),
    /// The store of a stand-alone gateway.
    Store(Store),
    /// A store that is only displayed; no messages are accepted. [`follow`] fills it.
    ReadOnly {
        store: Store,
        /// The title of the page.
        title: String,
    },
}

/// Serves the API until `shutdown` completes. Requests that are running then are still answered.
///
/// # Errors
/// If the outbox cannot be created, the listener has failed, or the address is not a loopback address
/// and there is no login.
pub async fn serve(
    listener: TcpListener,
    setup: Setup,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let limits = setup.limits.clone();
    let gateway = Arc::new(Gateway::new(setup, listener.local_addr()?)?);
    serve_http(gateway, limits, listener, shutdown).await;
    Ok(())
}

/// As [`serve`], and receives messages by SMTP too.
///
/// # Errors
/// As [`serve`], for both addresses.
pub async fn serve_with_smtp(
    listener: TcpListener,
    smtp: SmtpSetup,
    setup: Setup,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let limits = setup.limits.clone();
    let smtp_address = smtp.listener.local_addr()?;
    LoginRequired::check(setup.login.as_ref(), smtp_address).map_err(io::Error::other)?;
    let gateway = Arc::new(Gateway::new(setup, listener.local_addr()?)?);
    let shutdown = shutdown.shared();
    let http = serve_http(
        Arc::clone(&gateway),
        limits.clone(),
        listener,
        shutdown.clone(),
    );
    let ((), served) = tokio::join!(http, smtp::serve(gateway, limits, smtp, shutdown));
    served
}

/// Receives messages by SMTP, and nothing else, until `shutdown` completes. With a login in `setup`,
/// clients must log in with it. In an outbox, each recipient of the envelope gets a file. The account of
/// messages is `smtp`, unless they name another in their header `X-Mailrun-Account`.
///
/// # Errors
/// As [`serve`].
pub async fn serve_smtp(
    listener: TcpListener,
    setup: Setup,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let limits = setup.limits.clone();
    let gateway = Arc::new(Gateway::new(setup, listener.local_addr()?)?);
    let smtp = SmtpSetup {
        listener,
        certificate: None,
        account: Some(smtp::DEFAULT_ACCOUNT.to_owned()),
    };
    smtp::serve(gateway, limits, smtp, shutdown).await
}

async fn serve_http(
    gateway: Arc<Gateway>,
    limits: ConnectionLimits,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let server = Server {
        router: routes::router(Arc::clone(&gateway)),
        limits,
        observer: Arc::clone(&gateway.access_log.metrics) as Arc<dyn ConnectionObserver>,
        rejection: Box::new(move || gateway.too_many_connections()),
    };
    server.serve(listener, shutdown).await;
}

struct Gateway {
    guard: Guard,
    access_log: AccessLog,
    health: Health,
    chaos: Option<Chaos>,
    composer: Arc<Composer>,
    permits: Permits,
    memory: BodyMemory,
    destination: Destination,
    inbox: Option<Arc<Inbox>>,
}

/// Where accepted messages go.
enum Destination {
    Outbox(Maildir),
    Store(Store),
    /// No messages are accepted.
    ReadOnly,
}

impl Gateway {
    fn new(setup: Setup, listening: SocketAddr) -> io::Result<Self> {
        let guard = Guard::new(setup.login.as_ref(), listening, setup.hosts);
        let guard = guard.map_err(io::Error::other)?;
        let store = match &setup.storage {
            Storage::Outbox(_) => None,
            Storage::Store(store) | Storage::ReadOnly { store, .. } => Some(store.clone()),
        };
        let metrics = Metrics::new(store.as_ref(), setup.permits.relays());
        let access_log = AccessLog {
            metrics: Arc::new(metrics),
            // The log of a local run is about the run, not about the gateway inside it.
            at_info: store.is_some(),
        };
        let inbox = |store, title, writable| {
            let clock = setup.clock.clone();
            Some(Arc::new(Inbox::new(store, title, writable, clock)))
        };
        let (destination, inbox) = match setup.storage {
            Storage::Outbox(path) => (Destination::Outbox(Maildir::open(&path)?), None),
            Storage::Store(store) => (
                Destination::Store(store.clone()),
                inbox(store, "gateway".to_owned(), true),
            ),
            Storage::ReadOnly { store, title } => {
                (Destination::ReadOnly, inbox(store, title, false))
            }
        };
        Ok(Self {
            guard,
            access_log,
            health: Health::new(store),
            chaos: setup.chaos,
            composer: Arc::new(Composer::new(setup.clock, setup.random)),
            permits: setup.permits,
            memory: BodyMemory::default(),
            destination,
            inbox,
        })
    }

    /// The body of the response to a connection above the limit.
    fn too_many_connections(&self) -> Vec<u8> {
        let status = StatusCode::SERVICE_UNAVAILABLE.as_u16();
        Answer::error(status, "Too many connections", self.composer.random_id()).encode()
    }
}
