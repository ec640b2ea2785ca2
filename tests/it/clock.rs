//! The time of day jumps during a run: only what means the time of day depends on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{addresses, campaign, send};
use crate::support::shim::Shim;

const HOUR: i64 = 3600;
const JUMPS: [i64; 2] = [HOUR, -HOUR];

/// An API that takes everything, and makes the clock jump at a request.
fn jumping(shim: &Arc<Shim>, at: usize, seconds: i64) -> FakeApi {
    let shim = Arc::clone(shim);
    FakeApi::start(move |n, _| {
        if n == at {
            shim.shift_clock(seconds);
        }
        Reply::Take
    })
}

/// Checks that `status`, run under the shim's clock, reports possible values.
fn status_makes_sense(shim: &Shim, run: &Path) {
    let text = shim.clock(Run::new("status").arg(run)).run();
    text.code(0).stdout_lacks(" -").stderr_is("");
    let json = Run::new("status").arg(run).args(["--format", "json"]);
    let json = shim.clock(json).run();
    let status: serde_json::Value = serde_json::from_str(&json.code(0).stdout).expect("JSON");
    for field in ["rate", "eta_seconds"] {
        let sense = status[field]
            .as_f64()
            .map_or(status[field].is_null(), |it| it >= 0.0);
        assert!(sense, "{field}: {status}");
    }
}

#[test]
fn the_pace_and_the_order_hold_when_the_clock_jumps() {
    for seconds in JUMPS {
        let Some(shim) = Shim::new().map(Arc::new) else {
            return;
        };
        let api = jumping(&shim, 15, seconds);
        let campaign = campaign(&api)
            .rows(40)
            .set("pace.rate", vec!["40/s"])
            .set("pace.concurrency", 1);
        let running = shim.clock(send(&campaign)).spawn();
        let run = PathBuf::from(running.first_line());
        running.wait_until("some after the jump", |_| api.taken().len() >= 20);
        status_makes_sense(&shim, &run);
        running.wait().code(0).stderr_lacks("panicked");
        status_makes_sense(&shim, &run);

        let came = api.arrivals();
        let took = came[39] - came[0];
        // 39 gaps of 25 ms, less a burst.
        assert!(took >= Duration::from_millis(900), "{seconds} s: {took:?}");
        let order: Vec<_> = api.taken().into_iter().map(|taken| taken.address).collect();
        let results = Results::of(&run);
        let rows: Vec<_> = results
            .rows
            .iter()
            .map(|row| row["email"].clone())
            .collect();
        assert_eq!(order, rows, "{seconds} s");
        assert_eq!(results.counts(), [("accepted", 40)].into());
        let finished = |row: usize| -> Timestamp {
            let at = &results.rows[row]["finished_at"];
            at.parse().expect("RFC 3339")
        };
        let jumped = finished(39).duration_since(finished(0)).as_secs() - seconds;
        assert!(
            (-300..300).contains(&jumped),
            "the clock of the program did jump"
        );
    }
}

#[test]
fn a_jump_does_not_change_a_wait_in_seconds() {
    for seconds in JUMPS {
        let Some(shim) = Shim::new().map(Arc::new) else {
            return;
        };
        let jumper = Arc::clone(&shim);
        let api = FakeApi::start(move |n, _| {
            if n != 2 {
                return Reply::Take;
            }
            jumper.shift_clock(seconds);
            Reply::too_many(Some("1"))
        });
        let campaign = campaign(&api).rows(5).set("pace.concurrency", 1);
        let run = shim.clock(send(&campaign)).run().code(0).run_dir();
        let came = api.arrivals();
        let waited = came[3] - came[2];
        assert!(waited >= Duration::from_secs(1), "{seconds} s: {waited:?}");
        assert_eq!(api.taken_addresses(), addresses(&Results::of(run)));
    }
}

/// An HTTP date.
fn date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[test]
fn a_wait_until_a_date_uses_the_clock_of_the_server() {
    for seconds in JUMPS {
        let Some(shim) = Shim::new().map(Arc::new) else {
            return;
        };
        let jumper = Arc::clone(&shim);
        let api = FakeApi::start(move |n, _| {
            if n != 2 {
                return Reply::Take;
            }
            jumper.shift_clock(seconds);
            let now = Timestamp::now();
            Reply::error(429, "Too many requests")
                .header("Date", &date(now))
                .header("Retry-After", &date(now + SignedDuration::from_secs(2)))
                .into()
        });
        let campaign = campaign(&api).rows(5).set("pace.concurrency", 1);
        let run = shim.clock(send(&campaign)).run().code(0).run_dir();
        let came = api.arrivals();
        let waited = came[3] - came[2];
        assert!(waited >= Duration::from_secs(2), "{seconds} s: {waited:?}");
        assert_eq!(api.taken_addresses(), addresses(&Results::of(run)));
    }
}

#[test]
fn a_daily_limit_holds_when_the_clock_jumps() {
    std::thread::scope(|scope| {
        for seconds in JUMPS {
            scope.spawn(move || a_full_day(seconds));
        }
    });
}

fn a_full_day(seconds: i64) {
    let Some(shim) = Shim::new().map(Arc::new) else {
        return;
    };
    let api = jumping(&shim, 9, seconds);
    let campaign = campaign(&api)
        .rows(30)
        .set("pace.rate", vec!["1000/s", "20/day"]);
    let full = |run: Run| {
        let running = shim.clock(run).spawn();
        running.wait_until("it says that the day is full", |it| {
            it.stderr().contains("day's limit")
        });
        running.signal(Signal::TERM);
        let ran = running.wait();
        assert_eq!(api.taken().len(), 20, "{seconds} s");
        let (_, until) = (ran.stderr.split_once("waiting until ")).expect("until when");
        let until: Timestamp = format!("{}:00Z", until[..16].replace(' ', "T"))
            .parse()
            .expect("a time");
        // 24 hours after the latest of them, by the clock before or after the jump.
        let latest = Timestamp::now() + SignedDuration::from_secs(25 * HOUR + 120);
        assert!(until <= latest, "{seconds} s: {until}");
        ran.code(130).run_dir()
    };
    let run = full(send(&campaign));
    full(Run::on("resume", &run));
    shim.shift_clock(26 * HOUR);
    shim.clock(Run::on("resume", &run)).run().code(0);
    assert_eq!(api.taken_addresses(), addresses(&Results::of(&run)));
}
