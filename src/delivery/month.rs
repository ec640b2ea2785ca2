//! A month of a run with windows in several time zones, a ramp and limits a day, with a clock that the test sets. The process
//! is killed at random moments, and goes on from the ledger.

mod check;
mod server;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;

use server::{FakeServer, Posts};

use super::batch::{Batch, BatchRow};
use super::{Delivery, DeliverySettings, Ending, LaneKey, Queue, WaitReason};
use crate::address::Address;
use crate::campaign::{BreakerSettings, RetrySettings};
use crate::clock::Clock;
use crate::ledger::sqlite::{NewRow, PendingRows, Planner, SqliteLedger, open_writer, path_in};
use crate::ledger::{
    Ledger as _, LedgerWriter, LiveCounts, Page, RowSource as _, Run, Status, Target,
};
use crate::pace::{
    BothLimits, GroupDay, GroupLimit, GroupRequest, LaneNumbers, Rate, RateLimit, RateLimits,
};
use crate::pace_group::{PaceFile, PaceStore as _};
use crate::schedule::{Opening, Schedule, Zone};
use crate::transport::{PostRequest, RequestBody};

const ZONES: [&str; 3] = ["Europe/Warsaw", "America/New_York", "Asia/Kathmandu"];
/// Clocks go forward in New York on 8 March, and in Warsaw on 29 March 2026.
const START: &str = "2026-03-08T06:30:00Z";
const UNTIL: &str = "2026-04-08T12:00:00Z";
/// Hours so short that requests are ready when they end. Those of Sunday hold the hour in which clocks go forward.
const WINDOW: &str = "Mon-Fri 09:00-09:08, Mon-Fri 16:50-17:00, Fri 23:50-00:10, Sun 01:50-03:10";
const RAMP: [u64; 3] = [6, 12, 30];
const PER_DAY: u64 = 20;
const PER_DOMAIN: u64 = 4;
const ROWS: u32 = 380;
/// The most permits that are reserved at once.
const BATCH: NonZeroU32 = NonZeroU32::new(3).expect("not zero");
const SECOND: SignedDuration = SignedDuration::from_secs(1);

type LaneReceivers = Vec<(LaneKey, super::BatchReceiver)>;

/// Reserves permits for a delivery. A killed process answers no more.
struct Group {
    store: PaceFile,
    receiver: UnboundedReceiver<GroupRequest>,
}

impl Group {
    /// Returns how many requests there were.
    fn answer(&mut self) -> usize {
        let mut answered = 0;
        while let Ok(request) = self.receiver.try_recv() {
            let answer = self.store.reserve(&request).expect("a file");
            request.answer(answer);
            answered += 1;
        }
        answered
    }
}

struct Month {
    folder: tempfile::TempDir,
    schedule: Arc<Schedule>,
    numbers: LaneNumbers,
    /// In milliseconds since 1970.
    now: Arc<AtomicI64>,
    /// How long it takes to read the clock, in milliseconds.
    read_takes: Arc<AtomicI64>,
    posts: Posts,
    rng: StdRng,
}

impl Month {
    fn new(seed: u64) -> Self {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let schedule = Schedule {
            start: Some(at(START)),
            until: Some(at(UNTIL)),
            window: Some(WINDOW.parse().expect("a window")),
            zones: ZONES.map(|name| Zone::named(name).expect("a zone")).into(),
        };
        let month = Self {
            folder: tempfile::tempdir().expect("a folder"),
            schedule: Arc::new(schedule),
            numbers: LaneNumbers::new(1),
            now: Arc::new(AtomicI64::new(
                (at(START) - SignedDuration::from_hours(30)).as_millisecond(),
            )),
            read_takes: Arc::default(),
            posts: Posts::default(),
            rng: StdRng::seed_from_u64(seed),
        };
        month.plan();
        month
    }

    fn path(&self) -> PathBuf {
        path_in(self.folder.path())
    }

    fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        let read_takes = Arc::clone(&self.read_takes);
        Clock::new(move || {
            let takes = read_takes.load(Ordering::SeqCst);
            time(now.fetch_add(takes, Ordering::SeqCst))
        })
    }

    fn plan(&self) {
        let run = Run {
            name: "month".to_owned(),
            target: Target::Real,
            test_to: None,
            campaign: PathBuf::from("."),
            started: self.clock().now(),
            id_prefix: "00".to_owned(),
            header: vec!["email".to_owned()],
            blank_rows: 0,
            variants: Vec::new(),
            chosen: None,
        };
        let mut planner = Planner::create(&self.path(), &run).expect("a ledger");
        for number in 1..=ROWS {
            let email = format!("a{number}@b.example");
            let row = NewRow {
                number,
                line: number.into(),
                email: &email,
                address: Some(&email),
                cells: &format!("[\"{email}\"]"),
                lane: self.numbers.lane(zone_of(number), domain_of(number)),
                key: None,
                variant: None,
                held_back: false,
                left_out: None,
            };
            planner.add(&row).expect("a row");
        }
        planner.finish(0, run.started).expect("a plan");
    }

    fn pending(&self) -> u64 {
        let ledger = SqliteLedger::open(&self.path()).expect("a ledger");
        ledger.counts().expect("counts").of(Status::Pending)
    }

    /// Until the process is killed, or nothing more may be sent.
    fn session(&mut self) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        // Half of the sessions are killed soon.
        let steps = match self.rng.random() {
            true => self.rng.random_range(1..60),
            false => u32::MAX,
        };
        let counts = runtime.block_on(self.send(steps));
        // A killed process leaves everything as it is.
        drop(runtime);
        // The writer's thread is not killed with it.
        while Arc::strong_count(&counts) > 1 {
            std::thread::yield_now();
        }
    }

    async fn send(&mut self, steps: u32) -> Arc<LiveCounts> {
        // Time goes on in the steps of the test alone.
        let (_stays, ended) = std::sync::mpsc::channel::<()>();
        let _holds_the_clock = tokio::task::spawn_blocking(move || ended.recv());
        let clock = self.clock();
        let writer = open_writer(&self.path(), clock.now()).expect("a writer");
        let counts = Arc::clone(writer.counts());
        let (delivery, feeds, mut group) = self.delivery(&writer, &clock);
        let (_interrupt, interrupted) = watch::channel(false);
        let mut delivery = tokio::spawn(delivery.run(feeds, interrupted));
        for _ in 0..steps {
            let before = self.posted();
            let left = self.closes_in();
            if left > SECOND {
                self.settle(&writer, &mut group).await;
            } else {
                // The schedule closes while rows are claimed.
                self.read_takes.store(400, Ordering::SeqCst);
                for _ in 0..self.rng.random_range(2..10) {
                    tokio::task::yield_now().await;
                }
            }
            self.read_takes.store(0, Ordering::SeqCst);
            if delivery.is_finished() {
                let ending = (&mut delivery).await.expect("no panic").expect("a ledger");
                group.answer();
                match ending {
                    Ending::Closed => self.wait_for_opening(),
                    Ending::Done => {}
                    Ending::Interrupted | Ending::Stopped(_) => panic!("{ending:?}"),
                }
                break;
            }
            // Time goes faster while nothing goes.
            let most = if self.posted() == before { 120 } else { 30 };
            let step = SignedDuration::from_secs(self.rng.random_range(1..=most));
            let step = match left > SECOND {
                true => step.min(left - SECOND),
                false => SECOND * 2,
            };
            self.advance(step).await;
        }
        counts
    }

    fn posted(&self) -> usize {
        self.posts.lock().expect("a lock").len()
    }

    /// Until the next zone closes; a minute or more if none is open.
    fn closes_in(&self) -> SignedDuration {
        let now = self.clock().now();
        let closes = (0..ZONES.len()).filter_map(|zone| match self.schedule.opening(zone, now) {
            Opening::Open(closes) => closes,
            Opening::Closed(_) | Opening::Over => None,
        });
        let closes = closes.map(|closes| closes.duration_since(now)).min();
        closes.unwrap_or(SignedDuration::from_mins(10))
    }

    async fn advance(&self, step: SignedDuration) {
        self.now
            .fetch_add(step.as_millis() as i64, Ordering::SeqCst);
        tokio::time::advance(step.unsigned_abs()).await;
    }

    /// Until one of the rows that are left may go again.
    fn wait_for_opening(&self) {
        let ledger = SqliteLedger::open(&self.path()).expect("a ledger");
        let lanes = ledger.pending_by_lane().expect("lanes").into_iter();
        let zones = lanes.map(|(lane, _)| self.numbers.zone(lane));
        let opens = match self.schedule.first_opening(zones, self.clock().now()) {
            Opening::Closed(opens) => opens,
            Opening::Open(_) => return,
            Opening::Over => self.schedule.until.expect("an end"),
        };
        self.now.store(opens.as_millisecond(), Ordering::SeqCst);
    }

    /// Waits until nothing happens any more at this time.
    async fn settle(&self, writer: &LedgerWriter, group: &mut Group) {
        let (mut quiet, mut before) = (0, self.posted());
        while quiet < 2 {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let answered = group.answer();
            writer.flush().await.expect("a ledger");
            if answered > 0 {
                // The delivery looks for permits every few milliseconds.
                self.advance(SignedDuration::from_millis(10)).await;
            }
            let posted = self.posted();
            let is_quiet = answered == 0 && posted == before;
            quiet = if is_quiet { quiet + 1 } else { 0 };
            before = posted;
        }
    }

    fn delivery(
        &mut self,
        writer: &LedgerWriter,
        clock: &Clock,
    ) -> (Delivery<FakeServer>, LaneReceivers, Group) {
        let ledger = SqliteLedger::open(&self.path()).expect("a ledger");
        let yesterday = clock.now() - SignedDuration::from_hours(24);
        let posted = |domain| ledger.posted_since(yesterday, domain).expect("minutes");
        let all = rates(&["60/min".to_owned(), format!("{PER_DAY}/day")]);
        let ramp = rates(&RAMP.map(|count| format!("{count}/day")));
        let zone = TimeZone::get(ZONES[0]).expect("a zone");
        let day = GroupDay::new(&all, &ramp, zone).expect("limits per day");
        let file = self.folder.path().join("pace.db");
        let store = PaceFile::open(&file, "group", day.clone()).expect("a file");
        let (requests, receiver) = unbounded_channel();
        let group = GroupLimit::new(&day, &all, BATCH, requests);
        let own = RateLimits::new(&all, BATCH, posted(None));
        let limit: Box<dyn RateLimit> = Box::new(BothLimits(Box::new(own), Box::new(group)));
        let of_domain = rates(&[format!("{PER_DOMAIN}/day")]);
        let of_domain = RateLimits::new(&of_domain, BATCH, posted(Some(1)));
        let lanes = ledger.pending_by_lane().expect("lanes");
        let feeds = lanes.iter().zip(0..).map(|((lane, _), index)| {
            let key = LaneKey {
                zone: self.numbers.zone(*lane),
                domain: self.numbers.domain(*lane),
            };
            (key, feed(&self.path(), *lane, index, lanes.len()))
        });
        let feeds = feeds.collect();
        let (waiting, _) = watch::channel(WaitReason::Pace);
        let server = FakeServer {
            now: Arc::clone(&self.now),
            read_takes: Arc::clone(&self.read_takes),
            posts: Arc::clone(&self.posts),
            rng: Mutex::new(StdRng::from_rng(&mut self.rng)),
        };
        let settings = DeliverySettings {
            limit,
            batch_size: BATCH,
            domains: vec![Box::new(of_domain)],
            schedule: Some(Arc::clone(&self.schedule)),
            concurrency: NonZeroU32::new(4).expect("some"),
            retry: RetrySettings {
                attempts: 100,
                max_delay: Duration::from_secs(30),
            },
            breaker: BreakerSettings {
                messages: NonZeroU32::MIN,
                share: 1.0,
            },
            worker: None,
            limits_failed: None,
            clock: clock.clone(),
        };
        let rng = Box::new(StdRng::seed_from_u64(0));
        let delivery = Delivery::new(server, writer.clone(), settings, rng, waiting);
        (delivery, feeds, Group { store, receiver })
    }
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).expect("a time")
}

fn rates(texts: &[String]) -> Vec<Rate> {
    let rates = texts.iter().map(|text| text.parse().expect("a rate"));
    rates.collect()
}

/// Half of the rows are in Warsaw.
fn zone_of(row: u32) -> usize {
    [0, 1, 0, 2][row as usize % 4]
}

/// A ninth of the rows are of the domain with its own limit.
fn domain_of(row: u32) -> u32 {
    u32::from(row.is_multiple_of(9))
}

/// Feeds a lane, a request for each row.
fn feed(path: &Path, lane: u32, index: u32, queues: usize) -> super::BatchReceiver {
    let (mut queue, feed) = Queue::new(NonZeroU32::new(4).expect("some"), NonZeroU32::MIN, queues);
    let mut rows = PendingRows::open(path, lane, u32::MAX).expect("a ledger");
    std::thread::spawn(move || {
        while let Ok(Page::Rows(page)) = rows.next_page() {
            for row in page {
                if queue
                    .put(batch(row.row.number, row.attempts, index))
                    .is_err()
                {
                    return;
                }
            }
        }
        let _ = queue.hand_over();
    });
    feed
}

fn batch(row: u32, attempts: u32, lane: u32) -> Batch {
    Batch {
        rows: vec![BatchRow {
            row,
            attempts,
            alone: false,
        }],
        request: PostRequest {
            to: Vec::new(),
            sender: Address::parse("a@x.example").expect("an address"),
            copies: Vec::new(),
            body: RequestBody(vec![bytes::Bytes::copy_from_slice(&row.to_le_bytes())]),
        },
        message: None,
        lane,
        is_retry: false,
    }
}

#[test]
fn a_month_keeps_windows_zones_ramp_and_limits_also_with_kills() {
    let mut month = Month::new(1);
    let end: Timestamp = UNTIL.parse().expect("a time");
    let mut sessions = 0;
    // If sessions end too early, the posts show why.
    while month.clock().now() < end && month.pending() > 0 && sessions < 400 {
        month.session();
        sessions += 1;
    }
    // Rows that were in flight at the last kill are unknown from now on.
    drop(open_writer(&month.path(), month.clock().now()));
    assert!(sessions > 40, "{sessions} sessions");
    month.check();
}
