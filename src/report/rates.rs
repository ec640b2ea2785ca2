//! Shares of messages, each with its denominator, and the comparison of groups of messages.

use super::figures::{DeliveryCounts, RunFigures, Tracking};
use super::statistics::{Interval, difference, wilson};
use crate::terminal_text::printable_line;

/// `count` of `of` messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) count: u64,
    pub(crate) of: u64,
}

impl Rate {
    /// `None` if there are no messages.
    pub(crate) fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.count as f64 / self.of as f64)
    }

    /// With 95% confidence.
    pub(crate) fn interval(self) -> Interval {
        wilson(self.count, self.of)
    }

    /// `12.3%`; small shares with two digits, since 0.1% and 0.3% of complaints are limits of mailbox providers.
    pub(crate) fn percent(self) -> String {
        self.share().map_or_else(|| "–".to_owned(), percent)
    }
}

pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0%".to_owned(),
        share if share < 0.005 => "<0.01%".to_owned(),
        share if share < 0.995 => format!("{share:.2}%"),
        // Not everything, even if it is almost everything.
        share if share < 100.0 => format!("{:.1}%", share.min(99.9)),
        _ => "100%".to_owned(),
    }
}

/// A number of messages, and what it is a share of.
pub(crate) struct Measure {
    /// The key in JSON and CSV.
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    of: &'static str,
    rate: fn(&DeliveryCounts) -> Rate,
    /// More of it is better.
    pub(crate) is_good: bool,
}

impl Measure {
    /// What it is a share of, as a key.
    pub(crate) fn of(&self, tracking: Tracking) -> &'static str {
        match tracking {
            Tracking::Api => self.of,
            Tracking::Mail => "accepted",
        }
    }

    /// `None` if it can't be known.
    pub(crate) fn rate(&self, counts: &DeliveryCounts, tracking: Tracking) -> Option<Rate> {
        let rate = (self.rate)(counts);
        match (tracking, self.key) {
            (Tracking::Api, _) => Some(rate),
            (Tracking::Mail, "bounced" | "unsubscribed" | "complaints") => Some(Rate {
                of: counts.accepted,
                ..rate
            }),
            (Tracking::Mail, _) => None,
        }
    }
}

/// What became of accepted messages.
pub(crate) const MEASURES: [Measure; 7] = [
    Measure {
        key: "delivered",
        name: "Delivered",
        of: "accepted",
        rate: |counts| Rate {
            count: counts.delivered,
            of: counts.accepted,
        },
        is_good: true,
    },
    Measure {
        key: "bounced",
        name: "Bounced",
        of: "accepted",
        rate: |counts| Rate {
            count: counts.bounced(),
            of: counts.accepted,
        },
        is_good: false,
    },
    Measure {
        key: "dropped",
        name: "Dropped",
        of: "accepted",
        rate: |counts| Rate {
            count: counts.dropped,
            of: counts.accepted,
        },
        is_good: false,
    },
    Measure {
        key: "opened",
        name: "Opened",
        of: "delivered",
        rate: |counts| Rate {
            count: counts.opened,
            of: counts.delivered,
        },
        is_good: true,
    },
    Measure {
        key: "clicked",
        name: "Clicked",
        of: "delivered",
        rate: |counts| Rate {
            count: counts.clicked,
            of: counts.delivered,
        },
        is_good: true,
    },
    Measure {
        key: "unsubscribed",
        name: "Unsubscribed",
        of: "delivered",
        rate: |counts| Rate {
            count: counts.unsubscribed,
            of: counts.delivered,
        },
        is_good: false,
    },
    Measure {
        key: "complaints",
        name: "Complaints",
        of: "delivered",
        rate: |counts| Rate {
            count: counts.complaints,
            of: counts.delivered,
        },
        is_good: false,
    },
];

/// Messages that are compared with others: those of a run, or of a variant.
pub(crate) struct Group {
    pub(crate) name: String,
    /// The messages that were accepted.
    pub(crate) sent: u64,
    /// `None` if what became of them is not known.
    pub(crate) counts: Option<DeliveryCounts>,
    pub(crate) tracking: Tracking,
}

impl Group {
    pub(crate) fn rate(&self, measure: &Measure) -> Option<Rate> {
        measure.rate(self.counts.as_ref()?, self.tracking)
    }
}

/// The variants of a run's message, in the order of the campaign. Rows that got theirs by choice after the test are not
/// among them: they got it later.
pub(super) fn variants(figures: &RunFigures) -> Vec<Group> {
    let names = figures.run.variants.iter();
    let groups = names.map(|name| {
        let counts = figures.delivery.variants.get(name).copied();
        let counts = counts.unwrap_or_default();
        Group {
            name: name.clone(),
            sent: counts.accepted,
            counts: figures.known_delivery().map(|_| counts),
            tracking: figures.tracking,
        }
    });
    groups.collect()
}

/// What the shares of groups say, in sentences.
pub(super) fn verdicts(groups: &[Group]) -> Vec<String> {
    let texts = leaders(groups).into_iter().map(|leader| {
        let measure = MEASURES
            .iter()
            .find(|measure| measure.key == leader.measure);
        let name = measure.map_or("", |measure| measure.name);
        let text = |group: usize| {
            let rate = measure.and_then(|measure| groups[group].rate(measure));
            let rate = rate.map(Rate::percent);
            let name = printable_line(&groups[group].name);
            format!("{name} ({})", rate.unwrap_or_default())
        };
        let (first, second) = (text(leader.first), text(leader.second));
        match leader.may_be_chance {
            true => format!("{name}: the difference between {first} and {second} may be chance."),
            false => format!(
                "{name}: {first} is ahead of {second}, and that is unlikely to be chance (95% confidence)."
            ),
        }
    });
    texts.collect()
}

/// The two groups with the highest shares of opens or clicks.
#[derive(Debug, PartialEq)]
pub(crate) struct Leader {
    /// The key of the measure.
    pub(crate) measure: &'static str,
    pub(crate) first: usize,
    pub(crate) second: usize,
    /// With 95% confidence, the difference may be zero.
    pub(crate) may_be_chance: bool,
}

/// Which group has the highest share of each measure of which more is better, and whether that means anything.
pub(crate) fn leaders(groups: &[Group]) -> Vec<Leader> {
    let measures = MEASURES
        .iter()
        .filter(|it| it.is_good && it.of == "delivered");
    measures
        .filter_map(|measure| {
            let mut rates: Vec<(usize, Rate, f64)> = groups
                .iter()
                .enumerate()
                .filter_map(|(group, it)| {
                    let rate = it.rate(measure)?;
                    Some((group, rate, rate.share()?))
                })
                .collect();
            rates.sort_by(|a, b| b.2.total_cmp(&a.2));
            let [(first, best, _), (second, next, _), ..] = rates[..] else {
                return None;
            };
            let difference = difference((best.count, best.of), (next.count, next.of));
            Some(Leader {
                measure: measure.key,
                first,
                second,
                may_be_chance: difference.low <= 0.0,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(delivered: u64, opened: u64, clicked: u64) -> Group {
        Group {
            name: String::new(),
            sent: delivered,
            counts: Some(DeliveryCounts {
                accepted: delivered,
                delivered,
                opened,
                clicked,
                ..DeliveryCounts::default()
            }),
            tracking: Tracking::Api,
        }
    }

    #[test]
    fn the_best_group_is_found_and_its_lead_may_be_chance() {
        let unknown = Group {
            name: String::new(),
            sent: 1,
            counts: None,
            tracking: Tracking::Api,
        };
        let groups = [
            group(1000, 300, 20),
            unknown,
            group(1000, 250, 22),
            group(0, 0, 0),
        ];
        let leader = |measure, first, second, may_be_chance| Leader {
            measure,
            first,
            second,
            may_be_chance,
        };
        let found = leaders(&groups);
        assert_eq!(
            found,
            [leader("opened", 0, 2, false), leader("clicked", 2, 0, true)]
        );
        assert_eq!(leaders(&groups[..2]), []);
    }

    #[test]
    fn by_smtp_nobody_knows_what_was_delivered() {
        let counts = DeliveryCounts {
            accepted: 100,
            delivered: 2,
            hard_bounced: 5,
            opened: 1,
            complaints: 2,
            ..DeliveryCounts::default()
        };
        let known = MEASURES.iter().filter_map(|measure| {
            let rate = measure.rate(&counts, Tracking::Mail)?;
            Some((measure.key, rate.count, rate.of, measure.of(Tracking::Mail)))
        });
        let expected = [
            ("bounced", 5, 100, "accepted"),
            ("unsubscribed", 0, 100, "accepted"),
            ("complaints", 2, 100, "accepted"),
        ];
        assert_eq!(known.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn percents_are_never_rounded_to_all_or_nothing() {
        for (count, of, text) in [
            (0, 10, "0%"),
            (1, 1_000_000, "<0.01%"),
            (3, 1000, "0.30%"),
            (995, 100_000, "1.0%"),
            (1, 3, "33.3%"),
            (999_999, 1_000_000, "99.9%"),
            (10, 10, "100%"),
            (0, 0, "–"),
        ] {
            assert_eq!(Rate { count, of }.percent(), text, "{count} of {of}");
        }
    }
}
