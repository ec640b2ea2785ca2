//! Lists of suppressed addresses that mailrun keeps: who unsubscribed, complained or can't be reached.
//!
//! A `KeptList` is a file, or is in the database of a ledger. An address has a `History` on it; all
//! changes go through that, so that both places follow the same rules.

mod api_blacklist;
mod entry;
mod hash;
mod history;
mod list;
mod postgres;
mod sqlite;
mod store;
mod suppressed;

pub(crate) use api_blacklist::{ApiBlacklist, BlacklistError};
pub(crate) use entry::{DeliveryEvent, Entry, NewEntry, Reason};
pub(crate) use list::{KeptList, ListPlace};
pub(crate) use store::ListError;
pub use suppressed::CampaignLists;
