//! Letters made into rows of the store.

use mail_parser::decoders::html::html_to_text;
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

use super::Gateway;
use super::answers::Refusal;
use super::chaos::{Fate, fate};
use super::relay;
use super::routes::Asked;
use super::sendmail::{Letter, Prepared};
use super::store::{
    EventKind, NewEvent, NewMessage, NewRequest, Status, insert_body, insert_event, insert_message,
    insert_request,
};
use super::text::cut;
use crate::address::Address;
use crate::api::{DecodeError, Dialect, Request, form};
use crate::message::mime::non_empty;

/// The most characters of a message's text that a list shows.
const SNIPPET: usize = 140;
/// How many bytes of an HTML body are looked at for them.
const SNIPPET_SOURCE: usize = 4096;
/// So many of them are usually enough.
const SNIPPET_BEGINNING: usize = 512;

/// A request that is taken, as it goes into the store.
pub(super) struct Captured {
    request: NewRequest,
    body: Vec<u8>,
    messages: Vec<Captive>,
    /// Who gets a copy of each; nothing when nothing is relayed.
    relayed_to: Option<Vec<Address>>,
}

/// A message, and what is to become of it.
struct Captive {
    message: NewMessage,
    /// Its recipient's address.
    address: Address,
    /// What its recipient's name asks for.
    event: Option<(EventKind, &'static str)>,
}

/// Each recipient's address, with its message ID or the reason why it gets no message.
pub(super) type Values = Vec<(String, String)>;

/// Makes a form's body into rows. Where there are faults on demand, the names of recipients say what
/// becomes of them.
///
/// # Errors
/// A refusal of the whole request.
pub(super) fn prepare(
    gateway: &Gateway,
    dialect: Dialect,
    asked: &Asked,
    body: &[u8],
) -> Result<(Captured, Values), Refusal> {
    let form = form::pairs(body).map_err(DecodeError::from)?;
    let fields = fields_beside_the_body(&form);
    let request = Request::from_pairs(form, dialect)?;
    let prepared = gateway.post.prepare(dialect, request)?;
    capture(prepared, gateway, asked, dialect.path(), fields)
}

/// Makes letters into rows; `fields` are the form that they came with.
///
/// # Errors
/// A sender who may not send through the account.
pub(super) fn capture(
    mut prepared: Prepared,
    gateway: &Gateway,
    asked: &Asked,
    endpoint: &'static str,
    fields: String,
) -> Result<(Captured, Values), Refusal> {
    let permits = &gateway.permits;
    let draft = &prepared.draft;
    permits.check(
        &prepared.request.smtp_account,
        [draft.from(), draft.return_path()],
    )?;
    let relayed_to = permits.relays().then(|| draft.copies().to_vec());
    let letters = std::mem::take(&mut prepared.letters);
    let common = Common::of(&prepared);
    let mut values = Vec::with_capacity(letters.len());
    let mut messages = Vec::with_capacity(letters.len());
    for (recipient, letter) in prepared.request.to.iter().zip(letters) {
        let value = match letter {
            Ok(letter) => {
                let address = letter.to.address.clone();
                let fate = fate(address.as_str()).filter(|_| gateway.chaos.is_some());
                if let Some(Fate::Refused(reason)) = fate {
                    reason.to_owned()
                } else {
                    let id = letter.message_id.clone();
                    messages.push(Captive {
                        message: common.message(&prepared, letter),
                        address,
                        event: fate.and_then(Fate::event),
                    });
                    id
                }
            }
            Err(reason) => reason,
        };
        values.push((recipient.address.to_string(), value));
    }
    let captured = Captured {
        request: NewRequest {
            req_id: asked.req_id.clone(),
            endpoint,
            at: prepared.now,
            remote: asked.remote.map(|remote| remote.to_string()),
            fields,
        },
        body: prepared.draft.into_common(),
        messages,
        relayed_to,
    };
    Ok((captured, values))
}

impl Captured {
    /// The account of its messages, and how many they are.
    pub(super) fn told(&self) -> (Option<&str>, usize) {
        let first = self.messages.first();
        let account = first.map(|captive| captive.message.account.as_str());
        (account, self.messages.len())
    }

    /// Inserts everything. A message or a copy to somebody on the blacklist is dropped, others are queued
    /// where they are relayed. The request is inserted unless it is there already, with others of its
    /// messages; its ID is given back. It can be done again when the transaction was rolled back.
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
        for captive in &mut self.messages {
            let Captive {
                message,
                address,
                event,
            } = captive;
            message.request = Some(request);
            message.body = Some(body);
            let reason = blocked(connection, &message.account, &address.normalized())?;
            let event = event.filter(|_| reason.is_none());
            let fate = match (reason, event, &self.relayed_to) {
                (Some(reason), ..) => Some((Status::Dropped, on_the_blacklist(&reason))),
                (None, Some((EventKind::Status(status), words)), _) => {
                    Some((status, words.to_owned()))
                }
                (None, _, None) => Some((Status::Ok, "captured".to_owned())),
                (None, _, Some(_)) => None,
            };
            message.status = fate
                .as_ref()
                .map_or(Status::Injected, |(status, _)| *status);
            let id = insert_message(connection, message)?;
            let told = |kind, copy: Option<&str>, description: &str| {
                let event = NewEvent {
                    message: id,
                    account: &message.account,
                    copy,
                    kind,
                    at,
                    description,
                };
                insert_event(connection, &event)
            };
            told(EventKind::Status(Status::Injected), None, "")?;
            match (fate, &self.relayed_to) {
                (Some((status, description)), _) => {
                    told(EventKind::Status(status), None, &description)?;
                    if let Some((EventKind::Feedback, words)) = event {
                        told(EventKind::Feedback, None, words)?;
                    }
                }
                (None, copies) => {
                    let mut sent = Vec::new();
                    for copy in copies.iter().flatten() {
                        let (account, to) = (&message.account, copy.to_ascii());
                        match blocked(connection, account, &copy.normalized())? {
                            None => sent.push(to),
                            Some(reason) => {
                                let kind = EventKind::Status(Status::Dropped);
                                told(kind, Some(&to), &on_the_blacklist(&reason))?;
                            }
                        }
                    }
                    let (to, copies) = (address.to_ascii(), sent.iter().map(String::as_str));
                    relay::enqueue(connection, id, &message.account, &to, copies, at)?;
                }
            }
        }
        Ok(Some(request))
    }
}

fn on_the_blacklist(reason: &str) -> String {
    format!("the address is on the blacklist: {reason}")
}

/// Why an address gets nothing, if it does not.
fn blocked(
    connection: &Connection,
    account: &str,
    address: &str,
) -> rusqlite::Result<Option<String>> {
    let mut select = connection
        .prepare_cached("SELECT reason FROM blacklist WHERE account = ? AND email = ?")?;
    select
        .query_row([account, address], |row| row.get(0))
        .optional()
}

/// What the messages of a request have in common, beside the body.
struct Common {
    copies: String,
    tags: String,
    snippet: String,
    has_attachment: bool,
}

impl Common {
    fn of(prepared: &Prepared) -> Self {
        let Prepared { request, draft, .. } = prepared;
        let copies: Vec<_> = draft.copies().iter().map(Address::as_str).collect();
        let has_html = non_empty(&request.html).is_some();
        Self {
            copies: json!(copies).to_string(),
            tags: json!(request.tags).to_string(),
            snippet: snippet(non_empty(&request.text), non_empty(&request.html)),
            has_attachment: request.files.iter().any(|file| !(file.inline && has_html)),
        }
    }

    fn message(&self, prepared: &Prepared, letter: Letter) -> NewMessage {
        let Prepared {
            request,
            draft,
            now,
            ..
        } = prepared;
        let head = draft.head(&letter.to, &letter.message_id, *now);
        NewMessage {
            request: None,
            body: None,
            size: head.len() + draft.common().len(),
            head,
            path: None,
            uid: letter.uid,
            message_id: letter.message_id,
            account: request.smtp_account.to_string(),
            envelope_from: draft.return_path().to_ascii(),
            from_address: draft.from().as_str().to_owned(),
            from_name: non_empty(&request.from_name).unwrap_or_default().to_owned(),
            to_address: letter.to.address.as_str().to_owned(),
            to_name: letter.to.name.unwrap_or_default(),
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

/// The form as a JSON array of `[name, value]`. Instead of an attachment's content it has its size.
pub(super) fn fields(form: &[(String, String)]) -> String {
    fields_but(form, |_| false)
}

/// The form of a request whose messages have its `html` and `text` as they are: what they hold is not
/// kept twice, and stands as `null`.
fn fields_beside_the_body(form: &[(String, String)]) -> String {
    let is_once = |wanted: &str| form.iter().filter(|(name, _)| name == wanted).count() == 1;
    let in_body = ["html", "text"].map(|name| is_once(name).then_some(name));
    fields_but(form, |name| in_body.contains(&Some(name)))
}

fn fields_but(form: &[(String, String)], left_out: impl Fn(&str) -> bool) -> String {
    let shown = |(name, value): &(String, String)| {
        if name.starts_with("files[") && name.ends_with("[content]") {
            json!([name, format!("({} characters of base64)", value.len())])
        } else if !value.is_empty() && left_out(name) {
            json!([name, null])
        } else {
            json!([name, value])
        }
    };
    form.iter()
        .map(shown)
        .collect::<serde_json::Value>()
        .to_string()
}

/// How the text of a message begins, in one line.
pub(super) fn snippet(text: Option<&str>, html: Option<&str>) -> String {
    match (text, html) {
        (Some(text), _) => one_line(text),
        (None, Some(html)) => {
            let html = beginning(html);
            // Only whole tags: what comes after the cut does not change what is before it.
            let first = cut(html, SNIPPET_BEGINNING);
            let first = &first[..first.rfind('<').unwrap_or_default()];
            let line = one_line(&html_to_text(first));
            if line.chars().count() == SNIPPET {
                line
            } else {
                one_line(&html_to_text(html))
            }
        }
        (None, None) => String::new(),
    }
}

/// The first of an HTML body; what stands before it can be long and shows nothing.
fn beginning(html: &str) -> &str {
    let body = html.match_indices('<').map(|(at, _)| at).find(|at| {
        let tag = html.as_bytes().get(at + 1..at + 5);
        tag.is_some_and(|tag| tag.eq_ignore_ascii_case(b"body"))
    });
    let html = &html[body.unwrap_or_default()..];
    cut(html, SNIPPET_SOURCE)
}

fn one_line(text: &str) -> String {
    let words = text.split_whitespace().flat_map(|word| [" ", word]);
    let characters = words.skip(1).flat_map(str::chars);
    characters
        .filter(|character| !character.is_control())
        .take(SNIPPET)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_one_line_of_what_is_seen() {
        let html = "<html><head><style>p { color: red }</style></head>\n<BODY class=x><p>Zażółć\n  gęślą</p><p>jaźń</p></BODY>";
        assert_eq!(snippet(None, Some(html)), "Zażółć gęślą jaźń");
        assert_eq!(
            snippet(
                Some(
                    "a

 b"
                ),
                Some(html)
            ),
            "a b"
        );
        assert_eq!(one_line(&"ż".repeat(500)).chars().count(), SNIPPET);
    }

    #[test]
    fn a_snippet_is_of_more_than_the_beginning_where_that_says_little() {
        let html = format!(
            "<body><p>a<br{}>b</p>{}",
            " ".repeat(1000),
            "<p>c</p>".repeat(200)
        );
        let line = snippet(None, Some(&html));
        assert!(line.starts_with("a b c c"), "{line}");
        assert_eq!(line.chars().count(), SNIPPET);
    }

    #[test]
    fn the_form_is_kept_without_the_attachments() {
        let form = [("to[0]", "a@x"), ("files[0][content]", "AAAA")];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            fields(&form),
            r#"[["to[0]","a@x"],["files[0][content]","(4 characters of base64)"]]"#
        );
    }

    #[test]
    fn what_the_message_holds_is_not_kept_twice() {
        let form = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            let pairs: Vec<_> = pairs.map(|(n, v)| (n.to_string(), v.to_string())).collect();
            fields_beside_the_body(&pairs)
        };
        assert_eq!(
            form(&[("html", "<p>"), ("text", ""), ("subject", "s")]),
            r#"[["html",null],["text",""],["subject","s"]]"#
        );
        // Of two, the message holds one.
        assert_eq!(
            form(&[("text", "a"), ("text", "b"), ("txt", "c")]),
            r#"[["text","a"],["text","b"],["txt","c"]]"#
        );
    }
}
