//! `[accounts."NAME"]` of `gateway.toml`: to which server the messages of an account go, and how.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use toml::Spanned;
use url::{Host, Url};

use crate::address::Address;
use crate::finding::Finding;
use crate::gateway::config::Text;
use crate::pace::Rate;
use crate::source::{Source, parse_duration};

const DEFAULT_CONNECTIONS: u32 = 8;
const MAX_CONNECTIONS: u32 = 1000;
const DEFAULT_GIVE_UP: Duration = Duration::from_secs(2 * 24 * 3600);
const DEFAULT_RETRY_DELAY: Duration = Duration::from_secs(60);
const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(3600);
/// RFC 5321 4.5.3.2 wants five minutes for most answers.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// An account as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    relay: Text,
    starttls: Option<Spanned<StartTls>>,
    username_env: Option<Text>,
    password_env: Option<Text>,
    password_command: Option<Spanned<Vec<String>>>,
    hello: Option<Text>,
    from: Option<Spanned<Vec<Text>>>,
    connections: Option<Spanned<u32>>,
    #[serde(default)]
    rate: Vec<Text>,
    retry_delay: Option<Text>,
    max_delay: Option<Text>,
    give_up: Option<Text>,
    timeout: Option<Text>,
}

/// Whether a connection goes on in TLS by STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartTls {
    /// It does, or nothing is sent.
    Required,
    /// It does where the server offers it.
    Opportunistic,
    /// It does not.
    Never,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// In TLS from the first byte (`smtps:`).
    Tls,
    /// By STARTTLS (`smtp:`).
    StartTls(StartTls),
}

/// Where the login of an account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSource {
    /// The environment variable with the user's name.
    pub username_env: String,
    /// Where the password is.
    pub password: PasswordSource,
}

/// Where a password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// An environment variable.
    Env(String),
    /// A program and its arguments; its standard output is the password.
    Command(Vec<String>),
}

/// The login of an account.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// Who may send through an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Senders(Option<Vec<Sender>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Sender {
    Address(Address),
    /// A domain, as lower-case A-labels.
    Domain(String),
}

/// An account that relays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name, as requests have it in `smtp_account`.
    pub name: String,
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How a connection is protected.
    pub security: Security,
    /// Where the login is, if there is one.
    pub login: Option<LoginSource>,
    /// What it calls itself in EHLO; else its address.
    pub hello: Option<String>,
    /// Who may send through it.
    pub senders: Senders,
    /// The most connections.
    pub connections: u32,
    /// The limits; all hold at once.
    pub rates: Vec<Rate>,
    /// The most of the first wait before a message is sent again.
    pub retry_delay: Duration,
    /// The most of any wait.
    pub max_delay: Duration,
    /// How long a message may wait until it is given up.
    pub give_up: Duration,
    /// How long the server may take for an answer.
    pub timeout: Duration,
}

impl Senders {
    /// Whether an address may send.
    pub fn allow(&self, address: &Address) -> bool {
        let Some(senders) = &self.0 else { return true };
        senders.iter().any(|sender| match sender {
            Sender::Address(other) => other.normalized() == address.normalized(),
            Sender::Domain(domain) => domain == address.ascii_domain(),
        })
    }
}

impl fmt::Display for Senders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(senders) = &self.0 else {
            return f.write_str("from anyone");
        };
        for (index, sender) in senders.iter().enumerate() {
            f.write_str(if index == 0 { "from " } else { ", " })?;
            match sender {
                Sender::Address(address) => f.write_str(address.as_str())?,
                Sender::Domain(domain) => write!(f, "@{domain}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Account {
    /// What it does, in a line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, tls) = match self.security {
            Security::Tls => ("smtps", ""),
            Security::StartTls(StartTls::Required) => ("smtp", ", STARTTLS"),
            Security::StartTls(StartTls::Opportunistic) => ("smtp", ", STARTTLS where offered"),
            Security::StartTls(StartTls::Never) => ("smtp", ", no TLS"),
        };
        let literal = self.host.contains(':');
        let (open, close) = if literal { ("[", "]") } else { ("", "") };
        write!(
            f,
            "{} → {scheme}://{open}{}{close}:{}{tls}",
            self.name, self.host, self.port
        )?;
        if self.login.is_some() {
            f.write_str(", with a login")?;
        }
        write!(f, ", {} connections", self.connections)?;
        for rate in &self.rates {
            write!(f, ", {rate}")?;
        }
        write!(f, ", {}", self.senders)
    }
}

/// Looks at all accounts of a file; what is wrong is added to `findings`.
pub fn accounts(
    source: &Source,
    files: BTreeMap<Text, File>,
    findings: &mut Vec<Finding>,
) -> Vec<Account> {
    let mut check = Check { source, findings };
    files
        .into_iter()
        .map(|(name, file)| check.account(&name, file))
        .collect()
}

struct Check<'a> {
    source: &'a Source,
    findings: &'a mut Vec<Finding>,
}

/// A server as its URL names it.
struct Target {
    host: String,
    port: u16,
    implicit: bool,
}

impl Check<'_> {
    fn bad(&mut self, span: Range<usize>, message: impl Into<String>, help: &str) {
        let finding = self.source.error("bad-value", span, message);
        self.findings.push(if help.is_empty() {
            finding
        } else {
            finding.help(help)
        });
    }

    fn account(&mut self, name: &Text, file: File) -> Account {
        if name.get_ref().trim().is_empty() {
            let help = "write it as requests have it in `smtp_account`, such as \"1.acme.smtp\"";
            self.bad(name.span(), "the account's name is empty", help);
        }
        let target = self.target(&file.relay);
        let security = self.security(&target, &file);
        let login = self.login(&file);
        let in_clear = !matches!(
            security,
            Security::Tls | Security::StartTls(StartTls::Required)
        );
        if login.is_some() && in_clear && !is_loopback(&target.host) {
            let span = file
                .starttls
                .as_ref()
                .map_or(file.relay.span(), Spanned::span);
            let help = "use starttls = \"required\", or smtps:";
            self.bad(span, "the password could go in the clear", help);
        }
        if let Some(hello) = &file.hello {
            self.hello(hello);
        }
        Account {
            name: name.get_ref().clone(),
            host: target.host,
            port: target.port,
            security,
            login,
            hello: file.hello.map(Spanned::into_inner),
            senders: self.senders(file.from),
            connections: self.connections(file.connections),
            rates: file
                .rate
                .iter()
                .filter_map(|rate| self.rate(rate))
                .collect(),
            retry_delay: self.duration(file.retry_delay, DEFAULT_RETRY_DELAY),
            max_delay: self.duration(file.max_delay, DEFAULT_MAX_DELAY),
            give_up: self.duration(file.give_up, DEFAULT_GIVE_UP),
            timeout: self.duration(file.timeout, DEFAULT_TIMEOUT),
        }
    }

    fn target(&mut self, relay: &Text) -> Target {
        let mut target = Target {
            host: String::new(),
            port: 25,
            implicit: false,
        };
        let url = match Url::parse(relay.get_ref()) {
            Ok(url) => url,
            Err(error) => {
                let help = "write smtp://HOST, smtp://HOST:PORT or smtps://HOST";
                self.bad(relay.span(), format!("not a URL: {error}"), help);
                return target;
            }
        };
        match url.scheme() {
            "smtp" => {}
            "smtps" => (target.implicit, target.port) = (true, 465),
            other => {
                let message = format!("`{other}:` is not spoken here");
                self.bad(relay.span(), message, "use smtp: or smtps:");
            }
        }
        if !url.username().is_empty() || url.password().is_some() {
            let help = "name environment variables: username_env and password_env";
            self.bad(relay.span(), "a login doesn't belong in the URL", help);
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            let message = "there is something behind the host and the port";
            self.bad(relay.span(), message, "");
        }
        match url.host() {
            Some(Host::Ipv6(ip)) => target.host = ip.to_string(),
            Some(host) if host.to_string().is_ascii() && !host.to_string().contains('%') => {
                target.host = host.to_string();
            }
            _ => {
                let help = "write the server's name in ASCII, or its address";
                self.bad(relay.span(), "the URL has no host that can be asked", help);
            }
        }
        target.port = url.port().unwrap_or(target.port);
        target
    }

    fn security(&mut self, target: &Target, file: &File) -> Security {
        match &file.starttls {
            Some(starttls) if target.implicit => {
                let help = "leave it out, or write smtp:";
                self.bad(
                    starttls.span(),
                    "smtps: is in TLS from the first byte",
                    help,
                );
                Security::Tls
            }
            Some(starttls) => Security::StartTls(*starttls.get_ref()),
            None if target.implicit => Security::Tls,
            None if is_loopback(&target.host) => Security::StartTls(StartTls::Never),
            None => Security::StartTls(StartTls::Required),
        }
    }

    fn login(&mut self, file: &File) -> Option<LoginSource> {
        let (env, command) = (&file.password_env, &file.password_command);
        let password = match (env, command) {
            (None, None) => None,
            (Some(env), None) => Some(PasswordSource::Env(env.get_ref().clone())),
            (env, Some(command)) => {
                if env.is_some() {
                    let message = "both `password_env` and `password_command` are set";
                    self.bad(command.span(), message, "leave one of them out");
                }
                if command.get_ref().is_empty() {
                    let help = "write a list: the program and its arguments";
                    self.bad(command.span(), "the command is empty", help);
                }
                Some(PasswordSource::Command(command.get_ref().clone()))
            }
        };
        match (&file.username_env, password) {
            (None, None) => None,
            (Some(username), Some(password)) => Some(LoginSource {
                username_env: username.get_ref().clone(),
                password,
            }),
            (Some(username), None) => {
                let help = "add `password_env` or `password_command`";
                self.bad(username.span(), "there is a user and no password", help);
                None
            }
            (None, Some(_)) => {
                let command = command.as_ref().map(Spanned::span);
                let span = env.as_ref().map(Spanned::span).or(command);
                let message = "there is a password and no user";
                self.bad(span.unwrap_or_default(), message, "add `username_env`");
                None
            }
        }
    }

    fn hello(&mut self, hello: &Text) {
        let of_a_domain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        let name = hello.get_ref();
        if name.is_empty() || name.len() > 255 || !name.bytes().all(of_a_domain) {
            let help = "write this machine's name, such as \"mail.acme.example\"";
            self.bad(hello.span(), format!("“{name}” is not a host's name"), help);
        }
    }

    fn senders(&mut self, from: Option<Spanned<Vec<Text>>>) -> Senders {
        let senders = from.map(|from| {
            if from.get_ref().is_empty() {
                let help = "name addresses or domains, or leave `from` out: then anyone can";
                self.bad(from.span(), "nobody can send through this account", help);
            }
            let senders = from.get_ref().iter();
            senders.filter_map(|text| self.sender(text)).collect()
        });
        Senders(senders)
    }

    fn sender(&mut self, text: &Text) -> Option<Sender> {
        let parsed = match text.get_ref().strip_prefix('@') {
            Some(domain) => Address::parse(&format!("a@{domain}"))
                .map(|address| Sender::Domain(address.ascii_domain().to_owned())),
            None => Address::parse(text.get_ref()).map(Sender::Address),
        };
        match parsed {
            Ok(sender) => Some(sender),
            Err(error) => {
                let help = "write addresses, or domains with an @ before them: \"@acme.example\"";
                self.bad(text.span(), format!("{error}: “{}”", text.get_ref()), help);
                None
            }
        }
    }

    fn connections(&mut self, connections: Option<Spanned<u32>>) -> u32 {
        let Some(connections) = connections else {
            return DEFAULT_CONNECTIONS;
        };
        let number = *connections.get_ref();
        if !(1..=MAX_CONNECTIONS).contains(&number) {
            let message = format!("must be from 1 to {MAX_CONNECTIONS}");
            self.bad(connections.span(), message, "");
        }
        number
    }

    fn rate(&mut self, text: &Text) -> Option<Rate> {
        match text.get_ref().parse() {
            Ok(rate) => Some(rate),
            Err(error) => {
                let error: crate::pace::RateError = error;
                self.bad(text.span(), error.to_string(), "");
                None
            }
        }
    }

    fn duration(&mut self, text: Option<Text>, default: Duration) -> Duration {
        let Some(text) = text else { return default };
        parse_duration(text.get_ref()).unwrap_or_else(|| {
            let message = format!("“{}” is not a length of time", text.get_ref());
            self.bad(text.span(), message, "write “30s”, “5m”, “1h” or “2d”");
            default
        })
    }
}

/// Whether a host is this machine, and no other whatever the network says.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
