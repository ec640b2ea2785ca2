//! Requests to the API about messages that it has accepted.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{sleep, sleep_until};

use crate::api::{Dialect, TrackingList, TrackingOutcome};
use crate::campaign::RetrySettings;
use crate::clock::Clock;
use crate::outcome::one_line;
use crate::pace::{SpacedLimit, backoff};
use crate::transport::{HttpTransport, PostError};

/// The longest wait after the first answer that could not be used.
const FIRST_RETRY: Duration = Duration::from_secs(1);

pub(crate) struct TrackingApi {
    transport: HttpTransport,
    pub(super) dialect: &'static dyn Dialect,
    pub(super) smtp_account: String,
    retry: RetrySettings,
    clock: Clock,
    lists: Mutex<SpacedLimit>,
    lookups: Mutex<SpacedLimit>,
}

pub(crate) struct TrackingApiSettings {
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) smtp_account: String,
    pub(crate) retry: RetrySettings,
    pub(crate) clock: Clock,
    /// The pace of requests for lists,
    pub(crate) lists: SpacedLimit,
    /// and for single messages.
    pub(crate) lookups: SpacedLimit,
}

impl TrackingApi {
    pub(crate) fn new(settings: TrackingApiSettings, transport: HttpTransport) -> Self {
        Self {
            transport,
            dialect: settings.dialect,
            smtp_account: settings.smtp_account,
            retry: settings.retry,
            clock: settings.clock,
            lists: Mutex::new(settings.lists),
            lookups: Mutex::new(settings.lookups),
        }
    }

    pub(super) async fn look_up(&self, message_id: &str) -> TrackingOutcome {
        match self.dialect.lookup(&self.smtp_account, message_id) {
            Some(path) => self.ask(&path, None).await,
            None => TrackingOutcome::Stop {
                reason: "the API can't look up messages by their ID".to_owned(),
            },
        }
    }

    /// Asks until there is a usable answer, at most as often as a message would be tried.
    pub(super) async fn ask(&self, path: &str, list: Option<&TrackingList>) -> TrackingOutcome {
        let limit = if list.is_some() {
            &self.lists
        } else {
            &self.lookups
        };
        for tries in 1.. {
            self.pace(limit).await;
            let outcome = match self.transport.get(path).await {
                Ok(reply) => self
                    .dialect
                    .tracking_outcome(&reply, list, self.clock.now()),
                Err(error @ PostError::Untrusted(_)) => {
                    let reason = error.to_string();
                    return TrackingOutcome::Stop { reason };
                }
                Err(error) => TrackingOutcome::Unanswered {
                    reason: one_line(&error.to_string()),
                    wait: None,
                },
            };
            let TrackingOutcome::Unanswered { wait, .. } = &outcome else {
                return outcome;
            };
            if tries >= self.retry.attempts {
                return outcome;
            }
            let longest = self.retry.max_delay;
            let chance = rand::random::<f64>();
            sleep(wait.unwrap_or_else(|| backoff(tries, FIRST_RETRY, longest, chance))).await;
        }
        TrackingOutcome::Unanswered {
            reason: "it was not asked".to_owned(),
            wait: None,
        }
    }

    /// Waits until a request may go. The others wait behind it.
    async fn pace(&self, limit: &Mutex<SpacedLimit>) {
        let mut limit = limit.lock().await;
        while let Some(ready) = limit.ready(1) {
            sleep_until(ready).await;
        }
        limit.take(1);
    }
}
