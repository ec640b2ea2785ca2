//! Pushes events to a URL, as the vendor does.
//!
//! ```text
//! event + webhook_event (one commit) ─► webhook_request ─► POST ─► 200: deleted; otherwise: due later
//! ```
//!
//! Every event arrives at least once, unless all attempts fail or its message is deleted before. A repeated request has
//! the same ID and body.

mod config;
mod payload;
mod queue;
mod signature;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

pub(crate) use self::config::WebhookConfig;
pub(super) use self::config::{WebhooksFile, read_webhooks};
use self::queue::{PushResult, WebhookRequest};
use super::store::{Store, StoreError};
use crate::clock::Clock;

pub(super) use self::queue::totals;

/// The vendor waits no longer for an answer.
const TIMEOUT: Duration = Duration::from_millis(500);
/// How long events are collected for one request.
const GATHERING: Duration = Duration::from_millis(100);
const STORE_RETRY: Duration = Duration::from_secs(1);
/// The longest wait until the time is looked at again: the clock may be set.
const MAX_SLEEP: Duration = Duration::from_secs(1);
/// An idle connection is kept for less time than servers usually keep theirs.
const IDLE: Duration = Duration::from_secs(3);

/// What the requests prove themselves with.
pub(crate) struct WebhookSecrets {
    /// For the checksum.
    pub(crate) secret: SecretString,
    /// User name and password of HTTP Basic.
    pub(crate) login: Option<(String, SecretString)>,
}

/// Pushes the events of a store.
pub(crate) struct Webhook {
    config: WebhookConfig,
    secrets: WebhookSecrets,
    client: reqwest::Client,
    store: Store,
    clock: Clock,
}

/// What to wait for when nothing can be sent.
struct Idle {
    until: Option<Timestamp>,
}

impl Webhook {
    /// Prepares the store: from now on, events are queued.
    ///
    /// # Errors
    /// TLS can't be set up, or the store can't be written.
    pub(crate) async fn start(
        config: WebhookConfig,
        secrets: WebhookSecrets,
        store: &Store,
        clock: &Clock,
    ) -> Result<Self, WebhookError> {
        // An error means that it is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("mailrun-gateway/", env!("CARGO_PKG_VERSION")));
        if config.is_loopback {
            client = client.no_proxy();
        }
        let client = client
            .build()
            .map_err(|error| WebhookError::Client(error.to_string()))?;
        let kind = config.kind;
        store
            .write(move |connection| queue::enable(connection, kind))
            .await?;
        Ok(Self {
            config,
            secrets,
            client,
            store: store.clone(),
            clock: clock.clone(),
        })
    }

    /// Pushes events. It ends when the store can no longer be written.
    pub(crate) async fn push(self) {
        let mut changes = self.store.changes();
        loop {
            // Before the tables are read: a later commit then ends the wait.
            changes.borrow_and_update();
            let idle = match self.push_next().await {
                Ok(None) => continue,
                Ok(Some(idle)) => idle,
                Err(error) => {
                    if self.store.failure().is_some() {
                        return;
                    }
                    tracing::error!(%error, "the queue of the webhook can't be used");
                    sleep(STORE_RETRY).await;
                    continue;
                }
            };
            let due = async {
                match idle.until {
                    Some(until) => {
                        let wait = until.duration_since(self.clock.now());
                        let wait = Duration::try_from(wait).unwrap_or_default();
                        sleep(wait.min(MAX_SLEEP)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Sends the request that is due first, or one with new events.
    async fn push_next(&self) -> Result<Option<Idle>, StoreError> {
        let now = self.clock.now();
        let (due, waiting) = self
            .store
            .read_async(move |connection| {
                Ok((
                    queue::first_due(connection)?,
                    queue::waiting_events(connection)?,
                ))
            })
            .await?;
        match due {
            Some((due_at, request)) if due_at <= now => {
                self.send(request).await?;
                Ok(None)
            }
            due if waiting == 0 => Ok(Some(Idle {
                until: due.map(|(due_at, _)| due_at),
            })),
            _ => {
                if waiting < queue::MAX_EVENTS {
                    sleep(GATHERING).await;
                }
                let (kind, now) = (self.config.kind, self.clock.now());
                let request_id = format!("{:032x}", rand::rng().random::<u128>());
                let created = self.store.write(move |connection| {
                    queue::create_request(connection, kind, &request_id, now)
                });
                if let Some(request) = created.await? {
                    self.send(request).await?;
                }
                Ok(None)
            }
        }
    }

    async fn send(&self, request: WebhookRequest) -> Result<(), StoreError> {
        let attempted = self.attempt(&request).await;
        let result = match (&attempted, self.config.retry.get(request.failures)) {
            (Ok(()), _) => PushResult::Delivered,
            (Err(_), Some(delay)) => {
                let delay = SignedDuration::try_from(*delay).unwrap_or(SignedDuration::MAX);
                let due_at = self.clock.now().checked_add(delay);
                PushResult::Failed(due_at.unwrap_or(Timestamp::MAX))
            }
            (Err(_), None) => PushResult::GivenUp,
        };
        if let Err(reason) = attempted {
            let WebhookRequest { request_id, .. } = &request;
            let attempt = request.failures + 1;
            match result {
                PushResult::GivenUp => tracing::error!(
                    request_id,
                    attempt,
                    reason,
                    "the webhook failed; its events are given up"
                ),
                _ => tracing::warn!(
                    request_id,
                    attempt,
                    reason,
                    "the webhook failed and is tried again"
                ),
            }
        }
        let id = request.id;
        self.store
            .write(move |connection| queue::record(connection, id, result))
            .await
    }

    /// Posts a request. Any answer but 200 is a failure.
    async fn attempt(&self, request: &WebhookRequest) -> Result<(), String> {
        let now = self.clock.now();
        let mut post = self
            .client
            .post(self.config.url.clone())
            .headers(signature::headers(
                request,
                &self.config,
                &self.secrets.secret,
                now,
            ))
            .body(request.body.clone());
        if let Some((user, password)) = &self.secrets.login {
            post = post.basic_auth(user, Some(password.expose_secret()));
        }
        match post.send().await {
            Ok(answer) if answer.status() == StatusCode::OK => Ok(()),
            Ok(answer) => Err(format!("the answer is {}", answer.status())),
            Err(error) if error.is_timeout() => Err("no answer within 500 ms".to_owned()),
            Err(error) => Err(innermost(&error)),
        }
    }
}

/// The last cause of an error. It does not contain the URL.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Forgets the queue, because no webhook is configured.
///
/// # Errors
/// If the store can't be written.
pub(crate) async fn disable(store: &Store) -> Result<(), StoreError> {
    store.write(queue::disable).await
}

/// Why events can't be pushed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("can't set up HTTP for the webhook: {0}")]
    Client(String),
}
