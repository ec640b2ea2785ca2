//! Groups of messages beside each other.

use serde::Serialize;

use crate::report::format::grouped;
use crate::report::rates::{Group, MEASURES, Measure, Rate, percent, verdicts};
use crate::terminal_text::printable_line;

/// Groups of messages beside each other.
#[derive(Serialize)]
pub(super) struct ComparisonView {
    groups: Vec<GroupView>,
    columns: Vec<&'static str>,
    verdicts: Vec<String>,
}

#[derive(Serialize)]
struct GroupView {
    name: String,
    /// The section about it.
    number: usize,
    sent: String,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    share: String,
    interval: String,
    /// From 0 to 100.
    at: f64,
    low: f64,
    width: f64,
    kind: &'static str,
}

impl ComparisonView {
    /// `None` if there is nothing to compare.
    pub(super) fn new(groups: &[Group]) -> Option<Self> {
        if groups.len() < 2 {
            return None;
        }
        // Each column has a scale of its own, since complaints are rarer than opens.
        let high = |measure: &Measure, group: &Group| {
            let rate = group.rate(measure);
            rate.filter(|rate| rate.of > 0)
                .map(|rate| rate.interval().high)
        };
        let scales = MEASURES.each_ref().map(|measure| {
            let highs = groups.iter().filter_map(|group| high(measure, group));
            highs.fold(f64::MIN_POSITIVE, f64::max)
        });
        let views = groups.iter().enumerate().map(|(place, group)| GroupView {
            name: printable_line(&group.name),
            number: place + 1,
            sent: grouped(group.sent),
            cells: MEASURES
                .iter()
                .zip(&scales)
                .map(|(measure, scale)| Cell::new(measure, group.rate(measure), *scale))
                .collect(),
        });
        let columns = MEASURES.iter().map(|measure| measure.name);
        Some(Self {
            groups: views.collect(),
            columns: columns.collect(),
            verdicts: verdicts(groups),
        })
    }
}

impl Cell {
    /// `scale` is the share at the end of the bar.
    fn new(measure: &Measure, rate: Option<Rate>, scale: f64) -> Self {
        let rate = rate.filter(|rate| rate.of > 0);
        let Some((rate, share)) = rate.and_then(|rate| Some((rate, rate.share()?))) else {
            return Self {
                share: "not known".to_owned(),
                interval: String::new(),
                at: 0.0,
                low: 0.0,
                width: 0.0,
                kind: "",
            };
        };
        let interval = rate.interval();
        let on_bar = |share: f64| (share / scale * 10_000.0).round() / 100.0;
        Self {
            share: percent(share),
            interval: format!("{} to {}", percent(interval.low), percent(interval.high)),
            at: on_bar(share),
            low: on_bar(interval.low),
            width: on_bar(interval.high - interval.low),
            kind: if measure.is_good { "good" } else { "bad" },
        }
    }
}
