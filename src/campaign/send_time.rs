//! The shortest time in which `[pace]` allows a number of messages to be sent.

use std::time::Duration;

use super::{DomainRate, PaceSettings};

impl PaceSettings {
    /// The shortest time for `messages`; `None` without a limit.
    ///
    /// `by_domain` has the number of messages by the place of the limit of their domain: 1 is the first of
    /// `per_domain`, and 0 is for all domains without a limit of their own.
    pub(crate) fn min_send_time(
        &self,
        messages: u64,
        by_domain: &[(u32, u64)],
    ) -> Option<Duration> {
        let domains = self.domain_times(messages, by_domain);
        self.total_time(messages)
            .into_iter()
            .chain(domains.map(|(_, _, time)| time))
            .max()
    }

    /// The shortest time that the limits for all recipients allow.
    pub(crate) fn total_time(&self, messages: u64) -> Option<Duration> {
        self.rate.iter().map(|rate| rate.least_time(messages)).max()
    }

    /// For each domain with a limit of its own, the number of messages and their shortest time.
    pub(crate) fn domain_times<'a>(
        &'a self,
        messages: u64,
        by_domain: &'a [(u32, u64)],
    ) -> impl Iterator<Item = (&'a DomainRate, u64, Duration)> + 'a {
        by_domain.iter().filter_map(move |(place, rows)| {
            let limit = self.per_domain.get(place.checked_sub(1)? as usize)?;
            let rows = messages.min(*rows);
            Some((limit, rows, limit.rate.least_time(rows)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::pace::Rate;

    fn rate(text: &str) -> Rate {
        text.parse().expect("a rate")
    }

    #[test]
    fn the_slowest_limit_decides() {
        let domain = |domain: &str, text: &str| DomainRate {
            domain: domain.to_owned(),
            rate: rate(text),
        };
        let pace = PaceSettings {
            rate: vec![rate("10/s"), rate("1200/min")],
            concurrency: NonZeroU32::MIN,
            batch: NonZeroU32::MIN,
            per_domain: vec![domain("a.example", "1/s"), domain("b.example", "60/min")],
            ramp: Vec::new(),
            pace_group: None,
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(pace.total_time(1000), seconds(100));
        assert_eq!(
            pace.min_send_time(1000, &[(0, 900), (1, 100)]),
            seconds(100)
        );
        assert_eq!(
            pace.min_send_time(1000, &[(0, 500), (2, 500)]),
            seconds(500)
        );
        // At most 10 of 10 messages go to one domain.
        assert_eq!(pace.min_send_time(10, &[(2, 500)]), seconds(10));
        let unlimited = PaceSettings {
            rate: Vec::new(),
            per_domain: Vec::new(),
            ..pace
        };
        assert_eq!(unlimited.min_send_time(1000, &[(0, 1000)]), None);
    }
}
