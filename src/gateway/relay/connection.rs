//! One connection to an SMTP server, and what became of a message on it.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use mail_builder::headers::date::Date;
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::config::{Account, Login, Security, StartTls};
use super::outcome::Attempt;
use super::queue::Letter;
use super::tls::{self, Link};

/// The longest that it may take to reach a server.
const REACH: Duration = Duration::from_secs(30);
/// The longest that a server may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// The slowest that a message may go out, in bytes a second.
const SLOWEST: u64 = 8 * 1024;

/// The server of an account, and how to speak to it.
pub(super) struct Server {
    host: String,
    port: u16,
    hello: Option<String>,
    tls: Tls,
    login: Option<Credentials>,
    timeout: Duration,
}

enum Tls {
    Never,
    Start { how: TlsParameters, required: bool },
    First(TlsConnector),
}

/// Why no connection came about.
#[derive(Debug)]
pub(super) struct Unreached(pub(super) String);

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Server {
    /// The server of an account.
    ///
    /// # Errors
    /// A system whose certificates can't be read.
    pub(super) fn new(account: &Account, login: Option<&Login>) -> Result<Self, String> {
        let host = account.host.clone();
        let start = |required| {
            let how = TlsParameters::new(host.clone()).map_err(|error| error.to_string())?;
            Ok::<_, String>(Tls::Start { how, required })
        };
        let tls = match account.security {
            Security::StartTls(StartTls::Never) => Tls::Never,
            Security::StartTls(StartTls::Opportunistic) => start(false)?,
            Security::StartTls(StartTls::Required) => start(true)?,
            Security::Tls => Tls::First(tls::connector().map_err(|error| error.to_string())?),
        };
        let login = login.map(|login| {
            let password = login.password.expose_secret().to_owned();
            Credentials::new(login.username.clone(), password)
        });
        Ok(Self {
            host,
            port: account.port,
            hello: account.hello.clone(),
            tls,
            login,
            timeout: account.timeout,
        })
    }

    /// Makes a connection on which mail can go.
    pub(super) async fn connect(&self) -> Result<Connection, Unreached> {
        let stream = match timeout(REACH, TcpStream::connect((&*self.host, self.port))).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.unreached(&error)),
            Err(_) => return Err(self.unreached(&"it does not answer")),
        };
        match timeout(self.timeout, self.greet(stream)).await {
            Ok(greeted) => greeted,
            Err(_) => Err(self.unreached(&"it does not greet")),
        }
    }

    async fn greet(&self, stream: TcpStream) -> Result<Connection, Unreached> {
        // lettre writes a message and the dot behind it one after the other.
        let local = stream.set_nodelay(true).and_then(|()| stream.local_addr());
        let local = local.map_err(|error| self.unreached(&error))?.ip();
        let name = self.hello.clone().map_or_else(
            || match local.to_canonical() {
                IpAddr::V4(ip) => ClientId::Ipv4(ip),
                IpAddr::V6(ip) => ClientId::Ipv6(ip),
            },
            ClientId::Domain,
        );
        let stream: Box<dyn AsyncTokioStream> = match &self.tls {
            Tls::First(connector) => {
                let link = Link::over(stream, connector, &self.host).await;
                Box::new(link.map_err(|error| self.unreached(&error))?)
            }
            Tls::Never | Tls::Start { .. } => Box::new(stream),
        };
        let smtp = AsyncSmtpConnection::connect_with_transport(stream, &name).await;
        let mut smtp = smtp.map_err(|error| self.unreached(&words(&error)))?;
        if let Tls::Start { how, required } = &self.tls {
            if smtp.can_starttls() {
                let started = smtp.starttls(how.clone(), &name).await;
                started.map_err(|error| self.unreached(&words(&error)))?;
            } else if *required {
                return Err(
                    self.unreached(&"it offers no STARTTLS, and `starttls` is \"required\"")
                );
            }
        }
        if let Some(login) = &self.login {
            let known = smtp.auth(DEFAULT_MECHANISMS, login).await;
            known.map_err(|error| {
                self.unreached(&format!("it does not take the login: {}", words(&error)))
            })?;
        }
        Ok(Connection {
            smtp,
            by: name.to_string(),
            timeout: self.timeout,
            state: State::New,
            since: Instant::now(),
        })
    }

    fn unreached(&self, why: &dyn fmt::Display) -> Unreached {
        Unreached(format!("{}:{}: {why}", self.host, self.port))
    }
}

/// A connection on which mail can go.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    /// Our name on it.
    by: String,
    timeout: Duration,
    state: State,
    /// When it was last used.
    since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing went on it yet.
    New,
    /// A transaction has ended, and another may begin.
    Used,
    /// It is of no use any more.
    Broken,
}

/// What the server says to a command.
enum Reply {
    Yes(Response),
    /// A code of 400 to 499, and its words.
    NotNow(u16, String),
    /// A code of 500 to 599, and its words.
    Never(u16, String),
    /// The connection is lost, or nobody understands it any more.
    Lost(String),
}

impl Connection {
    /// How long it has not been used.
    pub(super) fn idle(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether another message can go on it.
    pub(super) fn is_usable(&self) -> bool {
        self.state != State::Broken
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        if self.is_usable() {
            // Whether it answers or not, this is the end.
            let _ = timeout(GOODBYE, self.smtp.quit()).await;
        }
    }

    /// Sends a message to one recipient. `handed_over` is set just before the final dot is written:
    /// as long as it is not, the server has certainly not taken the message.
    pub(super) async fn send(
        &mut self,
        letter: &Letter,
        recipient: &str,
        handed_over: &AtomicBool,
    ) -> Attempt {
        let before = std::mem::replace(&mut self.state, State::Broken);
        let sender = &letter.envelope_from;
        match self.say(format!("MAIL FROM:<{sender}>\r\n")).await {
            Reply::Yes(_) => {}
            // A server may close a connection that it has had enough of.
            Reply::NotNow(421, _) | Reply::Lost(_) if before == State::Used => {
                return Attempt::Stale;
            }
            // It wants STARTTLS or a login: that is no fault of the message's.
            Reply::Never(530, words) => return Attempt::NotBegun(words),
            reply => return self.refused(reply).await,
        }
        match self.say(format!("RCPT TO:<{recipient}>\r\n")).await {
            Reply::Yes(_) => {}
            reply => return self.refused(reply).await,
        }
        match self.say("DATA\r\n".to_owned()).await {
            Reply::Yes(go) if go.has_code(354) => {}
            Reply::Yes(other) => {
                return Attempt::Cut(format!("it answered DATA with {}", answer(&other)));
            }
            reply => return self.refused(reply).await,
        }
        match self.data(letter, handed_over).await {
            Reply::Yes(taken) if u16::from(taken.code()) < 300 => {
                self.ready();
                Attempt::Taken(answer(&taken))
            }
            Reply::Yes(other) => Attempt::Doubt(format!("it answered with {}", answer(&other))),
            Reply::Lost(words) if handed_over.load(Ordering::Relaxed) => Attempt::Doubt(words),
            reply => self.refused(reply).await,
        }
    }

    /// The message and the final dot.
    async fn data(&mut self, letter: &Letter, handed_over: &AtomicBool) -> Reply {
        let received = self.received(letter);
        let pieces = [received.as_bytes(), &letter.head, without_end(&letter.body)];
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        // Asked for after the last piece, when all before it is written.
        let end = std::iter::from_fn(|| {
            handed_over.store(true, Ordering::Relaxed);
            None
        });
        let message = self.smtp.message_iter(pieces.into_iter().chain(end));
        // RFC 5321 4.5.3.2.6 gives the answer to the dot twice the time of others.
        let limit = 2 * self.timeout + Duration::from_secs(bytes as u64 / SLOWEST);
        reply(timeout(limit, message).await)
    }

    /// The header that a gateway into SMTP adds (RFC 5321 3.7.2). It tells nothing of who posted.
    fn received(&self, letter: &Letter) -> String {
        let date = Date::new(letter.created_at.as_second()).to_rfc822();
        format!(
            "Received: by {} (mailrun) with HTTP id {};\r\n\t{date}\r\n",
            self.by, letter.uid
        )
    }

    async fn refused(&mut self, reply: Reply) -> Attempt {
        let (code, attempt) = match reply {
            Reply::NotNow(code, words) => (code, Attempt::PutOff(words)),
            Reply::Never(code, words) => (code, Attempt::Refused(words)),
            Reply::Yes(response) => return Attempt::Cut(answer(&response)),
            Reply::Lost(words) => return Attempt::Cut(words),
        };
        if code != 421 && matches!(self.say("RSET\r\n".to_owned()).await, Reply::Yes(_)) {
            self.ready();
        }
        attempt
    }

    fn ready(&mut self) {
        self.state = State::Used;
        self.since = Instant::now();
    }

    async fn say(&mut self, command: String) -> Reply {
        reply(timeout(self.timeout, self.smtp.command(command)).await)
    }
}

fn reply(answered: Result<Result<Response, Error>, tokio::time::error::Elapsed>) -> Reply {
    match answered {
        Ok(Ok(response)) => Reply::Yes(response),
        Ok(Err(error)) => match error.status().map(u16::from) {
            Some(code @ 400..500) => Reply::NotNow(code, words(&error)),
            Some(code) => Reply::Never(code, words(&error)),
            None => Reply::Lost(words(&error)),
        },
        Err(_) => Reply::Lost("the server does not answer".to_owned()),
    }
}

/// The code and the words of an answer, in one line.
fn answer(response: &Response) -> String {
    let lines: Vec<_> = response.message().collect();
    one_line(&format!("{} {}", response.code(), lines.join(" ")))
}

/// What an error says: the server's answer, or what happened to the connection.
fn words(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    match (error.status(), source) {
        (Some(code), Some(text)) => one_line(&format!("{code} {text}")),
        (Some(code), None) => code.to_string(),
        (None, Some(text)) => one_line(&text),
        (None, None) => error.to_string(),
    }
}

/// A text of a server as it can be kept and shown: in one line, without control characters, not
/// longer than needed.
fn one_line(text: &str) -> String {
    const MOST: usize = 500;
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let clean: String = clean.take(MOST).collect();
    clean.trim().to_owned()
}

/// A message without the end of its last line, which is written with the final dot.
fn without_end(body: &[u8]) -> &[u8] {
    body.strip_suffix(b"\r\n").unwrap_or(body)
}
