//! `mailrun report`: its numbers, and the page.

mod page;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::postgres;
use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::postgres::{Cluster, USER};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{campaign, send, status};
use crate::support::smtp::FakeSmtp;
use crate::support::vendor::Vendor;

const LIST: &str = "email,first_name\na1@one.example,A\na2@one.example,A\na3@one.example,A\na4@one.example,A\n\
    a5@one.example,A\na6@one.example,A\nb1@two.example,B\nb2@two.example,B\nb3@two.example,B\nb4@two.example,B\n\
    c1@three.example,C\nc2@three.example,C\nnobody,N\na1@one.example,Again\n";

/// A campaign with an invalid and a repeated row.
fn of(vendor: &Vendor) -> Campaign {
    campaign(&vendor.api)
        .recipients(LIST)
        .set("api.dialect", "new_sendmail")
}

/// What becomes of the messages. All of it is before the message was accepted, as clocks differ.
fn events(vendor: &Vendor) {
    let at = |to: &str, status, description: &str| {
        vendor.described(to, status, "00:00:01", description);
    };
    at("a1@one.example", "ok", "250 OK");
    at("a2@one.example", "ok", "250 OK");
    at("a2@one.example", "open", "");
    at("a3@one.example", "open", "");
    let link = "https://shop.acme.example/autumn";
    at(
        "a3@one.example",
        "track",
        &format!("{link}?u=a3%40one.example"),
    );
    at(
        "a4@one.example",
        "track",
        &format!("{link}?u=a4%40one.example"),
    );
    let unknown = "550 5.1.1 <a5@one.example>: User unknown in table 17";
    at("a5@one.example", "hardbounce", unknown);
    at(
        "a6@one.example",
        "hardbounce",
        &unknown.replace("a5", "a6").replace("17", "9"),
    );
    at(
        "b1@two.example",
        "softbounce",
        "452 4.2.2 <script>top.__xss=1</script> is full",
    );
    at(
        "b2@two.example",
        "spambounce",
        "\"><img src=http://out.example/a.png onerror=top.__xss=1>",
    );
    at("b3@two.example", "dropped", "");
    at("b4@two.example", "ok", "");
    at("b4@two.example", "open", "");
    at("b4@two.example", "feedback", "");
    at("c1@three.example", "deferred", "try later");
}

fn sent(campaign: &Campaign) -> PathBuf {
    send(campaign).arg("--skip-invalid").run().code(3).run_dir()
}

fn once(follow: Run) -> Run {
    follow.args(["--rate", "500/s", "--for", "1ms"])
}

fn follow(run: &Path) {
    once(Run::on("follow", run)).run().code(4);
}

/// A run of which every kind of outcome is known.
fn followed(vendor: &Vendor, campaign: &Campaign) -> PathBuf {
    let run = sent(campaign);
    events(vendor);
    follow(&run);
    run
}

fn json_of(report: Run) -> Value {
    let ran = report.args(["--format", "json"]).run();
    serde_json::from_str(&ran.code(0).stderr_is("").stdout).expect("JSON")
}

fn expected_counts() -> Value {
    json!({
        "accepted": 12, "delivered": 5, "hard_bounced": 2, "soft_bounced": 1, "spam_bounced": 1, "bounced": 4,
        "dropped": 1, "deferred": 1, "no_news": 1, "opened": 4, "clicked": 2, "unsubscribed": 0,
        "complaints": 1,
    })
}

/// Counts the rows of the results and the lines of the events anew.
fn recounted(results: &Results, events: &str) -> BTreeMap<&'static str, usize> {
    let with = |states: &[&str]| {
        let rows = results.rows.iter();
        rows.filter(|row| states.contains(&&*row["delivery"]))
            .count()
    };
    let arrived = [
        "delivered",
        "opened",
        "clicked",
        "complaint",
        "unsubscribed",
    ];
    let mut lines = csv::Reader::from_reader(events.as_bytes());
    let lines: Vec<(String, String)> = lines
        .records()
        .map(|line| line.expect("good CSV"))
        .map(|line| (line[0].to_owned(), line[3].to_owned()))
        .collect();
    let arrived_with = |kinds: &[&str]| {
        let rows = results.rows.iter().filter(|row| {
            let has = |(number, kind): &(String, String)| {
                *number == row["row"] && kinds.contains(&&**kind)
            };
            arrived.contains(&&*row["delivery"]) && lines.iter().any(has)
        });
        rows.count()
    };
    BTreeMap::from([
        ("accepted", results.count("accepted")),
        ("delivered", with(&arrived)),
        ("hard_bounced", with(&["hard-bounce"])),
        ("soft_bounced", with(&["soft-bounce"])),
        ("spam_bounced", with(&["spam-bounce"])),
        (
            "bounced",
            with(&["hard-bounce", "soft-bounce", "spam-bounce"]),
        ),
        ("dropped", with(&["dropped"])),
        ("deferred", with(&["deferred"])),
        (
            "no_news",
            results
                .with_status("accepted")
                .filter(|row| row["delivery"].is_empty())
                .count(),
        ),
        ("opened", arrived_with(&["opened", "clicked"])),
        ("clicked", arrived_with(&["clicked"])),
        ("unsubscribed", arrived_with(&["unsubscribed"])),
        ("complaints", arrived_with(&["complaint"])),
    ])
}

#[test]
fn the_numbers_are_those_of_the_results_and_the_events() {
    let vendor = Vendor::start();
    let campaign = of(&vendor);
    let run = followed(&vendor, &campaign);
    let report = json_of(Run::on("report", &run));
    let [figures] = &report["runs"].as_array().expect("runs")[..] else {
        panic!("one run: {report}")
    };
    let events = std::fs::read_to_string(run.join("events.csv")).expect("events");
    assert_eq!(
        figures["delivery"]["counts"],
        json!(recounted(&Results::of(&run), &events))
    );
    assert_eq!(figures["delivery"]["counts"], expected_counts());
    let status = status(&run);
    for name in [
        "run",
        "name",
        "target",
        "started_at",
        "rows",
        "blank_rows",
        "counts",
    ] {
        assert_eq!(figures[name], status[name], "{name}");
    }
    assert_eq!(figures["followed_at"], status["delivery"]["followed_at"]);
    assert_eq!(
        (&figures["rows"], &figures["is_live"]),
        (&json!(14), &json!(false))
    );
    assert_eq!(figures["sending"]["posted"], 12);
    let bins = figures["sending"]["bins"].as_array().expect("bins");
    assert_eq!(bins.iter().filter_map(Value::as_u64).sum::<u64>(), 12);
    assert_eq!(report["comparison"], json!([]));

    let requests = vendor.api.requests();
    let requests = requests
        .iter()
        .filter(|it| it.endpoint().ends_with("sendmail"))
        .count();
    let latency = &figures["latency"];
    assert_eq!(latency["requests"], requests, "{latency}");
    let classes = latency["classes"].as_array().expect("classes");
    let of_classes = classes
        .iter()
        .filter_map(|class| class["requests"].as_u64());
    assert_eq!(of_classes.sum::<u64>() as usize, requests);
    assert!(
        latency["p50"].as_u64() <= latency["p99"].as_u64(),
        "{latency}"
    );
}

#[test]
fn domains_reasons_links_and_rates_are_counted() {
    let vendor = Vendor::start();
    let campaign = of(&vendor);
    let run = followed(&vendor, &campaign);
    let report = json_of(Run::on("report", &run));
    let figures = &report["runs"][0];
    let of_domain = |place: usize, names: [&str; 4]| {
        let entry = &figures["domains"][place];
        let numbers = names.map(|name| entry[name].as_u64().expect("a number"));
        (
            entry["domain"].as_str().expect("a name").to_owned(),
            numbers,
        )
    };
    let names = ["accepted", "delivered", "bounced", "opened"];
    let domains = [0, 1, 2].map(|place| of_domain(place, names));
    let expected = [
        ("one.example", [6, 4, 2, 3]),
        ("two.example", [4, 1, 2, 1]),
        ("three.example", [2, 0, 0, 0]),
    ];
    assert_eq!(
        domains,
        expected.map(|(name, numbers)| (name.to_owned(), numbers))
    );
    assert_eq!(figures["domains"].as_array().map(Vec::len), Some(3));
    let delivery = &figures["delivery"];
    assert_eq!(
        delivery["bounce_reasons"],
        json!([
            { "reason": "hard-bounce 550 5.1.1 … User unknown in table …", "messages": 2 },
            { "reason": "dropped ", "messages": 1 },
            { "reason": "soft-bounce 452 4.2.2 … is full", "messages": 1 },
            { "reason": "spam-bounce \"><img src=http://out.example/a.png …", "messages": 1 },
        ])
    );
    assert_eq!(
        delivery["links"],
        json!([{ "link": "https://shop.acme.example/autumn", "messages": 2 }])
    );
    assert_eq!(
        delivery["opens_by_hour"],
        json!({ "hours": [3], "later": 0 })
    );
    assert_eq!(
        delivery["clicks_by_hour"],
        json!({ "hours": [2], "later": 0 })
    );
    let rate = |name: &str| {
        let rate = &delivery["rates"][name];
        let number = |key: &str| rate[key].as_f64().expect("a number");
        let of = rate["of"].as_str().expect("a name").to_owned();
        (
            of,
            [number("share"), number("low"), number("high")].map(|it| (it * 1e4).round()),
        )
    };
    // Wilson's interval of 4 of 5 and of 4 of 12.
    assert_eq!(
        rate("opened"),
        ("delivered".to_owned(), [8000.0, 3755.0, 9638.0])
    );
    assert_eq!(
        rate("bounced"),
        ("accepted".to_owned(), [3333.0, 1381.0, 6094.0])
    );
}

#[test]
fn a_run_in_a_database_has_the_same_numbers() {
    if !postgres::is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let url = cluster.url_of(USER, &cluster.database());
    postgres::init(&url).run().code(0);
    let vendor = Vendor::start();
    let campaign = of(&vendor);
    let command = |name: &str| Run::new(name).keys().env("MAILRUN_LEDGER", &url);
    let ran = command("send")
        .arg(campaign.path())
        .args(["--yes", "--skip-invalid"])
        .run();
    let run = ran.code(3).stdout.lines().next().expect("a run").to_owned();
    events(&vendor);
    once(command("follow").arg(&run)).run().code(4);
    let report = json_of(command("report").arg(&run));
    let figures = &report["runs"][0];
    assert_eq!(figures["delivery"]["counts"], expected_counts());
    assert_eq!(
        (&figures["run"], &figures["rows"]),
        (&json!(run), &json!(14))
    );
    assert_eq!(figures["domains"][0]["domain"], "one.example");
    command("report")
        .arg(&run)
        .run()
        .code(2)
        .stderr_has("--out FILE");
    let out = campaign.path().join("report.html");
    let ran = command("report").arg(&run).arg("--out").arg(&out).run();
    ran.code(0).stdout_has("report.html");
    assert!(out.is_file());
}

#[test]
fn the_page_is_written_for_its_owner_and_the_numbers_are_printed() {
    let vendor = Vendor::start();
    let campaign = of(&vendor);
    let run = followed(&vendor, &campaign);
    let page = run.join("report.html");
    let ran = Run::on("report", &run).run();
    ran.code(0).stdout_is(&format!("{}\n", page.display()));
    for line in [
        "          14  rows\n",
        "          12  sent          85.7% of rows\n",
        "           5  delivered     41.7% of sent\n",
        "           4  bounced       33.3% of sent\n",
        "           4  opened        80.0% of delivered\n",
        "           1  complaints    20.0% of delivered\n",
    ] {
        ran.stderr_has(line);
    }
    let mode = std::fs::metadata(&page)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let left = std::fs::read_dir(&run).expect("a folder").flatten();
    let names = left.map(|entry| entry.file_name().to_string_lossy().into_owned());
    assert_eq!(
        names
            .filter(|name| name.contains("report"))
            .collect::<Vec<_>>(),
        ["report.html"]
    );
    // The campaign stands for its newest run, and standard output for a file.
    let ran = Run::on("report", campaign.path())
        .args(["--out", "-"])
        .run();
    ran.code(0).stderr_is("").stdout_has("<!doctype html>");
}

#[test]
fn a_run_that_was_not_followed_says_so() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let run = send(&campaign).run().code(0).run_dir();
    let report = json_of(Run::on("report", &run));
    let figures = &report["runs"][0];
    assert_eq!(
        (&figures["delivery"], &figures["followed_at"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        figures["domains"],
        json!([{ "domain": "one.example", "accepted": 2 }, { "domain": "two.example", "accepted": 1 }])
    );
    let ran = Run::on("report", &run).run();
    ran.code(0)
        .stderr_has("3  sent          100% of rows")
        .stderr_has(&format!("mailrun follow {}", run.display()));
    let page = std::fs::read_to_string(run.join("report.html")).expect("a page");
    assert!(page.contains("not known, because nobody has asked the API yet"));
    for word in [
        "Delivered</dt><dd><b>",
        "Bounced</dt><dd><b>",
        "Opens and clicks after sending",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    let csv = Run::on("report", &run).args(["--format", "csv"]).run();
    let line = csv.code(0).stdout.lines().nth(1).expect("a line");
    assert!(line.ends_with(",3,3,0,0,0,0,0,0,0,,,,,,,,,,,"), "{line}");
}

#[test]
fn runs_are_compared_in_the_order_of_time() {
    let vendor = Vendor::start();
    let campaign = of(&vendor);
    let first = followed(&vendor, &campaign);
    let second = send(&campaign)
        .args(["--again", "--skip-invalid"])
        .run()
        .code(3)
        .run_dir();
    for (name, status) in [
        ("a1", "open"),
        ("a2", "open"),
        ("a5", "ok"),
        ("c1", "ok"),
        ("c2", "ok"),
    ] {
        let domain = if name.starts_with('a') {
            "one"
        } else {
            "three"
        };
        vendor.described(&format!("{name}@{domain}.example"), status, "00:00:02", "");
    }
    follow(&second);
    let of_both = |arguments: &[&str]| Run::on("report", &second).arg(&first).args(arguments);
    let csv = of_both(&["--format", "csv"]).run();
    let csv = Results::parse(&csv.code(0).stdout);
    let column = |name: &str| {
        csv.rows
            .iter()
            .map(|row| row[name].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        column("run"),
        [&first, &second].map(|run| run.display().to_string())
    );
    assert_eq!(column("rows"), ["14", "14"]);
    assert_eq!(column("accepted"), ["12", "12"]);
    assert_eq!(column("opened")[0], "4");
    let report = json_of(of_both(&[]));
    let leader = &report["comparison"][0];
    assert_eq!(
        (&leader["measure"], &leader["of"], &leader["may_be_chance"]),
        (&json!("opened"), &json!("delivered"), &json!(true))
    );
    of_both(&[])
        .run()
        .code(2)
        .stderr_has("none of their folders");
    let out = campaign.path().join("both.html");
    of_both(&["--out"]).arg(&out).run().code(0);
    let page = std::fs::read_to_string(&out).expect("a page");
    assert!(page.contains("may be chance"), "{page}");
    assert_eq!(page.matches("<article").count(), 2);
}

#[test]
fn a_run_by_smtp_has_bounces_and_no_shares_that_nobody_knows() {
    let server = FakeSmtp::start();
    let campaign = Campaign::new()
        .unset("api")
        .set("smtp.url", server.url())
        .set("smtp.tls", "none")
        .recipients("email,first_name\nqmail@dest.example,A\nother@dest.example,B\n");
    let run = Run::send(campaign.path()).run().code(0).run_dir();
    Run::on("report", &run)
        .run()
        .code(0)
        .stderr_has("--bounces MAILBOX");
    let page = || std::fs::read_to_string(run.join("report.html")).expect("a page");
    assert!(page().contains("<code>mailrun follow --bounces</code>"));
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bounces/qmail.eml");
    let bounce = std::fs::read_to_string(fixture).expect("a fixture");
    let results = Results::of(&run);
    let id = &results.row("qmail@dest.example")["message_id"];
    let bounce = bounce.replace("{{id}}", id);
    let mailbox = campaign.path().join("bounces");
    std::fs::create_dir(&mailbox).expect("a folder");
    std::fs::write(mailbox.join("qmail.eml"), bounce).expect("a mail");
    Run::on("follow", &run)
        .arg("--bounces")
        .arg(&mailbox)
        .run()
        .code(0);
    let report = json_of(Run::on("report", &run));
    let delivery = &report["runs"][0]["delivery"];
    assert_eq!(
        (
            &delivery["counts"]["bounced"],
            &delivery["counts"]["no_news"]
        ),
        (&json!(1), &json!(1))
    );
    let rates = delivery["rates"].as_object().expect("rates");
    assert_eq!(
        rates.keys().collect::<Vec<_>>(),
        ["bounced", "complaints", "unsubscribed"]
    );
    assert_eq!(
        (&rates["bounced"]["of"], &rates["bounced"]["share"]),
        (&json!("accepted"), &json!(0.5))
    );
    Run::on("report", &run)
        .run()
        .code(0)
        .stderr_has("1  bounced       50.0% of sent")
        .stderr_lacks("delivered");
    let page = page();
    assert!(page.contains("sent by SMTP") && page.contains("No bounce so far"));
    assert!(
        !page.contains("Opens are a guess") && !page.contains("qmail@"),
        "{page}"
    );
}

#[test]
fn a_local_run_has_nobody_to_ask() {
    let vendor = Vendor::start();
    let campaign = of(&vendor);
    let local = Run::new("send").arg(campaign.path()).arg("--local").run();
    // Some rows are invalid.
    let run = local.code(3).run_dir();
    Run::on("report", &run)
        .run()
        .code(0)
        .stderr_has("rows")
        .stderr_lacks("mailrun follow");
    let page = std::fs::read_to_string(run.join("report.html")).expect("a page");
    assert!(page.contains("A local run"), "{page}");
    assert!(!page.contains("nobody has asked"), "{page}");
}
