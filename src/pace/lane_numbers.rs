//! The numbers of lanes: a lane is for the rows of one time zone to one domain with its own limit, or to all others.

/// Lane 0 is for the campaign's time zone and all domains without their own limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneNumbers {
    /// How many domains have their own limit.
    domains: u32,
}

impl LaneNumbers {
    pub(crate) fn new(domains: usize) -> Self {
        Self {
            domains: u32::try_from(domains).unwrap_or(u32::MAX),
        }
    }

    /// `zone` is the place in the zones of the schedule; `domain` is 0 or, from 1, that in the limits for domains.
    pub(crate) fn lane(self, zone: usize, domain: u32) -> u32 {
        let zone = u32::try_from(zone).unwrap_or(u32::MAX);
        zone.saturating_mul(self.domains.saturating_add(1))
            .saturating_add(domain)
    }

    pub(crate) fn zone(self, lane: u32) -> usize {
        (lane / self.domains.saturating_add(1)) as usize
    }

    pub(crate) fn domain(self, lane: u32) -> u32 {
        lane % self.domains.saturating_add(1)
    }

    /// The number of lanes for this many zones.
    pub(crate) fn count(self, zones: usize) -> u32 {
        self.lane(zones, 0)
    }

    /// From rows by lane to rows by domain.
    pub(crate) fn by_domain(self, by_lane: &[(u32, u64)]) -> Vec<(u32, u64)> {
        sums(
            by_lane
                .iter()
                .map(|(lane, rows)| (self.domain(*lane), *rows)),
        )
    }

    /// From rows by lane to rows by zone.
    pub(crate) fn by_zone(self, by_lane: &[(u32, u64)]) -> Vec<(usize, u64)> {
        sums(by_lane.iter().map(|(lane, rows)| (self.zone(*lane), *rows)))
    }
}

fn sums<K: Ord>(rows: impl Iterator<Item = (K, u64)>) -> Vec<(K, u64)> {
    let mut sums = std::collections::BTreeMap::new();
    for (key, rows) in rows {
        *sums.entry(key).or_default() += rows;
    }
    sums.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_a_zone_and_a_domain() {
        let lanes = LaneNumbers::new(2);
        assert_eq!(
            [lanes.lane(0, 0), lanes.lane(0, 2), lanes.lane(3, 1)],
            [0, 2, 10]
        );
        for lane in 0..lanes.count(4) {
            assert_eq!(lanes.lane(lanes.zone(lane), lanes.domain(lane)), lane);
        }
        let by_lane = [(0, 1), (1, 10), (3, 100), (4, 1000)];
        assert_eq!(lanes.by_domain(&by_lane), [(0, 101), (1, 1010)]);
        assert_eq!(lanes.by_zone(&by_lane), [(0, 11), (1, 1100)]);
        assert_eq!(LaneNumbers::new(0).lane(7, 0), 7);
    }
}
