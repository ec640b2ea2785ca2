//! Earlier runs of the same campaign: who has it already.

use super::{Folder, folder};
use crate::campaign::Campaign;
use crate::ledger::{Counts, Ledger, LedgerError, Status, Target};

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
///
/// # Errors
/// The run that can't be read, and why: whom it has sent to is not known.
pub fn previous(campaign: &Campaign) -> Result<Vec<Previous>, (Folder, LedgerError)> {
    let runs = campaign.dir.join(folder::RUNS);
    let mut standing = Vec::new();
    for folder in folder::all(&runs) {
        match counts(campaign, &folder) {
            Ok(counts) => standing.extend(counts.and_then(|counts| against(counts, folder))),
            // The power may have gone while it was planned.
            Err(LedgerError::NotPlanned | LedgerError::NotALedger(_)) => {}
            Err(error) => return Err((folder, error)),
        }
    }
    Ok(standing)
}

/// The counts of a real run of the campaign.
fn counts(campaign: &Campaign, folder: &Folder) -> Result<Option<Counts>, LedgerError> {
    let ledger = Ledger::open(&folder.ledger())?;
    let run = ledger.run()?;
    if run.target != Target::Real || run.name != campaign.name {
        return Ok(None);
    }
    ledger.counts().map(Some)
}

fn against(counts: Counts, folder: Folder) -> Option<Previous> {
    let counts = counts.without_holder();
    let previous = Previous {
        accepted: counts.of(Status::Accepted),
        unknown: counts.of(Status::Unknown),
        pending: counts.of(Status::Pending),
        folder,
    };
    (previous.accepted + previous.unknown + previous.pending > 0).then_some(previous)
}
