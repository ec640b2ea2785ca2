//! How long the server took to answer.

use serde::Serialize;

use crate::ledger::Latencies;
use crate::report::format::grouped;
use crate::report::rates::Rate;

#[derive(Serialize)]
pub(super) struct LatencyView {
    text: String,
    classes: Vec<ClassView>,
}

/// The requests that took up to a time.
#[derive(Serialize)]
struct ClassView {
    time: String,
    number: String,
    share: String,
    bar: f64,
}

impl LatencyView {
    /// `None` if no request was answered.
    pub(super) fn new(latencies: &Latencies) -> Option<Self> {
        if latencies.is_empty() {
            return None;
        }
        let of = latencies.requests();
        let quantiles = [(0.5, "half"), (0.95, "95%"), (0.99, "99%")];
        let quantiles = quantiles.map(|(share, name)| match latencies.quantile(share) {
            Some(bound) => format!("{name} within {}", time(bound)),
            None => format!("not {name} within 5 min"),
        });
        let classes = latencies.consecutive().into_iter();
        Some(Self {
            text: format!(
                "Of {} requests, the server answered {}.",
                grouped(of),
                quantiles.join(", ")
            ),
            classes: classes
                .map(|(bound, count)| {
                    let rate = Rate { count, of };
                    ClassView {
                        time: match bound {
                            Some(bound) => format!("up to {}", time(bound)),
                            None => "longer".to_owned(),
                        },
                        number: grouped(count),
                        share: rate.percent(),
                        bar: (rate.share().unwrap_or(0.0) * 1000.0).round() / 10.0,
                    }
                })
                .collect(),
        })
    }
}

fn time(millis: u32) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{} s", millis / 1_000),
        _ => format!("{} min", millis / 60_000),
    }
}
