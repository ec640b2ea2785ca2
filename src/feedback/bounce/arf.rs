//! Feedback reports (ARF, RFC 5965): a recipient pressed “this is spam”, or wants no more messages.

use super::fields::Fields;
use super::report::{RecipientReport, addresses_in};
use crate::api::EventKind;

/// The report in a part `message/feedback-report`, with the message that it is about. `None` if it is about
/// something else.
pub(super) fn report(part: &str, returned: &[Fields]) -> Option<RecipientReport> {
    let fields = Fields::parse(part);
    let feedback = fields.get("Feedback-Type")?.trim();
    let kind = kind(feedback)?;
    let mut addresses = Vec::new();
    for name in ["Original-Rcpt-To", "Removal-Recipient"] {
        addresses.extend(fields.all(name).flat_map(addresses_in));
    }
    for message in returned {
        for name in ["X-HmXmrOriginalRecipient", "Delivered-To", "To"] {
            addresses.extend(message.all(name).flat_map(addresses_in));
        }
    }
    let reporter = fields.get("User-Agent").unwrap_or("an unnamed program");
    Some(RecipientReport {
        addresses,
        kind,
        description: format!("{feedback}, reported by {reporter}"),
    })
}

/// The fields in which a report repeats the return path.
pub(super) fn return_paths(part: &str) -> Vec<String> {
    let fields = Fields::parse(part);
    fields
        .all("Original-Mail-From")
        .map(str::to_owned)
        .collect()
}

fn kind(feedback: &str) -> Option<EventKind> {
    match feedback.to_ascii_lowercase().as_str() {
        "abuse" | "fraud" => Some(EventKind::Complaint),
        "opt-out" | "opt-out-list" => Some(EventKind::Unsubscribed),
        // Others are about viruses and signatures, or say that a message is no spam.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_and_opt_outs_are_reported() {
        for (feedback, kind) in [
            ("abuse", Some(EventKind::Complaint)),
            ("Fraud", Some(EventKind::Complaint)),
            ("opt-out", Some(EventKind::Unsubscribed)),
            ("not-spam", None),
            ("auth-failure", None),
            ("", None),
        ] {
            let part = format!("Feedback-Type: {feedback}\nOriginal-Rcpt-To: <a@b.example>\n");
            let found = report(&part, &[]);
            assert_eq!(found.map(|it| it.kind), kind, "{feedback}");
        }
    }
}
