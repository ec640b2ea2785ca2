//! The limits of a campaign in words.

use std::time::Duration;

use crate::campaign::PaceSettings;
use crate::pace::LaneNumbers;
use crate::report::duration;

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
