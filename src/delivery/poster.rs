//! Requests in flight: claimed together, each posted and settled by itself.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::FIRST_WAIT;
use super::batch::{Batch, BatchRow};
use super::state::DeliveryState;
use crate::campaign::RetrySettings;
use crate::clock::Clock;
use crate::ledger::postgres::PostingTime;
use crate::ledger::{Claim, LedgerError, LedgerWriter, Settlement};
use crate::outcome::{Blame, PostOutcome, RecipientOutcome};
use crate::pace::backoff;
use crate::transport::Transport;

/// A request that may go now.
pub(super) struct ReadyBatch {
    pub(super) batch: Batch,
    /// The place of the limit of its domain.
    pub(super) domain: u32,
    /// When the schedule closes for it.
    pub(super) closes: Option<Timestamp>,
    /// A random number from 0 to 1, for the wait before a retry.
    pub(super) chance: f64,
    /// Its connection.
    pub(super) permit: OwnedSemaphorePermit,
}

pub(super) struct Poster<T> {
    pub(super) transport: T,
    pub(super) writer: LedgerWriter,
    pub(super) state: Arc<DeliveryState>,
    pub(super) clock: Clock,
    pub(super) retry: RetrySettings,
    /// If others can take over the rows.
    pub(super) posting_time: Option<PostingTime>,
}

impl<T: Transport> Poster<T> {
    /// Claims all of `group` in one commit, and then posts them. Leaves `group` empty.
    pub(super) fn post_all(self: &Arc<Self>, group: &mut Vec<ReadyBatch>) {
        if group.is_empty() {
            return;
        }
        let group = std::mem::take(group);
        let poster = Arc::clone(self);
        tokio::spawn(async move {
            let claims = group.iter().map(|ready| Claim {
                rows: ready.batch.row_numbers(),
                domain: ready.domain,
            });
            let claimed = poster.writer.claim(claims.collect(), poster.clock.now());
            if let Err(error) = claimed.await {
                drop(group);
                return poster.ended(Err(error));
            }
            for ready in group {
                let poster = Arc::clone(&poster);
                tokio::spawn(async move {
                    let result = poster.post(ready.batch, ready.closes, ready.chance).await;
                    drop(ready.permit);
                    poster.ended(result);
                });
            }
        });
    }

    fn ended(&self, result: Result<(), LedgerError>) {
        if let Err(error) = result {
            self.state.stop(error.to_string());
        }
        self.state.ended.notify_one();
    }

    async fn post(
        &self,
        batch: Batch,
        closes: Option<Timestamp>,
        chance: f64,
    ) -> Result<(), LedgerError> {
        let started = Instant::now();
        if closes.is_some_and(|closes| self.clock.now() >= closes) {
            let late = "it was claimed, but the schedule closed before it was posted";
            self.settle_all(&batch, &again(false, late))?;
            self.state.add_new(started, batch);
            return Ok(());
        }
        if self.posting_time.as_ref().is_some_and(PostingTime::is_over) {
            let late = "it was claimed, but the ledger can't be reached any more";
            self.settle_all(&batch, &again(false, late))?;
            self.state.add_new(started + FIRST_WAIT, batch);
            return Ok(());
        }
        let outcome = self.transport.post(&batch.request).await;
        if is_answer(&outcome) {
            self.writer.record_latency(started.elapsed());
        }
        match outcome {
            PostOutcome::Settled(outcomes) => {
                let settlements: Vec<_> = outcomes.into_iter().map(settlement).collect();
                self.state.settled(&settlements);
                self.settle(&batch, settlements)?;
            }
            PostOutcome::NotTaken {
                blame: blame @ (Blame::Server | Blame::Network),
                reason,
                wait,
            } => {
                self.settle_all(&batch, &again(false, &reason))?;
                let busy = blame == Blame::Server;
                self.state
                    .server_failed(started, busy, wait, &reason, |failures| {
                        backoff(failures, FIRST_WAIT, self.retry.max_delay, chance)
                    });
                self.state.retry_at(self.state.pause_ends(), batch);
            }
            PostOutcome::NotTaken {
                blame: Blame::Request,
                reason,
                wait,
            } => {
                self.state.not_taken(&reason);
                self.retry_or_fail(batch, chance, wait, reason)?;
            }
            PostOutcome::TryAlone { reason } => {
                self.state.not_taken(&reason);
                self.settle_all(&batch, &again(false, &reason))?;
                let now = Instant::now();
                for batch in batch.split() {
                    self.state.add_new(now, batch);
                }
            }
            PostOutcome::Stop { reason, not_taken } => {
                let settlement = if not_taken {
                    again(false, &reason)
                } else {
                    Settlement::Unknown {
                        error: reason.clone(),
                    }
                };
                self.settle_all(&batch, &settlement)?;
                self.state.stop(reason);
            }
        }
        Ok(())
    }

    /// Retries the batch later if its rows have attempts left; otherwise they have failed.
    fn retry_or_fail(
        &self,
        mut batch: Batch,
        chance: f64,
        first_wait: Option<Duration>,
        reason: String,
    ) -> Result<(), LedgerError> {
        let spent = |row: &BatchRow| row.attempts + 1 >= self.retry.attempts;
        if batch.rows.iter().any(spent) {
            let failed = Settlement::Failed {
                code: Some(408),
                error: reason,
            };
            self.state.settled(&vec![failed.clone(); batch.rows.len()]);
            return self.settle_all(&batch, &failed);
        }
        self.settle_all(&batch, &again(true, &reason))?;
        for row in &mut batch.rows {
            row.attempts += 1;
        }
        let attempts = batch.rows.iter().map(|row| row.attempts).max().unwrap_or(1);
        let due = Instant::now()
            + backoff(
                attempts,
                first_wait.unwrap_or(FIRST_WAIT),
                self.retry.max_delay,
                chance,
            );
        self.state.retry_at(due, batch);
        Ok(())
    }

    fn settle_all(&self, batch: &Batch, settlement: &Settlement) -> Result<(), LedgerError> {
        self.settle(batch, vec![settlement.clone(); batch.rows.len()])
    }

    fn settle(&self, batch: &Batch, settlements: Vec<Settlement>) -> Result<(), LedgerError> {
        let rows = batch.row_numbers().into_iter().zip(settlements).collect();
        self.writer.settle(rows, self.clock.now())
    }
}

/// Whether the server has said what became of the request.
fn is_answer(outcome: &PostOutcome) -> bool {
    match outcome {
        PostOutcome::Settled(outcomes) => outcomes
            .iter()
            .any(|outcome| !matches!(outcome, RecipientOutcome::Unknown { .. })),
        PostOutcome::NotTaken { blame, .. } => *blame != Blame::Network,
        PostOutcome::TryAlone { .. } => true,
        PostOutcome::Stop { not_taken, .. } => *not_taken,
    }
}

fn settlement(outcome: RecipientOutcome) -> Settlement {
    match outcome {
        RecipientOutcome::Accepted { message_id } => Settlement::Accepted { message_id },
        RecipientOutcome::Rejected { code, error } => Settlement::Rejected { code, error },
        RecipientOutcome::Unknown { error } => Settlement::Unknown { error },
    }
}

fn again(counted: bool, reason: &str) -> Settlement {
    Settlement::Again {
        counted,
        error: reason.to_owned(),
    }
}
