//! A body that must keep coming.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

/// So many bytes give a second more.
const BYTES_A_SECOND: u64 = 64 * 1024;

/// How many bytes of a body have come; as an extension of its request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(Arc<AtomicU64>);

impl Received {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("The body came too slowly")]
pub(crate) struct TooSlow;

impl TooSlow {
    /// Whether this is why a body could not be read.
    pub(crate) fn is_cause_of(error: &(dyn Error + 'static)) -> bool {
        let mut error = Some(error);
        while let Some(found) = error {
            if found.is::<Self>() {
                return true;
            }
            error = found.source();
        }
        false
    }
}

/// A body with a limit on its time, which grows with what has come.
pub(crate) struct Paced {
    body: Incoming,
    begun: Instant,
    limit: Duration,
    received: Received,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub(crate) fn new(body: Incoming, limit: Duration, received: Received) -> Self {
        Self {
            body,
            begun: Instant::now(),
            limit,
            received,
            timer: None,
        }
    }

    fn deadline(&self) -> Instant {
        let more = Duration::from_secs(self.received.bytes() / BYTES_A_SECOND);
        self.begun + self.limit + more
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            let bytes = match &frame {
                Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                _ => 0,
            };
            self.received.0.fetch_add(bytes as u64, Ordering::Relaxed);
            self.timer = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = self.deadline();
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
