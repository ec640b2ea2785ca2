//! The kept list of a run's campaign, which gets its bounces, complaints and unsubscribes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::console::Console;
use super::failure::Failure;
use super::kept_lists::{ListHome, no_list};
use super::open_run::OpenRun;
use super::run_home::RunHome;
use crate::campaign::Campaign;
use crate::cli::LedgerOption;
use crate::feedback::{EventStore, ListFeed};
use crate::ledger::Target;
use crate::list_name::ListName;
use crate::report::grouped;
use crate::suppression::KeptList;

/// The list, unless the campaign has none or the run is a test.
pub(super) struct FedList {
    fed: Option<(ListName, ListFeed)>,
    /// The source of its new entries.
    source: &'static str,
    /// How many addresses were added.
    added: u64,
}

impl FedList {
    /// Opens the list of the run's campaign.
    ///
    /// # Errors
    /// It does not exist or can't be written.
    pub(super) fn open(
        opened: &OpenRun,
        campaign: &Campaign,
        option: &LedgerOption,
        source: &'static str,
        console: &Console,
    ) -> Result<Self, Failure> {
        let run = &opened.run;
        let name = campaign.feedback.list.as_ref();
        let Some(name) = name.filter(|_| run.target == Target::Real) else {
            return Ok(Self {
                fed: None,
                source,
                added: 0,
            });
        };
        let home = match &opened.home {
            RunHome::Database(shared) if campaign.recipients.lists.is_none() => {
                ListHome::Ledger(Arc::new(shared.database().second()))
            }
            _ => ListHome::of(campaign, &run.campaign, option)?,
        };
        if matches!(home, ListHome::Folder(_)) && !run.campaign.is_dir() {
            console.print(&format!(
                "The list {name} gets no events: {} is not on this machine",
                run.campaign.display()
            ));
            return Ok(Self {
                fed: None,
                source,
                added: 0,
            });
        }
        let place = home.place(campaign, name);
        let list = KeptList::open(&place)?;
        let list = list.ok_or_else(|| no_list(campaign, &run.campaign, name, &place))?;
        let soft_bounces = campaign.feedback.soft_bounces;
        Ok(Self {
            fed: Some((name.clone(), ListFeed { list, soft_bounces })),
            source,
            added: 0,
        })
    }

    /// Brings all events of the run to the list.
    ///
    /// # Errors
    /// The run can't be read, or the list can't be written.
    pub(super) fn all(&mut self, opened: &OpenRun, events: &dyn EventStore) -> Result<(), Failure> {
        if let Some((_, feed)) = &mut self.fed {
            self.added += feed.all(&opened.run, &*opened.ledger, events, self.source)?;
        }
        Ok(())
    }

    /// Brings the events of these rows to the list.
    ///
    /// # Errors
    /// As [`FedList::all`].
    pub(super) fn rows(
        &mut self,
        rows: &BTreeSet<u32>,
        opened: &OpenRun,
        events: &dyn EventStore,
    ) -> Result<(), Failure> {
        if let Some((_, feed)) = &mut self.fed {
            self.added += feed.rows(rows, &opened.run, &*opened.ledger, events, self.source)?;
        }
        Ok(())
    }

    /// How many addresses were added to which list.
    pub(super) fn summary(&self) -> Option<String> {
        let (name, _) = self.fed.as_ref()?;
        let verb = if self.added == 1 { "was" } else { "were" };
        Some(format!(
            "{} address{} {verb} added to the list {name}.",
            grouped(self.added),
            if self.added == 1 { "" } else { "es" }
        ))
    }
}
