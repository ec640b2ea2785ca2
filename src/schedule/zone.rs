//! A time zone and its name.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

/// A quarter of an hour, in seconds.
const QUARTER: i32 = 15 * 60;

/// A time zone that can be found again by its name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Zone {
    /// Of the IANA database, or an offset such as `+02:00`.
    pub(crate) name: String,
    pub(crate) time_zone: TimeZone,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ZoneError {
    #[error(
        "“{0}” is not a time zone: write a name such as “Europe/Warsaw”, or an offset such as “+02:00”"
    )]
    Unknown(String),
    #[error(
        "the time zone of this system is not known: set `timezone` in [schedule], such as “Europe/Warsaw”"
    )]
    NoSystem,
}

impl Zone {
    /// # Errors
    /// There is no such zone.
    pub(crate) fn named(name: &str) -> Result<Self, ZoneError> {
        let unknown = || ZoneError::Unknown(name.to_owned());
        let trimmed = name.trim();
        let time_zone = match trimmed.starts_with(['+', '-']) {
            true => DateTimeParser::new().parse_time_zone(trimmed),
            false => TimeZone::get(trimmed),
        };
        let time_zone = time_zone.map_err(|_| unknown())?;
        // No place has another offset, and each zone costs a lane.
        let is_odd = |zone: &TimeZone| {
            let offset = zone.to_fixed_offset();
            offset.is_ok_and(|offset| offset.seconds() % QUARTER != 0)
        };
        if time_zone.is_unknown() || is_odd(&time_zone) {
            return Err(unknown());
        }
        Ok(Self {
            name: time_zone.iana_name().unwrap_or(trimmed).to_owned(),
            time_zone,
        })
    }

    /// The zone of this machine.
    ///
    /// # Errors
    /// It is not known, or has no name.
    pub(crate) fn system() -> Result<Self, ZoneError> {
        let time_zone = TimeZone::try_system().map_err(|_| ZoneError::NoSystem)?;
        match time_zone.iana_name() {
            Some(name) if !time_zone.is_unknown() => Self::named(name),
            _ => Err(ZoneError::NoSystem),
        }
    }

    /// A time as users see it: `Tue 2026-12-01 09:00 +01:00 (Europe/Warsaw)`.
    pub(crate) fn show(&self, time: Timestamp) -> String {
        let time = time.to_zoned(self.time_zone.clone());
        let seconds = match time.second() {
            0 => "",
            _ => ":%S",
        };
        let text = time
            .strftime(&format!("%a %Y-%m-%d %H:%M{seconds} %:z"))
            .to_string();
        match self.name.starts_with(['+', '-']) {
            true => text,
            false => format!("{text} ({})", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_offsets_are_zones() {
        for (name, shown) in [
            (
                "Europe/Warsaw",
                "Tue 2026-12-01 09:00 +01:00 (Europe/Warsaw)",
            ),
            (
                "europe/warsaw",
                "Tue 2026-12-01 09:00 +01:00 (Europe/Warsaw)",
            ),
            (
                " America/New_York ",
                "Tue 2026-12-01 03:00 -05:00 (America/New_York)",
            ),
            (
                "Asia/Kathmandu",
                "Tue 2026-12-01 13:45 +05:45 (Asia/Kathmandu)",
            ),
            ("UTC", "Tue 2026-12-01 08:00 +00:00 (UTC)"),
            ("+02:00", "Tue 2026-12-01 10:00 +02:00"),
            ("-0330", "Tue 2026-12-01 04:30 -03:30"),
        ] {
            let zone = Zone::named(name).expect(name);
            let time = "2026-12-01T08:00:00Z".parse().expect("a time");
            assert_eq!(zone.show(time), shown);
            assert_eq!(Zone::named(&zone.name), Ok(zone));
        }
    }

    #[test]
    fn other_words_are_not_zones() {
        for name in [
            "",
            "Warsaw",
            "Mars/Olympus",
            "+99:00",
            "+01:00:01",
            "Etc/Unknown",
            "../../etc/passwd",
            "-",
        ] {
            assert_eq!(Zone::named(name), Err(ZoneError::Unknown(name.to_owned())));
        }
    }
}
