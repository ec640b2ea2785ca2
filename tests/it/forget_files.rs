//! What is left in the files of runs after `mailrun forget` and `mailrun prune`, also when they are killed.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::forget::{ANN, BOB, SECRETS, kept, of_three, rejects_ann};
use crate::support::fake_api::FakeApi;
use crate::support::mail::{Mail, outbox};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{addresses, send, send_first, status};
use crate::support::shim::{Fault, Shim};
use crate::support::vendor::Vendor;

/// All files in a folder, with their content.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let content = std::fs::read(&path).expect("a file");
            all.push((path, content));
        }
    }
    all
}

/// Asserts that no file in a folder contains one of the texts, in any case, also decoded.
#[track_caller]
pub(crate) fn nothing_of(texts: &[&str], dir: &Path) {
    for (path, content) in files(dir) {
        let mut content = content;
        if path.components().any(|part| part.as_os_str() == "outbox") {
            let mail = Mail::parse(&content);
            content.extend_from_slice(format!("{mail:?}").as_bytes());
        }
        let content = content.to_ascii_lowercase();
        for text in texts {
            let text = text.to_ascii_lowercase();
            let found = memchr::memmem::find(&content, text.as_bytes());
            assert!(found.is_none(), "{text} is in {}", path.display());
        }
    }
}

#[test]
fn nothing_is_left_in_any_file() {
    let api = rejects_ann();
    let campaign = of_three(&api).template(
        "newsletter.html",
        "<p>{{ first_name }} {{ last_name }} żółć {{ email }}</p>",
    );
    let first = send_first(&campaign, 1);
    // An open connection keeps the write-ahead log.
    let open = rusqlite::Connection::open(first.join("ledger.db")).expect("a ledger");
    let rows: i64 = open
        .query_row("SELECT count(*) FROM delivery", [], |row| row.get(0))
        .expect("rows");
    assert_eq!(rows, 3);
    Run::on("resume", &first).run().code(3);
    // What an older text leaves between the rows.
    let old = format!("{ANN} {}", "x".repeat(3000));
    open.execute("UPDATE delivery SET error = ? WHERE row = 3", [&old])
        .expect("written");
    open.execute("UPDATE delivery SET error = NULL WHERE row = 3", [])
        .expect("written");
    std::fs::write(first.join(".results-abc"), format!("2,{ANN}")).expect("a file");
    let local = Run::new("send").arg(campaign.path()).arg("--local").run();
    let local = local.code(0).run_dir();
    let inbox = Run::new("inbox").arg(&local).spawn();
    inbox.first_line();
    Run::new("forget")
        .arg(ANN)
        .arg(&local)
        .run()
        .code(1)
        .stderr_has("in use");
    inbox.kill();
    assert_eq!(outbox(local.join("outbox")).len(), 3);

    let ran = Run::new("forget").arg(ANN).arg(campaign.path()).run();
    ran.code(0)
        .stdout_has(&format!("{}  1 row\n", first.display()))
        .stdout_has(&format!("{}  1 row, 1 message\n", local.display()));
    nothing_of(&SECRETS, &campaign.path().join("runs"));
    assert_eq!(outbox(local.join("outbox")).len(), 2);
    assert_eq!(rows_of(&first), rows_of(&local));
    drop(open);

    let ran = Run::new("prune")
        .arg(campaign.path())
        .args(["--older-than", "1ms", "--yes"])
        .run();
    ran.code(0).stdout_has("2 rows, 2 messages");
    nothing_of(
        &["@one.example", "Bloggs", "Cook"],
        &campaign.path().join("runs"),
    );
    assert_eq!(outbox(local.join("outbox")).len(), 0);
    assert_eq!(status(&local)["counts"]["accepted"], 3);
}

#[test]
fn the_messages_of_a_local_test_are_deleted() {
    let api = FakeApi::taking_all();
    let campaign = of_three(&api);
    let tester = "tester@acme.example";
    let test = Run::new("send").arg(campaign.path());
    let run = test.args(["--local", "--test-to", tester]).run().run_dir();
    assert_eq!(outbox(run.join("outbox")).len(), 1);
    let forget = Run::new("forget").arg(tester).arg(&run).run();
    forget.code(0).stdout_has("1 message");
    assert_eq!(outbox(run.join("outbox")).len(), 0);
}

#[test]
fn the_journal_of_the_server_loses_what_belongs_to_no_run() {
    let api = rejects_ann();
    let campaign = of_three(&api).set("recipients.suppress", vec!["@acme"]);
    let serve = Run::new("feedback")
        .arg(campaign.path())
        .args(["--listen", "127.0.0.1:0"])
        .env(
            "MAILRUN_FEEDBACK_KEY",
            "a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90",
        );
    let server = serve.spawn();
    server.first_line();
    let forget = || Run::new("forget").arg(ANN).arg(campaign.path()).run();
    send(&campaign).run().code(3);
    forget()
        .code(1)
        .stderr_has("another `mailrun feedback` uses");
    server.signal(rustix::process::Signal::TERM);
    server.wait().code(0);
    let journal = campaign.path().join("feedback.db");
    let database = rusqlite::Connection::open(&journal).expect("a journal");
    database
        .execute_batch(&format!(
            "INSERT INTO event (message_id, address, kind, description, received, parked)
             VALUES ('x', 'ANN@one.example', 'delivered', '', 1, 1), ('y', '{BOB}', 'delivered', '', 1, 1);
             INSERT INTO unreadable VALUES (1, 1, 'no kind', '{{\"to\":\"{ANN}\"}}');
             INSERT INTO click (list, address, run, row, at, is_undo) VALUES ('@acme', '{ANN}', 'r', 2, 1, 0);"
        ))
        .expect("written");
    forget().code(1).stdout_is("").stderr_has("not applied yet");
    database.execute("DELETE FROM click", []).expect("written");
    drop(database);
    forget()
        .code(0)
        .stdout_has("1 row")
        .stderr_has("2 events deleted");
    let of_journal = |name: &str| name.starts_with("feedback.db");
    for (path, content) in files(campaign.path()) {
        let name = path.file_name().expect("a name").to_string_lossy();
        if of_journal(&name) {
            let content = String::from_utf8_lossy(&content).to_lowercase();
            assert!(!content.contains(ANN), "{name}");
        }
    }
    let database = rusqlite::Connection::open(&journal).expect("a journal");
    let left: i64 = database
        .query_row("SELECT count(*) FROM event", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(left, 1, "Bob's event stays");
}

/// The emails in the results of a run, without those that are the same in all.
fn rows_of(run: &Path) -> Vec<String> {
    let results = Results::of(run);
    addresses(&results).into_iter().map(str::to_owned).collect()
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let to = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(std::fs::copy(&path, &to).expect("a copy")),
        }
    }
}

/// Kills a command at every few steps of its work, and runs it again.
fn killed_anywhere(command: &[&str], secrets: &[&str]) {
    let Some(shim) = Shim::new() else { return };
    let vendor = Vendor::start();
    let campaign = of_three(&vendor.api).set("api.dialect", "new_sendmail");
    let run = send(&campaign).run().code(0).run_dir();
    vendor.event("Ann@One.example", "hardbounce", "01:00:00");
    vendor.event(BOB, "ok", "01:00:00");
    let follow = Run::on("follow", &run).args(["--for", "1ms", "--rate", "500/s"]);
    follow.run().code(4);
    let local = Run::new("send").arg(campaign.path()).arg("--local").run();
    local.code(0);
    let [name, local] =
        [run, local.run_dir()].map(|run| run.file_name().expect("a name").to_owned());
    let mut kills = 0;
    for nth in (1..).step_by(3) {
        let place = tempfile::tempdir().expect("a folder");
        copy(campaign.path(), place.path());
        let run = place.path().join("runs").join(&name);
        let before = Results::of(&run);
        let forget = || {
            let (first, rest) = command.split_first().expect("a command");
            Run::new(first).args(rest).cwd(place.path()).keys()
        };
        let fault = Fault {
            call: "any",
            error: Errno::IO,
            nth,
            how: "kill",
            part: "",
        };
        let killed = shim.fail(forget(), place.path(), &fault).run();
        let done = killed.exit() == Some(0);
        kills += usize::from(!done);
        if !done {
            assert_eq!(killed.exit(), None, "{}", killed.stderr);
            forget().run().code(0);
        }
        nothing_of(secrets, &place.path().join("runs"));
        assert_eq!(kept(&Results::of(&run)), kept(&before));
        assert_eq!(Results::of(&run).rows[1]["email"], "(forgotten)");
        let local = place.path().join("runs").join(&local);
        assert_eq!(Results::of(local).rows[1]["email"], "(forgotten)");
        if done {
            break;
        }
    }
    assert!(kills >= 20, "{kills} kills");
}

#[test]
fn after_a_kill_at_any_step_forgetting_again_finishes() {
    killed_anywhere(&["forget", ANN], &SECRETS);
}

#[test]
fn after_a_kill_at_any_step_pruning_again_finishes() {
    let prune = ["prune", ".", "--older-than", "1ms", "--yes"];
    killed_anywhere(&prune, &["@one.example", "Bloggs", "Cook"]);
}
