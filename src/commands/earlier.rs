//! The earlier runs of a campaign, in its folder and in its ledger.

use std::sync::Arc;

use jiff::Timestamp;

use super::failure::Failure;
use super::row_key::{frozen_campaign, no_keys, require_same_column};
use crate::campaign::{Campaign, SameAddress};
use crate::ledger::postgres::{self, Database, PostgresLedger, real_runs};
use crate::ledger::sqlite::{Planner, SqliteLedger};
use crate::ledger::{Ledger as _, LedgerError, Status};
use crate::run::{self, OtherRun, forget_keys};

/// The real runs with accepted, unknown or pending rows.
#[derive(Default)]
pub(super) struct EarlierRuns {
    in_folder: Vec<OtherRun>,
    in_ledger: Vec<SharedRun>,
    /// All real runs of the campaign in the ledger.
    pub(super) known: Vec<i64>,
}

/// An earlier run, as an error names it.
pub(super) struct EarlierRun {
    pub(super) name: String,
    pub(super) accepted: u64,
    pub(super) unknown: u64,
    pub(super) pending: u64,
}

struct SharedRun {
    ledger: PostgresLedger,
    started: Timestamp,
    run: EarlierRun,
}

impl EarlierRuns {
    /// # Errors
    /// It can't be determined who got the message in one of them.
    pub(super) fn find(
        campaign: &Campaign,
        database: Option<&Arc<Database>>,
    ) -> Result<Self, Failure> {
        let mut earlier = Self {
            in_folder: run::earlier_runs(campaign)?,
            ..Self::default()
        };
        if let Some(database) = database {
            for ledger in real_runs(database, &campaign.name)? {
                earlier.known.push(ledger.id());
                earlier.in_ledger.extend(shared_run(ledger)?);
            }
        }
        Ok(earlier)
    }

    /// Without earlier runs, except that it knows those in the ledger.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub(super) fn known_in(
        campaign: &Campaign,
        database: Option<&Arc<Database>>,
    ) -> Result<Self, Failure> {
        let mut earlier = Self::default();
        if let Some(database) = database {
            let runs = real_runs(database, &campaign.name)?;
            earlier.known = runs.iter().map(PostgresLedger::id).collect();
        }
        Ok(earlier)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.in_folder.is_empty() && self.in_ledger.is_empty()
    }

    /// The newest one in the ledger, or else in the folder.
    pub(super) fn last(&self) -> Option<EarlierRun> {
        if let Some(shared) = self.in_ledger.iter().max_by_key(|run| run.started) {
            let EarlierRun { name, .. } = &shared.run;
            return Some(EarlierRun {
                name: name.clone(),
                ..shared.run
            });
        }
        let last = self.in_folder.last()?;
        Some(EarlierRun {
            name: last.folder.path().display().to_string(),
            accepted: last.accepted,
            unknown: last.unknown,
            pending: last.pending,
        })
    }

    /// Skips the planned rows whose address got the message in one of them, or may have got it.
    ///
    /// # Errors
    /// A ledger can't be read or written, the key of forgotten people is lost, or it is not known which rows of an address
    /// were sent.
    pub(super) fn skip_sent(
        &self,
        planner: &mut Planner,
        campaign: &Campaign,
    ) -> Result<(), Failure> {
        if campaign.recipients.same_address == SameAddress::Send {
            self.require_keys(campaign)?;
        }
        for earlier in &self.in_folder {
            let reason = format!(
                "already sent in the run {}",
                earlier.folder.path().display()
            );
            let keys = forget_keys(&earlier.folder, &campaign.dir)?;
            planner.skip_sent_in(&earlier.folder.ledger(), &keys, &reason)?;
        }
        for earlier in &self.in_ledger {
            let reason = format!("already sent in the run {}", earlier.run.name);
            planner.skip_sent_to(
                &reason,
                || postgres::forget_keys(earlier.ledger.database()),
                |take| earlier.ledger.sent_addresses(take),
            )?;
        }
        Ok(())
    }
}

impl EarlierRuns {
    /// Refuses runs that sent rows without a key, or with keys from another column.
    fn require_keys(&self, campaign: &Campaign) -> Result<(), Failure> {
        for earlier in &self.in_folder {
            let name = earlier.folder.path().display().to_string();
            if SqliteLedger::open(&earlier.folder.ledger())?.sent_without_key()? {
                return Err(no_keys(&name));
            }
            let frozen = Campaign::load_frozen(&earlier.folder.frozen())?;
            require_same_column(campaign, &frozen, &name)?;
        }
        for earlier in &self.in_ledger {
            if earlier.ledger.sent_without_key()? {
                return Err(no_keys(&earlier.run.name));
            }
            let frozen = frozen_campaign(&earlier.ledger)?;
            require_same_column(campaign, &frozen, &earlier.run.name)?;
        }
        Ok(())
    }
}

/// `None` if nobody got the message in it, and nobody will.
fn shared_run(ledger: PostgresLedger) -> Result<Option<SharedRun>, LedgerError> {
    let counts = ledger.counts()?;
    let run = EarlierRun {
        name: ledger.name().to_owned(),
        accepted: counts.of(Status::Accepted),
        unknown: counts.of(Status::Unknown) + counts.of(Status::Sending),
        pending: counts.of(Status::Pending),
    };
    let matters = run.accepted + run.unknown + run.pending > 0;
    // The claim of such a row may be lost: it was posted.
    let waiting = [Status::Pending, Status::Failed, Status::Rejected];
    if waiting.iter().any(|status| counts.of(*status) > 0) {
        ledger.check_cluster()?;
    }
    let started = ledger.run()?.started;
    Ok(matters.then_some(SharedRun {
        ledger,
        started,
        run,
    }))
}
