//! An HTTP server for pages and for the gateway's API: connections and their limits, access control,
//! responses and files.

mod accept;
mod connection;
mod download;
mod events;
mod files;
mod guard;
mod limits;
mod linger;
mod login;
mod login_guesses;
mod mail;
mod response;
mod safe_parse;
mod search_term;
mod security_headers;
mod server;
mod timed_body;
mod timed_stream;
mod truncate;

pub(crate) use accept::{Acceptor, Protocol};
pub(crate) use connection::{ConnectionObserver, Disconnect, Peer, Stopping};
pub(crate) use download::{attachment, file_name};
pub(crate) use events::{ChangeSource, events};
pub(crate) use files::{PageFile, file, page};
pub(crate) use guard::Guard;
pub use limits::ConnectionLimits;
pub(crate) use linger::close_gracefully;
pub use login::{Login, LoginRequired};
pub(crate) use login::{LoginCheck, LoginError};
pub(crate) use mail::{Mail, MailHeader};
pub(crate) use response::{HttpError, QueryParams, json, plain};
pub(crate) use search_term::SearchTerm;
pub(crate) use security_headers::add_security_headers;
pub(crate) use server::Server;
pub(crate) use timed_body::{Received, TooSlow};
pub(crate) use truncate::truncate;
