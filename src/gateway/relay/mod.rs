//! The relay sends the messages of an account on to the account's SMTP server.
//!
//! ```text
//! API ─► message + queue entries (one commit) ─► 200
//!              queue ─► claim (sending) ─► SMTP ─► update: an event, or a wait
//! ```
//!
//! Every message that was answered 200 reaches the server at least once. It arrives twice only if a
//! transaction broke after its final dot or the process died during one; the log and the message's
//! events say so.
//!
//! Each account has its own connections, rate limits and pauses, so none delays another.

mod account;
pub mod config;
mod permits;
mod problem_help;
mod queue;
mod reconnect;
mod retry;
mod senders;
mod wait;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::account::{AccountRelay, Phase};
use self::config::AccountConfig;
use super::store::{Store, StoreError};
use crate::clock::Clock;
use crate::pace::RateLimits;

pub use self::permits::{NotPermitted, Permits};
pub use self::queue::{enqueue, waiting};
pub(super) use self::wait::{wait_description, waits};
pub use crate::smtp::Credentials;

/// Why the relay can't start.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("can't read the system's TLS certificates: {0}")]
    Tls(String),
}

/// All accounts at work, until [`Relay::stop`].
pub struct Relay {
    phase: watch::Sender<Phase>,
    accounts: JoinSet<()>,
}

impl Relay {
    /// Starts to send what is in the queue and what comes into it.
    ///
    /// # Errors
    /// The queue can't be used, or the system's certificates can't be read.
    pub async fn start(
        store: &Store,
        accounts: Vec<(AccountConfig, Option<Credentials>)>,
        clock: &Clock,
        mut new_rng: impl FnMut() -> Box<dyn Rng + Send>,
    ) -> Result<Self, RelayError> {
        for (uid, to) in store.write(queue::recover).await? {
            tracing::warn!(
                uid,
                to,
                "the gateway stopped before the server replied: the message may have been accepted and is sent again"
            );
        }
        let (phase, phases) = watch::channel(Phase::Running);
        let mut running = JoinSet::new();
        for (config, credentials) in accounts {
            let (name, now) = (config.name.clone(), clock.now());
            let claimed = store.write(move |store| queue::claimed_by_minute(store, &name, now));
            let limits = RateLimits::new(&config.rates, NonZeroU32::MIN, claimed.await?);
            let account = AccountRelay::new(
                config,
                credentials.as_ref(),
                store,
                clock,
                new_rng(),
                phases.clone(),
            );
            let account = account.map_err(RelayError::Tls)?;
            running.spawn(Arc::new(account).run(limits));
        }
        Ok(Self {
            phase,
            accounts: running,
        })
    }

    /// Starts no new transaction and gives the running ones up to `limit` to finish. A transaction that
    /// takes longer is aborted; the next start sends its message again.
    pub async fn stop(mut self, limit: Duration) {
        self.phase.send_replace(Phase::Draining);
        let drained = timeout(limit, async {
            while self.accounts.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            self.phase.send_replace(Phase::Aborting);
            while self.accounts.join_next().await.is_some() {}
        }
    }
}
