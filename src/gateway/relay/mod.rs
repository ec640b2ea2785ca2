//! The relay: what a gateway takes for an account goes on to the account's SMTP server.
//!
//! ```text
//! API ─► message + queue (one commit) ─► answer 200
//!              queue ─► claim (sending) ─► SMTP ─► settle: event, or waits
//! ```
//!
//! Every message that was answered 200 reaches the server at least once. It does so twice only where
//! a transaction broke off after its final dot, or the process died in the middle of one; the log and
//! the message's events tell of it.
//!
//! Each account has its own connections, pace and pauses, so that nothing of one holds another up.

mod account;
pub mod config;
mod connection;
mod gate;
mod outcome;
mod queue;
mod tls;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::account::Phase;
use self::config::{Account, Login, Senders};
use super::store::{Store, StoreError};
use crate::address::Address;
use crate::clock::Clock;
use crate::pace::RateLimits;

pub use self::queue::{enqueue, waiting};

/// Why the relay can't start.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The queue can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The certificates that the system trusts can't be read.
    #[error("TLS can't be used: {0}")]
    Tls(String),
}

/// Who may send through which account. Without any account, everybody through every one.
#[derive(Debug, Clone, Default)]
pub struct Permits(BTreeMap<String, Senders>);

/// Why a request may not send through an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPermitted {
    /// There is no such account.
    #[error("SMTP account is not valid: there is no {0}")]
    Account(String),
    /// The account is not for this sender.
    #[error("Sender address is not valid: {address} may not send through {account}")]
    Sender {
        /// The sender.
        address: String,
        /// The account.
        account: String,
    },
}

impl Permits {
    /// What accounts say.
    pub fn of(accounts: &[Account]) -> Self {
        let senders = |account: &Account| (account.name.clone(), account.senders.clone());
        Self(accounts.iter().map(senders).collect())
    }

    /// The accounts' names.
    pub fn accounts(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Whether messages are relayed at all.
    pub fn relays(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether an account may be used by these senders: the author's address, and the envelope's.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, account: &str, senders: [&Address; 2]) -> Result<(), NotPermitted> {
        if !self.relays() {
            return Ok(());
        }
        let unknown = || NotPermitted::Account(account.to_owned());
        let permit = self.0.get(account).ok_or_else(unknown)?;
        match senders.into_iter().find(|sender| !permit.allow(sender)) {
            None => Ok(()),
            Some(sender) => Err(NotPermitted::Sender {
                address: sender.as_str().to_owned(),
                account: account.to_owned(),
            }),
        }
    }
}

/// Accounts on their way, until [`Relay::stop`].
pub struct Relay {
    phase: watch::Sender<Phase>,
    accounts: JoinSet<()>,
}

impl Relay {
    /// Takes the queue up, and sends what comes into it. Each account comes with its login.
    ///
    /// # Errors
    /// A queue that can't be used, or a system without certificates.
    pub async fn start(
        store: &Store,
        accounts: Vec<(Account, Option<Login>)>,
        clock: &Clock,
        mut chance: impl FnMut() -> Box<dyn Rng + Send>,
    ) -> Result<Self, RelayError> {
        for (uid, to) in store.write(queue::take_up).await? {
            tracing::warn!(
                uid,
                to,
                "the gateway ended before the answer came: it may have been taken, and is sent again"
            );
        }
        let (phase, watched) = watch::channel(Phase::Running);
        let mut running = JoinSet::new();
        for (account, login) in accounts {
            let (name, now) = (account.name.clone(), clock.now());
            let counted = store.write(move |store| queue::counted(store, &name, now));
            let limits = RateLimits::new(&account.rates, NonZeroU32::MIN, counted.await?);
            let account = account::Account::new(
                &account,
                login.as_ref(),
                store,
                clock,
                chance(),
                watched.clone(),
            );
            let account = account.map_err(RelayError::Tls)?;
            running.spawn(Arc::new(account).run(limits));
        }
        Ok(Self {
            phase,
            accounts: running,
        })
    }

    /// Begins nothing new, and lets transactions end for at most `limit`. What is broken off then is
    /// sent again at the next start.
    pub async fn stop(mut self, limit: Duration) {
        self.phase.send_replace(Phase::Ending);
        let ended = timeout(limit, async {
            while self.accounts.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            self.phase.send_replace(Phase::BreakingOff);
            while self.accounts.join_next().await.is_some() {}
        }
    }
}
