//! Decodes `POST email` as a server does. A body is read once, and a list or an object with too many entries is
//! refused at the first entry above its maximum.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::super::{Copy, File, Recipient, Request};
use super::MAX_RECIPIENTS;
use super::request::{NAME, check_length};

/// The most entries of any list or object of a request except `to`. The vendor names no maximum.
const MAX_ENTRIES: usize = 1000;

/// Values for a template, by name. They are texts, numbers, booleans and null.
pub type V2Vars = BTreeMap<String, Value>;

/// A posted request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct V2Request {
    pub request: Request<'static>,
    /// The ID of a stored template.
    pub template_id: Option<String>,
    /// The values for all recipients.
    pub global: V2Vars,
    /// The values for each recipient of the request, without those in `global`.
    pub own: Vec<Arc<V2Vars>>,
}

/// Why a body could not be decoded: the field, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct V2DecodeError(String);

impl V2DecodeError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

impl V2Request {
    /// Decodes a body.
    ///
    /// # Errors
    /// If it is not JSON, a field does not have a type of the API, or there are too many entries.
    pub fn decode(body: &[u8]) -> Result<Self, V2DecodeError> {
        let Record(body) = decode_json::<Record<PostedBody>>(body)?;
        // The request has the address and the name in one text.
        let name = body
            .reply_to
            .as_ref()
            .and_then(|contact| contact.0.name.as_deref());
        let mut faults = Vec::new();
        check_length("replyTo.name", name.unwrap_or_default(), NAME, &mut faults);
        match faults.first() {
            Some(fault) => Err(V2DecodeError(fault.to_string())),
            None => Ok(body.into()),
        }
    }

    /// Whether subject and bodies are templates.
    pub fn is_template(&self) -> bool {
        self.template_id.is_some()
            || !self.global.is_empty()
            || self.own.iter().any(|vars| !vars.is_empty())
    }
}

/// Decodes JSON. Errors name the field.
///
/// # Errors
/// If it is not JSON, or does not have the type.
pub(super) fn decode_json<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, V2DecodeError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // The second pass takes longer, and knows the field.
    serde_json::from_slice(body).map_err(|error| {
        let mut json = serde_json::Deserializer::from_slice(body);
        let field = serde_path_to_error::deserialize::<_, T>(&mut json)
            .err()
            .map(|error| error.path().to_string())
            .filter(|path| error.is_data() && path != ".");
        V2DecodeError(match field {
            Some(field) => {
                let field: String = field.chars().take(200).collect();
                format!("{field}: {error}")
            }
            None => format!("The body is not valid: {error}"),
        })
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedBody {
    #[serde(default, deserialize_with = "nullable")]
    subject: String,
    #[serde(default, deserialize_with = "nullable")]
    smtp_account: String,
    #[serde(default, deserialize_with = "nullable")]
    from: Record<PostedContact>,
    #[serde(default)]
    to: List<Record<PostedContact>, MAX_RECIPIENTS>,
    #[serde(default, deserialize_with = "nullable")]
    content: Record<PostedContent>,
    #[serde(default)]
    cc: List<Record<PostedContact>>,
    #[serde(default)]
    bcc: List<Record<PostedContact>>,
    reply_to: Option<Record<PostedContact>>,
    #[serde(default)]
    headers: Object<Option<String>>,
    #[serde(default)]
    tags: List<String>,
    #[serde(default)]
    global_vars: Object<Scalar>,
    #[serde(default)]
    attachments: List<Record<PostedFile>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedContact {
    email: String,
    name: Option<String>,
    message_id: Option<String>,
    #[serde(default)]
    vars: Object<Scalar>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedContent {
    html: Option<String>,
    text: Option<String>,
    template_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedFile {
    #[serde(default, deserialize_with = "nullable")]
    file_name: String,
    #[serde(default, deserialize_with = "nullable")]
    file_mime: String,
    file_content: String,
    #[serde(default, deserialize_with = "nullable")]
    inline: bool,
}

impl From<PostedBody> for V2Request {
    fn from(body: PostedBody) -> Self {
        let global: V2Vars = body.global_vars.into_values();
        let mut to = Vec::with_capacity(body.to.0.len());
        let mut own = Vec::with_capacity(body.to.0.len());
        // Most requests have no values.
        let none = Arc::new(V2Vars::new());
        for Record(mut contact) in body.to.0 {
            let mut vars = std::mem::take(&mut contact.vars).into_values();
            vars.retain(|name, _| !global.contains_key(name));
            own.push(match vars.is_empty() {
                true => Arc::clone(&none),
                false => Arc::new(vars),
            });
            to.push(recipient(contact));
        }
        let (from, content) = (body.from.0, body.content.0);
        let headers = body.headers.0.into_iter();
        let request = Request {
            to,
            smtp_account: body.smtp_account.into(),
            subject: body.subject.into(),
            html: content.html.map(Cow::Owned),
            text: content.text.map(Cow::Owned),
            from: from.email.into(),
            from_name: from.name.map(Cow::Owned),
            headers: headers
                .filter_map(|(name, value)| Some((name.into(), value?.into())))
                .collect(),
            cc: body.cc.0.into_iter().map(copy).collect(),
            bcc: body.bcc.0.into_iter().map(copy).collect(),
            reply_to: body.reply_to.map(|contact| mailbox(contact.0).into()),
            tags: body.tags.0.into_iter().map(Cow::Owned).collect(),
            files: body.attachments.0.into_iter().map(file).collect(),
            return_path: None,
        };
        Self {
            request,
            template_id: content.template_id.filter(|id| !id.is_empty()),
            global,
            own,
        }
    }
}

fn recipient(contact: PostedContact) -> Recipient<'static> {
    let id = contact.message_id.map(|id| {
        let bare = id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
        bare.map(str::to_owned).unwrap_or(id)
    });
    Recipient {
        address: contact.email.into(),
        name: contact.name.map(Cow::Owned),
        message_id: id.map(Cow::Owned),
    }
}

/// The address with its name, as in a header.
fn mailbox(contact: PostedContact) -> String {
    match contact.name {
        Some(name) if !name.is_empty() => {
            let name = name.replace('\\', r"\\").replace('"', r#"\""#);
            format!("\"{name}\" <{}>", contact.email)
        }
        _ => contact.email,
    }
}

fn copy(Record(contact): Record<PostedContact>) -> Copy<'static> {
    Copy {
        address: contact.email.into(),
        name: contact.name.map(Cow::Owned),
    }
}

fn file(Record(file): Record<PostedFile>) -> File<'static> {
    File {
        name: file.file_name.into(),
        mime: file.file_mime.into(),
        content: file.file_content.into(),
        inline: file.inline,
    }
}

/// A value, or its default for `null`.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A type with named fields. serde also decodes these from lists, which the API does not have.
#[derive(Default)]
pub(super) struct Record<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Record<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RecordVisitor(PhantomData))
    }
}

struct RecordVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for RecordVisitor<T> {
    type Value = Record<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Record)
    }
}

/// A list of at most `MAX` entries. `null` is an empty one.
pub(super) struct List<T, const MAX: usize = MAX_ENTRIES>(pub(super) Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} entries")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(List::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while list.len() < MAX {
            match entries.next_element()? {
                Some(entry) => list.push(entry),
                None => return Ok(List(list)),
            }
        }
        match entries.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::custom(format_args!(
                "there are more than {MAX} entries"
            ))),
            None => Ok(List(list)),
        }
    }
}

/// An object with at most [`MAX_ENTRIES`] entries. `null` is an empty one, and so is `[]`, which PHP makes of an
/// empty array.
struct Object<T>(BTreeMap<String, T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl Object<Scalar> {
    fn into_values(self) -> V2Vars {
        let values = self.0.into_iter();
        values.map(|(name, value)| (name, value.0)).collect()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with at most {MAX_ENTRIES} entries")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Object::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        match entries.next_element::<IgnoredAny>()? {
            None => Ok(Object::default()),
            Some(_) => Err(A::Error::custom("must be an object, not a list")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(name) = entries.next_key::<String>()? {
            if map.len() == MAX_ENTRIES {
                let error = format_args!("there are more than {MAX_ENTRIES} entries");
                return Err(A::Error::custom(error));
            }
            map.insert(name, entries.next_value()?);
        }
        Ok(Object(map))
    }
}

/// A value of a template.
struct Scalar(Value);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor).map(Self)
    }
}

struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a boolean or null")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        let error = V2Request::decode(body.as_bytes()).expect_err("an error");
        error.to_string()
    }

    #[test]
    fn optional_fields_may_be_null() {
        let body = r#"{"subject": null, "smtpAccount": null, "from": null, "to": null, "content": null, "cc": null,
            "bcc": null, "replyTo": null, "headers": null, "tags": null, "globalVars": null, "attachments": null}"#;
        let request = V2Request::decode(body.as_bytes()).expect("a request");
        assert_eq!(request, V2Request::default());
        let body = r#"{"to": [{"email": "a@x", "name": null, "messageId": null, "vars": null}], "headers": {"X-A": null},
            "attachments": [{"fileName": "a", "fileContent": "", "inline": null}], "content": {"html": null, "templateId": null}}"#;
        let decoded = V2Request::decode(body.as_bytes()).expect("a request");
        assert_eq!(decoded.request.to[0].address, "a@x");
        assert!(decoded.request.headers.is_empty() && !decoded.is_template());
        // PHP's empty array.
        let body = r#"{"headers": [], "globalVars": [], "to": [{"email": "", "vars": []}]}"#;
        V2Request::decode(body.as_bytes()).expect("a request");
    }

    #[test]
    fn errors_name_the_field() {
        assert!(error(r#"{"to": [{"email": 5}]}"#).starts_with("to[0].email: invalid type"));
        assert!(error(r#"{"headers": {"A": {}}}"#).starts_with("headers.A: "));
        assert!(error(r#"{"headers": ["A: b"]}"#).contains("must be an object"));
        assert!(error(r#"{"globalVars": {"a": [1]}}"#).contains("a text, a number"));
        // Without its content, an attachment would be empty.
        let error_of_file =
            error(r#"{"attachments": [{"fileName": "a", "fileContents": "AAAA"}]}"#);
        assert!(
            error_of_file.contains("missing field `fileContent`"),
            "{error_of_file}"
        );
        let error_of_contact = error(r#"{"replyTo": {"mail": "a@x"}}"#);
        assert!(
            error_of_contact.contains("missing field `email`"),
            "{error_of_contact}"
        );
        assert!(error("{").starts_with("The body is not valid: "));
        assert!(error("[]").contains("expected an object"));
        assert!(error(r#"{"subject": "a", "subject": "b"}"#).contains("duplicate field"));
        let deep = format!("{{\"other\": {}", "[".repeat(100_000));
        assert!(error(&deep).contains("EOF"));
    }

    #[test]
    fn too_many_entries_are_refused() {
        let entries = |entry: &str, count| vec![entry; count].join(",");
        assert!(
            error(&format!(
                r#"{{"to": [{}]}}"#,
                entries(r#"{"email": ""}"#, 201)
            ))
            .contains("200 entries")
        );
        assert!(
            error(&format!(r#"{{"tags": [{}]}}"#, entries("\"\"", 1001))).contains("1000 entries")
        );
        let headers: Vec<_> = (0..1001).map(|n| format!("\"X-{n}\": \"\"")).collect();
        let headers = headers.join(",");
        assert!(error(&format!(r#"{{"headers": {{{headers}}}}}"#)).contains("1000 entries"));
    }

    #[test]
    fn values_of_all_recipients_win() {
        let body = r#"{"to": [{"email": "a@x", "vars": {"n": "own", "m": 1}}, {"email": "b@x"}],
            "globalVars": {"n": "all"}, "content": {"templateId": "t"}}"#;
        let request = V2Request::decode(body.as_bytes()).expect("a request");
        assert_eq!(request.template_id.as_deref(), Some("t"));
        assert_eq!(*request.own[0], V2Vars::from([("m".to_owned(), 1.into())]));
        assert!(request.own[1].is_empty() && request.is_template());
    }
}
