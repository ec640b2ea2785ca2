//! What happens to a queue entry after an attempt. Pure: the time and the random number are passed in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::queue::{QueueEntry, QueueUpdate};
use crate::gateway::store::Status;
use crate::pace::backoff;
use crate::smtp::TransactionOutcome;

/// A message that may have been accepted this many times is given up.
const MAX_DOUBTS: u32 = 10;

/// When a message is retried, and when it is given up.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryPolicy {
    pub(super) retry_delay: Duration,
    pub(super) max_delay: Duration,
    pub(super) give_up: Duration,
}

impl RetryPolicy {
    /// Entries queued at this time or earlier are given up without another attempt. It is a little
    /// earlier than `give_up` ago, which leaves time for one last attempt.
    pub(super) fn give_up_before(self, now: Timestamp) -> Timestamp {
        let age = self.give_up + (self.give_up / 4).min(Duration::from_secs(60));
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        now.saturating_sub(age).unwrap_or(Timestamp::MIN)
    }
}

impl QueueUpdate {
    /// `chance` is a random number from 0 to 1.
    pub(super) fn after(
        outcome: TransactionOutcome,
        entry: &QueueEntry,
        policy: RetryPolicy,
        now: Timestamp,
        chance: f64,
    ) -> Self {
        let (counted, doubtful, reason) = match outcome {
            TransactionOutcome::Accepted(reply) => return entry.finished(Status::Ok, reply),
            TransactionOutcome::Rejected(refusal) => {
                return entry.finished(Status::Hardbounce, refusal.reply);
            }
            TransactionOutcome::Deferred(refusal) => (true, false, refusal.reply),
            TransactionOutcome::Interrupted(reason) => {
                let reason = format!("interrupted before the message was complete: {reason}");
                (true, false, reason)
            }
            TransactionOutcome::InDoubt(reason) => {
                let reason = format!("the message may have been accepted: {reason}");
                (true, true, reason)
            }
            TransactionOutcome::NotStarted(problem) => (false, false, problem.reason),
            TransactionOutcome::Stale(refusal) => (false, false, refusal.reply),
        };
        let deadline = add(entry.first_at, policy.give_up);
        let doubts = entry.doubts + u32::from(doubtful);
        if now >= deadline || doubtful && doubts >= MAX_DOUBTS {
            let entry = QueueEntry {
                doubts,
                ..entry.clone()
            };
            return entry.given_up(&reason);
        }
        let due_at = if counted {
            let attempts = entry.attempts + 1;
            let wait = backoff(attempts, policy.retry_delay, policy.max_delay, chance);
            // The last attempt is at the deadline.
            add(now, wait).min(deadline)
        } else {
            now
        };
        Self::Waiting {
            due_at,
            counted,
            doubtful,
            reason,
        }
    }
}

impl QueueEntry {
    pub(super) fn given_up(&self, reason: &str) -> QueueUpdate {
        let reason = match reason {
            "" => "given up: no attempt was possible in time".to_owned(),
            reason => format!("given up: {reason}"),
        };
        self.finished(Status::Softbounce, reason)
    }

    fn finished(&self, status: Status, mut reason: String) -> QueueUpdate {
        if self.doubts > 0 {
            let s = if self.doubts == 1 { "" } else { "s" };
            let doubts = self.doubts;
            reason += &format!(" (possibly accepted in {doubts} interrupted transaction{s})");
        }
        QueueUpdate::Finished { status, reason }
    }
}

/// Saturates at the end of time.
fn add(time: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    time.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::{ProblemKind, Refusal, ServerProblem};

    const POLICY: RetryPolicy = RetryPolicy {
        retry_delay: Duration::from_secs(60),
        max_delay: Duration::from_secs(3600),
        give_up: Duration::from_secs(7200),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn entry(attempts: u32, doubts: u32) -> QueueEntry {
        QueueEntry {
            id: 1,
            message: 1,
            account: "1.acme.smtp".to_owned(),
            recipient: "jan@example.com".to_owned(),
            is_copy: false,
            attempts,
            doubts,
            first_at: at(0),
            error: String::new(),
        }
    }

    fn refusal(reply: &str) -> Refusal {
        Refusal {
            command: "RCPT TO",
            reply: reply.to_owned(),
        }
    }

    fn update(outcome: TransactionOutcome, entry: &QueueEntry, now: i64) -> QueueUpdate {
        QueueUpdate::after(outcome, entry, POLICY, at(now), 1.0)
    }

    #[test]
    fn an_entry_finishes_when_the_server_accepts_or_rejects_it() {
        let reply = || "reply".to_owned();
        let finished = |status, reason: &str| QueueUpdate::Finished {
            status,
            reason: reason.to_owned(),
        };
        let accepted = update(TransactionOutcome::Accepted(reply()), &entry(0, 0), 10_000);
        assert_eq!(accepted, finished(Status::Ok, "reply"));
        let rejected = TransactionOutcome::Rejected(refusal("reply"));
        let rejected = update(rejected, &entry(3, 0), 0);
        assert_eq!(rejected, finished(Status::Hardbounce, "reply"));
        let doubtful = update(TransactionOutcome::Accepted(reply()), &entry(1, 1), 0);
        let reason = "reply (possibly accepted in 1 interrupted transaction)";
        assert_eq!(doubtful, finished(Status::Ok, reason));
    }

    #[test]
    fn waits_grow_until_the_entry_is_given_up() {
        let due = |attempts, now| {
            let deferred = TransactionOutcome::Deferred(refusal("450 later"));
            match update(deferred, &entry(attempts, 0), now) {
                QueueUpdate::Waiting {
                    due_at, counted, ..
                } => {
                    assert!(counted);
                    Some(due_at.as_second())
                }
                QueueUpdate::Finished { status, reason } => {
                    assert_eq!(status, Status::Softbounce);
                    assert_eq!(reason, "given up: 450 later");
                    None
                }
            }
        };
        assert_eq!(due(0, 100), Some(160));
        assert_eq!(due(1, 100), Some(220));
        assert_eq!(due(20, 100), Some(3700));
        assert_eq!(due(20, 7000), Some(7200));
        assert_eq!(due(20, 7200), None);
    }

    #[test]
    fn a_message_that_was_possibly_accepted_ten_times_is_given_up() {
        let in_doubt = |doubts| {
            let outcome = TransactionOutcome::InDoubt("lost".to_owned());
            update(outcome, &entry(9, doubts), 5)
        };
        assert!(matches!(in_doubt(8), QueueUpdate::Waiting { .. }));
        let QueueUpdate::Finished { status, reason } = in_doubt(9) else {
            panic!("it waits");
        };
        assert_eq!(status, Status::Softbounce);
        let doubts = "(possibly accepted in 10 interrupted transactions)";
        assert!(reason.ends_with(doubts), "{reason}");
        let deferred = TransactionOutcome::Deferred(refusal("450"));
        let deferred = update(deferred, &entry(9, 12), 5);
        assert!(matches!(deferred, QueueUpdate::Waiting { .. }));
    }

    #[test]
    fn only_lost_replies_are_doubtful_and_only_started_transactions_count() {
        let waiting = |outcome| match update(outcome, &entry(0, 0), 5) {
            QueueUpdate::Waiting {
                due_at,
                counted,
                doubtful,
                ..
            } => (due_at.as_second(), counted, doubtful),
            finished => panic!("{finished:?}"),
        };
        let lost = || "lost".to_owned();
        let interrupted = TransactionOutcome::Interrupted(lost());
        assert_eq!(waiting(interrupted), (65, true, false));
        let in_doubt = TransactionOutcome::InDoubt(lost());
        assert_eq!(waiting(in_doubt), (65, true, true));
        let not_started = TransactionOutcome::NotStarted(ServerProblem {
            reason: lost(),
            kind: ProblemKind::Unreachable,
        });
        assert_eq!(waiting(not_started), (5, false, false));
        let stale = TransactionOutcome::Stale(refusal("421"));
        assert_eq!(waiting(stale), (5, false, false));
    }
}
