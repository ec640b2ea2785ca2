//! Listening for those who ask, until the user ends it.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;

/// Ctrl-C and SIGTERM.
pub(super) struct Signals {
    int: Signal,
    term: Signal,
}

impl Signals {
    /// Waits for one of them.
    pub(super) async fn one(&mut self) {
        tokio::select! { _ = self.int.recv() => {}, _ = self.term.recv() => {} }
    }
}

/// Listens on an address; the failure has this code.
///
/// # Errors
/// When that can't be listened on.
pub(super) async fn listen(
    code: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, Signals), Failure> {
    let failed = |error: std::io::Error| {
        let failure = format!("can't listen on {address}: {error}");
        Failure::with_help(code, failure, "choose another address with --listen")
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let signals = Signals {
        int: signal(SignalKind::interrupt()).map_err(failed)?,
        term: signal(SignalKind::terminate()).map_err(failed)?,
    };
    Ok((listener, signals))
}
