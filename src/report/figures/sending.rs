//! When the messages were posted.

use serde::Serialize;

/// How many minutes without a post are a gap.
const MIN_GAP: i64 = 2;
/// How many gaps are kept, the longest ones.
const GAPS: usize = 10;
/// The most bins of a plot.
const BINS: i64 = 90;
/// Lengths of bins, in minutes.
const LENGTHS: [i64; 14] = [
    1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080,
];

/// Minutes are counted since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sending {
    /// Recipients posted. A row that was posted twice counts twice.
    pub(crate) posted: u64,
    /// The first minute with a post,
    pub(crate) first: i64,
    /// and the one after the last.
    pub(crate) end: i64,
    /// The most recipients posted in a minute.
    pub(crate) busiest: u64,
    /// The length of each bin, in minutes.
    pub(crate) bin: i64,
    /// The start of the first bin, at a multiple of its length.
    pub(crate) start: i64,
    pub(crate) bins: Vec<u64>,
    /// When nothing was posted, in the order of time; of many, the longest.
    pub(crate) gaps: Vec<Gap>,
    /// How many gaps there are.
    pub(crate) all_gaps: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Gap {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Gap {
    fn length(&self) -> i64 {
        self.until - self.from
    }
}

impl Sending {
    /// `minutes` are those with posts, in order, with their numbers of recipients; `None` if there are none.
    pub(super) fn of(minutes: &[(i64, u64)]) -> Option<Self> {
        let (first, end) = (minutes.first()?.0, minutes.last()?.0 + 1);
        let fits = |length: &i64| end.div_euclid(*length) - first.div_euclid(*length) < BINS;
        let longest = LENGTHS[LENGTHS.len() - 1];
        let bin = LENGTHS.into_iter().find(fits);
        // Years: as many weeks as it takes.
        let bin = bin.unwrap_or_else(|| ((end - first) / longest / (BINS - 2) + 1) * longest);
        let start = first.div_euclid(bin) * bin;
        let mut bins = vec![0; usize::try_from((end - 1 - start) / bin + 1).unwrap_or(1)];
        for (minute, recipients) in minutes {
            if let Ok(place) = usize::try_from((minute - start) / bin) {
                bins[place] += recipients;
            }
        }
        let mut gaps: Vec<Gap> = minutes
            .windows(2)
            .map(|pair| Gap {
                from: pair[0].0 + 1,
                until: pair[1].0,
            })
            .filter(|gap| gap.length() >= MIN_GAP)
            .collect();
        let all_gaps = gaps.len();
        gaps.sort_by_key(|gap| (-gap.length(), gap.from));
        gaps.truncate(GAPS);
        gaps.sort_by_key(|gap| gap.from);
        Some(Self {
            posted: minutes.iter().map(|(_, recipients)| recipients).sum(),
            first,
            end,
            busiest: minutes.iter().map(|(_, recipients)| *recipients).max()?,
            bin,
            start,
            bins,
            gaps,
            all_gaps,
        })
    }

    /// The bins with less than half of the usual number of recipients. The first and the last one are not full.
    pub(crate) fn slow_bins(&self) -> Vec<bool> {
        let mut counts: Vec<u64> = self
            .bins
            .iter()
            .copied()
            .filter(|count| *count > 0)
            .collect();
        counts.sort_unstable();
        let usual = counts.get(counts.len() / 2).copied().unwrap_or(0);
        let last = self.bins.len().saturating_sub(1);
        let is_slow = |(place, count): (usize, &u64)| {
            place > 0 && place < last && *count > 0 && count * 2 < usual
        };
        self.bins.iter().enumerate().map(is_slow).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_slow_minutes_are_found() {
        let minutes = [
            (100, 10),
            (101, 10),
            (102, 4),
            (103, 10),
            (105, 10),
            (109, 9),
            (110, 1),
        ];
        let sending = Sending::of(&minutes).expect("posts");
        assert_eq!((sending.posted, sending.busiest), (54, 10));
        assert_eq!((sending.first, sending.end, sending.bin), (100, 111, 1));
        assert_eq!(sending.bins, [10, 10, 4, 10, 0, 10, 0, 0, 0, 9, 1]);
        assert_eq!(
            sending.gaps,
            [Gap {
                from: 106,
                until: 109
            }]
        );
        let slow = sending.slow_bins();
        let places: Vec<usize> = (0..slow.len()).filter(|place| slow[*place]).collect();
        assert_eq!(places, [2]);
        assert_eq!(Sending::of(&[]), None);
    }

    #[test]
    fn a_long_run_has_few_bins_with_all_posts() {
        for length in [1, 89, 90, 91, 1_000, 100_000, 5_000_000] {
            let step = usize::try_from(length / 1_000 + 1).expect("a number");
            let minutes: Vec<(i64, u64)> = (7..7 + length)
                .step_by(step)
                .map(|minute| (minute, 3))
                .collect();
            let sending = Sending::of(&minutes).expect("posts");
            assert!(sending.bins.len() <= 90, "{length}: {}", sending.bins.len());
            assert_eq!(sending.bins.iter().sum::<u64>(), sending.posted);
            assert!(sending.gaps.len() <= GAPS && sending.start <= 7);
        }
    }
}
