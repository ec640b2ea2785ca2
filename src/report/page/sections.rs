//! What the template shows, section by section.

use std::path::Path;

use serde::Serialize;

use super::PageError;
use super::comparison::ComparisonView;
use super::latency::LatencyView;
use super::timeline::{OpensView, SendingView};
use super::times;
use crate::ledger::{Status, Target};
use crate::report::figures::{DeliveryCounts, DeliveryFigures, RunFigures, Tracking};
use crate::report::format::{counted, grouped};
use crate::report::rates::{MEASURES, Measure, Rate, variants};
use crate::terminal_text::printable_line;

/// A run.
#[derive(Serialize)]
pub(super) struct RunView {
    /// From 1; unique on the page.
    number: usize,
    name: String,
    /// The folder of the run, without the path to it, which may say more than readers should know.
    run: String,
    target: &'static str,
    started: String,
    followed: Option<String>,
    is_live: bool,
    is_local: bool,
    is_known: bool,
    /// The API says what was delivered and opened.
    is_tracked: bool,
    cards: Vec<Card>,
    statuses: Vec<Line>,
    states: Vec<Line>,
    sending: Option<SendingView>,
    latency: Option<LatencyView>,
    domains: Vec<DomainView>,
    reasons: Vec<ReasonView>,
    opens: Option<OpensView>,
    links: Vec<LinkView>,
    /// The variants of the message beside each other.
    variants: Option<ComparisonView>,
}

#[derive(Serialize)]
struct Card {
    name: &'static str,
    number: String,
    rate: String,
    kind: &'static str,
}

/// A line of a table of counts.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    number: String,
    share: String,
    bar: f64,
    kind: &'static str,
}

impl Line {
    fn new(name: &'static str, kind: &'static str, rate: Rate) -> Self {
        Self {
            name,
            number: grouped(rate.count),
            share: rate.percent(),
            bar: rounded(rate),
            kind,
        }
    }
}

#[derive(Serialize)]
struct DomainView {
    name: String,
    is_others: bool,
    accepted: String,
    delivered: String,
    bounced: String,
    opened: String,
    parts: Vec<Part>,
}

/// A part of a bar, from 0 to 100.
#[derive(Serialize)]
struct Part {
    kind: &'static str,
    from: f64,
    width: f64,
}

#[derive(Serialize)]
struct ReasonView {
    kind: String,
    text: String,
    number: String,
    share: String,
    bar: f64,
}

#[derive(Serialize)]
struct LinkView {
    link: String,
    number: String,
    share: String,
    bar: f64,
}

/// A share as the width of a bar, from 0 to 100.
fn rounded(rate: Rate) -> f64 {
    (rate.share().unwrap_or(0.0) * 1000.0).round() / 10.0
}

impl RunView {
    pub(super) fn new(number: usize, figures: &RunFigures) -> Result<Self, PageError> {
        let known = figures.known_delivery();
        let counts = known.map(|delivery| &delivery.counts);
        let home = Path::new(&figures.home);
        let run = home.file_name().map_or(figures.home.clone(), |name| {
            name.to_string_lossy().into_owned()
        });
        Ok(Self {
            number,
            name: printable_line(&figures.run.name),
            run: printable_line(&run),
            target: match figures.run.target {
                Target::Real => "",
                Target::Test => {
                    "A test: all messages went to one address, so these numbers say nothing about readers."
                }
                Target::Local => "A local run: the messages stayed on this machine.",
            },
            started: times::long(figures.run.started),
            followed: figures.followed_at.map(times::long),
            is_live: figures.is_live,
            is_local: figures.run.target == Target::Local,
            is_known: known.is_some(),
            is_tracked: figures.tracking == Tracking::Api,
            cards: cards(figures, counts),
            statuses: statuses(figures),
            states: counts
                .map(|counts| states(counts, figures.tracking))
                .unwrap_or_default(),
            sending: figures
                .sending
                .as_ref()
                .map(|sending| SendingView::new(number, sending))
                .transpose()?,
            latency: LatencyView::new(&figures.latencies),
            domains: domains(figures),
            reasons: known.map(reasons).unwrap_or_default(),
            opens: known
                .map(|delivery| OpensView::new(number, delivery))
                .transpose()?
                .flatten(),
            links: known.map(links).unwrap_or_default(),
            variants: ComparisonView::new(&variants(figures)),
        })
    }
}

fn cards(figures: &RunFigures, counts: Option<&DeliveryCounts>) -> Vec<Card> {
    let rows = figures.statuses.total();
    let accepted = Rate {
        count: figures.statuses.of(Status::Accepted),
        of: rows,
    };
    let mut cards = vec![
        Card {
            name: "Rows",
            number: grouped(figures.rows()),
            rate: match figures.members {
                0 => "in the list of recipients".to_owned(),
                _ => format!("in {} messages", grouped(rows)),
            },
            kind: "",
        },
        Card {
            name: "Sent",
            number: grouped(accepted.count),
            rate: match figures.members {
                0 => format!("{} of rows", accepted.percent()),
                _ => format!("{} of messages", accepted.percent()),
            },
            kind: "",
        },
    ];
    for measure in &MEASURES {
        let Some(rate) = counts.and_then(|counts| measure.rate(counts, figures.tracking)) else {
            continue;
        };
        if measure.key == "dropped" && rate.count == 0 {
            continue;
        }
        cards.push(Card {
            name: measure.name,
            number: grouped(rate.count),
            rate: format!("{} of {}", rate.percent(), of(measure, figures.tracking)),
            kind: match (measure.is_good, rate.count) {
                (true, _) => "good",
                (false, 0) => "",
                (false, _) => "bad",
            },
        });
    }
    cards
}

/// What a measure is a share of, in words.
fn of(measure: &Measure, tracking: Tracking) -> &'static str {
    match measure.of(tracking) {
        "accepted" => "sent",
        of => of,
    }
}

fn statuses(figures: &RunFigures) -> Vec<Line> {
    let of = figures.statuses.total();
    let lines = Status::ALL.into_iter().filter_map(|status| {
        let count = figures.statuses.of(status);
        let (name, kind) = match status {
            Status::Accepted => ("Accepted", "good"),
            Status::Rejected => ("Rejected", "bad"),
            Status::Failed => ("Failed after all attempts", "bad"),
            Status::Unknown => ("Unknown: perhaps sent", "doubt"),
            Status::Invalid => ("Invalid row, not sent", "none"),
            Status::Skipped => ("Skipped on purpose", "none"),
            Status::Sending => ("In flight", "none"),
            Status::Pending => ("Pending, not sent yet", "none"),
        };
        (count > 0 || status == Status::Accepted).then(|| Line::new(name, kind, Rate { count, of }))
    });
    lines.collect()
}

fn states(counts: &DeliveryCounts, tracking: Tracking) -> Vec<Line> {
    let (arrived, silent) = match tracking {
        Tracking::Api => ("Delivered", "No news"),
        Tracking::Mail => ("Known to have arrived", "No bounce so far"),
    };
    let lines = [
        (arrived, "good", counts.delivered),
        ("Hard bounce: refused for good", "bad", counts.hard_bounced),
        (
            "Soft bounce: refused, perhaps only for now",
            "soft",
            counts.soft_bounced,
        ),
        ("Spam bounce: refused as spam", "bad", counts.spam_bounced),
        ("Dropped by the API", "bad", counts.dropped),
        (
            "Deferred: another attempt follows",
            "doubt",
            counts.deferred,
        ),
        (silent, "none", counts.no_news),
    ];
    let of = counts.accepted;
    let lines = lines
        .into_iter()
        .filter(|(name, _, count)| *count > 0 || *name == "Delivered");
    lines
        .map(|(name, kind, count)| Line::new(name, kind, Rate { count, of }))
        .collect()
}

fn domains(figures: &RunFigures) -> Vec<DomainView> {
    let domains = &figures.delivery.domains;
    let is_known = figures.known_delivery().is_some();
    let view = |name: String, is_others: bool, counts: &DeliveryCounts| {
        let rate = |key: &str| {
            let measure = MEASURES.iter().find(|measure| measure.key == key);
            let rate = measure.and_then(|measure| measure.rate(counts, figures.tracking));
            rate.map_or_else(|| "–".to_owned(), Rate::percent)
        };
        DomainView {
            name,
            is_others,
            accepted: grouped(counts.accepted),
            delivered: rate("delivered"),
            bounced: rate("bounced"),
            opened: rate("opened"),
            parts: if is_known { parts(counts) } else { Vec::new() },
        }
    };
    let mut views: Vec<_> = domains
        .names
        .iter()
        .map(|(name, counts)| view(printable_line(name), false, counts))
        .collect();
    if domains.other_names != Some(0) {
        let name = match domains.other_names {
            Some(others) => counted(others, "other domain"),
            None => "all other domains".to_owned(),
        };
        views.push(view(name, true, &domains.others));
    }
    views
}

fn parts(counts: &DeliveryCounts) -> Vec<Part> {
    let mut from = 0.0;
    let ends = [
        ("good", counts.delivered),
        ("soft", counts.soft_bounced),
        (
            "bad",
            counts.hard_bounced + counts.spam_bounced + counts.dropped,
        ),
        ("doubt", counts.deferred),
        ("none", counts.no_news),
    ];
    let mut parts = Vec::new();
    for (kind, count) in ends {
        let of = counts.accepted;
        let width = count as f64 / of.max(1) as f64 * 100.0;
        if count > 0 {
            let two_digits = |number: f64| (number * 100.0).round() / 100.0;
            parts.push(Part {
                kind,
                from: two_digits(from),
                width: two_digits(width),
            });
        }
        from += width;
    }
    parts
}

fn reasons(delivery: &DeliveryFigures) -> Vec<ReasonView> {
    let counts = &delivery.counts;
    let of = counts.bounced() + counts.dropped;
    let view = |kind: &str, text: &str, count: u64| {
        let rate = Rate { count, of };
        ReasonView {
            kind: kind.to_owned(),
            text: text.to_owned(),
            number: grouped(count),
            share: rate.percent(),
            bar: rounded(rate),
        }
    };
    let mut views: Vec<_> = delivery
        .reasons
        .names
        .iter()
        .map(|(name, count)| {
            let (kind, text) = name.split_once(' ').unwrap_or((name, ""));
            let text = if text.is_empty() {
                "no reason given"
            } else {
                text
            };
            view(&kind.replace('-', " "), text, *count)
        })
        .collect();
    if delivery.reasons.others > 0 {
        views.push(view("", "other reasons", delivery.reasons.others));
    }
    views
}

fn links(delivery: &DeliveryFigures) -> Vec<LinkView> {
    let of = delivery.counts.clicked;
    let view = |link: &str, count: u64| {
        let rate = Rate { count, of };
        LinkView {
            link: link.to_owned(),
            number: grouped(count),
            share: rate.percent(),
            bar: rounded(rate),
        }
    };
    let mut views: Vec<_> = delivery
        .links
        .names
        .iter()
        .map(|(name, count)| view(&printable_line(name), *count))
        .collect();
    if delivery.links.others > 0 {
        views.push(view("other links", delivery.links.others));
    }
    views
}
