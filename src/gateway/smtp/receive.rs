//! Stores a message that has arrived, one for each recipient of its envelope.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::data::Data;
use super::envelope::Envelope;
use super::reply::Reply;
use crate::address::Address;
use crate::gateway::body_memory::{RequestBody, Reservation};
use crate::gateway::capture::{CapturedRequest, MailRecipient, ReceivedMail};
use crate::gateway::store::StoreError;
use crate::gateway::{Destination, Gateway};
use crate::message::mime::envelope_headers;
use crate::web::Mail;

/// The header that chooses the account of a message.
const ACCOUNT_HEADER: &str = "X-Mailrun-Account";
const MAX_ACCOUNT: usize = 255;
/// The longest line of a message that is sent on, without its end (RFC 5321 4.5.3.1.6).
const MAX_RELAYED_LINE: usize = 998;
/// A message with more of them goes round in circles (RFC 5321 6.3).
const MAX_RECEIVED_HEADERS: usize = 100;
/// The largest message that is prepared on the thread that read it.
const SMALL: usize = 64 * 1024;

/// A message after its final dot.
pub(super) struct IncomingMessage {
    pub(super) envelope: Envelope,
    pub(super) data: Data,
    pub(super) longest_line: usize,
    /// The account, unless the message names one.
    pub(super) account: String,
    pub(super) peer: SocketAddr,
    pub(super) req_id: String,
}

/// A message was not stored, or it is unknown whether it was.
pub(super) enum NotStored {
    Refused(Reply),
    /// There must be no reply: the client would take it for a refusal.
    Unknown,
}

impl From<Reply> for NotStored {
    fn from(reply: Reply) -> Self {
        Self::Refused(reply)
    }
}

impl IncomingMessage {
    /// Stores the message, and returns its account.
    ///
    /// # Errors
    /// If it is not stored, or that is unknown.
    pub(super) async fn store(
        self,
        gateway: &Arc<Gateway>,
        max_size: usize,
    ) -> Result<String, NotStored> {
        let Self {
            envelope,
            data,
            longest_line,
            account,
            peer,
            req_id,
        } = self;
        let body = match data {
            Data::Text(body) => body,
            Data::TooLarge => return Err(Reply::message_too_large(max_size).into()),
            Data::NoMemory => {
                let text = "Too many large messages at a time";
                return Err(Reply::new(452, "4.3.1", text).into());
            }
        };
        if gateway.permits.relays() && longest_line > MAX_RELAYED_LINE {
            let text =
                format!("A line is longer than {MAX_RELAYED_LINE} bytes: it can't be sent on");
            return Err(Reply::new(550, "5.6.0", text).into());
        }
        let preparation = Preparation {
            envelope,
            account,
            peer,
            req_id: req_id.clone(),
        };
        let prepared = match gateway.destination {
            Destination::Store(_) if body.len() <= SMALL => preparation.run(gateway, body),
            _ => {
                let gateway = Arc::clone(gateway);
                // Parsing large messages, and writing files, would block other connections.
                spawn_blocking(move || preparation.run(&gateway, body))
                    .await
                    .map_err(|_| NotStored::Unknown)?
            }
        };
        let prepared = prepared?;
        if let (Some((mut captured, reservation)), Destination::Store(store)) =
            (prepared.captured, &gateway.destination)
        {
            let stored = store.write_repeatable(move |connection| {
                // Messages that wait to be written use memory even if the client has disconnected.
                let _reservation = &reservation;
                captured.insert(connection, None).map(drop)
            });
            stored.await.map_err(|error| not_stored(&error, &req_id))?;
        }
        Ok(prepared.account)
    }
}

fn not_stored(error: &StoreError, req_id: &str) -> NotStored {
    if error.is_nothing_stored() {
        let text = format!("The message could not be stored: {error}");
        return NotStored::Refused(Reply::new(451, "4.3.0", text));
    }
    tracing::error!(req_id, %error, "a message may or may not have been stored");
    NotStored::Unknown
}

struct Preparation {
    envelope: Envelope,
    account: String,
    peer: SocketAddr,
    req_id: String,
}

struct Prepared {
    account: String,
    /// What is still to be written, unless the destination is an outbox.
    captured: Option<(CapturedRequest, Reservation)>,
}

impl Preparation {
    fn run(self, gateway: &Gateway, body: RequestBody) -> Result<Prepared, NotStored> {
        let mail = Mail::parse(&body);
        let account = mail.as_ref().and_then(account_header);
        let account = account.unwrap_or(&self.account).to_owned();
        if account.len() > MAX_ACCOUNT || account.chars().any(char::is_control) {
            return Err(Reply::new(550, "5.7.1", "The account is not a valid name").into());
        }
        if gateway.permits.relays() {
            self.check_permission(gateway, mail.as_ref(), &account)?;
        }
        match &gateway.destination {
            Destination::Outbox(outbox) => {
                let now = gateway.composer.now();
                let from = self.from();
                for (index, to) in self.envelope.to.iter().enumerate() {
                    let headers = envelope_headers(&from, &[to.to_ascii()], &account, &[]);
                    if let Err(error) = outbox.store(&[&headers, &body], now) {
                        tracing::error!(%error, "a message could not be stored");
                        let text = format!("The message could not be stored: {error}");
                        return Err(match index {
                            0 => NotStored::Refused(Reply::new(451, "4.3.0", text)),
                            _ => NotStored::Unknown,
                        });
                    }
                }
                Ok(Prepared {
                    account,
                    captured: None,
                })
            }
            Destination::Store(_) => {
                let received = ReceivedMail {
                    req_id: self.req_id.clone(),
                    remote: self.peer,
                    account: account.clone(),
                    envelope_from: self.from(),
                    recipients: self.recipients(),
                };
                let captured = received.capture(gateway, &body, mail.as_ref());
                drop(mail);
                Ok(Prepared {
                    account,
                    captured: Some(captured.with_body(body)),
                })
            }
            Destination::ReadOnly => {
                Err(Reply::new(554, "5.3.2", "No messages are accepted").into())
            }
        }
    }

    fn from(&self) -> String {
        let from = self.envelope.from.as_ref();
        from.map(super::envelope::EnvelopeAddress::to_ascii)
            .unwrap_or_default()
    }

    fn recipients(&self) -> Vec<MailRecipient> {
        let recipients = self.envelope.to.iter().map(|to| MailRecipient {
            text: to.as_str().to_owned(),
            ascii: to.to_ascii(),
            normalized: to.normalized(),
        });
        recipients.collect()
    }

    /// Checks whether the message may be sent on through the account.
    fn check_permission(
        &self,
        gateway: &Gateway,
        mail: Option<&Mail<'_>>,
        account: &str,
    ) -> Result<(), Reply> {
        let message = mail.map(Mail::message);
        let received = message.map_or(0, |message| {
            let names = message.headers_raw();
            let received = names.filter(|(name, _)| name.eq_ignore_ascii_case("Received"));
            received.count()
        });
        if received > MAX_RECEIVED_HEADERS {
            let text = "The message goes round in circles: it has too many Received headers";
            return Err(Reply::new(554, "5.4.6", text));
        }
        let authors = message
            .and_then(|message| message.from())
            .into_iter()
            .flat_map(|list| list.iter())
            .map(|author| Address::parse(author.address().unwrap_or_default()))
            .collect::<Result<Vec<_>, _>>();
        let authors = match authors {
            Ok(authors) if !authors.is_empty() => authors,
            _ => {
                let text = "The message needs a From header with valid addresses";
                return Err(Reply::new(550, "5.6.0", text));
            }
        };
        let sender = self.envelope.from.as_ref().and_then(|from| from.address());
        for author in &authors {
            // `MAIL FROM:<>` is nobody's.
            let senders = [author, sender.unwrap_or(author)];
            let checked = gateway.permits.check(account, senders);
            checked.map_err(|error| Reply::new(550, "5.7.1", error.to_string()))?;
        }
        Ok(())
    }
}

/// The account that the message names.
fn account_header<'a>(mail: &'a Mail<'_>) -> Option<&'a str> {
    let value = mail.message().header_raw(ACCOUNT_HEADER)?.trim();
    (!value.is_empty()).then_some(value)
}
