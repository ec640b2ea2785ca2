//! The command line as it is written.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::address::Address;
use crate::gateway::chaos::Spec;
use crate::pace::Rate;

/// Send a newsletter from a folder: a TOML file, a CSV of recipients, templates
#[derive(Debug, Parser)]
#[command(
    name = "mailrun",
    version,
    about,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What goes for all of it.
    #[command(flatten)]
    pub global: Global,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Show no progress and no summary
    #[arg(long, global = true)]
    pub quiet: bool,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How the log is written on standard error
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub log_format: Format,
}

/// How something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How the findings of `check` are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people
    Text,
    /// For programs
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a campaign that works at once with `send --local`
    Init(Init),
    /// Find what is wrong with a campaign, its recipients, its templates and every rendered message
    Check(Check),
    /// Show rendered messages: on a terminal to go through with keys, else the first
    Preview(Preview),
    /// Plan a run and send it
    Send(Send),
    /// Go on with a run that was stopped
    Resume(Resume),
    /// Make failed rows pending, and go on
    Retry(Retry),
    /// Settle rows of which it is unknown whether they were taken
    Resolve(Resolve),
    /// Show how far a run is
    Status(Status),
    /// Write the results of a run from its ledger
    Results(Results),
    /// Take messages as the API's server does, and keep them
    Gateway(Gateway),
    /// Look at the messages of a local run in a browser
    Inbox(Inbox),
    /// Write shell completions to standard output
    Completions(Completions),
}

/// `mailrun init`
#[derive(Debug, Args)]
pub struct Init {
    /// The folder to make
    pub dir: PathBuf,
}

/// `mailrun check`
#[derive(Debug, Args)]
pub struct Check {
    /// A folder with a campaign.toml, or the file itself
    pub campaign: PathBuf,
    /// How the findings are written
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub format: CheckFormat,
    /// Exit 1 for warnings as well
    #[arg(long)]
    pub strict: bool,
    /// Look up where links and images lead, and the sender's domain; everything else stays offline
    #[arg(long)]
    pub net: bool,
}

/// `mailrun preview`
#[derive(Debug, Args)]
pub struct Preview {
    /// A folder with a campaign.toml, or the file itself
    pub campaign: PathBuf,
    /// Print the message of this row
    #[arg(long, value_name = "N", conflicts_with = "email")]
    pub row: Option<u32>,
    /// Print the message of this recipient
    #[arg(long, value_name = "A")]
    pub email: Option<Address>,
    /// Print so many messages, or write so many with --out; 1 or all unless set
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Write 00001.eml, 00001.html and 00001.txt and so on into this folder, and a contact sheet
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Show any message in a browser, on an address of this machine; a free port unless given
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:0",
        conflicts_with_all = ["limit", "out"]
    )]
    pub web: Option<SocketAddr>,
}

/// `mailrun send`
#[derive(Debug, Args)]
pub struct Send {
    /// A folder with a campaign.toml, or the file itself
    pub campaign: PathBuf,
    /// Send to the gateway in this program, which keeps the messages in the run's outbox
    #[arg(long)]
    pub local: bool,
    /// Do everything but the network, and say what would go out
    #[arg(long)]
    pub dry_run: bool,
    /// Send so many rows; the others stay pending
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Send real rows to this address alone; one row unless --limit
    #[arg(long, value_name = "A")]
    pub test_to: Option<Address>,
    /// Don't ask before sending
    #[arg(short, long)]
    pub yes: bool,
    /// The run's folder, instead of one in CAMPAIGN/runs
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// Leave out rows that don't render or are over a limit, instead of sending nothing
    #[arg(long)]
    pub skip_invalid: bool,
    /// Leave out the addresses that an earlier run of the campaign has sent to
    #[arg(long, conflicts_with = "again")]
    pub except_sent: bool,
    /// Send to all, also to those that an earlier run of the campaign has sent to
    #[arg(long)]
    pub again: bool,
    /// Begin without rendering every row first
    #[arg(long)]
    pub no_preflight: bool,
}

/// `mailrun resume`
#[derive(Debug, Args)]
pub struct Resume {
    /// A run's folder, or a campaign: its newest run
    pub run: PathBuf,
    /// Send so many rows; the others stay pending
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Another rate, such as 20/s; several times for several limits
    #[arg(long, value_name = "R")]
    pub rate: Vec<Rate>,
    /// Another number of requests in flight
    #[arg(long, value_name = "N")]
    pub concurrency: Option<std::num::NonZeroU32>,
}

/// `mailrun retry`
#[derive(Debug, Args)]
pub struct Retry {
    /// A run's folder, or a campaign: its newest run
    pub run: PathBuf,
    /// The rejected rows as well, each in a request of its own
    #[arg(long)]
    pub rejected: bool,
}

/// `mailrun resolve`
#[derive(Debug, Args)]
pub struct Resolve {
    /// A run's folder, or a campaign: its newest run
    pub run: PathBuf,
    /// How
    #[arg(long, value_enum)]
    pub how: How,
    /// Don't ask before marking rows to be sent again
    #[arg(short, long)]
    pub yes: bool,
}

/// How unknown rows are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// Ask the API which were taken, by their message IDs (dialect new_sendmail alone)
    Reconcile,
    /// They were taken: nothing is sent
    Accepted,
    /// They were not: `resume` sends them again, and someone may get the message twice
    Resend,
}

/// `mailrun status`
#[derive(Debug, Args)]
pub struct Status {
    /// A run's folder, or a campaign: its newest run
    pub run: PathBuf,
    /// How it is written
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// `mailrun results`
#[derive(Debug, Args)]
pub struct Results {
    /// A run's folder, or a campaign: its newest run
    pub run: PathBuf,
    /// The file to write; `-` is standard output. Without it, results.csv in the run's folder
    #[arg(long, value_name = "F")]
    pub out: Option<PathBuf>,
    /// Guard no cell against spreadsheets: the file can be the recipients of a campaign
    #[arg(long)]
    pub raw: bool,
}

/// `mailrun gateway`
#[derive(Debug, Args)]
pub struct Gateway {
    /// The address to listen on [default: 127.0.0.1:8925]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// A gateway.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of everything that is kept [default: mailrun/gateway in ~/.local/share]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Write everything that is kept into this Maildir and end, instead of listening
    #[arg(long, value_name = "MAILDIR", conflicts_with = "listen")]
    pub export: Option<PathBuf>,
    /// Make trouble, for rehearsals: 429=5%,500=1%,reset=1%,hang=1%,drop=2%,slow=200ms,seed=42, or magic
    #[arg(long, value_name = "SPEC")]
    pub chaos: Option<Spec>,
}

/// `mailrun inbox`
#[derive(Debug, Args)]
pub struct Inbox {
    /// A run's folder, or a campaign: its newest run with an outbox
    pub run: PathBuf,
    /// Where to listen; a free port of this machine unless given
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// `mailrun completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}
