//! The limits of a campaign in words.

use std::time::Duration;

use super::pace_group::zone_of_days;
use crate::campaign::PaceSettings;
use crate::pace::{GroupDay, GroupPosted, LaneNumbers};
use crate::report::{counted, duration, grouped};
use crate::schedule::Schedule;

/// The limits and, if there are any, how long they make sending take. `by_lane` has the
/// number of messages in each lane.
pub(super) fn pace_with_time(pace: &PaceSettings, messages: u64, by_lane: &[(u32, u64)]) -> String {
    let limits = limits(pace);
    let by_domain = LaneNumbers::new(pace.per_domain.len()).by_domain(by_lane);
    match pace.min_send_time(messages, &by_domain) {
        Some(time) if time < Duration::from_millis(500) => format!("{limits}, in under a second"),
        Some(time) => format!("{limits}, in about {}", duration(time)),
        None => limits,
    }
}

/// The day of the ramp that is in force; `None` if there is no ramp. `posted` is by the runs that share it.
pub(super) fn ramp(
    pace: &PaceSettings,
    schedule: Option<&Schedule>,
    posted: &GroupPosted,
) -> Option<String> {
    if pace.ramp.is_empty() {
        return None;
    }
    let limits = GroupDay::new(&pace.rate, &pace.ramp, zone_of_days(schedule))?;
    let (before, days) = (posted.days_before, pace.ramp.len());
    let day = match before < days {
        true => format!("day {} of {days}", before + 1),
        false => "complete".to_owned(),
    };
    let who = match &pace.pace_group {
        Some(group) => format!("pace group “{group}”"),
        None => "this campaign".to_owned(),
    };
    let when = match before {
        0 => "no message before today".to_owned(),
        before => format!("messages on {} before today", counted(before as u64, "day")),
    };
    let limit = grouped(limits.limit(before));
    Some(format!("{day}, {limit} a day ({who}: {when})"))
}

fn limits(pace: &PaceSettings) -> String {
    let rates: Vec<String> = pace.rate.iter().map(ToString::to_string).collect();
    let mut text = match rates.as_slice() {
        [] => "without a limit".to_owned(),
        rates => format!("at {}", rates.join(" and ")),
    };
    for limit in &pace.per_domain {
        text.push_str(&format!(", {} at {}", limit.domain, limit.rate));
    }
    text
}
