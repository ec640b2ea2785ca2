//! Reads and validates `gateway.toml`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::relay::config::{AccountConfig, AccountFile, read_accounts};
use super::store::retention::RetentionLimits;
use super::webhooks::{WebhookConfig, WebhooksFile, read_webhooks};
use crate::finding::{Finding, Place};
use crate::source::{Source, parse_duration};
use crate::web;

/// A string with its position in the file.
pub(super) type Text = Spanned<String>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GatewayFile {
    listen: Option<Text>,
    data: Option<PathBuf>,
    #[serde(default)]
    hosts: Vec<Text>,
    login: Option<LoginFile>,
    #[serde(default)]
    smtp: SmtpFile,
    #[serde(default)]
    limits: LimitsFile,
    #[serde(default)]
    keep: KeepFile,
    webhooks: Option<WebhooksFile>,
    #[serde(default)]
    accounts: BTreeMap<Text, AccountFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SmtpFile {
    listen: Option<Text>,
    certificate: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
    account: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsFile {
    connections: Option<NonZeroUsize>,
    head: Option<Text>,
    body: Option<Text>,
    idle: Option<Text>,
    stop: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginFile {
    app_key_env: Text,
    secret_key_env: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeepFile {
    messages: Option<Spanned<u64>>,
    age: Option<Text>,
    size: Option<Text>,
}

/// The configuration of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub(crate) listen: SocketAddr,
    /// The folder for messages, if the file names one.
    pub(crate) data: Option<PathBuf>,
    /// Names that requests may send as `Host`, besides `localhost` and the address.
    pub(crate) hosts: Vec<String>,
    pub(crate) login: Option<LoginVariables>,
    pub(crate) smtp: SmtpConfig,
    pub(crate) limits: web::ConnectionLimits,
    pub(crate) keep: RetentionLimits,
    /// Where events are pushed to.
    pub(crate) webhooks: Option<WebhookConfig>,
    /// The accounts that relay to an SMTP server. If there are any, no other account exists.
    pub accounts: Vec<AccountConfig>,
}

/// How messages are received by SMTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmtpConfig {
    /// Without it, the server is off.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) certificate: Option<CertificateFiles>,
    /// The account of messages that name none.
    pub(crate) account: Option<String>,
}

/// The PEM files for STARTTLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The environment variables that hold the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginVariables {
    pub(crate) app_key: String,
    pub(crate) secret_key: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8925).into(),
            data: None,
            hosts: Vec::new(),
            login: None,
            smtp: SmtpConfig::default(),
            limits: web::ConnectionLimits::default(),
            keep: RetentionLimits::default(),
            webhooks: None,
            accounts: Vec::new(),
        }
    }
}

impl Config {
    /// # Errors
    /// All invalid values, each with its position.
    pub fn load(path: &Path) -> Result<Self, Vec<Finding>> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("cannot read {}: {error}", path.display());
            vec![Finding::error("no-config", Place::file(path), message)]
        })?;
        let source = Source {
            path: path.to_owned(),
            text,
        };
        let file = source.parse().map_err(|finding| vec![*finding])?;
        let mut validator = Validator {
            source: &source,
            findings: Vec::new(),
        };
        let config = validator.config(file);
        match validator.findings {
            findings if findings.is_empty() => Ok(config),
            findings => Err(findings),
        }
    }
}

/// Validates values and collects findings.
struct Validator<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
}

impl Validator<'_> {
    fn config(&mut self, file: GatewayFile) -> Config {
        let default = Config::default();
        let listen = file.listen.and_then(|text| self.socket_address(&text));
        // A relative path is relative to the file's folder.
        let folder = self.source.path.parent().unwrap_or(Path::new(""));
        let folder = folder.to_owned();
        let accounts = read_accounts(self.source, file.accounts, &mut self.findings);
        let webhooks = file
            .webhooks
            .and_then(|file| read_webhooks(self.source, file, &mut self.findings));
        Config {
            listen: listen.unwrap_or(default.listen),
            data: file.data.map(|data| folder.join(data)),
            hosts: file.hosts.into_iter().map(|host| self.host(host)).collect(),
            login: file.login.map(|login| LoginVariables {
                app_key: login.app_key_env.into_inner(),
                secret_key: login.secret_key_env.into_inner(),
            }),
            smtp: self.smtp(file.smtp, &folder, &accounts),
            limits: self.limits(&file.limits),
            keep: self.keep(&file.keep),
            webhooks,
            accounts,
        }
    }

    fn smtp(&mut self, smtp: SmtpFile, folder: &Path, accounts: &[AccountConfig]) -> SmtpConfig {
        let listen = smtp.listen.and_then(|text| self.socket_address(&text));
        let certificate = match (smtp.certificate, smtp.key) {
            (Some(certificate), Some(key)) => Some(CertificateFiles {
                certificate: folder.join(certificate.get_ref()),
                key: folder.join(key.get_ref()),
            }),
            (Some(alone), None) | (None, Some(alone)) => {
                let message = "a certificate needs its key, and a key its certificate";
                let help = "set both `certificate` and `key`, to PEM files";
                self.reject(alone.span(), message.to_owned(), help);
                None
            }
            (None, None) => None,
        };
        if let Some(account) = &smtp.account
            && !accounts.is_empty()
            && accounts.iter().all(|it| it.name != *account.get_ref())
        {
            let message = format!("there is no account “{}”", account.get_ref());
            let help = "write the name of one of the [accounts]";
            self.reject(account.span(), message, help);
        }
        SmtpConfig {
            listen,
            certificate,
            account: smtp.account.map(Spanned::into_inner),
        }
    }

    fn limits(&mut self, limits: &LimitsFile) -> web::ConnectionLimits {
        let default = web::ConnectionLimits::default();
        let mut time = |text: &Option<Text>, default| {
            let duration = text.as_ref().and_then(|text| self.duration(text));
            duration.unwrap_or(default)
        };
        web::ConnectionLimits {
            connections: limits.connections.map_or(default.connections, Into::into),
            head: time(&limits.head, default.head),
            body: time(&limits.body, default.body),
            idle: time(&limits.idle, default.idle),
            stop: time(&limits.stop, default.stop),
        }
    }

    fn socket_address(&mut self, text: &Text) -> Option<SocketAddr> {
        let address = text.get_ref().parse().ok();
        if address.is_none() {
            let message = format!("“{}” is not an address with a port", text.get_ref());
            let help = "write an address and a port, such as \"127.0.0.1:8925\"";
            self.reject(text.span(), message, help);
        }
        address
    }

    fn host(&mut self, host: Text) -> String {
        if url::Host::parse(host.get_ref()).is_err() {
            let message = format!("“{}” is not a host name", host.get_ref());
            let help = "write it without scheme, port and path, such as \"mail.acme.example\"";
            self.reject(host.span(), message, help);
        }
        host.into_inner()
    }

    fn keep(&mut self, keep: &KeepFile) -> RetentionLimits {
        RetentionLimits {
            messages: keep.messages.as_ref().map(|number| *number.get_ref()),
            age: keep.age.as_ref().and_then(|text| self.duration(text)),
            size: keep.size.as_ref().and_then(|text| self.bytes(text)),
        }
    }

    fn duration(&mut self, text: &Text) -> Option<Duration> {
        let duration = parse_duration(text.get_ref());
        if duration.is_none() {
            let message = format!("“{}” is not a duration", text.get_ref());
            self.reject(text.span(), message, "write “30s”, “5m”, “1h” or “30d”");
        }
        duration
    }

    fn bytes(&mut self, text: &Text) -> Option<u64> {
        let bytes = parse_bytes(text.get_ref());
        if bytes.is_none() {
            let message = format!("“{}” is not a size", text.get_ref());
            self.reject(text.span(), message, "write “500MB” or “10GB”");
        }
        bytes
    }

    fn reject(&mut self, span: Range<usize>, message: String, help: &str) {
        let finding = self.source.error("bad-value", span, message).help(help);
        self.findings.push(finding);
    }
}

/// Parses a number of bytes with a unit, such as `500MB` or `10GB`. Units are powers of 1000.
fn parse_bytes(text: &str) -> Option<u64> {
    let units = [
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let (number, factor) = units.iter().find_map(|(unit, factor)| {
        let number = text.trim().strip_suffix(unit)?;
        Some((number.trim_end(), factor))
    })?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, Vec<Finding>> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("gateway.toml");
        std::fs::write(&path, text).expect("a file");
        Config::load(&path).map(|config| Config {
            data: config.data.map(|data| {
                data.strip_prefix(dir.path())
                    .expect("a folder next to the file")
                    .to_owned()
            }),
            ..config
        })
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(load("").expect("a config"), Config::default());
    }

    #[test]
    fn all_keys_are_read() {
        let config = load(
            "listen = \"[::1]:1\"\ndata = \"data\"\nhosts = [\"mail.acme.example\"]\n[login]\napp_key_env = \"A\"\nsecret_key_env = \"B\"\n[smtp]\nlisten = \"127.0.0.1:2\"\ncertificate = \"/c.pem\"\nkey = \"/k.pem\"\naccount = \"a\"\n[limits]\nconnections = 3\nhead = \"1s\"\nbody = \"2s\"\nidle = \"3s\"\nstop = \"4s\"\n[keep]\nmessages = 5\nage = \"30d\"\nsize = \"10GB\"\n",
        );
        let expected = Config {
            listen: "[::1]:1".parse().expect("an address"),
            data: Some("data".into()),
            hosts: vec!["mail.acme.example".to_owned()],
            login: Some(LoginVariables {
                app_key: "A".to_owned(),
                secret_key: "B".to_owned(),
            }),
            smtp: SmtpConfig {
                listen: Some("127.0.0.1:2".parse().expect("an address")),
                certificate: Some(CertificateFiles {
                    certificate: "/c.pem".into(),
                    key: "/k.pem".into(),
                }),
                account: Some("a".to_owned()),
            },
            limits: web::ConnectionLimits {
                connections: 3,
                head: Duration::from_secs(1),
                body: Duration::from_secs(2),
                idle: Duration::from_secs(3),
                stop: Duration::from_secs(4),
            },
            keep: RetentionLimits {
                messages: Some(5),
                age: Some(Duration::from_secs(30 * 86_400)),
                size: Some(10_000_000_000),
            },
            webhooks: None,
            accounts: Vec::new(),
        };
        assert_eq!(config.expect("a config"), expected);
    }

    #[test]
    fn findings_have_line_numbers() {
        let findings = load(
            "listen = \"8925\"\nhosts = [\"http://a\"]\n[keep]\nage = \"soon\"\nsize = \"10\"\n",
        );
        let findings = findings.expect_err("findings");
        let lines: Vec<_> = findings.iter().map(|finding| finding.place.line).collect();
        assert_eq!(lines, [1, 2, 4, 5].map(Some));
        assert!(findings.iter().all(|finding| finding.help.is_some()));
        let unknown = load("[kep]\n").expect_err("findings");
        assert_eq!(unknown[0].help.as_deref(), Some("did you mean `keep`?"));
    }
}
