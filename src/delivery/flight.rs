//! Requests in flight: claimed together, each posted and settled by itself.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::FIRST_WAIT;
use super::job::{Job, JobRow};
use super::outcome::{Blame, Outcome, classify};
use super::shared::Shared;
use crate::campaign::RetrySettings;
use crate::clock::Clock;
use crate::ledger::{Claim, LedgerError, Settlement, Writer};
use crate::pace::backoff;
use crate::transport::Transport;

/// A request that may go.
pub(super) struct Flight {
    pub(super) job: Job,
    /// What chance says about the wait, should one be needed.
    pub(super) chance: f64,
    /// Its connection.
    pub(super) permit: OwnedSemaphorePermit,
}

/// What requests need on their way.
pub(super) struct Flights<T> {
    pub(super) transport: T,
    pub(super) writer: Writer,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Clock,
    pub(super) retry: RetrySettings,
}

impl<T: Transport> Flights<T> {
    /// Claims all of a group in one commit, and then posts them. The group is empty after this.
    pub(super) fn launch(self: &Arc<Self>, group: &mut Vec<Flight>) {
        if group.is_empty() {
            return;
        }
        let group = std::mem::take(group);
        let flights = Arc::clone(self);
        tokio::spawn(async move {
            let claims = group.iter().map(|flight| Claim {
                rows: flight.job.row_numbers(),
                lane: flight.job.lane,
            });
            let claimed = flights.writer.claim(claims.collect(), flights.clock.now());
            if let Err(error) = claimed.await {
                drop(group);
                return flights.ended(Err(error));
            }
            for flight in group {
                let flights = Arc::clone(&flights);
                tokio::spawn(async move {
                    let ended = flights.fly(flight.job, flight.chance).await;
                    drop(flight.permit);
                    flights.ended(ended);
                });
            }
        });
    }

    fn ended(&self, how: Result<(), LedgerError>) {
        if let Err(error) = how {
            self.shared.stop(error.to_string());
        }
        self.shared.ended.notify_one();
    }

    async fn fly(&self, job: Job, chance: f64) -> Result<(), LedgerError> {
        let launched = Instant::now();
        let result = self.transport.post(job.body.clone()).await;
        let now = self.clock.now();
        let recipients: Vec<_> = job.rows.iter().map(|row| &row.address).collect();
        match classify(&result, &recipients, now) {
            Outcome::Settled(settlements) => {
                self.shared.settled(&settlements);
                self.settle(&job, settlements)?;
            }
            Outcome::NotTaken {
                blame: Blame::Server,
                reason,
                wait,
            } => {
                self.settle(&job, again(&job, false, &reason))?;
                self.shared
                    .server_failed(launched, result.is_ok(), wait, &reason, |failures| {
                        backoff(failures, FIRST_WAIT, self.retry.max_delay, chance)
                    });
                self.shared.retry_at(self.shared.pause_ends(), job);
            }
            Outcome::NotTaken {
                blame: Blame::Request,
                reason,
                ..
            } => {
                self.shared.not_taken(&reason);
                self.try_again(job, chance, &reason)?;
            }
            Outcome::Stop { reason, not_taken } => {
                let settlements = if not_taken {
                    again(&job, false, &reason)
                } else {
                    in_doubt(&job, &reason)
                };
                self.settle(&job, settlements)?;
                self.shared.stop(reason);
            }
        }
        Ok(())
    }

    /// Puts off the rows that have attempts left; the others have failed.
    fn try_again(&self, job: Job, chance: f64, reason: &str) -> Result<(), LedgerError> {
        let spent = |row: &JobRow| row.attempts + 1 >= self.retry.attempts;
        if job.rows.iter().any(spent) {
            let failed = |_| Settlement::Failed {
                code: Some(408),
                error: reason.to_owned(),
            };
            let settlements: Vec<_> = job.rows.iter().map(failed).collect();
            self.shared.settled(&settlements);
            return self.settle(&job, settlements);
        }
        self.settle(&job, again(&job, true, reason))?;
        let attempts = job
            .rows
            .iter()
            .map(|row| row.attempts + 1)
            .max()
            .unwrap_or(1);
        let due = Instant::now() + backoff(attempts, FIRST_WAIT, self.retry.max_delay, chance);
        let rows = job
            .rows
            .iter()
            .map(|row| JobRow {
                attempts: row.attempts + 1,
                ..row.clone()
            })
            .collect();
        self.shared.retry_at(due, Job { rows, ..job });
        Ok(())
    }

    fn settle(&self, job: &Job, settlements: Vec<Settlement>) -> Result<(), LedgerError> {
        self.writer.settle(
            job.row_numbers().into_iter().zip(settlements).collect(),
            self.clock.now(),
        )
    }
}

fn again(job: &Job, counted: bool, reason: &str) -> Vec<Settlement> {
    job.rows
        .iter()
        .map(|_| Settlement::Again {
            counted,
            error: reason.to_owned(),
        })
        .collect()
}

fn in_doubt(job: &Job, reason: &str) -> Vec<Settlement> {
    job.rows
        .iter()
        .map(|_| Settlement::Unknown {
            error: reason.to_owned(),
        })
        .collect()
}
