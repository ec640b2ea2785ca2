//! `campaign.toml` as it is written. What it means is in [`super::Campaign`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use crate::api::Dialect;

/// A string with its place in the file.
pub type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Text,
    pub(super) api: Api,
    pub(super) message: Message,
    #[serde(default)]
    pub(super) recipients: Recipients,
    #[serde(default)]
    pub(super) pace: Pace,
    #[serde(default)]
    pub(super) retry: Retry,
    #[serde(default)]
    pub(super) breaker: Breaker,
    #[serde(default)]
    pub(super) check: Check,
    #[serde(default)]
    pub(super) vars: BTreeMap<Text, toml::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    pub(super) url: Option<Text>,
    pub(super) dialect: Option<Dialect>,
    pub(super) smtp_account: Text,
    pub(super) timeout: Option<Text>,
    pub(super) app_key_env: Option<Text>,
    pub(super) secret_key_env: Option<Text>,
    pub(super) secret_key_command: Option<Spanned<Vec<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    pub(super) from: Text,
    pub(super) from_name: Option<Text>,
    pub(super) subject: Text,
    pub(super) html: Option<Text>,
    pub(super) text: Option<Text>,
    pub(super) inline_css: Option<bool>,
    pub(super) reply_to: Option<Text>,
    pub(super) cc: Option<Text>,
    pub(super) cc_name: Option<Text>,
    pub(super) bcc: Option<Text>,
    pub(super) bcc_name: Option<Text>,
    #[serde(default)]
    pub(super) tags: Vec<Text>,
    #[serde(default)]
    pub(super) headers: BTreeMap<Text, Text>,
    #[serde(default)]
    pub(super) attachments: Vec<Attachment>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attachment {
    pub(super) path: Text,
    #[serde(default)]
    pub(super) inline: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recipients {
    pub(super) file: Option<Spanned<PathBuf>>,
    pub(super) email: Option<Text>,
    #[serde(default)]
    pub(super) suppress: Vec<Spanned<PathBuf>>,
    pub(super) encoding: Option<Text>,
    pub(super) delimiter: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pace {
    pub(super) rate: Option<Vec<Text>>,
    pub(super) concurrency: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) per_domain: BTreeMap<Text, Text>,
    pub(super) batch: Option<Spanned<u32>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    #[serde(default)]
    pub(super) off: BTreeMap<Text, Text>,
    #[serde(default)]
    pub(super) clients: Vec<Text>,
    #[serde(default)]
    pub(super) dkim: Vec<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    pub(super) attempts: Option<Spanned<u32>>,
    pub(super) max_delay: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Breaker {
    pub(super) messages: Option<Spanned<u32>>,
    pub(super) share: Option<Spanned<f64>>,
}
