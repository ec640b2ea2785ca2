//! `mailrun follow`.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;

use super::console::Console;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::open_run::{OpenRun, open};
use super::secrets::ApiKeys;
use crate::address::Address;
use crate::api::EventKind;
use crate::campaign::{ApiSettings, RetrySettings};
use crate::cli::FollowArgs;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::feedback::{EventStore, Follow, FollowReport, FollowSettings, Round};
use crate::ledger::{LedgerError, Target};
use crate::pace::{Rate, SpacedLimit};
use crate::report::{counted, duration, grouped, write_events};
use crate::terminal_text::printable;
use crate::transport::{HttpSettings, HttpTransport};

/// Requests per second for lists,
const LISTS: NonZeroU32 = NonZeroU32::new(2).unwrap();
/// and for lookups of single messages, which are less work for a server.
const LOOKUPS: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// The most connections that are kept open.
const CONNECTIONS: u32 = 8;

pub(super) fn run(args: &FollowArgs, console: &Console) -> Result<ExitCode, Failure> {
    let opened = open(&args.run)?;
    let (campaign, _files) = opened.campaign()?;
    if opened.run.target == Target::Local {
        return Err(Failure::with_help(
            "no-follow",
            "this run is local, so there is no API to ask",
            "its messages are in the run's outbox; `mailrun inbox` shows them",
        )
        .usage());
    }
    let Some(api) = campaign.api() else {
        return Err(Failure::with_help(
            "no-follow",
            "this run used SMTP, in which nobody can be asked about a message",
            "bounces come by mail, to the return path of the messages",
        )
        .usage());
    };
    let keys = ApiKeys::load(api)?;
    let interrupt = Interrupt::watch()?;
    let transport = HttpTransport::new(&HttpSettings {
        url: &api.url,
        dialect: api.dialect,
        smtp_account: &api.smtp_account,
        app_key: &keys.app_key,
        secret_key: &keys.secret_key,
        timeout: api.timeout,
        concurrency: CONNECTIONS,
        clock: Clock::system(),
    })?;
    let store = opened.home.writable_events()?;
    let events = store.reopen()?;
    let follow = Follow::new(
        settings(&opened, api, campaign.retry, args)?,
        transport,
        limit(args.rate, LISTS),
        limit(args.rate, LOOKUPS),
        opened.ledger.reopen()?,
        store,
    );
    let interrupted = interrupt.interrupted.clone();
    let report = interrupt.runtime.block_on(follow.run(
        interrupted.clone(),
        || Ok::<_, Failure>(opened.is_live()?),
        |round, wait| after_round(&opened, &*events, args, console, round, wait),
    ));
    let report = report.map_err(Failure::stopped)?;
    if !opened.is_live()? {
        opened.write_results(false).map_err(Failure::stopped)?;
    }
    console.print(&summary(&opened, &*events, &report)?);
    let last = &report.last_round;
    Ok(if *interrupted.borrow() {
        ExitCode::Interrupted
    } else if last.stopped.is_some() {
        ExitCode::Stopped
    } else if last.open + last.without_id > 0 || last.unanswered.is_some() {
        ExitCode::SomeUnknown
    } else {
        ExitCode::Done
    })
}

fn settings(
    opened: &OpenRun,
    api: &ApiSettings,
    retry: RetrySettings,
    args: &FollowArgs,
) -> Result<FollowSettings, Failure> {
    let test_to = opened.run.test_to.as_deref().map(Address::parse);
    let test_to = test_to.transpose();
    let test_to = test_to.map_err(|error| LedgerError::Damaged(error.to_string()))?;
    Ok(FollowSettings {
        dialect: api.dialect,
        smtp_account: api.smtp_account.clone(),
        started: opened.run.started,
        test_to,
        retry,
        first_wait: args.interval,
        time: args.time,
        clock: Clock::system(),
    })
}

fn limit(rate: Option<Rate>, default: NonZeroU32) -> SpacedLimit {
    let quota = rate.and_then(Rate::quota);
    SpacedLimit::new(quota.unwrap_or(Quota::per_second(default)), NonZeroU32::MIN)
}

/// Writes `events.csv`, and says what the round found.
fn after_round(
    opened: &OpenRun,
    events: &dyn EventStore,
    args: &FollowArgs,
    console: &Console,
    round: &Round,
    wait: Option<Duration>,
) -> Result<(), Failure> {
    let path = args.out.clone().or_else(|| opened.home.events_file());
    if let Some(path) = path.filter(|path| round.new_events > 0 || !path.exists()) {
        write_events(&*opened.ledger, events, &path)?;
    }
    if let Some(wait) = wait {
        let mut line = format!(
            "{}; the outcome of {} of {} is not known yet.",
            counted(round.new_events, "new event"),
            grouped(round.open),
            counted(round.accepted, "accepted message")
        );
        if let Some(reason) = &round.unanswered {
            line += &format!(" The API did not answer everything: {}.", printable(reason));
        }
        console.print(&format!("{line} Asking again in {}.", duration(wait)));
    }
    Ok(())
}

fn summary(
    opened: &OpenRun,
    events: &dyn EventStore,
    report: &FollowReport,
) -> Result<String, Failure> {
    let last = &report.last_round;
    let counts = events.counts()?;
    let mut lines = Vec::new();
    for state in EventKind::ALL {
        if counts.of(state) > 0 {
            lines.push(format!(
                "{:>12}  {}",
                grouped(counts.of(state)),
                state.as_str()
            ));
        }
    }
    let unknown = last.accepted.saturating_sub(counts.total());
    if unknown > 0 {
        lines.push(format!("{:>12}  accepted, no news", grouped(unknown)));
    }
    if lines.is_empty() {
        lines.push("There are no accepted rows.".to_owned());
    }
    if last.without_id > 0 {
        let messages = counted(last.without_id, "accepted message");
        lines.push(format!(
            "{messages} can't be followed: the API gave no message ID."
        ));
    }
    if last.foreign > 0 {
        let events = counted(last.foreign, "event");
        lines.push(format!("{events} belong to other messages of the account."));
    }
    if let Some(reason) = last.stopped.as_ref().or(last.unanswered.as_ref()) {
        lines.push(format!("The API said: {}", printable(reason)));
    }
    if last.open > 0 {
        let name = opened.home.name();
        lines.push(format!("next:    mailrun follow {name}   # asks again"));
    }
    Ok(lines.join("\n"))
}
