//! The disk is full or fails: sending stops with an error, and continues once the disk works.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::io::Errno;
use tempfile::TempDir;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::power::{Cut, Unsynced, cut_power};
use crate::support::results::Results;
use crate::support::run::{Ran, Run};
use crate::support::send::{addresses, campaign, newsletter, send};
use crate::support::shim::{Event, Fault, Post, Shim, posts};

const ROWS: usize = 40;
const CONCURRENCY: usize = 4;

/// A campaign of [`ROWS`] rows; with a batch above 1 they share their message.
fn of_forty(api: &FakeApi, batch: usize) -> Campaign {
    let campaign = if batch > 1 {
        newsletter(api)
    } else {
        campaign(api)
    };
    campaign
        .rows(ROWS)
        .set("pace.batch", batch as i64)
        .set("pace.concurrency", CONCURRENCY as i64)
}

/// The output of `mailrun results` for a run, whatever is in its `results.csv`.
fn results(run: &Path) -> Results {
    let ran = Run::new("results").arg(run).args(["--out", "-"]).run();
    Results::parse(&ran.code(0).stdout)
}

/// The message IDs that the API gave, by address. Asserts that it took none twice.
fn once(api: &FakeApi) -> BTreeMap<String, String> {
    let taken = api.taken();
    let by_address: BTreeMap<_, _> = (taken.iter())
        .map(|taken| (taken.address.clone(), taken.message_id.clone()))
        .collect();
    assert_eq!(by_address.len(), taken.len(), "somebody got two");
    by_address
}

/// How often a call was made in these events, on files whose path contains `part`.
fn calls(events: &[Event], call: &str, part: &str) -> usize {
    let made = events.iter().filter(|event| match event {
        Event::Write { path, .. } => call == "write" && in_path(path, part),
        Event::SyncBegin { path, .. } => call == "sync" && in_path(path, part),
        Event::Create { path, .. } | Event::Mkdir { path, .. } => {
            call == "open" && in_path(path, part)
        }
        Event::Truncate { .. } => call == "truncate",
        _ => false,
    });
    made.count()
}

fn in_path(path: &Path, part: &str) -> bool {
    path.to_string_lossy().contains(part)
}

/// What a `send` without faults does.
fn healthy(shim: &Shim, batch: usize) -> (Vec<Event>, Vec<Post>) {
    let api = FakeApi::taking_all();
    let campaign = of_forty(&api, batch);
    shim.record(send(&campaign), campaign.path()).run().code(0);
    let events = shim.events();
    let posts = posts(&events);
    (events, posts)
}

/// Sends with a fault of the disk, checks all guarantees, and resumes without the fault. Returns
/// whether the fault happened.
fn send_with(fault: Fault, batch: usize) -> bool {
    let shim = Shim::new().expect("it was there before");
    let api = FakeApi::taking_all();
    let campaign = of_forty(&api, batch);
    let ran = shim.fail(send(&campaign), campaign.path(), &fault).run();
    let events = shim.events();
    let posts = posts(&events);
    let failed = events
        .iter()
        .position(|event| matches!(event, Event::Failed { .. }));
    ran.stderr_lacks("panicked");
    let Some(failed) = failed else {
        ran.code(0);
        return false;
    };
    if ran.exit() == Some(0) {
        // The call was not needed, such as a checkpoint, which happens later.
        assert_eq!(once(&api).len(), ROWS);
        let run = campaign.only_run();
        assert_eq!(results(&run).count("accepted"), ROWS);
        outlasts(&campaign, &run, &events, &posts, fault);
        return true;
    }
    says_why(&ran, fault);
    let run = ran.stdout.lines().next().map(str::to_owned);
    let Some(run) = run else {
        ran.code(1);
        assert!(posts.is_empty(), "{fault}: posted, and exit code 1");
        assert_eq!(campaign.runs(), Vec::<std::path::PathBuf>::new(), "{fault}");
        send(&campaign).run().code(0);
        assert_eq!(once(&api).len(), ROWS, "{fault}");
        return true;
    };
    ran.code(5);
    let run = Path::new(&run);
    let left = results(run);
    if left.count("accepted") < ROWS {
        ran.stderr_has("mailrun re");
    }
    stops_posting(&left, &posts, failed, fault);
    fits(&left, &api, batch, fault);
    if run.join("results.csv").exists() {
        as_it_was(&Results::of(run), &left, fault);
    }
    outlasts(&campaign, run, &events, &posts, fault);
    goes_on(run, &left, &api, fault);
    true
}

/// The results of the failing process agree with the ledger, except for a commit that is complete
/// although its sync failed.
fn as_it_was(written: &Results, left: &Results, fault: Fault) {
    for (before, after) in written.rows.iter().zip(&left.rows) {
        let (before, after) = (before["status"].as_str(), after["status"].as_str());
        let late = [("unknown", "accepted"), ("pending", "unknown")];
        let late = fault.call == "sync" && late.contains(&(before, after));
        assert!(before == after || late, "{fault}: {before}, now {after}");
    }
}

/// If the power failed at the end, posted rows would not be pending.
fn outlasts(campaign: &Campaign, run: &Path, events: &[Event], posts: &[Post], fault: Fault) {
    if posts.is_empty() {
        return;
    }
    let left = TempDir::new().expect("a folder");
    let cut = Cut {
        after: events.len(),
        unsynced: Unsynced::Lost,
        believe: true,
        seed: 0,
    };
    cut_power(campaign.path(), events, cut, left.path());
    let run = run.strip_prefix(campaign.path()).expect("below it");
    let left = results(&left.path().join(run));
    for address in posts.iter().flat_map(|post| &post.to) {
        assert_ne!(left.row(address)["status"], "pending", "{fault}");
    }
}

/// Checks that the error says what happened, where, and what to do.
fn says_why(ran: &Ran, fault: Fault) {
    // SQLite gives no details about a sync.
    let words = if fault.error == Errno::NOSPC && fault.call != "sync" {
        &["No space left", "disk is full"][..]
    } else {
        &[
            "No space left",
            "Input/output error",
            "disk I/O error",
            "write-ahead",
        ]
    };
    let said = words.iter().any(|words| ran.stderr.contains(words));
    assert!(said, "{fault}: {ran:?}");
    let files = ["ledger", "runs", "frozen", "results.csv"];
    let named = files.iter().any(|file| ran.stderr.contains(file));
    assert!(named, "{fault}: {ran:?}");
}

/// Only rows that were claimed durably before were still posted.
fn stops_posting(left: &Results, posts: &[Post], failed: usize, fault: Fault) {
    let after: Vec<_> = posts.iter().filter(|post| post.first > failed).collect();
    assert!(after.len() <= CONCURRENCY, "{fault}: {after:?}");
    for address in after.iter().flat_map(|post| &post.to) {
        assert_ne!(left.row(address)["status"], "pending", "{fault}");
    }
}

/// Taken rows are accepted or unknown, accepted rows are taken, and not too many are unknown.
fn fits(left: &Results, api: &FakeApi, batch: usize, fault: Fault) {
    let taken = once(api);
    assert_eq!(left.rows.len(), ROWS, "{fault}");
    for row in &left.rows {
        let fits = match (row["status"].as_str(), taken.get(&row["email"])) {
            ("accepted", id) => id == Some(&row["message_id"]),
            ("unknown", _) | ("pending", None) => true,
            _ => false,
        };
        assert!(fits, "{fault}: {row:?}, taken: {}", taken.len());
    }
    let unknown = left.count("unknown");
    assert!(unknown <= CONCURRENCY * batch, "{fault}: {unknown} unknown");
}

fn goes_on(run: &Path, left: &Results, api: &FakeApi, fault: Fault) {
    let unknown = left.count("unknown");
    let code = if unknown > 0 { 4 } else { 0 };
    Run::on("resume", run).run().code(code);
    let end = Results::of(run);
    assert_eq!(end.count("unknown"), unknown, "{fault}");
    assert_eq!(end.count("accepted"), ROWS - unknown, "{fault}");
    let taken = once(api);
    for row in end.with_status("accepted") {
        assert_eq!(
            taken.get(&row["email"]),
            Some(&row["message_id"]),
            "{fault}"
        );
    }
}

/// Faults of each kind, spread over the calls that a run without faults makes on files whose path
/// contains `part`.
fn faults(shim: &Shim, batch: usize, part: &'static str, of_a_kind: usize) -> Vec<Fault> {
    let (events, posts) = healthy(shim, batch);
    let first = posts[0].first;
    let kinds = [
        ("write", Errno::NOSPC, "on"),
        ("write", Errno::NOSPC, "short"),
        ("write", Errno::IO, "once"),
        ("sync", Errno::IO, "once"),
        ("sync", Errno::NOSPC, "on"),
    ];
    let mut faults = Vec::new();
    for (call, error, how) in kinds {
        let (before, all) = (
            calls(&events[..first], call, part),
            calls(&events, call, part),
        );
        for (from, to) in [(0, before), (before, all)] {
            let step = ((to - from) / of_a_kind).max(1);
            faults.extend((from + 1..=to).step_by(step).map(|nth| Fault {
                call,
                error,
                nth,
                how,
                part,
            }));
        }
    }
    faults
}

#[test]
fn a_disk_that_fails_at_any_moment_stops_the_run_and_loses_nothing() {
    let Some(shim) = Shim::new() else { return };
    let faults = faults(&shim, 1, "", 2);
    let came = (faults.iter())
        .filter(|fault| send_with(**fault, 1))
        .count();
    eprintln!("{came} of {} faults came", faults.len());
    // On a busy machine the commits of several rows are joined, so there are fewer calls.
    assert!(came * 2 >= faults.len());
}

#[test]
fn a_ledger_that_fails_at_any_moment_stops_the_run_with_batches() {
    let Some(shim) = Shim::new() else { return };
    let faults = faults(&shim, 5, "ledger.db", 2);
    let came = (faults.iter())
        .filter(|fault| send_with(**fault, 5))
        .count();
    eprintln!("{came} of {} faults came", faults.len());
    // On a busy machine the commits of several rows are joined, so there are fewer calls.
    assert!(came * 2 >= faults.len());
}

#[test]
fn an_accepted_row_that_can_not_be_written_is_unknown() {
    for batch in [1, 5] {
        let Some(shim) = Shim::new() else { return };
        let arm = shim.arm();
        let api = FakeApi::start(move |n, _| {
            if n == 3 {
                arm();
            }
            Reply::Take
        });
        let campaign = of_forty(&api, batch).set("pace.concurrency", 1);
        let fault = Fault {
            call: "write",
            error: Errno::NOSPC,
            nth: 1,
            how: "on",
            part: "ledger.db",
        };
        let ran = shim
            .fail_once_armed(send(&campaign), campaign.path(), &fault)
            .run();
        ran.code(5)
            .stderr_has("disk is full")
            .stderr_has("ledger.db could not be written")
            .stderr_has("mailrun resume");
        assert_eq!(api.requests().len(), 4, "nothing was posted after that");
        let run = ran.run_dir();
        let counts = [
            ("accepted", 3 * batch),
            ("pending", ROWS - 4 * batch),
            ("unknown", batch),
        ];
        assert_eq!(Results::of(&run).counts(), counts.into());
        // The disk is still full: rows in flight can't even be marked.
        let again = shim
            .fail(Run::on("resume", &run), campaign.path(), &fault)
            .run();
        again
            .code(1)
            .stderr_has("full")
            .stderr_has("free some space");
        assert_eq!(api.requests().len(), 4, "nothing was posted");
        assert_eq!(results(&run).counts(), counts.into());
        Run::on("resume", &run).run().code(4);
        let end = Results::of(&run);
        let counts = [("accepted", ROWS - batch), ("unknown", batch)];
        assert_eq!(end.counts(), counts.into());
        let got: Vec<_> = once(&api).into_keys().collect();
        assert_eq!(got, addresses(&end));
    }
}

#[test]
fn results_that_can_not_be_written_can_be_written_later() {
    for (call, how) in [("open", "on"), ("write", "short"), ("sync", "once")] {
        let Some(shim) = Shim::new() else { return };
        let api = FakeApi::taking_all();
        let campaign = of_forty(&api, 1);
        let fault = Fault {
            call,
            error: Errno::NOSPC,
            nth: 1,
            how,
            part: ".results-",
        };
        let ran = shim.fail(send(&campaign), campaign.path(), &fault).run();
        let run = ran.code(5).run_dir();
        ran.stderr_has("40  accepted")
            .stderr_has(&format!(
                "can't write {}",
                run.join("results.csv").display()
            ))
            .stderr_has("No space left")
            .stderr_has("sending has ended")
            .stderr_has(&format!("mailrun results {}", run.display()));
        assert!(!run.join("results.csv").exists());
        Run::new("results").arg(&run).run().code(0);
        assert_eq!(Results::of(&run).count("accepted"), ROWS);
        assert_eq!(once(&api).len(), ROWS);
    }
}

#[test]
fn a_ledger_that_can_not_be_durable_is_refused() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::taking_all();
    let campaign = of_forty(&api, 1);
    // SQLite gives no error here, but continues without its log.
    let fault = Fault {
        call: "sync",
        error: Errno::IO,
        nth: 1,
        how: "once",
        part: "ledger.new-journal",
    };
    let ran = shim.fail(send(&campaign), campaign.path(), &fault).run();
    ran.code(1)
        .stderr_has("disk I/O error")
        .stderr_has("the system's log");
    assert_eq!((api.requests().len(), campaign.runs().len()), (0, 0));
    send(&campaign).run().code(0);
}

#[test]
fn a_run_that_can_not_be_read_is_not_ignored() {
    let api = FakeApi::taking_all();
    let campaign = of_forty(&api, 1);
    let run = send(&campaign).run().code(0).run_dir();
    for name in ["ledger.db-wal", "ledger.db-shm"] {
        // They exist only if the ledger was not closed properly.
        let _ = std::fs::remove_file(run.join(name));
    }
    let ledger = run.join("ledger.db");
    let mut bytes = std::fs::read(&ledger).expect("the ledger");
    bytes[4096..].fill(0xaa);
    std::fs::write(&ledger, bytes).expect("it can be written");
    for option in [&[][..], &["--except-sent"]] {
        send(&campaign)
            .args(option)
            .run()
            .code(1)
            .stderr_has(&run.display().to_string())
            .stderr_has("malformed")
            .stderr_has("--again");
    }
    assert_eq!(once(&api).len(), ROWS, "nobody got it again");
    send(&campaign).arg("--again").run().code(0);
    assert_eq!(api.taken().len(), 2 * ROWS);
}

#[test]
fn git_ignores_recipients_even_after_a_full_disk() {
    let Some(shim) = Shim::new() else { return };
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let fault = Fault {
        call: "write",
        error: Errno::NOSPC,
        nth: 1,
        how: "once",
        part: ".gitignore",
    };
    let ran = shim.fail(send(&campaign), campaign.path(), &fault).run();
    ran.code(1).stderr_has("runs/.gitignore");
    send(&campaign).run().code(0);
    let ignored = std::fs::read_to_string(campaign.path().join("runs/.gitignore"));
    assert_eq!(ignored.expect("the file"), "*\n");
}
