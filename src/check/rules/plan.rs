//! Whether anybody gets the message, and how long sending takes.

use std::path::Path;
use std::time::Duration;

use crate::check::columns::add_counts;
use crate::check::context::{CampaignContext, RowContext};
use crate::check::family::{AnyTotals, Family, RuleTotals};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::{Finding, Place};
use crate::pace::Period;
use crate::report::{duration, grouped};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

const NOBODY: Rule = Rule::warning("no-recipients")
    .finds("recipients of whom nobody gets a message")
    .why("All rows are invalid or left out, or there are none. The run would send nothing.")
    .fix("Check that it is the right file and that the export was complete.")
    .source("the number of rows that are neither invalid nor left out")
    .example("a file that has a header and nothing else");

const LONG: Rule = Rule::note("plan-long")
    .finds("a pace at which sending takes more than an hour")
    .why("The computer has to run all that time.")
    .fix("Keep the computer awake, or raise `rate` in `[pace]` if your account allows it.")
    .source("`[pace]`, and the number of rows")
    .example("40,000 rows at `10/s`");

const DAYS: Rule = Rule::warning("plan-days")
    .finds("a daily limit that spreads sending over several days")
    .why("The message may be out of date when the last recipients get it.")
    .fix("Make sure that the message still holds then, or ask for a higher limit. `send` waits, or can be stopped and resumed each day.")
    .source("`[pace]` and the number of rows")
    .example("50,000 rows at `20000/day`");

const DOMAIN: Rule = Rule::warning("plan-domain")
    .finds("a domain whose own limit delays its rows long after all others are sent")
    .why("The readers at this domain get the message much later than everybody else.")
    .fix("Raise its limit in `[pace.per_domain]`, or start early enough.")
    .source("`[pace.per_domain]` and the number of rows")
    .example("9,000 rows of gmail.com at `60/min`");

const RULES: &[Rule] = &[NOBODY, LONG, DAYS, DOMAIN];

pub(in crate::check) struct Plan;

impl Family for Plan {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn campaign(&self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        if shared.rows == 0 {
            sink.add(nobody(shared.recipients));
        }
    }

    fn totals(&self) -> Vec<Box<dyn AnyTotals>> {
        vec![Box::new(DomainTotals::default())]
    }
}

pub(crate) fn nobody(recipients: &Path) -> Finding {
    let message = "there is nobody to send to: every row is invalid or left out, or there are none";
    NOBODY
        .at(Place::file(recipients), message)
        .help("check that it is the right file, and that its export was complete")
}

/// The number of rows for each domain that has its own limit, in the order of the limits.
#[derive(Debug, Default)]
struct DomainTotals(Vec<u64>);

impl RuleTotals for DomainTotals {
    const IS_ABOUT_PLAN: bool = true;

    fn row(&mut self, context: &RowContext<'_>) {
        let limits = &context.shared.campaign.pace.per_domain;
        if limits.is_empty() {
            return;
        }
        self.0.resize(limits.len(), 0);
        let domain = context.row.mailbox.address.ascii_domain();
        if let Some(index) = limits.iter().position(|limit| limit.domain == domain) {
            self.0[index] += 1;
        }
    }

    fn merge(&mut self, other: Self) {
        add_counts(&mut self.0, &other.0);
    }

    fn finish(self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        let by_lane: Vec<(u32, u64)> = (1..).zip(self.0).collect();
        let days = days(shared);
        let domains = domains(shared, &by_lane);
        if days.is_none() && domains.is_empty() {
            sink.extend(long(shared, &by_lane));
        }
        sink.extend(days);
        sink.extend(domains);
    }
}

fn place(shared: &CampaignContext<'_>) -> Place {
    Place::file(&shared.campaign.source.path)
}

fn long(shared: &CampaignContext<'_>, by_lane: &[(u32, u64)]) -> Option<Finding> {
    let pace = &shared.campaign.pace;
    let time = pace.min_send_time(shared.rows, by_lane)?;
    (time >= HOUR).then(|| {
        let (rows, time) = (grouped(shared.rows), duration(time));
        LONG.at(
            place(shared),
            format!("at this pace, {rows} messages take at least {time}"),
        )
        .help("keep the computer awake that long, or raise `rate` in [pace] if your account allows it")
    })
}

/// The daily limit, if sending takes more than one day because of it.
fn days(shared: &CampaignContext<'_>) -> Option<Finding> {
    let rates = shared.campaign.pace.rate.iter();
    let daily = rates.filter(|rate| rate.per == Period::Day);
    let rate = daily.min_by_key(|rate| rate.recipients)?;
    let days = rate.least_time(shared.rows).as_secs() / DAY.as_secs() + 1;
    (days > 1).then(|| {
        let message = format!(
            "with {rate}, sending takes {days} days: {} messages today, the last ones {}",
            grouped(rate.recipients.get().into()),
            until(shared, rate.least_time(shared.rows)),
        );
        DAYS.at(place(shared), message).help(
            "make sure that the messages are still true then; `send` waits, or can be stopped and \
             resumed each day",
        )
    })
}

/// The domains whose rows are sent long after all others.
fn domains(shared: &CampaignContext<'_>, by_lane: &[(u32, u64)]) -> Vec<Finding> {
    let pace = &shared.campaign.pace;
    let others = pace.total_time(shared.rows).unwrap_or_default();
    let times = pace.domain_times(shared.rows, by_lane);
    let late = times.filter(|(_, _, time)| *time >= others * 2 && *time >= others + HOUR);
    late.map(|(limit, rows, time)| {
        let message = format!(
            "the limit of {}, {}, delays its {} messages: the last ones go {}; all others take {}",
            limit.domain,
            limit.rate,
            grouped(rows),
            until(shared, time),
            match others {
                Duration::ZERO => "no time".to_owned(),
                others => duration(others),
            },
        );
        DOMAIN
            .at(place(shared), message)
            .help("raise its limit in [pace.per_domain], or start early enough")
    })
    .collect()
}

/// When sending ends if it starts now.
fn until(shared: &CampaignContext<'_>, time: Duration) -> String {
    let end = shared.clock.now().saturating_add(time);
    let end = end.unwrap_or(jiff::Timestamp::MAX);
    let end = end.strftime("%Y-%m-%d %H:%M UTC");
    format!("in {}, on {end} if it starts now", duration(time))
}
