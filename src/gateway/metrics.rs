//! What the gateway counts, in the text that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::histogram::Histogram;
use crate::web::Watcher;

/// The media type of [`Metrics::text`].
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A number that goes up and, for some, down.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn take(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What sort of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// A number that another part of the gateway keeps.
struct Watched {
    kind: Kind,
    name: &'static str,
    help: &'static str,
    read: Box<dyn Fn() -> f64 + Send + Sync>,
}

/// All that is counted.
#[derive(Default)]
pub(super) struct Metrics {
    /// Messages that were taken.
    pub(super) taken: Count,
    /// Recipients that were refused in the answer to a request that was taken.
    pub(super) refused: Count,
    /// Bytes of bodies.
    pub(super) bytes: Count,
    /// Connections that were beyond the most.
    pub(super) turned_away: Count,
    /// Requests whose head could not be read.
    pub(super) unreadable: Count,
    /// Faults on demand, all kinds.
    pub(super) faults: Count,
    connections: Count,
    accepted: Count,
    answers: Mutex<BTreeMap<(&'static str, u16), u64>>,
    seconds: Histogram,
    watched: Mutex<Vec<Watched>>,
    histograms: Mutex<Vec<(&'static str, &'static str, Arc<Histogram>)>>,
}

impl Watcher for Metrics {
    fn connected(&self) {
        self.accepted.add(1);
        self.connections.add(1);
    }

    fn ended(&self) {
        self.connections.take(1);
    }

    fn turned_away(&self) {
        self.turned_away.add(1);
    }

    fn unreadable(&self) {
        self.unreadable.add(1);
    }
}

impl Metrics {
    /// Counts an answer. `endpoint` is one of a few names, never what a client wrote.
    pub(super) fn answered(&self, endpoint: &'static str, code: u16, took: Duration) {
        *locked(&self.answers).entry((endpoint, code)).or_default() += 1;
        self.seconds.add(took);
    }

    /// Shows a number that another part keeps. It is read each time that the metrics are.
    pub(super) fn watch(
        &self,
        kind: Kind,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        let read = Box::new(read);
        locked(&self.watched).push(Watched {
            kind,
            name,
            help,
            read,
        });
    }

    /// Shows how long something took that another part does.
    pub(super) fn watch_histogram(
        &self,
        name: &'static str,
        help: &'static str,
        histogram: Arc<Histogram>,
    ) {
        locked(&self.histograms).push((name, help, histogram));
    }

    /// All of it as text.
    pub(super) fn text(&self) -> String {
        let mut text = Text(String::new());
        text.head(
            Kind::Counter,
            "requests_total",
            "Requests by endpoint and code of the answer.",
        );
        for ((endpoint, code), count) in locked(&self.answers).iter() {
            let name = "requests_total";
            text.line(
                name,
                &format!("{{endpoint=\"{endpoint}\",code=\"{code}\"}}"),
                *count as f64,
            );
        }
        text.histogram(
            "request_seconds",
            "Time from the head of a request to its answer.",
            &self.seconds,
        );
        for (name, help, histogram) in locked(&self.histograms).iter() {
            text.histogram(name, help, histogram);
        }
        for (name, help, count) in self.counters() {
            text.metric(Kind::Counter, name, help, count.get() as f64);
        }
        text.metric(
            Kind::Gauge,
            "connections",
            "Connections that are open.",
            self.connections.get() as f64,
        );
        for watched in locked(&self.watched).iter() {
            text.metric(watched.kind, watched.name, watched.help, (watched.read)());
        }
        text.0
    }

    fn counters(&self) -> [(&'static str, &'static str, &Count); 7] {
        [
            (
                "messages_taken_total",
                "Messages that were taken.",
                &self.taken,
            ),
            (
                "recipients_refused_total",
                "Recipients that were refused in the answer to a request that was taken.",
                &self.refused,
            ),
            (
                "request_bytes_total",
                "Bytes of the bodies of requests.",
                &self.bytes,
            ),
            (
                "connections_accepted_total",
                "Connections that were accepted.",
                &self.accepted,
            ),
            (
                "connections_turned_away_total",
                "Connections that were answered 503: there were too many.",
                &self.turned_away,
            ),
            (
                "requests_unreadable_total",
                "Requests that were not HTTP, or whose head was too large.",
                &self.unreadable,
            ),
            (
                "faults_total",
                "Answers that were spoilt on demand.",
                &self.faults,
            ),
        ]
    }
}

/// The text of metrics; all names begin alike.
struct Text(String);

impl Text {
    fn metric(&mut self, kind: Kind, name: &str, help: &str, value: f64) {
        self.head(kind, name, help);
        self.line(name, "", value);
    }

    fn head(&mut self, kind: Kind, name: &str, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.typed(kind, name, help);
    }

    fn typed(&mut self, kind: &str, name: &str, help: &str) {
        // A string takes all.
        let _ = writeln!(self.0, "# HELP mailrun_gateway_{name} {help}");
        let _ = writeln!(self.0, "# TYPE mailrun_gateway_{name} {kind}");
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.typed("histogram", name, help);
        let seen = histogram.seen();
        let bucket = format!("{name}_bucket");
        for (end, below) in &seen.below {
            self.line(&bucket, &format!("{{le=\"{end}\"}}"), *below as f64);
        }
        self.line(&bucket, "{le=\"+Inf\"}", seen.count as f64);
        self.line(&format!("{name}_sum"), "", seen.sum.as_secs_f64());
        self.line(&format!("{name}_count"), "", seen.count as f64);
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        let _ = writeln!(self.0, "mailrun_gateway_{name}{labels} {value}");
    }
}

/// Whoever held it while panicking left no count half changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_buckets_of_the_histogram_add_up() {
        let metrics = Metrics::default();
        for millis in [1, 2, 3, 700, 60_000] {
            metrics.answered("sendmail", 200, Duration::from_millis(millis));
        }
        let text = metrics.text();
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
    fn a_connection_is_counted_while_it_lives() {
        let metrics = Metrics::default();
        metrics.connected();
        metrics.connected();
        metrics.ended();
        assert!(metrics.text().contains("mailrun_gateway_connections 1\n"));
        metrics.ended();
        let text = metrics.text();
        assert!(text.contains("mailrun_gateway_connections 0\n"));
        assert!(text.contains("mailrun_gateway_connections_accepted_total 2\n"));
    }

    #[test]
    fn a_number_of_another_part_is_read_when_it_is_shown() {
        let metrics = Metrics::default();
        let queue = Arc::new(Count::default());
        let read = Arc::clone(&queue);
        metrics.watch(Kind::Gauge, "queue_messages", "Messages.", move || {
            read.get() as f64
        });
        queue.add(3);
        assert!(
            metrics
                .text()
                .contains("mailrun_gateway_queue_messages 3\n")
        );
    }
}
