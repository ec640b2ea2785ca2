//! The metrics of a gateway, in Prometheus's text format.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::histogram::duration_histogram;
use super::relay;
use super::store::{Store, event_totals};
use super::webhooks;
use crate::web::ConnectionObserver;

pub(super) use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    endpoint: &'static str,
    code: u16,
}

pub(super) struct Metrics {
    responses: Family<ResponseLabels, Counter>,
    request_seconds: Histogram,
    pub(super) messages: Counter,
    /// Recipients that were refused in the response to an accepted request.
    pub(super) refused_recipients: Counter,
    pub(super) request_bytes: Counter,
    accepted_connections: Counter,
    refused_connections: Counter,
    unreadable_requests: Counter,
    /// Faults that were injected on demand.
    pub(super) faults: Counter,
    connections: Gauge,
    registry: Registry,
}

impl Metrics {
    /// Metrics of a gateway, with those of its store. `relays` adds those of the relay's queue.
    pub(super) fn new(store: Option<&Store>, relays: bool) -> Self {
        // The registry appends `_total` to the name of a counter, and a period to a help text.
        let mut registry = Registry::with_prefix("mailrun_gateway");
        let responses = Family::default();
        registry.register(
            "requests",
            "Requests by endpoint and code of the answer",
            responses.clone(),
        );
        let request_seconds = duration_histogram();
        registry.register(
            "request_seconds",
            "Time from the head of a request to its answer",
            request_seconds.clone(),
        );
        if let Some(store) = store {
            registry.register(
                "store_commit_seconds",
                "Time that a commit took to be on the disk",
                store.commit_seconds(),
            );
        }
        let mut counter = |name, help| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let mut metrics = Self {
            responses,
            request_seconds,
            messages: counter("messages_taken", "Messages accepted"),
            refused_recipients: counter(
                "recipients_refused",
                "Recipients that were refused in the answer to a request that was taken",
            ),
            request_bytes: counter("request_bytes", "Bytes of the bodies of requests"),
            accepted_connections: counter("connections_accepted", "Connections that were accepted"),
            refused_connections: counter(
                "connections_turned_away",
                "Connections that were answered 503: there were too many",
            ),
            unreadable_requests: counter(
                "requests_unreadable",
                "Requests that were not HTTP, or whose head was too large",
            ),
            faults: counter("faults", "Faulty answers that were asked for"),
            connections: Gauge::default(),
            registry,
        };
        let connections = metrics.connections.clone();
        let registry = &mut metrics.registry;
        registry.register("connections", "Connections that are open", connections);
        if let Some(store) = store.cloned() {
            registry.register_collector(Box::new(StoreCollector { store, relays }));
        }
        metrics
    }

    /// Counts a response. `endpoint` must be one of a few names, not a value from the client.
    pub(super) fn count_response(&self, endpoint: &'static str, code: u16, took: Duration) {
        let labels = ResponseLabels { endpoint, code };
        self.responses.get_or_create(&labels).inc();
        self.request_seconds.observe(took.as_secs_f64());
    }

    /// All metrics as text of the type [`CONTENT_TYPE`]. It reads the store, so it blocks.
    ///
    /// # Errors
    /// If a value cannot be written.
    pub(super) fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl ConnectionObserver for Metrics {
    fn connected(&self) {
        self.accepted_connections.inc();
        self.connections.inc();
    }

    fn ended(&self) {
        self.connections.dec();
    }

    fn rejected(&self) {
        self.refused_connections.inc();
    }

    fn unreadable(&self) {
        self.unreadable_requests.inc();
    }
}

/// Values that are read from the store at each scrape.
struct StoreCollector {
    store: Store,
    relays: bool,
}

impl Collector for StoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let commits = *self.store.changes().borrow();
        let commits = ConstCounter::new(commits);
        encode_metric(
            &mut encoder,
            "store_commits",
            "Commits of the store.",
            &commits,
        )?;
        let waiting = ConstGauge::new(self.store.waiting());
        let help = "What waits to be written by the store.";
        encode_metric(&mut encoder, "store_waiting", help, &waiting)?;
        let events = self.store.read(event_totals).unwrap_or_default();
        let help = "Events of messages by kind.";
        encode_counters(&mut encoder, "events", help, "event", events)?;
        let requests = self.store.read(webhooks::totals).unwrap_or_default();
        let help = "Attempts to push events to the webhook by result.";
        encode_counters(&mut encoder, "webhook_requests", help, "result", requests)?;
        if self.relays {
            let waiting = match self.store.read(relay::waiting) {
                Ok(accounts) => accounts.iter().map(|(_, waiting)| *waiting).sum::<u64>() as f64,
                Err(_) => f64::NAN,
            };
            let help = "Recipients that wait for an SMTP server.";
            let waiting = ConstGauge::new(waiting);
            encode_metric(&mut encoder, "queue_recipients", help, &waiting)?;
        }
        Ok(())
    }
}

impl fmt::Debug for StoreCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreCollector")
    }
}

/// A counter for each value of a label.
fn encode_counters(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    counts: Vec<(String, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in counts {
        let labels = [(label, value)];
        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn encode_metric(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    let encoder = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
    metric.encode(encoder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        metrics.encode().expect("the metrics")
    }

    #[test]
    fn histogram_buckets_are_cumulative() {
        let metrics = Metrics::new(None, false);
        for millis in [1, 2, 3, 700, 60_000] {
            metrics.count_response("sendmail", 200, Duration::from_millis(millis));
        }
        let text = text(&metrics);
        for line in [
            "mailrun_gateway_requests_total{endpoint=\"sendmail\",code=\"200\"} 5",
            "mailrun_gateway_request_seconds_bucket{le=\"0.001\"} 1",
            "mailrun_gateway_request_seconds_bucket{le=\"0.0025\"} 2",
            "mailrun_gateway_request_seconds_bucket{le=\"0.5\"} 3",
            "mailrun_gateway_request_seconds_bucket{le=\"30\"} 4",
            "mailrun_gateway_request_seconds_bucket{le=\"+Inf\"} 5",
            "mailrun_gateway_request_seconds_count 5",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }

    #[test]
    fn open_connections_are_counted() {
        let metrics = Metrics::new(None, false);
        metrics.connected();
        metrics.connected();
        metrics.ended();
        assert!(text(&metrics).contains("mailrun_gateway_connections 1\n"));
        metrics.ended();
        let text = text(&metrics);
        assert!(text.contains("mailrun_gateway_connections 0\n"));
        assert!(text.contains("mailrun_gateway_connections_accepted_total 2\n"));
    }

    #[test]
    fn values_of_the_store_are_read_at_each_scrape() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).expect("a store");
        let metrics = Metrics::new(Some(&store), true);
        assert!(text(&metrics).contains("mailrun_gateway_store_commits_total 0\n"));
        store.write_blocking(|_| Ok(())).expect("written");
        // The commit is announced right after the write has returned.
        while !text(&metrics).contains("mailrun_gateway_store_commits_total 1\n") {
            std::thread::yield_now();
        }
        assert!(text(&metrics).contains("mailrun_gateway_store_commit_seconds_count 1\n"));
        assert!(text(&metrics).contains("mailrun_gateway_queue_recipients 0.0\n"));
    }
}
