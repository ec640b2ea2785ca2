//! What an attempt means for a queued message: pure, the time and the chance are passed in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::queue::Entry;
use crate::gateway::store::Status;
use crate::pace::backoff;

/// After how many transactions that broke off after their end a message is given up: it may have been
/// taken each time.
const MOST_DOUBTS: u32 = 10;

/// What became of an attempt to send a message to one recipient, with the words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The server has taken it.
    Taken(String),
    /// The server will never take it (5xx).
    Refused(String),
    /// The server does not take it now (4xx).
    PutOff(String),
    /// The connection was lost before the final dot: it was certainly not taken.
    Cut(String),
    /// The connection was lost between the final dot and the answer: it may have been taken.
    Doubt(String),
    /// Nothing was begun, for a reason that has nothing to do with the message.
    NotBegun(String),
    /// A connection that had been used before was closed: another one may do.
    Stale,
}

/// When a message is sent again, and when no more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) retry_delay: Duration,
    pub(super) max_delay: Duration,
    pub(super) give_up: Duration,
}

impl Patience {
    /// What was queued at this time or before is given up without another attempt. That is a little
    /// past its time, so that there can be one at the end of it.
    pub(super) fn too_old(self, now: Timestamp) -> Timestamp {
        let age = self.give_up + (self.give_up / 4).min(Duration::from_secs(60));
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        now.saturating_sub(age).unwrap_or(Timestamp::MIN)
    }
}

/// What becomes of an entry of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settlement {
    /// It leaves the queue.
    Ended {
        /// What it ended in.
        status: Status,
        /// The words for the event.
        words: String,
    },
    /// It goes on waiting.
    Waits {
        /// Until when.
        due_at: Timestamp,
        /// Whether the attempt counts.
        counted: bool,
        /// Whether it may have been taken.
        doubtful: bool,
        /// Why.
        words: String,
    },
}

impl Settlement {
    /// What an attempt makes of an entry.
    pub(super) fn of(
        attempt: Attempt,
        entry: &Entry,
        patience: Patience,
        now: Timestamp,
        chance: f64,
    ) -> Self {
        let (counted, doubtful, words) = match attempt {
            Attempt::Taken(words) => return entry.ended(Status::Ok, words),
            Attempt::Refused(words) => return entry.ended(Status::Hardbounce, words),
            Attempt::PutOff(words) => (true, false, words),
            Attempt::Cut(words) => {
                let words = format!("cut off before the message was handed over: {words}");
                (true, false, words)
            }
            Attempt::Doubt(words) => {
                let words = format!(
                    "cut off after the message was handed over, it may have been taken: {words}"
                );
                (true, true, words)
            }
            Attempt::NotBegun(words) => (false, false, words),
            Attempt::Stale => {
                let words = "the connection was closed before anything was sent".to_owned();
                (false, false, words)
            }
        };
        let last = after(entry.first_at, patience.give_up);
        let doubts = entry.doubts + u32::from(doubtful);
        if now >= last || doubtful && doubts >= MOST_DOUBTS {
            let entry = Entry {
                doubts,
                ..entry.clone()
            };
            return entry.given_up(&words);
        }
        let due_at = if counted {
            let wait = backoff(
                entry.attempts + 1,
                patience.retry_delay,
                patience.max_delay,
                chance,
            );
            // One more attempt when the time is over.
            after(now, wait).min(last)
        } else {
            now
        };
        Self::Waits {
            due_at,
            counted,
            doubtful,
            words,
        }
    }
}

impl Entry {
    /// It has waited for too long; `words` say for what.
    pub(super) fn given_up(&self, words: &str) -> Settlement {
        let words = match words {
            "" => "given up: no attempt could be made in time".to_owned(),
            words => format!("given up: {words}"),
        };
        self.ended(Status::Softbounce, words)
    }

    fn ended(&self, status: Status, mut words: String) -> Settlement {
        if self.doubts > 0 {
            let transactions = match self.doubts {
                1 => "1 transaction".to_owned(),
                doubts => format!("{doubts} transactions"),
            };
            words += &format!(" ({transactions} broke off where it may have been taken)");
        }
        Settlement::Ended { status, words }
    }
}

/// A time later; the end of time where that is past it.
fn after(time: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    time.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        retry_delay: Duration::from_secs(60),
        max_delay: Duration::from_secs(3600),
        give_up: Duration::from_secs(7200),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn entry(attempts: u32, doubts: u32) -> Entry {
        Entry {
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

    fn settle(attempt: Attempt, entry: &Entry, now: i64) -> Settlement {
        Settlement::of(attempt, entry, PATIENCE, at(now), 1.0)
    }

    #[test]
    fn what_the_server_decides_is_decided() {
        let words = || "words".to_owned();
        let taken = settle(Attempt::Taken(words()), &entry(0, 0), 10_000);
        let ended = |status, words: &str| Settlement::Ended {
            status,
            words: words.to_owned(),
        };
        assert_eq!(taken, ended(Status::Ok, "words"));
        let refused = settle(Attempt::Refused(words()), &entry(3, 0), 0);
        assert_eq!(refused, ended(Status::Hardbounce, "words"));
        let twice = settle(Attempt::Taken(words()), &entry(1, 1), 0);
        let told = "words (1 transaction broke off where it may have been taken)";
        assert_eq!(twice, ended(Status::Ok, told));
    }

    #[test]
    fn waits_grow_and_end_when_the_time_is_over() {
        let due = |attempts, now| match settle(
            Attempt::PutOff("450 later".to_owned()),
            &entry(attempts, 0),
            now,
        ) {
            Settlement::Waits {
                due_at, counted, ..
            } => {
                assert!(counted);
                Some(due_at.as_second())
            }
            Settlement::Ended { status, words } => {
                assert_eq!(status, Status::Softbounce);
                assert_eq!(words, "given up: 450 later");
                None
            }
        };
        assert_eq!(due(0, 100), Some(160));
        assert_eq!(due(1, 100), Some(220));
        assert_eq!(due(20, 100), Some(3700));
        assert_eq!(due(20, 7000), Some(7200));
        assert_eq!(due(20, 7200), None);
    }

    #[test]
    fn what_may_have_been_taken_often_enough_is_given_up() {
        let doubt = |doubts| settle(Attempt::Doubt("lost".to_owned()), &entry(9, doubts), 5);
        assert!(matches!(doubt(8), Settlement::Waits { .. }));
        let Settlement::Ended { status, words } = doubt(9) else {
            panic!("it waits");
        };
        assert_eq!(status, Status::Softbounce);
        assert!(words.ends_with("(10 transactions broke off where it may have been taken)"));
        let put_off = settle(Attempt::PutOff("450".to_owned()), &entry(9, 12), 5);
        assert!(matches!(put_off, Settlement::Waits { .. }));
    }

    #[test]
    fn only_after_the_dot_is_there_a_doubt_and_what_was_not_begun_does_not_count() {
        let of = |attempt| match settle(attempt, &entry(0, 0), 5) {
            Settlement::Waits {
                due_at,
                counted,
                doubtful,
                ..
            } => (due_at.as_second(), counted, doubtful),
            ended => panic!("{ended:?}"),
        };
        let words = || "lost".to_owned();
        assert_eq!(of(Attempt::Cut(words())), (65, true, false));
        assert_eq!(of(Attempt::Doubt(words())), (65, true, true));
        assert_eq!(of(Attempt::NotBegun(words())), (5, false, false));
        assert_eq!(of(Attempt::Stale), (5, false, false));
    }
}
