//! A request on its way, with the rows it carries.

use std::sync::Arc;

use bytes::Bytes;

use crate::api::WireFormat;
use crate::message::{Envelope, Message, Recipient};
use crate::transport::{PostRequest, RequestBody};

/// A rendered and encoded request.
pub(crate) struct Batch {
    /// In the order of the request's recipients.
    pub(super) rows: Vec<BatchRow>,
    pub(super) request: PostRequest,
    /// For a request with several recipients: what each of them gets in a request of its own.
    pub(super) message: Option<Arc<BatchMessage>>,
    /// 0 is the lane of all domains without their own limit.
    pub(super) lane: u32,
    /// It was posted before.
    pub(super) is_retry: bool,
}

#[derive(Clone)]
pub(super) struct BatchRow {
    pub(super) row: u32,
    /// The attempts before this one.
    pub(super) attempts: u32,
    /// It must have a request of its own.
    pub(super) alone: bool,
}

/// The message of a batch, and how it is encoded.
pub(super) struct BatchMessage {
    pub(super) message: Message,
    pub(super) smtp_account: Arc<str>,
    pub(super) format: &'static dyn WireFormat,
}

impl Batch {
    pub(super) fn new(
        message: BatchMessage,
        to: Vec<Recipient>,
        rows: Vec<BatchRow>,
        lane: u32,
    ) -> Self {
        let request = message.request(to);
        Self {
            message: (rows.len() > 1).then(|| Arc::new(message)),
            rows,
            request,
            lane,
            is_retry: false,
        }
    }

    /// A batch for each row. Empty if there is only one.
    pub(super) fn split(self) -> Vec<Self> {
        let Some(message) = self.message else {
            return Vec::new();
        };
        let rows = self.rows.into_iter().zip(self.request.to);
        let one = |(row, to): (BatchRow, Recipient)| Self {
            rows: vec![row],
            request: message.request(vec![to]),
            message: None,
            lane: self.lane,
            is_retry: false,
        };
        rows.map(one).collect()
    }

    pub(super) fn row_numbers(&self) -> Vec<u32> {
        self.rows.iter().map(|row| row.row).collect()
    }

    pub(super) fn recipients(&self) -> u32 {
        self.rows.len() as u32
    }
}

impl BatchMessage {
    fn request(&self, to: Vec<Recipient>) -> PostRequest {
        let envelope = Envelope {
            smtp_account: Arc::clone(&self.smtp_account),
            to,
        };
        let start = self.format.encode(&self.message.whole_request(&envelope));
        let mut chunks = vec![Bytes::from(start)];
        let end = &self.message.attachments.encoded;
        if !end.is_empty() {
            chunks.push(end.clone());
        }
        let message = &self.message;
        let copies = message.cc.iter().chain(&message.bcc);
        PostRequest {
            to: envelope.to,
            sender: message
                .return_path
                .clone()
                .unwrap_or_else(|| message.from.address.clone()),
            copies: copies.map(|mailbox| mailbox.address.clone()).collect(),
            body: RequestBody(chunks),
        }
    }
}
