//! The server of the month, which notes what was posted.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;
use rand::rngs::StdRng;

use super::time;
use crate::outcome::{Blame, PostOutcome, RecipientOutcome};
use crate::transport::{PostRequest, Transport};

pub(super) struct Post {
    pub(super) at: Timestamp,
    pub(super) row: u32,
    /// The server did not refuse it.
    pub(super) taken: bool,
}

pub(super) type Posts = Arc<Mutex<Vec<Post>>>;
/// Takes requests, and sometimes refuses them or says nothing.
pub(super) struct FakeServer {
    pub(super) now: Arc<AtomicI64>,
    pub(super) read_takes: Arc<AtomicI64>,
    pub(super) posts: Posts,
    pub(super) rng: Mutex<StdRng>,
}

impl Transport for FakeServer {
    async fn post(&self, request: &PostRequest) -> PostOutcome {
        let row = u32::from_le_bytes(request.body.0[0][..4].try_into().expect("a row"));
        let (chance, seconds) = {
            let mut rng = self.rng.lock().expect("a lock");
            (rng.random_range(0..100), rng.random_range(60..240))
        };
        let refused = match chance {
            0..2 => Some(Blame::Request),
            2 => Some(Blame::Server),
            _ => None,
        };
        self.posts.lock().expect("a lock").push(Post {
            // As the delivery read it last.
            at: time(self.now.load(Ordering::SeqCst) - self.read_takes.load(Ordering::SeqCst)),
            row,
            taken: refused.is_none(),
        });
        if let Some(blame) = refused {
            return PostOutcome::NotTaken {
                blame,
                reason: "busy".to_owned(),
                wait: None,
            };
        }
        // Long enough that a kill finds requests in flight.
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        PostOutcome::Settled(vec![RecipientOutcome::Accepted {
            message_id: row.to_string(),
        }])
    }
}
