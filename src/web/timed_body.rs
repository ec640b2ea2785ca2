//! A time limit for request bodies, which grows with the bytes received.

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

/// Each of these adds a second to the limit.
const BYTES_PER_SECOND: u64 = 64 * 1024;

/// Counts the bytes of a request's body. It is an extension of the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(Arc<AtomicU64>);

impl Received {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("The request body arrived too slowly")]
pub(crate) struct TooSlow;

impl TooSlow {
    /// Whether this is the reason for an error while reading a body.
    pub(crate) fn is_cause_of(error: &(dyn Error + 'static)) -> bool {
        let mut error = Some(error);
        while let Some(cause) = error {
            if cause.is::<Self>() {
                return true;
            }
            error = cause.source();
        }
        false
    }
}

pub(crate) struct TimedBody {
    body: Incoming,
    start: Instant,
    limit: Duration,
    received: Received,
    timer: Option<Pin<Box<Sleep>>>,
}

impl TimedBody {
    pub(crate) fn new(body: Incoming, limit: Duration, received: Received) -> Self {
        Self {
            body,
            start: Instant::now(),
            limit,
            received,
            timer: None,
        }
    }

    fn deadline(&self) -> Instant {
        let more = Duration::from_secs(self.received.bytes() / BYTES_PER_SECOND);
        self.start + self.limit + more
    }
}

impl Body for TimedBody {
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
