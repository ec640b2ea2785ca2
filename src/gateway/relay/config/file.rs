//! `[accounts."NAME"]` of `gateway.toml`, read and checked.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::super::senders::{Sender, Senders};
use super::{AccountConfig, CredentialsSource, PasswordSource};
use crate::address::Address;
use crate::finding::Finding;
use crate::pace::{Rate, RateError};
use crate::smtp::{Security, ServerConfig, ServerUrl, StartTls, is_hello_name};
use crate::source::{Source, parse_duration};

const DEFAULT_CONNECTIONS: u32 = 8;
const MAX_CONNECTIONS: u32 = 1000;
const DEFAULT_GIVE_UP: Duration = Duration::from_secs(2 * 24 * 3600);
const DEFAULT_RETRY_DELAY: Duration = Duration::from_secs(60);
const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(3600);
/// RFC 5321 4.5.3.2 asks for five minutes for most replies.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

/// A string and its place in the file.
type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::gateway) struct AccountFile {
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

/// Checks all accounts of a file. Invalid values are added to `findings`.
pub(in crate::gateway) fn read_accounts(
    source: &Source,
    files: BTreeMap<Text, AccountFile>,
    findings: &mut Vec<Finding>,
) -> Vec<AccountConfig> {
    let mut check = AccountCheck { source, findings };
    files
        .into_iter()
        .map(|(name, file)| check.account(&name, file))
        .collect()
}

struct AccountCheck<'a> {
    source: &'a Source,
    findings: &'a mut Vec<Finding>,
}

impl AccountCheck<'_> {
    fn invalid(&mut self, span: Range<usize>, message: impl Into<String>, help: &str) {
        let finding = self.source.error("bad-value", span, message).help(help);
        self.findings.push(finding);
    }

    fn account(&mut self, name: &Text, file: AccountFile) -> AccountConfig {
        if name.get_ref().trim().is_empty() {
            let help = "use the name that requests send as `smtp_account`, such as \"1.acme.smtp\"";
            self.invalid(name.span(), "the account name is empty", help);
        }
        let url = self.server_url(&file.relay);
        let security = self.security(&url, &file);
        let credentials = self.credentials(&file);
        let always_encrypted = matches!(
            security,
            Security::ImplicitTls | Security::StartTls(StartTls::Required)
        );
        if credentials.is_some() && !always_encrypted && !url.is_loopback() {
            let starttls = file.starttls.as_ref().map(Spanned::span);
            let help = "use starttls = \"required\", or smtps:";
            let span = starttls.unwrap_or(file.relay.span());
            self.invalid(span, "the password could be sent unencrypted", help);
        }
        if let Some(hello) = &file.hello {
            self.hello(hello);
        }
        let rates = file.rate.iter().filter_map(|rate| self.rate(rate));
        AccountConfig {
            name: name.get_ref().clone(),
            rates: rates.collect(),
            server: ServerConfig {
                host: url.host,
                port: url.port.unwrap_or(if url.implicit_tls { 465 } else { 25 }),
                security,
                hello: file.hello.map(Spanned::into_inner),
                timeout: self.duration(file.timeout, DEFAULT_TIMEOUT),
            },
            credentials,
            senders: self.senders(file.from),
            connections: self.connections(file.connections),
            retry_delay: self.duration(file.retry_delay, DEFAULT_RETRY_DELAY),
            max_delay: self.duration(file.max_delay, DEFAULT_MAX_DELAY),
            give_up: self.duration(file.give_up, DEFAULT_GIVE_UP),
        }
    }

    fn server_url(&mut self, relay: &Text) -> ServerUrl {
        let url = match ServerUrl::parse(relay.get_ref()) {
            Ok(url) => url,
            Err(error) => {
                self.invalid(relay.span(), error.message, error.help);
                ServerUrl::default()
            }
        };
        if url.username.is_some() || url.has_password {
            let help = "name environment variables instead: username_env and password_env";
            self.invalid(relay.span(), "the URL contains a login", help);
        }
        url
    }

    fn security(&mut self, url: &ServerUrl, file: &AccountFile) -> Security {
        match &file.starttls {
            Some(starttls) if url.implicit_tls => {
                let message = "smtps: does not use STARTTLS: it is encrypted from the start";
                let help = "remove `starttls`, or use smtp:";
                self.invalid(starttls.span(), message, help);
                Security::ImplicitTls
            }
            Some(starttls) => Security::StartTls(*starttls.get_ref()),
            None if url.implicit_tls => Security::ImplicitTls,
            None if url.is_loopback() => Security::StartTls(StartTls::Never),
            None => Security::StartTls(StartTls::Required),
        }
    }

    fn credentials(&mut self, file: &AccountFile) -> Option<CredentialsSource> {
        let (env, command) = (&file.password_env, &file.password_command);
        if let (Some(_), Some(command)) = (env, command) {
            let message = "both `password_env` and `password_command` are set";
            self.invalid(command.span(), message, "remove one of them");
        }
        let (password, span) = match (command, env) {
            (Some(command), _) => {
                if command.get_ref().is_empty() {
                    let help = "write a list: the program and its arguments";
                    self.invalid(command.span(), "the command is empty", help);
                }
                let source = PasswordSource::Command(command.get_ref().clone());
                (Some(source), command.span())
            }
            (None, Some(env)) => (Some(PasswordSource::Env(env.get_ref().clone())), env.span()),
            (None, None) => (None, 0..0),
        };
        match (&file.username_env, password) {
            (None, None) => None,
            (Some(username), Some(password)) => Some(CredentialsSource {
                username_env: username.get_ref().clone(),
                password,
            }),
            (Some(username), None) => {
                let help = "add `password_env` or `password_command`";
                self.invalid(username.span(), "the password is missing", help);
                None
            }
            (None, Some(_)) => {
                self.invalid(span, "the user name is missing", "add `username_env`");
                None
            }
        }
    }

    fn hello(&mut self, hello: &Text) {
        let name = hello.get_ref();
        if !is_hello_name(name) {
            let message = format!("“{name}” is not a host name");
            let help = "write this machine's name, such as \"mail.acme.example\"";
            self.invalid(hello.span(), message, help);
        }
    }

    fn senders(&mut self, from: Option<Spanned<Vec<Text>>>) -> Senders {
        let senders = from.map(|from| {
            if from.get_ref().is_empty() {
                let help = "list addresses or domains, or remove `from` to let everyone send";
                self.invalid(from.span(), "nobody can send through this account", help);
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
        let help = "write an address, or a domain after an @, such as \"@acme.example\"";
        parsed
            .map_err(|error| {
                let message = format!("{error}: “{}”", text.get_ref());
                self.invalid(text.span(), message, help);
            })
            .ok()
    }

    fn connections(&mut self, connections: Option<Spanned<u32>>) -> u32 {
        let Some(connections) = connections else {
            return DEFAULT_CONNECTIONS;
        };
        let number = *connections.get_ref();
        if !(1..=MAX_CONNECTIONS).contains(&number) {
            let help = format!("use a number from 1 to {MAX_CONNECTIONS}");
            let message = format!("{number} connections are not possible");
            self.invalid(connections.span(), message, &help);
        }
        number
    }

    fn rate(&mut self, text: &Text) -> Option<Rate> {
        let rate = text.get_ref().parse();
        rate.map_err(|error: RateError| {
            let finding = self
                .source
                .error("bad-value", text.span(), error.to_string());
            self.findings.push(finding);
        })
        .ok()
    }

    fn duration(&mut self, text: Option<Text>, default: Duration) -> Duration {
        let Some(text) = text else { return default };
        parse_duration(text.get_ref()).unwrap_or_else(|| {
            let message = format!("“{}” is not a duration", text.get_ref());
            let help = "write a number and a unit: “30s”, “5m”, “1h” or “2d”";
            self.invalid(text.span(), message, help);
            default
        })
    }
}
