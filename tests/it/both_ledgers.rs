//! The same story ends the same, whether the run is in a folder or in PostgreSQL.

use std::collections::BTreeMap;

use crate::postgres;
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply, Verdict};
use crate::support::postgres::{Cluster, USER};
use crate::support::results::Results;
use crate::support::run::{Ran, Run};
use crate::support::send::{campaign, newsletter};

/// Where the run of a story is.
struct Home {
    /// `None`: in its folder.
    ledger: Option<String>,
}

/// What a story ended with, in the order in which it happened.
#[derive(Debug, Default, PartialEq)]
struct Story(Vec<String>);

impl Home {
    fn command(&self, command: &str) -> Run {
        let run = Run::new(command).keys();
        match &self.ledger {
            Some(url) => run.env("MAILRUN_LEDGER", url),
            None => run,
        }
    }

    /// `mailrun send CAMPAIGN --yes OPTIONS`. Returns what commands call the run.
    fn send(&self, story: &mut Story, campaign: &Campaign, options: &[&str]) -> String {
        let ran = self.command("send").arg(campaign.path()).arg("--yes");
        let ran = ran.args(options).run();
        story.0.push(format!("send: {:?}", ran.exit()));
        let name = ran.stdout.lines().next().unwrap_or_default().to_owned();
        assert!(!name.is_empty(), "{}", ran.stderr);
        self.tell(story, &name);
        name
    }

    /// `mailrun COMMAND RUN OPTIONS`.
    fn on(&self, story: &mut Story, command: &str, run: &str, options: &[&str]) -> Ran {
        let ran = self.command(command).arg(run).args(options).run();
        story.0.push(format!("{command}: {:?}", ran.exit()));
        self.tell(story, run);
        ran
    }

    /// Adds the results and the counts of a run to the story.
    fn tell(&self, story: &mut Story, run: &str) {
        let results = self.results(run);
        for row in &results.rows {
            let has_id = !row["message_id"].is_empty();
            let has_ended = !row["finished_at"].is_empty();
            let kept = [
                "row",
                "email",
                "status",
                "code",
                "error",
                "attempts",
                "possible_duplicate",
                "variant",
            ];
            let kept: Vec<&str> = kept.iter().map(|name| &*row[*name]).collect();
            story
                .0
                .push(format!("{kept:?}, ID {has_id}, time {has_ended}"));
        }
        let status = self
            .command("status")
            .arg(run)
            .args(["--format", "json"])
            .run();
        let status: serde_json::Value = serde_json::from_str(&status.code(0).stdout).expect("JSON");
        story
            .0
            .push(format!("{} {}", status["counts"], status["reasons"]));
        assert_eq!(status["rows"], results.rows.len(), "all rows are counted");
    }

    fn results(&self, run: &str) -> Results {
        let ran = self.command("results").arg(run).args(["--out", "-"]).run();
        Results::parse(&ran.code(0).stdout)
    }
}

/// Plays a story with both ledgers, each against an API of its own.
#[track_caller]
fn both(play: impl Fn(&Home, &mut Story)) {
    if !postgres::is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let url = cluster.url_of(USER, &cluster.database());
    postgres::init(&url).run().code(0);
    let told = [None, Some(url)].map(|ledger| {
        let mut story = Story::default();
        play(&Home { ledger }, &mut story);
        story
    });
    let [in_folder, in_database] = told;
    assert!(!in_folder.0.is_empty());
    pretty(&in_folder, &in_database);
}

#[track_caller]
fn pretty(one: &Story, other: &Story) {
    for (line, (one, other)) in one.0.iter().zip(&other.0).enumerate() {
        assert_eq!(one, other, "line {line}");
    }
    assert_eq!(one, other);
}

/// Answers by the local part of the address, without its number.
fn by_name() -> FakeApi {
    FakeApi::start(|number, request| {
        let address = request.addresses().first().map_or("", |first| first);
        let name = address.trim_end_matches(|c| c != '@').trim_end_matches('@');
        match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "timeout" => Reply::error(408, "too slow").into(),
            "lost" => Reply::CloseAfterReading { take: true },
            "busy" if number < 3 => Reply::too_many(Some("0")),
            _ => Reply::PerRecipient(Box::new(|address| match address.starts_with("reject") {
                true => Verdict::Refuse("no such user".to_owned()),
                false => Verdict::Take,
            })),
        }
    })
}

fn list(names: &[&str]) -> String {
    let rows = names
        .iter()
        .map(|name| format!("{name}@one.example,{name}\n"));
    std::iter::once("email,first_name\n".to_owned())
        .chain(rows)
        .collect()
}

#[test]
fn every_status_and_what_is_done_about_it() {
    both(|home, story| {
        let api = by_name();
        let names = [
            "ann",
            "reject1",
            "timeout1",
            "lost1",
            "ann",
            "lost2",
            "not an address",
            "gone",
            "bob",
            "reject2",
        ];
        let campaign = campaign(&api)
            .recipients(list(&names))
            .file("suppressed.csv", "email\ngone@one.example\n")
            .set("recipients.suppress", vec!["suppressed.csv"])
            .set("retry.attempts", 2)
            .set("pace.concurrency", 1);
        let run = home.send(story, &campaign, &[]);
        let refused = home.on(story, "retry", &run, &[]);
        refused.stderr_has("1 row is pending again");
        home.on(story, "retry", &run, &["--rejected"]);
        home.on(story, "resolve", &run, &["--how", "resend", "--yes"]);
        home.on(story, "resume", &run, &["--limit", "1"]);
        home.on(story, "resolve", &run, &["--how", "accepted"]);
        home.on(story, "resume", &run, &[]);
    });
}

#[test]
fn attempts_that_do_not_count_are_taken_back() {
    both(|home, story| {
        let api = by_name();
        let campaign = campaign(&api)
            .recipients(list(&["busy1", "busy2", "ann"]))
            .set("pace.concurrency", 1);
        home.send(story, &campaign, &[]);
        let addresses = api.taken_addresses();
        story.0.push(format!("{addresses:?}"));
    });
}

#[test]
fn batches_and_lanes() {
    both(|home, story| {
        let api = by_name();
        let campaign = newsletter(&api)
            .rows(60)
            .set("pace.batch", 7)
            .set("pace.concurrency", 3)
            .set(
                "pace.per_domain",
                BTreeMap::from([("one.example", "300/s")]),
            );
        home.send(story, &campaign, &[]);
        let mut sizes = BTreeMap::new();
        for request in api.requests() {
            *sizes.entry(request.addresses().len()).or_insert(0) += 1;
        }
        story
            .0
            .push(format!("{sizes:?} {:?}", api.taken_addresses()));
    });
}

#[test]
fn rows_that_can_not_be_rendered() {
    both(|home, story| {
        let api = by_name();
        let campaign = campaign(&api)
            .recipients(list(&["ann", "bob", "x1", "cleo", "x2"]))
            .template(
                "newsletter.html",
                "<p>{% if first_name in ['x1', 'x2'] %}{{ throw(message='no') }}{% endif %}</p>",
            );
        home.send(story, &campaign, &["--skip-invalid"]);
        home.send(story, &campaign, &["--no-preflight", "--again"]);
        let test_to = ["--test-to", "me@one.example", "--limit", "2"];
        home.send(story, &campaign, &test_to);
        let folder = campaign.path().display().to_string();
        for line in &mut story.0 {
            *line = line.replace(&folder, "");
        }
    });
}

#[test]
fn who_got_it_before_is_left_out() {
    both(|home, story| {
        let api = by_name();
        let names = ["ann", "bob", "lost1", "reject1", "cleo"];
        let campaign = campaign(&api)
            .recipients(list(&names))
            .set("pace.concurrency", 1);
        let first = home.send(story, &campaign, &["--limit", "4"]);
        let refused = home.command("send").arg(campaign.path()).arg("--yes").run();
        refused
            .code(1)
            .stderr_has("this campaign has been sent before");
        home.send(story, &campaign, &["--except-sent"]);
        // The later run has sent to the row that is left.
        home.on(story, "resume", &first, &[]);
        story.0.push(format!("{:?}", api.taken_addresses()));
        // The names of the runs differ.
        for line in &mut story.0 {
            if let Some(at) = line.find("already sent in the run ") {
                line.truncate(at);
            }
        }
    });
}

#[test]
fn messages_are_looked_up() {
    both(|home, story| {
        let api = FakeApi::start(|_, request| {
            let is_lookup = request.method == "GET";
            match is_lookup {
                true => Reply::Take,
                false => Reply::CloseAfterReading {
                    take: !request.addresses().iter().any(|it| it.starts_with("r2@")),
                },
            }
        });
        let campaign = campaign(&api)
            .rows(4)
            .set("api.dialect", "new_sendmail")
            .set("pace.concurrency", 1);
        let run = home.send(story, &campaign, &[]);
        home.on(story, "resolve", &run, &["--how", "reconcile"]);
    });
}

#[test]
fn attachments_of_single_rows() {
    both(|home, story| {
        let api = by_name();
        let mut attachment = toml::Table::new();
        attachment.insert("path".into(), "files/{{ first_name }}.txt".into());
        let campaign = campaign(&api)
            .recipients(list(&["ann", "bob"]))
            .file("files/ann.txt", "for Ann")
            .file("files/bob.txt", "for Bob")
            .set("message.attachments", vec![toml::Value::from(attachment)])
            .set("pace.concurrency", 1);
        home.send(story, &campaign, &[]);
        let files: Vec<_> = api
            .requests()
            .iter()
            .map(|request| request.field("files[0][content]"))
            .collect();
        assert!(files.iter().all(Option::is_some), "{files:?}");
        story.0.push(format!("{files:?}"));
    });
}

#[test]
fn variants_and_the_choice_of_one() {
    both(|home, story| {
        let api = by_name();
        let variant = |name: &str| {
            let keys = [("name", name), ("subject", name)];
            let keys = keys.map(|(key, value)| (key.to_owned(), value.into()));
            let mut table = toml::Table::from_iter(keys);
            table.insert("share".to_owned(), 1.into());
            toml::Value::from(table)
        };
        let mut limits = toml::Table::new();
        limits.insert("two.example".into(), "1000/s".into());
        let campaign = newsletter(&api)
            .rows(40)
            .set("pace.concurrency", 1)
            .set("pace.batch", 3)
            .set("pace.per_domain", limits)
            .set("variants", vec![variant("A"), variant("B")]);
        let run = home.send(story, &campaign, &["--variant-sample", "30%"]);
        let variants = |story: &mut Story| {
            let status = home.command("status").arg(&run).args(["--format", "json"]);
            let status: serde_json::Value =
                serde_json::from_str(&status.run().code(0).stdout).expect("JSON");
            story.0.push(status["variants"].to_string());
        };
        variants(story);
        let held_back = home.command("resume").arg(&run).run();
        held_back
            .code(1)
            .stderr_has("held back until a variant is chosen");
        home.on(story, "resume", &run, &["--variant-sample"]);
        home.on(story, "retry", &run, &["--rejected"]);
        variants(story);
        home.on(story, "resume", &run, &["--variant", "B"]);
        variants(story);
        let other = home.command("resume").arg(&run).args(["--variant", "A"]);
        other.run().code(1).stderr_has("the variant B was chosen");
        home.on(story, "resume", &run, &["--variant", "B"]);
        variants(story);
        let requests = api.requests();
        let mut messages: Vec<_> = requests
            .iter()
            .flat_map(|request| {
                let subject = request.field("subject").unwrap_or_default();
                let addresses = request.addresses().into_iter();
                addresses.map(move |address| format!("{address}: {subject}"))
            })
            .collect();
        messages.sort();
        assert_eq!(messages.len(), 40);
        story.0.extend(messages);
    });
}
