//! Several addresses in `cc`, `bcc` and `reply_to`, from lists and from cells.

use serde_json::json;

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::findings::{check as check_all, check_without_style_rules as check};
use crate::support::mail::outbox;
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{campaign, send};
use crate::support::smtp::FakeSmtp;

/// Reported case 11, and names.
const ROWS: &str = "email,first_name,managers\n\
    ann@one.example,Ann,mo@one.example;MAX@one.example; mo@ONE.example\n\
    bob@two.example,Bob,\"\"\"Doe, Mia\"\" <mia@one.example>\"\n\
    cid@one.example,Cid,\n";

fn with_managers(campaign: Campaign) -> Campaign {
    campaign
        .recipients(ROWS)
        .set(
            "message.cc",
            vec!["{{ managers }}", "archive@sender.example"],
        )
        .set(
            "message.bcc",
            "one@sender.example, Two <two@sender.example>",
        )
}

#[test]
fn new_sendmail_posts_several_as_a_map() {
    let api = FakeApi::taking_all();
    let campaign = with_managers(campaign(&api))
        .set("api.dialect", "new_sendmail")
        .set("pace.concurrency", 1);
    send(&campaign).run().code(0);
    let requests = api.requests();
    let fields = |n: usize| -> Vec<(String, String)> {
        let fields = requests[n].fields().into_iter();
        fields
            .filter(|(name, _)| name.contains("cc") && name != "smtp_account")
            .collect()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let blind = [
        pair("multi_bcc", "1"),
        pair("bcc[one@sender.example]", ""),
        pair("bcc[two@sender.example]", "Two"),
    ];
    let mut expected = vec![
        pair("multi_cc", "1"),
        pair("cc[mo@one.example]", ""),
        pair("cc[MAX@one.example]", ""),
        pair("cc[archive@sender.example]", ""),
    ];
    expected.extend(blind.clone());
    assert_eq!(fields(0), expected);
    assert!(fields(1).contains(&pair("cc[mia@one.example]", "Doe, Mia")));
    // One copy is no map.
    let mut expected = vec![pair("cc", "archive@sender.example")];
    expected.extend(blind);
    assert_eq!(fields(2), expected);
}

#[test]
fn a_list_of_json_is_joined() {
    let rows = r#"{"email": "ann@one.example", "first_name": "Ann", "managers": ["mo@one.example", "Max <max@one.example>"]}
{"email": "bob@two.example", "first_name": "Bob", "managers": []}
"#;
    let campaign = |cc: &str| {
        Campaign::new()
            .set("api.dialect", "new_sendmail")
            .set("recipients.file", "list.jsonl")
            .file("list.jsonl", rows)
            .set("message.cc", cc)
    };
    let joined = campaign("{{ managers | join(sep=', ') }}");
    let ran = Run::new("preview")
        .arg(joined.path())
        .args(["--row", "1"])
        .run();
    ran.code(0)
        .stdout_has("Cc: mo@one.example")
        .stdout_has("Cc: Max <max@one.example>");
    check(&joined).is_clean();
    let report = check(&campaign("{{ managers }}"));
    report.only().helps("join(sep=', ')");
    // A missing list is empty text.
    let missing = campaign("{{ managers | join(sep=', ') }}").file(
        "list.jsonl",
        r#"{"email": "ann@one.example", "first_name": "Ann", "managers": null}"#,
    );
    let report = check(&missing);
    let finding = report.only();
    finding.is("template-error", "a filter here needs a list, but got text");
    finding.helps("{% if … %}");
    let allowed = "{% if managers %}{{ managers | join(sep=', ') }}{% endif %}";
    check(&missing.set("message.cc", allowed)).is_clean();
}

#[test]
fn v2_posts_a_list() {
    let api = FakeApi::taking_all();
    let campaign = with_managers(campaign(&api))
        .set("api.dialect", "v2")
        .set("pace.concurrency", 1);
    send(&campaign).run().code(0);
    let body = api.requests()[1].json();
    let expected = json!([
        {"email": "mia@one.example", "name": "Doe, Mia"},
        {"email": "archive@sender.example"},
    ]);
    assert_eq!(body["cc"], expected);
    assert_eq!(body["bcc"].as_array().map(Vec::len), Some(2));
}

#[test]
fn smtp_carries_everything() {
    let server = FakeSmtp::start();
    let campaign = with_managers(Campaign::new().unset("api"))
        .set("smtp.url", server.url())
        .set("smtp.tls", "none")
        .set(
            "message.reply_to",
            vec!["a@sender.example", "{{ managers }}"],
        )
        .set("pace.concurrency", 1);
    Run::send(campaign.path()).run().code(0);
    let taken = server.taken();
    let to = [
        "ann@one.example",
        "mo@one.example",
        "MAX@one.example",
        "archive@sender.example",
        "one@sender.example",
        "two@sender.example",
    ];
    assert_eq!(taken[0].to, to);
    let reply_to = taken[0].header("Reply-To");
    for address in ["a@sender.example", "mo@one.example", "MAX@one.example"] {
        assert!(reply_to.contains(address), "{reply_to}");
    }
    let cc = taken[1].header("Cc");
    assert!(cc.contains("\"Doe, Mia\" <mia@one.example>"), "{cc}");
    assert_eq!(taken[2].header("Reply-To"), "<a@sender.example>");
}

#[test]
fn check_reads_all_reply_addresses() {
    let campaign = Campaign::new()
        .unset("api")
        .set("smtp.url", "smtp://127.0.0.1:2525")
        .set("smtp.tls", "none")
        .set(
            "message.reply_to",
            vec!["a@sender.example", "Mo <mo@gmail.com>"],
        );
    let report = check_all(&campaign);
    assert!(report.findings.iter().any(|it| it.code == "reply-freemail"));
}

#[test]
fn check_says_what_the_dialect_cannot_carry() {
    let campaign = || with_managers(Campaign::new());
    let report = check(&campaign());
    assert_eq!(report.errors, 3, "{report:#?}");
    let finding = &report.findings[0];
    assert_eq!(finding.code, "over-limit");
    assert!(
        finding.message.contains("the cc has 3 addresses"),
        "{finding:?}"
    );
    assert!(
        finding
            .help
            .as_deref()
            .unwrap_or_default()
            .contains("new_sendmail")
    );
    let one_bcc = campaign().set("message.bcc", "one@sender.example");
    let one_copy = one_bcc.set("message.cc", "{{ managers }}");
    let report = check(&one_copy);
    assert_eq!((report.errors, &*report.findings[0].rows), (1, &[1][..]));
    for dialect in ["new_sendmail", "v2"] {
        let several = campaign()
            .set("api.dialect", dialect)
            .set("message.reply_to", "{{ managers }}");
        let report = check(&several);
        assert_eq!(report.errors, 1, "{report:#?}");
        let finding = &report.findings[0];
        assert!(finding.message.contains("the reply_to has 2 addresses"));
        assert!(
            finding
                .help
                .as_deref()
                .unwrap_or_default()
                .contains("[smtp]")
        );
    }
    let bad = campaign()
        .set("api.dialect", "v2")
        .recipients("email,first_name,managers\nann@one.example,Ann,mo@one.example;max at one\n");
    let report = check(&bad);
    assert_eq!(report.findings[0].code, "bad-address");
    assert!(report.findings[0].message.contains("“max at one”"));
    // Constants are checked with the campaign.
    let names = campaign().set("message.cc_name", "The managers");
    let ran = Run::new("check").arg(names.path()).run();
    ran.code(1)
        .stdout_has("`cc_name` is for a single address")
        .stdout_has("campaign.toml:");
    let in_one_text = names.set("message.cc", "mo@one.example; max@one.example");
    let ran = Run::new("check").arg(in_one_text.path()).run();
    ran.code(1).stdout_has("`cc` has 2");
    let ran = Run::new("check")
        .arg(
            campaign()
                .set("message.bcc", vec!["a@b.example", "nobody"])
                .path(),
        )
        .run();
    ran.code(1).stdout_has("“nobody”");
}

#[test]
fn the_gateway_takes_and_shows_them() {
    for dialect in ["new_sendmail", "v2"] {
        let campaign = with_managers(Campaign::new()).set("api.dialect", dialect);
        let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
        let run = ran.code(0).run_dir();
        assert_eq!(Results::of(&run).count("accepted"), 3);
        let mails = outbox(run.join("outbox"));
        let to_bob: Vec<_> = mails
            .iter()
            .filter(|mail| mail.to == ["bob@two.example"])
            .collect();
        assert_eq!(
            to_bob[0].cc,
            ["Doe, Mia <mia@one.example>", "archive@sender.example"]
        );
        let envelope = &to_bob[0].headers["x-mailrun-envelope-to"];
        assert!(envelope.iter().any(|to| to.trim() == "two@sender.example"));
        let cc: Vec<_> = mails.iter().map(|mail| mail.cc.len()).collect();
        assert_eq!(cc.iter().sum::<usize>(), 6, "{cc:?}");
    }
}

#[test]
fn a_test_and_the_preview() {
    let campaign = with_managers(Campaign::new()).set("api.dialect", "new_sendmail");
    let ran = Run::new("preview")
        .arg(campaign.path())
        .args(["--row", "2"])
        .run();
    ran.code(0)
        .stdout_has("Cc: Doe, Mia <mia@one.example>")
        .stdout_has("Cc: archive@sender.example")
        .stdout_has("Bcc: Two <two@sender.example>");
    let api = FakeApi::taking_all();
    let campaign = campaign.api(&api.url());
    send(&campaign)
        .args(["--test-to", "me@sender.example"])
        .run()
        .code(0);
    let fields = api.requests()[0].fields();
    assert!(
        fields
            .iter()
            .all(|(name, _)| !name.contains("cc") || name == "smtp_account")
    );
}
