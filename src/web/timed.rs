//! A connection that ends when its client keeps it waiting.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// The requests of a connection: how many have begun, and whether one is being answered.
///
/// The number is odd from the end of a request's head to its answer.
#[derive(Debug, Default)]
pub(crate) struct Requests(AtomicU64);

impl Requests {
    /// A head has been read.
    pub(crate) fn begin(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Its answer is known.
    pub(crate) fn end(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether a request has begun.
    pub(crate) fn has_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// A stream with a limit for each head, and one for every wait until an answer is taken.
pub(crate) struct Timed {
    stream: TcpStream,
    requests: Arc<Requests>,
    /// What `requests` was when `head` was last looked at.
    seen: u64,
    head_limit: Duration,
    head: Option<Pin<Box<Sleep>>>,
    write_limit: Duration,
    write: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    pub(crate) fn new(
        stream: TcpStream,
        requests: Arc<Requests>,
        head_limit: Duration,
        write_limit: Duration,
    ) -> Self {
        Self {
            stream,
            requests,
            seen: 0,
            head_limit,
            head: Some(Box::pin(sleep(head_limit))),
            write_limit,
            write: None,
        }
    }

    /// When it is dropped the client sees a reset.
    pub(crate) fn reset_when_dropped(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// Begins to count at the first byte of a head.
    fn has_read(&mut self) {
        if !self.is_answering() && self.head.is_none() {
            self.head = Some(Box::pin(sleep(self.head_limit)));
        }
    }

    fn is_answering(&mut self) -> bool {
        let now = self.requests.0.load(Ordering::Relaxed);
        if now != self.seen {
            self.seen = now;
            self.head = None;
        }
        now % 2 == 1
    }

    /// What a write came to, or the end when it has waited for too long.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.write = None;
            return written;
        }
        let limit = self.write_limit;
        let timer = self.write.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(too_slow("an answer was not taken in time")))
    }
}

fn too_slow(what: &str) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, what)
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.has_read();
            return read;
        }
        if self.is_answering() {
            return Poll::Pending;
        }
        if let Some(timer) = &mut self.head {
            ready!(timer.as_mut().poll(cx));
            return Poll::Ready(Err(too_slow("a head did not come in time")));
        }
        Poll::Pending
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
