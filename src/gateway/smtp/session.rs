//! The dialogue of one connection, without I/O: a line of the client in, a step of the connection out.

use std::sync::Arc;

use smtp_proto::{
    Error, MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_RET_FULL, MAIL_RET_HDRS, MailFrom, RcptTo,
    Request,
};

use super::auth::{AuthDialogue, AuthStep, Credentials, unknown_mechanism};
use super::envelope::{Envelope, EnvelopeAddress};
use super::reply::Reply;
use crate::api::MAX_RECIPIENTS;
use crate::web::LoginError;

/// The longest line of a client with its end, in bytes (RFC 4954 4).
pub(super) const MAX_LINE: usize = 12_288;
/// The most mistakes in a connection.
const MAX_ERRORS: u32 = 20;
/// First words of requests that browsers can be made to send to any port.
const HTTP_METHODS: [&str; 8] = [
    "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "PATCH",
];

/// What all connections of a server have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct SessionRules {
    /// The server's name in its greeting.
    pub(super) name: String,
    /// The largest message, in bytes.
    pub(super) max_message: usize,
    pub(super) has_tls: bool,
    /// Whether clients need a login. If not, they may use any.
    pub(super) needs_login: bool,
    /// Whether messages are sent on, which needs addresses that can be sent to.
    pub(super) relays: bool,
}

/// What the connection does next.
pub(super) enum Step {
    Reply(Reply),
    /// Replies, and closes the connection.
    Close(Reply),
    /// Checks the login, and then calls [`Session::login_checked`].
    CheckLogin(Credentials),
    /// Replies, and then starts TLS.
    StartTls(Reply),
    /// Replies that there will be no message. Bytes that have arrived already are a message, not commands.
    RefuseData(Reply),
    /// Replies, and then reads the message.
    ReadMessage(Envelope, Reply),
}

pub(super) struct Session {
    rules: Arc<SessionRules>,
    /// Whether the client is on this machine, so that nobody can read along.
    is_loopback: bool,
    is_encrypted: bool,
    has_greeted: bool,
    /// The name that the client has logged in with.
    user: Option<String>,
    auth: Option<AuthDialogue>,
    /// Since MAIL.
    envelope: Option<Envelope>,
    errors: u32,
    /// Whether the first line of the client has arrived.
    has_begun: bool,
}

type Outcome = Result<Step, Reply>;

impl Session {
    pub(super) fn new(rules: Arc<SessionRules>, is_loopback: bool) -> Self {
        Self {
            rules,
            is_loopback,
            is_encrypted: false,
            has_greeted: false,
            user: None,
            auth: None,
            envelope: None,
            errors: 0,
            has_begun: false,
        }
    }

    pub(super) fn greeting(&self) -> Reply {
        Reply::plain(220, format!("{} ESMTP mailrun", self.rules.name))
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Handles a line with its end. `refusal` is the reply to a recipient that is refused by its name.
    pub(super) fn line(&mut self, line: &[u8], refusal: &dyn Fn(&str) -> Option<Reply>) -> Step {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let outcome = match text(line) {
            Err(reply) => return Step::Close(reply),
            Ok(text) if is_first && is_http(text) => {
                return Step::Close(Reply::new(421, "5.7.0", "This is an SMTP server"));
            }
            Ok(text) => match self.auth.take() {
                Some(dialogue) => dialogue.respond(text).map(|step| self.auth_step(step)),
                None => self.command(line, refusal),
            },
        };
        outcome.unwrap_or_else(|reply| self.refuse(reply))
    }

    /// Counts mistakes of the protocol: a program that makes many is not a mail client.
    fn refuse(&mut self, reply: Reply) -> Step {
        if matches!(reply.code, 500..=504 | 530..=538) {
            self.errors += 1;
        }
        if self.errors > MAX_ERRORS {
            return Step::Close(Reply::new(421, "4.7.0", "Too many errors"));
        }
        Step::Reply(reply)
    }

    fn command(&mut self, line: &[u8], refusal: &dyn Fn(&str) -> Option<Reply>) -> Outcome {
        let request = Request::parse(&mut line.iter()).map_err(|error| syntax_reply(&error))?;
        match request {
            Request::Ehlo { .. } => {
                self.has_greeted = true;
                self.envelope = None;
                Ok(Step::Reply(self.extensions()))
            }
            Request::Helo { .. } => {
                self.has_greeted = true;
                self.envelope = None;
                Ok(Step::Reply(Reply::plain(250, self.rules.name.clone())))
            }
            Request::Mail { from } => self.mail(&from),
            Request::Rcpt { to } => self.rcpt(&to, refusal),
            Request::Data => Ok(self.data()),
            Request::Auth {
                mechanism,
                initial_response,
            } => {
                self.check_auth_allowed()?;
                let step = AuthDialogue::start(mechanism, &initial_response)?;
                Ok(self.auth_step(step))
            }
            Request::StartTls => self.start_tls(),
            Request::Rset => {
                self.envelope = None;
                Ok(Step::Reply(Reply::new(250, "2.0.0", "OK")))
            }
            Request::Noop { .. } => Ok(Step::Reply(Reply::new(250, "2.0.0", "OK"))),
            Request::Vrfy { .. } => {
                let text = "Addresses are not verified; try RCPT";
                Ok(Step::Reply(Reply::new(252, "2.5.0", text)))
            }
            Request::Quit => Ok(Step::Close(Reply::new(221, "2.0.0", "Bye"))),
            Request::Lhlo { .. }
            | Request::Bdat { .. }
            | Request::Expn { .. }
            | Request::Help { .. }
            | Request::Etrn { .. }
            | Request::Atrn { .. }
            | Request::Burl { .. } => Err(Reply::new(502, "5.5.1", "Command not supported")),
        }
    }

    /// The reply to EHLO.
    fn extensions(&self) -> Reply {
        let mut text = format!(
            "{}\nPIPELINING\nSIZE {}\n8BITMIME\nENHANCEDSTATUSCODES",
            self.rules.name, self.rules.max_message
        );
        if self.rules.has_tls && !self.is_encrypted {
            text.push_str("\nSTARTTLS");
        }
        if self.is_private() && self.user.is_none() {
            text.push_str("\nAUTH PLAIN LOGIN");
        }
        Reply::plain(250, text)
    }

    /// Whether a password may be sent: over TLS if there is any, except on this machine.
    fn is_private(&self) -> bool {
        self.is_encrypted || self.is_loopback || !self.rules.has_tls
    }

    fn check_auth_allowed(&self) -> Result<(), Reply> {
        if !self.has_greeted {
            return Err(bad_sequence("Send EHLO first"));
        }
        if self.user.is_some() {
            return Err(bad_sequence("You are logged in"));
        }
        if self.envelope.is_some() {
            return Err(bad_sequence("AUTH is not allowed during a transaction"));
        }
        if !self.is_private() {
            return Err(Reply::new(538, "5.7.11", "Send STARTTLS before the login"));
        }
        Ok(())
    }

    fn auth_step(&mut self, step: AuthStep) -> Step {
        match step {
            AuthStep::Ask(dialogue, reply) => {
                self.auth = Some(dialogue);
                Step::Reply(reply)
            }
            AuthStep::Done(credentials) => Step::CheckLogin(credentials),
        }
    }

    /// The step after a login was checked, as that of `user`.
    pub(super) fn login_checked(&mut self, result: Result<String, LoginError>) -> Step {
        match result {
            Ok(user) => {
                self.user = Some(user);
                Step::Reply(Reply::new(235, "2.7.0", "Logged in"))
            }
            Err(LoginError::Invalid) => {
                self.refuse(Reply::new(535, "5.7.8", "The login is not valid"))
            }
            Err(LoginError::TooManyGuesses) => {
                let text = "Too many wrong logins from this address. Try again later";
                Step::Close(Reply::new(421, "4.7.0", text))
            }
        }
    }

    fn start_tls(&mut self) -> Outcome {
        if !self.rules.has_tls {
            return Err(Reply::new(502, "5.5.1", "Command not supported"));
        }
        if self.is_encrypted {
            return Err(bad_sequence("TLS is on"));
        }
        Ok(Step::StartTls(Reply::new(220, "2.0.0", "Start TLS")))
    }

    /// Forgets everything from before TLS (RFC 3207 4.2).
    pub(super) fn tls_started(&mut self) {
        *self = Self {
            is_encrypted: true,
            has_begun: true,
            errors: self.errors,
            ..Self::new(Arc::clone(&self.rules), self.is_loopback)
        };
    }

    fn mail(&mut self, from: &MailFrom<std::borrow::Cow<'_, str>>) -> Outcome {
        if !self.has_greeted {
            return Err(bad_sequence("Send EHLO first"));
        }
        if self.rules.needs_login && self.user.is_none() {
            let text = if self.is_private() {
                "Log in first"
            } else {
                "Send STARTTLS and log in first"
            };
            return Err(Reply::new(530, "5.7.0", text));
        }
        if self.envelope.is_some() {
            return Err(bad_sequence("MAIL was sent before"));
        }
        let MailFrom {
            address,
            flags,
            size,
            trans_id,
            by,
            env_id,
            solicit,
            mtrk,
            // Allowed by AUTH (RFC 4954 5), and ignored.
            auth: _,
            hold_for,
            hold_until,
            mt_priority,
        } = from;
        let known = MAIL_BODY_7BIT | MAIL_BODY_8BITMIME;
        let is_unknown = flags & !known != 0
            || [trans_id, env_id, solicit].iter().any(|it| it.is_some())
            || mtrk.is_some()
            || (*by, *hold_for, *hold_until, *mt_priority) != (0, 0, 0, 0);
        if is_unknown {
            return Err(unknown_parameter(
                flags & (MAIL_RET_FULL | MAIL_RET_HDRS) != 0,
            ));
        }
        if *size > self.rules.max_message {
            return Err(Reply::message_too_large(self.rules.max_message));
        }
        let from = match &**address {
            "" => None,
            text => Some(EnvelopeAddress::parse(text, self.rules.relays)?),
        };
        self.envelope = Some(Envelope {
            from,
            to: Vec::new(),
        });
        Ok(Step::Reply(Reply::new(250, "2.1.0", "OK")))
    }

    fn rcpt(
        &mut self,
        to: &RcptTo<std::borrow::Cow<'_, str>>,
        refusal: &dyn Fn(&str) -> Option<Reply>,
    ) -> Outcome {
        let Some(envelope) = &mut self.envelope else {
            return Err(bad_sequence("Send MAIL first"));
        };
        if to.flags != 0 || to.orcpt.is_some() || to.rrvs != 0 {
            return Err(unknown_parameter(true));
        }
        if envelope.to.len() >= MAX_RECIPIENTS {
            let text = format!("Too many recipients; the limit is {MAX_RECIPIENTS}");
            return Err(Reply::new(452, "4.5.3", text));
        }
        let recipient = EnvelopeAddress::parse(&to.address, self.rules.relays)?;
        match refusal(recipient.as_str()) {
            Some(reply) => Err(reply),
            None => {
                envelope.add(recipient);
                Ok(Step::Reply(Reply::new(250, "2.1.5", "OK")))
            }
        }
    }

    fn data(&mut self) -> Step {
        match self.envelope.take() {
            Some(envelope) if !envelope.to.is_empty() => {
                let reply = Reply::plain(354, "End the message with a dot on a line of its own");
                Step::ReadMessage(envelope, reply)
            }
            Some(envelope) => {
                self.envelope = Some(envelope);
                Step::RefuseData(Reply::new(554, "5.5.1", "No valid recipients"))
            }
            None => Step::RefuseData(bad_sequence("Send MAIL first")),
        }
    }
}

/// The text of a line without its end. The error is the last reply.
fn text(line: &[u8]) -> Result<&str, Reply> {
    let error = |text| Reply::new(500, "5.5.2", text);
    if line.len() > MAX_LINE {
        return Err(error("The line is too long"));
    }
    let line = line
        .strip_suffix(b"\r\n")
        .ok_or_else(|| error("Lines must end with CR and LF"))?;
    let line = std::str::from_utf8(line);
    let line = line.map_err(|_| error("Only ASCII is supported (no SMTPUTF8)"))?;
    if line.chars().any(char::is_control) {
        return Err(error("The line contains a control character"));
    }
    Ok(line)
}

fn is_http(line: &str) -> bool {
    let word = line.split(' ').next().unwrap_or_default();
    HTTP_METHODS
        .iter()
        .any(|method| word.eq_ignore_ascii_case(method))
}

fn bad_sequence(text: &'static str) -> Reply {
    Reply::new(503, "5.5.1", text)
}

fn unknown_parameter(is_dsn: bool) -> Reply {
    let text = if is_dsn {
        "Delivery notifications (DSN) are not supported"
    } else {
        "Parameter not supported"
    };
    Reply::new(555, "5.5.4", text)
}

fn syntax_reply(error: &Error) -> Reply {
    match error {
        Error::SyntaxError { syntax } if syntax.starts_with("AUTH") => unknown_mechanism(),
        Error::SyntaxError { syntax } => Reply::new(501, "5.5.2", format!("Syntax: {syntax}")),
        Error::InvalidSenderAddress => Reply::new(553, "5.1.7", "The sender is not an address"),
        Error::InvalidRecipientAddress => {
            Reply::new(553, "5.1.3", "The recipient is not an address")
        }
        Error::InvalidParameter { param } => {
            Reply::new(501, "5.5.4", format!("Invalid parameter {param}"))
        }
        Error::UnsupportedParameter { .. } => unknown_parameter(false),
        _ => Reply::new(500, "5.5.2", "Command not recognized"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(mut rules: SessionRules, is_loopback: bool) -> Session {
        rules.name = "mail.example".to_owned();
        rules.max_message = 1000;
        Session::new(Arc::new(rules), is_loopback)
    }

    /// The first characters of the reply to a line, or what else follows from it.
    fn say(session: &mut Session, line: &str) -> String {
        let refusal = |address: &str| {
            (address == "reject@example.com").then(|| Reply::new(550, "5.1.1", "Rejected"))
        };
        let step = session.line(format!("{line}\r\n").as_bytes(), &refusal);
        let (prefix, reply) = match step {
            Step::Reply(reply) | Step::RefuseData(reply) => ("", reply),
            Step::Close(reply) => ("close ", reply),
            Step::CheckLogin(credentials) => {
                let joined = String::from_utf8(credentials.joined()).expect("text");
                return format!("login {joined}");
            }
            Step::StartTls(reply) => ("tls ", reply),
            Step::ReadMessage(envelope, reply) => {
                assert!(!envelope.to.is_empty());
                ("read ", reply)
            }
        };
        let mut out = prefix.as_bytes().to_vec();
        reply.write(&mut out);
        String::from_utf8(out)
            .expect("ASCII")
            .trim_end_matches("\r\n")
            .to_owned()
    }

    #[track_caller]
    fn dialogue(session: &mut Session, lines: &[(&str, &str)]) {
        for (line, expected) in lines {
            let reply = say(session, line);
            assert!(reply.starts_with(expected), "{line}: {reply}");
        }
    }

    #[test]
    fn commands_have_an_order() {
        dialogue(
            &mut session(SessionRules::default(), true),
            &[
                ("MAIL FROM:<a@example.com>", "503 5.5.1"),
                ("EHLO client", "250-mail.example\r\n250-PIPELINING"),
                ("RCPT TO:<b@example.com>", "503 5.5.1"),
                ("DATA", "503 5.5.1"),
                (
                    "MAIL FROM:<a@example.com> SIZE=1000 BODY=8BITMIME AUTH=<>",
                    "250 2.1.0",
                ),
                ("MAIL FROM:<a@example.com>", "503 5.5.1"),
                ("DATA", "554 5.5.1"),
                ("RCPT TO:<reject@example.com>", "550 5.1.1"),
                ("RCPT TO:<root@localhost>", "250 2.1.5"),
                ("DATA", "read 354 "),
                ("RCPT TO:<b@example.com>", "503 5.5.1"),
                ("MAIL FROM:<>", "250 2.1.0"),
                ("RSET", "250 2.0.0"),
                ("RCPT TO:<b@example.com>", "503 5.5.1"),
                ("vrfy jan", "252 2.5.0"),
                ("NOOP", "250 2.0.0"),
                ("HELO client", "250 mail.example"),
                ("QUIT", "close 221 2.0.0"),
            ],
        );
    }

    #[test]
    fn parameters_and_commands_that_are_not_offered_are_refused() {
        dialogue(
            &mut session(SessionRules::default(), true),
            &[
                ("EHLO client", "250-"),
                ("MAIL FROM:<a@example.com> SIZE=1001", "552 5.3.4"),
                ("MAIL FROM:<a@example.com> SMTPUTF8", "555 5.5.4"),
                ("MAIL FROM:<a@example.com> BODY=BINARYMIME", "555 5.5.4"),
                ("MAIL FROM:<a@example.com> BODY=9BIT", "501 5.5.4"),
                ("MAIL FROM:<a@example.com> RET=FULL", "555 5.5.4 Delivery"),
                ("MAIL FROM:<a@example.com> WHAT=1", "555 5.5.4"),
                ("MAIL FROM:a@example.com", "501 5.5.2"),
                ("MAIL FROM:<a>", "553 5.1.7"),
                ("MAIL FROM:<ż@example.com>", "553 5.6.7"),
                ("MAIL FROM:<a@example.com>", "250 2.1.0"),
                ("RCPT TO:<b@example.com> NOTIFY=NEVER", "555 5.5.4"),
                ("RCPT TO:<>", "553 5.1.3"),
                ("EXPN list", "502 5.5.1"),
                ("BDAT 10 LAST", "502 5.5.1"),
                ("STARTTLS", "502 5.5.1"),
                ("WHAT", "500 5.5.2"),
            ],
        );
    }

    #[test]
    fn a_login_is_needed_if_there_is_one() {
        let rules = SessionRules {
            needs_login: true,
            ..SessionRules::default()
        };
        let mut session = session(rules, false);
        dialogue(
            &mut session,
            &[
                ("AUTH PLAIN AGtleQBzZWNyZXQ=", "503 5.5.1"),
                ("EHLO client", "250-"),
                ("MAIL FROM:<a@example.com>", "530 5.7.0"),
                ("AUTH CRAM-MD5", "504 5.5.4"),
                ("AUTH WHAT", "504 5.5.4"),
                ("AUTH PLAIN AGtleQBzZWNyZXQ=", "login key:secret"),
                ("AUTH PLAIN", "334 "),
                ("AGtleQBzZWNyZXQ=", "login key:secret"),
                ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
                ("a2V5", "334 UGFzc3dvcmQ6"),
                ("c2VjcmV0", "login key:secret"),
                ("AUTH LOGIN a2V5", "334 UGFzc3dvcmQ6"),
                ("*", "501 5.7.0"),
                ("AUTH PLAIN what?", "501 5.5.2"),
                ("NOOP", "250"),
            ],
        );
        let step = session.login_checked(Err(LoginError::Invalid));
        assert!(matches!(step, Step::Reply(reply) if reply.code == 535));
        session.login_checked(Ok("key".to_owned()));
        let second = ("AUTH PLAIN AGtleQBzZWNyZXQ=", "503 5.5.1");
        dialogue(
            &mut session,
            &[second, ("MAIL FROM:<a@example.com>", "250")],
        );
    }

    #[test]
    fn a_password_is_sent_over_tls_or_stays_on_the_machine() {
        let rules = || SessionRules {
            has_tls: true,
            needs_login: true,
            ..SessionRules::default()
        };
        let mut remote = session(rules(), false);
        let extensions = say(&mut remote, "EHLO client");
        assert!(extensions.contains("STARTTLS") && !extensions.contains("AUTH"));
        dialogue(
            &mut remote,
            &[
                ("AUTH PLAIN AGtleQBzZWNyZXQ=", "538 5.7.11"),
                ("MAIL FROM:<a@example.com>", "530 5.7.0 Send STARTTLS"),
                ("STARTTLS", "tls 220 2.0.0"),
            ],
        );
        remote.tls_started();
        dialogue(&mut remote, &[("MAIL FROM:<a@example.com>", "503 5.5.1")]);
        let extensions = say(&mut remote, "EHLO client");
        assert!(!extensions.contains("STARTTLS") && extensions.contains("AUTH PLAIN LOGIN"));
        dialogue(&mut remote, &[("STARTTLS", "503 5.5.1")]);
        let mut local = session(rules(), true);
        let extensions = say(&mut local, "EHLO client");
        assert!(extensions.contains("STARTTLS") && extensions.contains("AUTH PLAIN LOGIN"));
    }

    #[test]
    fn addresses_that_cannot_be_sent_to_are_refused_if_messages_are_sent_on() {
        let rules = SessionRules {
            relays: true,
            ..SessionRules::default()
        };
        dialogue(
            &mut session(rules, true),
            &[
                ("EHLO client", "250-"),
                ("MAIL FROM:<a@localhost>", "553 5.1.3"),
                ("MAIL FROM:<a@example.com>", "250"),
                ("RCPT TO:<root@localhost>", "553 5.1.3"),
            ],
        );
    }

    #[test]
    fn other_protocols_and_line_ends_close_the_connection() {
        for line in [
            &b"POST / HTTP/1.1\r\n"[..],
            b"get / HTTP/1.1\r\n",
            b"EHLO client\n",
            b"EHLO a\rb\r\n",
            b"EHLO a\0\r\n",
            b"\x16\x03\x01\n",
            &[&vec![b'a'; MAX_LINE][..], b"\r\n"].concat(),
        ] {
            let mut session = session(SessionRules::default(), true);
            let step = session.line(line, &|_| None);
            assert!(matches!(step, Step::Close(_)), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn mistakes_and_recipients_are_limited() {
        let mut many = session(SessionRules::default(), true);
        let replies: Vec<_> = (0..=MAX_ERRORS).map(|_| say(&mut many, "WHAT")).collect();
        assert!(replies[MAX_ERRORS as usize - 1].starts_with("500"));
        assert!(replies[MAX_ERRORS as usize].starts_with("close 421"));
        let mut session = session(SessionRules::default(), true);
        dialogue(&mut session, &[("EHLO c", "250-"), ("MAIL FROM:<>", "250")]);
        for n in 0..MAX_RECIPIENTS {
            let reply = say(&mut session, &format!("RCPT TO:<{n}@example.com>"));
            assert!(reply.starts_with("250"), "{n}");
        }
        dialogue(&mut session, &[("RCPT TO:<a@example.com>", "452 4.5.3")]);
    }
}
