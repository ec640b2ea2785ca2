//! Stores accepted requests and their messages.

mod mail;
mod snippet;

use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

use super::Gateway;
use super::chaos::{Chaos, ScriptedOutcome, scripted_outcome};
use super::compose::{ComposedRequest, OutgoingMessage};
use super::message_endpoint::{MessageEndpoint, RecipientResults, RequestOutline};
use super::relay;
use super::request::RequestContext;
use super::response::Refusal;
use super::simulation::{self, SimulatedMessage, SimulatedOutcome};
use super::store::{
    EventKind, NewEvent, NewMessage, NewRequest, Status, insert_body, insert_event, insert_message,
    insert_request,
};
use crate::address::Address;
use crate::api::Request;
use crate::message::mime::non_empty;

pub(super) use self::mail::{MailRecipient, ReceivedMail, described};
use self::snippet::snippet;

/// An accepted request, ready to be stored.
pub(super) struct CapturedRequest {
    request: NewRequest,
    body: Vec<u8>,
    messages: Vec<CapturedMessage>,
    /// If messages are relayed, the addresses in `cc` and `bcc`.
    relayed_copies: Option<Vec<Address>>,
}

struct CapturedMessage {
    message: NewMessage,
    recipient: RecipientKeys,
    /// What becomes of it, if it is not relayed; `None` if it is just delivered.
    outcome: Option<SimulatedOutcome>,
}

/// The address of a recipient, as it is used.
struct RecipientKeys {
    /// In SMTP commands.
    ascii: String,
    /// In the blacklist.
    normalized: String,
}

impl RecipientKeys {
    fn of(address: &Address) -> Self {
        Self {
            ascii: address.to_ascii(),
            normalized: address.normalized(),
        }
    }
}

/// What becomes of a message that is not relayed: what the recipient's name asks for, or what `--chaos` draws.
fn simulated_outcome(
    gateway: &Gateway,
    address: &str,
    normalized: &str,
) -> Option<SimulatedOutcome> {
    let chaos = gateway.chaos.as_ref();
    SimulatedOutcome::of_recipient(address)
        .or_else(|| chaos.and_then(|chaos| Chaos::random_outcome(chaos, normalized)))
}

/// Composes the messages of a request. With `--chaos`, a recipient's name can script the outcome. `fields` are the
/// request's fields in JSON.
///
/// # Errors
/// If the whole request is refused.
pub(super) fn prepare(
    gateway: &Gateway,
    endpoint: MessageEndpoint,
    context: &RequestContext,
    request: Request<'_>,
    fields: String,
) -> Result<(CapturedRequest, RequestOutline, RecipientResults), Refusal> {
    let outline = RequestOutline::of(&request);
    let composed = gateway.composer.compose(endpoint, request)?;
    let (captured, results) = capture(composed, gateway, context, endpoint.path(), fields)?;
    Ok((captured, outline, results))
}

/// Prepares composed messages for the store. `fields` are the request's fields in JSON.
///
/// # Errors
/// If the sender may not use the account.
pub(super) fn capture(
    mut composed: ComposedRequest<'_>,
    gateway: &Gateway,
    context: &RequestContext,
    endpoint: &'static str,
    fields: String,
) -> Result<(CapturedRequest, RecipientResults), Refusal> {
    let permits = &gateway.permits;
    let draft = &composed.draft;
    permits.check(
        &composed.request.smtp_account,
        [&draft.from, &draft.return_path],
    )?;
    let relayed_copies = permits.relays().then(|| draft.copies.clone());
    let outgoing = std::mem::take(&mut composed.messages);
    let shared = SharedFields::new(&composed);
    let mut results = Vec::with_capacity(outgoing.len());
    let mut messages = Vec::with_capacity(outgoing.len());
    for (recipient, message) in composed.request.to.iter().zip(outgoing) {
        let result = match message {
            Ok(message) => {
                let address = message.to.address.clone();
                let outcome = match gateway.chaos {
                    Some(_) => scripted_outcome(address.as_str()),
                    None => None,
                };
                if let Some(ScriptedOutcome::RejectRecipient(reason)) = outcome {
                    Err(reason.to_owned())
                } else {
                    let id = message.message_id.clone();
                    let recipient = RecipientKeys::of(&address);
                    let normalized = &recipient.normalized;
                    messages.push(CapturedMessage {
                        message: shared.message(&composed, message),
                        outcome: simulated_outcome(gateway, address.as_str(), normalized),
                        recipient,
                    });
                    Ok(id)
                }
            }
            Err(reason) => Err(reason),
        };
        results.push((recipient.address.to_string(), result));
    }
    let captured = CapturedRequest {
        request: NewRequest {
            req_id: context.req_id.clone(),
            endpoint,
            at: composed.now,
            remote: context.remote.map(|remote| remote.to_string()),
            fields,
        },
        body: composed.draft.shared_part,
        messages,
        relayed_copies,
    };
    Ok((captured, results))
}

impl CapturedRequest {
    /// The account, unless there are no messages.
    pub(super) fn account(&self) -> Option<&str> {
        let first = self.messages.first();
        first.map(|captured| captured.message.account.as_str())
    }

    pub(super) fn message_count(&self) -> usize {
        self.messages.len()
    }

    /// Inserts everything, and returns the ID of the request's row. Messages and copies to blocked
    /// addresses are dropped; others are queued if they are relayed. `request` is the ID of the row if it
    /// was inserted before, with other messages. After a rollback, this can be called again.
    pub(super) fn insert(
        &mut self,
        connection: &Connection,
        request: Option<i64>,
    ) -> rusqlite::Result<Option<i64>> {
        if self.messages.is_empty() {
            return Ok(request);
        }
        let request = match request {
            Some(request) => request,
            None => insert_request(connection, &self.request)?,
        };
        let body = insert_body(connection, request, &self.body)?;
        let at = self.request.at;
        for captured in &mut self.messages {
            captured.message.request = Some(request);
            captured.message.body = Some(body);
            captured.insert(connection, self.relayed_copies.as_deref(), at)?;
        }
        Ok(Some(request))
    }
}

impl CapturedMessage {
    fn insert(
        &mut self,
        connection: &Connection,
        relayed_copies: Option<&[Address]>,
        at: jiff::Timestamp,
    ) -> rusqlite::Result<()> {
        let message = &mut self.message;
        let recipient = &self.recipient.normalized;
        let reason = blocked(connection, &message.account, recipient)?;
        message.status = match (&reason, relayed_copies) {
            (Some(_), _) => Status::Dropped,
            (None, None) => simulation::first_status(self.outcome),
            // The relay has still to find out.
            (None, Some(_)) => Status::Injected,
        };
        let id = insert_message(connection, message)?;
        let account = &message.account;
        let add_event = |status, copy: Option<&str>, description: &str| {
            let event = NewEvent {
                message: id,
                account,
                copy,
                kind: EventKind::Status(status),
                at,
                description,
            };
            insert_event(connection, &event)
        };
        add_event(Status::Injected, None, "")?;
        if let Some(reason) = reason {
            return add_event(Status::Dropped, None, &reason);
        }
        if relayed_copies.is_none() {
            let message = SimulatedMessage {
                id,
                account,
                recipient,
                at,
            };
            return simulation::insert_events(connection, &message, self.outcome);
        }
        let mut copies = Vec::new();
        for copy in relayed_copies.into_iter().flatten() {
            let to = copy.to_ascii();
            match blocked(connection, account, &copy.normalized())? {
                None => copies.push(to),
                Some(reason) => {
                    add_event(Status::Dropped, Some(&to), &reason)?;
                }
            }
        }
        let copies = copies.iter().map(String::as_str);
        relay::enqueue(connection, id, account, &self.recipient.ascii, copies, at)
    }
}

/// Why a normalized address is blocked for an account, if it is.
fn blocked(
    connection: &Connection,
    account: &str,
    normalized: &str,
) -> rusqlite::Result<Option<String>> {
    let mut select = connection
        .prepare_cached("SELECT reason FROM blacklist WHERE account = ? AND email = ?")?;
    let reason: Option<String> = select
        .query_row([account, normalized], |row| row.get(0))
        .optional()?;
    if let Some(reason) = reason {
        return Ok(Some(format!("the address is on the blacklist: {reason}")));
    }
    let mut select = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM domain_blacklist WHERE account = ? AND domain = ?)",
    )?;
    let (_, domain) = normalized.rsplit_once('@').unwrap_or_default();
    let is_blocked = select.query_row([account, domain], |row| row.get(0))?;
    Ok(match is_blocked {
        true => Some(format!("the domain is on the blacklist: {domain}")),
        false => None,
    })
}

/// Fields that all messages of a request share.
struct SharedFields {
    copies: String,
    tags: String,
    snippet: String,
    has_attachment: bool,
}

impl SharedFields {
    fn new(composed: &ComposedRequest<'_>) -> Self {
        let ComposedRequest { request, draft, .. } = composed;
        let copies: Vec<_> = draft.copies.iter().map(Address::as_str).collect();
        let (text, html) = (non_empty(&request.text), non_empty(&request.html));
        let mut files = request.files.iter();
        Self {
            copies: json!(copies).to_string(),
            tags: json!(request.tags).to_string(),
            snippet: snippet(text, html),
            has_attachment: files.any(|file| !(file.inline && html.is_some())),
        }
    }

    fn message(&self, composed: &ComposedRequest<'_>, message: OutgoingMessage) -> NewMessage {
        let ComposedRequest {
            request,
            draft,
            now,
            ..
        } = composed;
        let head = draft.first_headers(&message.to, &message.message_id, *now);
        NewMessage {
            request: None,
            body: None,
            size: head.len() + draft.shared_part.len(),
            head,
            path: None,
            uid: message.uid,
            message_id: message.message_id,
            account: request.smtp_account.to_string(),
            envelope_from: draft.return_path.to_ascii(),
            from_address: draft.from.as_str().to_owned(),
            from_name: non_empty(&request.from_name).unwrap_or_default().to_owned(),
            to_address: message.to.address.as_str().to_owned(),
            to_name: message.to.name.unwrap_or_default(),
            copies: self.copies.clone(),
            subject: request.subject.to_string(),
            tags: self.tags.clone(),
            created_at: *now,
            has_attachment: self.has_attachment,
            status: Status::Injected,
            snippet: self.snippet.clone(),
        }
    }
}
