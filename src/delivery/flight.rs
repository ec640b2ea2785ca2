//! One request in flight: claimed, posted, settled.

use std::sync::Arc;

use tokio::time::Instant;

use super::job::{Job, JobRow};
use super::outcome::{Blame, Outcome, classify};
use super::retry::backoff;
use super::shared::Shared;
use crate::campaign::Retry;
use crate::clock::Clock;
use crate::ledger::{LedgerError, Settlement, Writer};
use crate::transport::Transport;

/// What a request needs on its way.
pub(super) struct Flight<T> {
    pub(super) transport: Arc<T>,
    pub(super) writer: Writer,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Clock,
    pub(super) retry: Retry,
    /// What chance says about the wait, should one be needed.
    pub(super) chance: f64,
}

impl<T: Transport> Flight<T> {
    pub(super) async fn fly(&self, job: Job) -> Result<(), LedgerError> {
        self.writer
            .claim(job.row_numbers(), job.lane, self.clock.now())
            .await?;
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
                        backoff(failures, self.retry.max_delay, self.chance)
                    });
                self.shared.retry_at(self.shared.pause_ends(), job);
            }
            Outcome::NotTaken {
                blame: Blame::Request,
                reason,
                ..
            } => {
                self.shared.not_taken(&reason);
                self.try_again(job, &reason)?;
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
    fn try_again(&self, job: Job, reason: &str) -> Result<(), LedgerError> {
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
        let due = Instant::now() + backoff(attempts, self.retry.max_delay, self.chance);
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
