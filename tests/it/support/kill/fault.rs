//! What happens to workers, and to the database that they share.

use super::Run;
use super::network::{Link, Network};
use crate::support::postgres::{Cluster, Setup, USER};

/// What happens to workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// One is killed.
    Kill,
    /// One is stopped for longer than its lease, and continues.
    Stop,
    /// The database crashes, and starts again.
    Database,
    /// The link to the database is down.
    CutDatabase,
    /// The link to the API is down.
    CutApi,
}

impl Fault {
    #[allow(dead_code, reason = "only the soak test has all")]
    pub const ALL: [Self; 5] = [
        Self::Kill,
        Self::Stop,
        Self::Database,
        Self::CutDatabase,
        Self::CutApi,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Database => "database",
            Self::CutDatabase => "cut-database",
            Self::CutApi => "cut-api",
        }
    }

    /// Which link it cuts.
    pub fn link(self) -> Option<Link> {
        match self {
            Self::CutDatabase => Some(Link::Database),
            Self::CutApi => Some(Link::Api),
            Self::Kill | Self::Stop | Self::Database => None,
        }
    }

    /// Whether the others may end the worker that it happens to.
    pub(super) fn may_end_workers(self) -> bool {
        matches!(self, Self::Stop | Self::CutDatabase)
    }
}

/// The database of the scenarios.
pub struct SharedLedger {
    pub(super) cluster: Cluster,
    url: String,
    pub(super) network: Option<Network>,
}

impl SharedLedger {
    /// A ledger on a cluster of its own. Workers are in the namespaces of `network`.
    pub fn create(network: Option<Network>) -> Self {
        let setup = Setup {
            network: network.as_ref().map(|_| Network::DATABASE),
            ..Setup::default()
        };
        let cluster = Cluster::with(&setup);
        let init = Run::new("ledger").args(["init", "--ledger", &cluster.url()]);
        init.run().code(0);
        let host = Link::Database.address();
        let url = match network {
            Some(_) => format!("postgres://{USER}@{host}:{}/postgres", cluster.port()),
            None => cluster.url(),
        };
        Self {
            cluster,
            url,
            network,
        }
    }

    /// What the workers name it.
    pub fn url(&self) -> &str {
        &self.url
    }
}
