//! Sending by SMTP, on connections that are kept open.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mail_builder::headers::date::Date;
use secrecy::SecretString;

use super::{DkimKey, PostRequest, SetupError, Transport};
use crate::address::Address;
use crate::clock::Clock;
use crate::outcome::{Blame, PostOutcome, RecipientOutcome, one_line};
use crate::smtp::{
    Connector, Credentials, ProblemKind, Refusal, ServerConfig, ServerProblem, SmtpConnection,
    TransactionOutcome,
};

/// How long an idle connection is used again. Servers and firewalls close older ones.
const MAX_IDLE: Duration = Duration::from_secs(60);
/// The first wait after a greylisting server refused a message for now. Such servers want minutes.
const GREYLISTED: Duration = Duration::from_secs(60);

pub(crate) struct SmtpTransport {
    connector: Connector,
    messages_per_connection: NonZeroU32,
    dkim: Option<DkimKey>,
    idle: Mutex<Vec<SmtpConnection>>,
    clock: Clock,
}

pub(crate) struct SmtpTransportSettings<'a> {
    pub(crate) server: &'a ServerConfig,
    pub(crate) username: Option<&'a str>,
    pub(crate) password: Option<&'a SecretString>,
    pub(crate) messages_per_connection: NonZeroU32,
    pub(crate) dkim: Option<DkimKey>,
    pub(crate) clock: Clock,
}

impl SmtpTransport {
    /// Opens no connection.
    ///
    /// # Errors
    /// The system's certificates can't be read.
    pub(crate) fn new(settings: SmtpTransportSettings<'_>) -> Result<Self, SetupError> {
        super::install_crypto_provider();
        let credentials = settings.username.zip(settings.password);
        let credentials = credentials.map(|(username, password)| Credentials {
            username: username.to_owned(),
            password: password.clone(),
        });
        Ok(Self {
            connector: Connector::new(settings.server, credentials.as_ref())
                .map_err(SetupError::Client)?,
            messages_per_connection: settings.messages_per_connection,
            dkim: settings.dkim,
            idle: Mutex::new(Vec::new()),
            clock: settings.clock,
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SmtpConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An open connection, or a new one.
    async fn connection(&self) -> Result<SmtpConnection, ServerProblem> {
        loop {
            let idle = self.idle().pop();
            match idle {
                Some(connection) if connection.idle_time() < MAX_IDLE => return Ok(connection),
                Some(old) => drop(tokio::spawn(old.quit())),
                None => return self.connector.connect().await,
            }
        }
    }

    fn put_back(&self, connection: SmtpConnection) {
        if !connection.is_usable() {
            return;
        }
        if connection.messages() < self.messages_per_connection.get() {
            self.idle().push(connection);
        } else {
            drop(tokio::spawn(connection.quit()));
        }
    }
}

impl Transport for SmtpTransport {
    async fn post(&self, request: &PostRequest) -> PostOutcome {
        let sender = request.sender.to_ascii();
        let to = request.to.iter().map(|to| &to.mailbox.address);
        let recipients: Vec<_> = (to.chain(&request.copies)).map(Address::to_ascii).collect();
        let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
        let date = Date::new(self.clock.now().as_second()).to_rfc822();
        let date = format!("Date: {date}\r\n");
        let body = request.body.0.iter().map(|chunk| &chunk[..]);
        let mut message: Vec<&[u8]> = std::iter::once(date.as_bytes()).chain(body).collect();
        let signature = match self.dkim.as_ref().map(|dkim| dkim.sign(&message)) {
            Some(Err(error)) => {
                return PostOutcome::Stop {
                    reason: format!("a message can't be signed with the DKIM key: {error}"),
                    not_taken: true,
                };
            }
            Some(Ok(signature)) => signature,
            None => String::new(),
        };
        message.insert(0, signature.as_bytes());
        let handed_over = AtomicBool::new(false);
        loop {
            let mut connection = match self.connection().await {
                Ok(connection) => connection,
                Err(problem) => return unusable(&problem),
            };
            let outcome = connection
                .send(&sender, &recipients, &message, &handed_over)
                .await;
            self.put_back(connection);
            // A new connection has not been used before, so this ends.
            if !matches!(outcome, TransactionOutcome::Stale(_)) {
                return meaning(outcome, request);
            }
        }
    }
}

/// What the end of a transaction means for the recipients.
fn meaning(outcome: TransactionOutcome, request: &PostRequest) -> PostOutcome {
    match outcome {
        TransactionOutcome::Accepted(_) => PostOutcome::Settled(
            (request.to.iter())
                .map(|to| RecipientOutcome::Accepted {
                    message_id: to.message_id.clone().unwrap_or_default(),
                })
                .collect(),
        ),
        TransactionOutcome::Rejected(refusal) => {
            PostOutcome::rejected(request.to.len(), code(&refusal), words(&refusal))
        }
        TransactionOutcome::Deferred(refusal) => match code(&refusal) {
            421 => PostOutcome::not_taken(Blame::Server, words(&refusal), None),
            450 | 451 => PostOutcome::not_taken(Blame::Request, words(&refusal), Some(GREYLISTED)),
            _ => PostOutcome::not_taken(Blame::Request, words(&refusal), None),
        },
        TransactionOutcome::Interrupted(reason) => {
            let reason = format!("the connection ended before the end of the message: {reason}");
            PostOutcome::not_taken(Blame::Request, one_line(&reason), None)
        }
        TransactionOutcome::InDoubt(reason) => {
            let reason = format!("no usable reply to the message: {reason}");
            PostOutcome::unknown(request.to.len(), one_line(&reason))
        }
        TransactionOutcome::NotStarted(problem) => unusable(&problem),
        TransactionOutcome::Stale(refusal) => {
            PostOutcome::not_taken(Blame::Server, words(&refusal), None)
        }
    }
}

/// What a server that can't be used means: it may be better in a while, or needs the user.
fn unusable(problem: &ServerProblem) -> PostOutcome {
    let help = match problem.kind {
        ProblemKind::Unreachable | ProblemKind::Local => {
            let reason = format!("no connection: {}", problem.reason);
            return PostOutcome::not_taken(Blame::Network, one_line(&reason), None);
        }
        ProblemKind::ImplicitTls | ProblemKind::StartTlsRefused | ProblemKind::StartTlsFailed => {
            return PostOutcome::not_taken(Blame::Network, one_line(&problem.reason), None);
        }
        ProblemKind::Busy => {
            return PostOutcome::not_taken(Blame::Server, one_line(&problem.reason), None);
        }
        ProblemKind::Refused => {
            "check `url` in [smtp], and whether this machine may use the server"
        }
        ProblemKind::Certificate => {
            "if the server is yours, add the certificate of its authority to those of the system, or name a file with it in SSL_CERT_FILE"
        }
        ProblemKind::NoStartTls => "use smtps:, or a server that offers STARTTLS",
        ProblemKind::Login => "check the user name in `url` in [smtp], and the password",
        ProblemKind::LoginRequired => "add a user name to `url` in [smtp]: \"smtps://user@host\"",
    };
    PostOutcome::Stop {
        reason: format!("{}; {help}", one_line(&problem.reason)),
        not_taken: true,
    }
}

/// The code at the start of a reply.
fn code(refusal: &Refusal) -> u16 {
    let code = refusal.reply.get(..3).and_then(|code| code.parse().ok());
    code.unwrap_or_default()
}

fn words(refusal: &Refusal) -> String {
    one_line(&format!("{}: {}", refusal.command, refusal.reply))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::RequestBody;

    #[test]
    fn greylisted_messages_wait_longer_than_others() {
        let request = PostRequest {
            to: Vec::new(),
            sender: Address::parse("a@x.example").expect("an address"),
            copies: Vec::new(),
            body: RequestBody::default(),
        };
        let wait = |reply: &str| {
            let refusal = Refusal {
                command: "RCPT TO",
                reply: reply.to_owned(),
            };
            match meaning(TransactionOutcome::Deferred(refusal), &request) {
                PostOutcome::NotTaken { blame, wait, .. } => (blame, wait),
                outcome => panic!("{outcome:?}"),
            }
        };
        assert_eq!(wait("450 4.2.0 later"), (Blame::Request, Some(GREYLISTED)));
        assert_eq!(wait("451 4.7.1 later"), (Blame::Request, Some(GREYLISTED)));
        assert_eq!(wait("452 4.3.1 full"), (Blame::Request, None));
        assert_eq!(wait("421 4.3.2 closing"), (Blame::Server, None));
    }
}
