//! What the commands that serve HTTP share: the runtime, the listener, and the signals that stop it.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::Failure;

/// SIGINT and SIGTERM.
pub(super) struct Signals {
    int: Signal,
    term: Signal,
}

impl Signals {
    /// # Errors
    /// If the system refuses a handler, or outside a runtime.
    pub(super) fn watch() -> std::io::Result<Self> {
        Ok(Self {
            int: signal(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! { _ = self.int.recv() => {}, _ = self.term.recv() => {} }
    }
}

/// A runtime on several threads.
///
/// # Errors
/// If the system refuses the threads.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("io", format!("can't start threads: {error}")))
}

/// # Errors
/// If the address can't be listened on. The failure has the code `code`.
pub(super) async fn listen(
    code: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, Signals), Failure> {
    let listener = bind(code, address, "--listen").await?;
    Ok((
        listener,
        Signals::watch().map_err(cannot_listen(code, address, "--listen"))?,
    ))
}

/// `option` chooses the address.
///
/// # Errors
/// As [`listen`].
pub(super) async fn bind(
    code: &'static str,
    address: SocketAddr,
    option: &'static str,
) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(cannot_listen(code, address, option))
}

fn cannot_listen(
    code: &'static str,
    address: SocketAddr,
    option: &'static str,
) -> impl Fn(std::io::Error) -> Failure {
    move |error| {
        let message = format!("can't listen on {address}: {error}");
        let help = format!("choose another address with {option}");
        Failure::with_help(code, message, help)
    }
}

/// # Errors
/// If other machines can reach the address: a page with recipients' data has no login.
pub(super) fn require_loopback(address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(Failure::with_help(
        "no-login",
        format!("other machines can reach {address}, and the page has no login"),
        "listen on 127.0.0.1, because the page shows recipients' data",
    )
    .usage())
}
