//! The tables and keys of `campaign.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::list_name::ListName;

/// A string and its place in the file.
pub type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CampaignFile {
    pub(super) name: Text,
    pub(super) api: Option<ApiTable>,
    pub(super) smtp: Option<Spanned<SmtpTable>>,
    pub(super) message: MessageTemplate,
    #[serde(default)]
    pub(super) variants: Vec<VariantTable>,
    #[serde(default)]
    pub(super) recipients: RecipientsTable,
    #[serde(default)]
    pub(super) pace: PaceTable,
    pub(super) schedule: Option<Spanned<ScheduleTable>>,
    #[serde(default)]
    pub(super) retry: RetryTable,
    #[serde(default)]
    pub(super) breaker: BreakerTable,
    #[serde(default)]
    pub(super) check: CheckTable,
    pub(super) ledger: Option<LedgerTable>,
    #[serde(default)]
    pub(super) feedback: FeedbackTable,
    #[serde(default)]
    pub(super) vars: BTreeMap<Text, toml::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiTable {
    pub(super) url: Option<Text>,
    pub(super) dialect: Option<Text>,
    pub(super) smtp_account: Text,
    pub(super) timeout: Option<Text>,
    pub(super) app_key_env: Option<Text>,
    pub(super) secret_key_env: Option<Text>,
    pub(super) secret_key_command: Option<Spanned<Vec<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SmtpTable {
    pub(super) url: Text,
    pub(super) tls: Option<Text>,
    pub(super) password_command: Option<Spanned<Vec<String>>>,
    pub(super) hello: Option<Text>,
    pub(super) timeout: Option<Text>,
    pub(super) messages_per_connection: Option<Spanned<u32>>,
    pub(super) dkim: Option<DkimTable>,
}

/// `[smtp.dkim]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DkimTable {
    pub(super) domain: Text,
    pub(super) selector: Text,
    pub(super) key: PathBuf,
}

/// `[message]`. Every [`Text`] except a header's name is a template.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageTemplate {
    pub from: Text,
    pub from_name: Option<Text>,
    pub subject: Text,
    /// The HTML body, a file in `templates/`.
    pub html: Option<Text>,
    /// The body as Markdown, a file in `templates/`, in place of `html`.
    pub markdown: Option<Text>,
    /// The HTML around the Markdown, a file in `templates/`. By default, mailrun's own layout.
    pub layout: Option<Text>,
    /// The text body, a file in `templates/`. Without it, the text is generated from the HTML.
    pub text: Option<Text>,
    #[serde(default = "enabled")]
    pub inline_css: bool,
    /// The language of numbers and dates.
    pub locale: Option<Text>,
    /// In `campaign.toml`, this is a list or a single text. Each text may render to several addresses.
    #[serde(default, deserialize_with = "one_or_more")]
    pub reply_to: Vec<Text>,
    /// The envelope sender.
    pub return_path: Option<Text>,
    #[serde(default, deserialize_with = "one_or_more")]
    pub cc: Vec<Text>,
    pub cc_name: Option<Text>,
    #[serde(default, deserialize_with = "one_or_more")]
    pub bcc: Vec<Text>,
    pub bcc_name: Option<Text>,
    #[serde(default)]
    pub tags: Vec<Text>,
    #[serde(default)]
    pub headers: BTreeMap<Text, Text>,
    #[serde(default)]
    pub attachments: Vec<AttachmentTemplate>,
}

fn enabled() -> bool {
    true
}

/// `[[variants]]`: keys of `[message]`, which replace the campaign's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VariantTable {
    pub(super) name: Text,
    pub(super) share: Spanned<i64>,
    from: Option<Text>,
    from_name: Option<Text>,
    subject: Option<Text>,
    html: Option<Text>,
    markdown: Option<Text>,
    layout: Option<Text>,
    text: Option<Text>,
    inline_css: Option<bool>,
    locale: Option<Text>,
    #[serde(default, deserialize_with = "some_or_more")]
    reply_to: Option<Vec<Text>>,
    return_path: Option<Text>,
    #[serde(default, deserialize_with = "some_or_more")]
    cc: Option<Vec<Text>>,
    cc_name: Option<Text>,
    #[serde(default, deserialize_with = "some_or_more")]
    bcc: Option<Vec<Text>>,
    bcc_name: Option<Text>,
    tags: Option<Vec<Text>>,
    #[serde(default)]
    headers: BTreeMap<Text, Text>,
    attachments: Option<Vec<AttachmentTemplate>>,
}

impl VariantTable {
    /// The campaign's message, with the values of the variant. A header replaces only one of the same name. `html` and
    /// `markdown` replace each other.
    pub(super) fn message(self, campaign: &MessageTemplate) -> MessageTemplate {
        let mut base = campaign.clone();
        if self.html.is_some() {
            (base.markdown, base.layout) = (None, None);
        }
        if self.markdown.is_some() {
            base.html = None;
        }
        let is_replaced = |name: &Text| {
            let replaces = |own: &Text| own.get_ref().eq_ignore_ascii_case(name.get_ref());
            self.headers.keys().any(replaces)
        };
        let mut headers = base.headers;
        headers.retain(|name, _| !is_replaced(name));
        headers.extend(self.headers);
        MessageTemplate {
            from: self.from.unwrap_or(base.from),
            from_name: self.from_name.or(base.from_name),
            subject: self.subject.unwrap_or(base.subject),
            html: self.html.or(base.html),
            markdown: self.markdown.or(base.markdown),
            layout: self.layout.or(base.layout),
            text: self.text.or(base.text),
            inline_css: self.inline_css.unwrap_or(base.inline_css),
            locale: self.locale.or(base.locale),
            reply_to: self.reply_to.unwrap_or(base.reply_to),
            return_path: self.return_path.or(base.return_path),
            cc: self.cc.unwrap_or(base.cc),
            cc_name: self.cc_name.or(base.cc_name),
            bcc: self.bcc.unwrap_or(base.bcc),
            bcc_name: self.bcc_name.or(base.bcc_name),
            tags: self.tags.unwrap_or(base.tags),
            headers,
            attachments: self.attachments.unwrap_or(base.attachments),
        }
    }
}

/// A text, or a list of texts.
enum OneOrMore {
    One(String),
    More(Vec<Text>),
}

// Not an untagged enum, because that would lose the places of the values.
impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMoreVisitor)
    }
}

struct OneOrMoreVisitor;

impl<'de> Visitor<'de> for OneOrMoreVisitor {
    type Value = OneOrMore;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address or a list of addresses")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMore, E> {
        Ok(OneOrMore::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
        }
        Ok(OneOrMore::More(texts))
    }
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Text>, D::Error> {
    let list = Spanned::<OneOrMore>::deserialize(deserializer)?;
    let span = list.span();
    Ok(match list.into_inner() {
        OneOrMore::One(text) => vec![Spanned::new(span, text)],
        OneOrMore::More(texts) => texts,
    })
}

fn some_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Text>>, D::Error> {
    one_or_more(deserializer).map(Some)
}

/// `[[message.attachments]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentTemplate {
    /// A file in the campaign folder.
    pub path: Text,
    /// Shown in the HTML with `<img src="cid:NAME">`.
    #[serde(default)]
    pub inline: bool,
    /// The media type, such as `text/calendar; method=REQUEST`. Not a template.
    pub r#type: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RecipientsTable {
    pub(super) file: Option<Spanned<PathBuf>>,
    pub(super) email: Option<Text>,
    pub(super) r#where: Option<Text>,
    pub(super) same_address: SameAddress,
    pub(super) row_key: Option<Text>,
    pub(super) suppress: Vec<Spanned<SuppressEntry>>,
    pub(super) suppress_skip_invalid: bool,
    pub(super) lists: Option<PathBuf>,
    pub(super) encoding: Option<Text>,
    pub(super) delimiter: Option<Text>,
    pub(super) trim: bool,
    pub(super) sheet: Option<String>,
    pub(super) header_row: Option<Spanned<i64>>,
    pub(super) hidden: Option<Spanned<String>>,
}

impl Default for RecipientsTable {
    fn default() -> Self {
        Self {
            file: None,
            email: None,
            r#where: None,
            same_address: SameAddress::Skip,
            row_key: None,
            suppress: Vec::new(),
            suppress_skip_invalid: false,
            lists: None,
            encoding: None,
            delimiter: None,
            trim: true,
            sheet: None,
            header_row: None,
            hidden: None,
        }
    }
}

/// How rows are sent whose address an earlier row has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameAddress {
    /// They are skipped.
    #[default]
    Skip,
    /// Each of them is a message of its own.
    Send,
    /// All rows of an address are in one message.
    Group,
}

/// A suppression list: the name of a kept list or of a file, or a table.
#[derive(Debug)]
pub(super) enum SuppressEntry {
    /// With its `@`.
    KeptList(String),
    File(SuppressFile),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuppressFile {
    pub(super) file: PathBuf,
    pub(super) email: Option<Text>,
    pub(super) encoding: Option<Text>,
    pub(super) delimiter: Option<Text>,
    pub(super) sheet: Option<String>,
    pub(super) header_row: Option<Spanned<i64>>,
}

// Not an untagged enum, because that would lose the places of the values.
impl<'de> Deserialize<'de> for SuppressEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SuppressEntryVisitor)
    }
}

struct SuppressEntryVisitor;

impl<'de> Visitor<'de> for SuppressEntryVisitor {
    type Value = SuppressEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list such as \"@acme\", a file name, or a table such as { file = \"gone.csv\", email = \"E-Mail\" }")
    }

    fn visit_str<E: de::Error>(self, file: &str) -> Result<SuppressEntry, E> {
        if ListName::is_meant_by(file) {
            return Ok(SuppressEntry::KeptList(file.to_owned()));
        }
        Ok(SuppressEntry::File(SuppressFile {
            file: file.into(),
            email: None,
            encoding: None,
            delimiter: None,
            sheet: None,
            header_row: None,
        }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SuppressEntry, A::Error> {
        let file = SuppressFile::deserialize(MapAccessDeserializer::new(map))?;
        Ok(SuppressEntry::File(file))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaceTable {
    pub(super) rate: Option<Vec<Text>>,
    pub(super) concurrency: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) per_domain: BTreeMap<Text, Text>,
    pub(super) batch: Option<Spanned<u32>>,
    pub(super) ramp: Option<Spanned<Vec<Text>>>,
    pub(super) pace_group: Option<Text>,
}

/// `[schedule]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleTable {
    pub(super) start: Option<Text>,
    pub(super) until: Option<Text>,
    pub(super) window: Option<Spanned<Windows>>,
    pub(super) timezone: Option<Text>,
    pub(super) timezone_column: Option<Text>,
}

/// A window, or a list of windows.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a window such as \"Mon-Fri 09:00-17:00\", or a list of windows"
)]
pub(super) enum Windows {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckTable {
    #[serde(default)]
    pub(super) off: BTreeMap<Text, Text>,
    #[serde(default)]
    pub(super) clients: Vec<Text>,
    #[serde(default)]
    pub(super) dkim: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LedgerTable {
    pub(super) url: Text,
    pub(super) password_command: Option<Spanned<Vec<String>>>,
    pub(super) lease: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedbackTable {
    pub(super) url: Option<Text>,
    pub(super) list: Option<Text>,
    pub(super) soft_bounces: Option<Spanned<u32>>,
    pub(super) panel: Option<Text>,
    #[serde(default)]
    pub(super) page: PageTable,
}

/// `[feedback.page]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageTable {
    pub(super) lang: Option<Text>,
    pub(super) title: Option<String>,
    pub(super) text: Option<String>,
    pub(super) button: Option<String>,
    pub(super) done: Option<String>,
    pub(super) done_text: Option<String>,
    pub(super) undo: Option<String>,
    pub(super) undone: Option<String>,
    pub(super) undone_text: Option<String>,
    pub(super) background: Option<Text>,
    pub(super) foreground: Option<Text>,
    pub(super) accent: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryTable {
    pub(super) attempts: Option<Spanned<u32>>,
    pub(super) max_delay: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakerTable {
    pub(super) messages: Option<Spanned<u32>>,
    pub(super) share: Option<Spanned<f64>>,
}
