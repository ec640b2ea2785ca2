//! Earlier runs of the same campaign: who has it already.

use super::{Folder, folder};
use crate::campaign::Campaign;
use crate::ledger::{Ledger, Status, Target};

/// A real run of the same name, with rows that were sent, may have been, or are still to be.
#[derive(Debug, Clone)]
pub struct Previous {
    /// Its folder.
    pub folder: Folder,
    /// Its accepted rows.
    pub accepted: u64,
    /// Its unknown rows.
    pub unknown: u64,
    /// Its pending rows.
    pub pending: u64,
}

/// The earlier real runs of a campaign that stand against sending it again, oldest first. A run
/// whose plan was never completed has sent nothing.
pub fn previous(campaign: &Campaign) -> Vec<Previous> {
    let runs = campaign.dir.join(folder::RUNS);
    folder::all(&runs)
        .into_iter()
        .filter_map(|folder| standing(campaign, folder))
        .collect()
}

fn standing(campaign: &Campaign, folder: Folder) -> Option<Previous> {
    let ledger = Ledger::open(&folder.ledger()).ok()?;
    let run = ledger.run().ok()?;
    if run.target != Target::Real || run.name != campaign.name {
        return None;
    }
    let counts = ledger.counts().ok()?.without_holder();
    let previous = Previous {
        accepted: counts.of(Status::Accepted),
        unknown: counts.of(Status::Unknown),
        pending: counts.of(Status::Pending),
        folder,
    };
    (previous.accepted + previous.unknown + previous.pending > 0).then_some(previous)
}
