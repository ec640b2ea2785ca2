//! The mail API server: it speaks the vendor's API and keeps what it takes.
//!
//! ```text
//! POST /api/sendmail ─► guard ─► decode, limits ─► mime ─► outbox, or store ─► answer
//! ```
//!
//! It meets the sender on the wire alone: all that they share is [`crate::api`] and [`crate::address`].
//!
//! With an outbox, for `--local`, it takes messages and does nothing else. The outbox is a [Maildir] with
//! one file for each address in `to`. Copies (`cc`, `bcc`) get no file of their own: they are named in
//! the file's `X-Mailrun-Envelope-To` headers. With a [`Store`] it is the stand-alone gateway, which
//! answers the whole API.

mod access;
mod answers;
mod blacklists;
mod capture;
pub mod chaos;
pub mod config;
mod export;
mod health;
mod histogram;
mod inbox;
mod lists;
pub mod maildir;
mod metrics;
mod outbox;
pub mod relay;
mod rest;
mod room;
mod routes;
mod sendmail;
pub mod store;
mod templates;
mod text;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::StatusCode;
use rand::Rng;
use tokio::net::TcpListener;

use self::access::Access;
use self::chaos::Chaos;
use self::health::Health;
use self::inbox::Inbox;
use self::maildir::Maildir;
use self::metrics::{Kind, Metrics};
use self::relay::Permits;
use self::sendmail::Post;
use self::store::Store;
use crate::api::Answer;
use crate::clock::Clock;
use crate::web::{Guard, Server, Watcher};

pub use self::export::{ExportError, export};
pub use self::inbox::{FollowError, follow};
pub use crate::web::{Limits, Login, Open};

/// What a gateway needs to run.
pub struct Setup {
    /// The login that it takes; without one, any or none.
    pub login: Option<Login>,
    /// What it may be called in `Host`, beside `localhost` and the address that it listens on.
    pub hosts: Vec<String>,
    /// What a client may cost.
    pub limits: Limits,
    /// Faults on demand.
    pub chaos: Option<Chaos>,
    /// Where messages go.
    pub keep: Keep,
    /// Which accounts there are, and who may send through them.
    pub permits: Permits,
    /// The time.
    pub clock: Clock,
    /// Where message IDs and request IDs get their random bits from.
    pub random: Box<dyn Rng + Send>,
}

/// Where messages go.
pub enum Keep {
    /// The folder of a Maildir, made where there is none; of the API messages are taken alone.
    Outbox(PathBuf),
    /// Everything that a stand-alone gateway keeps.
    Store(Store),
    /// Nowhere: what is kept is shown, and nothing is taken.
    Shown {
        /// What is shown; [`follow`] fills it.
        store: Store,
        /// What it is.
        title: String,
    },
}

/// Serves the API until `shutdown` is done; what is being taken then is taken to its end.
///
/// # Errors
/// An outbox that cannot be made, a listener that has failed, or one that others than this machine
/// reach while there is no login.
pub async fn serve(
    listener: TcpListener,
    setup: Setup,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let limits = setup.limits.clone();
    let gateway = Arc::new(Gateway::new(setup, listener.local_addr()?)?);
    let server = Server {
        router: routes::router(Arc::clone(&gateway)),
        limits,
        watcher: Arc::clone(&gateway.access.metrics) as Arc<dyn Watcher>,
        too_many: Box::new(move || gateway.too_many()),
    };
    server.serve(listener, shutdown).await;
    Ok(())
}

struct Gateway {
    guard: Guard,
    access: Access,
    health: Health,
    chaos: Option<Chaos>,
    post: Arc<Post>,
    permits: Permits,
    kept: Kept,
    inbox: Option<Arc<Inbox>>,
}

enum Kept {
    Outbox(Maildir),
    Store(Store),
    /// Nothing is taken.
    Nothing,
}

impl Gateway {
    fn new(setup: Setup, listening: SocketAddr) -> io::Result<Self> {
        let guard = Guard::new(setup.login.as_ref(), listening, setup.hosts);
        let guard = guard.map_err(io::Error::other)?;
        let metrics = Arc::new(Metrics::default());
        let store = match &setup.keep {
            Keep::Outbox(_) => None,
            Keep::Store(store) | Keep::Shown { store, .. } => Some(store.clone()),
        };
        if let Some(store) = &store {
            watch_store(&metrics, store, setup.permits.relays());
        }
        let access = Access {
            metrics,
            // The log of a run is not that of the gateway inside it.
            log: store.is_some(),
        };
        let inbox = |store, title, writable| {
            let clock = setup.clock.clone();
            Some(Arc::new(Inbox::new(store, title, writable, clock)))
        };
        let (kept, inbox) = match setup.keep {
            Keep::Outbox(path) => (Kept::Outbox(Maildir::open(&path)?), None),
            Keep::Store(store) => (
                Kept::Store(store.clone()),
                inbox(store, "gateway".to_owned(), true),
            ),
            Keep::Shown { store, title } => (Kept::Nothing, inbox(store, title, false)),
        };
        Ok(Self {
            guard,
            access,
            health: Health::new(store),
            chaos: setup.chaos,
            post: Arc::new(Post::new(setup.clock, setup.random)),
            permits: setup.permits,
            kept,
            inbox,
        })
    }

    /// What a connection beyond the most is told: a body of JSON.
    fn too_many(&self) -> Vec<u8> {
        let status = StatusCode::SERVICE_UNAVAILABLE.as_u16();
        Answer::error(status, "Too many connections", self.post.random_id()).encode()
    }
}

/// Shows in the metrics what the store has.
fn watch_store(metrics: &Metrics, store: &Store, relays: bool) {
    let commits = store.changes();
    metrics.watch(
        Kind::Counter,
        "store_commits_total",
        "Commits of the store.",
        move || *commits.borrow() as f64,
    );
    metrics.watch_histogram(
        "store_commit_seconds",
        "Time that a commit took to be on the disk.",
        store.commit_seconds(),
    );
    let waiting = store.clone();
    metrics.watch(
        Kind::Gauge,
        "store_waiting",
        "What waits to be written by the store.",
        move || waiting.waiting() as f64,
    );
    if relays {
        let store = store.clone();
        metrics.watch(
            Kind::Gauge,
            "queue_recipients",
            "Recipients that wait for an SMTP server.",
            move || match store.read(relay::waiting) {
                Ok(accounts) => accounts.iter().map(|(_, waiting)| *waiting as f64).sum(),
                Err(_) => f64::NAN,
            },
        );
    }
}
