//! What the fake keeps of all that happened to it.

use std::sync::Arc;

use super::request::Request;

/// A message that the fake took: it will be delivered, whatever the client got to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The recipient, as posted.
    pub address: String,
    /// The message ID, which the answer gave or the sender chose.
    pub message_id: String,
    /// The number of the request that brought it.
    pub request: usize,
}

/// The ledger of one fake.
#[derive(Default)]
pub struct Ledger {
    pub taken: Vec<Taken>,
    pub requests: Vec<Arc<Request>>,
    pub seen: usize,
    pub in_flight: usize,
    pub max_in_flight: usize,
    pub connections: usize,
}
