//! One connection to an SMTP server, and the transactions on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::time::{Instant, timeout};

use super::outcome::{
    ProblemKind, Refusal, ServerProblem, SmtpReply, TransactionOutcome, is_about_connection,
    reply_line,
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
    extensions: Extensions,
    state: ConnectionState,
    /// How many messages were sent on it.
    messages: u32,
    last_used: Instant,
}

/// What the server offers (RFC 5321 4.1.1.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    /// 8BITMIME (RFC 6152).
    pub(super) eight_bit: bool,
    /// Several commands in one packet (RFC 2920).
    pub(super) pipelining: bool,
    /// Messages can be announced with their size (RFC 1870). 0: no limit is known.
    pub(super) size: Option<u64>,
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
        extensions: Extensions,
    ) -> Self {
        Self {
            extensions,
            messages: 0,
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

    /// How many messages were sent on it.
    pub(crate) fn messages(&self) -> u32 {
        self.messages
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

    /// Sends a message, given in pieces. If one recipient is refused, nothing is sent. `handed_over` is set just
    /// before the final dot is written: until then the server has certainly not accepted the message.
    pub(crate) async fn send(
        &mut self,
        sender: &str,
        recipients: &[&str],
        message: &[&[u8]],
        handed_over: &AtomicBool,
    ) -> TransactionOutcome {
        handed_over.store(false, Ordering::Relaxed);
        let size: usize = message.iter().map(|piece| piece.len()).sum();
        if let Some(limit) = self.extensions.size
            && limit > 0
            && size as u64 > limit
        {
            return TransactionOutcome::Rejected(Refusal {
                command: "EHLO",
                reply: format!(
                    "552 5.3.4 the message has {size} bytes; the server accepts at most {limit}"
                ),
            });
        }
        let was_used = self.state == ConnectionState::Used;
        let is_8bit = !message.iter().all(|piece| piece.is_ascii());
        let body = match (is_8bit, self.extensions.eight_bit) {
            (false, _) => "",
            (true, true) => " BODY=8BITMIME",
            // Converting the message would change it (RFC 6152 3).
            (true, false) => {
                let reply = "5.6.3 the message is 8-bit, but the server does not offer 8BITMIME";
                return TransactionOutcome::Rejected(Refusal {
                    command: "EHLO",
                    reply: reply.to_owned(),
                });
            }
        };
        self.state = ConnectionState::Broken;
        self.messages += 1;
        let mut commands = Vec::with_capacity(1 + recipients.len());
        commands.push(match self.extensions.size {
            Some(_) => format!("MAIL FROM:<{sender}> SIZE={size}{body}\r\n"),
            None => format!("MAIL FROM:<{sender}>{body}\r\n"),
        });
        commands.extend(recipients.iter().map(|to| format!("RCPT TO:<{to}>\r\n")));
        if let Some(outcome) = self.envelope(commands, was_used).await {
            return outcome;
        }
        let command = "DATA";
        match self.command(format!("{command}\r\n")).await {
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
            // The server closes the connection, for any reason.
            SmtpReply::Transient(421, text) => TransactionOutcome::InDoubt(text),
            reply => self.abandon("the message", reply, was_used).await,
        }
    }

    /// Says from whom and to whom the message is. Nothing is returned if the server accepts all of it.
    async fn envelope(
        &mut self,
        commands: Vec<String>,
        was_used: bool,
    ) -> Option<TransactionOutcome> {
        let count = commands.len();
        let mut replies = Vec::with_capacity(count);
        if self.extensions.pipelining {
            replies.push(self.command(commands.concat()).await);
            while replies.len() < count && !matches!(replies.last(), Some(SmtpReply::Lost(_))) {
                let reply = timeout(self.timeout, self.smtp.read_response()).await;
                replies.push(reply.into());
            }
        } else {
            for command in commands {
                let reply = self.command(command).await;
                let is_positive = matches!(reply, SmtpReply::Positive(_));
                replies.push(reply);
                if !is_positive {
                    break;
                }
            }
        }
        // A lost connection, and then a refusal for good, says more than a refusal for now.
        let rank = |reply: &SmtpReply| match reply {
            SmtpReply::Positive(_) => 0,
            SmtpReply::Transient(..) => 1,
            SmtpReply::Permanent(..) => 2,
            SmtpReply::Lost(_) => 3,
        };
        // If the sender is refused, the replies about recipients mean nothing.
        let is_sender_refused = replies.first().is_some_and(|reply| rank(reply) > 0);
        let at = match is_sender_refused {
            true => 0,
            false => (0..replies.len())
                .rev()
                .max_by_key(|at| rank(&replies[*at]))?,
        };
        let reply = replies.swap_remove(at);
        let command = if at == 0 { "MAIL FROM" } else { "RCPT TO" };
        match reply {
            SmtpReply::Positive(_) => None,
            // Servers close connections that were idle for long or used often.
            SmtpReply::Lost(reply) if was_used && at == 0 => {
                Some(TransactionOutcome::Stale(Refusal { command, reply }))
            }
            // The server requires STARTTLS or a login, whatever the message is.
            SmtpReply::Permanent(530, text) if at == 0 => {
                Some(TransactionOutcome::NotStarted(ServerProblem {
                    reason: format!("{}: {command}: {text}", self.server),
                    kind: ProblemKind::LoginRequired,
                }))
            }
            reply => Some(self.abandon(command, reply, was_used).await),
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
            let reset = self.command("RSET\r\n".to_owned()).await;
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

    /// Sends one command, or several in one packet, and waits for the first reply.
    async fn command(&mut self, lines: String) -> SmtpReply {
        timeout(self.timeout, self.smtp.command(lines)).await.into()
    }
}
