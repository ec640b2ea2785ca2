//! `[webhooks]` of `gateway.toml`, read and checked.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use url::{Host, Url};

use crate::finding::Finding;
use crate::source::{Source, parse_duration};

const DEFAULT_RETRY: [Duration; 3] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(600),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::gateway) struct WebhooksFile {
    url: Spanned<String>,
    #[serde(default)]
    kind: WebhookKind,
    panel: Option<Spanned<String>>,
    retry: Option<Vec<Spanned<String>>>,
}

/// The format of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WebhookKind {
    /// Of the new panel: JSON.
    #[default]
    V2,
    /// The "Event API" of the old panel: a form.
    Events,
}

impl WebhookKind {
    /// The name in the store.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::Events => "events",
        }
    }

    pub(super) fn parse(name: &str) -> Self {
        match name {
            "events" => Self::Events,
            _ => Self::V2,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebhookConfig {
    pub(super) url: Url,
    pub(super) is_loopback: bool,
    pub(super) kind: WebhookKind,
    /// The name of the old panel, for its checksum.
    pub(super) panel: String,
    /// The waits before the second attempt and the following ones.
    pub(super) retry: Vec<Duration>,
}

/// Checks the table. Invalid values are added to `findings`.
pub(in crate::gateway) fn read_webhooks(
    source: &Source,
    file: WebhooksFile,
    findings: &mut Vec<Finding>,
) -> Option<WebhookConfig> {
    let mut reject = |span: Range<usize>, message: String, help: &str| {
        findings.push(source.error("bad-value", span, message).help(help));
    };
    let mut retry = DEFAULT_RETRY.to_vec();
    if let Some(texts) = file.retry {
        retry.clear();
        for text in texts {
            match parse_duration(text.get_ref()) {
                Some(wait) => retry.push(wait),
                None => {
                    let message = format!("“{}” is not a duration", text.get_ref());
                    reject(text.span(), message, "write “10s”, “5m”, “1h” or “24h”");
                }
            }
        }
    }
    if file.kind == WebhookKind::Events && file.panel.is_none() {
        let message = "the webhook of the old panel needs the name of the panel".to_owned();
        let help = "set `panel`: it is part of the checksum that the receiver verifies";
        reject(file.url.span(), message, help);
    }
    let Some((url, is_loopback)) = url(file.url.get_ref()) else {
        let message = format!("“{}” can't be the URL of a webhook", file.url.get_ref());
        let help = "write an https URL, or an http URL of this machine such as \
                    \"http://127.0.0.1:8026/webhook/v2\"; a login belongs in MAILRUN_WEBHOOK_LOGIN";
        reject(file.url.span(), message, help);
        return None;
    };
    Some(WebhookConfig {
        url,
        is_loopback,
        kind: file.kind,
        panel: file.panel.map(Spanned::into_inner).unwrap_or_default(),
        retry,
    })
}

/// A URL to which events may be sent, and whether it is on this machine.
fn url(text: &str) -> Option<(Url, bool)> {
    let url = Url::parse(text).ok()?;
    let is_loopback = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let is_private = url.scheme() == "https" || url.scheme() == "http" && is_loopback;
    let has_login = !url.username().is_empty() || url.password().is_some();
    (is_private && !has_login).then_some((url, is_loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_only_to_this_machine_or_over_tls() {
        for text in [
            "http://127.0.0.1:8026/webhook/v2",
            "http://[::1]/",
            "http://localhost/x?y=z",
            "https://news.acme.example/webhook/v2",
        ] {
            assert!(url(text).is_some(), "{text}");
        }
        for text in [
            "http://news.acme.example/",
            "http://10.0.0.1/",
            "http://127.0.0.1.acme.example/",
            "ftp://127.0.0.1/",
            "https://user:password@acme.example/",
            "127.0.0.1:8026",
            "",
        ] {
            assert!(url(text).is_none(), "{text}");
        }
    }
}
