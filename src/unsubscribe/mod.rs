//! The links with which recipients unsubscribe: `URL/u/TOKEN`.
//!
//! A token is encrypted, so it shows neither the address nor the list, and authenticated, so nobody can make one up. It is
//! the same whenever it is made of the same content with the same key.

mod keys;
mod links;
mod token;

pub use keys::{FeedbackKeys, KeyError};
pub(crate) use links::{UnsubscribeLinks, is_link};
pub use token::UnsubscribeToken;

pub(crate) const LIST_UNSUBSCRIBE: &str = "List-Unsubscribe";
pub(crate) const LIST_UNSUBSCRIBE_POST: &str = "List-Unsubscribe-Post";
/// The only value that RFC 8058 defines for it, and the body of the request.
pub(crate) const ONE_CLICK: &str = "List-Unsubscribe=One-Click";
/// Stands for the token in links that unsubscribe nobody: in tests, local runs and previews.
pub(crate) const TEST_TOKEN: &str = "test";
/// The path of the links, below the public URL.
pub(crate) const PATH: &str = "u";
