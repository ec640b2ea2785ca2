//! From [`File`] to [`Campaign`]: every value looked at once, every mistake found.

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use url::{Host, Url};

use super::file::{self, File, Text};
use super::{Api, Attachment, Campaign, Message, Recipients, SecretKey, TEMPLATES};
use crate::address::Address;
use crate::api::{self, Dialect};
use crate::finding::Finding;
use crate::recipients::Settings;
use crate::source::{Source, parse_duration};

const DEFAULT_URL: &str = "https://api.emaillabs.net.pl/api/";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_RECIPIENTS: &str = "recipients.csv";
const NAME_MAX: usize = 64;

pub(super) fn validate(source: Source, file: File, frozen: bool) -> Result<Campaign, Vec<Finding>> {
    let mut check = Check {
        source: &source,
        findings: Vec::new(),
        frozen,
    };
    let dir = source
        .path
        .parent()
        .map_or_else(PathBuf::new, Path::to_owned);
    let dir = if dir.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        dir
    };
    let name = check.name(&file.name);
    let api = check.api(file.api);
    let message = check.message(&dir, file.message);
    let recipients = check.recipients(&dir, file.recipients);
    let pace = check.pace(&file.pace);
    let retry = check.retry(&file.retry);
    let breaker = check.breaker(&file.breaker);
    let vars = check.vars(file.vars);
    let dkim = check.selectors(file.check.dkim);
    if check.findings.is_empty() {
        Ok(Campaign {
            dir,
            name,
            api,
            message,
            recipients,
            pace,
            retry,
            breaker,
            check: super::Check {
                off: file.check.off.into_iter().collect(),
                clients: file.check.clients,
                dkim,
            },
            vars,
            source,
        })
    } else {
        Err(check.findings)
    }
}

pub(super) struct Check<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
    /// A run's copy, beside which there are no recipients and no suppression lists.
    frozen: bool,
}

impl Check<'_> {
    pub(super) fn bad(&mut self, span: Range<usize>, message: impl Into<String>, help: &str) {
        let finding = self.source.error("bad-value", span, message);
        self.findings.push(if help.is_empty() {
            finding
        } else {
            finding.help(help)
        });
    }

    /// The value, or a finding with the error's own words and the default in its place.
    pub(super) fn or_default<T, E: Display>(
        &mut self,
        span: Range<usize>,
        value: Result<T, E>,
        default: T,
    ) -> T {
        value.unwrap_or_else(|error| {
            self.bad(span, error.to_string(), "");
            default
        })
    }

    /// Selectors of DKIM (RFC 6376 3.1).
    fn selectors(&mut self, selectors: Vec<Text>) -> Vec<String> {
        let is_label = |label: &str| {
            let sides = [label.bytes().next(), label.bytes().last()];
            let mut bytes = label.bytes();
            bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                && sides.iter().flatten().filter(|side| **side != b'-').count() == 2
                && label.len() <= 63
        };
        for selector in &selectors {
            if !selector.get_ref().split('.').all(is_label) {
                let message = format!("“{}” is no selector of DKIM", selector.get_ref());
                let help = "it is the `s=` in the header DKIM-Signature of a message that you have got, such as \"s1\"";
                self.bad(selector.span(), message, help);
            }
        }
        selectors
            .into_iter()
            .map(toml::Spanned::into_inner)
            .collect()
    }

    fn name(&mut self, name: &Text) -> String {
        let value = name.get_ref();
        if value.trim().is_empty() || value.len() > NAME_MAX || value.chars().any(char::is_control)
        {
            let message = format!("a campaign's name is one line of 1 to {NAME_MAX} characters");
            self.bad(name.span(), message, "");
        }
        value.clone()
    }

    fn api(&mut self, api: file::Api) -> Api {
        if api.smtp_account.get_ref().trim().is_empty() {
            self.bad(
                api.smtp_account.span(),
                "the SMTP account is empty",
                "write it as your provider's panel shows it, such as \"1.acme.smtp\"",
            );
        }
        Api {
            url: self.url(api.url.as_ref()),
            dialect: api.dialect.unwrap_or(Dialect::Sendmail),
            smtp_account: api.smtp_account.into_inner(),
            timeout: self.duration(api.timeout.as_ref(), DEFAULT_TIMEOUT),
            app_key_env: api
                .app_key_env
                .map_or_else(|| "EMAILLABS_APP_KEY".to_owned(), Spanned::into_inner),
            secret_key: self.secret_key(api.secret_key_env, api.secret_key_command),
        }
    }

    fn secret_key(
        &mut self,
        env: Option<Text>,
        command: Option<Spanned<Vec<String>>>,
    ) -> SecretKey {
        match (env, command) {
            (env, None) => SecretKey::Env(
                env.map_or_else(|| "EMAILLABS_SECRET_KEY".to_owned(), Spanned::into_inner),
            ),
            (env, Some(command)) => {
                if env.is_some() {
                    self.bad(
                        command.span(),
                        "both `secret_key_env` and `secret_key_command` are set",
                        "leave one of them out",
                    );
                }
                if command.get_ref().is_empty() {
                    self.bad(
                        command.span(),
                        "the command is empty",
                        "write a list: the program and its arguments",
                    );
                }
                SecretKey::Command(command.into_inner())
            }
        }
    }

    fn url(&mut self, url: Option<&Text>) -> Url {
        let default = || Url::parse(DEFAULT_URL).expect("the default URL is one");
        let Some(text) = url else { return default() };
        let mut url = match Url::parse(text.get_ref()) {
            Ok(url) => url,
            Err(error) => {
                self.bad(text.span(), format!("not a URL: {error}"), "");
                return default();
            }
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => self.bad(
                text.span(),
                "`http:` would send the keys and the recipients in the clear",
                "use https:, or http: with a loopback address",
            ),
            other => self.bad(
                text.span(),
                format!("`{other}:` is not spoken here"),
                "use https:",
            ),
        }
        if !url.username().is_empty() || url.password().is_some() {
            self.bad(
                text.span(),
                "keys don't belong in the URL",
                "put them into the environment: EMAILLABS_APP_KEY and EMAILLABS_SECRET_KEY",
            );
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        url
    }

    pub(super) fn duration(&mut self, text: Option<&Text>, default: Duration) -> Duration {
        let Some(text) = text else { return default };
        match parse_duration(text.get_ref()) {
            Some(duration) => duration,
            None => {
                self.bad(
                    text.span(),
                    format!("“{}” is not a length of time", text.get_ref()),
                    "write “30s”, “5m” or “1h”",
                );
                default
            }
        }
    }

    fn message(&mut self, dir: &Path, message: file::Message) -> Message {
        if message.html.is_none() && message.text.is_none() {
            self.bad(
                message.subject.span(),
                "the message has neither `html` nor `text`",
                "name a file of templates/ under [message]: html = \"newsletter.html\"",
            );
        }
        for body in [&message.html, &message.text].into_iter().flatten() {
            self.template_exists(dir, body);
        }
        for address in [
            Some(&message.from),
            message.reply_to.as_ref(),
            message.cc.as_ref(),
            message.bcc.as_ref(),
        ]
        .into_iter()
        .flatten()
        {
            self.constant_address(address);
        }
        for name in message.headers.keys() {
            if let Err(error) = api::check_header_name(name.get_ref()) {
                self.bad(name.span(), error.to_string(), "");
            }
        }
        for attachment in &message.attachments {
            self.attachment_exists(dir, &attachment.path);
        }
        Message {
            from: message.from,
            from_name: message.from_name,
            subject: message.subject,
            html: message.html,
            text: message.text,
            inline_css: message.inline_css.unwrap_or(true),
            reply_to: message.reply_to,
            cc: message.cc,
            cc_name: message.cc_name,
            bcc: message.bcc,
            bcc_name: message.bcc_name,
            tags: message.tags,
            headers: message
                .headers
                .into_iter()
                .map(|(name, value)| (name.into_inner(), value))
                .collect(),
            attachments: message
                .attachments
                .into_iter()
                .map(|a| Attachment {
                    path: a.path,
                    inline: a.inline,
                })
                .collect(),
        }
    }

    fn constant_address(&mut self, text: &Text) {
        if is_template(text.get_ref()) {
            return;
        }
        if let Err(error) = Address::parse(text.get_ref()) {
            self.bad(
                text.span(),
                format!("{error}: “{}”", text.get_ref()),
                "write the address alone; its display name has a key of its own",
            );
        }
    }

    fn template_exists(&mut self, dir: &Path, name: &Text) {
        if is_template(name.get_ref()) || dir.join(TEMPLATES).join(name.get_ref()).is_file() {
            return;
        }
        let message = format!("there is no file {TEMPLATES}/{}", name.get_ref());
        let help = match template_names(&dir.join(TEMPLATES)).as_slice() {
            [] => format!("the folder {TEMPLATES}/ has no files"),
            names => format!("{TEMPLATES}/ has: {}", names.join(", ")),
        };
        let finding = self
            .source
            .error("no-file", name.span(), message)
            .help(help);
        self.findings.push(finding);
    }

    fn attachment_exists(&mut self, dir: &Path, path: &Text) {
        if is_template(path.get_ref()) {
            return;
        }
        if let Err(error) = crate::message::inside(dir, Path::new(path.get_ref())) {
            let finding = self.source.error("no-file", path.span(), error.to_string());
            self.findings
                .push(finding.help("attachments are files inside the campaign's folder"));
        }
    }

    fn recipients(&mut self, dir: &Path, recipients: file::Recipients) -> Recipients {
        for list in &recipients.suppress {
            self.file_exists(dir, list);
        }
        let file = recipients.file.as_ref().map_or_else(
            || PathBuf::from(DEFAULT_RECIPIENTS),
            |file| file.get_ref().clone(),
        );
        let standard_input = file == Path::new("-");
        match &recipients.file {
            Some(file) if !standard_input => self.file_exists(dir, file),
            _ => {}
        }
        Recipients {
            file: (!standard_input).then_some(file),
            settings: Settings {
                encoding: recipients
                    .encoding
                    .as_ref()
                    .and_then(|text| self.encoding(text)),
                delimiter: recipients
                    .delimiter
                    .as_ref()
                    .and_then(|text| self.delimiter(text)),
                email: recipients.email.map(Spanned::into_inner),
            },
            suppress: recipients
                .suppress
                .into_iter()
                .map(Spanned::into_inner)
                .collect(),
        }
    }

    fn file_exists(&mut self, dir: &Path, path: &Spanned<PathBuf>) {
        if !self.frozen && !dir.join(path.get_ref()).is_file() {
            let message = format!("there is no file {}", path.get_ref().display());
            self.findings
                .push(self.source.error("no-file", path.span(), message));
        }
    }

    fn encoding(&mut self, text: &Text) -> Option<&'static encoding_rs::Encoding> {
        let label = text.get_ref();
        let encoding = encoding_rs::Encoding::for_label(label.as_bytes());
        if encoding.is_none() {
            self.bad(
                text.span(),
                format!("“{label}” is not an encoding"),
                "write “utf-8”, “windows-1250”, “iso-8859-2”, “windows-1252”, “utf-16le” …",
            );
        }
        encoding
    }

    fn delimiter(&mut self, text: &Text) -> Option<u8> {
        match text.get_ref().as_bytes() {
            [byte]
                if byte.is_ascii()
                    && !b"\"\r\n\0".contains(byte)
                    && !byte.is_ascii_alphanumeric() =>
            {
                Some(*byte)
            }
            _ => {
                self.bad(
                    text.span(),
                    "a delimiter is one character",
                    "write “,”, “;”, “\\t” or “|”",
                );
                None
            }
        }
    }

    fn vars(
        &mut self,
        vars: std::collections::BTreeMap<Text, toml::Value>,
    ) -> Vec<(Text, toml::Value)> {
        for name in vars.keys() {
            if !is_identifier(name.get_ref()) {
                self.bad(
                    name.span(),
                    format!("a template can't name a variable `{}`", name.get_ref()),
                    "use letters, digits and _, and none of Tera's own words",
                );
            }
        }
        vars.into_iter().collect()
    }
}

/// Whether a template can name a variable so: Tera's identifiers, less its reserved words and ours.
pub fn is_identifier(name: &str) -> bool {
    const RESERVED: [&str; 18] = [
        "true", "True", "false", "False", "loop", "self", "and", "or", "not", "is", "in", "if",
        "continue", "break", "none", "None", "null", "row",
    ];
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with("__tera")
        && !RESERVED.contains(&name)
}

/// Whether a string has anything for the template engine in it.
pub fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|tag| text.contains(tag))
}

/// Whether a URL's host is this machine, and no other whatever the network says.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn template_names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
