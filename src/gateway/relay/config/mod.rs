//! An account that relays: its server, its limits and who may use it.

mod file;

use std::fmt;
use std::time::Duration;

use super::senders::Senders;
use crate::pace::Rate;
use crate::smtp::{Security, ServerConfig, StartTls};

pub(in crate::gateway) use self::file::{AccountFile, read_accounts};

/// Where the user name and the password of an account come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CredentialsSource {
    /// The environment variable with the user name.
    pub(crate) username_env: String,
    pub(crate) password: PasswordSource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PasswordSource {
    /// An environment variable.
    Env(String),
    /// A program and its arguments; its standard output is the password.
    Command(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountConfig {
    /// The name that requests send as `smtp_account`.
    pub(crate) name: String,
    pub(super) server: ServerConfig,
    pub(crate) credentials: Option<CredentialsSource>,
    pub(super) senders: Senders,
    /// The most connections at a time.
    pub(super) connections: u32,
    /// All of them hold at once.
    pub(super) rates: Vec<Rate>,
    /// The longest first wait before a retry.
    pub(super) retry_delay: Duration,
    pub(super) max_delay: Duration,
    /// How long a message is retried before it is given up.
    pub(super) give_up: Duration,
}

impl fmt::Display for AccountConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, tls) = match self.server.security {
            Security::ImplicitTls => ("smtps", ""),
            Security::StartTls(StartTls::Required) => ("smtp", ", STARTTLS"),
            Security::StartTls(StartTls::Opportunistic) => ("smtp", ", STARTTLS if offered"),
            Security::StartTls(StartTls::Never) => ("smtp", ", no TLS"),
        };
        write!(f, "{} → {scheme}://", self.name)?;
        let (host, port) = (&self.server.host, self.server.port);
        if host.contains(':') {
            write!(f, "[{host}]:{port}{tls}")?;
        } else {
            write!(f, "{host}:{port}{tls}")?;
        }
        if self.credentials.is_some() {
            f.write_str(", with a login")?;
        }
        write!(f, ", {} connections", self.connections)?;
        for rate in &self.rates {
            write!(f, ", {rate}")?;
        }
        write!(f, ", {}", self.senders)
    }
}
