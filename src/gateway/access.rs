//! What is kept of every request: an ID, a line in the log, its place in the metrics.
//!
//! The line never has a body, a query, a header or an address.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use super::metrics::Metrics;
use super::routes::Asked;
use crate::web::{Cut, Peer, Received};

/// The most characters of a path in the log.
const MAX_PATH: usize = 120;
/// The code of a request whose client did not wait for the answer, as nginx has it.
const LEFT: u16 = 499;
/// The code of a request that was not answered on purpose, as nginx has it.
const NO_ANSWER: u16 = 444;

/// The header that has a request's ID, in every answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is said in the log of a request that was decoded, as an extension of its answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Noted {
    /// The SMTP account.
    pub(super) account: String,
    /// How many recipients it had.
    pub(super) recipients: usize,
    /// How many of them were taken.
    pub(super) taken: usize,
}

/// Where requests are written down.
pub(super) struct Access {
    pub(super) metrics: Arc<Metrics>,
    /// Whether each request is worth a line; else it is for debugging.
    pub(super) log: bool,
}

impl Access {
    /// Has a request answered under the name `req_id`, and writes down what came of it.
    pub(super) async fn pass(&self, req_id: String, mut request: Request, next: Next) -> Response {
        let asked = Asked {
            req_id: req_id.clone(),
            remote: request.extensions().get().map(|Peer(peer)| *peer),
        };
        request.extensions_mut().insert(asked);
        let visit = Visit {
            access: self,
            begun: Instant::now(),
            req_id,
            received: request.extensions().get().cloned().unwrap_or_default(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            ended: false,
        };
        let mut response = next.run(request).await;
        if let Ok(id) = HeaderValue::from_str(&visit.req_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        visit.end(&response);
        response
    }
}

/// A request that is being answered. When its client leaves, it is dropped before its end.
struct Visit<'a> {
    access: &'a Access,
    begun: Instant,
    req_id: String,
    received: Received,
    method: Method,
    path: String,
    ended: bool,
}

impl Visit<'_> {
    fn end(mut self, response: &Response) {
        self.ended = true;
        let extensions = response.extensions();
        let nothing = Noted::default();
        let noted = extensions.get::<Noted>().unwrap_or(&nothing);
        let (code, end) = match extensions.get::<Cut>() {
            None => (response.status().as_u16(), "answered"),
            Some(Cut::Close) => (NO_ANSWER, "dropped on purpose"),
            Some(Cut::Reset) => (NO_ANSWER, "reset on purpose"),
        };
        let metrics = &self.access.metrics;
        metrics.taken.add(noted.taken as u64);
        metrics
            .refused
            .add(noted.recipients.saturating_sub(noted.taken) as u64);
        self.write(code, noted, end);
    }

    fn write(&self, code: u16, noted: &Noted, end: &'static str) {
        // One set of fields for both levels.
        macro_rules! line {
            ($level:ident, $ms:expr) => {
                tracing::$level!(
                    method = %self.method,
                    path = %shown(&self.path),
                    status = code,
                    req_id = self.req_id,
                    account = noted.account,
                    recipients = noted.recipients,
                    bytes = self.received.bytes(),
                    ms = $ms,
                    "{end}"
                )
            };
        }
        let took = self.begun.elapsed();
        let metrics = &self.access.metrics;
        metrics.bytes.add(self.received.bytes());
        metrics.answered(endpoint(&self.path), code, took);
        let ms = (took.as_secs_f64() * 10_000.0).round() / 10.0;
        if self.access.log {
            line!(info, ms);
        } else {
            line!(debug, ms);
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.write(LEFT, &Noted::default(), "the client left before its answer");
        }
    }
}

/// The path without addresses, and no longer than a line may be.
fn shown(path: &str) -> String {
    let mut after_email = false;
    let segments = path.split('/').map(|segment| {
        let hidden = after_email || segment.contains('@') || segment.contains("%40");
        after_email = segment == "email";
        if hidden { "*" } else { segment }
    });
    let shown: Vec<_> = segments.collect();
    shown.join("/").chars().take(MAX_PATH).collect()
}

/// One of a few names for what was asked: a client can't make the metrics grow.
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
    fn a_path_is_shown_without_addresses() {
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
        ] {
            assert_eq!(shown(path), expected);
        }
        assert_eq!(shown(&"/a".repeat(1000)).len(), MAX_PATH);
    }

    #[test]
    fn a_client_chooses_no_name_of_an_endpoint() {
        for (path, expected) in [
            ("/api/sendmail", "sendmail"),
            ("/api/blacklists/email/a", "blacklists"),
            ("/api/whatever", "unknown"),
            ("/api/", "unknown"),
            ("/", "page"),
            ("/metrics", "metrics"),
        ] {
            assert_eq!(endpoint(path), expected);
        }
    }
}
