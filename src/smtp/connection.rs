//! One connection to an SMTP server, and the transactions on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::time::{Instant, timeout};

use super::outcome::{
    Refusal, ServerProblem, SmtpReply, TransactionOutcome, is_about_connection, reply_line,
};

/// The longest that a server may take to answer QUIT.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);
/// The slowest acceptable upload of a message, in bytes a second.
const MIN_UPLOAD_RATE: u64 = 8 * 1024;

/// A connection that has said EHLO and logged in.
pub(crate) struct SmtpConnection {
    smtp: AsyncSmtpConnection,
    /// The server's host and port.
    server: String,
    hello: String,
    timeout: Duration,
    state: ConnectionState,
    last_used: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionState {
    /// No transaction has started.
    New,
    /// A transaction has ended and another can start.
    Used,
    Broken,
}

impl SmtpConnection {
    pub(super) fn new(
        smtp: AsyncSmtpConnection,
        server: String,
        hello: String,
        timeout: Duration,
    ) -> Self {
        Self {
            smtp,
            server,
            hello,
            timeout,
            state: ConnectionState::New,
            last_used: Instant::now(),
        }
    }

    /// The name that this side sent with EHLO.
    pub(crate) fn hello(&self) -> &str {
        &self.hello
    }

    pub(crate) fn idle_time(&self) -> Duration {
        self.last_used.elapsed()
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.state != ConnectionState::Broken
    }

    pub(crate) async fn quit(mut self) {
        if self.is_usable() {
            // The connection ends whether the server answers or not.
            let _ = timeout(QUIT_TIMEOUT, self.smtp.quit()).await;
        }
    }

    /// Sends a message, given in pieces, to one recipient. `handed_over` is set just before the final
    /// dot is written: until then the server has certainly not accepted the message.
    pub(crate) async fn send(
        &mut self,
        sender: &str,
        recipient: &str,
        message: &[&[u8]],
        handed_over: &AtomicBool,
    ) -> TransactionOutcome {
        handed_over.store(false, Ordering::Relaxed);
        let was_used = self.state == ConnectionState::Used;
        self.state = ConnectionState::Broken;
        let command = "MAIL FROM";
        match self.command(command, format!("<{sender}>")).await {
            SmtpReply::Positive(_) => {}
            // Servers close connections that were idle for long or used often.
            SmtpReply::Lost(reply) if was_used => {
                return TransactionOutcome::Stale(Refusal { command, reply });
            }
            // The server requires STARTTLS or a login, whatever the message is.
            SmtpReply::Permanent(530, text) => {
                return TransactionOutcome::NotStarted(ServerProblem {
                    reason: format!("{}: {command}: {text}", self.server),
                    help: "check `starttls`, `username_env` and the password in gateway.toml",
                });
            }
            reply => return self.abandon(command, reply, was_used).await,
        }
        let command = "RCPT TO";
        match self.command(command, format!("<{recipient}>")).await {
            SmtpReply::Positive(_) => {}
            reply => return self.abandon(command, reply, was_used).await,
        }
        let command = "DATA";
        match self.command(command, String::new()).await {
            SmtpReply::Positive(response) if response.has_code(354) => {}
            SmtpReply::Positive(response) => {
                let text = format!("unexpected reply to DATA: {}", reply_line(&response));
                return TransactionOutcome::Interrupted(text);
            }
            reply => return self.abandon(command, reply, was_used).await,
        }
        match self.data(message, handed_over).await {
            SmtpReply::Positive(response) if u16::from(response.code()) < 300 => {
                self.set_ready();
                TransactionOutcome::Accepted(reply_line(&response))
            }
            SmtpReply::Positive(response) => TransactionOutcome::InDoubt(format!(
                "unexpected reply to the message: {}",
                reply_line(&response)
            )),
            SmtpReply::Lost(text) if handed_over.load(Ordering::Relaxed) => {
                TransactionOutcome::InDoubt(format!("end of the message: {text}"))
            }
            reply => self.abandon("the message", reply, was_used).await,
        }
    }

    async fn data(&mut self, message: &[&[u8]], handed_over: &AtomicBool) -> SmtpReply {
        let mut pieces = message.to_vec();
        // The final dot is written with the end of the last line.
        if let Some(last) = pieces.last_mut() {
            *last = last.strip_suffix(b"\r\n").unwrap_or(last);
        }
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        // lettre asks for the next piece only when all pieces before it are written.
        let end = std::iter::from_fn(|| {
            handed_over.store(true, Ordering::Relaxed);
            None
        });
        let reply = self.smtp.message_iter(pieces.into_iter().chain(end));
        // RFC 5321 4.5.3.2.6 allows twice the usual time for the reply to the final dot.
        let limit = 2 * self.timeout + Duration::from_secs(bytes as u64 / MIN_UPLOAD_RATE);
        timeout(limit, reply).await.into()
    }

    /// Ends a transaction that the server did not accept, and keeps the connection if possible.
    async fn abandon(
        &mut self,
        command: &'static str,
        reply: SmtpReply,
        was_used: bool,
    ) -> TransactionOutcome {
        let (code, reply) = match reply {
            SmtpReply::Transient(code, text) | SmtpReply::Permanent(code, text) => (code, text),
            SmtpReply::Positive(response) => {
                return TransactionOutcome::Interrupted(reply_line(&response));
            }
            SmtpReply::Lost(text) => {
                return TransactionOutcome::Interrupted(format!("{command}: {text}"));
            }
        };
        // The first message of a connection was refused itself, whatever the words are: a new connection
        // would not help.
        let is_stale = was_used && is_about_connection(code, &reply);
        let refusal = Refusal { command, reply };
        if is_stale {
            if code != 421 {
                let _ = timeout(QUIT_TIMEOUT, self.smtp.quit()).await;
            }
            return TransactionOutcome::Stale(refusal);
        }
        if code != 421 {
            let reset = self.command("RSET", String::new()).await;
            if matches!(reset, SmtpReply::Positive(_)) {
                self.set_ready();
            }
        }
        if code < 500 {
            TransactionOutcome::Deferred(refusal)
        } else {
            TransactionOutcome::Rejected(refusal)
        }
    }

    fn set_ready(&mut self) {
        self.state = ConnectionState::Used;
        self.last_used = Instant::now();
    }

    async fn command(&mut self, command: &'static str, argument: String) -> SmtpReply {
        let colon = if argument.is_empty() { "" } else { ":" };
        let line = format!("{command}{colon}{argument}\r\n");
        timeout(self.timeout, self.smtp.command(line)).await.into()
    }
}
