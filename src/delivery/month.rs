//! A month of a run with windows in several time zones, a ramp and limits a day, with a clock that the test sets. The process
//! is killed at random moments, and goes on from the ledger.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;

use super::batch::{Batch, BatchRow};
use super::{Delivery, DeliverySettings, Ending, LaneKey, Queue, WaitReason};
use crate::address::Address;
use crate::campaign::{BreakerSettings, RetrySettings};
use crate::clock::Clock;
use crate::ledger::sqlite::{NewRow, PendingRows, Planner, SqliteLedger, open_writer, path_in};
use crate::ledger::{Ledger as _, Page, RowSource as _, Run, Status, Target};
use crate::outcome::{Blame, PostOutcome, RecipientOutcome};
use crate::pace::{
    BothLimits, GroupAnswer, GroupDay, GroupLimit, GroupRequest, LaneNumbers, Rate, RateLimit,
    RateLimits,
};
use crate::pace_group::{PaceFile, PaceStore as _};
use crate::schedule::{Opening, Schedule, Zone};
use crate::transport::{PostRequest, RequestBody, Transport};

const ZONES: [&str; 3] = ["Europe/Warsaw", "America/New_York", "Asia/Kathmandu"];
/// Clocks go back in Warsaw on 25 October, and in New York on 1 November 2026.
const START: &str = "2026-10-20T07:00:00Z";
const UNTIL: &str = "2026-11-19T12:00:00Z";
const RAMP: [u64; 4] = [5, 10, 20, 30];
const PER_DOMAIN: u64 = 4;
const ROWS: u32 = 600;
/// Not a divisor of a minute, so that no step falls on all openings.
const STEP: SignedDuration = SignedDuration::from_secs(37);

type Posts = Arc<Mutex<Vec<(Timestamp, u32)>>>;

/// Takes requests, and sometimes refuses them or says nothing.
struct FakeServer {
    clock: Clock,
    posts: Posts,
    rng: Mutex<StdRng>,
}

impl Transport for FakeServer {
    async fn post(&self, request: &PostRequest) -> PostOutcome {
        let row = u32::from_le_bytes(request.body.0[0][..4].try_into().expect("a row"));
        let chance: f64 = self.rng.lock().expect("a lock").random();
        self.posts
            .lock()
            .expect("a lock")
            .push((self.clock.now(), row));
        let not_taken = |blame| PostOutcome::NotTaken {
            blame,
            reason: "busy".to_owned(),
            wait: None,
        };
        match chance {
            0.0..0.02 => not_taken(Blame::Request),
            0.02..0.03 => not_taken(Blame::Server),
            _ => {
                // Long enough that a kill finds requests in flight.
                tokio::time::sleep(Duration::from_secs(60)).await;
                PostOutcome::Settled(vec![RecipientOutcome::Accepted {
                    message_id: row.to_string(),
                }])
            }
        }
    }
}

/// Reserves permits for a delivery. A killed process answers no more.
struct Group {
    store: PaceFile,
    receiver: UnboundedReceiver<GroupRequest>,
    /// How often permits were granted.
    grants: u32,
}

impl Group {
    fn answer(&mut self) {
        while let Ok(request) = self.receiver.try_recv() {
            let answer = self.store.reserve(&request).expect("a file");
            self.grants += u32::from(matches!(answer, GroupAnswer::Granted(..)));
            request.permits.answer(answer, request.asked);
        }
    }
}

struct Month {
    folder: tempfile::TempDir,
    schedule: Arc<Schedule>,
    numbers: LaneNumbers,
    now: Arc<AtomicI64>,
    posts: Posts,
    rng: StdRng,
}

impl Month {
    fn new(seed: u64) -> Self {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let schedule = Schedule {
            start: Some(at(START)),
            until: Some(at(UNTIL)),
            window: Some(
                "Mon-Fri 09:00-17:00, Sat 22:00-02:30"
                    .parse()
                    .expect("a window"),
            ),
            zones: ZONES.map(|name| Zone::named(name).expect("a zone")).into(),
        };
        let month = Self {
            folder: tempfile::tempdir().expect("a folder"),
            schedule: Arc::new(schedule),
            numbers: LaneNumbers::new(1),
            now: Arc::new(AtomicI64::new(
                (at(START) - SignedDuration::from_hours(30)).as_second(),
            )),
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
        Clock::new(move || Timestamp::from_second(now.load(Ordering::SeqCst)).expect("a time"))
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
        let steps = self.rng.random_range(1..700);
        let counts = runtime.block_on(self.send(steps));
        // A killed process leaves everything as it is.
        drop(runtime);
        // The writer's thread is not killed with it.
        while Arc::strong_count(&counts) > 1 {
            std::thread::yield_now();
        }
    }

    async fn send(&mut self, steps: u32) -> Arc<crate::ledger::LiveCounts> {
        // Time goes on in the steps of the test alone.
        let (_stays, ended) = std::sync::mpsc::channel::<()>();
        let _holds_the_clock = tokio::task::spawn_blocking(move || ended.recv());
        let clock = self.clock();
        let writer = open_writer(&self.path(), clock.now()).expect("a writer");
        let counts = Arc::clone(writer.counts());
        let (delivery, feeds, mut group) = self.delivery(&writer, &clock);
        let (_interrupt, interrupted) = watch::channel(false);
        let mut delivery = tokio::spawn(delivery.run(feeds, interrupted));
        let (mut ended, mut before) = (None, (0, 0));
        for _ in 0..steps {
            self.settle(&writer, &mut group).await;
            if delivery.is_finished() {
                ended = Some((&mut delivery).await.expect("no panic").expect("a ledger"));
                break;
            }
            // Time goes faster while nothing can go.
            let (posts, grants) = (self.posts.lock().expect("a lock").len(), group.grants);
            let step = match (posts, grants) == before {
                true => STEP * 11,
                false => STEP,
            };
            before = (posts, grants);
            self.now.fetch_add(step.as_secs(), Ordering::SeqCst);
            tokio::time::advance(step.unsigned_abs()).await;
        }
        match ended {
            // Until something may be sent again.
            Some(Ending::Closed) => {
                group.answer();
                let ledger = SqliteLedger::open(&self.path()).expect("a ledger");
                let lanes = ledger.pending_by_lane().expect("lanes").into_iter();
                let zones = lanes.map(|(lane, _)| self.numbers.zone(lane));
                let opens = match self.schedule.first_opening(zones, clock.now()) {
                    Opening::Closed(opens) => opens,
                    Opening::Open(_) => clock.now(),
                    Opening::Over => self.schedule.until.expect("an end"),
                };
                self.now.store(opens.as_second(), Ordering::SeqCst);
            }
            Some(Ending::Done) | None => {}
            Some(ending) => panic!("{ending:?}"),
        }
        counts
    }

    /// Waits until nothing happens any more at this time.
    async fn settle(&self, writer: &crate::ledger::LedgerWriter, group: &mut Group) {
        let mut quiet = 0;
        let mut before = 0;
        while quiet < 3 {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            group.answer();
            writer.flush().await.expect("a ledger");
            let posts = self.posts.lock().expect("a lock").len();
            quiet = if posts == before { quiet + 1 } else { 0 };
            before = posts;
        }
    }

    #[allow(clippy::type_complexity)]
    fn delivery(
        &mut self,
        writer: &crate::ledger::LedgerWriter,
        clock: &Clock,
    ) -> (
        Delivery<FakeServer>,
        Vec<(LaneKey, super::BatchReceiver)>,
        Group,
    ) {
        let ledger = SqliteLedger::open(&self.path()).expect("a ledger");
        let yesterday = clock.now() - SignedDuration::from_hours(24);
        let posted = |domain| ledger.posted_since(yesterday, domain).expect("minutes");
        let rates: Vec<Rate> = vec!["20/min".parse().expect("a rate")];
        let day = self.group_day();
        let file = self.folder.path().join("pace.db");
        let store = PaceFile::open(&file, "group", day.clone()).expect("a file");
        let (requests, receiver) = unbounded_channel();
        let group = GroupLimit::new(&day, &rates, NonZeroU32::MIN, requests);
        let own = RateLimits::new(&rates, NonZeroU32::MIN, posted(None));
        let limit: Box<dyn RateLimit> = Box::new(BothLimits(Box::new(own), Box::new(group)));
        let of_domain: Rate = format!("{PER_DOMAIN}/day").parse().expect("a rate");
        let of_domain = RateLimits::new(&[of_domain], NonZeroU32::MIN, posted(Some(1)));
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
            clock: clock.clone(),
            posts: Arc::clone(&self.posts),
            rng: Mutex::new(StdRng::from_rng(&mut self.rng)),
        };
        let settings = DeliverySettings {
            limit,
            batch_size: NonZeroU32::MIN,
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
            clock: clock.clone(),
        };
        let rng = Box::new(StdRng::seed_from_u64(0));
        let delivery = Delivery::new(server, writer.clone(), settings, rng, waiting);
        (
            delivery,
            feeds,
            Group {
                store,
                receiver,
                grants: 0,
            },
        )
    }

    fn group_day(&self) -> GroupDay {
        GroupDay {
            per_day: None,
            ramp: RAMP.to_vec(),
            zone: TimeZone::get(ZONES[0]).expect("a zone"),
        }
    }

    /// Every request that was posted, against windows and limits that are written down here once more.
    fn check(&self) {
        let mut posts = self.posts.lock().expect("a lock").clone();
        posts.sort_unstable();
        let warsaw = TimeZone::get(ZONES[0]).expect("a zone");
        let mut days = BTreeMap::new();
        for (index, (at, row)) in posts.iter().enumerate() {
            let zone = TimeZone::get(ZONES[zone_of(*row)]).expect("a zone");
            assert!(is_in_window(&at.to_zoned(zone)), "row {row} went at {at}");
            assert!(*at >= START.parse().expect("a time") && *at < UNTIL.parse().expect("a time"));
            let first =
                posts.partition_point(|(other, _)| *other <= *at - SignedDuration::from_hours(24));
            let last_day = &posts[first..=index];
            let date = at.to_zoned(warsaw.clone()).date();
            let next_day = days.len();
            let day: usize = *days.entry(date).or_insert(next_day);
            let most = RAMP[day.min(RAMP.len() - 1)];
            assert!(
                last_day.len() as u64 <= most,
                "{} by {at}, day {day}",
                last_day.len()
            );
            let domain = last_day
                .iter()
                .filter(|(_, row)| domain_of(*row) == 1)
                .count();
            assert!(
                domain as u64 <= PER_DOMAIN,
                "{domain} of the domain by {at}"
            );
        }
        let ledger = SqliteLedger::open(&self.path()).expect("a ledger");
        let (mut accepted, mut unknown) = (0, 0);
        for row in ledger.rows(0, ROWS).expect("rows") {
            match row.status {
                Status::Accepted => accepted += 1,
                Status::Pending => {}
                // Its request was in flight at a kill.
                Status::Unknown | Status::Sending => unknown += 1,
                status => panic!("row {} is {status}", row.number),
            }
        }
        assert!(accepted > 300, "only {accepted} of {ROWS} were sent");
        assert!(unknown > 0, "no kill found a request in flight");
        assert!(days.len() > 20, "only {} days", days.len());
    }
}

/// From Monday to Friday 9 to 17, and in the night after Saturday.
fn is_in_window(at: &jiff::Zoned) -> bool {
    let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
    match at.weekday() {
        Weekday::Saturday => minute >= 22 * 60,
        Weekday::Sunday => minute < 150,
        _ => (540..1020).contains(&minute),
    }
}

fn zone_of(row: u32) -> usize {
    row as usize % ZONES.len()
}

/// A fifth of the rows are of the domain with its own limit.
fn domain_of(row: u32) -> u32 {
    u32::from(row.is_multiple_of(5))
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
    while month.clock().now() < end && month.pending() > 0 {
        month.session();
        sessions += 1;
    }
    assert!(sessions > 40, "{sessions} sessions");
    month.check();
}
