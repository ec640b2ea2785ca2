//! What happened when: the plots of a run.

use std::time::Duration;

use serde::Serialize;

use super::PageError;
use super::plot::{Bar, Ink, Plot};
use super::times;
use crate::report::figures::{ByHour, DeliveryFigures, Sending};
use crate::report::format::{counted, duration, grouped};

#[derive(Serialize)]
pub(super) struct SendingView {
    plot: String,
    text: String,
    has_slow: bool,
    gaps: Vec<GapView>,
    more_gaps: Option<String>,
}

#[derive(Serialize)]
struct GapView {
    from: String,
    until: String,
    length: String,
}

#[derive(Serialize)]
pub(super) struct OpensView {
    plot: String,
    text: String,
}

fn minutes(minutes: i64) -> String {
    duration(Duration::from_secs(
        u64::try_from(minutes).unwrap_or(0) * 60,
    ))
}

impl SendingView {
    pub(super) fn new(number: usize, sending: &Sending) -> Result<Self, PageError> {
        let slow = sending.slow_bins();
        let bars = sending.bins.iter().enumerate().map(|(place, count)| {
            let from = (sending.start + place as i64 * sending.bin) as f64;
            Bar {
                from,
                to: from + sending.bin as f64,
                height: *count as f64,
                ink: if slow[place] { Ink::Slow } else { Ink::Main },
            }
        });
        let to = sending.start + sending.bins.len() as i64 * sending.bin;
        let length = to - sending.start;
        let text = format!(
            "{} posted from {} to {} UTC ({}), at most {} a minute. Each bar is {}.",
            counted(sending.posted, "message"),
            times::minute(sending.first),
            times::minute(sending.end),
            minutes(sending.end - sending.first),
            grouped(sending.busiest),
            minutes(sending.bin)
        );
        let plot = Plot {
            id: &format!("sending-{number}"),
            title: "Messages over time",
            description: &text,
            from: sending.start as f64,
            to: to as f64,
            ticks: &|most| times::ticks(sending.start, to, most),
            tick_text: &|minute| times::tick_text(minute, length),
            bands: sending
                .gaps
                .iter()
                .map(|gap| (gap.from as f64, gap.until as f64))
                .collect(),
            bars: bars.collect(),
        };
        let gaps = sending.gaps.iter().map(|gap| GapView {
            from: times::minute(gap.from),
            until: times::minute(gap.until),
            length: minutes(gap.until - gap.from),
        });
        let more = sending.all_gaps - sending.gaps.len();
        Ok(Self {
            plot: plot
                .draw()
                .map_err(|error| PageError::Plot(error.to_string()))?,
            text,
            has_slow: slow.contains(&true),
            gaps: gaps.collect(),
            more_gaps: (more > 0).then(|| counted(more as u64, "shorter pause")),
        })
    }
}

impl OpensView {
    /// `None` if nothing was opened.
    pub(super) fn new(
        number: usize,
        delivery: &DeliveryFigures,
    ) -> Result<Option<Self>, PageError> {
        let (opens, clicks) = (&delivery.opens, &delivery.clicks);
        let hours = opens.hours.len().max(clicks.hours.len());
        if hours == 0 {
            return Ok(None);
        }
        let bars = |of: &ByHour, ink, left: f64, width: f64| {
            let bar = move |(hour, count): (usize, u64)| Bar {
                from: hour as f64 + left,
                to: hour as f64 + left + width,
                height: count as f64,
                ink,
            };
            of.hours
                .clone()
                .into_iter()
                .enumerate()
                .map(bar)
                .collect::<Vec<_>>()
        };
        let mut all = bars(opens, Ink::Main, 0.02, 0.58);
        all.extend(bars(clicks, Ink::Second, 0.6, 0.38));
        let first_day: u64 = opens.hours.iter().take(24).sum();
        let text = format!(
            "First opens and first clicks of each message, by the hour after it was sent. {} of {} opens came in the first 24 hours{}.",
            grouped(first_day),
            grouped(opens.total()),
            match opens.later + clicks.later {
                0 => String::new(),
                later => format!(
                    "; {} came after three days and are not in the plot",
                    grouped(later)
                ),
            }
        );
        let to = hours.max(6) as i64;
        let plot = Plot {
            id: &format!("opens-{number}"),
            title: "Opens and clicks after sending",
            description: &text,
            from: 0.0,
            to: to as f64,
            ticks: &|most| hour_ticks(to, most),
            tick_text: &|hour| format!("{hour} h"),
            bands: Vec::new(),
            bars: all,
        };
        Ok(Some(Self {
            plot: plot
                .draw()
                .map_err(|error| PageError::Plot(error.to_string()))?,
            text,
        }))
    }
}

fn hour_ticks(to: i64, most: usize) -> Vec<f64> {
    let steps = [1, 2, 3, 6, 12, 24, 48];
    let fits = |step: &i64| to / *step < most as i64;
    let step = steps.into_iter().find(fits).unwrap_or(48);
    (0..=to / step).map(|n| (n * step) as f64).collect()
}
