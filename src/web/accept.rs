//! Accepts connections up to a limit, whatever protocol they speak.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::{ConnectionObserver, Stopping};
use super::limits::ConnectionLimits;

/// How many connections above the limit can be answered at a time; more are closed silently.
const MAX_REJECTIONS: usize = 64;
/// How long a rejected client may take to read its answer.
const REJECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// How long to wait after accepting failed, usually because too many files are open.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What connections speak.
pub(crate) trait Protocol: Send + Sync {
    /// Serves a connection until it ends. It must end soon after `stopping`.
    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        stopping: Stopping,
    ) -> BoxFuture<'static, ()>;

    /// Answers a connection above the limit.
    fn reject(&self, stream: TcpStream) -> BoxFuture<'static, io::Result<()>>;
}

/// Serves the connections of one listener.
pub(crate) struct Acceptor<P> {
    pub(crate) protocol: P,
    pub(crate) limits: ConnectionLimits,
    pub(crate) observer: Arc<dyn ConnectionObserver>,
}

impl<P: Protocol> Acceptor<P> {
    /// Serves until `shutdown` completes, and then waits for the connections that are in use, within the
    /// limit.
    pub(crate) async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let (stop, stopping) = watch::channel(false);
        let mut connections = Connections {
            acceptor: self,
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

/// Reports the end of a connection when it is dropped.
struct ObservedConnection(Arc<dyn ConnectionObserver>);

impl ObservedConnection {
    fn new(observer: &Arc<dyn ConnectionObserver>) -> Self {
        observer.connected();
        Self(Arc::clone(observer))
    }
}

impl Drop for ObservedConnection {
    fn drop(&mut self) {
        self.0.ended();
    }
}

struct Connections<P> {
    acceptor: Acceptor<P>,
    stopping: Stopping,
    served: JoinSet<()>,
    rejected: JoinSet<()>,
}

impl<P: Protocol> Connections<P> {
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
        if self.served.len() < self.acceptor.limits.connections {
            let protocol = &self.acceptor.protocol;
            let served = protocol.serve(stream, peer, self.stopping.clone());
            let observed = ObservedConnection::new(&self.acceptor.observer);
            self.served.spawn(async move {
                served.await;
                drop(observed);
            });
        } else {
            self.reject(stream);
        }
    }

    fn reject(&mut self, stream: TcpStream) {
        self.acceptor.observer.rejected();
        tracing::warn!(
            connections = self.acceptor.limits.connections,
            "too many connections: turned one away"
        );
        while self.rejected.try_join_next().is_some() {}
        if self.rejected.len() < MAX_REJECTIONS {
            let rejection = self.acceptor.protocol.reject(stream);
            self.rejected.spawn(async move {
                // The connection ends in any case.
                let _ = timeout(REJECTION_TIMEOUT, rejection).await;
            });
        }
    }

    async fn finish(mut self) {
        let finished = timeout(self.acceptor.limits.stop, async {
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
