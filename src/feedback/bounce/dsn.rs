//! Delivery status notifications (RFC 3464, RFC 6533).

use super::classify::{StatusCode, failure};
use super::fields::Fields;
use super::report::{RecipientReport, addresses_in};
use crate::api::EventKind;

/// The reports in a part `message/delivery-status` or `message/global-delivery-status`.
pub(super) fn reports(part: &str) -> Vec<RecipientReport> {
    Fields::blocks(part).iter().filter_map(report).collect()
}

/// Other fields than `To` in which a report repeats the return path.
pub(super) fn return_paths(part: &str) -> Vec<String> {
    let blocks = Fields::blocks(part);
    let senders = blocks.iter().flat_map(|it| it.all("X-Postfix-Sender"));
    senders.map(str::to_owned).collect()
}

fn report(fields: &Fields) -> Option<RecipientReport> {
    let mut addresses = Vec::new();
    for name in ["Original-Recipient", "Final-Recipient"] {
        addresses.extend(fields.all(name).flat_map(addresses_in));
    }
    if addresses.is_empty() {
        return None;
    }
    let status = fields.get("Status").unwrap_or_default();
    let code = StatusCode::find(status);
    let said = fields.get("Diagnostic-Code").unwrap_or_default();
    let words = said.split_once(';').map_or(
        said,
        |(kind, words)| {
            if kind.contains(' ') { said } else { words }
        },
    );
    let words = words.trim();
    let action = fields.get("Action").unwrap_or_default();
    let action = action.split(|c: char| !c.is_ascii_alphabetic()).next();
    let kind = match action.unwrap_or_default().to_ascii_lowercase().as_str() {
        "failed" => failure(code, words, EventKind::HardBounce),
        "delayed" => EventKind::Deferred,
        "delivered" | "relayed" | "expanded" => EventKind::Delivered,
        _ => match code?.class {
            2 => EventKind::Delivered,
            4 => EventKind::Deferred,
            _ => failure(code, words, EventKind::HardBounce),
        },
    };
    let description = if words.is_empty() { status } else { words };
    Some(RecipientReport {
        addresses,
        kind,
        description: description.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_recipient_has_a_report() {
        let part = "Reporting-MTA: dns; mx.example\nX-Postfix-Sender: rfc822; bounces+t@a.example\n\n\
             Final-Recipient: rfc822; a@b.example\nOriginal-Recipient: rfc822;a@c.example\nAction: Failed\n\
             Status: 5.0.0\nDiagnostic-Code: smtp; 550-5.1.1 No\n 550 5.1.1 such user\n\n\
             Final-Recipient: rfc822; b@b.example\nAction: delayed (again)\nStatus: 4.4.1\n\n\
             Final-Recipient: rfc822; c@b.example\nAction: relayed\nStatus: 2.1.5\n\n\
             Final-Recipient: rfc822; d@b.example\nStatus: 5.1.1\n\nFinal-Recipient: rfc822; e@b.example\n\nStatus: 5.1.1\n";
        let found = reports(part);
        let kinds: Vec<_> = found.iter().map(|report| report.kind).collect();
        assert_eq!(
            kinds,
            [
                EventKind::HardBounce,
                EventKind::Deferred,
                EventKind::Delivered,
                EventKind::HardBounce
            ]
        );
        assert_eq!(found[0].addresses, ["a@c.example", "a@b.example"]);
        assert_eq!(found[0].description, "550-5.1.1 No 550 5.1.1 such user");
        assert_eq!(found[1].description, "4.4.1");
        assert_eq!(return_paths(part), ["rfc822; bounces+t@a.example"]);
    }
}
