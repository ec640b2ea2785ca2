//! A request as the contracts describe it: form fields in PHP's bracket notation, or JSON (v2.1).

use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::http::Head;

/// A request that was read to its end.
#[derive(Debug)]
pub struct Request {
    /// Its number, from 0, in the order in which requests came.
    pub n: usize,
    /// When all of it had come.
    pub at: Instant,
    /// `GET`, `POST`.
    pub method: String,
    /// Path and query, such as `/api/sendmail`.
    pub target: String,
    /// Header fields as sent.
    pub headers: Vec<(String, String)>,
    /// The body, without its transfer coding.
    pub body: Vec<u8>,
    /// Whom `to` names, in order.
    pub recipients: Vec<Recipient>,
}

/// One entry of `to`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipient {
    /// The address, as posted.
    pub address: String,
    /// The ID that the sender chose.
    pub message_id: Option<String>,
    /// `reciver_name`, in the vendor's spelling.
    pub name: Option<String>,
}

impl Request {
    pub(super) fn new(n: usize, head: Head, body: Vec<u8>) -> Self {
        let Head {
            method,
            target,
            headers,
        } = head;
        let recipients = match serde_json::from_slice(&body) {
            Ok(json) => recipients_of_json(&json),
            Err(_) => recipients(&fields(&body)),
        };
        Self {
            n,
            at: Instant::now(),
            method,
            target,
            headers,
            body,
            recipients,
        }
    }

    /// Whether it speaks v2.1.
    pub fn is_v2(&self) -> bool {
        self.endpoint() == "email"
    }

    /// The body of v2.1.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The form's fields, decoded, in order.
    pub fn fields(&self) -> Vec<(String, String)> {
        fields(&self.body)
    }

    /// The value of a field that is there once.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut values = self.fields().into_iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value);
        assert!(values.next().is_none(), "the field {name} is there twice");
        value
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// User and password of HTTP Basic (RFC 7617).
    pub fn login(&self) -> Option<(String, String)> {
        let code = self.header("authorization")?.strip_prefix("Basic ")?;
        let pair = String::from_utf8(BASE64_STANDARD.decode(code).ok()?).ok()?;
        let (user, password) = pair.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// The last part of the path: `sendmail`, `new_sendmail`, `emails`, `email`.
    pub fn endpoint(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }

    /// The addresses of the recipients.
    pub fn addresses(&self) -> Vec<&str> {
        self.recipients
            .iter()
            .map(|recipient| recipient.address.as_str())
            .collect()
    }

    /// The message ID of the recipient at this place: the sender's, or the one the fake gives.
    pub fn message_id(&self, place: usize) -> String {
        self.recipients[place]
            .message_id
            .clone()
            .unwrap_or_else(|| format!("fake.{}.{place}@api.example", self.n))
    }
}

fn fields(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body).into_owned().collect()
}

/// Reads `to` of v2.1.
fn recipients_of_json(body: &serde_json::Value) -> Vec<Recipient> {
    let text = |to: &serde_json::Value, name: &str| to[name].as_str().map(str::to_owned);
    let to = body["to"].as_array().into_iter().flatten();
    to.map(|to| Recipient {
        address: text(to, "email").unwrap_or_default(),
        message_id: text(to, "messageId"),
        name: text(to, "name"),
    })
    .collect()
}

/// Reads `to` in every form that the contract names.
fn recipients(fields: &[(String, String)]) -> Vec<Recipient> {
    let mut entries: Vec<(String, Recipient)> = Vec::new();
    for (name, value) in fields {
        match keys(name).as_slice() {
            ["to", ""] => entries.push((String::new(), at(value))),
            ["to", key] if key.parse::<u32>().is_ok() => {
                entry(&mut entries, key).address = value.clone()
            }
            ["to", key] => entry(&mut entries, key).address = (*key).to_owned(),
            ["to", key, inner] => {
                let recipient = entry(&mut entries, key);
                if recipient.address.is_empty() && key.contains('@') {
                    recipient.address = (*key).to_owned();
                }
                match *inner {
                    "message_id" => recipient.message_id = Some(value.clone()),
                    "reciver_name" => recipient.name = Some(value.clone()),
                    "email" => recipient.address = value.clone(),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    entries
        .into_iter()
        .map(|(_, recipient)| recipient)
        .collect()
}

fn at(address: &str) -> Recipient {
    Recipient {
        address: address.to_owned(),
        ..Recipient::default()
    }
}

fn entry<'a>(entries: &'a mut Vec<(String, Recipient)>, key: &str) -> &'a mut Recipient {
    let place = entries
        .iter()
        .position(|(seen, _)| seen == key)
        .unwrap_or_else(|| {
            entries.push((key.to_owned(), Recipient::default()));
            entries.len() - 1
        });
    &mut entries[place].1
}

/// `to[a@x][message_id]` as `to`, `a@x`, `message_id`.
fn keys(name: &str) -> Vec<&str> {
    let Some((first, mut rest)) = name.split_once('[') else {
        return vec![name];
    };
    let mut keys = vec![first];
    while let Some((key, after)) = rest.split_once(']') {
        keys.push(key);
        let Some(next) = after.strip_prefix('[') else {
            break;
        };
        rest = next;
    }
    keys
}
