//! A TCP stream that fails when the client sends a request head, or reads a response, too slowly.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Counts the starts and the ends of a connection's requests: the number is odd while one is handled.
#[derive(Debug, Default)]
pub(crate) struct RequestCounter(AtomicU64);

impl RequestCounter {
    /// A request head has been read.
    pub(crate) fn start(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The response is ready.
    pub(crate) fn end(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn has_started(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

pub(crate) struct TimedStream {
    stream: TcpStream,
    requests: Arc<RequestCounter>,
    /// The count when `head` was last checked.
    last_count: u64,
    head_limit: Duration,
    head: Option<Pin<Box<Sleep>>>,
    write_limit: Duration,
    write: Option<Pin<Box<Sleep>>>,
}

impl TimedStream {
    pub(crate) fn new(
        stream: TcpStream,
        requests: Arc<RequestCounter>,
        head_limit: Duration,
        write_limit: Duration,
    ) -> Self {
        Self {
            stream,
            requests,
            last_count: 0,
            head_limit,
            head: Some(Box::pin(sleep(head_limit))),
            write_limit,
            write: None,
        }
    }

    /// Makes the client see a reset when the stream is dropped.
    pub(crate) fn reset_when_dropped(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// Starts the time limit at the first byte of a head.
    fn start_head_limit(&mut self) {
        if !self.is_handling_request() && self.head.is_none() {
            self.head = Some(Box::pin(sleep(self.head_limit)));
        }
    }

    fn is_handling_request(&mut self) -> bool {
        let now = self.requests.0.load(Ordering::Relaxed);
        if now != self.last_count {
            self.last_count = now;
            self.head = None;
        }
        now % 2 == 1
    }

    /// The result of a write, or an error if it has waited too long.
    fn limit_write(
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
        Poll::Ready(Err(too_slow(
            "the client did not read the response in time",
        )))
    }
}

fn too_slow(message: &str) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, message)
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.start_head_limit();
            return read;
        }
        if self.is_handling_request() {
            return Poll::Pending;
        }
        if let Some(timer) = &mut self.head {
            ready!(timer.as_mut().poll(cx));
            return Poll::Ready(Err(too_slow("the request head did not arrive in time")));
        }
        Poll::Pending
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.limit_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.limit_write(cx, written)
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
