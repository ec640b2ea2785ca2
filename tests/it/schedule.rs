//! `[schedule]` and `--at`: when requests begin, with a clock that the tests set.

use std::fs;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::results::Results;
use crate::support::run::{Run, Running};
use crate::support::screen::Screen;
use crate::support::send::{campaign, send, status};
use crate::support::shim::Shim;

const HOUR: i64 = 3600;

/// A time so many hours from now, as `campaign.toml` has it.
fn in_hours(hours: i64) -> String {
    let time = Timestamp::now() + SignedDuration::from_hours(hours);
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A window of two hours that began an hour ago in UTC.
fn open_now() -> String {
    let hour = |hours| {
        let time = Timestamp::now() + SignedDuration::from_hours(hours);
        time.strftime("%H:%M").to_string()
    };
    format!("{}-{}", hour(-1), hour(1))
}

fn scheduled(api: &FakeApi, start: i64) -> Campaign {
    campaign(api)
        .set("schedule.timezone", "UTC")
        .set("schedule.start", in_hours(start))
}

fn waits(running: &Running) {
    running.wait_until("it waits", |it| it.stderr().contains("Waiting until"));
}

#[test]
fn a_run_waits_for_its_start_also_after_a_kill() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::taking_all();
    let campaign = scheduled(&api, 30);
    let running = shim.clock(send(&campaign)).spawn();
    waits(&running);
    let ran = running.kill();
    ran.stderr_has("begins: ")
        .stderr_has(" +00:00 (UTC), in 1d ");
    let run = PathBuf::from(ran.stdout.trim());
    assert_eq!(status(&run)["counts"]["pending"], 3);

    // The schedule is that of the run, not of the file.
    let campaign = campaign.unset("schedule");
    let running = shim.clock(Run::on("resume", &run)).spawn();
    waits(&running);
    let waiting = status(&run);
    assert_eq!(waiting["schedule"]["timezone"], "UTC");
    assert_eq!(waiting["schedule"]["left"], 0);
    assert_eq!(api.connections(), 0);
    shim.shift_clock(31 * HOUR);
    running.wait().code(0);
    assert_eq!(api.taken().len(), 3);
    drop(campaign);
}

#[test]
fn a_run_that_lost_its_schedule_is_not_sent() {
    let api = FakeApi::taking_all();
    for with_table in [true, false] {
        let campaign = match with_table {
            true => scheduled(&api, 30),
            false => campaign(&api),
        };
        let send = send(&campaign).env("TZ", "Europe/Warsaw");
        let running = send.args(["--at", "+30h"]).spawn();
        waits(&running);
        running.signal(Signal::TERM);
        let run = running.wait().code(130).run_dir();
        let file = run.join("frozen/.schedule.toml");
        let schedule = fs::read(&file).expect("a schedule");
        fs::remove_file(&file).expect("it is there");
        Run::on("resume", &run)
            .run()
            .code(1)
            .stderr_has("the schedule of the run is missing: ")
            .stderr_has("put the file back");
        assert_eq!(api.connections(), 0);
        fs::write(&file, schedule).expect("it can be written");
        let running = Run::on("resume", &run).spawn();
        waits(&running);
        running.kill();
    }
}

/// Ledgers of earlier versions don't say whether there is a schedule.
#[test]
fn a_run_that_never_had_a_schedule_is_resumed() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    for is_old in [false, true] {
        let sent = send(&campaign).args(["--limit", "1", "--again"]).run();
        let run = sent.code(5).run_dir();
        if is_old {
            let ledger = Connection::open(run.join("ledger.db")).expect("the ledger");
            let dropped = ledger.execute_batch("ALTER TABLE run DROP COLUMN scheduled");
            dropped.expect("it can be written");
        }
        Run::on("resume", &run).run().code(0);
    }
    assert_eq!(api.taken().len(), 6);
}

#[test]
fn an_interrupt_ends_the_wait_and_a_resume_goes_on_with_it() {
    let api = FakeApi::taking_all();
    let campaign = scheduled(&api, 30);
    let running = send(&campaign).spawn();
    waits(&running);
    running.signal(Signal::TERM);
    let run = running.wait().code(130).run_dir();
    Run::new("status")
        .arg(&run)
        .run()
        .code(0)
        .stdout_has("begins:")
        .stdout_has("in 1d ");
    Run::on("resume", &run)
        .arg("--ignore-schedule")
        .run()
        .code(0);
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn a_start_in_the_past_begins_at_once() {
    let api = FakeApi::taking_all();
    let campaign = scheduled(&api, -5);
    let ran = send(&campaign).run();
    ran.code(0)
        .stderr_has("is past")
        .stderr_lacks("Waiting until");
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn after_the_end_rows_stay_pending() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::taking_all();
    let campaign = scheduled(&api, 30).set("schedule.until", in_hours(31));
    let running = shim.clock(send(&campaign)).spawn();
    waits(&running);
    shim.shift_clock(32 * HOUR);
    let ran = running.wait();
    ran.code(5)
        .stderr_has("Stopped: the schedule ended at ")
        .stderr_has("--ignore-schedule");
    let run = ran.run_dir();
    assert_eq!(Results::of(&run).counts(), [("pending", 3)].into());
    shim.clock(Run::on("resume", &run)).run().code(5);
    assert_eq!(api.connections(), 0);
    let now = shim.clock(Run::on("resume", &run)).arg("--ignore-schedule");
    now.run().code(0);
    assert_eq!(api.taken().len(), 3);

    let ended = Campaign::new()
        .set("schedule.timezone", "UTC")
        .set("schedule.until", in_hours(-1));
    send(&ended)
        .run()
        .code(1)
        .stderr_has("the schedule ends at");
}

#[test]
fn a_row_goes_when_the_window_is_open_in_its_zone() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::taking_all();
    let campaign = campaign(&api)
        .recipients(
            "email,first_name,tz\nann@one.example,Ann,\nbob@two.example,Bob,+12:00\n\
             cleo@one.example,Cleo,Nowhere\ndan@two.example,Dan,+12:00\n",
        )
        .set("schedule.timezone", "UTC")
        .set("schedule.timezone_column", "tz")
        .set("schedule.window", open_now())
        .set("pace.per_domain", toml::toml! { "two.example" = "100/s" });
    let running = shim.clock(send(&campaign)).spawn();
    waits(&running);
    let taken: Vec<_> = api.taken().into_iter().map(|it| it.address).collect();
    assert_eq!(taken, ["ann@one.example", "cleo@one.example"]);
    shim.shift_clock(12 * HOUR);
    let run = running.wait().code(0).run_dir();
    assert_eq!(api.taken().len(), 4);
    assert_eq!(Results::of(&run).counts(), [("accepted", 4)].into());
}

/// Exit code 1 would mean that nothing was sent.
#[test]
fn an_error_after_a_pause_can_be_resumed() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::taking_all();
    let campaign = campaign(&api)
        .recipients("email,first_name,tz\nann@one.example,Ann,\nbob@two.example,Bob,+12:00\n")
        .set("pace.rate", vec!["100/day"])
        .set("schedule.timezone", "UTC")
        .set("schedule.timezone_column", "tz")
        .set("schedule.window", open_now());
    let running = shim.clock(send(&campaign)).spawn();
    waits(&running);
    assert_eq!(api.taken().len(), 1);
    let counted = campaign.path().join("runs/pace.db");
    fs::write(&counted, "not a database any more").expect("it can be written");
    shim.shift_clock(12 * HOUR);
    let ran = running.wait();
    ran.code(5)
        .stderr_has("can't count the posted recipients in ")
        .stderr_has("a ramp begins with its first day");
    fs::remove_file(&counted).expect("it is there");
    shim.clock(Run::on("resume", &ran.run_dir())).run().code(0);
    assert_eq!(api.taken().len(), 2);
}

#[test]
fn rows_of_the_zone_that_closes_first_go_first() {
    let api = FakeApi::taking_all();
    let mut recipients = "email,first_name,tz\n".to_owned();
    for row in 0..40 {
        // It is later in the campaign's zone.
        let zone = ["UTC", ""][row % 2];
        recipients.push_str(&format!("a{row}@one.example,A,{zone}\n"));
    }
    let campaign = campaign(&api)
        .recipients(recipients)
        .set("pace.rate", vec!["20/s"])
        .set("schedule.timezone", "+00:30")
        .set("schedule.timezone_column", "tz")
        .set("schedule.window", open_now());
    send(&campaign).run().code(0);
    let taken = api.taken();
    // At the beginning, the rows of one zone may be read before those of the other.
    let is_odd = |number: &str| number.parse::<u32>().is_ok_and(|number| number % 2 == 1);
    let first = taken[..22].iter().filter(|it| {
        let number = it.address.trim_start_matches('a').split('@').next();
        number.is_some_and(is_odd)
    });
    assert!(first.count() >= 14, "{taken:?}");
}

#[test]
fn rows_of_zones_that_open_are_sent_although_others_never_open() {
    let api = FakeApi::taking_all();
    let until = Timestamp::now() + SignedDuration::from_hours(2);
    // It is night in the campaign's zone.
    let campaign = campaign(&api)
        .set("schedule.timezone", "+12:00")
        .set("schedule.timezone_column", "tz")
        .set("schedule.window", open_now())
        .set(
            "schedule.until",
            until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        )
        .recipients("email,first_name,tz\nann@one.example,Ann,UTC\nbob@two.example,Bob,\n");
    let dry_run = Run::new("send").arg(campaign.path()).arg("--dry-run");
    dry_run
        .run()
        .code(0)
        .stdout_has("note:       1 row will stay pending");
    let ran = send(&campaign).run();
    ran.code(5)
        .stderr_has(
            "1 row will stay pending: the window does not open before the end of the schedule, ",
        )
        .stderr_has(", in +12:00");
    assert_eq!(
        Results::of(ran.run_dir()).counts(),
        [("accepted", 1), ("pending", 1)].into()
    );
    let none = campaign.recipients("email,first_name,tz\nann@one.example,Ann,+11:00\n");
    for option in ["--again", "--dry-run"] {
        let ran = send(&none).arg(option).run();
        ran.code(1)
            .stderr_has("nothing can be sent: the window does not open before");
    }
    assert_eq!(api.taken().len(), 1);
}

#[test]
fn the_question_says_when_the_first_row_goes_and_the_day_of_the_ramp() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api)
        .set("pace.ramp", vec!["500/day", "1000/day"])
        .set("schedule.timezone", "+00:00")
        .set("schedule.timezone_column", "tz")
        .set("schedule.start", "2100-06-01 00:00")
        .set("schedule.window", "09:00-10:00")
        .recipients("email,first_name,tz\nann@one.example,Ann,-05:00\n");
    let send = Run::new("send").arg(campaign.path()).keys();
    let mut screen = Screen::start(send, 40, 300);
    screen.until(", beginning Tue 2100-06-01 14:00 +00:00");
    let shown = screen.contents();
    assert!(shown.contains("ramp: day 1 of 2, 500 a day"), "{shown}");
    assert_eq!(screen.keys("n\n").end(), Some(1));
}

#[test]
fn a_limit_of_rows_holds_over_windows() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::taking_all();
    let campaign = campaign(&api)
        .recipients(
            "email,first_name,tz\nann@one.example,Ann,\nbob@two.example,Bob,+12:00\n\
             cleo@one.example,Cleo,+12:00\n",
        )
        .set("schedule.timezone", "UTC")
        .set("schedule.timezone_column", "tz")
        .set("schedule.window", open_now());
    let running = shim.clock(send(&campaign).args(["--limit", "2"])).spawn();
    waits(&running);
    shim.shift_clock(12 * HOUR);
    running.wait().code(5);
    assert_eq!(api.taken().len(), 2);
}

#[test]
fn who_unsubscribes_during_the_wait_gets_nothing() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::taking_all();
    let campaign = scheduled(&api, 30)
        .file("gone.csv", "nobody@one.example\n")
        .set("recipients.suppress", vec!["gone.csv"]);
    let running = shim.clock(send(&campaign)).spawn();
    waits(&running);
    let campaign = campaign.file("gone.csv", "bob@two.example\n");
    shim.shift_clock(31 * HOUR);
    let ran = running.wait();
    ran.code(0)
        .stderr_has("1 row skipped: on a suppression list now");
    assert_eq!(api.taken().len(), 2);
    drop(campaign);
}

#[test]
fn at_replaces_the_start_and_is_kept() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::taking_all();
    let campaign = scheduled(&api, 300);
    let running = shim.clock(send(&campaign).args(["--at", "+2h"])).spawn();
    waits(&running);
    let ran = running.kill();
    ran.stderr_has(" +00:00 (UTC), in 2h");
    let run = PathBuf::from(ran.stdout.trim());
    let running = shim.clock(Run::on("resume", &run)).spawn();
    waits(&running);
    shim.shift_clock(3 * HOUR);
    running.wait().code(0);
    assert_eq!(api.taken().len(), 3);

    let at = |time: &str| send(&campaign).args(["--again", "--at", time]).run();
    at("someday")
        .code(2)
        .stderr_has("is not a time: write for example");
    at("2020-01-01 09:00")
        .code(2)
        .stderr_has("--at is in the past: Wed 2020-01-01 09:00");
    let both = send(&campaign).args(["--local", "--at", "+2h"]);
    both.run().code(2).stderr_has("cannot be used with");
}

#[test]
fn a_dry_run_says_when_it_begins_pauses_and_ends() {
    let campaign = Campaign::new()
        .rows(3_000)
        .set("pace.rate", vec!["1000/day"])
        .set("schedule.timezone", "Europe/Warsaw")
        .set("schedule.start", "2100-06-01 09:00")
        .set("schedule.window", vec!["Mon-Fri 09:00-17:00"]);
    let dry_run = Run::new("send").arg(campaign.path()).arg("--dry-run");
    dry_run
        .run()
        .code(0)
        .stdout_has("begins:     Tue 2100-06-01 09:00 +02:00 (Europe/Warsaw), in ")
        .stdout_has("pauses:     Tue 2100-06-01 ")
        .stdout_has("until Wed 2100-06-02 ")
        .stdout_has("ends:       about Thu 2100-06-03 ");
}

#[test]
fn local_runs_and_tests_ignore_the_schedule() {
    let api = FakeApi::taking_all();
    let campaign = scheduled(&api, 30);
    let local = Run::new("send").arg(campaign.path()).arg("--local").run();
    local.code(0).stderr_lacks("Waiting until");
    let test = send(&campaign)
        .args(["--test-to", "me@sender.example"])
        .run();
    test.code(0).stderr_lacks("Waiting until");
    assert_eq!(api.taken().len(), 1);
}

#[test]
fn mistakes_in_the_schedule() {
    let error = |key: &str, value: &str, message: &str| {
        let campaign = Campaign::new()
            .set("schedule.timezone", "Europe/Warsaw")
            .set(key, value);
        let ran = Run::new("check").arg(campaign.path()).run();
        ran.code(1).stdout_has(message);
    };
    error("schedule.timezone", "Warsaw", "“Warsaw” is not a time zone");
    error(
        "schedule.start",
        "tomorrow 9:00",
        "“tomorrow 9:00” is not a time",
    );
    error(
        "schedule.start",
        "2026-03-29 02:30",
        "the clocks are set forward over it",
    );
    error("schedule.window", "Mon-Fri 9-17", "is not a time of day");
    error("schedule.window", "Mon-Fri", "has no hours");
    error(
        "schedule.timezone_column",
        "tz",
        "`timezone_column` has no effect without `window`",
    );
    error("schedule.windows", "Mon", "unknown key `windows`");
    let ends_before = Campaign::new()
        .set("schedule.timezone", "UTC")
        .set("schedule.start", "2100-06-01 09:00")
        .set("schedule.until", "2100-06-01 08:00");
    let ran = Run::new("check").arg(ends_before.path()).run();
    ran.code(1).stdout_has("`until` is not after `start`");
}
