//! What a client may use of the server.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// The most connections at a time; others are answered 503.
    pub connections: usize,
    /// How long a request head may take from its first byte, and the first byte of a new connection.
    pub head: Duration,
    /// How long a request body may take, plus a second for each 64 KiB. Also how long a client may
    /// read nothing of its response.
    pub body: Duration,
    /// How long a connection may be idle between two requests.
    pub idle: Duration,
    /// How long requests may go on after the server was told to stop.
    pub stop: Duration,
}

impl Default for ConnectionLimits {
    /// The connections fit into the usual limit of 1,024 open files. Clients usually keep idle
    /// connections for up to 90 seconds.
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
