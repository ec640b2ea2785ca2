//! What kind of failure a server's answer means: by its enhanced status code (RFC 3463) first, then by its SMTP reply code,
//! then by its words.

use std::sync::LazyLock;

use regex::Regex;

use crate::api::EventKind;

/// A status code: class, subject and detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StatusCode {
    pub(super) class: u16,
    subject: u16,
    detail: u16,
}

/// Not a part of a longer number, such as an IP address.
static STATUS_CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[^\d.])([245])\.(\d{1,3})\.(\d{1,3})(?:[^\d.]|\.(?:\D|$)|$)")
        .expect("a valid expression")
});
static REPLY_CODE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[\s(\[<>'=])([45]\d\d)(?:[\s#;:,-]|$)").expect("a valid expression")
});

const OVER_QUOTA: [&str; 12] = [
    "quota",
    "mailbox full",
    "mailbox is full",
    "inbox is full",
    "out of storage",
    "storage allocation",
    "storage limit",
    "insufficient storage",
    "not enough space",
    "boîte pleine",
    "postfach voll",
    "skrzynka pełna",
];
const NO_SUCH_USER: [&str; 37] = [
    "user unknown",
    "unknown user",
    "unknown recipient",
    "recipient unknown",
    "unknown address",
    "address unknown",
    "unknown local",
    "no such user",
    "no such recipient",
    "no such address",
    "no such mailbox",
    "no mailbox",
    "mailbox unavailable",
    "mailbox not found",
    "mailbox does not exist",
    "user not found",
    "recipient not found",
    "recipnotfound",
    "does not exist",
    "doesn't exist",
    "do not exist",
    "invalid recipient",
    "invalid mailbox",
    "not a valid",
    "account disabled",
    "is disabled",
    "account is inactive",
    "no longer available",
    "not listed in",
    "unrouteable address",
    "unroutable",
    "domain not found",
    "host not found",
    "recipient address rejected",
    "unbekannt",
    "inconnu",
    "desconocido",
];
const SPAM: [&str; 17] = [
    "spam",
    "blocked",
    "blacklist",
    "block list",
    "blocklist",
    "denylist",
    "dnsbl",
    "reputation",
    "unsolicited",
    "bulk mail",
    "policy",
    "dmarc",
    "dkim",
    "spf ",
    "junk",
    "virus",
    "content rejected",
];
const TEMPORARY: [&str; 15] = [
    "try again",
    "try later",
    "temporar",
    "timed out",
    "timeout",
    "greylist",
    "deferred",
    "connection refused",
    "could not connect",
    "couldn't connect",
    "expired",
    "too many hops",
    "loop",
    "too large",
    "message size",
];

impl StatusCode {
    /// The first status code in a text.
    pub(super) fn find(text: &str) -> Option<Self> {
        let found = STATUS_CODE.captures(text)?;
        let number = |group: usize| found.get(group)?.as_str().parse().ok();
        Some(Self {
            class: number(1)?,
            subject: number(2)?,
            detail: number(3)?,
        })
    }

    /// Whether it says no more than its class. Servers write `5.5.0` for anything, too.
    fn is_generic(self) -> bool {
        self.detail == 0 || self.subject == 0 || self.subject == 5
    }
}

/// The kind of a failure for good. `status` is the status code that the report itself gives, and `words` those of the
/// server that refused the message. Without any sign, it is `otherwise`.
pub(super) fn failure(status: Option<StatusCode>, words: &str, otherwise: EventKind) -> EventKind {
    let said = StatusCode::find(words);
    let code = match status {
        Some(status) if status.is_generic() => said.or(Some(status)),
        Some(status) => Some(status),
        None => said,
    };
    if let Some(kind) = code.and_then(by_status_code) {
        return kind;
    }
    let reply = REPLY_CODE
        .captures(words)
        .and_then(|found| found[1].parse::<u16>().ok());
    if let Some(400..=499 | 552) = reply {
        return EventKind::SoftBounce;
    }
    let has_code = code.is_some() || reply.is_some();
    by_words(words).unwrap_or(if has_code {
        EventKind::HardBounce
    } else {
        otherwise
    })
}

fn by_status_code(code: StatusCode) -> Option<EventKind> {
    if code.class == 4 {
        return Some(EventKind::SoftBounce);
    }
    if code.is_generic() && code.subject != 7 {
        return None;
    }
    Some(match (code.subject, code.detail) {
        // The sender's address.
        (1, 7 | 8) => EventKind::SpamBounce,
        // The mailbox is full, or the message too large for it; a mailing list can't be expanded.
        (2, 2..=4) => EventKind::SoftBounce,
        (1 | 2, _) => EventKind::HardBounce,
        // No host answers at this domain; others are loops, time limits and failures of the DNS.
        (4, 1 | 4 | 310) => EventKind::HardBounce,
        // The server, the network, or the content of the message.
        (3 | 4 | 6, _) => EventKind::SoftBounce,
        // A policy.
        (7, _) => EventKind::SpamBounce,
        _ => return None,
    })
}

fn by_words(words: &str) -> Option<EventKind> {
    let words = words.to_lowercase();
    let has = |list: &[&str]| list.iter().any(|part| words.contains(part));
    if has(&OVER_QUOTA) {
        Some(EventKind::SoftBounce)
    } else if has(&NO_SUCH_USER) {
        Some(EventKind::HardBounce)
    } else if has(&SPAM) {
        Some(EventKind::SpamBounce)
    } else if has(&TEMPORARY) {
        Some(EventKind::SoftBounce)
    } else {
        None
    }
}

/// Whether a text has a status code or a reply code of a failure.
pub(super) fn has_code(text: &str) -> bool {
    StatusCode::find(text).is_some_and(|code| code.class != 2) || REPLY_CODE.is_match(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventKind::{HardBounce, SoftBounce, SpamBounce};

    #[test]
    fn codes_decide_before_words() {
        for (status, words, kind) in [
            (
                "5.1.1",
                "550 5.1.1 spam is not the reason: user unknown",
                HardBounce,
            ),
            ("5.0.0", "550 5.1.1 no", HardBounce),
            ("5.0.0", "552 5.2.2 no", SoftBounce),
            ("5.0.0", "Remote said: 421 busy", SoftBounce),
            ("5.0.0", "552 no", SoftBounce),
            ("5.0.0", "550 no", HardBounce),
            ("5.0.0", "", HardBounce),
            ("4.4.7", "550 5.1.1 earlier", SoftBounce),
            ("4.2.2", "", SoftBounce),
            ("5.2.2", "user unknown", SoftBounce),
            ("5.2.1", "account disabled", HardBounce),
            ("5.3.4", "message too big", SoftBounce),
            (
                "5.4.1",
                "Recipient address rejected: Access denied",
                HardBounce,
            ),
            ("5.4.7", "expired", SoftBounce),
            ("5.7.1", "user unknown", SpamBounce),
            ("5.7.0", "", SpamBounce),
            ("5.1.8", "bad outbound sender", SpamBounce),
            ("5.5.0", "550 mailbox unavailable", HardBounce),
            ("5.0.0", "554 Message refused: blocked by DNSBL", SpamBounce),
            ("5.2.0", "550 over quota", SoftBounce),
            (
                "",
                "554 delivery error: This user doesn't have an account; no such user",
                HardBounce,
            ),
            ("", "[192.0.2.1] said 5.1.1.2 nonsense", SoftBounce),
            ("", "mailbox is full", SoftBounce),
            ("", "it failed", SoftBounce),
        ] {
            assert_eq!(
                failure(StatusCode::find(status), words, SoftBounce),
                kind,
                "{status} {words}"
            );
        }
    }

    #[test]
    fn parts_of_other_numbers_are_no_codes() {
        for text in ["host 5.1.1.4 said", "mx:587", "15.1.1", "id 4.5"] {
            assert!(!has_code(text), "{text}");
        }
        for text in [
            "5.1.1",
            "(550 no)",
            "#5.1.1 smtp",
            "550-5.7.1",
            "said 5.1.1.",
        ] {
            assert!(has_code(text), "{text}");
        }
    }
}
