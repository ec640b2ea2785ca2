//! Arguments of `mailrun report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{LedgerOption, RunArgs};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// A page for people, which opens from the disk and prints
    Html,
    /// All numbers, for programs
    Json,
    /// A line for each run, for spreadsheets
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Run folders, runs' names in the ledger, or campaigns for their newest runs
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    ledger: LedgerOption,
    /// File to write, or `-` for standard output [default: report.html in the run folder; for JSON and CSV, `-`]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value = "html", value_name = "FORMAT")]
    pub(crate) format: ReportFormat,
}

impl ReportArgs {
    pub(crate) fn runs(&self) -> impl Iterator<Item = RunArgs> {
        self.runs.iter().map(|run| RunArgs {
            run: run.clone(),
            ledger: self.ledger.clone(),
        })
    }
}
