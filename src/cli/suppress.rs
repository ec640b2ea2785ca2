//! Arguments about lists of suppressed addresses.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use encoding_rs::Encoding;

use super::LedgerOption;
use crate::address::Address;
use crate::suppression::Reason;

#[derive(Debug, Args)]
pub(crate) struct SuppressArgs {
    #[command(subcommand)]
    pub(crate) command: SuppressCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SuppressCommand {
    /// Add addresses to a list, and create the list if it is missing
    Add(SuppressAddArgs),
    /// Remove addresses from a list
    Remove(SuppressRemoveArgs),
    /// Show why addresses are on a list; exit with 1 if none of them is
    Check(SuppressCheckArgs),
    /// Add the addresses of a file or of the API's blacklist, and create the list if it is missing
    Import(SuppressImportArgs),
    /// Write a list as CSV, or add its addresses to the API's blacklist
    Export(SuppressExportArgs),
}

/// Which list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Name of a list, such as @acme, or the path of its file
    pub(crate) list: String,
    /// Campaign that says where the list is [default: the current folder, unless --ledger is given]
    #[arg(long, value_name = "DIR")]
    pub(crate) campaign: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) ledger: LedgerOption,
}

#[derive(Debug, Args)]
pub(crate) struct SuppressAddArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Addresses; without any, only the list is created
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<Address>,
    /// Why they get no messages
    #[arg(long, value_enum, default_value = "manual", value_name = "REASON")]
    pub(crate) reason: ReasonArg,
}

#[derive(Debug, Args)]
pub(crate) struct SuppressRemoveArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[arg(value_name = "ADDRESS", required = true)]
    pub(crate) addresses: Vec<Address>,
    /// Remove only this reason; the address stays on the list if there is another one
    #[arg(long, value_enum, value_name = "REASON")]
    pub(crate) reason: Option<ReasonArg>,
}

#[derive(Debug, Args)]
pub(crate) struct SuppressCheckArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[arg(value_name = "ADDRESS", required = true)]
    pub(crate) addresses: Vec<Address>,
}

#[derive(Debug, Args)]
pub(crate) struct SuppressImportArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// File with addresses, read like a suppression file; an exported list keeps its reasons and times
    #[arg(required_unless_present = "from_api", conflicts_with = "from_api")]
    pub(crate) file: Option<PathBuf>,
    /// Name of the column with the addresses [default: detected]
    #[arg(long, value_name = "COLUMN", requires = "file")]
    pub(crate) email: Option<String>,
    /// Encoding, such as windows-1250 [default: detected]
    #[arg(long, value_name = "NAME", value_parser = encoding, requires = "file")]
    pub(crate) encoding: Option<&'static Encoding>,
    /// Character between the cells [default: detected]
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter, requires = "file")]
    pub(crate) delimiter: Option<u8>,
    /// Name of the sheet in a spreadsheet [default: the first visible one]
    #[arg(long, value_name = "NAME", requires = "file")]
    pub(crate) sheet: Option<String>,
    /// Line with the names of the columns [default: detected]
    #[arg(long, value_name = "LINE", value_parser = clap::value_parser!(u64).range(1..), requires = "file")]
    pub(crate) header_row: Option<u64>,
    /// Read the blacklist of the campaign's account instead
    #[arg(long)]
    pub(crate) from_api: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SuppressExportArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Write to this file [default: standard output]
    #[arg(long, value_name = "FILE", conflicts_with = "to_api")]
    pub(crate) out: Option<PathBuf>,
    /// Add the addresses to the blacklist of the campaign's account, unless it has them
    #[arg(long)]
    pub(crate) to_api: bool,
}

fn encoding(label: &str) -> Result<&'static Encoding, String> {
    let encoding = Encoding::for_label(label.as_bytes());
    encoding.ok_or_else(|| "write for example utf-8, windows-1250 or iso-8859-2".to_owned())
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [byte] if !byte.is_ascii_alphanumeric() && !b"\"\r\n\0".contains(byte) => Ok(*byte),
        _ => Err("write “,”, “;”, “\\t” or “|”".to_owned()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReasonArg {
    /// Added by hand
    Manual,
    /// The recipient unsubscribed
    Unsubscribe,
    /// The recipient reported a message as spam
    Complaint,
    /// Messages to the address are refused for good
    HardBounce,
    /// Several messages in a row were refused for a temporary reason
    SoftBounces,
    /// From an imported file
    Imported,
}

impl From<ReasonArg> for Reason {
    fn from(reason: ReasonArg) -> Self {
        match reason {
            ReasonArg::Manual => Self::Manual,
            ReasonArg::Unsubscribe => Self::Unsubscribe,
            ReasonArg::Complaint => Self::Complaint,
            ReasonArg::HardBounce => Self::HardBounce,
            ReasonArg::SoftBounces => Self::SoftBounces,
            ReasonArg::Imported => Self::Imported,
        }
    }
}
