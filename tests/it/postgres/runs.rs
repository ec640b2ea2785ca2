//! Runs in a database, as commands show, copy and continue them.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::process::Signal;

use super::{init, is_available};
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::postgres::{Cluster, Stop};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::screen::Screen;
use crate::support::send::{campaign, send};

/// A database with a ledger. Returns its URL.
fn ledger(cluster: &Cluster) -> String {
    let url = cluster.url_of("postgres", &cluster.database());
    init(&url).run().code(0);
    url
}

/// Sends the first row. Returns the run's name.
fn begun(campaign: &Campaign, url: &str) -> String {
    let sent = send(campaign).args(["--limit", "1", "--ledger", url]).run();
    sent.code(5).stdout.trim_end().to_owned()
}

fn on(command: &str, run: &str, url: &str) -> Run {
    Run::on(command, Path::new(run)).args(["--ledger", url])
}

fn status(run: &str, url: &str) -> serde_json::Value {
    let ran = on("status", run, url).args(["--format", "json"]).run();
    serde_json::from_str(&ran.code(0).stdout).expect("JSON")
}

#[test]
fn an_empty_ledger_has_no_runs() {
    if !is_available() {
        return;
    }
    let url = ledger(Cluster::shared());
    let ran = Run::new("runs").args(["--ledger", &url]).run();
    ran.code(0).stdout_is("").stderr_has("has no runs");
}

#[test]
fn a_copy_continues_without_the_campaign_and_says_where_it_is() {
    if !is_available() {
        return;
    }
    let url = ledger(Cluster::shared());
    let api = FakeApi::taking_all();
    let toml = "[[message.attachments]]\npath = \"{{ first_name }}.txt\"\n";
    let campaign = campaign(&api).set("recipients.suppress", vec!["gone.csv"]);
    let campaign = ["Ann", "Bob", "Cleo"]
        .into_iter()
        .fold(campaign, |campaign, name| {
            campaign.file(&format!("{name}.txt"), name)
        })
        .file("gone.csv", "email\nnobody@one.example\n");
    let file = campaign.path().join("campaign.toml");
    let text = fs::read_to_string(&file).expect("a campaign");
    let campaign = campaign.toml(&format!("{text}\n{toml}"));
    let name = begun(&campaign, &url);
    drop(campaign);

    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy");
    let copied = Run::new("ledger").args(["copy", &name, "--ledger", &url]);
    copied.arg("--to").arg(&copy).run().code(0);
    let place = copy.canonicalize().expect("the copy");
    let place = place.display().to_string();
    on("resume", &name, &url).run().code(1).stderr_has(&place);
    assert_eq!(status(&name, &url)["moved_to"], place);
    on("status", &name, &url)
        .run()
        .stdout_has(&format!("the run continues in {place}"));
    let list = || Run::new("runs").args(["--ledger", &url]).run();
    list().stdout_has(&format!("{name}  continues in {place}, 1 accepted"));

    Run::on("resume", &copy)
        .run()
        .code(0)
        .stderr_has("suppression lists are not read again");
    assert_eq!(api.taken_addresses().len(), 3);
    assert_eq!(Results::of(&copy).count("accepted"), 3);

    let copied = Run::new("ledger").args(["copy", "--ledger", &url]);
    copied
        .arg(&copy)
        .run()
        .code(0)
        .stdout_is(&format!("{name}\n"));
    let shown = Run::new("status").arg(&copy).run();
    shown.stdout_has(&format!("the run continues in {name} in {url}"));
    list().stdout_has(&format!("{name}  not running, 3 accepted"));
}

#[test]
fn a_copy_without_its_schedule_is_not_sent() {
    if !is_available() {
        return;
    }
    let url = ledger(Cluster::shared());
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let sent = send(&campaign).args(["--at", "+30h", "--ledger", &url]);
    let running = sent.env("TZ", "Europe/Warsaw").spawn();
    running.wait_until("it waits", |it| it.stderr().contains("Waiting until"));
    running.signal(Signal::TERM);
    let name = running.wait().code(130).stdout.trim_end().to_owned();

    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy");
    let copied = Run::new("ledger").args(["copy", &name, "--ledger", &url]);
    copied.arg("--to").arg(&copy).run().code(0);
    fs::remove_file(copy.join("frozen/.schedule.toml")).expect("the schedule");
    let missing = "the schedule of the run is missing: ";
    Run::on("resume", &copy).run().code(1).stderr_has(missing);
    let copied = Run::new("ledger").args(["copy", "--ledger", &url]);
    copied.arg(&copy).run().code(1).stderr_has(missing);
    assert_eq!(api.connections(), 0);
}

#[test]
fn after_a_failover_nothing_is_sent_before_the_loss_is_accepted() {
    if !is_available() {
        return;
    }
    let mut primary = Cluster::start();
    let url = ledger(&primary);
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let name = begun(&campaign, &url);
    let mut standby = primary.standby();
    primary.wait_for_standby();
    primary.stop(Stop::Fast);
    standby.promote();
    standby.stop(Stop::Fast);
    standby.start_on(primary.port());

    let folder = tempfile::tempdir().expect("a folder");
    let copy = |to: &str| {
        let copy = Run::new("ledger").args(["copy", &name, "--ledger", &url]);
        copy.arg("--to").arg(folder.path().join(to))
    };
    let send_to = |option| send(&campaign).args([option, "--ledger", &url]);
    let refused = [
        on("resume", &name, &url),
        on("retry", &name, &url),
        send_to("--except-sent"),
        copy("one"),
    ];
    for command in refused {
        command
            .run()
            .code(1)
            .stderr_has("on another timeline (1 became 2)")
            .stderr_has("`mailrun resume --accept-loss` continues");
    }
    assert_eq!(api.taken().len(), 1);
    on("resume", &name, &url)
        .args(["--accept-loss", "--limit", "1"])
        .run()
        .code(5);
    on("retry", &name, &url).args(["--rejected"]).run().code(0);
    assert_eq!(api.taken().len(), 3);
    copy("two").run().code(0);
}

#[test]
fn status_shows_the_limit_of_the_day() {
    if !is_available() {
        return;
    }
    let url = ledger(Cluster::shared());
    let (api, answers) = FakeApi::answering_later();
    let campaign = campaign(&api).set("pace.rate", vec!["100/s", "2/day", "7/day"]);
    let running = send(&campaign).args(["--ledger", &url]).spawn();
    let name = running.first_line();
    running.wait_until("a request", |_| api.in_flight() == 1);
    let before = status(&name, &url);
    assert_eq!(before["workers"].as_array().map(Vec::len), Some(1));
    assert_eq!(before["daily_limit"], serde_json::Value::Null);
    answers.store(true, Ordering::Relaxed);
    running.wait_until("two messages", |_| {
        status(&name, &url)["counts"]["accepted"] == 2
    });
    let json = status(&name, &url);
    let limit = &json["daily_limit"];
    assert_eq!(limit["recipients"], 2, "{json}");
    let until = limit["until"].as_str().expect("a time");
    let begun: jiff::Timestamp = json["started_at"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    let until: jiff::Timestamp = until.parse().expect("a time");
    let wait = until.duration_since(begun).as_secs();
    assert!((86_400..86_520).contains(&wait), "{wait}");
    on("status", &name, &url)
        .run()
        .stdout_has("the limit of 2/day is reached: waiting until ");
    on("stop", &name, &url).run().code(0);
    running.wait().code(5);
    assert_eq!(status(&name, &url)["daily_limit"], serde_json::Value::Null);
}

#[test]
fn watches_until_the_last_worker_has_ended() {
    if !is_available() {
        return;
    }
    let mut cluster = Cluster::start();
    let url = ledger(&cluster);
    let api = FakeApi::start(|_, _| Reply::Hang { take: true });
    let campaign = campaign(&api).set("api.timeout", "60s");
    let running = send(&campaign).args(["--ledger", &url]).spawn();
    let name = running.first_line();
    // The status of a run that nobody works on yet is printed once.
    running.wait_until("a request", |_| api.in_flight() == 1);
    let watch = on("status", &name, &url).arg("--watch");
    let mut screen = Screen::start(watch, 12, 60);
    screen.until("1 worker sending it").until("1  sending");
    cluster.stop(Stop::Fast);
    screen.until("can't connect to the ledger");
    cluster.start_again();
    screen.wait_until("the status", |it| {
        !it.contents().contains("can't connect") && it.contents().contains("1 worker")
    });
    on("stop", &name, &url).run().code(0);
    assert!(screen.is_own());
    running.kill();
    // Its lease is longer than the test.
    let database = url.rsplit('/').next().expect("a database");
    cluster.psql_in(
        database,
        "UPDATE mailrun.worker SET lease = '0', heartbeat_at = now() - interval '1 s'",
    );
    assert_eq!(screen.end(), Some(0));
    assert!(screen.is_restored());
    assert!(
        screen.contents().contains("not running"),
        "{}",
        screen.contents()
    );
}
