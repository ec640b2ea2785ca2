//! Ledgers in PostgreSQL, on real servers.

mod clusters;
mod connections;
mod runs;
mod schema;

use crate::support::postgres::Cluster;
use crate::support::real_part;
use crate::support::run::Run;

pub(crate) fn is_available() -> bool {
    real_part("PostgreSQL", Cluster::is_available())
}

/// `mailrun ledger init --ledger URL`
pub(crate) fn init(url: &str) -> Run {
    Run::new("ledger").args(["init", "--ledger", url])
}
