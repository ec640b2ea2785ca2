//! What the server feeds: the runs and the lists of its campaigns.

use std::sync::Arc;

use crate::address::Address;
use crate::feedback::list_feed::ListFeed;
use crate::feedback::store::{EventStore, EventsError};
use crate::ledger::{Ledger, Run};
use crate::list_name::ListName;
use crate::suppression::KeptList;

/// A run of one of the campaigns.
#[derive(Clone)]
pub(crate) struct ServedRun {
    pub(crate) run: Run,
    /// The one recipient of a test.
    pub(crate) test_to: Option<Address>,
    /// The list of its campaign.
    pub(crate) list: Option<ListName>,
    pub(crate) access: Arc<dyn RunAccess>,
}

/// Opens a run.
pub(crate) trait RunAccess: Send + Sync {
    /// # Errors
    /// It can't be read.
    fn ledger(&self) -> Result<Box<dyn Ledger>, EventsError>;

    /// # Errors
    /// They can't be written.
    fn events(&self) -> Result<Box<dyn EventStore>, EventsError>;
}

/// Finds the runs.
pub(crate) trait RunCatalog: Send {
    /// All runs whose messages left the machine, the newest first. New runs appear while the server runs.
    ///
    /// # Errors
    /// Some of them can't be found at the moment.
    fn runs(&mut self) -> Result<Vec<ServedRun>, EventsError>;
}

/// A list that unsubscribes and events go to.
pub(crate) struct ServedList {
    pub(crate) name: ListName,
    pub(crate) feed: ListFeed,
    /// Writes the list to a file.
    pub(crate) export: Option<ListExport>,
}

/// Writes a list to a file, or says why it can't.
pub(crate) type ListExport = Box<dyn Fn(&KeptList) -> Result<(), String> + Send>;
