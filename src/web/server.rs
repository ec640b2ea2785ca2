//! Accepts connections up to a limit.
//!
//! ```text
//! accept ─► below the limit? ─► head in time ─► body in time ─► router ─► response read in time
//!              └ no: 503
//! ```
//!
//! A client that is slow or silent occupies one connection and nothing else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::{ConnectionObserver, HttpConnection, Stopping};
use super::limits::ConnectionLimits;

/// How many connections above the limit can be answered 503 at a time; more are closed silently.
const MAX_REJECTIONS: usize = 64;
/// How long a rejected client may take to read its 503.
const REJECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// How long to wait after accepting failed, usually because too many files are open.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) limits: ConnectionLimits,
    pub(crate) observer: Arc<dyn ConnectionObserver>,
    /// The JSON body of the 503 for connections above the limit.
    pub(crate) rejection: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
}

impl Server {
    /// Serves until `shutdown` completes. Idle connections are closed then; running requests may finish
    /// within the limit.
    pub(crate) async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let (stop, stopping) = watch::channel(false);
        let mut connections = Connections {
            server: self,
            stopping: Stopping(stopping),
            served: JoinSet::new(),
            rejected: JoinSet::new(),
        };
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = connections.served.join_next() => {}
                Some(_) = connections.rejected.join_next() => {}
                accepted = listener.accept() => connections.add(accepted).await,
            }
        }
        // The clients in the backlog are connected from their point of view, and may have sent a request.
        while let Some(accepted) = accept_now(&listener) {
            connections.add(Ok(accepted)).await;
        }
        drop(listener);
        // There may be no receiver left.
        let _ = stop.send(true);
        connections.finish().await;
    }
}

struct Connections {
    server: Server,
    stopping: Stopping,
    served: JoinSet<()>,
    rejected: JoinSet<()>,
}

impl Connections {
    async fn add(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if concerns_one_client(&error) => return,
            Err(error) => {
                tracing::warn!(%error, "can't accept connections");
                return sleep(ACCEPT_RETRY).await;
            }
        };
        // A response is one write, which must not wait until the previous one is acknowledged.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "can't set TCP_NODELAY");
        }
        while self.served.try_join_next().is_some() {}
        if self.served.len() < self.server.limits.connections {
            let connection = HttpConnection {
                router: TowerToHyperService::new(self.server.router.clone()),
                limits: self.server.limits.clone(),
                observer: Arc::clone(&self.server.observer),
                stopping: self.stopping.clone(),
                peer,
            };
            self.served.spawn(connection.serve(stream));
        } else {
            self.reject(stream);
        }
    }

    fn reject(&mut self, stream: TcpStream) {
        self.server.observer.rejected();
        tracing::warn!(
            connections = self.server.limits.connections,
            "too many connections: answered one with 503"
        );
        while self.rejected.try_join_next().is_some() {}
        if self.rejected.len() < MAX_REJECTIONS {
            let body = (self.server.rejection)();
            self.rejected.spawn(async move {
                // The connection ends in any case.
                let _ = timeout(REJECTION_TIMEOUT, send_rejection(stream, &body)).await;
            });
        }
    }

    async fn finish(mut self) {
        let finished = timeout(self.server.limits.stop, async {
            while self.served.join_next().await.is_some() {}
        });
        if finished.await.is_err() {
            tracing::warn!(
                connections = self.served.len(),
                "closed connections that took too long to finish"
            );
            self.served.shutdown().await;
        }
    }
}

/// A connection that can be accepted without waiting.
fn accept_now(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    let mut context = Context::from_waker(Waker::noop());
    match listener.poll_accept(&mut context) {
        Poll::Ready(accepted) => accepted.ok(),
        Poll::Pending => None,
    }
}

/// Whether an error says nothing about the next connection.
fn concerns_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

async fn send_rejection(mut stream: TcpStream, body: &[u8]) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    stream.shutdown().await?;
    // Closing a socket with unread data resets it, and the client would lose the response.
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
