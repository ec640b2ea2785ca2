//! Gives every request an ID, a line in the log and its place in the metrics.
//!
//! The log line never contains a body, a query, a header or an address.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::metrics::Metrics;
use super::protocol::Protocol;
use super::request::RequestContext;
use crate::web::{Disconnect, Peer, Received};

/// The maximum number of characters of a path in the log.
const MAX_PATH: usize = 120;
/// The logged status when the client disconnects before the response, as in nginx.
const CLIENT_DISCONNECTED: u16 = 499;
/// The logged status when the response is withheld on purpose, as in nginx.
const NO_RESPONSE: u16 = 444;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the log says about a request with messages, as an extension of its response.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestSummary {
    pub(super) account: String,
    pub(super) recipients: usize,
    /// How many recipients were accepted.
    pub(super) accepted: usize,
}

pub(super) struct AccessLog {
    pub(super) metrics: Arc<Metrics>,
    /// Whether requests are logged at the info level, otherwise at debug.
    pub(super) at_info: bool,
}

impl AccessLog {
    /// Runs a request under an ID and records its result.
    pub(super) async fn record(
        &self,
        req_id: String,
        mut request: Request,
        next: Next,
    ) -> Response {
        let context = RequestContext {
            req_id: req_id.clone(),
            remote: request.extensions().get().map(|Peer(peer)| *peer),
            protocol: Protocol::of_path(request.uri().path()),
        };
        request.extensions_mut().insert(context);
        let entry = LogEntry {
            log: self,
            started: Instant::now(),
            req_id,
            received: request.extensions().get().cloned().unwrap_or_default(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            finished: false,
        };
        let mut response = next.run(request).await;
        if let Ok(id) = HeaderValue::from_str(&entry.req_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        entry.finish(&response);
        response
    }
}

/// The log entry of a running request. If the client disconnects, it is dropped unfinished.
struct LogEntry<'a> {
    log: &'a AccessLog,
    started: Instant,
    req_id: String,
    received: Received,
    method: Method,
    path: String,
    finished: bool,
}

impl LogEntry<'_> {
    fn finish(mut self, response: &Response) {
        self.finished = true;
        let extensions = response.extensions();
        let summary = extensions.get::<RequestSummary>().cloned();
        let summary = summary.unwrap_or_default();
        let (status, message) = match extensions.get::<Disconnect>() {
            None => (response.status().as_u16(), "answered"),
            Some(Disconnect::Close) => (NO_RESPONSE, "connection closed on purpose"),
            Some(Disconnect::Reset) => (NO_RESPONSE, "connection reset on purpose"),
        };
        let metrics = &self.log.metrics;
        metrics.messages.inc_by(summary.accepted as u64);
        let refused = summary.recipients.saturating_sub(summary.accepted);
        metrics.refused_recipients.inc_by(refused as u64);
        self.write(status, &summary, message);
    }

    fn write(&self, status: u16, summary: &RequestSummary, message: &'static str) {
        // Both levels share one set of fields.
        macro_rules! line {
            ($level:ident, $ms:expr) => {
                tracing::$level!(
                    method = %self.method,
                    path = %path_for_log(&self.path),
                    status,
                    req_id = self.req_id,
                    account = summary.account,
                    recipients = summary.recipients,
                    bytes = self.received.bytes(),
                    ms = $ms,
                    "{message}"
                )
            };
        }
        let took = self.started.elapsed();
        let metrics = &self.log.metrics;
        metrics.request_bytes.inc_by(self.received.bytes());
        metrics.count_response(endpoint(&self.path), status, took);
        let ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
        if self.log.at_info {
            line!(info, ms);
        } else {
            line!(debug, ms);
        }
    }
}

impl Drop for LogEntry<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let summary = RequestSummary::default();
            self.write(
                CLIENT_DISCONNECTED,
                &summary,
                "the client disconnected before the response",
            );
        }
    }
}

/// Replaces addresses in a path by `*`, and cuts it to [`MAX_PATH`].
fn path_for_log(path: &str) -> String {
    // In v2.1, `email` is part of every path.
    let is_v2 = Protocol::of_path(path) == Protocol::V2;
    let mut after_email = false;
    let segments = path.split('/').map(|segment| {
        let hidden = after_email || segment.contains('@') || segment.contains("%40");
        after_email = segment == "email" && !is_v2;
        if hidden { "*" } else { segment }
    });
    let segments: Vec<_> = segments.collect();
    segments.join("/").chars().take(MAX_PATH).collect()
}

/// A label for the metrics. It has few values, so that clients cannot make the metrics grow.
fn endpoint(path: &str) -> &'static str {
    const API: [&str; 10] = [
        "sendmail",
        "new_sendmail",
        "sendmail_templates",
        "add_template",
        "smtp",
        "emails",
        "smtp_events",
        "blacklists",
        "blacklist_reasons",
        "is_mail_tmp",
    ];
    if let Some(rest) = path.strip_prefix("/v2.1/") {
        const V2: [&str; 8] = [
            "email",
            "email/open",
            "email/click",
            "email/template",
            "email/smtpAccount",
            "email/blacklist/reason",
            "email/domain/blacklist",
            "email/blacklist",
        ];
        let is_below = |known: &str| {
            let below = rest.strip_prefix(known);
            below
                .is_some_and(|below| below.is_empty() || known != "email" && below.starts_with('/'))
        };
        return V2
            .into_iter()
            .find(|known| is_below(known))
            .unwrap_or("unknown");
    }
    let Some(action) = path.strip_prefix("/api/") else {
        return match path {
            "/healthz" => "healthz",
            "/metrics" => "metrics",
            _ => "page",
        };
    };
    let action = action.split('/').next().unwrap_or_default();
    API.into_iter()
        .find(|known| *known == action)
        .unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logged_path_has_no_addresses() {
        for (path, expected) in [
            ("/api/sendmail", "/api/sendmail"),
            (
                "/api/blacklists/email/jan%40example.com",
                "/api/blacklists/email/*",
            ),
            (
                "/api/is_mail_tmp/email/anything",
                "/api/is_mail_tmp/email/*",
            ),
            ("/jan@example.com/x", "/*/x"),
            ("/v2.1/email/blacklist", "/v2.1/email/blacklist"),
        ] {
            assert_eq!(path_for_log(path), expected);
        }
        assert_eq!(path_for_log(&"/a".repeat(1000)).len(), MAX_PATH);
    }

    #[test]
    fn clients_cannot_choose_an_endpoint_label() {
        for (path, expected) in [
            ("/api/sendmail", "sendmail"),
            ("/api/blacklists/email/a", "blacklists"),
            ("/api/whatever", "unknown"),
            ("/api/", "unknown"),
            ("/", "page"),
            ("/v2.1/email", "email"),
            ("/v2.1/email/whatever", "unknown"),
            ("/v2.1/email/blacklist/reason", "email/blacklist/reason"),
            ("/v2.1/email/blacklist/1.acme.smtp", "email/blacklist"),
            ("/metrics", "metrics"),
        ] {
            assert_eq!(endpoint(path), expected);
        }
    }
}
