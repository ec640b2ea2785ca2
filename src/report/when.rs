//! When a run begins, pauses and ends, in words.

use std::time::Duration;

use jiff::Timestamp;

use super::format::{counted, duration, is_or_are};
use crate::schedule::{Forecast, Schedule};

/// Each line with its heading. `has_begun` says whether something was sent before.
pub(crate) fn when(
    schedule: &Schedule,
    forecast: &Forecast,
    now: Timestamp,
    has_begun: bool,
) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let heading = match has_begun {
        true => "continues",
        false => "begins",
    };
    let begins = match forecast.begins {
        Some(begins) if begins <= now => "now".to_owned(),
        Some(begins) => {
            let left = Duration::try_from(begins.duration_since(now)).unwrap_or_default();
            format!("{}, in {}", schedule.show(begins), duration(left))
        }
        None => "never: the schedule has ended".to_owned(),
    };
    lines.push((heading, begins));
    if let Some((from, until)) = forecast.pause {
        let (from, until) = (to_minutes(from), schedule.show(to_minutes(until)));
        lines.push(("pauses", format!("{}, until {until}", schedule.show(from))));
    }
    let left = forecast.left;
    match (forecast.ends, left) {
        (None, _) => lines.push(("ends", "later than can be estimated".to_owned())),
        (Some(ends), 0) => {
            let ends = schedule.show(to_minutes(ends));
            lines.push(("ends", format!("about {ends}")));
        }
        (Some(ends), _) if forecast.begins.is_some() => {
            let (rows, are) = (counted(left, "row"), is_or_are(left));
            let ends = schedule.show(to_minutes(schedule.until.unwrap_or(ends)));
            lines.push(("ends", format!("{ends}: {rows} {are} likely left then")));
        }
        (Some(_), _) => {}
    }
    lines
}

/// An estimate has no seconds.
fn to_minutes(time: Timestamp) -> Timestamp {
    let second = (time.as_second() + 30).div_euclid(60) * 60;
    Timestamp::from_second(second).unwrap_or(time)
}
