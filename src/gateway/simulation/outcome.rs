//! The outcomes, and the events of each.

use jiff::SignedDuration;

use super::millis;
use crate::gateway::store::{EventKind, Status};

/// What becomes of a captured message, if it is not just delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum SimulatedOutcome {
    SoftBounce,
    HardBounce,
    SpamBounce,
    /// Deferred first, and delivered later.
    Deferred,
    Dropped,
    Complaint,
    Open,
    Click,
}

/// An event of an outcome.
pub(super) struct Step {
    pub(super) kind: EventKind,
    /// The time since the message was captured.
    pub(super) after: SignedDuration,
    pub(super) description: &'static str,
}

const fn step(kind: EventKind, after: SignedDuration, description: &'static str) -> Step {
    Step {
        kind,
        after,
        description,
    }
}

const fn at_once(status: Status, description: &'static str) -> Step {
    step(EventKind::Status(status), SignedDuration::ZERO, description)
}

const CAPTURED: Step = at_once(Status::Ok, "captured");
const OPENED: Step = step(EventKind::Opened, millis(200), "the recipient opened it");
const CLICKED: Step = step(
    EventKind::Clicked,
    millis(400),
    "the recipient followed a link",
);

/// The events of a message without an outcome of its own.
pub(super) const DELIVERED: &[Step] = &[CAPTURED];

impl SimulatedOutcome {
    pub(in crate::gateway) const ALL: [Self; 8] = [
        Self::SoftBounce,
        Self::HardBounce,
        Self::SpamBounce,
        Self::Deferred,
        Self::Dropped,
        Self::Complaint,
        Self::Open,
        Self::Click,
    ];

    /// The name of recipients who have it, and of its share in `--chaos`.
    pub(in crate::gateway) const fn name(self) -> &'static str {
        match self {
            Self::SoftBounce => "softbounce",
            Self::HardBounce => "hardbounce",
            Self::SpamBounce => "spambounce",
            Self::Deferred => "deferred",
            Self::Dropped => "dropped",
            Self::Complaint => "complaint",
            Self::Open => "open",
            Self::Click => "click",
        }
    }

    pub(in crate::gateway) fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|outcome| outcome.name().eq_ignore_ascii_case(name))
    }

    /// The outcome that the name of a recipient asks for, at any domain.
    pub(in crate::gateway) fn of_recipient(address: &str) -> Option<Self> {
        match recipient_name(address)? {
            name if name.eq_ignore_ascii_case("spam") => Some(Self::SpamBounce),
            name => Self::parse(name),
        }
    }

    pub(super) fn steps(self) -> &'static [Step] {
        match self {
            Self::SoftBounce => &[const { at_once(Status::Softbounce, "452 4.2.2 Mailbox full") }],
            Self::HardBounce => &[const { at_once(Status::Hardbounce, "550 5.1.1 User unknown") }],
            Self::SpamBounce => {
                &[const { at_once(Status::Spambounce, "550 5.7.1 Message refused as spam") }]
            }
            Self::Deferred => {
                const DELIVERED_LATE: Step =
                    step(EventKind::Status(Status::Ok), millis(2000), "captured");
                &[
                    const { at_once(Status::Deferred, "451 4.7.1 Greylisted, try again later") },
                    DELIVERED_LATE,
                ]
            }
            Self::Dropped => &[const { at_once(Status::Dropped, "the quota is used up") }],
            Self::Complaint => {
                const COMPLAINED: Step =
                    step(EventKind::Feedback, millis(200), "the recipient complained");
                &[CAPTURED, COMPLAINED]
            }
            Self::Open => &[CAPTURED, OPENED],
            Self::Click => &[CAPTURED, OPENED, CLICKED],
        }
    }
}

/// The part of an address before the `@` and a `+`.
pub(in crate::gateway) fn recipient_name(address: &str) -> Option<&str> {
    let (local, _) = address.rsplit_once('@')?;
    Some(local.split_once('+').map_or(local, |(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_a_whole_and_ignore_text_after_a_plus() {
        for outcome in SimulatedOutcome::ALL {
            let name = outcome.name();
            for address in [
                format!("{name}@x.example"),
                format!("{}+2@y.example", name.to_ascii_uppercase()),
            ] {
                assert_eq!(SimulatedOutcome::of_recipient(&address), Some(outcome));
            }
            for address in [
                format!("{name}s@x.example"),
                format!("ann+{name}@x.example"),
                format!("ann@{name}"),
            ] {
                assert_eq!(SimulatedOutcome::of_recipient(&address), None, "{address}");
            }
        }
        let spam = SimulatedOutcome::of_recipient("spam@x.example");
        assert_eq!(spam, Some(SimulatedOutcome::SpamBounce));
    }

    #[test]
    fn the_first_event_is_at_once_and_the_others_follow_in_order() {
        for outcome in SimulatedOutcome::ALL {
            let steps = outcome.steps();
            assert!(steps[0].after.is_zero(), "{outcome:?}");
            assert!(steps.is_sorted_by(|a, b| a.after < b.after), "{outcome:?}");
        }
    }
}
