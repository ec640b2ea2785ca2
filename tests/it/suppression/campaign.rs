//! `suppress = ["@acme"]` in a campaign.

use super::{both, suppress, with_list};
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::findings::check_without_style_rules as check;
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{campaign, send};

#[test]
fn a_missing_list_stops_check_and_send() {
    both(|home| {
        let api = FakeApi::start(|_, _| Reply::Take);
        let campaign = home.place(with_list(campaign(&api)));
        check(&campaign)
            .only()
            .is("no-list", "@acme does not exist")
            .helps("mailrun suppress add @acme");
        for options in [&["--yes"][..], &["--local"], &["--dry-run"]] {
            let ran = Run::new("send").arg(campaign.path()).args(options).keys();
            ran.run().code(1).stdout_is("").stderr_has("@acme");
        }
        assert!(campaign.runs().is_empty());
        assert!(api.requests().is_empty());
        suppress(&campaign, "add")
            .run()
            .code(0)
            .stderr_has("Created the list @acme");
        check(&campaign).is_clean();
        send(&campaign).run().code(0);
        assert_eq!(api.taken().len(), 3);
    });
}

#[test]
fn addresses_on_the_list_are_left_out_with_the_reason() {
    both(|home| {
        let api = FakeApi::start(|_, _| Reply::Take);
        let campaign = home.place(with_list(campaign(&api)));
        suppress(&campaign, "add")
            .args(["ANN@one.example", "--reason", "hard-bounce"])
            .run()
            .code(0);
        suppress(&campaign, "add")
            .arg("ann@one.example")
            .run()
            .code(0);
        let report = check(&campaign);
        report.is_clean();
        assert_eq!(report.suppressed.len(), 1);
        assert_eq!(
            report.suppressed[0].reason,
            "on the list @acme: hard bounce"
        );
        assert_eq!(report.suppressed[0].rows, 1);
        Run::new("check")
            .arg(campaign.path())
            .run()
            .code(0)
            .stdout_has("left out: 1 row: on the list @acme: hard bounce");
        let ran = send(&campaign).run();
        let run = ran.code(0).stdout.lines().next().expect("a run").to_owned();
        let mut results = Run::new("results").arg(&run).args(["--out", "-"]);
        if let Some(url) = &home.0 {
            results = results.env("MAILRUN_LEDGER", url);
        }
        let results = Results::parse(&results.run().code(0).stdout);
        let ann = results.row("ann@one.example");
        assert_eq!(
            (&*ann["status"], &*ann["code"], &*ann["error"]),
            ("skipped", "suppressed", "on the list @acme: hard bounce")
        );
        assert_eq!(results.count("accepted"), 2);
    });
}

#[test]
fn resume_reads_the_list_again() {
    both(|home| {
        let api = FakeApi::start(|_, _| Reply::Take);
        let campaign = home.place(with_list(campaign(&api)));
        suppress(&campaign, "add").run().code(0);
        let ran = send(&campaign).args(["--limit", "1"]).run();
        let run = ran.code(5).stdout.lines().next().expect("a run").to_owned();
        suppress(&campaign, "add")
            .arg("cleo@one.example")
            .run()
            .code(0);
        let mut resume = Run::new("resume").arg(&run).keys();
        if let Some(url) = &home.0 {
            resume = resume.env("MAILRUN_LEDGER", url);
        }
        resume
            .run()
            .code(0)
            .stderr_has("1 row skipped: on a suppression list now");
        let mut to = api.taken_addresses();
        to.sort();
        assert_eq!(to, ["ann@one.example", "bob@two.example"]);
    });
}

#[test]
fn the_folder_of_the_lists_can_be_shared_by_campaigns() {
    let shared = tempfile::tempdir().expect("a folder");
    let folder = shared.path().to_str().expect("UTF-8").to_owned();
    let [first, second] =
        [(); 2].map(|()| with_list(Campaign::new()).set("recipients.lists", folder.as_str()));
    suppress(&first, "add").arg("bob@two.example").run().code(0);
    assert!(shared.path().join("acme.db").is_file());
    assert_eq!(check(&second).suppressed[0].rows, 1);
    // The file itself names the list, too.
    let path = shared.path().join("acme.db");
    let ran = Run::new("suppress")
        .arg("check")
        .arg(path)
        .arg("bob@two.example")
        .run();
    ran.code(0).stdout_has("manual (command line");
}

#[test]
fn mistakes_in_lists_and_feedback_have_their_place() {
    let lists = |names: Vec<&str>| Campaign::new().set("recipients.suppress", names);
    check(&lists(vec!["@Acme"])).only().is("bad-value", "@Acme");
    check(&lists(vec!["@a", "@b"]))
        .only()
        .is("bad-value", "several lists")
        .helps("list = \"@a\"");
    let chosen = lists(vec!["@a", "@b"]).set("feedback.list", "@b");
    for name in ["@a", "@b"] {
        let ran = Run::new("suppress").args(["add", name, "--campaign"]);
        ran.arg(chosen.path()).run().code(0);
    }
    check(&chosen).is_clean();
    check(&lists(vec!["@a"]).set("feedback.list", "@b"))
        .only()
        .is("bad-value", "@b is not in `suppress`");
    check(&lists(vec!["@a"]).set("feedback.soft_bounces", 0))
        .only()
        .is("bad-value", "at least 1");
    check(&Campaign::new().set("feedback.lists", 1))
        .only()
        .is("unknown-key", "lists");
}

#[test]
fn no_row_can_attach_the_list() {
    let attachment = toml::toml! { path = "{{ first_name }}" };
    let campaign = with_list(Campaign::new())
        .set("message.attachments", vec![toml::Value::Table(attachment)])
        .recipients("email,first_name\nann@one.example,lists/acme.db\n");
    suppress(&campaign, "add")
        .arg("bob@two.example")
        .run()
        .code(0);
    check(&campaign).only().is("attachment", "lists/acme.db");
}

#[test]
fn a_damaged_and_a_newer_list_stop_the_run() {
    let campaign =
        with_list(Campaign::new()).file("lists/acme.db", "not a database, but long enough");
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    ran.code(1).stderr_has("acme.db is not a list");
}

#[test]
fn the_preview_shows_who_is_on_the_list() {
    let campaign = with_list(Campaign::new());
    suppress(&campaign, "add")
        .arg("ann@one.example")
        .run()
        .code(0);
    let ran = Run::new("preview")
        .arg(campaign.path())
        .args(["--row", "1"])
        .run();
    ran.stderr_has("on the list @acme: added by hand");
}
