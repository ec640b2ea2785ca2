//! `mailrun follow`.

mod watch;

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use governor::Quota;

use super::console::Console;
use super::failure::Failure;
use super::fed_list::FedList;
use super::interrupt::Interrupt;
use super::open_run::{OpenRun, open, test_recipient};
use super::secrets::ApiKeys;
use crate::api::EventKind;
use crate::campaign::{ApiSettings, Campaign};
use crate::cli::FollowArgs;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::feedback::{
    BounceCounts, BounceReader, EventSources, EventStore, EventsError, Follow, FollowReport,
    FollowSettings, Round, StateCounts, TrackingApi, TrackingApiSettings,
};
use crate::ledger::Target;
use crate::pace::{Rate, SpacedLimit};
use crate::render::{Verp, has_token};
use crate::report::{counted, duration, grouped, write_events};
use crate::terminal_text::printable;
use watch::View;

/// Requests per second for lists,
const LISTS: NonZeroU32 = NonZeroU32::new(2).unwrap();
/// and for lookups of single messages, which are less work for a server.
const LOOKUPS: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// The most connections that are kept open.
const CONNECTIONS: u32 = 8;
/// How long a run is followed.
const TIME: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// The wait after the first round.
const FIRST_WAIT: Duration = Duration::from_secs(60);

pub(super) fn run(args: &FollowArgs, console: &Console) -> Result<ExitCode, Failure> {
    if args.watch {
        watch::require_terminal()?;
    }
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
    let api = campaign.api();
    if api.is_none() && args.bounces.is_none() {
        return Err(Failure::with_help(
            "no-follow",
            "this run used SMTP, in which nobody can be asked about a message",
            "bounces come by mail, to the return path of the messages; add `--bounces MAILBOX` to read them",
        )
        .usage());
    }
    let sources = EventSources {
        api: api
            .map(|api| tracking_api(api, &campaign, args))
            .transpose()?,
        bounces: (args.bounces.as_deref())
            .map(|mailbox| bounce_reader(mailbox, &opened, &campaign))
            .transpose()?,
    };
    let interrupt = Interrupt::watch()?;
    let store = opened.home.writable_events()?;
    let events = store.reopen()?;
    let has_api = api.is_some();
    let source = if has_api { "follow" } else { "bounce mail" };
    let mut feed = FedList::open(&opened, &campaign, &args.run.ledger, source, console)?;
    feed.all(&opened, &*events)?;
    let settings = settings(&opened, args, has_api)?;
    let follow = Follow::new(settings, sources, opened.ledger.reopen()?, store);
    let view = match args.watch {
        true => Some(View::enter(&opened, &*events)?),
        false => None,
    };
    let interrupted = interrupt.interrupted.clone();
    let report = interrupt.runtime.block_on(follow.run(
        interrupted.clone(),
        || Ok::<_, Failure>(opened.is_live()?),
        |round, wait| {
            feed.rows(&round.changed, &opened, &*events)?;
            write_events_file(&opened, &*events, args, round)?;
            match (&view, wait) {
                (Some(view), wait) => view.after_round(round, wait),
                (None, Some(wait)) => console.print(&round_line(round, has_api, wait)),
                (None, None) => {}
            }
            Ok(())
        },
    ));
    drop(view);
    let report = report.map_err(Failure::stopped)?;
    if !opened.is_live()? {
        opened.write_results(false).map_err(Failure::stopped)?;
    }
    console.print(&summary(&opened, &*events, args, has_api, &report, &feed)?);
    let last = &report.last_round;
    Ok(if *interrupted.borrow() {
        ExitCode::Interrupted
    } else if last.stopped.is_some() {
        ExitCode::Stopped
    } else if has_api && (last.open + last.without_id > 0 || last.unanswered.is_some()) {
        ExitCode::SomeUnknown
    } else {
        ExitCode::Done
    })
}

fn settings(opened: &OpenRun, args: &FollowArgs, has_api: bool) -> Result<FollowSettings, Failure> {
    // A mailbox never says that all bounces have come.
    let goes_on = has_api || args.watch || args.interval.is_some();
    let time = if goes_on { TIME } else { Duration::ZERO };
    Ok(FollowSettings {
        started: opened.run.started,
        test_to: test_recipient(&opened.run)?,
        first_wait: args.interval.unwrap_or(FIRST_WAIT),
        time: args.time.unwrap_or(time),
        clock: Clock::system(),
    })
}

fn tracking_api(
    api: &ApiSettings,
    campaign: &Campaign,
    args: &FollowArgs,
) -> Result<TrackingApi, Failure> {
    let keys = ApiKeys::load(api)?;
    let transport = keys.transport(api, CONNECTIONS)?;
    let settings = TrackingApiSettings {
        dialect: api.dialect,
        smtp_account: api.smtp_account.clone(),
        retry: campaign.retry,
        clock: Clock::system(),
        lists: limit(args.rate, LISTS),
        lookups: limit(args.rate, LOOKUPS),
    };
    Ok(TrackingApi::new(settings, transport))
}

fn bounce_reader(
    mailbox: &Path,
    opened: &OpenRun,
    campaign: &Campaign,
) -> Result<BounceReader, Failure> {
    let message = &campaign.message;
    let return_path = message.return_path.as_ref();
    let key = match return_path.is_some_and(|path| has_token(path.get_ref())) {
        true => Some(opened.home.verp_key(campaign)?),
        false => None,
    };
    let reader = BounceReader {
        mailbox: mailbox.to_owned(),
        verp: key.map(|key| Verp::new(key, &opened.run.id_prefix)),
        has_copies: !message.cc.is_empty() || !message.bcc.is_empty(),
    };
    reader.check().map_err(EventsError::from)?;
    Ok(reader)
}

fn limit(rate: Option<Rate>, default: NonZeroU32) -> SpacedLimit {
    let quota = rate.and_then(Rate::quota);
    SpacedLimit::new(quota.unwrap_or(Quota::per_second(default)), NonZeroU32::MIN)
}

/// Writes `events.csv` if the round found something.
fn write_events_file(
    opened: &OpenRun,
    events: &dyn EventStore,
    args: &FollowArgs,
    round: &Round,
) -> Result<(), Failure> {
    let path = args.out.clone().or_else(|| opened.home.events_file());
    if let Some(path) = path.filter(|path| round.new_events > 0 || !path.exists()) {
        write_events(&*opened.ledger, events, &path)?;
    }
    Ok(())
}

/// What a round found, and when the next one begins.
fn round_line(round: &Round, has_api: bool, wait: Duration) -> String {
    let mut line = format!(
        "{}; the outcome of {} of {} is not known yet.",
        counted(round.new_events, "new event"),
        grouped(round.open),
        counted(round.accepted, "accepted message")
    );
    if let Some(reason) = &round.unanswered {
        line += &format!(" The API did not answer everything: {}.", printable(reason));
    }
    let next = match has_api {
        true => "Asking",
        false => "Reading the mailbox",
    };
    format!("{line} {next} again in {}.", duration(wait))
}

/// What was in the mailbox.
fn mailbox_line(bounces: &BounceCounts, mailbox: &Path) -> String {
    if bounces.total() == 0 {
        let mailbox = mailbox.display().to_string();
        return format!("There are no mails in {}.", printable(&mailbox));
    }
    let mut line = format!(
        "In the mailbox: {} matched, {} for other messages, {} ignored",
        counted(bounces.matched, "bounce"),
        grouped(bounces.foreign),
        counted(bounces.others, "other mail")
    );
    if bounces.unreadable > 0 {
        line += &format!(", {} unreadable", grouped(bounces.unreadable));
    }
    line + "."
}

/// How many rows have each delivery state, and how many have none.
fn state_lines(counts: &StateCounts, accepted: u64) -> Vec<String> {
    let states = EventKind::ALL.into_iter();
    let states = states.filter(|state| counts.of(*state) > 0);
    let mut lines: Vec<_> = states
        .map(|state| format!("{:>12}  {}", grouped(counts.of(state)), state.as_str()))
        .collect();
    let unknown = accepted.saturating_sub(counts.total());
    if unknown > 0 {
        lines.push(format!("{:>12}  accepted, no news", grouped(unknown)));
    }
    lines
}

fn summary(
    opened: &OpenRun,
    events: &dyn EventStore,
    args: &FollowArgs,
    has_api: bool,
    report: &FollowReport,
    feed: &FedList,
) -> Result<String, Failure> {
    let last = &report.last_round;
    let mut lines = state_lines(&events.counts()?, last.accepted);
    if lines.is_empty() {
        lines.push("There are no accepted rows.".to_owned());
    }
    if last.without_id > 0 {
        let messages = counted(last.without_id, "accepted message");
        lines.push(format!(
            "{messages} can't be followed: the API gave no message ID."
        ));
    }
    if let (Some(bounces), Some(mailbox)) = (&last.bounces, &args.bounces) {
        lines.push(mailbox_line(bounces, mailbox));
    }
    if last.foreign > 0 {
        let events = counted(last.foreign, "event");
        lines.push(format!("{events} belong to other messages of the account."));
    }
    lines.extend(feed.summary());
    if let Some(reason) = last.stopped.as_ref().or(last.unanswered.as_ref()) {
        lines.push(format!("The API said: {}", printable(reason)));
    }
    if last.open > 0 && has_api {
        let name = opened.home.name();
        lines.push(format!("next:    mailrun follow {name}   # asks again"));
    }
    Ok(lines.join("\n"))
}
