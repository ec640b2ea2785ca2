//! An SMTP client connection, and what the server's replies mean for a message.
//!
//! Nothing here retries: a caller gets a [`TransactionOutcome`] and decides.

mod connection;
mod connector;
mod helo;
mod outcome;
mod server_url;
mod tls;

pub(crate) use connection::SmtpConnection;
pub use connector::Credentials;
pub(crate) use connector::{Connector, Security, ServerConfig, StartTls};
pub(crate) use outcome::{ProblemKind, Refusal, ServerProblem, TransactionOutcome};
pub(crate) use server_url::{ServerUrl, is_hello_name};
