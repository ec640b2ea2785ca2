//! Arguments of `mailrun feedback`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::LedgerOption;

#[derive(Debug, Args)]
pub(crate) struct FeedbackArgs {
    /// Campaign folders, or their campaign.toml
    #[arg(required = true, value_name = "CAMPAIGN")]
    pub(crate) campaigns: Vec<PathBuf>,
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8026")]
    pub(crate) listen: SocketAddr,
    /// File for clicks and events that are not applied yet [default: feedback.db in the first campaign]
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Keep a CSV file of the list up to date
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) ledger: LedgerOption,
}
