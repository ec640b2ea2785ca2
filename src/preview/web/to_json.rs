//! Findings and recipients as JSON.

use serde_json::{Value, json};

use super::super::preheader::preheader;
use super::loaded_campaign::{LoadedCampaign, Recipient};
use crate::address::Mailbox;
use crate::finding::Finding;
use crate::web::truncate;

/// The most bytes of a subject or a cell in the list.
const MAX_LINE: usize = 300;

pub(super) fn finding(finding: &Finding) -> Value {
    let excerpt = finding.excerpt.as_ref().map(|excerpt| {
        let (before, marked, after) = excerpt.line();
        json!([before, marked, after])
    });
    json!({
        "severity": finding.severity,
        "code": finding.code,
        "message": finding.message,
        "help": finding.help,
        "place": finding.place.to_string(),
        "excerpt": excerpt,
    })
}

/// Sorted by severity, errors first.
pub(super) fn findings(all: &[Finding]) -> Value {
    let mut sorted: Vec<&Finding> = all.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    sorted.into_iter().map(finding).collect()
}

pub(super) fn mailbox(mailbox: &Mailbox) -> Value {
    json!({ "name": mailbox.name, "address": mailbox.address.as_str() })
}

/// A recipient in the list.
pub(super) fn line(current: &LoadedCampaign, recipient: &Recipient) -> Value {
    let stored = &recipient.stored;
    let address = stored.cell(current.rows.email);
    let mut line = json!({
        "row": stored.number,
        "to": { "name": null, "address": truncate(address, MAX_LINE) },
        "subject": "",
        "from": "",
        "preheader": "",
        "error": null,
    });
    let prepared = match &recipient.row {
        Ok(row) => {
            line["to"] = mailbox(&row.mailbox);
            current.engines.prepare(row)
        }
        Err(finding) => Err(finding.clone()),
    };
    match prepared {
        Err(finding) => line["error"] = truncate(&finding.message, MAX_LINE).into(),
        Ok(prepared) => {
            let message = &prepared.message;
            let from = &message.from;
            let sender = from.name.as_deref().unwrap_or(from.address.as_str());
            line["from"] = truncate(sender, MAX_LINE).into();
            line["subject"] = truncate(&message.subject, MAX_LINE).into();
            line["preheader"] = preheader(message).into();
        }
    }
    line
}
