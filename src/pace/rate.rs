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
