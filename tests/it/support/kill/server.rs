//! The servers that campaigns are sent to.

use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply, Taken};
use crate::support::smtp::{self, Act, FakeSmtp, Stage};

/// What a server has seen.
pub trait Server {
    /// How many requests came.
    fn requests(&self) -> usize;

    /// What it took, once nothing is in its hands.
    fn taken(&self) -> Vec<Taken>;

    /// Makes a campaign send to it.
    fn receive(&self, campaign: Campaign) -> Campaign;
}

impl Server for FakeApi {
    fn requests(&self) -> usize {
        FakeApi::requests(self).len()
    }

    fn taken(&self) -> Vec<Taken> {
        let mut waits = 0;
        while self.in_flight() > 0 && waits < 20_000 {
            std::thread::sleep(Duration::from_millis(1));
            waits += 1;
        }
        FakeApi::taken(self)
    }

    fn receive(&self, campaign: Campaign) -> Campaign {
        campaign.api(&self.url())
    }
}

impl Server for FakeSmtp {
    fn requests(&self) -> usize {
        self.count(Stage::Mail)
    }

    fn taken(&self) -> Vec<Taken> {
        // A message that a killed client sent may still be read.
        let mut before = usize::MAX;
        loop {
            let taken = FakeSmtp::taken(self);
            if taken.len() == before {
                return taken.iter().map(smtp::Taken::as_api).collect();
            }
            before = taken.len();
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn receive(&self, campaign: Campaign) -> Campaign {
        campaign
            .unset("api")
            .set("smtp.url", self.url())
            .set("smtp.tls", "none")
    }
}

/// An API that takes everything in the end: at once, after a while, or long before it answers. Now and
/// then it asks for a request again.
pub fn unsteady(seed: u64) -> FakeApi {
    unsteady_at(([127, 0, 0, 1], 0).into(), seed)
}

/// The same at another address.
pub fn unsteady_at(address: SocketAddr, seed: u64) -> FakeApi {
    FakeApi::start_at(address, move |n, _| {
        let mut rng = StdRng::seed_from_u64(seed ^ ((n as u64) << 32));
        let wait = |rng: &mut StdRng, most| Duration::from_micros(rng.random_range(0..most));
        match rng.random_range(0..120) {
            // Each of them halves the rate, and a busy machine is slow already.
            0 => Reply::too_many(None),
            1..12 => Reply::Drip {
                take: true,
                every: wait(&mut rng, 200),
            },
            12..30 => Reply::Take.after(wait(&mut rng, 40_000)),
            30..48 => Reply::Take,
            _ => Reply::Take.after(wait(&mut rng, 8_000)),
        }
    })
}

/// The same by SMTP.
pub fn unsteady_smtp(seed: u64) -> FakeSmtp {
    FakeSmtp::with(move |moment| {
        let mut rng = StdRng::seed_from_u64(seed ^ ((moment.times as u64) << 32));
        let late =
            |rng: &mut StdRng, most| Act::Late(Duration::from_micros(rng.random_range(0..most)));
        match (moment.stage, rng.random_range(0..40)) {
            (Stage::Mail | Stage::Rcpt, 0) => Act::Say("452 4.3.1 not now"),
            (Stage::Dot, 0..8) => late(&mut rng, 40_000),
            (Stage::Dot, 8..30) => late(&mut rng, 8_000),
            (Stage::Data, 0..8) => late(&mut rng, 4_000),
            _ => Act::Go,
        }
    })
}
