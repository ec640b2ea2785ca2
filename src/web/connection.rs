//! Serves the requests of one connection, each within the limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use super::limits::ConnectionLimits;
use super::timed_body::{Received, TimedBody};
use super::timed_stream::{RequestCounter, TimedStream};

/// The largest request head, in bytes.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;
/// How long a connection without any request yet stays open when the server stops.
const FIRST_REQUEST_GRACE: Duration = Duration::from_millis(100);

/// An extension of each request, which tells endless responses when the server stops.
#[derive(Clone)]
pub(crate) struct Stopping(pub(super) watch::Receiver<bool>);

impl Stopping {
    /// Waits until the server stops.
    pub(crate) async fn wait(mut self) {
        // A dropped sender means the same.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

/// An extension of a response: it is not sent, and the connection ends instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disconnect {
    /// As if the response were lost.
    Close,
    Reset,
}

#[derive(Debug, thiserror::Error)]
#[error("the response was dropped on purpose")]
struct ResponseDropped;

/// The address of the client, as an extension of each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Is told about connections, for metrics.
pub(crate) trait ConnectionObserver: Send + Sync {
    fn connected(&self) {}
    fn ended(&self) {}
    /// A connection above the limit was rejected.
    fn rejected(&self) {}
    /// The client did not send HTTP, or sent a request head that is too large.
    fn unreadable(&self) {}
}

/// Ignores everything.
impl ConnectionObserver for () {}

pub(super) struct HttpConnection {
    pub(super) router: TowerToHyperService<Router>,
    pub(super) limits: ConnectionLimits,
    pub(super) observer: Arc<dyn ConnectionObserver>,
    pub(super) stopping: Stopping,
    pub(super) peer: SocketAddr,
}

impl HttpConnection {
    pub(super) async fn serve(self, stream: TcpStream) {
        let observer = Arc::clone(&self.observer);
        let requests = Arc::new(RequestCounter::default());
        let stream = TimedStream::new(
            stream,
            Arc::clone(&requests),
            self.limits.head,
            self.limits.body,
        );
        let must_reset = Arc::new(AtomicBool::new(false));
        let stopping = self.stopping.clone();
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.idle)
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_HEADERS);
        let service = {
            let (requests, must_reset) = (Arc::clone(&requests), Arc::clone(&must_reset));
            let connection = Arc::new(self);
            service_fn(move |request| {
                let (connection, requests) = (Arc::clone(&connection), Arc::clone(&requests));
                let must_reset = Arc::clone(&must_reset);
                async move { connection.respond(request, &requests, &must_reset).await }
            })
        };
        let mut connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut stop = std::pin::pin!(async {
            stopping.wait().await;
            if !requests.has_started() {
                sleep(FIRST_REQUEST_GRACE).await;
            }
        });
        let mut is_stopping = false;
        let result = loop {
            tokio::select! {
                // A request that has arrived is handled before the stop.
                biased;
                result = &mut connection => break result,
                () = &mut stop, if !is_stopping => {
                    is_stopping = true;
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        if let Err(error) = result {
            if error.is_parse() {
                observer.unreadable();
            }
            tracing::debug!(%error, "a connection ended");
        }
        if must_reset.load(Ordering::Relaxed) {
            // If this fails, the connection is closed without a reset.
            let _ = connection.into_parts().io.into_inner().reset_when_dropped();
        }
    }

    async fn respond(
        &self,
        request: hyper::Request<Incoming>,
        requests: &RequestCounter,
        must_reset: &AtomicBool,
    ) -> Result<Response, ResponseDropped> {
        requests.start();
        let received = Received::default();
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(Peer(self.peer));
        parts.extensions.insert(self.stopping.clone());
        parts.extensions.insert(received.clone());
        let body = Body::new(TimedBody::new(body, self.limits.body, received));
        let request = axum::extract::Request::from_parts(parts, body);
        let response = match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        requests.end();
        match response.extensions().get::<Disconnect>() {
            None => Ok(response),
            Some(disconnect) => {
                must_reset.store(*disconnect == Disconnect::Reset, Ordering::Relaxed);
                Err(ResponseDropped)
            }
        }
    }
}
