//! `mailrun follow`: what became of accepted messages, in the events, the results and the status.

mod endings;

use std::path::{Path, PathBuf};

use crate::home::both;
use crate::support::campaign::Campaign;
use crate::support::gateway::Gateway;
use crate::support::results::Results;
use crate::support::run::{Run, SECRET_KEY};
use crate::support::send::{campaign, newsletter, send};
use crate::support::vendor::Vendor;

/// The addresses of a campaign of this many rows.
fn address(row: usize) -> String {
    format!("r{row}@one.example")
}

fn of(vendor: &Vendor, rows: usize) -> Campaign {
    let mut list = String::from("email,first_name\n");
    for row in 1..=rows {
        list += &format!("{},Nr {row}\n", address(row));
    }
    campaign(&vendor.api)
        .recipients(list)
        .set("api.dialect", "new_sendmail")
}

fn sent(campaign: &Campaign) -> PathBuf {
    send(campaign).run().code(0).run_dir()
}

/// `mailrun follow RUN` at a pace for tests, once.
fn follow(run: &Path) -> Run {
    once(Run::on("follow", run))
}

fn once(follow: Run) -> Run {
    fast(follow).args(["--for", "1ms"])
}

fn fast(follow: Run) -> Run {
    follow.args(["--rate", "500/s", "--interval", "100ms"])
}

/// The delivery state of each row, in its order.
fn states(results: &Results) -> Vec<&str> {
    results.rows.iter().map(|row| &*row["delivery"]).collect()
}

/// The lines of `events.csv` as `row event description`, without its header.
fn events(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("events");
    let mut lines = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(
        lines
            .headers()
            .expect("a header")
            .iter()
            .collect::<Vec<_>>(),
        ["row", "email", "message_id", "event", "at", "description"]
    );
    let lines = lines.records().map(|line| line.expect("good CSV"));
    lines
        .map(|line| {
            assert!(line[4].ends_with('Z') && !line[2].is_empty(), "{line:?}");
            assert_eq!(line[1], address(line[0].parse().expect("a number")));
            format!("{} {} {}", &line[0], &line[3], &line[5])
        })
        .collect()
}

/// Every state, some of them by events out of order.
fn every_state(vendor: &Vendor) {
    let at = |row, status, time| {
        vendor.event(&address(row), status, time);
    };
    at(1, "ok", "01:00:00");
    at(2, "ok", "01:00:00");
    at(2, "open", "02:00:00");
    at(3, "track", "03:00:00");
    at(3, "open", "02:00:00");
    at(4, "ok", "01:00:00");
    at(4, "hardbounce", "02:00:00");
    at(5, "softbounce", "01:00:00");
    at(6, "softbounce", "01:00:00");
    at(6, "ok", "02:00:00");
    at(7, "spambounce", "01:00:00");
    at(8, "dropped", "01:00:00");
    at(9, "track", "05:00:00");
    at(9, "feedback", "01:00:00");
    at(10, "deferred", "01:00:00");
}

const EVERY_STATE: [&str; 11] = [
    "delivered",
    "opened",
    "clicked",
    "hard-bounce",
    "soft-bounce",
    "delivered",
    "spam-bounce",
    "dropped",
    "complaint",
    "deferred",
    "",
];

#[test]
fn every_state_is_in_the_results_the_events_and_the_status() {
    both(|home| {
        let vendor = Vendor::start();
        let campaign = of(&vendor, 11);
        let ran = home.command("send").arg(campaign.path()).arg("--yes").run();
        let run = ran.code(0).stdout.lines().next().expect("a run").to_owned();
        assert_eq!(home.status(&run)["delivery"], serde_json::Value::Null);
        assert!(states(&home.results(&run)).iter().all(|it| it.is_empty()));

        every_state(&vendor);
        vendor
            .foreign("other@x", "r1@one.example")
            .event("r1@one.example", "ok", "01:00:00");
        vendor.foreign(&vendor.id("r1@one.example"), "bob@x.example");
        vendor.event("bob@x.example", "hardbounce", "09:00:00");
        vendor.foreign("0", "r11@one.example");
        let out = campaign.path().join("out.csv");
        let ask = || {
            let ran = once(home.command("follow").arg(&run))
                .arg("--out")
                .arg(&out)
                .run();
            ran.code(4)
                .stdout_is("")
                .stderr_has("belong to other messages")
                .stderr_lacks(SECRET_KEY);
            ran
        };
        ask()
            .stderr_has("1  deferred")
            .stderr_has("1  accepted, no news");
        let results = home.results(&run);
        assert_eq!(states(&results), EVERY_STATE);
        let first = events(&out);
        assert_eq!(
            first,
            [
                "1 delivered ok of r1@one.example",
                "2 delivered ok of r2@one.example",
                "2 opened open of r2@one.example",
                "3 opened open of r3@one.example",
                "3 clicked track of r3@one.example",
                "4 delivered ok of r4@one.example",
                "4 hard-bounce hardbounce of r4@one.example",
                "5 soft-bounce softbounce of r5@one.example",
                "6 soft-bounce softbounce of r6@one.example",
                "6 delivered ok of r6@one.example",
                "7 spam-bounce spambounce of r7@one.example",
                "8 dropped dropped of r8@one.example",
                "9 complaint feedback of r9@one.example",
                "9 clicked track of r9@one.example",
                "10 deferred deferred of r10@one.example",
            ]
        );
        let status = home.status(&run);
        let counts = &status["delivery"]["counts"];
        assert_eq!(counts["delivered"], 2);
        for state in [
            "opened",
            "clicked",
            "hard-bounce",
            "soft-bounce",
            "spam-bounce",
            "dropped",
            "complaint",
            "deferred",
        ] {
            assert_eq!(counts[state], 1, "{state}");
        }
        assert!(status["delivery"]["followed_at"].is_string());
        assert_eq!(status["counts"]["accepted"], 11);
        let text = home.command("status").arg(&run).run();
        text.code(0)
            .stdout_has("according to `mailrun follow` at")
            .stdout_has("1  hard-bounce");

        // The same events again change nothing; later ones do.
        ask();
        assert_eq!(events(&out), first);
        vendor.event("r10@one.example", "ok", "02:00:00");
        vendor.event("r11@one.example", "hardbounce", "02:00:00");
        vendor.event("r1@one.example", "hardbounce", "02:00:00");
        let ran = once(home.command("follow").arg(&run)).run();
        ran.code(0)
            .stderr_lacks("no news")
            .stderr_has("3  hard-bounce");
        let results = home.results(&run);
        assert_eq!(results.row("r10@one.example")["delivery"], "delivered");
        assert_eq!(results.row("r11@one.example")["delivery"], "hard-bounce");
        assert_eq!(results.row("r1@one.example")["delivery"], "hard-bounce");
        let asked = vendor.questions();
        assert!(
            asked
                .iter()
                .any(|it| it.contains("/smtp_events/hardbounce?from_time="))
        );
        assert!(
            asked.iter().all(|it| it.contains("account::1.test.smtp")),
            "{asked:?}"
        );
    });
}

#[test]
fn recipients_are_written_by_what_became_of_them() {
    both(|home| {
        let vendor = Vendor::start();
        let campaign = of(&vendor, 11);
        let ran = home.command("send").arg(campaign.path()).arg("--yes").run();
        let run = ran.code(0).stdout.lines().next().expect("a run").to_owned();
        let select = |state: &str| {
            home.command("results")
                .arg(&run)
                .args(["--delivery", state])
                .run()
        };
        select("bounced").code(1).stderr_has("mailrun follow");
        every_state(&vendor);
        once(home.command("follow").arg(&run)).run().code(4);
        let rows = |state: &str| {
            let ran = select(state);
            let mut lines = ran.code(0).stdout.lines();
            assert_eq!(lines.next(), Some("email,first_name"));
            let numbers = lines.map(|line| {
                let (email, name) = line.split_once(',').expect("two cells");
                let number = name.strip_prefix("Nr ").expect("a name").to_owned();
                assert_eq!(email, address(number.parse().expect("a number")));
                number
            });
            numbers.collect::<Vec<_>>().join(" ")
        };
        let selected = [
            ("delivered", "1 2 3 6"),
            ("opened", "2 3"),
            ("clicked", "3"),
            ("not-opened", "1 6"),
            ("bounced", "4 5 7"),
            ("soft-bounce", "5"),
            ("hard-bounce", "4"),
            ("spam-bounce", "7"),
            ("dropped", "8"),
            ("complaint", "9"),
            ("deferred", "10"),
        ];
        for (state, numbers) in selected {
            assert_eq!(rows(state), numbers, "{state}");
        }
        let out = campaign.path().join("again.csv");
        let ran = home
            .command("results")
            .arg(&run)
            .args(["--delivery", "not-opened"]);
        ran.arg("--out")
            .arg(&out)
            .run()
            .code(0)
            .stderr_has("2 recipients");
        let text = std::fs::read_to_string(&out).expect("a file");
        assert_eq!(
            text,
            "email,first_name\r\nr1@one.example,Nr 1\r\nr6@one.example,Nr 6\r\n"
        );
    });
}

#[test]
fn the_results_in_the_folder_have_the_delivery() {
    let vendor = Vendor::start();
    let campaign = of(&vendor, 2);
    let run = sent(&campaign);
    vendor.event("r1@one.example", "ok", "01:00:00");
    vendor.event("r2@one.example", "hardbounce", "01:00:00");
    follow(&run).run().code(0);
    assert_eq!(states(&Results::of(&run)), ["delivered", "hard-bounce"]);
    assert_eq!(events(&run.join("events.csv")).len(), 2);
    Run::on("resume", &run).run().code(0);
    assert_eq!(states(&Results::of(&run)), ["delivered", "hard-bounce"]);
    // A damaged file stops `status`, but not what writes the results of a run.
    std::fs::write(
        run.join("events.db"),
        "no database at all, and this for long",
    )
    .expect("a file");
    for extra in ["events.db-wal", "events.db-shm"] {
        let _ = std::fs::remove_file(run.join(extra));
    }
    Run::on("status", &run)
        .run()
        .code(1)
        .stderr_has("delete events.db");
    Run::on("resume", &run).run().code(0);
    assert_eq!(states(&Results::of(&run)), ["", ""]);
}

#[test]
fn lists_are_read_to_their_end_even_in_small_pages() {
    let vendor = Vendor::start().page(3);
    let campaign = of(&vendor, 10);
    let run = sent(&campaign);
    for row in 1..=10 {
        vendor.event(&address(row), "ok", "01:00:00");
    }
    follow(&run).run().code(0);
    assert_eq!(states(&Results::of(&run)), ["delivered"; 10]);
    let pages = vendor.questions();
    let offsets = ["offset=0", "offset=3", "offset=6", "offset=9", "offset=10"];
    let asked: Vec<_> = pages.iter().filter(|it| it.contains("/emails")).collect();
    assert_eq!(asked.len(), offsets.len(), "{asked:?}");
    for (question, offset) in asked.iter().zip(offsets) {
        assert!(question.ends_with(offset), "{question}");
    }
}

#[test]
fn an_id_that_covers_two_recipients_tells_them_apart_by_address() {
    let shared = ["r1@one.example", "r2@one.example"];
    let vendor = Vendor::start().share("shared@x", &shared);
    let campaign = newsletter(&vendor.api)
        .recipients("email\nr1@one.example\nr2@one.example\n")
        .set("pace.batch", 2);
    let run = sent(&campaign);
    let ids: Vec<_> = Results::of(&run)
        .rows
        .iter()
        .map(|it| it["message_id"].clone())
        .collect();
    assert_eq!(ids, ["shared@x", "shared@x"]);
    vendor.event("r1@one.example", "ok", "01:00:00");
    vendor.event("r2@one.example", "hardbounce", "01:00:00");
    follow(&run).run().code(0);
    assert_eq!(states(&Results::of(&run)), ["delivered", "hard-bounce"]);
}

#[test]
fn an_id_of_zero_identifies_nothing() {
    let vendor = Vendor::start().share("0", &["r1@one.example"]);
    let campaign = newsletter(&vendor.api).recipients("email\nr1@one.example\nr2@one.example\n");
    let run = sent(&campaign);
    vendor.event("r1@one.example", "hardbounce", "01:00:00");
    vendor.event("r2@one.example", "ok", "01:00:00");
    let ran = follow(&run).run();
    ran.code(4)
        .stderr_has("1 accepted message can't be followed");
    assert_eq!(states(&Results::of(&run)), ["", "delivered"]);
}

#[test]
fn a_test_is_followed_by_the_address_that_got_it() {
    let vendor = Vendor::start();
    let campaign = of(&vendor, 3);
    let test = send(&campaign).args(["--test-to", "me@two.example"]).run();
    let run = test.code(0).run_dir();
    vendor.event("me@two.example", "ok", "01:00:00");
    follow(&run).run().code(0);
    assert_eq!(states(&Results::of(&run)), ["delivered"]);
}

#[test]
fn the_newer_api_is_asked_message_by_message() {
    let vendor = Vendor::start().page(2);
    let campaign = of(&vendor, 6).set("api.dialect", "v2");
    let run = sent(&campaign);
    let set = |row, status, time| {
        vendor.event(&address(row), status, time);
    };
    for row in 1..=3 {
        set(row, "ok", "01:00:00");
        set(row, "open", "02:00:00");
    }
    set(3, "track", "03:00:00");
    set(4, "hardbounce", "01:00:00");
    set(5, "deferred", "01:00:00");
    follow(&run).run().code(4).stderr_has("1  deferred");
    assert_eq!(
        states(&Results::of(&run)),
        ["opened", "opened", "clicked", "hard-bounce", "deferred", ""]
    );
    let lookups = |vendor: &Vendor| {
        let questions = vendor.questions();
        questions
            .iter()
            .filter(|it| it.contains("messageId="))
            .count()
    };
    // The lists come first: a message that was opened is not looked up.
    assert_eq!(lookups(&vendor), 3);
    set(5, "ok", "02:00:00");
    set(6, "ok", "02:00:00");
    follow(&run).run().code(0);
    assert_eq!(
        lookups(&vendor),
        5,
        "only those that are open are looked up"
    );
    let results = Results::of(&run);
    assert_eq!(states(&results)[4..], ["delivered", "delivered"]);
}

#[test]
fn the_gateway_tells_what_became_of_its_messages() {
    for dialect in ["new_sendmail", "v2"] {
        let gateway = Gateway::start();
        let url = match dialect {
            "v2" => gateway.api().replace("/api/", "/v2.1/"),
            _ => gateway.api(),
        };
        let block = "account=1.test.smtp&email=r2%40one.example&reason=hardbounce";
        let lines = [
            "Content-Type: application/x-www-form-urlencoded",
            "Authorization: Basic YTpi",
        ];
        let blocked = gateway.ask("POST /api/blacklists", &lines, block);
        assert_eq!(blocked.status, 200);
        let campaign = Campaign::new()
            .api(&url)
            .set("api.dialect", dialect)
            .recipients("email,first_name\nr1@one.example,A\nr2@one.example,B\nr3@one.example,C\n");
        let run = sent(&campaign);
        follow(&run)
            .run()
            .code(0)
            .stderr_has("2  delivered")
            .stderr_has("1  dropped");
        assert_eq!(
            states(&Results::of(&run)),
            ["delivered", "dropped", "delivered"],
            "{dialect}"
        );
        let ran = Run::on("results", &run)
            .args(["--delivery", "dropped"])
            .run();
        ran.code(0)
            .stdout_is("email,first_name\r\nr2@one.example,B\r\n");
    }
}
