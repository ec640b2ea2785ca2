//! A fake of the mail API, written from its contract alone.
//!
//! It shares no line with `mailrun::api` or `mailrun::gateway`: a decoder on both sides would hide
//! the bug that both have. It keeps a ledger of what it took, which tests hold against the
//! program's, and does what a script says: answers, refuses, hangs, cuts, resets.

mod certificate;
mod http;
mod ledger;
mod reply;
mod request;
mod serve;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustls::ServerConfig;

pub use certificate::{Authority, Flaw};
pub use ledger::Taken;
pub use reply::{Early, Json, Reply, Verdict};
pub use request::Request;
use serve::Server;

/// A server on a port of its own. It stops when it is dropped.
pub struct FakeApi {
    address: SocketAddr,
    server: Arc<Server>,
    acceptor: Option<JoinHandle<()>>,
}

impl FakeApi {
    /// Starts a server that answers as `script` says: the number of the request (from 0, in the
    /// order in which they came) and the request, read to its end.
    pub fn start(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(|_| Early::Read, script)
    }

    /// Starts a server that takes all.
    pub fn taking_all() -> Self {
        Self::start(|_, _| Reply::Take)
    }

    /// Starts a server that takes all, but answers only when the flag is set.
    pub fn answering_later() -> (Self, Arc<AtomicBool>) {
        let answers = Arc::new(AtomicBool::new(false));
        let may_answer = Arc::clone(&answers);
        let api = Self::start(move |_, _| {
            // It ends if the test fails.
            for _ in 0..6000 {
                if may_answer.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Reply::Take
        });
        (api, answers)
    }

    /// Starts a server that asks `early` before it reads a request's body.
    pub fn start_with(
        early: impl Fn(usize) -> Early + Send + Sync + 'static,
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(
            "127.0.0.1:0",
            Server::new(Box::new(early), Box::new(script)),
        )
    }

    /// Starts a server that speaks TLS and takes all.
    pub fn start_tls(tls: Arc<ServerConfig>) -> Self {
        let server = Server::new(Box::new(|_| Early::Read), Box::new(|_, _| Reply::Take));
        Self::listen("127.0.0.1:0", server.with_tls(tls))
    }

    /// Starts a server on an address where one has stopped, with a ledger of its own.
    pub fn start_at(
        address: SocketAddr,
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let server = Server::new(Box::new(|_| Early::Read), Box::new(script));
        Self::listen(&address.to_string(), server)
    }

    fn listen(address: &str, server: Server) -> Self {
        let listener = TcpListener::bind(address).expect("a port on the loopback");
        // A long body does not fit into it: what was not read is not all under way.
        set_socket_recv_buffer_size(&listener, 64 << 10).expect("a small buffer");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let server = Arc::new(server);
        let serving = Arc::clone(&server);
        let acceptor = std::thread::spawn(move || serving.accept(&listener));
        Self {
            address,
            server,
            acceptor: Some(acceptor),
        }
    }

    /// The base URL, as `api.url` of a campaign has it.
    pub fn url(&self) -> String {
        let scheme = if self.server.speaks_tls() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}/api/", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and closes every connection; the ledger stays. New connections are refused.
    pub fn stop(&mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            self.server.stop(self.address);
            acceptor.join().expect("the acceptor does not panic");
        }
    }

    /// Every message it took, in the order in which it took them.
    pub fn taken(&self) -> Vec<Taken> {
        self.server.ledger().taken.clone()
    }

    /// The addresses it took a message for, sorted: one that is there twice got two.
    pub fn taken_addresses(&self) -> Vec<String> {
        let mut addresses: Vec<_> = self
            .taken()
            .into_iter()
            .map(|taken| taken.address)
            .collect();
        addresses.sort();
        addresses
    }

    /// Every request it read to its end, in the order of [`Request::n`].
    pub fn requests(&self) -> Vec<Arc<Request>> {
        let mut requests = self.server.ledger().requests.clone();
        requests.sort_by_key(|request| request.n);
        requests
    }

    /// When each request came, in order.
    pub fn arrivals(&self) -> Vec<Instant> {
        self.requests().iter().map(|request| request.at).collect()
    }

    /// How many requests came, read to their end or not.
    pub fn seen(&self) -> usize {
        self.server.ledger().seen
    }

    /// The most requests that were in its hands at one time.
    pub fn max_in_flight(&self) -> usize {
        self.server.ledger().max_in_flight
    }

    /// How many requests are in its hands now.
    pub fn in_flight(&self) -> usize {
        self.server.ledger().in_flight
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.server.ledger().connections
    }
}

impl Drop for FakeApi {
    fn drop(&mut self) {
        self.stop();
    }
}
