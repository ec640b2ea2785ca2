//! Responses. Their JSON decides, whatever the HTTP status is.

use std::cell::OnceCell;
use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::address::Address;

/// The API's response to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 is success.
    pub code: u16,
    /// `success` or `error`.
    pub status: String,
    pub message: String,
    pub data: Data,
    /// The server's ID of the request.
    pub req_id: Option<String>,
}

/// The `data` of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// On success: each address with its message ID, or with the reason why it was rejected.
    Values(Values),
    /// Otherwise: the value as one line, perhaps empty.
    Text(String),
}

/// A value for each address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Values {
    list: Vec<(String, String)>,
    /// Indices in `list`, by the address as it is written there. Empty for a list of one.
    written: HashMap<String, usize>,
    /// Indices by normalized address, made when an address is looked up that is written differently.
    normalized: OnceCell<HashMap<String, usize>>,
}

impl Values {
    /// Each address with its value, in the order of the response.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list
            .iter()
            .map(|(address, value)| (address.as_str(), value.as_str()))
    }

    /// The value of an address. An entry that is written the same comes before one that is equal.
    fn get(&self, address: &Address) -> Option<&str> {
        let at = match self.list.as_slice() {
            [(only, value)] if only == address.as_str() => return Some(value),
            _ => self.written.get(address.as_str()),
        };
        let at = at.or_else(|| self.normalized().get(&address.normalized()))?;
        self.list.get(*at).map(|(_, value)| value.as_str())
    }

    fn normalized(&self) -> &HashMap<String, usize> {
        let indices = || first_indices(self.list.iter().map(|(address, _)| normalized(address)));
        self.normalized.get_or_init(indices)
    }
}

impl FromIterator<(String, String)> for Values {
    /// The first value for an address counts.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Self {
        let list: Vec<_> = values.into_iter().collect();
        let written = match list.len() {
            0 | 1 => HashMap::new(),
            _ => first_indices(list.iter().map(|(address, _)| address.clone())),
        };
        Self {
            list,
            written,
            normalized: OnceCell::new(),
        }
    }
}

fn first_indices(addresses: impl Iterator<Item = String>) -> HashMap<String, usize> {
    let mut indices = HashMap::with_capacity(addresses.size_hint().0);
    for (at, address) in addresses.enumerate() {
        indices.entry(address).or_insert(at);
    }
    indices
}

fn normalized(address: &str) -> String {
    Address::parse(address).map_or_else(|_| address.to_owned(), |address| address.normalized())
}

impl Answer {
    /// A success, with a value for each address.
    pub fn success(values: impl IntoIterator<Item = (String, String)>, req_id: String) -> Self {
        Self {
            code: 200,
            status: "success".to_owned(),
            message: "Message sent".to_owned(),
            data: Data::Values(values.into_iter().collect()),
            req_id: Some(req_id),
        }
    }

    /// A rejection of the whole request.
    pub fn error(code: u16, message: impl Into<String>, req_id: String) -> Self {
        Self {
            code,
            status: "error".to_owned(),
            message: message.into(),
            data: Data::Text(String::new()),
            req_id: Some(req_id),
        }
    }

    /// Whether the request was accepted. The values say what happened to each address.
    pub fn is_success(&self) -> bool {
        self.code == 200 && !self.status.eq_ignore_ascii_case("error")
    }

    /// Whether the request was rejected as a whole. A response that is neither a success nor a refusal
    /// contradicts itself and means nothing.
    pub fn is_refusal(&self) -> bool {
        self.code != 200 && !self.status.eq_ignore_ascii_case("success")
    }

    /// The value of an address, compared as [`Address::normalized`]: a message ID, which is not empty and has
    /// no white space, or the reason why the address was rejected.
    pub fn value_for(&self, address: &Address) -> Option<&str> {
        match &self.data {
            Data::Values(values) => values.get(address),
            Data::Text(_) => None,
        }
    }

    /// The text in `data`, perhaps empty.
    pub fn error_text(&self) -> &str {
        match &self.data {
            Data::Text(text) => text,
            Data::Values(_) => "",
        }
    }

    /// Encodes the response as JSON. On success, `data` is a list of objects with one address each.
    pub fn encode(&self) -> Vec<u8> {
        let mut answer = Map::new();
        answer.insert("code".to_owned(), self.code.into());
        answer.insert("status".to_owned(), self.status.as_str().into());
        answer.insert("message".to_owned(), self.message.as_str().into());
        match &self.data {
            Data::Values(values) => {
                let list = values
                    .iter()
                    .map(|(address, value)| json!({ address: value }));
                answer.insert("data".to_owned(), list.collect());
            }
            Data::Text(text) if text.is_empty() => {}
            Data::Text(text) => {
                answer.insert("data".to_owned(), text.as_str().into());
            }
        }
        if let Some(id) = &self.req_id {
            answer.insert("req_id".to_owned(), id.as_str().into());
        }
        Value::Object(answer).to_string().into_bytes()
    }

    /// Decodes the API's JSON: an object with a `code`, which is a number or a string, and a `status`. `None`
    /// for anything else.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let code = code(answer.get("code")?)?;
        let status = line(answer.remove("status")?);
        let message = answer.remove("message").map(line).unwrap_or_default();
        let data = answer.remove("data").unwrap_or_default();
        let req_id = answer
            .remove("req_id")
            .map(line)
            .filter(|id| !id.is_empty());
        let mut answer = Self {
            code,
            status,
            message,
            data: Data::Text(String::new()),
            req_id,
        };
        answer.data = if answer.is_success() {
            values(data)
        } else {
            Data::Text(line(data))
        };
        Some(answer)
    }
}

fn code(value: &Value) -> Option<u16> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|code| u16::try_from(code).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A value as one line: a string as it is, other values as JSON, and "" for empty ones.
fn line(value: Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::Array(list) if list.is_empty() => return String::new(),
        Value::Object(map) if map.is_empty() => return String::new(),
        Value::String(text) => text,
        value => value.to_string(),
    };
    if !text.contains(char::is_control) {
        return text;
    }
    text.replace(char::is_control, " ")
}

/// Reads a list of objects, or one object, from addresses to values.
fn values(data: Value) -> Data {
    match data {
        Value::Object(map) => Data::Values(entries(map).collect()),
        Value::Array(list) if list.iter().all(Value::is_object) => {
            let maps = list.into_iter().filter_map(|value| match value {
                Value::Object(map) => Some(map),
                _ => None,
            });
            Data::Values(maps.flat_map(entries).collect())
        }
        other => Data::Text(line(other)),
    }
}

/// Keeps strings and numbers: anything else must not be mistaken for a message ID.
fn entries(map: Map<String, Value>) -> impl Iterator<Item = (String, String)> {
    map.into_iter()
        .filter(|(_, value)| value.is_string() || value.is_number())
        .map(|(address, value)| (address, line(value)))
}
