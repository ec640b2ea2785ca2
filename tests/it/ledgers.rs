//! Ledgers of other versions, and damaged ones: what can't be read is reported, never guessed.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::results::Results;
use crate::support::run::{Ran, Run};
use crate::support::send::{campaign, hangs_in_the_middle, killed, of_thirty, rows, send};

fn edit(run: &Path, sql: &str) {
    let ledger = Connection::open(run.join("ledger.db")).expect("the ledger");
    let sql = format!("PRAGMA foreign_keys = OFF; {sql}");
    ledger.execute_batch(&sql).expect("it can be written");
}

/// A run with an accepted row and two that are pending.
fn begun(campaign: &Campaign) -> PathBuf {
    let run = send(campaign).args(["--limit", "1"]).run();
    run.code(5).run_dir()
}

/// Every command that writes to a run.
fn writers(run: &Path) -> Vec<Run> {
    let resolve = |how| Run::on("resolve", run).args(["--yes", "--how", how]);
    vec![
        Run::on("resume", run),
        Run::on("retry", run),
        resolve("accepted"),
        resolve("resend"),
    ]
}

fn readers(run: &Path) -> Vec<Run> {
    vec![
        Run::on("status", run),
        Run::on("status", run).args(["--format", "json"]),
        Run::on("results", run).args(["--out", "-"]),
        Run::on("results", run),
    ]
}

/// Every way to send the campaign to people who have not got it.
fn sends(campaign: &Campaign) -> Vec<Run> {
    vec![
        send(campaign),
        send(campaign).arg("--except-sent"),
        send(campaign).arg("--dry-run"),
    ]
}

#[test]
fn a_ledger_of_another_version_is_refused_and_unchanged() {
    for (step, words, way_out) in [
        (
            -1,
            "an older mailrun",
            "the version of mailrun that started it",
        ),
        (1, "a newer mailrun", "update mailrun"),
    ] {
        let api = FakeApi::taking_all();
        let campaign = campaign(&api);
        let run = begun(&campaign);
        let ledger = Connection::open(run.join("ledger.db")).expect("the ledger");
        let version = |ledger: &Connection| -> i64 {
            let version = ledger.query_row("PRAGMA user_version", [], |row| row.get(0));
            version.expect("a number")
        };
        let other = version(&ledger) + step;
        ledger
            .pragma_update(None, "user_version", other)
            .expect("it can be written");
        for command in readers(&run).into_iter().chain(writers(&run)) {
            let ran = command.run();
            ran.code(1)
                .stdout_is("")
                .stderr_has(words)
                .stderr_has(way_out);
        }
        for command in sends(&campaign) {
            let ran = command.run();
            ran.code(1).stderr_has(words).stderr_has(&name(&run));
        }
        assert_eq!((version(&ledger), api.taken().len()), (other, 1));
        send(&campaign).arg("--again").run().code(0);
        assert_eq!(api.taken().len(), 4);
    }
}

fn name(run: &Path) -> String {
    let name = run.file_name().expect("it has a name");
    name.to_string_lossy().into_owned()
}

/// A name, the damage to the run's folder, and the error.
type Damage = (&'static str, fn(&Path), &'static str);

/// Damages with which no command works.
const DAMAGES: [Damage; 12] = [
    ("truncated", |run| cut(run, 3), "malformed"),
    ("half a page", |run| resize(run, 2_000), "ledger"),
    ("empty", |run| resize(run, 0), "not a ledger"),
    (
        "a text",
        |run| fs::write(run.join("ledger.db"), "no database at all, just a text").expect("a file"),
        "not a ledger",
    ),
    (
        "another database",
        |run| {
            fs::remove_file(run.join("ledger.db")).expect("it is there");
            edit(run, "CREATE TABLE run (name, target)");
        },
        "not a ledger",
    ),
    (
        "gone",
        |run| fs::remove_file(run.join("ledger.db")).expect("it is there"),
        "",
    ),
    (
        "out of reach",
        |run| {
            fs::remove_file(run.join("ledger.db")).expect("it is there");
            symlink("ledger.db", run.join("ledger.db")).expect("a link");
        },
        "",
    ),
    (
        "without its run",
        |run| edit(run, "DELETE FROM run"),
        "the plan is not complete",
    ),
    (
        "marked as not planned",
        |run| edit(run, "UPDATE run SET planned = 0"),
        "the plan is not complete",
    ),
    (
        "rows missing",
        |run| edit(run, "DELETE FROM delivery WHERE row = 2"),
        "3 rows were planned, but it has 2",
    ),
    (
        "an unknown status",
        |run| {
            edit(
                run,
                "PRAGMA ignore_check_constraints = ON; UPDATE delivery SET status = 'perhaps' WHERE row = 1",
            );
        },
        "the ledger",
    ),
    (
        "a header of something else",
        |run| patch(run, 0, b"SQLite format 2\0"),
        "not a ledger",
    ),
];

fn open(run: &Path) -> fs::File {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.open(run.join("ledger.db")).expect("the ledger")
}

fn resize(run: &Path, length: u64) {
    open(run).set_len(length).expect("it can be cut");
}

/// Leaves this many pages.
fn cut(run: &Path, pages: u64) {
    resize(run, pages * 4096);
}

fn patch(run: &Path, at: u64, bytes: &[u8]) {
    open(run)
        .write_all_at(bytes, at)
        .expect("it can be written");
}

/// A campaign whose only run has stopped, with its ledger closed properly.
fn stopped(api: &FakeApi) -> (Campaign, PathBuf) {
    let campaign = campaign(api);
    let run = begun(&campaign);
    edit(&run, "PRAGMA wal_checkpoint(TRUNCATE)");
    (campaign, run)
}

#[test]
fn every_command_reports_a_damaged_ledger() {
    let api = FakeApi::taking_all();
    for (what, damage, said) in DAMAGES {
        let (campaign, run) = stopped(&api);
        damage(&run);
        let before = api.requests().len();
        for command in readers(&run).into_iter().chain(writers(&run)) {
            let ran = command.run();
            eprintln!("{what}");
            ran.code(1).stderr_has("error: ");
        }
        for command in sends(&campaign) {
            let ran = command.run();
            eprintln!("{what}");
            ran.code(1).stderr_has(&name(&run)).stderr_has(said);
        }
        assert_eq!(api.requests().len(), before, "{what}: nothing is posted");
        send(&campaign).arg("--again").run().code(0);
    }
}

#[test]
fn missing_recipients_are_noticed() {
    let api = FakeApi::taking_all();
    let (campaign, run) = stopped(&api);
    edit(&run, "DELETE FROM recipient WHERE row = 3");
    for command in writers(&run).into_iter().chain(sends(&campaign)) {
        let ran = command.run();
        ran.code(1).stderr_has("3 rows were planned, but it has 2");
    }
    let before = Results::of(&run).rows;
    Run::on("results", &run).run().code(1);
    assert_eq!(Results::of(&run).rows, before, "the old results stay");
    assert_eq!(api.requests().len(), 1);
}

#[test]
fn an_address_that_changed_is_not_posted_to() {
    for column in ["email", "address"] {
        let api = FakeApi::taking_all();
        let (_campaign, run) = stopped(&api);
        edit(
            &run,
            &format!("UPDATE recipient SET {column} = 'eve@two.example' WHERE row = 2"),
        );
        Run::on("resume", &run).run().code(5).stderr_has("row 2");
        let got = api.taken_addresses();
        assert!(!got.contains(&"eve@two.example".to_owned()), "{got:?}");
    }
}

#[test]
fn a_lost_write_ahead_log_is_noticed() {
    let api = hangs_in_the_middle();
    let campaign = of_thirty(&api);
    let run = killed(&campaign, &api);
    fs::remove_file(run.join("ledger.db-wal")).expect("it is there");
    for command in readers(&run).into_iter().chain(writers(&run)) {
        let ran = command.run();
        ran.code(1).stderr_has("14 recipients were posted");
    }
    for command in sends(&campaign) {
        let ran = command.run();
        ran.code(1).stderr_has("ledger.db-wal");
    }
    assert_eq!(api.requests().len(), 14);
}

#[test]
fn a_damaged_test_run_does_not_prevent_sending() {
    let damages: [fn(&Path); 3] = [
        |run| edit(run, "PRAGMA user_version = 99"),
        |run| resize(run, 10),
        |run| fs::remove_file(run.join("ledger.db")).expect("it is there"),
    ];
    for damage in damages {
        let api = FakeApi::taking_all();
        let campaign = campaign(&api);
        let local = Run::new("send").arg(campaign.path()).arg("--local");
        damage(&local.run().code(0).run_dir());
        send(&campaign).run().code(0);
        assert_eq!(api.taken().len(), 3);
    }
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a copy");
        }
    }
}

/// Damages the ledger or its write-ahead log in one way, and returns how.
fn at_random(run: &Path, rng: &mut StdRng) -> String {
    let file = ["ledger.db", "ledger.db", "ledger.db-wal"][rng.random_range(0..3)];
    let path = run.join(file);
    let mut bytes = fs::read(&path).unwrap_or_default();
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    let at = rng.random_range(0..bytes.len());
    let page = at / 4096 * 4096;
    let end = (page + 4096).min(bytes.len());
    let what = match rng.random_range(0..6) {
        0 | 1 => {
            bytes[at] ^= 1 << rng.random_range(0..8);
            "a bit flipped"
        }
        2 => {
            bytes[at..(at + 16).min(end)].fill_with(|| rng.random());
            "sixteen bytes of noise"
        }
        3 => {
            bytes[page..end].fill(0);
            "a page of zeros"
        }
        4 => {
            bytes.truncate(at);
            "cut"
        }
        _ => {
            let other = rng.random_range(0..bytes.len()) / 4096 * 4096;
            let length = (end - page).min(bytes.len() - other);
            bytes.copy_within(other..other + length, page);
            "a page written to the wrong place"
        }
    };
    fs::write(&path, bytes).expect("it can be written");
    format!("{file}: {what} at {at}")
}

fn ended(ran: &Ran, what: &str) -> bool {
    let code = ran.exit();
    assert!(
        matches!(code, Some(0 | 1 | 3 | 4 | 5)),
        "{what}: {code:?}\n{}",
        ran.stderr
    );
    assert!(
        code == Some(0) || !ran.stderr.is_empty(),
        "{what}: no words"
    );
    code != Some(1) && code != Some(5)
}

/// Checks every command on a damaged run of 30 rows: it works with sums that match, or reports an
/// error; and nobody who may have got the message gets it again. Returns whether the run could be
/// resumed.
fn survives(api: &FakeApi, run: &Path, sent: &BTreeSet<String>, what: &str) -> bool {
    let ran = Run::on("status", run).args(["--format", "json"]).run();
    if ended(&ran, what) {
        let status: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let counts = status["counts"].as_object().expect("counts");
        let sum: u64 = counts.values().filter_map(serde_json::Value::as_u64).sum();
        assert_eq!((sum, &status["rows"]), (30, &30.into()), "{what}");
    }
    let ran = Run::on("results", run).args(["--out", "-"]).run();
    if ended(&ran, what) {
        assert_eq!(Results::parse(&ran.stdout).rows.len(), 30, "{what}");
    }
    let before = api.requests().len();
    let whole = ended(&Run::on("resume", run).run(), what);
    let posted = &api.requests()[before..];
    for request in posted {
        for address in request.addresses() {
            assert!(!sent.contains(address), "{what}: {address} again");
        }
    }
    if whole {
        let results = Results::of(run);
        let sums = (results.count("accepted"), results.count("unknown"));
        assert_eq!((results.rows.len(), sums.0 + sums.1), (30, 30), "{what}");
        let got = posted.len() + sent.len();
        assert_eq!(got, 30, "{what}: nobody is left out");
    }
    whole
}

#[test]
fn no_damage_makes_anybody_get_it_twice() {
    let api = hangs_in_the_middle();
    let campaign = of_thirty(&api);
    let run = killed(&campaign, &api);
    let sent: BTreeSet<_> = api.taken_addresses().into_iter().collect();
    assert_eq!((sent.len(), rows(&run, "pending")), (14, 16));
    let copies = tempfile::tempdir().expect("a folder");
    let (mut told, seeds) = (0, 40);
    for seed in 0..seeds {
        let damaged = copies.path().join(format!("runs/{seed}"));
        copy(&run, &damaged);
        let what = at_random(&damaged, &mut StdRng::seed_from_u64(seed));
        let what = format!("seed {seed}: {what}");
        told += u64::from(!survives(&api, &damaged, &sent, &what));
    }
    assert!(told > seeds / 4, "only {told} of {seeds} were noticed");
}

#[test]
fn a_lost_page_is_noticed_before_the_first_request() {
    let api = FakeApi::taking_all();
    let long = "Z".repeat(30_000);
    let rows = format!("email,first_name\na@x.example,A\nb@x.example,B\nc@x.example,{long}\n");
    let campaign = campaign(&api)
        .recipients(rows)
        .set("message.subject", "News");
    let run = begun(&campaign);
    edit(&run, "PRAGMA wal_checkpoint(TRUNCATE)");
    let pages = fs::read(run.join("ledger.db")).expect("the ledger");
    let lost = pages
        .chunks(4096)
        .position(|page| page[4..].iter().all(|byte| *byte == b'Z'));
    let lost = lost.expect("a page with nothing but a part of the cell");
    patch(&run, lost as u64 * 4096, &[0; 4096]);
    for command in writers(&run).into_iter().chain(sends(&campaign)) {
        command.run().code(1).stderr_has("damaged");
    }
    assert_eq!(api.requests().len(), 1);
}
