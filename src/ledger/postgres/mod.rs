//! A ledger in PostgreSQL, which several machines can work on: connections and its schema.

mod connect;
mod schema;

pub use connect::{ConnectionTask, connect};
pub use schema::{Migration, check_version, init};
