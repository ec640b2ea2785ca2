//! The dialogues of AUTH PLAIN (RFC 4616) and AUTH LOGIN.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN};

use super::reply::Reply;

/// The keys that a client sent.
#[derive(PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: Vec<u8>,
}

impl Credentials {
    /// As `USER:PASSWORD`.
    pub(super) fn joined(&self) -> Vec<u8> {
        [self.user.as_bytes(), b":", &self.password].concat()
    }
}

/// What the client sends next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AuthDialogue {
    Plain,
    LoginUser,
    LoginPassword { user: String },
}

/// The next step of a dialogue.
pub(super) enum AuthStep {
    /// The server asks for more.
    Ask(AuthDialogue, Reply),
    Done(Credentials),
}

impl AuthDialogue {
    /// Starts a dialogue. `initial` is the response in the command, if there is one.
    ///
    /// # Errors
    /// The reply, if the mechanism or the response is not valid.
    pub(super) fn start(mechanism: u64, initial: &str) -> Result<AuthStep, Reply> {
        let dialogue = match mechanism {
            AUTH_PLAIN => Self::Plain,
            AUTH_LOGIN => Self::LoginUser,
            _ => return Err(unknown_mechanism()),
        };
        match (initial, &dialogue) {
            ("", Self::LoginUser) => Ok(ask(dialogue, "Username:")),
            ("", _) => Ok(ask(dialogue, "")),
            // An empty response (RFC 4954 4).
            ("=", _) => dialogue.respond(""),
            _ => dialogue.respond(initial),
        }
    }

    /// Continues with a line of the client.
    ///
    /// # Errors
    /// The reply, if the client cancels or the line is not valid.
    pub(super) fn respond(self, line: &str) -> Result<AuthStep, Reply> {
        if line == "*" {
            return Err(Reply::new(501, "5.7.0", "Login cancelled"));
        }
        let invalid = || Reply::new(501, "5.5.2", "The response is not valid base64 of a login");
        let decoded = STANDARD.decode(line).map_err(|_| invalid())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| invalid());
        match self {
            Self::Plain => {
                let mut parts = decoded.splitn(3, |byte| *byte == 0);
                let (Some(_), Some(user), Some(password)) =
                    (parts.next(), parts.next(), parts.next())
                else {
                    return Err(invalid());
                };
                Ok(AuthStep::Done(Credentials {
                    user: text(user)?,
                    password: password.to_vec(),
                }))
            }
            Self::LoginUser => {
                let user = text(&decoded)?;
                Ok(ask(Self::LoginPassword { user }, "Password:"))
            }
            Self::LoginPassword { user } => Ok(AuthStep::Done(Credentials {
                user,
                password: decoded,
            })),
        }
    }
}

pub(super) fn unknown_mechanism() -> Reply {
    Reply::new(504, "5.5.4", "Use AUTH PLAIN or AUTH LOGIN")
}

fn ask(dialogue: AuthDialogue, prompt: &str) -> AuthStep {
    AuthStep::Ask(dialogue, Reply::plain(334, STANDARD.encode(prompt)))
}
