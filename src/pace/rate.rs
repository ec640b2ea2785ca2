//! A rate: so many recipients in so much time.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// The time that a rate counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// `/s`
    Second,
    /// `/min`
    Minute,
    /// `/day`
    Day,
}

/// So many recipients a second, a minute or a day: `20/s`, `600/min`, `20000/day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many recipients.
    pub recipients: NonZeroU32,
    /// In what time.
    pub per: Per,
}

impl Rate {
    /// The time between two recipients, if the rate is spaced. A rate per day is not.
    pub fn interval(self) -> Option<Duration> {
        let period = match self.per {
            Per::Second => Duration::from_secs(1),
            Per::Minute => Duration::from_secs(60),
            Per::Day => return None,
        };
        Some(period / self.recipients.get())
    }

    /// The shortest time in which so many recipients can go. A rate per day lets a day's worth go at
    /// once, and the next a day later.
    pub fn least_time(self, recipients: u64) -> Duration {
        let most = u64::from(self.recipients.get());
        match self.per {
            Per::Day => Duration::from_secs(recipients.saturating_sub(1) / most * 86_400),
            Per::Minute => Duration::from_secs_f64(recipients as f64 * 60.0 / most as f64),
            Per::Second => Duration::from_secs_f64(recipients as f64 / most as f64),
        }
    }
}

/// A rate that can't be read.
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
            "s" => Per::Second,
            "min" => Per::Minute,
            "day" => Per::Day,
            _ => return Err(error()),
        };
        Ok(Self { recipients, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per {
            Per::Second => "s",
            Per::Minute => "min",
            Per::Day => "day",
        };
        write!(f, "{}/{unit}", self.recipients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_tells_how_long_so_many_take() {
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
