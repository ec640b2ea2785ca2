//! Requests, encoded as the vendor's client does it, and decoded in every shape that clients send.

use std::borrow::Cow;

use super::form::{self, FormError, Map, Value};
use super::{Copy, Dialect, EncodedHtml, File, Recipient, Request};

impl Request<'_> {
    /// The form's body.
    pub fn encode(&self, dialect: Dialect) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size() * 5 / 4 + 512);
        self.encode_into(dialect, &mut out);
        for (index, file) in self.files.iter().enumerate() {
            file.encode_into(index, &mut out);
        }
        out
    }

    /// Appends the form's body without `files`. They come last in a body, so that a sender can
    /// encode them once and append the same bytes to every request: see [`File::encode_into`].
    pub fn encode_into(&self, dialect: Dialect, out: &mut Vec<u8>) {
        let start = out.len();
        self.each_variable(dialect, &mut |key, value| {
            if out.len() > start {
                out.push(b'&');
            }
            encode_key(key, out);
            match (key, &self.encoded_html) {
                (["html"], Some(html)) => out.extend_from_slice(&html.form),
                _ => form::encode_into(value.as_bytes(), out),
            }
        });
    }

    /// The number of variables in the form, of which PHP keeps [`form::MAX_VARIABLES`].
    pub fn variables(&self, dialect: Dialect) -> usize {
        let mut count = 0;
        self.each_variable(dialect, &mut |_, _| count += 1);
        self.files
            .iter()
            .for_each(|file| count += 3 + usize::from(file.inline));
        count
    }

    /// The bytes of `html`, `text` and the base64 of the attachments: what counts for the API's
    /// limit on a message.
    pub fn size(&self) -> usize {
        let text = |text: &Option<Cow<'_, str>>| text.as_ref().map_or(0, |text| text.len());
        let files: usize = self.files.iter().map(|file| file.content.len()).sum();
        self.html_length() + text(&self.text) + files
    }

    /// The bytes of `html`, or of what is encoded in its stead.
    pub(super) fn html_length(&self) -> usize {
        match &self.encoded_html {
            Some(html) => html.length,
            None => self.html.as_ref().map_or(0, |html| html.len()),
        }
    }

    /// Calls `put` with the levels of the name and the value of every variable but `files`, in the
    /// order of the vendor's client. What is empty is left out: it means the same as absent.
    fn each_variable(&self, dialect: Dialect, put: &mut impl FnMut(&[&str], &str)) {
        put_text("from", &self.from, put);
        put_option("from_name", &self.from_name, put);
        for (index, recipient) in self.to.iter().enumerate() {
            match dialect {
                Dialect::Sendmail => put(&["to", &index.to_string()], &recipient.address),
                Dialect::NewSendmail => recipient.each_variable(put),
            }
        }
        put_text("subject", &self.subject, put);
        put_text("smtp_account", &self.smtp_account, put);
        put_option("reply_to", &self.reply_to, put);
        if dialect == Dialect::NewSendmail {
            put_option("return_path", &self.return_path, put);
        }
        put_copies(["cc", "cc_name", "multi_cc"], &self.cc, put);
        put_copies(["bcc", "bcc_name", "multi_bcc"], &self.bcc, put);
        if self.html_length() > 0 {
            put(&["html"], self.html.as_deref().unwrap_or_default());
        }
        put_option("text", &self.text, put);
        for (index, tag) in self.tags.iter().enumerate() {
            put(&["tags", &index.to_string()], tag);
        }
        for (name, value) in &self.headers {
            put(&["headers", name], value);
        }
    }
}

impl Request<'_> {
    /// The same request, without a copy of its texts.
    pub fn borrowed(&self) -> Request<'_> {
        Request {
            to: self.to.iter().map(Recipient::borrowed).collect(),
            smtp_account: borrowed(&self.smtp_account),
            subject: borrowed(&self.subject),
            html: self.html.as_deref().map(Cow::Borrowed),
            encoded_html: self.encoded_html.as_ref().map(|html| EncodedHtml {
                form: Cow::Borrowed(&html.form),
                length: html.length,
            }),
            text: self.text.as_deref().map(Cow::Borrowed),
            from: borrowed(&self.from),
            from_name: self.from_name.as_deref().map(Cow::Borrowed),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (borrowed(name), borrowed(value)))
                .collect(),
            cc: self.cc.iter().map(Copy::borrowed).collect(),
            bcc: self.bcc.iter().map(Copy::borrowed).collect(),
            reply_to: self.reply_to.as_deref().map(Cow::Borrowed),
            tags: self.tags.iter().map(|tag| borrowed(tag)).collect(),
            files: self.files.iter().map(File::borrowed).collect(),
            return_path: self.return_path.as_deref().map(Cow::Borrowed),
        }
    }
}

impl Copy<'_> {
    fn borrowed(&self) -> Copy<'_> {
        Copy {
            address: borrowed(&self.address),
            name: self.name.as_deref().map(Cow::Borrowed),
        }
    }
}

fn borrowed(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

impl Recipient<'_> {
    fn borrowed(&self) -> Recipient<'_> {
        Recipient {
            address: borrowed(&self.address),
            name: self.name.as_deref().map(Cow::Borrowed),
            message_id: self.message_id.as_deref().map(Cow::Borrowed),
        }
    }

    fn each_variable(&self, put: &mut impl FnMut(&[&str], &str)) {
        let address: &str = &self.address;
        let id = self.message_id.as_deref().filter(|id| !id.is_empty());
        let name = self.name.as_deref().filter(|name| !name.is_empty());
        if id.is_none() && name.is_none() {
            put(&["to", address], "");
        }
        if let Some(id) = id {
            put(&["to", address, "message_id"], id);
        }
        if let Some(name) = name {
            put(&["to", address, "reciver_name"], name);
        }
    }
}

impl File<'_> {
    fn borrowed(&self) -> File<'_> {
        File {
            name: borrowed(&self.name),
            mime: borrowed(&self.mime),
            content: borrowed(&self.content),
            inline: self.inline,
        }
    }

    /// Appends this attachment to a body, as `&files[index][name]=…` and so on, base64 and all.
    pub fn encode_into(&self, index: usize, out: &mut Vec<u8>) {
        let index = index.to_string();
        let fields = [
            ("name", &*self.name),
            ("mime", &*self.mime),
            ("content", &*self.content),
        ];
        let inline = self.inline.then_some(("inline", "1"));
        for (field, value) in fields.into_iter().chain(inline) {
            out.push(b'&');
            encode_key(&["files", &index, field], out);
            form::encode_into(value.as_bytes(), out);
        }
    }
}

fn put_text(key: &str, value: &str, put: &mut impl FnMut(&[&str], &str)) {
    if !value.is_empty() {
        put(&[key], value);
    }
}

fn put_option(key: &str, value: &Option<Cow<'_, str>>, put: &mut impl FnMut(&[&str], &str)) {
    put_text(key, value.as_deref().unwrap_or_default(), put);
}

/// One copy goes by its address and its name, several as a map from address to name.
fn put_copies(
    [key, name_key, multi_key]: [&str; 3],
    copies: &[Copy<'_>],
    put: &mut impl FnMut(&[&str], &str),
) {
    if let [copy] = copies {
        put_text(key, &copy.address, put);
        put_option(name_key, &copy.name, put);
    } else if !copies.is_empty() {
        put(&[multi_key], "1");
        for copy in copies {
            put(
                &[key, &copy.address],
                copy.name.as_deref().unwrap_or_default(),
            );
        }
    }
}

fn encode_key(key: &[&str], out: &mut Vec<u8>) {
    for (level, name) in key.iter().enumerate() {
        if level > 0 {
            out.extend_from_slice(b"%5B");
        }
        form::encode_into(name.as_bytes(), out);
        if level > 0 {
            out.extend_from_slice(b"%5D");
        }
    }
    out.push(b'=');
}

/// Why a body is not a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body is not a form that can be read.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A field has a shape that the API does not have.
    #[error("the field {field} {problem}")]
    Field {
        /// The field's name, such as `files[0][name]`.
        field: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

fn refuse<T>(field: impl Into<String>, problem: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::Field {
        field: field.into(),
        problem,
    })
}

impl Request<'static> {
    /// Reads a form's body.
    ///
    /// Fields that the API does not have are ignored. That a field is there at all, and its limits,
    /// are the matter of [`Request::violations`].
    ///
    /// # Errors
    /// A body that PHP would not read whole, or a field of another shape than the API's.
    pub fn decode(body: &[u8], dialect: Dialect) -> Result<Self, DecodeError> {
        Self::from_pairs(form::pairs(body)?, dialect)
    }

    /// Reads a form's variables ([`form::pairs`]), as [`Request::decode`].
    ///
    /// # Errors
    /// As [`Request::decode`].
    pub fn from_pairs(pairs: Vec<(String, String)>, dialect: Dialect) -> Result<Self, DecodeError> {
        let mut fields = Fields(form::nest(pairs)?);
        let (headers, reply_to) = headers(&mut fields)?;
        Ok(Self {
            to: recipients(&mut fields, dialect)?,
            smtp_account: fields.required("smtp_account")?,
            subject: fields.required("subject")?,
            html: fields.text("html")?,
            encoded_html: None,
            text: fields.either("text", "txt")?,
            from: fields.required("from")?,
            from_name: fields.text("from_name")?,
            headers,
            cc: copies(&mut fields, ["cc", "cc_name", "multi_cc"])?,
            bcc: copies(&mut fields, ["bcc", "bcc_name", "multi_bcc"])?,
            reply_to: fields.either("reply_to", "replay_to")?.or(reply_to),
            tags: tags(&mut fields)?,
            files: files(&mut fields)?,
            return_path: fields.text("return_path")?,
        })
    }
}

type Text = Cow<'static, str>;
/// A name and a value.
type Header = (Text, Text);

/// The fields that are not read yet.
struct Fields(Map);

impl Fields {
    fn text(&mut self, name: &str) -> Result<Option<Text>, DecodeError> {
        self.0
            .take(name)
            .map_or(Ok(None), |value| text(value, || name.to_owned()))
    }

    /// A field whose absence is no matter of decoding.
    fn required(&mut self, name: &str) -> Result<Text, DecodeError> {
        Ok(self.text(name)?.unwrap_or_default())
    }

    fn either(&mut self, name: &str, other: &str) -> Result<Option<Text>, DecodeError> {
        let (first, second) = (self.text(name)?, self.text(other)?);
        Ok(first.or(second))
    }

    fn flag(&mut self, name: &str) -> Result<bool, DecodeError> {
        flag(self.0.take(name), || name.to_owned())
    }

    /// An array's entries; those that are empty texts are left out.
    fn entries(&mut self, name: &str) -> Result<Vec<(String, Value)>, DecodeError> {
        match self.0.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Text(text)) if text.is_empty() => Ok(Vec::new()),
            Some(Value::Text(_)) => refuse(name, "is one value where it must be an array"),
            Some(Value::Map(map)) => Ok(map.into_iter().filter(|(_, v)| !is_empty(v)).collect()),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.is_empty())
}

/// One value; an empty one is none.
fn text(value: Value, field: impl FnOnce() -> String) -> Result<Option<Text>, DecodeError> {
    match value {
        Value::Text(text) => Ok((!text.is_empty()).then_some(Cow::Owned(text))),
        Value::Map(_) => refuse(field(), "is an array where it must be one value"),
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
    dialect: Dialect,
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
    let one = |(key, value)| match dialect {
        Dialect::Sendmail => Ok(text(value, || format!("to[{key}]"))?.map(only_address)),
        Dialect::NewSendmail => keyed_recipient(key, value, new_structure),
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

/// `to[a@x][message_id]=ID`, `to[a@x]=…`, `to[0]=a@x`, or `to[0][email]=a@x`.
fn keyed_recipient(
    key: String,
    value: Value,
    new_structure: bool,
) -> Result<Option<Recipient<'static>>, DecodeError> {
    let is_address = key.contains('@');
    let map = match value {
        Value::Map(map) => map,
        // What a text under an address means is not known; it is not used.
        Value::Text(_) if is_address => return Ok(Some(only_address(Cow::Owned(key)))),
        value => return Ok(text(value, || format!("to[{key}]"))?.map(only_address)),
    };
    let mut fields = Fields(map);
    let mut field = |name: &str| {
        let value = fields.0.take(name);
        value.map_or(Ok(None), |value| {
            text(value, || format!("to[{key}][{name}]"))
        })
    };
    let (email, name, message_id) = (
        field("email")?,
        field("reciver_name")?,
        field("message_id")?,
    );
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
            return refuse(key, "is one value where it must be an array");
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

/// The headers that only say again what other fields say, and those fields.
const SAID_BY_FIELDS: [(&str, &str); 6] = [
    ("From", "from"),
    ("To", "to"),
    ("Cc", "cc"),
    ("Bcc", "bcc"),
    ("Subject", "subject"),
    ("Return-Path", "return_path"),
];
/// The headers that the server writes whatever is posted.
const SAID_BY_SERVER: [&str; 3] = ["Date", "Message-ID", "MIME-Version"];

/// `headers[Name]=value`, or `headers[0]=Name: value`; and the value of a `Reply-To` among them.
///
/// Some clients post all headers of a message that they have built: those that the message gets
/// anyway are left out.
fn headers(fields: &mut Fields) -> Result<(Vec<Header>, Option<Text>), DecodeError> {
    let (mut headers, mut reply_to) = (Vec::new(), None);
    for (key, value) in fields.entries("headers")? {
        let Some(value) = text(value, || format!("headers[{key}]"))? else {
            continue;
        };
        let (name, value) = if is_number(&key) {
            let Some((name, value)) = value.split_once(':') else {
                return refuse(format!("headers[{key}]"), "must look like “Name: value”");
            };
            (name.to_owned(), Cow::Owned(unfolded(value.trim())))
        } else {
            (key, value)
        };
        if name.eq_ignore_ascii_case("Reply-To") {
            reply_to = reply_to.or(Some(value));
        } else if !is_said_anyway(&name, &fields.0) {
            headers.push((Cow::Owned(name), value));
        }
    }
    Ok((headers, reply_to))
}

fn is_said_anyway(name: &str, fields: &Map) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    SAID_BY_SERVER.into_iter().any(is)
        || SAID_BY_FIELDS
            .iter()
            .any(|(header, field)| is(header) && fields.get(field).is_some_and(|v| !is_empty(v)))
}

/// A header's value without the line breaks that only fold it (RFC 5322 2.2.3).
fn unfolded(value: &str) -> String {
    value.replace("\r\n ", " ").replace("\r\n\t", "\t")
}

/// Whether a key is taken for a place in a list, not for a name.
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
    let entries = fields.entries("files")?;
    entries
        .into_iter()
        .map(|(key, value)| file(&key, value))
        .collect()
}

fn file(key: &str, value: Value) -> Result<File<'static>, DecodeError> {
    let name = |field: &str| format!("files[{key}][{field}]");
    let Value::Map(map) = value else {
        return refuse(
            format!("files[{key}]"),
            "must have a name, a mime and a content",
        );
    };
    let mut fields = Fields(map);
    let inline = flag(fields.0.take("inline"), || name("inline"))?;
    let mut field = |field: &str| match fields.0.take(field) {
        None => refuse(name(field), "is missing"),
        Some(value) => Ok(text(value, || name(field))?.unwrap_or_default()),
    };
    Ok(File {
        name: field("name")?,
        mime: field("mime")?,
        content: field("content")?,
        inline,
    })
}
