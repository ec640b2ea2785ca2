//! A rate: recipients per second, minute or day.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use governor::Quota;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Second,
    Minute,
    Day,
}

/// Recipients per second, minute or day: `20/s`, `600/min`, `20000/day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub recipients: NonZeroU32,
    pub per: Period,
}

impl Rate {
    /// The quota of a spaced rate; `None` for a rate per day, which is not spaced.
    pub(crate) fn quota(self) -> Option<Quota> {
        match self.per {
            Period::Second => Some(Quota::per_second(self.recipients)),
            Period::Minute => Some(Quota::per_minute(self.recipients)),
            Period::Day => None,
        }
    }

    /// Recipients per second; `None` for a rate per day.
    pub(crate) fn per_second(self) -> Option<f64> {
        let recipients = f64::from(self.recipients.get());
        match self.per {
            Period::Second => Some(recipients),
            Period::Minute => Some(recipients / 60.0),
            Period::Day => None,
        }
    }

    /// The shortest time in which this many recipients can go. A rate per day lets a day's worth go
    /// at once, and the next one a day later.
    pub(crate) fn least_time(self, recipients: u64) -> Duration {
        let most = u64::from(self.recipients.get());
        match self.per {
            Period::Day => Duration::from_secs(recipients.saturating_sub(1) / most * 86_400),
            Period::Minute => Duration::from_secs_f64(recipients as f64 * 60.0 / most as f64),
            Period::Second => Duration::from_secs_f64(recipients as f64 / most as f64),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not a rate: write “20/s”, “600/min” or “20000/day”")]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let error = || RateError(text.to_owned());
        let (count, unit) = text.split_once('/').ok_or_else(error)?;
        let recipients = count.trim().parse().map_err(|_| error())?;
        let per = match unit.trim() {
            "s" => Period::Second,
            "min" => Period::Minute,
            "day" => Period::Day,
            _ => return Err(error()),
        };
        Ok(Self { recipients, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per {
            Period::Second => "s",
            Period::Minute => "min",
            Period::Day => "day",
        };
        write!(f, "{}/{unit}", self.recipients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_time_of_a_rate() {
        let time = |rate: &str, recipients| {
            let rate: Rate = rate.parse().expect("a rate");
            rate.least_time(recipients).as_secs()
        };
        assert_eq!(time("10/s", 1000), 100);
        assert_eq!(time("600/min", 1000), 100);
        assert_eq!(time("20/day", 20), 0);
        assert_eq!(time("20/day", 21), 86_400);
        assert_eq!(time("20/day", 60), 2 * 86_400);
        assert_eq!(time("20/day", 0), 0);
    }
}
