//! SIGTERM and Ctrl-C at any moment: no row is unknown, nothing is left behind, nothing is lost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::kill::{Moment, Watch, unsteady, whole};
use crate::support::promises::Promises;
use crate::support::results::Results;
use crate::support::run::{Ran, Run};
use crate::support::send::{campaign, newsletter, send};

const BOTH: [Signal; 2] = [Signal::TERM, Signal::INT];

/// Starts a command, sends it these signals at a moment, and waits for its end. Returns whether it
/// was still running at the first signal.
fn signalled(
    command: Run,
    watch: &Watch<'_>,
    (moment, then): (Moment, Duration),
    signals: &[Signal],
) -> (Ran, bool) {
    let mut running = command.spawn();
    let came = watch.wait(&mut running, moment, then);
    for signal in signals {
        if !running.has_ended() {
            running.signal(*signal);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    (running.wait(), came)
}

/// Checks a run that was interrupted once: no row is unknown, and the results are written.
fn nothing_unknown(run: &Path, api: &FakeApi) -> usize {
    let results = Results::of(run);
    let promises = Promises::at(&results, api);
    assert_eq!(promises.hold().unknown(), 0);
    assert_eq!(promises.accepted(), promises.taken.len());
    results.count("pending")
}

/// Interrupts `send` and each `resume` after it until one ends by itself. Returns how many were
/// interrupted.
fn interrupted_again_and_again(campaign: &Campaign, api: &FakeApi, rng: &mut StdRng) -> usize {
    let (mut run, mut interrupted): (Option<PathBuf>, _) = (None, 0);
    loop {
        let command = run
            .as_ref()
            .map_or_else(|| send(campaign), |run| Run::on("resume", run));
        let moment = Moment::Requests(rng.random_range(1..20));
        let then = Duration::from_micros(rng.random_range(0..3_000));
        let watch = Watch::new(campaign, api, run.as_deref());
        let signal = BOTH[rng.random_range(0..2)];
        let (ran, came) = signalled(command, &watch, (moment, then), &[signal]);
        let pending = nothing_unknown(run.insert(ran.run_dir()), api);
        if ran.exit() != Some(130) {
            ran.code(0);
            assert_eq!(pending, 0);
            return interrupted;
        }
        assert!(came, "it was not interrupted");
        interrupted += 1;
    }
}

#[test]
fn after_a_signal_while_sending_no_row_is_unknown_and_resume_continues() {
    let mut interrupted = 0;
    for seed in 1..=3 {
        println!("seed {seed}");
        let api = unsteady(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let (batch, concurrency) = ([1, 3][rng.random_range(0..2)], rng.random_range(4..=16));
        let dialect = ["sendmail", "new_sendmail"][rng.random_range(0..2)];
        let campaign = newsletter(&api)
            .rows(150 * batch)
            .set("api.dialect", dialect)
            .set("pace.batch", batch as i64)
            .set("pace.concurrency", concurrency);
        interrupted += interrupted_again_and_again(&campaign, &api, &mut rng);
        assert_eq!(api.taken().len(), 150 * batch, "seed {seed}: each row once");
    }
    assert!(interrupted >= 4, "{interrupted} were interrupted");
}

/// Asserts that an interrupted `send` left no run and sent nothing; or, if it had begun to send, that
/// its run can be resumed. Returns which of the two it was.
fn left_nothing(campaign: &Campaign, api: &FakeApi, ran: &Ran) -> bool {
    if ran.exit() == Some(0) {
        // On a busy machine the signal may come when all is done.
        let results = Results::of(campaign.only_run());
        assert_eq!(Promises::at(&results, api).hold().unknown(), 0);
        return false;
    }
    ran.code(130).stderr_lacks("error");
    if ran.stderr.contains("Nothing was sent") {
        ran.stdout_is("");
        assert_eq!(campaign.runs(), [] as [PathBuf; 0]);
        assert_eq!(api.requests().len(), 0);
        return true;
    }
    let run = campaign.only_run();
    Run::on("resume", &run).args(["--limit", "8"]).run();
    let promises = Promises::at(&Results::of(&run), api);
    assert!(promises.hold().unknown() <= 8);
    false
}

/// A campaign with many folders of templates, which take a while to copy.
fn of_folders(campaign: Campaign, folders: usize) -> Campaign {
    (0..folders).fold(campaign, |campaign, n| {
        campaign.template(&format!("parts/{n}/more.html"), "<p>More</p>")
    })
}

/// Interrupts `send` while it plans, by one signal or by two. Returns how often it had not begun to
/// send.
fn interrupted_while_planning(
    moments: impl IntoIterator<Item = (Moment, u64)>,
    shape: impl Fn(Campaign) -> Campaign,
) -> usize {
    let interrupted = moments.into_iter().enumerate().filter(|(step, moment)| {
        let then = Duration::from_micros(moment.1);
        let api = FakeApi::start(|_, _| Reply::Take.after(Duration::from_millis(5)));
        let campaign = shape(campaign(&api));
        let watch = Watch::new(&campaign, &api, None);
        let signals = &[BOTH[step % 2], Signal::TERM][..=step % 2];
        let (ran, _) = signalled(send(&campaign), &watch, (moment.0, then), signals);
        left_nothing(&campaign, &api, &ran)
    });
    interrupted.count()
}

#[test]
fn a_signal_before_the_first_request_leaves_no_run() {
    let moments = (0..9).map(|step| {
        let moment = [Moment::Folder, Moment::Preflight][step % 2];
        (moment, step as u64 * 700)
    });
    let unplanned = interrupted_while_planning(moments, |campaign| campaign.rows(1_500));
    assert!(unplanned >= 4, "{unplanned} were interrupted in time");
}

#[test]
fn a_signal_while_the_campaign_is_copied_leaves_no_run() {
    let moments = (0..6).map(|step| (Moment::Folder, step * 500));
    let unplanned = interrupted_while_planning(moments, |campaign| of_folders(campaign, 300));
    assert!(unplanned >= 3, "{unplanned} were interrupted in time");
}

#[test]
fn a_signal_while_the_results_are_written_does_no_harm() {
    for signals in [&[Signal::INT][..], &[Signal::TERM, Signal::INT]] {
        let api = FakeApi::taking_all();
        let campaign = campaign(&api).rows(400);
        let watch = Watch::new(&campaign, &api, None);
        let now = (Moment::Results, Duration::ZERO);
        let (ran, _) = signalled(send(&campaign), &watch, now, signals);
        // All was sent: one signal has nothing to cut short; two may come before the end.
        let done = ran.exit() == Some(0) || signals.len() == 2;
        assert!(done, "{ran:?}");
        let run = ran.run_dir();
        whole(&run.join("results.csv"), 400).unwrap_or_else(|why| panic!("{why}"));
        Run::on("resume", &run).run().code(0);
        assert_eq!(nothing_unknown(&run, &api), 0);
        assert_eq!(api.taken().len(), 400);
    }
}

#[test]
fn after_two_signals_only_rows_in_flight_are_unknown() {
    for (seed, (concurrency, batch)) in [(4, 1), (8, 3), (16, 2)].into_iter().enumerate() {
        let api = FakeApi::start(|_, _| Reply::Take.after(Duration::from_millis(30)));
        let campaign = newsletter(&api)
            .rows(300)
            .set("pace.batch", batch as i64)
            .set("pace.concurrency", concurrency as i64);
        let watch = Watch::new(&campaign, &api, None);
        let moment = (Moment::Requests(10), Duration::from_millis(seed as u64));
        let (ran, came) = signalled(send(&campaign), &watch, moment, &BOTH);
        assert!(came, "it had ended");
        let run = ran.code(130).run_dir();
        let ended = Run::on("resume", &run).run();
        let promises = Promises::at(&Results::of(&run), &api);
        assert!(promises.hold().unknown() <= concurrency * batch);
        ended.code(if promises.unknown() > 0 { 4 } else { 0 });
        assert_eq!(promises.accepted() + promises.unknown(), 300);
    }
}

#[test]
fn an_interrupt_takes_precedence_over_results_that_can_not_be_written() {
    let api = FakeApi::start(|_, _| Reply::Take.after(Duration::from_millis(50)));
    let campaign = campaign(&api).rows(200).set("pace.concurrency", 2);
    let running = send(&campaign).spawn();
    let run = PathBuf::from(running.first_line());
    // A file can't replace a folder that is not empty.
    std::fs::create_dir_all(run.join("results.csv/in the way")).expect("a folder");
    running.signal(Signal::TERM);
    let ran = running.wait();
    ran.code(130)
        .stderr_has("results.csv")
        .stderr_has(&format!("mailrun results {}", run.display()));
}
