//! Whom it goes to, and how long it will take.

use std::path::Path;
use std::time::Duration;

use super::super::facts::{Facts, RowSheet};
use super::super::out::Out;
use super::super::rule::Rule;
use super::add_up;
use crate::finding::{Finding, Place, Severity};
use crate::pace::Per;
use crate::report::{duration, grouped};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

const NOBODY: Rule = Rule {
    code: "no-recipients",
    severity: Severity::Warning,
    finds: "recipients without anybody to send to",
    source: "the number of rows that are neither invalid nor left out",
    example: "a file that has a header and nothing else",
};

const LONG: Rule = Rule {
    code: "plan-long",
    severity: Severity::Note,
    finds: "a pace that makes the sending last more than an hour",
    source: "`[pace]`, and the number of rows",
    example: "40,000 rows at `10/s`",
};

const DAYS: Rule = Rule {
    code: "plan-days",
    severity: Severity::Warning,
    finds: "a limit a day that spreads the sending over several days",
    source: "`[pace]`, and the number of rows",
    example: "50,000 rows at `20000/day`",
};

const DOMAIN: Rule = Rule {
    code: "plan-domain",
    severity: Severity::Warning,
    finds: "a domain whose own limit holds its rows back long after all others have gone",
    source: "`[pace.per_domain]`, and the number of rows",
    example: "9,000 rows of gmail.com at `60/min`",
};

/// The rules.
pub(super) const RULES: &[Rule] = &[NOBODY, LONG, DAYS, DOMAIN];

/// Whether there is anybody to send to.
pub(super) fn campaign(facts: &Facts<'_>, out: &mut Out<'_>) {
    if facts.rows == 0 {
        out.add(nobody(facts.recipients));
    }
}

/// The finding that there is nobody to send to.
pub fn nobody(recipients: &Path) -> Finding {
    let message = "there is nobody to send to: the file has no row that is not invalid or left out";
    NOBODY
        .at(Place::file(recipients), message)
        .help("look whether it is the right file, and whether its export was whole")
}

/// How many rows go to each domain that has a limit of its own.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By the limit's place in the campaign.
    rows: Vec<u64>,
}

impl Tally {
    pub(super) fn row(&mut self, row: &RowSheet<'_>) {
        let limits = &row.facts.campaign.pace.per_domain;
        if limits.is_empty() {
            return;
        }
        self.rows.resize(limits.len(), 0);
        let domain = row.row.mailbox.address.ascii_domain();
        if let Some(place) = limits.iter().position(|limit| limit.domain == domain) {
            self.rows[place] += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        add_up(&mut self.rows, &other.rows);
    }

    pub(super) fn finish(self, facts: &Facts<'_>, out: &mut Out<'_>) {
        let by_lane: Vec<(u32, u64)> = (1..).zip(self.rows).collect();
        let days = days(facts);
        let domains = domains(facts, &by_lane);
        if days.is_none() && domains.is_empty() {
            out.extend(long(facts, &by_lane));
        }
        out.extend(days);
        out.extend(domains);
    }
}

fn place(facts: &Facts<'_>) -> Place {
    Place::file(&facts.campaign.source.path)
}

fn long(facts: &Facts<'_>, by_lane: &[(u32, u64)]) -> Option<Finding> {
    let pace = &facts.campaign.pace;
    let time = pace.least_time(facts.rows, by_lane)?;
    (time >= HOUR).then(|| {
        let (rows, time) = (grouped(facts.rows), duration(time));
        LONG.at(
            place(facts),
            format!("at this pace {rows} messages take {time} at least"),
        )
        .help("keep the computer awake for so long, or raise `rate` in [pace] if the account allows it")
    })
}

/// The limit a day of all, if it makes more than one day of the sending.
fn days(facts: &Facts<'_>) -> Option<Finding> {
    let rates = facts.campaign.pace.rate.iter();
    let daily = rates.filter(|rate| rate.per == Per::Day);
    let rate = daily.min_by_key(|rate| rate.recipients)?;
    let days = rate.least_time(facts.rows).as_secs() / DAY.as_secs() + 1;
    (days > 1).then(|| {
        let message = format!(
            "{rate} makes it {days} days: {} messages today, the last ones {}",
            grouped(rate.recipients.get().into()),
            until(facts, rate.least_time(facts.rows)),
        );
        DAYS.at(place(facts), message).help(
            "what the messages say must still be true then; `send` waits all that time, or can be \
             stopped and resumed each day",
        )
    })
}

/// The domains that are done long after all others.
fn domains(facts: &Facts<'_>, by_lane: &[(u32, u64)]) -> Vec<Finding> {
    let pace = &facts.campaign.pace;
    let others = pace.time_of_all(facts.rows).unwrap_or_default();
    let times = pace.domain_times(facts.rows, by_lane);
    let late = times.filter(|(_, _, time)| *time >= others * 2 && *time >= others + HOUR);
    late.map(|(limit, rows, time)| {
        let message = format!(
            "{} at {} holds its {} messages back: the last ones go {}; all others take {}",
            limit.domain,
            limit.rate,
            grouped(rows),
            until(facts, time),
            match others {
                Duration::ZERO => "no time".to_owned(),
                others => duration(others),
            },
        );
        DOMAIN
            .at(place(facts), message)
            .help("raise its limit in [pace.per_domain], or start early enough")
    })
    .collect()
}

/// When it is over, if it begins now.
fn until(facts: &Facts<'_>, time: Duration) -> String {
    let end = facts.clock.now().saturating_add(time);
    let end = end.unwrap_or(jiff::Timestamp::MAX);
    let end = end.strftime("%Y-%m-%d %H:%M UTC");
    format!("in {}, on {end} if it starts now", duration(time))
}
