//! The tables and keys of `campaign.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
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
    pub(super) recipients: RecipientsTable,
    #[serde(default)]
    pub(super) pace: PaceTable,
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
    /// The text body, a file in `templates/`. Without it, the text is generated from the HTML.
    pub text: Option<Text>,
    #[serde(default = "enabled")]
    pub inline_css: bool,
    pub reply_to: Option<Text>,
    /// The envelope sender.
    pub return_path: Option<Text>,
    pub cc: Option<Text>,
    pub cc_name: Option<Text>,
    pub bcc: Option<Text>,
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
    pub(super) suppress: Vec<Spanned<SuppressEntry>>,
    pub(super) suppress_skip_invalid: bool,
    pub(super) lists: Option<PathBuf>,
    pub(super) encoding: Option<Text>,
    pub(super) delimiter: Option<Text>,
    pub(super) trim: bool,
}

impl Default for RecipientsTable {
    fn default() -> Self {
        Self {
            file: None,
            email: None,
            suppress: Vec::new(),
            suppress_skip_invalid: false,
            lists: None,
            encoding: None,
            delimiter: None,
            trim: true,
        }
    }
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
