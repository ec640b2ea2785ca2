//! Opens connections to one SMTP server: TCP, TLS, EHLO and the login.

use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use lettre::transport::smtp::authentication::{
    Credentials as LettreCredentials, DEFAULT_MECHANISMS,
};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connection::SmtpConnection;
use super::outcome::describe;
use super::tls::{self, TlsSocket};

/// The longest that a TCP connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether a connection is upgraded to TLS by STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StartTls {
    Required,
    /// If the server offers it.
    Opportunistic,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// TLS from the first byte (`smtps:`).
    ImplicitTls,
    /// `smtp:`.
    StartTls(StartTls),
}

/// A user name and a password for AUTH.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub(crate) username: String,
    pub(crate) password: SecretString,
}

/// A server, and how to talk to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerConfig {
    /// A host name or an IP address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    /// The name sent with EHLO; without it, the local IP address.
    pub(crate) hello: Option<String>,
    /// How long the server may take to reply to a command.
    pub(crate) timeout: Duration,
}

/// Opens connections to one server.
pub(crate) struct Connector {
    server: ServerConfig,
    tls: Tls,
    credentials: Option<LettreCredentials>,
}

enum Tls {
    Never,
    Upgrade {
        parameters: TlsParameters,
        required: bool,
    },
    Implicit(TlsConnector),
}

impl Connector {
    /// # Errors
    /// The system's certificates can't be read.
    pub(crate) fn new(
        server: &ServerConfig,
        credentials: Option<&Credentials>,
    ) -> Result<Self, String> {
        let start_tls = |required| {
            let parameters = TlsParameters::new(server.host.clone());
            let parameters = parameters.map_err(|error| error.to_string())?;
            Ok::<_, String>(Tls::Upgrade {
                parameters,
                required,
            })
        };
        let tls = match server.security {
            Security::StartTls(StartTls::Never) => Tls::Never,
            Security::StartTls(StartTls::Opportunistic) => start_tls(false)?,
            Security::StartTls(StartTls::Required) => start_tls(true)?,
            Security::ImplicitTls => {
                Tls::Implicit(tls::connector().map_err(|error| error.to_string())?)
            }
        };
        let credentials = credentials.map(|credentials| {
            let password = credentials.password.expose_secret().to_owned();
            LettreCredentials::new(credentials.username.clone(), password)
        });
        Ok(Self {
            server: server.clone(),
            tls,
            credentials,
        })
    }

    /// Opens a connection that is ready for a message.
    ///
    /// # Errors
    /// The server can't be reached, has an invalid certificate, or rejects the login.
    pub(crate) async fn connect(&self) -> Result<SmtpConnection, String> {
        let address = (&*self.server.host, self.server.port);
        let stream = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(stream) => stream.map_err(|error| self.failure(error))?,
            Err(_) => return Err(self.failure("the connection timed out")),
        };
        match timeout(self.server.timeout, self.start_session(stream)).await {
            Ok(session) => session,
            Err(_) => Err(self.failure("the server sent no greeting in time")),
        }
    }

    async fn start_session(&self, stream: TcpStream) -> Result<SmtpConnection, String> {
        // lettre writes a message and its final dot separately.
        let local = stream.set_nodelay(true).and_then(|()| stream.local_addr());
        let local = local.map_err(|error| self.failure(error))?.ip();
        let name = self.server.hello.clone().map_or_else(
            || match local.to_canonical() {
                IpAddr::V4(ip) => ClientId::Ipv4(ip),
                IpAddr::V6(ip) => ClientId::Ipv6(ip),
            },
            ClientId::Domain,
        );
        let stream: Box<dyn AsyncTokioStream> = match &self.tls {
            Tls::Implicit(connector) => {
                let socket = TlsSocket::handshake(stream, connector, &self.server.host).await;
                Box::new(socket.map_err(|error| self.failure(error))?)
            }
            Tls::Never | Tls::Upgrade { .. } => Box::new(stream),
        };
        let smtp = AsyncSmtpConnection::connect_with_transport(stream, &name).await;
        let mut smtp = smtp.map_err(|error| self.failure(describe(&error)))?;
        if let Tls::Upgrade {
            parameters,
            required,
        } = &self.tls
        {
            if smtp.can_starttls() {
                let upgraded = smtp.starttls(parameters.clone(), &name).await;
                upgraded.map_err(|error| self.failure(describe(&error)))?;
            } else if *required {
                return Err(self.failure("the server does not offer STARTTLS, which is required"));
            }
        }
        if let Some(credentials) = &self.credentials {
            let login = smtp.auth(DEFAULT_MECHANISMS, credentials).await;
            login.map_err(|error| {
                self.failure(format!(
                    "the server rejected the login: {}",
                    describe(&error)
                ))
            })?;
        }
        Ok(SmtpConnection::new(
            smtp,
            name.to_string(),
            self.server.timeout,
        ))
    }

    fn failure(&self, reason: impl Display) -> String {
        format!("{}:{}: {reason}", self.server.host, self.server.port)
    }
}
