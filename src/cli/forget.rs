//! Arguments about taking people out of runs.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::LedgerOption;
use super::follow::duration;
use crate::address::Address;

#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// Address of the person
    pub(crate) address: Address,
    /// Campaigns for all their runs, run folders, or names of runs in the ledger [default: the campaign in the current folder]
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) ledger: LedgerOption,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Campaign folder, or its campaign.toml
    pub(crate) campaign: PathBuf,
    /// Prune the runs that began longer ago than this, for example 90d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) older_than: Duration,
    /// Show which runs would be pruned, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Prune without asking for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) ledger: LedgerOption,
}
