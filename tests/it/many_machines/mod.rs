//! Several workers that send one run from a ledger in PostgreSQL.

mod faults;

use crate::support::postgres::Cluster;
use crate::support::real_part;

fn is_available() -> bool {
    real_part("PostgreSQL", Cluster::is_available())
}
