//! HELO for servers that do not know EHLO (RFC 5321 3.2). lettre only sends EHLO.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Replaces the first bytes that are written, which are `EHLO`, with `HELO`.
#[derive(Debug)]
pub(super) struct HeloSocket {
    socket: Box<dyn AsyncTokioStream>,
    unsent: &'static [u8],
}

impl HeloSocket {
    pub(super) fn new(socket: Box<dyn AsyncTokioStream>) -> Self {
        Self {
            socket,
            unsent: b"HELO",
        }
    }
}

impl AsyncTokioStream for HeloSocket {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }
}

impl AsyncRead for HeloSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for HeloSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unsent.is_empty() {
            return Pin::new(&mut self.socket).poll_write(cx, buf);
        }
        let first = &self.unsent[..self.unsent.len().min(buf.len())];
        let written = ready!(Pin::new(&mut self.socket).poll_write(cx, first))?;
        self.unsent = &self.unsent[written..];
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
