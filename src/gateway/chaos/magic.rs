//! Recipients whose names say what is to happen: `hang@example.com`, `hang+2@example.com`.

use axum::http::StatusCode;

use super::Fault;
use crate::api::form;
use crate::gateway::store::{EventKind, Status};

/// What a recipient's name asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Fate {
    /// The whole request goes wrong, every time.
    Spoilt(Fault),
    /// The whole request is refused with this status, the first time.
    PutOff(StatusCode),
    /// It alone is refused, with this reason in the answer.
    Refused(&'static str),
    /// Its message is taken, and then this happens to it.
    Event(EventKind, &'static str),
}

impl Fate {
    /// What happens to the message when it has been taken.
    pub(in crate::gateway) fn event(self) -> Option<(EventKind, &'static str)> {
        match self {
            Self::Event(kind, words) => Some((kind, words)),
            Self::Spoilt(_) | Self::PutOff(_) | Self::Refused(_) => None,
        }
    }
}

/// All names.
const NAMES: [(&str, Fate); 14] = [
    ("tempfail", Fate::PutOff(StatusCode::SERVICE_UNAVAILABLE)),
    ("ratelimit", Fate::PutOff(StatusCode::TOO_MANY_REQUESTS)),
    (
        "timeout",
        Fate::Spoilt(Fault::Status(StatusCode::REQUEST_TIMEOUT)),
    ),
    (
        "reject-request",
        Fate::Spoilt(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)),
    ),
    (
        "reject-too-large",
        Fate::Spoilt(Fault::Status(StatusCode::PAYLOAD_TOO_LARGE)),
    ),
    ("reset", Fate::Spoilt(Fault::Reset)),
    ("hang", Fate::Spoilt(Fault::Hang)),
    ("taken-no-answer", Fate::Spoilt(Fault::Drop)),
    ("slow", Fate::Spoilt(Fault::Slow)),
    (
        "reject",
        Fate::Refused("The address is refused, as its name asks."),
    ),
    (
        "softbounce",
        Fate::Event(
            EventKind::Status(Status::Softbounce),
            "452 4.2.2 Mailbox full",
        ),
    ),
    (
        "hardbounce",
        Fate::Event(
            EventKind::Status(Status::Hardbounce),
            "550 5.1.1 User unknown",
        ),
    ),
    (
        "spam",
        Fate::Event(
            EventKind::Status(Status::Spambounce),
            "550 5.7.1 Message refused as spam",
        ),
    ),
    (
        "complaint",
        Fate::Event(EventKind::Feedback, "the recipient complained"),
    ),
];

/// What the name of an address asks for, at any domain, with or without `+` and more behind it.
pub(in crate::gateway) fn fate(address: &str) -> Option<Fate> {
    let (local, _) = address.rsplit_once('@')?;
    let (name, _) = local.split_once('+').unwrap_or((local, ""));
    let mut names = NAMES.iter();
    names
        .find(|(known, _)| name.eq_ignore_ascii_case(known))
        .map(|(_, fate)| *fate)
}

/// The addresses in the field `to` of a form, in whichever shape, in their order. A form that can't be
/// read has none: it is refused by whom it is for.
pub(super) fn recipients(body: &[u8]) -> Vec<String> {
    let form = form::pairs(body).unwrap_or_default();
    form.into_iter()
        .filter_map(|(name, value)| {
            let (key, rest) = name.strip_prefix("to[")?.split_once(']')?;
            if key.contains('@') {
                return Some(key.to_owned());
            }
            ["", "[email]"].contains(&rest).then_some(value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_and_may_have_more_behind_a_plus() {
        let hang = Some(Fate::Spoilt(Fault::Hang));
        for address in [
            "hang@example.com",
            "HANG@example.com",
            "hang+@example.com",
            "hang+reject@example.com",
        ] {
            assert_eq!(fate(address), hang, "{address}");
        }
        for address in [
            "hangar@example.com",
            "the.hang@example.com",
            "hang-1@example.com",
            "hang",
            "jan+hang@example.com",
            "@hang",
            "",
        ] {
            assert_eq!(fate(address), None, "{address}");
        }
        let reject = fate("reject@example.com");
        assert!(matches!(reject, Some(Fate::Refused(_))));
        assert_ne!(fate("reject-too-large@example.com"), reject);
    }

    #[test]
    fn recipients_are_found_in_every_shape() {
        let form = "subject=hang@x&to[0]=a@x&to%5B%5D=b@x&to[c@x][message_id]=1@y&to[2][email]=d@x\
                    &to[2][message_id]=e@x&to[c@x][vars][friend]=f@x&cc=g@x&to=h@x";
        let found = recipients(form.as_bytes());
        let mut found: Vec<_> = found.iter().map(String::as_str).collect();
        found.dedup();
        assert_eq!(found, ["a@x", "b@x", "c@x", "d@x", "c@x"]);
        assert!(recipients(b"to[0]=a@x\0").is_empty());
    }
}
