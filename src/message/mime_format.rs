//! Messages as SMTP transmits them.

use super::mime::{Draft, has_media_types};
use crate::address::{Address, Mailbox};
use crate::api::{File, Request, Violation, WireFormat};

/// A MIME message without `Date`, which the transport adds.
#[derive(Debug)]
pub(crate) struct MimeFormat;

impl WireFormat for MimeFormat {
    fn violations(&self, request: &Request<'_>) -> Vec<Violation> {
        let mut violations = request.common_faults();
        if request.to.len() > 1 {
            violations.push(Violation::TooManyRecipients(request.to.len()));
        }
        if !request.tags.is_empty() {
            violations.push(Violation::Unsupported("tags"));
        }
        if !has_media_types(request) {
            violations.push(Violation::Unsupported("media type of an attachment"));
        }
        violations
    }

    fn chooses_message_ids(&self) -> bool {
        true
    }

    fn max_recipients(&self) -> usize {
        1
    }

    fn encode(&self, request: &Request<'_>) -> Vec<u8> {
        let draft = Draft::new(request).expect("the request has no violations");
        let to = request.to.first().expect("a request has a recipient");
        let mailbox = Mailbox {
            name: to.name.as_deref().map(str::to_owned),
            address: Address::parse(&to.address).expect("addresses are checked first"),
        };
        draft.undated_message(&mailbox, to.message_id.as_deref().unwrap_or_default())
    }

    /// The attachments are parts of the message.
    fn encode_files(&self, _: &[File<'_>]) -> Vec<u8> {
        Vec::new()
    }
}
