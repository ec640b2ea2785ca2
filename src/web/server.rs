//! Serves HTTP.
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

use axum::Router;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::accept::{Acceptor, Protocol};
use super::connection::{ConnectionObserver, HttpConnection, Stopping};
use super::limits::ConnectionLimits;
use super::linger::close_gracefully;

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
        let acceptor = Acceptor {
            limits: self.limits.clone(),
            observer: Arc::clone(&self.observer),
            protocol: self,
        };
        acceptor.serve(listener, shutdown).await;
    }
}

impl Protocol for Server {
    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        stopping: Stopping,
    ) -> BoxFuture<'static, ()> {
        let connection = HttpConnection {
            router: TowerToHyperService::new(self.router.clone()),
            limits: self.limits.clone(),
            observer: Arc::clone(&self.observer),
            stopping,
            peer,
        };
        connection.serve(stream).boxed()
    }

    fn reject(&self, stream: TcpStream) -> BoxFuture<'static, io::Result<()>> {
        send_rejection(stream, (self.rejection)()).boxed()
    }
}

async fn send_rejection(mut stream: TcpStream, body: Vec<u8>) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Retry-After: 1\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    close_gracefully(&mut stream).await
}
