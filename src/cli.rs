//! The command line: commands, arguments and their help.

mod feedback;
mod follow;
mod forget;
mod report;
mod suppress;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use url::Url;

use crate::address::Address;
use crate::api;
use crate::campaign::{Sample, is_loopback};
use crate::gateway::chaos::Spec;
use crate::pace::Rate;
use crate::schedule::Moment;

pub(crate) use feedback::FeedbackArgs;
pub(crate) use follow::{DeliveryFilter, FollowArgs};
pub(crate) use forget::{ForgetArgs, PruneArgs};
pub(crate) use report::{ReportArgs, ReportFormat};
pub(crate) use suppress::{
    ListArgs, SuppressAddArgs, SuppressArgs, SuppressCheckArgs, SuppressCommand,
    SuppressExportArgs, SuppressImportArgs, SuppressRemoveArgs,
};

/// Send a newsletter from a folder: a TOML file, a list of recipients, and templates
#[derive(Debug, Parser)]
#[command(
    name = "mailrun",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Hide progress, messages and warnings; show only errors
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// Log more; give it twice for debug output
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Format of the log on standard error
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub(crate) log_format: OutputFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people
    Text,
    /// For programs
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// GitHub Actions annotations
    Github,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a campaign that you can try right away with `send --local`
    Init(InitArgs),
    /// Find problems in a campaign, its recipients, its templates and every rendered message
    Check(CheckArgs),
    /// Browse the rendered messages; without a terminal, print the first one
    Preview(PreviewArgs),
    /// Plan a run and send it
    Send(SendArgs),
    /// Continue a run that was stopped
    Resume(ResumeArgs),
    /// Send failed rows again
    Retry(RetryArgs),
    /// Resolve rows whose outcome is unknown
    Resolve(ResolveArgs),
    /// Show the progress of a run
    Status(StatusArgs),
    /// Ask the API what became of the accepted messages of a run: deliveries, bounces, complaints, opens, clicks
    Follow(FollowArgs),
    /// Run the server behind links to unsubscribe, which also takes the API's webhooks
    Feedback(FeedbackArgs),
    /// Write the results of a run to a CSV file
    Results(ResultsArgs),
    /// Take a person out of runs: the address becomes a hash, and statuses and counts stay
    Forget(ForgetArgs),
    /// Take all people out of the old runs of a campaign
    Prune(PruneArgs),
    /// Keep lists of people who get no messages: unsubscribes, bounces, complaints
    Suppress(SuppressArgs),
    /// Write a page about one or several runs: what was sent, delivered, opened, and why messages came back
    Report(ReportArgs),
    /// List the runs in a ledger that several machines share
    Runs(RunsArgs),
    /// Stop all machines that send a run
    Stop(StopArgs),
    /// Set up a database for runs that several machines send, and copy runs to and from it
    Ledger(LedgerArgs),
    /// Run a server that speaks the EmailLabs API and keeps or relays messages
    Gateway(GatewayArgs),
    /// Show the messages of a local run in a browser
    Inbox(InboxArgs),
    /// Write shell completions to standard output
    Completions(CompletionsArgs),
    /// Write man pages into a folder
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Folder to create
    pub(crate) dir: PathBuf,
    /// Send through a mail server, not through EmailLabs' API
    #[arg(long, conflicts_with = "dialect")]
    pub(crate) smtp: bool,
    /// Dialect of EmailLabs' API: sendmail, new_sendmail or v2
    #[arg(long, value_name = "DIALECT", value_parser = dialect_name)]
    pub(crate) dialect: Option<&'static str>,
    /// Write the letter in Markdown
    #[arg(long, conflicts_with = "mjml")]
    pub(crate) markdown: bool,
    /// Write the letter in MJML
    #[arg(long)]
    pub(crate) mjml: bool,
    /// Add links to unsubscribe, which lead to `mailrun feedback` at this public URL
    #[arg(long, value_name = "URL", value_parser = public_url)]
    pub(crate) feedback: Option<String>,
}

fn public_url(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let is_public = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    let has_more = url.query().is_some() || url.fragment().is_some() || !url.username().is_empty();
    match is_public && !has_more && !text.contains(['"', '\\']) {
        true => Ok(text.to_owned()),
        false => Err("write an address such as https://news.acme.example".to_owned()),
    }
}

fn dialect_name(name: &str) -> Result<&'static str, String> {
    match api::dialect(name) {
        Some(dialect) => Ok(dialect.name()),
        None => Err("use sendmail, new_sendmail or v2".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Campaign folder, or its campaign.toml
    pub(crate) campaign: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: CheckFormat,
    /// Exit with 1 for warnings too
    #[arg(long)]
    pub(crate) strict: bool,
    /// Also check links, images and the sender's domain over the network
    #[arg(long)]
    pub(crate) net: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    /// Campaign folder, or its campaign.toml
    pub(crate) campaign: PathBuf,
    /// Show the message of this row
    #[arg(long, value_name = "N", conflicts_with = "email")]
    pub(crate) row: Option<u32>,
    /// Show the message of this recipient
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<Address>,
    /// Show every message as this variant [default: each row's own]
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,
    /// Number of messages to show or write [default: 1, or all with --out]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Write each message to this folder as .eml, .html and .txt, with a contact sheet of all
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Show the messages in a browser, served at this loopback address [default: a free port]
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:0",
        conflicts_with_all = ["limit", "out"]
    )]
    pub(crate) web: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// Campaign folder, or its campaign.toml
    pub(crate) campaign: PathBuf,
    /// Send to a gateway inside mailrun, which keeps the messages in the run's outbox
    #[arg(long)]
    pub(crate) local: bool,
    /// Do everything except sending, and show what would be sent
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Send at most this many messages; the other rows stay pending
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Send only to rows for which this is true, such as "city == 'Gdańsk'", in addition to the campaign's `where`
    #[arg(long = "where", value_name = "EXPRESSION")]
    pub(crate) selection: Option<String>,
    /// Send the messages of real rows to this address only; one message unless --limit is given
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) test_to: Option<Address>,
    /// Send without asking for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Folder for the run, instead of a new one in CAMPAIGN/runs
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// Mark rows whose message has an error as invalid, instead of sending nothing
    #[arg(long)]
    pub(crate) skip_invalid: bool,
    /// Skip addresses that an earlier run of this campaign has sent to; with `row_key`, rows that it has sent
    #[arg(long, conflicts_with = "again")]
    pub(crate) except_sent: bool,
    /// Send to everyone, including addresses that an earlier run has sent to
    #[arg(long)]
    pub(crate) again: bool,
    /// Send the campaign's variants to this share of the rows only, such as 10%; hold back the others until `resume --variant`
    #[arg(long, value_name = "SHARE", conflicts_with = "test_to")]
    pub(crate) variant_sample: Option<Sample>,
    /// Begin at this time, instead of `start` in [schedule]: "tomorrow 9:00", "Mon 9:00", "2026-12-01 09:00", "09:00", +2h
    #[arg(long, value_name = "TIME", value_parser = Moment::parse, conflicts_with_all = ["local", "test_to"])]
    pub(crate) at: Option<Moment>,
    /// Start sending without rendering every row first
    #[arg(long)]
    pub(crate) no_preflight: bool,
    #[command(flatten)]
    pub(crate) ledger: LedgerOption,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LedgerOption {
    /// Database, such as postgres://USER@HOST/DATABASE [default: MAILRUN_LEDGER in the environment]
    ///
    /// The password is in the environment variable PGPASSWORD, never in the URL.
    // Parsed by the command, because clap prints an invalid value, which may contain a password.
    #[arg(long = "ledger", value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Run folder, a run's name in the ledger, or a campaign for its newest run
    pub(crate) run: PathBuf,
    #[command(flatten)]
    pub(crate) ledger: LedgerOption,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Continue in a database that may have lost claims, for example after a failover: some rows may be sent twice
    #[arg(long)]
    pub(crate) accept_loss: bool,
    /// Send this variant to all rows that were held back
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,
    /// Continue with the rows of the sample only, before a variant is chosen for the others
    #[arg(long, conflicts_with = "variant")]
    pub(crate) variant_sample: bool,
    /// Send at most this many messages; the other rows stay pending
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Replace the rate, for example with 20/s; repeat the option for several limits
    #[arg(long, value_name = "RATE")]
    pub(crate) rate: Vec<Rate>,
    /// Replace the number of requests in flight
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<NonZeroU32>,
    /// Send now, also outside of the window in [schedule], before its start and after its end
    #[arg(long)]
    pub(crate) ignore_schedule: bool,
    /// Accepted because `send` has it: `resume` never asks for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Also retry rejected rows, each in a request of its own
    #[arg(long)]
    pub(crate) rejected: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// What to do with the unknown rows
    #[arg(long, value_enum)]
    pub(crate) how: Resolution,
    /// Mark rows for sending again without asking for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resolution {
    /// Ask the API which messages it accepted (dialects new_sendmail and v2)
    Reconcile,
    /// Mark the rows as accepted; nothing is sent
    Accepted,
    /// Mark the rows as pending; `resume` sends them again, and someone may get the message twice
    Resend,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Keep the status on the screen until nobody works on the run any more
    #[arg(long, conflicts_with = "format")]
    pub(crate) watch: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: OutputFormat,
}

#[derive(Debug, Args)]
pub(crate) struct ResultsArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// File to write, or `-` for standard output [default: results.csv in the run folder; with `--raw`, `-`]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Don't escape spreadsheet formulas, so that the file can be used as recipients
    #[arg(long)]
    pub(crate) raw: bool,
    /// Write only the input's columns of the rows with this delivery, as recipients of another campaign
    #[arg(long, value_enum, value_name = "STATE", conflicts_with = "raw")]
    pub(crate) delivery: Option<DeliveryFilter>,
}

#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    pub(crate) ledger: LedgerOption,
    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: OutputFormat,
}

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(subcommand)]
    pub(crate) command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Create the tables, or update them for this version of mailrun
    Init(LedgerInitArgs),
    /// Copy a run between the ledger and a folder, and compare all rows
    Copy(LedgerCopyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LedgerInitArgs {
    #[command(flatten)]
    pub(crate) ledger: LedgerOption,
    /// Allow this database user to send, and nothing more
    #[arg(long, value_name = "NAME")]
    pub(crate) worker_role: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LedgerCopyArgs {
    /// Run's name in the ledger, or a run folder
    pub(crate) run: PathBuf,
    /// New folder for the copy of a run in the ledger; without it, the run folder is copied into the ledger
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) ledger: LedgerOption,
}

#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Address to listen on [default: 127.0.0.1:8925]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Also receive messages by SMTP at this address, such as 127.0.0.1:1025
    #[arg(long, value_name = "ADDR", conflicts_with = "export")]
    pub(crate) smtp: Option<SocketAddr>,
    /// Configuration file (gateway.toml)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for everything the gateway keeps [default: mailrun/gateway in ~/.local/share]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Export all messages to this Maildir and exit, instead of listening
    #[arg(long, value_name = "MAILDIR", conflicts_with = "listen")]
    pub(crate) export: Option<PathBuf>,
    /// Inject faults, for example 429=5%,reset=1%,drop=2%,slow=200ms,hardbounce=1%,open=20%,seed=42; or
    /// magic
    #[arg(long, value_name = "SPEC")]
    pub(crate) chaos: Option<Spec>,
}

#[derive(Debug, Args)]
pub(crate) struct InboxArgs {
    /// Run folder, or a campaign for its newest run with an outbox
    pub(crate) run: PathBuf,
    /// Loopback address to listen on [default: a free port]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Shell to write completions for
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Folder for the pages; it is created if it is missing
    pub(crate) dir: PathBuf,
}
