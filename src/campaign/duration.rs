//! How long the limits of `[pace]` make the sending last.

use std::time::Duration;

use super::{DomainRate, Pace};

impl Pace {
    /// The shortest time that the limits allow for so many messages, of which each lane has so many
    /// (see [`Pace::domain_times`]); nothing without a limit.
    pub fn least_time(&self, messages: u64, by_lane: &[(u32, u64)]) -> Option<Duration> {
        let domains = self.domain_times(messages, by_lane);
        self.time_of_all(messages)
            .into_iter()
            .chain(domains.map(|(_, _, time)| time))
            .max()
    }

    /// The shortest time that the limits of all recipients together allow.
    pub fn time_of_all(&self, messages: u64) -> Option<Duration> {
        self.rate.iter().map(|rate| rate.least_time(messages)).max()
    }

    /// The domains that have a limit of their own, with how many of the messages go there and the
    /// shortest time that this takes. A lane is a limit's place in the list, from 1; 0 is the lane of
    /// all other domains.
    pub fn domain_times<'a>(
        &'a self,
        messages: u64,
        by_lane: &'a [(u32, u64)],
    ) -> impl Iterator<Item = (&'a DomainRate, u64, Duration)> + 'a {
        by_lane.iter().filter_map(move |(lane, rows)| {
            let limit = self.per_domain.get(lane.checked_sub(1)? as usize)?;
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
    fn the_slowest_limit_tells_how_long_it_takes() {
        let domain = |domain: &str, text: &str| DomainRate {
            domain: domain.to_owned(),
            rate: rate(text),
        };
        let pace = Pace {
            rate: vec![rate("10/s"), rate("1200/min")],
            concurrency: NonZeroU32::MIN,
            batch: NonZeroU32::MIN,
            per_domain: vec![domain("a.example", "1/s"), domain("b.example", "60/min")],
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(pace.time_of_all(1000), seconds(100));
        assert_eq!(pace.least_time(1000, &[(0, 900), (1, 100)]), seconds(100));
        assert_eq!(pace.least_time(1000, &[(0, 500), (2, 500)]), seconds(500));
        // Of 10 messages no more than 10 go to one domain.
        assert_eq!(pace.least_time(10, &[(2, 500)]), seconds(10));
        let free = Pace {
            rate: Vec::new(),
            per_domain: Vec::new(),
            ..pace
        };
        assert_eq!(free.least_time(1000, &[(0, 1000)]), None);
    }
}
