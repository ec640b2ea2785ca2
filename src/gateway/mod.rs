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

mod answers;
mod capture;
pub mod config;
mod encoding;
mod guard;
mod inbox;
pub mod maildir;
pub mod mime;
mod outbox;
pub mod relay;
mod routes;
mod sendmail;
pub mod store;
mod text;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::serve::ListenerExt;
use rand::Rng;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::guard::Guard;
use self::inbox::Inbox;
use self::maildir::Maildir;
use self::relay::Permits;
use self::sendmail::Post;
use self::store::Store;
use crate::clock::Clock;

pub use self::guard::Login;
pub use self::inbox::{FollowError, follow};

/// What a gateway needs to run.
pub struct Setup {
    /// The login that it takes; without one, any or none.
    pub login: Option<Login>,
    /// What it may be called in `Host`, beside `localhost` and the address that it listens on.
    pub hosts: Vec<String>,
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
/// An outbox that cannot be made, or a listener that has failed.
pub async fn serve(
    listener: TcpListener,
    setup: Setup,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stop, stopping) = watch::channel(false);
    let gateway = Arc::new(Gateway::new(setup, listener.local_addr()?, stopping)?);
    let listener = listener.tap_io(|stream| {
        // An answer is one write; it must not wait for the one before it to be acknowledged.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
    });
    let service = routes::router(gateway).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(async move {
            shutdown.await;
            stop.send_replace(true);
        })
        .await
}

struct Gateway {
    guard: Guard,
    post: Post,
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
    fn new(
        setup: Setup,
        listening: SocketAddr,
        stopping: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let guard = Guard {
            login: setup.login,
            listening,
            hosts: setup.hosts,
        };
        let clock = setup.clock.clone();
        let begun = clock.now().as_millisecond().to_string();
        let inbox = |store, title, writable| {
            Some(Arc::new(Inbox {
                store,
                title,
                writable,
                clock,
                begun,
                stopping,
            }))
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
            post: Post::new(setup.clock, setup.random),
            permits: setup.permits,
            kept,
            inbox,
        })
    }
}
