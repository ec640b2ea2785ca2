//! `html` in MJML.

use std::fs;

use super::sent;
use crate::support::campaign::Campaign;
use crate::support::findings::{check, check_without_style_rules};
use crate::support::mail::outbox;
use crate::support::preview::Preview;
use crate::support::run::Run;

const LETTER: &str = r##"<mjml lang="en">
  <mj-head>
    <mj-title>Hello {{ first_name }}</mj-title>
    <mj-style>.x { color: #123456; }</mj-style>
  </mj-head>
  <mj-body>
    <mj-include path="parts/top.mjml" />
    <mj-section>
      <mj-column>
        <mj-raw>{% if first_name == "Bob" %}</mj-raw>
        <mj-text>Only for Bob</mj-text>
        <mj-raw>{% endif %}</mj-raw>
        <mj-button href="https://sender.example/?who={{ email | urlencode }}">Read on</mj-button>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"##;
const TOP: &str = r#"<mj-section>
  <mj-column>
    <mj-text><p class="x">Hello <b>{{ first_name }}</b>
  </mj-text>
  </mj-column>
</mj-section>
"#;

fn campaign() -> Campaign {
    Campaign::new()
        .set("message.html", "letter.mjml")
        .template("letter.mjml", LETTER)
        .template("parts/top.mjml", TOP)
}

#[test]
fn mjml_becomes_html_for_each_row() {
    let campaign =
        campaign().recipients("email,first_name\nann@one.example,Ann & <i>\nbob@two.example,Bob\n");
    let mails = sent(&campaign);
    let html = mails[0].html.as_deref().expect("HTML");
    for part in [
        "<title>Hello Ann &amp; &lt;i&gt;</title>",
        "Hello <b>Ann &amp; &lt;i&gt;</b>",
        "color: #123456",
        "href=\"https://sender.example/?who=ann%40one.example\"",
        "<!--[if mso",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("<mj-"), "{html}");
    assert!(!html.contains("Only for Bob"), "{html}");
    assert!(
        mails[1]
            .html
            .as_deref()
            .is_some_and(|html| html.contains("Only for Bob"))
    );
    let text = mails[1].text.as_deref().expect("text");
    assert!(text.contains("Hello **Bob**"), "{text}");
    assert!(
        text.contains("https://sender.example/?who=bob%40two.example"),
        "{text}"
    );
}

#[test]
fn findings_are_at_the_line_of_the_mjml() {
    let letter = LETTER
        .replace("https://sender.example/?who={{ email | urlencode }}", "")
        .replace(
            "<mj-text>Only",
            "<mj-image src=\"https://sender.example/a.png\" />\n<mj-text>Only",
        );
    let top = TOP.replace(
        "Hello <b>",
        "<a href=\"https://sender.example/{{ first_name }}\">my page</a> <b>",
    );
    let campaign = campaign()
        .template("letter.mjml", &letter)
        .template("parts/top.mjml", &top);
    let report = check(&campaign);
    for (code, file, line, column) in [
        ("link-empty", "letter.mjml", 14, 9),
        ("image-alt", "letter.mjml", 11, 9),
        ("preheader-link", "parts/top.mjml", 3, 27),
    ] {
        let mut findings = report.findings.iter();
        let finding = findings.find(|finding| finding.code == code);
        let finding = finding.unwrap_or_else(|| panic!("no {code}: {report:#?}"));
        finding.at(file, line, column);
    }
    let with_top =
        |from: &str, to: &str| self::campaign().template("parts/top.mjml", &TOP.replace(from, to));
    check(&with_top("first_name", "frist_name"))
        .only()
        .at("parts/top.mjml", 3, 39)
        .is("undefined-variable", "frist_name");
    check(&with_top("first_name", "first_name | nothing"))
        .only()
        .at_line("parts/top.mjml", 3)
        .is("template-error", "nothing");
    check_without_style_rules(&with_top("first_name", "1 / (first_name | length - 3)"))
        .about("")
        .at_line("parts/top.mjml", 3);
    check(
        &with_top("<mj-column>", "<mj-column>{% if first_name %}").template("letter.mjml", LETTER),
    )
    .only()
    .at_line("parts/top.mjml", 2);
}

#[test]
fn mistakes_in_mjml_have_a_line_and_a_help() {
    let with =
        |from: &str, to: &str| campaign().template("letter.mjml", &LETTER.replacen(from, to, 1));
    check(&with(
        "<mj-raw>{% if first_name == \"Bob\" %}</mj-raw>",
        "{% if first_name == \"Bob\" %}",
    ))
    .only()
    .at("letter.mjml", 10, 9)
    .is("mjml", "between elements")
    .helps("<mj-raw>{% if first_name == \"Bob\" %}</mj-raw>");
    check(&with("<mj-button", "<mj-buton"))
        .only()
        .at("letter.mjml", 13, 9)
        .is("mjml", "<mj-buton> is not an element")
        .helps("<mj-button>");
    check(&with("parts/top.mjml", "../campaign.toml"))
        .only()
        .at("letter.mjml", 7, 23)
        .is("mjml", "out of templates/");
    let ran = Run::new("send")
        .arg(with("parts/top", "parts/tip").path())
        .arg("--local")
        .run();
    ran.code(1)
        .stderr_has("there is no file templates/parts/tip.mjml")
        .stderr_has("letter.mjml:7:23");
}

#[test]
fn mjml_is_never_sent_as_it_is() {
    let included = Campaign::new()
        .template("newsletter.html", "{% include \"letter.mjml\" %}")
        .template("letter.mjml", LETTER)
        .template("parts/top.mjml", TOP);
    check(&included)
        .only()
        .at("templates/newsletter.html", 1, 1)
        .is("mjml", "can't include MJML");
    let markdown = campaign()
        .unset("message.html")
        .set("message.markdown", "letter.md")
        .set("message.layout", "letter.mjml")
        .template("letter.md", "Hello");
    check(&markdown)
        .only()
        .is("bad-value", "only `html` can be MJML");
    let campaign = campaign()
        .set("message.html", "letter.html")
        .template("letter.html", LETTER);
    let mails = sent(&campaign);
    let html = mails[0].html.as_deref().expect("HTML");
    assert!(!html.contains("<mj-"), "{html}");
}

#[test]
fn a_run_keeps_the_letter_and_the_preview_follows_what_it_includes() {
    let campaign = campaign();
    let send = Run::new("send").arg(campaign.path());
    let ran = send.args(["--local", "--limit", "1"]).run();
    let run = ran.code(5).run_dir();
    let preview = Preview::start(campaign.path());
    let html = || preview.html("/preview/m/1/html").text();
    assert!(html().contains("Hello <b"));
    let top = campaign.path().join("templates/parts/top.mjml");
    preview.saved(|| fs::write(&top, TOP.replace("Hello", "Good day")).expect("room"));
    assert!(html().contains("Good day <b"));
    Run::new("resume").arg(&run).run().code(0);
    let mails = outbox(run.join("outbox"));
    assert_eq!(mails.len(), 3);
    for mail in mails {
        assert!(mail.html.expect("HTML").contains("Hello <b>"));
    }
}
