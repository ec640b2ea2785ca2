//! The kept lists of a campaign.

use std::path::Path;
use std::sync::Arc;

use super::failure::Failure;
use super::run_home::open_database;
use crate::campaign::Campaign;
use crate::cli::LedgerOption;
use crate::finding::{Finding, Place};
use crate::ledger::postgres::Database;
use crate::list_name::ListName;
use crate::suppression::{CampaignLists, KeptList, ListError, ListPlace};

/// Where the lists of a campaign are.
pub(super) enum ListHome<'a> {
    /// In a folder, which `recipients.lists` names relative to this one.
    Folder(&'a Path),
    Ledger(Arc<Database>),
}

impl<'a> ListHome<'a> {
    /// Where the lists of a campaign in the folder `dir` are. Connects to the ledger only if they are there.
    ///
    /// # Errors
    /// The ledger can't be used.
    pub(super) fn of(
        campaign: &Campaign,
        dir: &'a Path,
        option: &LedgerOption,
    ) -> Result<Self, Failure> {
        if campaign.recipients.lists.is_some() {
            return Ok(Self::Folder(dir));
        }
        match open_database(option, Some(campaign))? {
            Some(database) => Ok(Self::Ledger(database)),
            None => Ok(Self::Folder(dir)),
        }
    }

    pub(super) fn place(&self, campaign: &Campaign, name: &ListName) -> ListPlace {
        match self {
            Self::Folder(dir) => {
                let lists = campaign.recipients.lists.as_deref();
                let folder = dir.join(lists.unwrap_or(Path::new("")));
                ListPlace::File(folder.join(name.file_name()))
            }
            Self::Ledger(database) => ListPlace::Ledger(Arc::clone(database), name.clone()),
        }
    }
}

/// The addresses on the lists in `suppress`, which are read from the folder `dir` or from the ledger.
///
/// # Errors
/// A list does not exist or can't be read.
pub(super) fn campaign_lists(
    campaign: &Campaign,
    dir: &Path,
    option: &LedgerOption,
) -> Result<CampaignLists, Failure> {
    if campaign.recipients.kept_lists.is_empty() {
        return Ok(CampaignLists::default());
    }
    lists_in(&ListHome::of(campaign, dir, option)?, campaign, dir)
}

/// The same, from a place that is known. `dir` is the folder of the campaign itself, not of a copy.
///
/// # Errors
/// A list does not exist or can't be read.
pub(super) fn lists_in(
    home: &ListHome<'_>,
    campaign: &Campaign,
    dir: &Path,
) -> Result<CampaignLists, Failure> {
    let mut lists = CampaignLists::default();
    let mut missing = Vec::new();
    for name in &campaign.recipients.kept_lists {
        let place = home.place(campaign, name);
        match KeptList::read(&place)? {
            Some(list) => lists.add(name.clone(), list.suppressed()?),
            None => missing.push(no_list(campaign, dir, name, &place)),
        }
    }
    match missing.is_empty() {
        true => Ok(lists),
        false => Err(missing.into()),
    }
}

/// The list does not exist. `dir` is the folder of the campaign itself, because lists beside a copy are never read.
pub(super) fn no_list(
    campaign: &Campaign,
    dir: &Path,
    name: &ListName,
    place: &ListPlace,
) -> Finding {
    let message = format!("the list {name} does not exist: there is no {place}");
    let folder = dir.display();
    let help = format!(
        "create it with `mailrun suppress add {name} --campaign {folder}`, or correct the name in `suppress`"
    );
    Finding::error("no-list", Place::file(&campaign.source.path), message).help(help)
}

impl From<ListError> for Failure {
    fn from(error: ListError) -> Self {
        let help = match &error {
            ListError::Postgres(error) => error.help(),
            ListError::Version { found, known, .. } if found > known => Some("update mailrun"),
            ListError::BeingRead(_) => {
                Some("wait for the commands that read the list, or stop them, and run this again")
            }
            ListError::NotAList(_) => {
                Some("name another file, or move this one away: mailrun does not overwrite it")
            }
            _ => None,
        };
        Self::from_error("list", &error, help)
    }
}
