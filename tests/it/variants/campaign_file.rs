//! `[[variants]]` in campaign.toml.

use super::{subjects, variants};
use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::findings::check_without_style_rules;
use crate::support::send::{campaign, send};

const MESSAGE: &str = r#"
name = "test"
[api]
url = "http://127.0.0.1:1/api/"
smtp_account = "1.test.smtp"
[message]
from = "news@sender.example"
subject = "Hello"
html = "newsletter.html"
"#;

#[track_caller]
fn finds(variants: &str, line: u64, code: &str, message: &str) {
    let campaign = Campaign::new().toml(&format!("{MESSAGE}{variants}"));
    let report = check_without_style_rules(&campaign);
    let finding = report.about(message);
    finding.is(code, message).at_line("campaign.toml", line + 9);
}

#[test]
fn mistakes_have_their_line() {
    let a = "[[variants]]\nname = \"A\"\nshare = 1\n";
    let with = |second: &str| format!("{a}[[variants]]\n{second}");
    finds(a, 2, "bad-value", "there is only one variant");
    finds(
        &with("name = \"a\"\nshare = 1"),
        5,
        "bad-value",
        "there are two variants “a”",
    );
    finds(
        &with("name = \"\"\nshare = 1"),
        5,
        "bad-value",
        "can't be the name",
    );
    finds(
        &with("name = \"=1\"\nshare = 1"),
        5,
        "bad-value",
        "can't be the name",
    );
    let long = "x".repeat(33);
    finds(
        &with(&format!("name = \"{long}\"\nshare = 1")),
        5,
        "bad-value",
        "can't be the name",
    );
    finds(
        &with("name = \"B\"\nshare = 0"),
        6,
        "bad-value",
        "a share is a whole number",
    );
    finds(
        &with("name = \"B\"\nshare = -1"),
        6,
        "bad-value",
        "a share is a whole number",
    );
    finds(
        &with("name = \"B\"\nshare = 0.5"),
        6,
        "bad-toml",
        "floating point",
    );
    finds(&with("name = \"B\""), 4, "missing-key", "`share`");
    finds(&with("share = 1"), 4, "missing-key", "`name`");
    finds(
        &with("name = \"B\"\nshare = 1\nsubjet = \"x\""),
        7,
        "unknown-key",
        "unknown key `subjet`",
    );
    finds(
        &with("name = \"B\"\nshare = 1\nhtml = \"c.html\""),
        7,
        "no-file",
        "templates/c.html does not exist",
    );
    finds(
        &with("name = \"B\"\nshare = 1\nfrom = \"nobody\""),
        7,
        "bad-value",
        "“nobody”",
    );
    finds(
        &with("name = \"B\"\nshare = 1\nsubject = \"{{ nothing }}\""),
        7,
        "undefined-variable",
        "variant B: ",
    );
    finds(
        &with("name = \"B\"\nshare = 1\n[variants.headers]\nFrom = \"x\""),
        8,
        "bad-value",
        "From",
    );
}

#[test]
fn a_message_without_a_body_is_fine_if_each_variant_has_one() {
    let both = "[[variants]]\nname = \"A\"\nshare = 1\nhtml = \"newsletter.html\"\n\
                [[variants]]\nname = \"B\"\nshare = 1\n";
    let message = MESSAGE.replace("html = \"newsletter.html\"\n", "");
    let report = check_without_style_rules(&Campaign::new().toml(&format!("{message}{both}")));
    report
        .about("none of `html`, `markdown` and `text`")
        .at_line("campaign.toml", 14);
    let both = format!("{both}html = \"newsletter.html\"\n");
    check_without_style_rules(&Campaign::new().toml(&format!("{message}{both}"))).is_clean();
}

#[test]
fn a_variant_replaces_keys_and_only_headers_of_the_same_name() {
    let api = FakeApi::taking_all();
    let mut variants = variants(&[("A", 1), ("B", 1)]);
    let b = variants[1].as_table_mut().expect("a table");
    b.insert("from_name".into(), "Bea".into());
    b.insert("html".into(), "b.html".into());
    b.insert("tags".into(), vec![toml::Value::from("b")].into());
    let mut headers = toml::Table::new();
    headers.insert("x-one".into(), "of B".into());
    b.insert("headers".into(), headers.into());
    let campaign = campaign(&api)
        .rows(20)
        .template("b.html", "<p>The body of B for {{ first_name }}</p>")
        .set("message.tags", vec!["all"])
        .set("message.headers.X-One", "one")
        .set("message.headers.X-Two", "two")
        .set("variants", variants);
    send(&campaign).run().code(0);
    let mut seen = [0, 0];
    for request in api.requests() {
        let field = |name: &str| request.field(name).unwrap_or_default();
        let is_b = field("subject") == "Subject B";
        seen[usize::from(is_b)] += 1;
        let shown = format!("{:?}", request.fields());
        assert_eq!(field("from_name"), if is_b { "Bea" } else { "Sender" });
        assert_eq!(field("html").contains("The body of B"), is_b, "{shown}");
        assert_eq!(shown.contains("of B\""), is_b, "{shown}");
        assert_eq!(shown.contains("\"one\""), !is_b, "{shown}");
        assert!(shown.contains("\"two\""), "{shown}");
        assert_eq!(shown.contains("\"all\""), !is_b, "{shown}");
    }
    assert_eq!(subjects(&api).len(), 20);
    assert!(seen.iter().all(|rows| *rows > 0), "{seen:?}");
}
