//! A report for programs: JSON with all numbers, and CSV with a line for each run.

use std::borrow::Cow;
use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::figures::{DeliveryCounts, DeliveryFigures, RunFigures, Sending, Top, Tracking};
use super::rates::{Group, MEASURES, leaders, variants};
use super::results::{ResultsError, escaped, writer};
use crate::ledger::{Latencies, Status};

/// The figures as a JSON object. The runs are in the order of their times.
pub(crate) fn as_json(runs: &[RunFigures], groups: &[Group]) -> Value {
    let names: Vec<&str> = runs.iter().map(|run| &*run.home).collect();
    json!({
        "runs": runs.iter().map(run).collect::<Vec<_>>(),
        "comparison": comparison(groups, &names),
    })
}

/// Which of the groups has the highest share of opens and clicks.
fn comparison(groups: &[Group], names: &[&str]) -> Value {
    let measure = |key| MEASURES.iter().find(|measure| measure.key == key);
    let leaders = leaders(groups).into_iter().map(|leader| {
        json!({
            "measure": leader.measure,
            "of": measure(leader.measure).map(|measure| measure.of(Tracking::Api)),
            "first": names[leader.first],
            "second": names[leader.second],
            "may_be_chance": leader.may_be_chance,
        })
    });
    leaders.collect()
}

/// Null if the message has no variants.
fn variants_of(figures: &RunFigures) -> Value {
    let groups = variants(figures);
    if groups.is_empty() {
        return Value::Null;
    }
    let names: Vec<&str> = groups.iter().map(|group| &*group.name).collect();
    let all = groups.iter().map(|group| {
        let counts = group.counts.as_ref();
        json!({
            "variant": group.name,
            "accepted": group.sent,
            "counts": counts.map(with_bounced),
            "rates": counts.map(|counts| rates(counts, group.tracking)),
        })
    });
    json!({
        "groups": all.collect::<Vec<_>>(),
        "comparison": comparison(&groups, &names),
    })
}

fn run(figures: &RunFigures) -> Value {
    let statuses: Map<String, Value> = Status::ALL
        .iter()
        .map(|status| {
            (
                status.as_str().to_owned(),
                figures.statuses.of(*status).into(),
            )
        })
        .collect();
    json!({
        "run": figures.home,
        "name": figures.run.name,
        "target": figures.run.target.as_str(),
        "started_at": figures.run.started.to_string(),
        "is_live": figures.is_live,
        "rows": figures.rows(),
        "blank_rows": figures.run.blank_rows,
        "counts": statuses,
        "sending": figures.sending.as_ref().map(sending),
        "latency": latency(&figures.latencies),
        "followed_at": figures.followed_at.map(|at| at.to_string()),
        "delivery": figures.known_delivery().map(|known| delivery(known, figures.tracking)),
        "variants": variants_of(figures),
        "domains": top(&figures.delivery.domains, "domain", |counts| match figures.known_delivery() {
            Some(_) => with_bounced(counts),
            None => json!({ "accepted": counts.accepted }),
        }),
    })
}

fn sending(sending: &Sending) -> Value {
    let gaps = sending.gaps.iter();
    let gaps = gaps.map(|gap| json!({ "from": time(gap.from), "until": time(gap.until) }));
    json!({
        "posted": sending.posted,
        "from": time(sending.first),
        "until": time(sending.end),
        "most_per_minute": sending.busiest,
        "bin_minutes": sending.bin,
        "bins_from": time(sending.start),
        "bins": sending.bins,
        "gaps": gaps.collect::<Vec<_>>(),
        "all_gaps": sending.all_gaps,
    })
}

/// Times are upper bounds, in milliseconds.
fn latency(latencies: &Latencies) -> Option<Value> {
    let classes = latencies.consecutive().into_iter();
    let classes = classes.map(|(bound, requests)| json!({ "up_to": bound, "requests": requests }));
    (!latencies.is_empty()).then(|| {
        json!({
            "requests": latencies.requests(),
            "p50": latencies.quantile(0.5),
            "p95": latencies.quantile(0.95),
            "p99": latencies.quantile(0.99),
            "classes": classes.collect::<Vec<_>>(),
        })
    })
}

/// The shares, each with its interval.
fn rates(counts: &DeliveryCounts, tracking: Tracking) -> Value {
    let rates = MEASURES.iter().filter_map(|measure| {
        let rate = measure.rate(counts, tracking)?;
        let interval = rate.interval();
        let value = json!({
            "of": measure.of(tracking),
            "share": rate.share(),
            "low": interval.low,
            "high": interval.high,
        });
        Some((measure.key.to_owned(), value))
    });
    Map::from_iter(rates).into()
}

fn delivery(figures: &DeliveryFigures, tracking: Tracking) -> Value {
    let rows = |rows: &u64| json!({ "messages": rows });
    json!({
        "counts": with_bounced(&figures.counts),
        "rates": rates(&figures.counts, tracking),
        "bounce_reasons": top(&figures.reasons, "reason", rows),
        "opens_by_hour": figures.opens,
        "clicks_by_hour": figures.clicks,
        "links": top(&figures.links, "link", rows),
    })
}

fn with_bounced(counts: &DeliveryCounts) -> Value {
    let mut value = json!(counts);
    value["bounced"] = counts.bounced().into();
    value
}

/// The names with their values, and all others as one entry without a name.
fn top<T>(top: &Top<T>, key: &str, value: impl Fn(&T) -> Value) -> Value {
    let named = |name: Option<&str>, tally| {
        let mut entry = value(tally);
        entry[key] = name.into();
        entry
    };
    let mut entries: Vec<Value> = top
        .names
        .iter()
        .map(|(name, tally)| named(Some(name), tally))
        .collect();
    if top.other_names != Some(0) {
        entries.push(named(None, &top.others));
    }
    entries.into()
}

/// A minute since 1970, in RFC 3339.
fn time(minute: i64) -> Option<String> {
    let time = Timestamp::from_second(minute.saturating_mul(60)).ok()?;
    Some(time.to_string())
}

/// Writes a line for each run.
///
/// # Errors
/// It can't be written.
pub(crate) fn write_csv(runs: &[RunFigures], to: &mut dyn Write) -> Result<(), ResultsError> {
    let mut csv = writer(to);
    let mut header = vec!["run", "name", "target", "started_at", "followed_at", "rows"];
    header.extend(Status::ALL.map(Status::as_str));
    header.extend(COUNTS.iter().map(|(name, _)| *name));
    csv.write_record(&header)?;
    for figures in runs {
        let mut cells: Vec<Cow<'_, str>> = vec![
            escaped(&figures.home),
            escaped(&figures.run.name),
            figures.run.target.as_str().into(),
            figures.run.started.to_string().into(),
            figures
                .followed_at
                .map(|at| at.to_string())
                .unwrap_or_default()
                .into(),
            figures.rows().to_string().into(),
        ];
        cells.extend(Status::ALL.map(|status| figures.statuses.of(status).to_string().into()));
        let delivery = figures.known_delivery();
        // Empty is not zero: nobody asked.
        let number = |count: fn(&DeliveryCounts) -> u64| {
            delivery.map_or(String::new(), |delivery| {
                count(&delivery.counts).to_string()
            })
        };
        cells.extend(COUNTS.iter().map(|(_, count)| number(*count).into()));
        csv.write_record(cells.iter().map(|cell| cell.as_bytes()))?;
    }
    csv.flush().map_err(csv::Error::from)?;
    Ok(())
}

/// A column and its number.
type Count = (&'static str, fn(&DeliveryCounts) -> u64);

const COUNTS: [Count; 11] = [
    ("delivered", |counts| counts.delivered),
    ("opened", |counts| counts.opened),
    ("clicked", |counts| counts.clicked),
    ("unsubscribed", |counts| counts.unsubscribed),
    ("complaints", |counts| counts.complaints),
    ("soft_bounced", |counts| counts.soft_bounced),
    ("hard_bounced", |counts| counts.hard_bounced),
    ("spam_bounced", |counts| counts.spam_bounced),
    ("dropped", |counts| counts.dropped),
    ("deferred", |counts| counts.deferred),
    ("no_news", |counts| counts.no_news),
];
