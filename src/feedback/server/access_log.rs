//! A line in the log for each request. It names the endpoint and never a token, an address or a body.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

use crate::web::Received;

pub(super) async fn record(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let endpoint = endpoint(request.uri().path());
    let received: Received = request.extensions().get().cloned().unwrap_or_default();
    let response = next.run(request).await;
    let ms = (started.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
    tracing::info!(
        %method,
        endpoint,
        status = response.status().as_u16(),
        bytes = received.bytes(),
        ms,
        "answered"
    );
    response
}

fn endpoint(path: &str) -> &'static str {
    match path {
        "/webhook/v2" => "webhook/v2",
        "/webhook/events" => "webhook/events",
        "/healthz" => "healthz",
        "/u/test" => "u/test",
        path if path.starts_with("/u/") && path.ends_with("/undo") => "u/undo",
        path if path.starts_with("/u/") => "u",
        _ => "unknown",
    }
}
