//! `campaign.toml`: accepted values, and how mistakes are reported.

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::findings::check_without_style_rules as check;
use crate::support::run::{APP_KEY, Run, SECRET_KEY};

const EVERY_KEY: &str = r#"
name = "autumn"

[api]
url = "https://api.example/api/"
dialect = "new_sendmail"
smtp_account = "1.acme.smtp"
timeout = "30s"
app_key_env = "ACME_APP_KEY"
secret_key_env = "ACME_SECRET_KEY"

[message]
from = "news@acme.example"
from_name = "Acme"
subject = "{{ first_name }}, autumn is here"
html = "newsletter.html"
text = "newsletter.txt"
inline_css = true
locale = "pl"
reply_to = "hello@acme.example"
cc = "cc@acme.example"
cc_name = "Copy"
bcc = "bcc@acme.example"
bcc_name = "Archive"
tags = ["autumn", "{{ issue }}"]

[message.headers]
List-Unsubscribe = "<https://acme.example/u/{{ first_name }}>"

[[message.attachments]]
path = "logo.png"
inline = true
type = "image/png"

[recipients]
file = "people.csv"
email = "address"
suppress = ["unsubscribed.csv"]
encoding = "windows-1250"
delimiter = ";"

[pace]
rate = ["20/s", "600/min", "20000/day"]
concurrency = 16
batch = 200

[retry]
attempts = 5
max_delay = "5m"

[vars]
issue = 42
"#;

fn every_key() -> Campaign {
    Campaign::new()
        .toml(EVERY_KEY)
        .template("newsletter.txt", "Hello {{ first_name }}")
        .file("logo.png", b"\x89PNG")
        .file(
            "people.csv",
            b"address;first_name\nann@one.example;\xa3ucja\n",
        )
        .file("unsubscribed.csv", "nobody@one.example\n")
}

#[test]
fn every_key_is_accepted_and_has_an_effect() {
    let campaign = every_key();
    check(&campaign).is_clean();
    let ran = Run::new("send").arg(campaign.path()).arg("--dry-run").run();
    ran.code(0);
    for shown in [
        "1.acme.smtp, https://api.example/api/",
        "Acme <news@acme.example>",
        "To: ann@one.example",
        "Copy <cc@acme.example>",
        "Archive <bcc@acme.example>",
        "hello@acme.example",
        "Łucja, autumn is here",
        "<https://acme.example/u/Łucja>",
        "autumn, 42",
        "logo.png (image/png, 4 bytes)",
        "20/s",
        "600/min",
        "20000/day",
        "16 requests in flight",
        "up to 200 recipients",
    ] {
        ran.stdout_has(shown);
    }
}

#[test]
fn an_unknown_key_is_reported_with_its_line_and_the_closest_known_key() {
    let text = EVERY_KEY.replace("concurrency = 16", "concurency = 16");
    let line = text.lines().position(|line| line.starts_with("concurency"));
    let line = line.expect("the line") + 1;
    let campaign = every_key().toml(&text);
    check(&campaign)
        .only()
        .is("unknown-key", "`concurency`")
        .at("campaign.toml", line as u64, 1)
        .helps("did you mean `concurrency`?");
    let place = format!("campaign.toml:{line}:1");
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    ran.code(1).stderr_has(&place).stderr_has("concurency = 16");
    assert!(campaign.runs().is_empty());
}

#[test]
fn a_missing_key_is_named() {
    check(&Campaign::new().unset("message.subject"))
        .only()
        .is("missing-key", "`subject`");
    check(&Campaign::new().unset("name"))
        .only()
        .is("missing-key", "`name`");
}

#[test]
fn invalid_toml_is_reported_with_its_place() {
    let report = check(&Campaign::new().toml("name = \"x\"\n[api\n"));
    assert_eq!(report.only().line, Some(2), "{report:?}");
    report.only().is("bad-toml", "");
}

/// Sets one key to a bad value, and asserts the finding and its line.
#[track_caller]
fn refused(key: &str, value: impl Into<toml::Value>, message: &str, help: &str) {
    let campaign = Campaign::new().set(key, value);
    let report = check(&campaign);
    let finding = report.only();
    finding.is("bad-value", message).helps(help);
    let toml = std::fs::read_to_string(campaign.path().join("campaign.toml")).expect("a file");
    let line = finding.line.expect("a line") as usize;
    let name = key.rsplit('.').next().expect("a name");
    let text = toml.lines().nth(line - 1).expect("the line");
    assert!(text.contains(name), "{key} is not in line {line}: {text}");
}

#[test]
fn a_ledger_is_validated_and_no_password_in_its_url_is_shown() {
    let url = "postgres://news@db.acme.example/mailrun";
    let campaign = |key: &str, value: toml::Value| {
        let campaign = Campaign::new().set("ledger.url", url);
        campaign.set(&format!("ledger.{key}"), value)
    };
    check(&campaign("lease", "2s".into())).is_clean();
    let command: toml::Value = vec!["pass", "show", "ledger"].into();
    check(&campaign("password_command", command)).is_clean();
    let refused = |key: &str, value: toml::Value, message: &str, help: &str| {
        let campaign = campaign(key, value);
        let report = check(&campaign);
        report.only().is("bad-value", message).helps(help);
        assert!(report.only().line.is_some(), "{report:?}");
        let ran = Run::new("check").arg(campaign.path()).run();
        ran.code(1).stdout_lacks("hush").stderr_lacks("hush");
    };
    refused("lease", "1s".into(), "2 seconds", "60s");
    refused("lease", "soon".into(), "not a duration", "30s");
    let none: toml::Value = Vec::<String>::new().into();
    refused("password_command", none, "is empty", "program");
    let url = |url: &str, message: &str, help: &str| refused("url", url.into(), message, help);
    url("postgres://u:hush@h/a", "contains a password", "PGPASSWORD");
    url("postgres://u:hu/sh@h/a", "invalid", "postgres://USER@HOST");
    url(
        "postgres://h/a?sslmode=prefer",
        "does not verify",
        "verify-full",
    );
    url(
        "postgres://h/a?sslmode=disable",
        "in the clear",
        "verify-full",
    );
    url(
        "https://h/a",
        "must begin with postgres:",
        "postgres://USER@HOST",
    );
}

#[test]
fn bad_values_are_reported_with_a_fix() {
    refused("name", "", "one line", "");
    refused(
        "api.dialect",
        "smtp",
        "`smtp`",
        "\"sendmail\", \"new_sendmail\", \"v2\"",
    );
    refused("api.timeout", "30", "“30”", "“30s”");
    refused("api.timeout", "0s", "“0s”", "");
    refused("api.smtp_account", "", "empty", "1.acme.smtp");
    refused("pace.rate", vec!["fast"], "fast", "");
    refused("pace.rate", vec!["0/s"], "", "");
    refused("pace.rate", vec!["5/week"], "week", "");
    refused("pace.concurrency", 0, "from 1 to", "");
    refused("pace.batch", 0, "from 1 to 200", "");
    refused("pace.batch", 201, "from 1 to 200", "");
    refused("retry.attempts", 0, "from 1 to", "");
    refused("retry.max_delay", "soon", "“soon”", "“5m”");
    refused(
        "recipients.encoding",
        "klingon",
        "“klingon”",
        "windows-1250",
    );
    refused("recipients.delimiter", "::", "one character", "“;”");
    refused("message.from", "news", "“news”", "the address alone");
    refused(
        "message.reply_to",
        "A <a@b.example>; b at example",
        "“b at example”",
        "write an address",
    );
    refused("message.from", "A <a@b.example>", "", "the address alone");
    refused(
        "vars.first-name",
        1,
        "`first-name`",
        "letters, digits and _",
    );
}

#[test]
fn a_url_must_use_tls_or_loopback_and_have_no_keys() {
    refused("api.url", "api.example", "not a URL", "");
    refused("api.url", "ftp://api.example/", "`ftp:`", "https:");
    refused(
        "api.url",
        "http://api.example/api/",
        "in the clear",
        "https:",
    );
    refused("api.url", "http://127.0.0.1.example/", "in the clear", "");
    let keys = "keys don't belong in the URL";
    refused(
        "api.url",
        "https://app:hush@api.example/",
        keys,
        "EMAILLABS",
    );
    for url in [
        "http://127.0.0.1:1/",
        "http://localhost:1/",
        "http://[::1]:1/",
    ] {
        check(&Campaign::new().api(url)).is_clean();
    }
}

#[test]
fn dkim_selectors_are_dns_names() {
    for bad in ["", "s1.", "a b", "-s1", "s1._domainkey.ł"] {
        let help = "the `s=` in its DKIM-Signature header";
        refused("check.dkim", vec![bad], "is not a DKIM selector", help);
    }
    let good = vec!["s1", "2026_11.mail-a"];
    check(&Campaign::new().set("check.dkim", good)).is_clean();
}

#[test]
fn per_domain_has_rates_for_domains() {
    let refuse = |toml: &str, found: &str, help: &str| {
        let limits: toml::Table = toml.parse().expect("TOML");
        let report = check(&Campaign::new().set("pace.per_domain", limits));
        report.only().is("bad-value", found).helps(help);
        assert!(report.only().line.is_some());
    };
    refuse(
        "\"a@gmail.com\" = \"5/s\"",
        "“a@gmail.com” is not a domain",
        "after the @",
    );
    refuse("\"gmail.com\" = \"fast\"", "“fast” is not a rate", "");
    refuse(
        "\"gmail.com\" = \"5/s\"\n\"GMail.com\" = \"6/s\"",
        "gmail.com has two limits",
        "",
    );
}

#[test]
fn the_share_is_from_0_to_1() {
    refused("breaker.share", 50.0, "from 0 to 1", "0.5");
    refused("breaker.messages", 0, "from 1 to 100000", "");
    check(&Campaign::new().set("breaker.share", 1)).is_clean();
}

#[test]
fn a_missing_template_is_reported_with_the_existing_ones() {
    let campaign = Campaign::new()
        .set("message.html", "newsleter.html")
        .template("welcome.html", "Welcome");
    check(&campaign)
        .only()
        .is("no-file", "templates/newsleter.html")
        .helps("newsletter.html, welcome.html");
    check(&Campaign::new().unset("message.html"))
        .only()
        .is("bad-value", "none of `html`, `markdown` and `text`");
}

#[test]
fn recipients_and_suppression_lists_must_exist() {
    check(&Campaign::new().set("recipients.file", "people.csv"))
        .only()
        .is("no-file", "people.csv");
    let campaign = Campaign::new().set("recipients.suppress", vec!["gone.csv"]);
    check(&campaign).only().is("no-file", "gone.csv");
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    ran.code(1).stderr_has("gone.csv");
}

fn attaching(path: &str) -> Campaign {
    let mut attachment = toml::Table::new();
    attachment.insert("path".into(), path.into());
    let list: Vec<toml::Value> = vec![attachment.into()];
    Campaign::new().set("message.attachments", list)
}

#[test]
fn the_type_of_an_attachment_is_a_media_type() {
    let with = |media_type: &str| {
        let table = format!("path = 'invite.ics'\ntype = '{media_type}'");
        let attachment: toml::Table = table.parse().expect("TOML");
        let list: Vec<toml::Value> = vec![attachment.into()];
        check(
            &Campaign::new()
                .set("message.attachments", list)
                .file("invite.ics", "x"),
        )
    };
    for right in [
        "text/calendar; method=REQUEST; charset=utf-8",
        "application/pdf",
        "text/plain;charset=\"utf-8\"",
    ] {
        with(right).is_clean();
    }
    for wrong in [
        "",
        "calendar",
        "text/",
        "text/calendar; method",
        "text/calendar;",
        "multipart/mixed",
        "message/rfc822",
        "text/cal endar",
        "text/plain; charset=ż",
        "{{ type }}",
    ] {
        with(wrong).only().is("bad-value", "media type");
    }
}

#[test]
fn an_attachment_is_a_file_inside_the_folder() {
    let inside = "inside the campaign folder";
    check(&attaching("gone.pdf"))
        .only()
        .is("no-file", "gone.pdf")
        .helps(inside);
    check(&attaching("templates"))
        .only()
        .is("no-file", "not a file");

    let outside = tempfile::NamedTempFile::new().expect("a file");
    let absolute = outside.path().to_str().expect("UTF-8");
    check(&attaching(absolute))
        .only()
        .is("no-file", "outside")
        .helps(inside);

    let name = outside.path().file_name().and_then(|name| name.to_str());
    let above = format!("../{}", name.expect("UTF-8"));
    check(&attaching(&above)).only().is("no-file", "outside");

    let campaign = attaching("link.pdf");
    std::os::unix::fs::symlink(outside.path(), campaign.path().join("link.pdf")).expect("a link");
    check(&campaign).only().is("no-file", "outside");

    let campaign = attaching("link.pdf").file("real.pdf", "%PDF");
    std::os::unix::fs::symlink("real.pdf", campaign.path().join("link.pdf")).expect("a link");
    check(&campaign).is_clean();
}

#[test]
fn headers_with_their_own_key_are_refused() {
    for name in ["From", "to", "Subject", "Bcc", "Content-Type"] {
        refused(&format!("message.headers.{name}"), "x", name, "");
    }
    refused("message.headers.X Test", "x", "X Test", "");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let campaign = Campaign::new()
        .set("api.url", "http://api.example/")
        .set("message.html", "gone.html")
        .set("pace.concurrency", 0)
        .set("recipients.file", "gone.csv");
    let report = check(&campaign);
    assert_eq!(report.errors, 4, "{report:#?}");
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    ran.code(1);
    for about in ["in the clear", "gone.html", "from 1 to", "gone.csv"] {
        report.about(about);
        ran.stderr_has(about);
    }
}

#[test]
fn the_secret_can_come_from_a_command() {
    let api = FakeApi::taking_all();
    let print_key = format!("printf '%s\\n' {SECRET_KEY}");
    let campaign = Campaign::new()
        .api(&api.url())
        .set("api.secret_key_command", vec!["sh", "-c", &print_key]);
    let send = || Run::new("send").arg(campaign.path()).arg("--yes");
    send()
        .env("EMAILLABS_APP_KEY", APP_KEY)
        .run()
        .code(0)
        .stderr_lacks(SECRET_KEY);
    let login = Some((APP_KEY.to_owned(), SECRET_KEY.to_owned()));
    assert!(
        api.requests()
            .iter()
            .all(|request| request.login() == login)
    );
    assert_eq!(api.requests().len(), 3);

    let campaign = Campaign::new().api(&api.url()).set(
        "api.secret_key_command",
        vec!["sh", "-c", "echo hush; exit 3"],
    );
    let ran = Run::new("send").arg(campaign.path()).arg("--yes");
    let ran = ran.env("EMAILLABS_APP_KEY", APP_KEY).run();
    ran.code(1)
        .stderr_has("secret_key_command")
        .stderr_lacks("hush");
    assert!(campaign.runs().is_empty());
    assert_eq!(api.requests().len(), 3);
}
