//! Messages that arrive complete, with an envelope, instead of as fields of a request.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::json;

use super::{CapturedMessage, CapturedRequest, RecipientKeys, simulated_outcome, snippet};
use crate::gateway::Gateway;
use crate::gateway::body_memory::{RequestBody, Reservation};
use crate::gateway::store::{NewMessage, NewRequest, Status};
use crate::web::Mail;

/// A received message, except for its bytes.
pub(in crate::gateway) struct ReceivedMail {
    pub(in crate::gateway) req_id: String,
    pub(in crate::gateway) remote: SocketAddr,
    pub(in crate::gateway) account: String,
    /// Empty for `<>`.
    pub(in crate::gateway) envelope_from: String,
    pub(in crate::gateway) recipients: Vec<MailRecipient>,
}

/// A recipient of the envelope.
pub(in crate::gateway) struct MailRecipient {
    /// As received.
    pub(in crate::gateway) text: String,
    /// As in an SMTP command.
    pub(in crate::gateway) ascii: String,
    /// The same for all spellings of the address.
    pub(in crate::gateway) normalized: String,
}

/// A captured message that still lacks its body.
pub(in crate::gateway) struct CapturedMail(CapturedRequest);

impl ReceivedMail {
    /// One message for each recipient. They share one body: the whole message, unchanged.
    pub(in crate::gateway) fn capture(
        self,
        gateway: &Gateway,
        bytes: &[u8],
        mail: Option<&Mail<'_>>,
    ) -> CapturedMail {
        let at = gateway.composer.now();
        let described = mail.map(described).unwrap_or_default();
        let mut names = mail.map(names_in_headers).unwrap_or_default();
        let mut fields = vec![["mail_from", &self.envelope_from].map(str::to_owned)];
        let mut messages = Vec::with_capacity(self.recipients.len());
        for recipient in self.recipients {
            fields.push(["rcpt_to", &recipient.text].map(str::to_owned));
            let outcome = simulated_outcome(gateway, &recipient.text, &recipient.normalized);
            messages.push(CapturedMessage {
                message: NewMessage {
                    uid: gateway.composer.uid(at),
                    account: self.account.clone(),
                    envelope_from: self.envelope_from.clone(),
                    to_name: names
                        .remove(&recipient.text.to_ascii_lowercase())
                        .unwrap_or_default(),
                    to_address: recipient.text,
                    created_at: at,
                    size: bytes.len(),
                    ..described.clone()
                },
                recipient: RecipientKeys {
                    ascii: recipient.ascii,
                    normalized: recipient.normalized,
                },
                outcome,
            });
        }
        CapturedMail(CapturedRequest {
            request: NewRequest {
                req_id: self.req_id,
                endpoint: "smtp",
                at,
                remote: Some(self.remote.to_string()),
                fields: json!(fields).to_string(),
            },
            body: Vec::new(),
            messages,
            relayed_copies: gateway.permits.relays().then(Vec::new),
        })
    }
}

impl CapturedMail {
    /// Adds the bytes of the message. They were only borrowed before, to be parsed.
    pub(in crate::gateway) fn with_body(self, body: RequestBody) -> (CapturedRequest, Reservation) {
        let (bytes, reservation) = body.into_parts();
        let captured = CapturedRequest {
            body: bytes,
            ..self.0
        };
        (captured, reservation)
    }
}

/// The fields of a row that the message itself contains. Its recipient is the first one in `To`.
pub(in crate::gateway) fn described(mail: &Mail<'_>) -> NewMessage {
    let parsed = mail.message();
    let [from, to] = [parsed.from(), parsed.to()].map(|list| {
        let first = list.and_then(mail_parser::Address::first);
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        first.map_or_else(Default::default, |mailbox| {
            (text(mailbox.name()), text(mailbox.address()))
        })
    });
    let has_html = mail.html().is_some();
    NewMessage {
        message_id: parsed.message_id().unwrap_or_default().to_owned(),
        from_address: from.1,
        from_name: from.0,
        to_address: to.1,
        to_name: to.0,
        copies: "[]".to_owned(),
        tags: "[]".to_owned(),
        subject: parsed.subject().unwrap_or_default().to_owned(),
        has_attachment: mail.files().iter().any(|file| !(file.inline && has_html)),
        status: Status::Ok,
        snippet: snippet(mail.text(), mail.html()),
        ..NewMessage::default()
    }
}

/// The names of recipients in the headers, by the address in lower case.
fn names_in_headers(mail: &Mail<'_>) -> HashMap<String, String> {
    let message = mail.message();
    let lists = [message.to(), message.cc()];
    let mailboxes = lists.into_iter().flatten().flat_map(|list| list.iter());
    let named = mailboxes.filter_map(|mailbox| {
        let address = mailbox.address()?.to_ascii_lowercase();
        Some((address, mailbox.name()?.to_owned()))
    });
    named.collect()
}
