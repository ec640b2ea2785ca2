//! Recipients whose names script a fault: `hang@example.com`, `hang+2@example.com`.

use axum::http::StatusCode;

use self::ScriptedOutcome::{FailRequest, FailRequestOnce, RejectRecipient};
use super::InjectedFault;
use crate::api::{V2Request, form};
use crate::gateway::protocol::Protocol;
use crate::gateway::simulation::recipient_name;

/// What a recipient's name asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum ScriptedOutcome {
    /// The whole request fails, every time.
    FailRequest(InjectedFault),
    /// The whole request is refused with this status, the first time.
    FailRequestOnce(StatusCode),
    /// Only this recipient is rejected, with this reason in the response.
    RejectRecipient(&'static str),
}

const NAMES: [(&str, ScriptedOutcome); 10] = [
    ("tempfail", FailRequestOnce(StatusCode::SERVICE_UNAVAILABLE)),
    ("ratelimit", FailRequestOnce(StatusCode::TOO_MANY_REQUESTS)),
    ("timeout", refuse_request(StatusCode::REQUEST_TIMEOUT)),
    (
        "reject-request",
        refuse_request(StatusCode::INTERNAL_SERVER_ERROR),
    ),
    (
        "reject-too-large",
        refuse_request(StatusCode::PAYLOAD_TOO_LARGE),
    ),
    ("reset", FailRequest(InjectedFault::Reset)),
    ("hang", FailRequest(InjectedFault::Hang)),
    ("taken-no-answer", FailRequest(InjectedFault::Drop)),
    ("slow", FailRequest(InjectedFault::Slow)),
    (
        "reject",
        RejectRecipient("The address is rejected because its name says so."),
    ),
];

const fn refuse_request(status: StatusCode) -> ScriptedOutcome {
    FailRequest(InjectedFault::Status(status))
}

/// The outcome that an address asks for, at any domain. Text after a `+` is ignored.
pub(in crate::gateway) fn scripted_outcome(address: &str) -> Option<ScriptedOutcome> {
    let name = recipient_name(address)?;
    let mut names = NAMES.iter();
    names
        .find(|(known, _)| name.eq_ignore_ascii_case(known))
        .map(|(_, outcome)| *outcome)
}

/// The recipients of a body. A body that cannot be read has none: its endpoint refuses it.
pub(super) fn recipients(protocol: Protocol, body: &[u8]) -> Vec<String> {
    match protocol {
        Protocol::Forms => form_recipients(body),
        Protocol::V2 => {
            let request = V2Request::decode(body).unwrap_or_default();
            let recipients = request.request.to.into_iter();
            recipients.map(|to| to.address.into_owned()).collect()
        }
    }
}

/// The addresses in the field `to` of a form, in all its shapes.
fn form_recipients(body: &[u8]) -> Vec<String> {
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
    fn names_match_as_a_whole_and_ignore_text_after_a_plus() {
        let hang = Some(FailRequest(InjectedFault::Hang));
        for address in [
            "hang@example.com",
            "HANG@example.com",
            "hang+@example.com",
            "hang+reject@example.com",
        ] {
            assert_eq!(scripted_outcome(address), hang, "{address}");
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
            assert_eq!(scripted_outcome(address), None, "{address}");
        }
        let reject = scripted_outcome("reject@example.com");
        assert!(matches!(reject, Some(RejectRecipient(_))));
        assert_ne!(scripted_outcome("reject-too-large@example.com"), reject);
    }

    #[test]
    fn recipients_are_found_in_every_shape() {
        let form = "subject=hang@x&to[0]=a@x&to%5B%5D=b@x&to[c@x][message_id]=1@y&to[2][email]=d@x\
                    &to[2][message_id]=e@x&to[c@x][vars][friend]=f@x&cc=g@x&to=h@x";
        let mut addresses = recipients(Protocol::Forms, form.as_bytes());
        addresses.dedup();
        assert_eq!(addresses, ["a@x", "b@x", "c@x", "d@x", "c@x"]);
        assert!(recipients(Protocol::Forms, b"to[0]=a@x\0").is_empty());
        let json = br#"{"to": [{"email": "a@x"}, {"email": "b@x"}], "cc": [{"email": "c@x"}]}"#;
        assert_eq!(recipients(Protocol::V2, json), ["a@x", "b@x"]);
        assert!(recipients(Protocol::V2, b"{").is_empty());
    }
}
