//! Arguments about what became of accepted messages.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::RunArgs;
use crate::pace::{Period, Rate, RateError};
use crate::source::parse_duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeliveryFilter {
    /// The recipient's server took the message; opened, unsubscribed or not
    Delivered,
    /// Opened or clicked
    Opened,
    /// A link was followed
    Clicked,
    /// Delivered, and neither opened, clicked, unsubscribed nor complained about
    NotOpened,
    /// Soft, hard or spam bounce
    Bounced,
    /// Refused for a temporary reason, and given up
    SoftBounce,
    /// Refused for good
    HardBounce,
    /// Refused as spam, or by a policy
    SpamBounce,
    /// Not sent by the API
    Dropped,
    /// The recipient unsubscribed
    Unsubscribed,
    /// Reported as spam by the recipient
    Complaint,
    /// Waiting for another attempt
    Deferred,
}

#[derive(Debug, Args)]
pub(crate) struct FollowArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Read bounces and complaints from a Maildir, an mbox file or a folder of .eml files, which is not changed.
    /// A run by SMTP needs it; a run with an API is asked about too
    #[arg(long, value_name = "MAILBOX")]
    pub(crate) bounces: Option<PathBuf>,
    /// Stop after this time, even if the outcome of some messages is not known [default: 2d; a run by SMTP
    /// without --interval or --watch reads the mailbox once]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(crate) time: Option<Duration>,
    /// Wait this long before the next round; the wait doubles every time, up to 30 minutes [default: 1m]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) interval: Option<Duration>,
    /// Show the delivery states on the terminal until it ends
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) watch: bool,
    /// Limit the requests, for example to 5/s [default: 2/s for lists, 10/s for single messages]
    #[arg(long, value_name = "RATE", value_parser = spaced_rate)]
    pub(crate) rate: Option<Rate>,
    /// Write the events to this file [default: events.csv in the run folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write for example “30s”, “5m” or “2d”".to_owned())
}

fn spaced_rate(text: &str) -> Result<Rate, String> {
    let rate: Rate = text.parse().map_err(|error: RateError| error.to_string())?;
    match rate.per {
        Period::Day => Err("write a rate per second or minute, such as 2/s".to_owned()),
        Period::Second | Period::Minute => Ok(rate),
    }
}
