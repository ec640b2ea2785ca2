//! What the pages of this program are served with: connections and their limits, who may ask, answers
//! and files. The gateway's API is served with it as well.

mod answers;
mod download;
mod events;
mod files;
mod guard;
mod mail;
mod paced;
mod server;
mod text;
mod timed;

pub(crate) use answers::{Failed, Fields, json, plain};
pub(crate) use download::{attachment, file_name};
pub(crate) use events::{Watched, events};
pub(crate) use files::{File, file, page};
pub(crate) use guard::Guard;
pub use guard::{Login, Open};
pub(crate) use mail::{Header, Mail};
pub(crate) use paced::{Received, TooSlow};
pub use server::Limits;
pub(crate) use server::{Cut, Peer, Server, Stopping, Watcher};
pub(crate) use text::cut;
