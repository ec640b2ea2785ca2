//! Answers of the API v2.1: `data` lists what was done, `errors` what was not.

use serde_json::{Map, Value, json};

use super::super::dialect::Posted;
use super::super::reply::MAX_ID;
use crate::address::Address;
use crate::outcome::{RecipientOutcome, one_line};

/// An answer to any request.
#[derive(Debug, Default)]
pub struct V2Answer {
    pub data: Vec<Value>,
    pub errors: Vec<V2Error>,
}

/// An entry of `errors`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct V2Error {
    pub title: String,
    pub message: String,
    /// Such as `E-1-002`.
    pub code: String,
    /// The value that is wrong, if the server names it.
    pub value: String,
}

impl V2Answer {
    /// Decodes the API's JSON: an object with `data`, `errors` or `meta`. `None` for anything else.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let is_api = answer.get("meta").is_some_and(Value::is_object)
            || ["data", "errors"]
                .iter()
                .any(|name| answer.get(*name).is_some_and(Value::is_array));
        if !is_api {
            return None;
        }
        let mut list = |name: &str| match answer.remove(name) {
            Some(Value::Array(list)) => list,
            Some(object @ Value::Object(_)) => vec![object],
            _ => Vec::new(),
        };
        Some(Self {
            data: list("data"),
            errors: list("errors").iter().map(V2Error::decode).collect(),
        })
    }

    /// Encodes the answer to a request with this ID.
    pub fn encode(&self, status: u16, request_id: &str) -> Vec<u8> {
        let errors = self.errors.iter().map(V2Error::encode);
        json!({
            "meta": {
                "numberOfErrors": self.errors.len(),
                "numberOfData": self.data.len(),
                "status": status,
                "uniqId": request_id,
            },
            "data": self.data,
            "errors": errors.collect::<Vec<_>>(),
        })
        .to_string()
        .into_bytes()
    }

    /// Whether it says that nothing was taken, and why.
    pub(super) fn refuses(&self) -> bool {
        !self.errors.is_empty() && self.data.is_empty()
    }

    /// The outcome for one recipient. An address in `data` was accepted, whatever `errors` says; one that an error
    /// of a 207 names was rejected.
    pub(super) fn recipient(&self, to: &Posted<'_>, status: u16) -> RecipientOutcome {
        let accepted = self.data.iter().flat_map(recipients);
        let mut accepted = accepted.filter(|(address, _)| is_same(address, to.address));
        if let Some((_, id)) = accepted.next() {
            let id = id.filter(|id| is_message_id(id)).or(to.message_id);
            return match id {
                Some(id) => RecipientOutcome::Accepted {
                    message_id: id.to_owned(),
                },
                None => RecipientOutcome::Unknown {
                    error: "the answer has no message ID for this address".to_owned(),
                },
            };
        }
        let error = self.errors.iter().find(|error| error.names(to.address));
        match error.filter(|_| status == 207) {
            Some(error) => RecipientOutcome::Rejected {
                code: status,
                error: one_line(&error.text()),
            },
            None => RecipientOutcome::Unknown {
                error: "the answer does not mention this address".to_owned(),
            },
        }
    }

    /// The message IDs in `data`, without angle brackets.
    pub(super) fn message_ids(&self) -> impl Iterator<Item = &str> {
        self.data
            .iter()
            .flat_map(recipients)
            .filter_map(|(_, id)| id)
    }

    /// Everything that `errors` says.
    pub(super) fn error_text(&self) -> String {
        let texts: Vec<_> = self.errors.iter().map(V2Error::text).collect();
        texts.join("; ")
    }
}

impl V2Error {
    fn decode(value: &Value) -> Self {
        let text = |value: Option<&Value>| match value {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let meta = value.get("meta");
        match value {
            Value::String(message) => Self {
                message: message.clone(),
                ..Self::default()
            },
            value => Self {
                title: text(value.get("title")),
                message: text(value.get("message")),
                code: text(value.get("code")),
                value: text(meta.and_then(|meta| meta.get("value"))),
            },
        }
    }

    fn encode(&self) -> Value {
        let mut error = json!({"title": self.title, "message": self.message, "code": self.code});
        if !self.value.is_empty() {
            error["meta"] = json!({"value": self.value});
        }
        error
    }

    /// The message with its code.
    fn text(&self) -> String {
        let message = if self.message.is_empty() {
            &self.title
        } else {
            &self.message
        };
        match (message.as_str(), self.code.as_str()) {
            ("", code) => code.to_owned(),
            (message, "") => message.to_owned(),
            (message, code) => format!("{message} ({code})"),
        }
    }

    /// Whether the error is about this address: it has the whole address as its value or in its message.
    fn names(&self, address: &Address) -> bool {
        is_same(self.value.trim(), address)
            || contains_address(&self.message, address.as_str())
            || contains_address(&self.message, &address.to_ascii())
    }
}

/// The recipients of an entry of `data`, each with its message ID. `to` is an object or a list of objects.
pub(super) fn recipients(entry: &Value) -> impl Iterator<Item = (&str, Option<&str>)> {
    let to = match entry.get("to") {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    to.iter().filter_map(|to| {
        let address = to.get("email")?.as_str()?;
        let id = to.get("messageId").and_then(Value::as_str);
        Some((address, id.map(without_brackets)))
    })
}

fn without_brackets(id: &str) -> &str {
    let inside = id
        .trim()
        .strip_prefix('<')
        .and_then(|id| id.strip_suffix('>'));
    inside.unwrap_or(id.trim())
}

fn is_message_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID && !id.contains(char::is_whitespace)
}

fn is_same(written: &str, address: &Address) -> bool {
    written == address.as_str()
        || Address::parse(written).is_ok_and(|other| other.normalized() == address.normalized())
}

/// Whether a text has this address, and not only as a part of a longer one.
fn contains_address(text: &str, address: &str) -> bool {
    let (text, address) = (text.to_lowercase(), address.to_lowercase());
    text.match_indices(&address).any(|(at, _)| {
        let before = &text[..at];
        let after = &text[at + address.len()..];
        !continues_before(before) && !continues_after(after)
    })
}

/// Whether the last character belongs to the same address as what follows it.
fn continues_before(before: &str) -> bool {
    let mut characters = before.chars().rev();
    match characters.next() {
        None => false,
        // A quote around the address, unless it stands within a word.
        Some('\'' | '`') => characters.next().is_some_and(char::is_alphanumeric),
        Some(c) => {
            c.is_alphanumeric() || "!#$%&*+-/=?^_{|}~.@\"\\".contains(c) && !is_quote(before)
        }
    }
}

/// Whether a text ends with a double quote that opens, as in `"ann@x.example"`.
fn is_quote(before: &str) -> bool {
    before
        .strip_suffix('"')
        .is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric() || c == '\\'))
}

/// Whether the first character belongs to the same address as what stands before it.
fn continues_after(after: &str) -> bool {
    let mut characters = after.chars();
    match characters.next() {
        None => false,
        Some('.') => characters.next().is_some_and(char::is_alphanumeric),
        Some(c) => c.is_alphanumeric() || "-_@".contains(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_a_whole_address_only() {
        let names = |text: &str| contains_address(text, "ann@x.example");
        for text in [
            "ann@x.example",
            "The address Ann@X.example is invalid.",
            "'ann@x.example' is blocked",
            "\"ann@x.example\" is blocked",
            "<ann@x.example>: no",
            "email:ann@x.example,bob@x.example",
            "Invalid: ann@x.example.",
        ] {
            assert!(names(text), "{text}");
        }
        for text in [
            "joann@x.example is invalid",
            "jo.ann@x.example",
            "jo+ann@x.example",
            "o'ann@x.example",
            "ann@x.example.pl is invalid",
            "ann@x.example-shop.pl",
            "ann@x.exampleb",
            "ann at x.example",
            "",
        ] {
            assert!(!names(text), "{text}");
        }
    }
}
