//! From [`CampaignFile`] to [`Campaign`]. Validation continues after a mistake, so that all are reported.

mod api;
mod feedback;
mod ledger;
mod message;
mod pace;
mod recipients;
mod schedule;
mod smtp;
mod variants;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::file::{CampaignFile, Text};
use super::template_syntax::is_identifier;
use super::{Campaign, CheckSettings, SecretKey, TransportSettings, file};
use crate::api::WireFormat;
use crate::finding::Finding;
use crate::message::MimeFormat;
use crate::source::{Source, parse_duration};

pub(crate) use api::is_loopback;
pub(crate) use recipients::not_an_expression;

/// In bytes.
const NAME_MAX: usize = 64;

pub(super) fn validate(
    source: Source,
    file: CampaignFile,
    frozen: bool,
) -> Result<Campaign, Vec<Finding>> {
    let parent = source.path.parent().unwrap_or(Path::new(""));
    let dir = if parent.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        parent.to_owned()
    };
    let mut validator = Validator {
        source: &source,
        dir: &dir,
        frozen,
        findings: Vec::new(),
    };
    let name = validator.name(&file.name);
    let transport = validator.transport(file.api, file.smtp);
    let variants = validator.variants(file.variants, &file.message);
    let max_batch = match &transport {
        Some(TransportSettings::Api(api)) => api.dialect.max_recipients(),
        Some(TransportSettings::Smtp(_)) | None => MimeFormat.max_recipients(),
    };
    let (recipients, kept_lists) = validator.recipients(file.recipients, file.ledger.is_some());
    let feedback = validator.feedback(file.feedback, &kept_lists);
    let pace = validator.pace(&file.pace, max_batch);
    // A run keeps its own schedule, in which the system's time zone and relative times are resolved.
    let schedule = file.schedule.filter(|_| !frozen);
    let schedule = schedule.and_then(|table| validator.schedule(table));
    let retry = validator.retry(&file.retry);
    let breaker = validator.breaker(&file.breaker);
    let vars = validator.vars(file.vars);
    let dkim = validator.dkim_selectors(file.check.dkim);
    let ledger = file.ledger.and_then(|ledger| validator.ledger(ledger));
    let findings = validator.findings;
    let Some(transport) = transport.filter(|_| findings.is_empty()) else {
        return Err(findings);
    };
    Ok(Campaign {
        dir,
        name,
        transport,
        message: file.message,
        variants,
        recipients,
        pace,
        schedule,
        retry,
        breaker,
        check: CheckSettings {
            off: file.check.off.into_iter().collect(),
            clients: file.check.clients,
            dkim,
        },
        ledger,
        feedback,
        vars,
        source,
    })
}

struct Validator<'a> {
    source: &'a Source,
    /// The campaign folder.
    dir: &'a Path,
    /// The file is a run's frozen copy, which has no recipients and no suppression lists.
    frozen: bool,
    findings: Vec<Finding>,
}

impl Validator<'_> {
    fn add(&mut self, code: &'static str, span: Range<usize>, message: String, help: &str) {
        let mut finding = self.source.error(code, span, message);
        finding.help = (!help.is_empty()).then(|| help.to_owned());
        self.findings.push(finding);
    }

    /// Adds a finding about a value. `help` may be empty.
    fn bad_value(&mut self, span: Range<usize>, message: impl Into<String>, help: &str) {
        self.add("bad-value", span, message.into(), help);
    }

    fn no_file(&mut self, span: Range<usize>, message: String, help: &str) {
        self.add("no-file", span, message, help);
    }

    /// The value; or `default`, after adding the error as a finding.
    fn or_default<T, E: Display>(
        &mut self,
        span: Range<usize>,
        value: Result<T, E>,
        default: T,
    ) -> T {
        value.unwrap_or_else(|error| {
            self.bad_value(span, error.to_string(), "");
            default
        })
    }

    fn transport(
        &mut self,
        api: Option<file::ApiTable>,
        smtp: Option<Spanned<file::SmtpTable>>,
    ) -> Option<TransportSettings> {
        match (api, smtp) {
            (Some(api), None) => Some(TransportSettings::Api(self.api(api))),
            (None, Some(smtp)) => Some(TransportSettings::Smtp(self.smtp(smtp.into_inner()))),
            (Some(api), Some(smtp)) => {
                self.bad_value(
                    smtp.span(),
                    "there are both [api] and [smtp]",
                    "keep the table of the way that the messages should go",
                );
                Some(TransportSettings::Api(self.api(api)))
            }
            (None, None) => {
                self.bad_value(
                    0..0,
                    "there is neither [api] nor [smtp]",
                    "add [api] with your account, or [smtp] with the URL of a mail server",
                );
                None
            }
        }
    }

    fn name(&mut self, name: &Text) -> String {
        let value = name.get_ref();
        if value.trim().is_empty() || value.len() > NAME_MAX || value.chars().any(char::is_control)
        {
            let message = format!("the name must be one line of 1 to {NAME_MAX} bytes");
            self.bad_value(name.span(), message, "");
        }
        value.clone()
    }

    /// The command of the key `name`, whose output is a secret.
    fn secret_command(&mut self, name: &str, command: Spanned<Vec<String>>) -> SecretKey {
        if command.get_ref().is_empty() {
            self.bad_value(
                command.span(),
                format!("`{name}` is empty"),
                "write a list of the program and its arguments",
            );
        }
        SecretKey::Command(command.into_inner())
    }

    fn duration(&mut self, text: Option<&Text>, default: Duration) -> Duration {
        let Some(text) = text else { return default };
        parse_duration(text.get_ref()).unwrap_or_else(|| {
            self.bad_value(
                text.span(),
                format!("“{}” is not a duration", text.get_ref()),
                "write for example “30s”, “5m” or “1h”",
            );
            default
        })
    }

    /// RFC 6376 3.1.
    fn dkim_selectors(&mut self, selectors: Vec<Text>) -> Vec<String> {
        let is_label = |label: &str| {
            let mut bytes = label.bytes();
            (1..=63).contains(&label.len())
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        for selector in &selectors {
            if !selector.get_ref().split('.').all(is_label) {
                let message = format!("“{}” is not a DKIM selector", selector.get_ref());
                let help = "find it in a message you have received: the `s=` in its DKIM-Signature header, such as \"s1\"";
                self.bad_value(selector.span(), message, help);
            }
        }
        selectors.into_iter().map(Spanned::into_inner).collect()
    }

    fn vars(&mut self, vars: BTreeMap<Text, toml::Value>) -> Vec<(Text, toml::Value)> {
        for name in vars.keys().filter(|name| !is_identifier(name.get_ref())) {
            self.bad_value(
                name.span(),
                format!("templates can't use a variable named `{}`", name.get_ref()),
                "use letters, digits and _, and no word that Tera reserves",
            );
        }
        vars.into_iter().collect()
    }
}
