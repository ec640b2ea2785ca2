//! Decodes requests in all the shapes that clients send.

use std::borrow::Cow;

use mail_parser::MessageParser;

use super::form::{self, FormError, Map, Value};
use super::{Copy, File, FormDialect, Recipient, Request};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error(transparent)]
    Form(#[from] FormError),
    #[error("the field {field} {problem}")]
    Field {
        /// Such as `files[0][name]`.
        field: String,
        problem: &'static str,
    },
}

pub(super) const NOT_ONE_VALUE: &str = "must be one value, not an array";
const NOT_AN_ARRAY: &str = "must be an array, not one value";

pub(super) fn refuse<T>(field: impl Into<String>, problem: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::Field {
        field: field.into(),
        problem,
    })
}

impl Request<'static> {
    /// Decodes a form's body. Unknown fields are ignored. [`Request::violations`] reports missing fields and
    /// exceeded limits.
    ///
    /// # Errors
    /// If PHP would not read the whole body, or a field does not have a shape of the API.
    pub fn decode(body: &[u8], dialect: FormDialect) -> Result<Self, DecodeError> {
        Self::from_pairs(form::pairs(body)?, dialect)
    }

    /// Decodes the variables of a form.
    ///
    /// # Errors
    /// The same as for [`Request::decode`].
    pub fn from_pairs(
        pairs: Vec<(String, String)>,
        dialect: FormDialect,
    ) -> Result<Self, DecodeError> {
        let mut fields = Fields(form::nest(pairs)?);
        let headers = headers(&mut fields)?;
        Ok(Self {
            to: recipients(&mut fields, dialect)?,
            smtp_account: fields.required("smtp_account")?,
            subject: fields.required("subject")?,
            html: fields.text("html")?,
            text: fields.either("text", "txt")?,
            from: fields.required("from")?,
            from_name: fields.text("from_name")?,
            headers: headers.extra,
            cc: copies(&mut fields, ["cc", "cc_name", "multi_cc"])?,
            bcc: copies(&mut fields, ["bcc", "bcc_name", "multi_bcc"])?,
            reply_to: fields.either("reply_to", "replay_to")?.or(headers.reply_to),
            tags: tags(&mut fields)?,
            files: files(&mut fields)?,
            return_path: fields.text("return_path")?.or(headers.return_path),
        })
    }
}

type Text = Cow<'static, str>;
type Header = (Text, Text);

/// The fields that have not been read yet.
pub(super) struct Fields(pub(super) Map);

impl Fields {
    /// One value. An empty one counts as absent.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<Text>, DecodeError> {
        self.0
            .take(name)
            .map_or(Ok(None), |value| text(value, || name.to_owned()))
    }

    /// The same, and an empty text if it is absent.
    pub(super) fn required(&mut self, name: &str) -> Result<Text, DecodeError> {
        Ok(self.text(name)?.unwrap_or_default())
    }

    pub(super) fn either(&mut self, name: &str, other: &str) -> Result<Option<Text>, DecodeError> {
        let (first, second) = (self.text(name)?, self.text(other)?);
        Ok(first.or(second))
    }

    fn flag(&mut self, name: &str) -> Result<bool, DecodeError> {
        flag(self.0.take(name), || name.to_owned())
    }

    /// The entries of an array, except empty texts.
    fn entries(&mut self, name: &str) -> Result<Vec<(String, Value)>, DecodeError> {
        let map = self.map(name)?;
        Ok(map.into_iter().filter(|(_, v)| !is_empty(v)).collect())
    }

    pub(super) fn map(&mut self, name: &str) -> Result<Map, DecodeError> {
        map(self.0.take(name), || name.to_owned())
    }
}

/// An array. An absent or empty field is an empty one.
pub(super) fn map(
    value: Option<Value>,
    field: impl FnOnce() -> String,
) -> Result<Map, DecodeError> {
    match value {
        Some(Value::Text(text)) if !text.is_empty() => refuse(field(), NOT_AN_ARRAY),
        Some(Value::Map(map)) => Ok(map),
        _ => Ok(Map::default()),
    }
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.is_empty())
}

/// One value. An empty one counts as absent.
fn text(value: Value, field: impl FnOnce() -> String) -> Result<Option<Text>, DecodeError> {
    match value {
        Value::Text(text) => Ok((!text.is_empty()).then_some(Cow::Owned(text))),
        Value::Map(_) => refuse(field(), NOT_ONE_VALUE),
    }
}

fn flag(value: Option<Value>, field: impl FnOnce() -> String) -> Result<bool, DecodeError> {
    match value {
        None => Ok(false),
        Some(Value::Text(text)) if matches!(text.as_str(), "" | "0" | "false") => Ok(false),
        Some(Value::Text(text)) if matches!(text.as_str(), "1" | "true") => Ok(true),
        Some(_) => refuse(field(), "must be 1 or 0"),
    }
}

fn recipients(
    fields: &mut Fields,
    dialect: FormDialect,
) -> Result<Vec<Recipient<'static>>, DecodeError> {
    let new_structure = fields.flag("new_structure")?;
    let map = match fields.0.take("to") {
        None => return Ok(Vec::new()),
        Some(Value::Map(map)) => map,
        Some(value) => {
            let address = text(value, || "to".to_owned())?;
            return Ok(address.into_iter().map(only_address).collect());
        }
    };
    let one = |(key, value): (String, Value)| match dialect {
        FormDialect::Sendmail => listed_recipient(&key, value),
        FormDialect::NewSendmail => keyed_recipient(key, value, new_structure),
    };
    map.into_iter()
        .filter_map(|entry| one(entry).transpose())
        .collect()
}

fn only_address(address: Text) -> Recipient<'static> {
    Recipient {
        address,
        ..Recipient::default()
    }
}

/// `to[0]=a@x`.
fn listed_recipient(key: &str, value: Value) -> Result<Option<Recipient<'static>>, DecodeError> {
    let address = text(value, || format!("to[{key}]"))?;
    if address.is_none() && key.contains('@') {
        let problem = "is empty: here addresses are values; new_sendmail takes them as keys";
        return refuse(format!("to[{key}]"), problem);
    }
    Ok(address.map(only_address))
}

/// `to[a@x][message_id]=ID`, `to[a@x]=…`, `to[0]=a@x`, or `to[0][email]=a@x`. Any other key is a recipient
/// too, so that its address is reported as invalid, unless its value has an address.
fn keyed_recipient(
    key: String,
    value: Value,
    new_structure: bool,
) -> Result<Option<Recipient<'static>>, DecodeError> {
    let is_address = key.contains('@');
    let map = match value {
        Value::Map(map) => map,
        // The meaning of a text under an address is unknown; it is ignored.
        Value::Text(text) if is_address || !is_number(&key) && !text.contains('@') => {
            return Ok(Some(only_address(Cow::Owned(key))));
        }
        value => return Ok(text(value, || format!("to[{key}]"))?.map(only_address)),
    };
    let mut fields = Fields(map);
    let mut field = |name: &str| {
        let value = fields.0.take(name);
        value.map_or(Ok(None), |value| {
            text(value, || format!("to[{key}][{name}]"))
        })
    };
    let (email, message_id) = (field("email")?, field("message_id")?);
    let name = field("reciver_name")?.or(field("name")?);
    let address = match email {
        Some(email) => email,
        None if new_structure && !is_address => {
            return refuse(format!("to[{key}][email]"), "is missing");
        }
        None => Cow::Owned(key),
    };
    Ok(Some(Recipient {
        address,
        name,
        message_id,
    }))
}

/// `cc=a@x` and `cc_name`; `cc[a@x]=Name`, with or without `multi_cc`; `cc[0]=a@x`.
fn copies(
    fields: &mut Fields,
    [key, name_key, multi_key]: [&str; 3],
) -> Result<Vec<Copy<'static>>, DecodeError> {
    let name = fields.text(name_key)?;
    let several = fields.flag(multi_key)?;
    let map = match fields.0.take(key) {
        Some(Value::Map(map)) => map,
        Some(Value::Text(text)) if !text.is_empty() && several => {
            return refuse(key, NOT_AN_ARRAY);
        }
        Some(Value::Text(text)) if !text.is_empty() => {
            let address = Cow::Owned(text);
            return Ok(vec![Copy { address, name }]);
        }
        _ => return Ok(Vec::new()),
    };
    let copy = |(at, value): (String, Value)| {
        let value = text(value, || format!("{key}[{at}]"))?;
        Ok(if is_number(&at) {
            value.map(|address| Copy {
                address,
                name: None,
            })
        } else {
            let address = Cow::Owned(at);
            Some(Copy {
                address,
                name: value,
            })
        })
    };
    map.into_iter()
        .filter_map(|entry| copy(entry).transpose())
        .collect()
}

/// Headers that repeat other fields, and those fields.
const REPEATING_FIELDS: [(&str, &str); 5] = [
    ("From", "from"),
    ("To", "to"),
    ("Cc", "cc"),
    ("Bcc", "bcc"),
    ("Subject", "subject"),
];
/// Headers that the server always writes itself.
const WRITTEN_BY_SERVER: [&str; 3] = ["Date", "Message-ID", "MIME-Version"];
/// Headers of a whole message that the client has built; they do not apply to the message here.
const OF_CLIENT_MESSAGE: [&str; 3] = ["Content-Type", "Content-Transfer-Encoding", "Sender"];

#[derive(Default)]
struct Headers {
    extra: Vec<Header>,
    reply_to: Option<Text>,
    return_path: Option<Text>,
}

/// `headers[Name]=value`, or `headers[0]=Name: value`.
///
/// Some clients post all headers of a message that they have built. Headers that the message gets anyway are
/// left out.
fn headers(fields: &mut Fields) -> Result<Headers, DecodeError> {
    let mut headers = Headers::default();
    for (key, value) in fields.entries("headers")? {
        let Some(value) = text(value, || format!("headers[{key}]"))? else {
            continue;
        };
        // A whole line may be folded and encoded.
        let is_line = is_number(&key);
        let (name, value) = if is_line {
            let Some((name, value)) = value.split_once(':') else {
                return refuse(format!("headers[{key}]"), "must look like “Name: value”");
            };
            (name.to_owned(), Cow::Owned(unfolded(value.trim())))
        } else {
            (key, value)
        };
        if name.eq_ignore_ascii_case("Reply-To") {
            headers.reply_to = headers.reply_to.or(Some(value));
        } else if name.eq_ignore_ascii_case("Return-Path") {
            let bare = value.trim().trim_start_matches('<').trim_end_matches('>');
            if bare.is_empty() {
                return refuse("headers[Return-Path]", "must contain an address");
            }
            headers.return_path = Some(Cow::Owned(bare.to_owned()));
        } else if !(is_redundant(&name, &fields.0) || is_line && is_in(OF_CLIENT_MESSAGE, &name)) {
            let value = match is_line {
                true => decoded(&value).map_or(value, Cow::Owned),
                false => value,
            };
            headers.extra.push((Cow::Owned(name), value));
        }
    }
    Ok(headers)
}

fn is_redundant(name: &str, fields: &Map) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    is_in(WRITTEN_BY_SERVER, name)
        || REPEATING_FIELDS
            .iter()
            .any(|(header, field)| is(header) && fields.get(field).is_some_and(|v| !is_empty(v)))
}

fn is_in<const N: usize>(names: [&str; N], name: &str) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// Unfolds a header's value (RFC 5322 2.2.3).
fn unfolded(value: &str) -> String {
    value.replace("\r\n ", " ").replace("\r\n\t", "\t")
}

/// Decodes encoded words (RFC 2047). `None` if there are none, if the text would have several lines, or if
/// there may be addresses, because the comma in a decoded name would split its address.
fn decoded(value: &str) -> Option<String> {
    let is_encoded_text = value.is_ascii() && value.contains("=?") && !value.contains(['<', '@']);
    if !is_encoded_text || value.contains(char::is_control) {
        return None;
    }
    let header = format!("Subject: {value}\r\n\r\n");
    let message = MessageParser::default().parse(&header)?;
    let text = message.subject()?;
    (!text.contains(char::is_control)).then(|| text.to_owned())
}

/// Whether a key is an index and not a name.
pub(super) fn is_number(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_digit())
}

fn tags(fields: &mut Fields) -> Result<Vec<Text>, DecodeError> {
    let value = fields.0.take("tags");
    let entries = match value {
        Some(Value::Map(map)) => map.into_iter().collect(),
        value => value
            .into_iter()
            .map(|value| (String::new(), value))
            .collect::<Vec<_>>(),
    };
    let one = |(key, value)| text(value, || format!("tags[{key}]")).transpose();
    entries.into_iter().filter_map(one).collect()
}

fn files(fields: &mut Fields) -> Result<Vec<File<'static>>, DecodeError> {
    // A single file, without a list around it.
    if let Some(Value::Map(map)) = fields.0.get("files")
        && matches!(map.get("content"), Some(Value::Text(_)))
        && let Some(Value::Map(map)) = fields.0.take("files")
    {
        return Ok(vec![file("files", map)?]);
    }
    let entries = fields.entries("files")?;
    let one = |(key, value)| match value {
        Value::Map(map) => file(&format!("files[{key}]"), map),
        Value::Text(_) => refuse(
            format!("files[{key}]"),
            "must have a name, a mime and a content",
        ),
    };
    entries.into_iter().map(one).collect()
}

/// `name` is the name in the form, such as `files[0]`.
fn file(name: &str, map: Map) -> Result<File<'static>, DecodeError> {
    let name = |field: &str| format!("{name}[{field}]");
    let mut fields = Fields(map);
    let inline = flag(fields.0.take("inline"), || name("inline"))?;
    let mut field = |field: &str| match fields.0.take(field) {
        None => refuse(name(field), "is missing"),
        Some(value) => Ok(text(value, || name(field))?.unwrap_or_default()),
    };
    let file_name = field("name")?;
    // Some clients copy it from a header that they have built, with its quotes.
    let quoted = file_name.strip_prefix('"');
    let quoted = quoted.and_then(|name| name.strip_suffix('"'));
    let unquoted = quoted.and_then(decoded).map(Cow::Owned);
    Ok(File {
        name: unquoted.unwrap_or(file_name),
        mime: field("mime")?,
        content: field("content")?,
        inline,
    })
}
