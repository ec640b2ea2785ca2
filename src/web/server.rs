//! Accepts connections and holds each of them to limits.
//!
//! ```text
//! accept ─► a place? ─► head in time ─► body in time ─► router ─► answer taken in time
//!              └ no: 503
//! ```
//!
//! A client that is slow, or says nothing, costs a place and no more; what it holds up is itself.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::paced::{Paced, Received};
use super::timed::{Requests, Timed};

/// The most bytes of a head: the line of the request and its headers.
const MAX_HEAD: usize = 64 * 1024;
/// The most headers.
const MAX_HEADERS: usize = 100;
/// How many connections beyond the most are told so at the same time; others are closed without a word.
const MAX_TURNED_AWAY: usize = 64;
/// How long a connection that is turned away may take to listen.
const TURNED_AWAY: Duration = Duration::from_secs(1);
/// How long a connection that has not asked anything yet is listened to after the end was asked for.
const LAST_WORD: Duration = Duration::from_millis(100);
/// How long to wait when no connection can be accepted: there are too many open files.
const NO_FILES: Duration = Duration::from_millis(100);

/// What a client may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most connections at a time; one more is answered 503.
    pub connections: usize,
    /// How long a head may take from its first byte, and the first byte of a new connection.
    pub head: Duration,
    /// How long a body may take, beside a second for each 64 KiB; and how long a client may take
    /// nothing of its answer.
    pub body: Duration,
    /// How long a connection may rest between two requests.
    pub idle: Duration,
    /// How long what is being taken may go on after the end was asked for.
    pub stop: Duration,
}

impl Default for Limits {
    /// Few enough connections for the usual 1,024 open files; a rest that is longer than the 90
    /// seconds for which clients usually keep theirs.
    fn default() -> Self {
        Self {
            connections: 512,
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(100),
            stop: Duration::from_secs(30),
        }
    }
}

/// Tells, as an extension of a request, when the server is about to end: what has no end of its own
/// ends then.
#[derive(Clone)]
pub(crate) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// Waits for the end of the server.
    pub(crate) async fn wait(mut self) {
        // A sender that is gone means the same.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

/// As an extension of an answer: it is not given, and the connection ends instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// As if the client's answer was lost on the way.
    Close,
    /// By a reset.
    Reset,
}

/// An answer that is not given.
#[derive(Debug, thiserror::Error)]
#[error("the answer was dropped on purpose")]
struct Unanswered;

/// Where a request came from, as an extension of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Who is told what becomes of connections.
pub(crate) trait Watcher: Send + Sync {
    /// One begins.
    fn connected(&self) {}
    /// It ends.
    fn ended(&self) {}
    /// One too many was turned away.
    fn turned_away(&self) {}
    /// What came was not HTTP, or its head was too large.
    fn unreadable(&self) {}
}

/// Nobody.
impl Watcher for () {}

/// A connection that lasts, for its watcher.
struct Connected(Arc<dyn Watcher>);

impl Connected {
    fn new(watcher: &Arc<dyn Watcher>) -> Self {
        watcher.connected();
        Self(Arc::clone(watcher))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// A router behind a listener.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) watcher: Arc<dyn Watcher>,
    /// What is said to a connection beyond the most: a body of JSON.
    pub(crate) too_many: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
}

impl Server {
    /// Serves until `shutdown` is done. Connections that rest are closed then; what is being asked
    /// or answered goes on to its end, for as long as the limit lets it.
    pub(crate) async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let (stop, stopping) = watch::channel(false);
        let mut crowd = Crowd {
            server: self,
            stopping,
            served: JoinSet::new(),
            turned_away: JoinSet::new(),
        };
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = crowd.served.join_next() => {}
                Some(_) = crowd.turned_away.join_next() => {}
                accepted = listener.accept() => crowd.accepted(accepted).await,
            }
        }
        // Those who are connected as far as they know, and perhaps have asked already.
        while let Some(accepted) = already_there(&listener) {
            crowd.accepted(Ok(accepted)).await;
        }
        drop(listener);
        // Nobody may be there to hear it.
        let _ = stop.send(true);
        crowd.end().await;
    }
}

/// Everybody who is connected.
struct Crowd {
    server: Server,
    stopping: watch::Receiver<bool>,
    served: JoinSet<()>,
    turned_away: JoinSet<()>,
}

impl Crowd {
    async fn accepted(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => return,
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                return sleep(NO_FILES).await;
            }
        };
        // An answer is one write; it must not wait for the one before it to be acknowledged.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        while self.served.try_join_next().is_some() {}
        if self.served.len() < self.server.limits.connections {
            let connection = Connection::new(&self.server, self.stopping.clone(), peer);
            self.served.spawn(connection.serve(stream));
        } else {
            self.turn_away(stream);
        }
    }

    fn turn_away(&mut self, stream: TcpStream) {
        self.server.watcher.turned_away();
        tracing::warn!(
            connections = self.server.limits.connections,
            "a connection too many was answered 503"
        );
        while self.turned_away.try_join_next().is_some() {}
        if self.turned_away.len() < MAX_TURNED_AWAY {
            let body = (self.server.too_many)();
            self.turned_away.spawn(async move {
                // It is gone either way.
                let _ = timeout(TURNED_AWAY, turn_away(stream, &body)).await;
            });
        }
    }

    async fn end(mut self) {
        let ended = timeout(self.server.limits.stop, async {
            while self.served.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::warn!(
                connections = self.served.len(),
                "connections were cut: they took too long to end"
            );
            self.served.shutdown().await;
        }
    }
}

/// A connection that can be accepted without waiting.
fn already_there(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    let mut context = Context::from_waker(Waker::noop());
    match listener.poll_accept(&mut context) {
        Poll::Ready(accepted) => accepted.ok(),
        Poll::Pending => None,
    }
}

/// Whether it is the fault of the one who connected, and says nothing of the next.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    [
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        Interrupted,
    ]
    .contains(&error.kind())
}

async fn turn_away(mut stream: TcpStream, body: &[u8]) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream
        .write_all(&[answer.as_bytes(), body].concat())
        .await?;
    stream.shutdown().await?;
    // Closed with something unread, it would be reset, and the answer lost.
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// One connection.
struct Connection {
    router: TowerToHyperService<Router>,
    limits: Limits,
    watcher: Arc<dyn Watcher>,
    stopping: watch::Receiver<bool>,
    peer: SocketAddr,
}

impl Connection {
    fn new(server: &Server, stopping: watch::Receiver<bool>, peer: SocketAddr) -> Self {
        Self {
            router: TowerToHyperService::new(server.router.clone()),
            limits: server.limits.clone(),
            watcher: Arc::clone(&server.watcher),
            stopping,
            peer,
        }
    }

    async fn serve(self, stream: TcpStream) {
        let connected = Connected::new(&self.watcher);
        let requests = Arc::new(Requests::default());
        let timed = Timed::new(
            stream,
            Arc::clone(&requests),
            self.limits.head,
            self.limits.body,
        );
        let reset = Arc::new(AtomicBool::new(false));
        let mut stopping = self.stopping.clone();
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.idle)
            .max_header_size(MAX_HEAD)
            .max_headers(MAX_HEADERS);
        let service = {
            let (requests, reset) = (Arc::clone(&requests), Arc::clone(&reset));
            let connection = Arc::new(self);
            service_fn(move |request| {
                let (connection, requests) = (Arc::clone(&connection), Arc::clone(&requests));
                let reset = Arc::clone(&reset);
                async move { connection.answer(request, &requests, &reset).await }
            })
        };
        let mut connection = builder.serve_connection(TokioIo::new(timed), service);
        let mut told = false;
        let ended = loop {
            tokio::select! {
                // A request that is there already is heard before the end.
                biased;
                ended = &mut connection => break ended,
                () = told_to_stop(&mut stopping, &requests), if !told => {
                    told = true;
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                }
            }
        };
        if let Err(error) = ended {
            if error.is_parse() {
                connected.0.unreadable();
            }
            tracing::debug!(%error, "a connection ended");
        }
        if reset.load(Ordering::Relaxed) {
            // It is dropped next; what fails is that it ends by another word.
            let _ = connection.into_parts().io.into_inner().reset_when_dropped();
        }
    }

    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        requests: &Requests,
        reset: &AtomicBool,
    ) -> Result<Response, Unanswered> {
        requests.begin();
        let received = Received::default();
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(Peer(self.peer));
        parts.extensions.insert(Stopping(self.stopping.clone()));
        parts.extensions.insert(received.clone());
        let body = Body::new(Paced::new(body, self.limits.body, received));
        let request = axum::extract::Request::from_parts(parts, body);
        let response = match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        requests.end();
        match response.extensions().get::<Cut>() {
            None => Ok(response),
            Some(cut) => {
                reset.store(*cut == Cut::Reset, Ordering::Relaxed);
                Err(Unanswered)
            }
        }
    }
}

/// Waits until the connection is to end; one that has asked nothing yet has a moment more.
async fn told_to_stop(stopping: &mut watch::Receiver<bool>, requests: &Requests) {
    // A sender that is gone means the same.
    let _ = stopping.wait_for(|stopping| *stopping).await;
    if !requests.has_any() {
        sleep(LAST_WORD).await;
    }
}
