//! Opens connections to one SMTP server: TCP, TLS, EHLO and the login.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::transport::smtp::Error;
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

use super::connection::{Extensions, SmtpConnection};
use super::helo::HeloSocket;
use super::outcome::{ProblemKind, ServerProblem, describe};
use super::tls::{self, TlsSocket};

/// The longest that a TCP connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Whether a connection is upgraded to TLS by STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StartTls {
    Required,
    /// If the server offers it, with any certificate: TLS with an unknown server is better than no TLS (RFC 7435).
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
    /// Whether the log says that messages are sent without TLS.
    logged_plain: AtomicBool,
}

/// How a connection introduces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hello {
    Ehlo,
    /// For servers that do not know EHLO.
    Helo,
}

/// Why a session did not start.
enum SessionError {
    /// The server does not know EHLO.
    NoEhlo,
    /// STARTTLS was refused, or the TLS handshake failed.
    StartTls(ServerProblem),
    Other(ServerProblem),
}

impl From<ServerProblem> for SessionError {
    fn from(problem: ServerProblem) -> Self {
        Self::Other(problem)
    }
}

/// A command that did not succeed.
struct Failure {
    /// The code of the reply, if there was one.
    code: Option<u16>,
    /// Whether the server offers nothing that would work, so that no command was sent.
    is_impossible: bool,
    reason: String,
}

impl Failure {
    fn problem(self, kind: ProblemKind) -> ServerProblem {
        ServerProblem {
            reason: self.reason,
            kind,
        }
    }

    /// The kind of a failed greeting or command.
    fn kind(&self) -> ProblemKind {
        match self.code {
            Some(400..500) => ProblemKind::Busy,
            Some(_) => ProblemKind::Refused,
            None if self.is_impossible => ProblemKind::Refused,
            None => ProblemKind::Unreachable,
        }
    }
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
        let start_tls = |required: bool| {
            let parameters = TlsParameters::builder(server.host.clone())
                .dangerous_accept_invalid_certs(!required)
                .build()
                .map_err(|error| error.to_string())?;
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
            logged_plain: AtomicBool::new(false),
        })
    }

    /// The server's host and port.
    pub(crate) fn server(&self) -> String {
        format!("{}:{}", self.server.host, self.server.port)
    }

    /// Opens a connection that is ready for a message.
    ///
    /// # Errors
    /// The server can't be reached, has an invalid certificate, or rejects the login.
    pub(crate) async fn connect(&self) -> Result<SmtpConnection, ServerProblem> {
        let (mut hello, mut use_tls) = (Hello::Ehlo, true);
        loop {
            match self.start_session(hello, use_tls).await {
                Ok(connection) => return Ok(connection),
                Err(SessionError::NoEhlo) => hello = Hello::Helo,
                Err(SessionError::StartTls(problem)) => {
                    if self.server.security != Security::StartTls(StartTls::Opportunistic) {
                        return Err(problem);
                    }
                    if !self.logged_plain.swap(true, Ordering::Relaxed) {
                        tracing::warn!(
                            reason = problem.reason,
                            help = "fix TLS on the server, or set starttls = \"required\" to send nothing without TLS",
                            "STARTTLS failed: messages are sent without TLS"
                        );
                    }
                    use_tls = false;
                }
                Err(SessionError::Other(problem)) => return Err(problem),
            }
        }
    }

    async fn start_session(
        &self,
        hello: Hello,
        use_tls: bool,
    ) -> Result<SmtpConnection, SessionError> {
        let address = (&*self.server.host, self.server.port);
        let stream = match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(stream) => stream.map_err(|error| self.no_connection(error))?,
            Err(_) => return Err(self.no_connection("no reply in time").into()),
        };
        // lettre writes a message and its final dot separately.
        let local = stream.set_nodelay(true).and_then(|()| stream.local_addr());
        let local = local.map_err(|error| self.no_connection(error))?.ip();
        let name = self.server.hello.clone().map_or_else(
            || match local.to_canonical() {
                IpAddr::V4(ip) => ClientId::Ipv4(ip),
                IpAddr::V6(ip) => ClientId::Ipv6(ip),
            },
            ClientId::Domain,
        );
        let mut stream: Box<dyn AsyncTokioStream> = match &self.tls {
            Tls::Implicit(connector) => {
                let socket = TlsSocket::handshake(stream, connector, &self.server.host);
                let socket = match timeout(self.server.timeout, socket).await {
                    Ok(socket) => socket.map_err(|error| self.no_tls(error))?,
                    Err(_) => return Err(self.no_tls("no reply in time").into()),
                };
                Box::new(socket)
            }
            Tls::Never | Tls::Upgrade { .. } => Box::new(stream),
        };
        let command = match hello {
            Hello::Ehlo => "greeting/EHLO",
            Hello::Helo => {
                stream = Box::new(HeloSocket::new(stream));
                "greeting/HELO"
            }
        };
        let greeting = AsyncSmtpConnection::connect_with_transport(stream, &name);
        let mut smtp = match self.reply(command, greeting).await {
            Ok(smtp) => smtp,
            Err(Failure {
                code: Some(500 | 502),
                ..
            }) if hello == Hello::Ehlo => return Err(SessionError::NoEhlo),
            Err(failure) => {
                let kind = failure.kind();
                return Err(failure.problem(kind).into());
            }
        };
        if let Tls::Upgrade {
            parameters,
            required,
        } = &self.tls
        {
            if use_tls && smtp.can_starttls() {
                let upgrade = smtp.starttls(parameters.clone(), &name);
                if let Err(failure) = self.reply("STARTTLS", upgrade).await {
                    let kind = if failure.code.is_some() {
                        ProblemKind::StartTlsRefused
                    } else if is_certificate(&failure.reason) {
                        ProblemKind::Certificate
                    } else {
                        ProblemKind::StartTlsFailed
                    };
                    return Err(SessionError::StartTls(failure.problem(kind)));
                }
            } else if *required {
                let reason = "the server does not offer STARTTLS, which is required";
                return Err(self.problem(reason, ProblemKind::NoStartTls).into());
            }
        }
        let extensions = match hello {
            Hello::Ehlo => self.extensions(&mut smtp, &name).await?,
            Hello::Helo => Extensions::default(),
        };
        if let Some(credentials) = &self.credentials {
            let login = smtp.auth(DEFAULT_MECHANISMS, credentials);
            let login = self.reply("AUTH: the server rejected the login", login);
            login.await.map_err(|failure| {
                let kind = match failure.kind() {
                    ProblemKind::Refused => ProblemKind::Login,
                    kind => kind,
                };
                failure.problem(kind)
            })?;
        }
        Ok(SmtpConnection::new(
            smtp,
            self.server(),
            name.to_string(),
            self.server.timeout,
            extensions,
        ))
    }

    /// Waits for the server's reply to a command.
    async fn reply<T>(
        &self,
        command: &str,
        reply: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        let (code, is_impossible, text) = match timeout(self.server.timeout, reply).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => (
                error.status().map(u16::from),
                error.is_client(),
                describe(&error),
            ),
            Err(_) => (None, false, "no reply in time".to_owned()),
        };
        let reason = format!("{}: {command}: {text}", self.server());
        Err(Failure {
            code,
            is_impossible,
            reason,
        })
    }

    fn no_connection(&self, error: impl Display) -> ServerProblem {
        self.problem(format!("can't connect: {error}"), ProblemKind::Unreachable)
    }

    fn no_tls(&self, error: impl Display) -> ServerProblem {
        let reason = format!("the TLS handshake failed: {error}");
        let kind = if is_certificate(&reason) {
            ProblemKind::Certificate
        } else {
            ProblemKind::ImplicitTls
        };
        self.problem(reason, kind)
    }

    fn problem(&self, reason: impl Display, kind: ProblemKind) -> ServerProblem {
        let reason = format!("{}: {reason}", self.server());
        ServerProblem { reason, kind }
    }

    /// Asks again for what the server offers, because lettre keeps only a part of the answer.
    async fn extensions(
        &self,
        smtp: &mut AsyncSmtpConnection,
        name: &ClientId,
    ) -> Result<Extensions, ServerProblem> {
        let reply = smtp.command(format!("EHLO {name}\r\n"));
        let reply = self.reply("EHLO", reply).await.map_err(|failure| {
            let kind = failure.kind();
            failure.problem(kind)
        })?;
        let mut extensions = Extensions::default();
        for line in reply.message() {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "8BITMIME" => extensions.eight_bit = true,
                "PIPELINING" => extensions.pipelining = true,
                "SIZE" => {
                    let limit = words.next().and_then(|limit| limit.parse().ok());
                    extensions.size = Some(limit.unwrap_or(0));
                }
                _ => {}
            }
        }
        Ok(extensions)
    }
}

/// Whether a failed handshake is about the server's certificate, as rustls words it.
fn is_certificate(reason: &str) -> bool {
    reason.contains("invalid peer certificate")
}
