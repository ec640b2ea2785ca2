//! `markdown` and `layout`.

use std::fs;

use super::sent;
use crate::support::campaign::Campaign;
use crate::support::findings::{check, check_without_style_rules};
use crate::support::mail::outbox;
use crate::support::preview::Preview;
use crate::support::run::Run;

const LETTER: &str = "# Hello {{ first_name }}

Read **all of it** on [our page](https://sender.example/?who={{ email | urlencode }}).

{% if first_name == \"Bob\" %}
- Only for Bob
{% endif %}

| Price | Size |
|------:|------|
| 12    | ~~S~~ L |
";

const LAYOUT: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{{ subject }}</title><style>h1 { color: #123456 }</style></head>
<body>{{ content }}<p>Sent to {{ email }}. <a href=\"https://sender.example/u\">Unsubscribe</a></p></body></html>
";

fn campaign() -> Campaign {
    Campaign::new()
        .unset("message.html")
        .set("message.markdown", "letter.md")
        .set("message.layout", "base.html")
        .template("letter.md", LETTER)
        .template("base.html", LAYOUT)
}

#[test]
fn markdown_becomes_html_in_a_layout_and_text() {
    let mails = sent(&campaign());
    let html = mails[0].html.as_deref().expect("HTML");
    for part in [
        "<title>Hello Ann</title>",
        "<h1 style=\"color: #123456;\">Hello Ann</h1>",
        "<p>Read <strong>all of it</strong> on <a href=\"https://sender.example/?who=ann%40one.example\">our page</a>.</p>",
        "<th style=\"text-align: right\">Price</th>",
        "<del>S</del> L",
        "<p>Sent to ann@one.example. ",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("Only for Bob"));
    assert!(
        mails[1]
            .html
            .as_deref()
            .is_some_and(|html| html.contains("<li>Only for Bob</li>"))
    );
    let text = mails[1].text.as_deref().expect("text");
    let expected = "# Hello Bob\n\nRead **all of it** on [our page][1].\n* Only for Bob\n\nPrice | Size\n12 | ";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.contains("[1]: https://sender.example/?who=bob%40two.example"),
        "{text}"
    );
}

#[test]
fn values_are_text_and_percent_encoded_in_addresses() {
    let name = "[Ann](https://evil.example) *x* <b>_&_</b> `|` \n\n# y";
    let quoted = name.replace('"', "\"\"");
    let campaign = campaign()
        .recipients(format!("email,first_name\nann@one.example,\"{quoted}\"\n"))
        .set("message.subject", "Hello")
        .template("letter.md", "- Hi {{ first_name }}!\n\n[x](https://sender.example/{{ first_name }})\n\n| {{ first_name }} |\n|---|\n");
    let mails = sent(&campaign);
    let html = mails[0].html.as_deref().expect("HTML");
    let escaped =
        "[Ann](https:&#x2F;&#x2F;evil.example) *x* &lt;b&gt;_&amp;_&lt;&#x2F;b&gt; `|` \n\n# y";
    let plain = escaped.replace("&#x2F;", "/");
    assert!(html.contains(&format!("<li>Hi {plain}!</li>")), "{html}");
    assert!(html.contains("href=\"https://sender.example/%5BAnn%5D(https://evil.example)%20*x*%20%3Cb%3E_&amp;_%3C/b%3E%20%60%7C%60%20%0A%0A#%20y\""), "{html}");
    assert_eq!(html.matches("<th>").count(), 1, "{html}");
    let text = mails[0].text.as_deref().expect("text");
    assert!(
        text.contains("Hi [Ann](https://evil.example) *x* <b>_&_</b> `|` # y!"),
        "{text}"
    );
}

#[test]
fn without_a_layout_the_letter_has_that_of_mailrun() {
    let campaign = campaign()
        .unset("message.layout")
        .set("vars.lang", "pl")
        .template("letter.md", "Cześć {{ first_name }}");
    let mails = sent(&campaign);
    let html = mails[0].html.as_deref().expect("HTML");
    assert!(html.contains("<html lang=\"pl\">"), "{html}");
    assert!(html.contains("<title>Hello Ann</title>"), "{html}");
    assert!(html.contains(">Cześć Ann</p>"), "{html}");
    assert!(!html.contains("Unsubscribe"), "{html}");
    let campaign = campaign
        .kept_list("@acme")
        .set("feedback.url", "https://news.sender.example");
    let html = sent_again(&campaign);
    assert!(
        html.contains("<a href=\"https://news.sender.example/u/test\""),
        "{html}"
    );
}

fn sent_again(campaign: &Campaign) -> String {
    let ran = Run::new("send")
        .arg(campaign.path())
        .args(["--local", "--again"])
        .run();
    let mails = outbox(ran.code(0).run_dir().join("outbox"));
    mails[0].html.clone().expect("HTML")
}

#[test]
fn findings_are_at_the_line_of_the_markdown() {
    let letter = "# Hello\n\nRead [all of it]() here.\n\n![](https://sender.example/a.png)\n\n\
                  - [here](https://sender.example/{{ first_name }}) and {{ first_name }}\n";
    let report = check(&campaign().template("letter.md", letter));
    for (code, line, column) in [
        ("link-empty", 3, 6),
        ("image-width", 5, 1),
        ("link-vague", 7, 3),
    ] {
        let mut findings = report.findings.iter();
        let finding = findings.find(|finding| finding.code == code);
        let finding = finding.unwrap_or_else(|| panic!("no {code}: {report:#?}"));
        finding.at("templates/letter.md", line, column);
    }
    let undefined = campaign().template("letter.md", "a\n\n**{{ frist_name }}**\n");
    check(&undefined)
        .only()
        .at("templates/letter.md", 3, 6)
        .is("undefined-variable", "frist_name");
    let failing = campaign().template("letter.md", "a\n\n{{ 1 / (first_name | length - 3) }}\n");
    check_without_style_rules(&failing)
        .about("")
        .at_line("templates/letter.md", 3);
    // The address of the footer is in the layout.
    let layout = LAYOUT.replace("https://sender.example/u", "");
    let report = check(&campaign().template("base.html", &layout));
    let mut findings = report.findings.iter();
    findings
        .find(|it| it.code == "link-empty")
        .expect("a finding")
        .at_line("templates/base.html", 3);
}

#[test]
fn mistakes_in_the_campaign_are_errors() {
    check(&campaign().set("message.html", "newsletter.html"))
        .only()
        .is("bad-value", "both `html` and `markdown`");
    check(
        &campaign()
            .unset("message.markdown")
            .set("message.text", "letter.md"),
    )
    .only()
    .is("bad-value", "no `markdown`");
    check(&campaign().set("message.markdown", "letters.md"))
        .only()
        .is("no-file", "letters.md does not exist");
    check(&campaign().template("base.html", "<p>Hello {{ first_name }}</p>"))
        .only()
        .is("template-error", "never prints the letter")
        .helps("{{ content }}");
    let layout = campaign()
        .set("vars.brand", "acme")
        .set("message.layout", "{{ brand }}.html")
        .template("acme.html", "<p>Hello {{ first_name }}</p>");
    check(&layout)
        .only()
        .is("template-error", "never prints the letter");
    let layouts = campaign()
        .set("message.layout", "{{ first_name | lower }}.html")
        .template("ann.html", LAYOUT)
        .template("bob.html", "<p>Hello {{ first_name }}</p>")
        .template("cleo.html", LAYOUT);
    check_without_style_rules(&layouts)
        .about("never prints the letter")
        .is("template-error", "");
}

#[test]
fn variants_replace_html_by_markdown_and_the_other_way_round() {
    let campaign = Campaign::new()
        .rows(20)
        .template("letter.md", "**Hello** {{ first_name }}")
        .set(
            "variants",
            toml::Value::Array(vec![
                toml::toml! { name = "A"
                share = 1 }
                .into(),
                toml::toml! { name = "B"
                share = 1
                markdown = "letter.md" }
                .into(),
            ]),
        );
    let mails = sent(&campaign);
    let of = |part: &str| {
        mails
            .iter()
            .filter(|it| it.html.as_deref().is_some_and(|html| html.contains(part)))
            .count()
    };
    let (html, markdown) = (of("<p>Hello Name"), of("<strong>Hello</strong> Name"));
    assert!(
        html > 0 && markdown > 0 && html + markdown == 20,
        "{html} {markdown}"
    );
}

#[test]
fn deep_and_large_letters_are_errors() {
    let row = |cell: &str| format!("{}|\n", cell.repeat(600));
    let table = row("|a") + &row("|-") + &row("|a").repeat(600);
    for (letter, words) in [
        (">".repeat(10_000) + " x", "more than 256 deep"),
        ("- ".repeat(10_000) + "x", "more than 256 deep"),
        (table, "the Markdown has more than 800000 elements"),
    ] {
        let report = check_without_style_rules(&campaign().template("letter.md", &letter));
        let finding = report.about(words).is("html", "");
        let file = finding.file.as_deref();
        assert!(
            file.is_some_and(|it| it.ends_with("letter.md")),
            "{finding:?}"
        );
    }
}

#[test]
fn a_column_with_the_name_of_a_variable_of_the_layout_is_unused() {
    let campaign =
        campaign().recipients("email,first_name,content,subject\na@one.example,Ann,x,y\n");
    let columns = |campaign: &Campaign| {
        let report = check(campaign);
        let mut findings = report
            .findings
            .iter()
            .filter(|it| it.code == "column-unused");
        findings.next().map(|it| it.message.clone())
    };
    let message = columns(&campaign).expect("a finding");
    assert!(message.contains("`content`, `subject`"), "{message}");
    let layout = LAYOUT.replace("{{ email }}", "{{ row[\"content\"] }}");
    let campaign = campaign
        .template("base.html", &layout)
        .template("letter.md", "{{ subject }} {{ first_name }}");
    assert_eq!(columns(&campaign), None);
}

#[test]
fn a_run_keeps_the_layout_of_the_version_that_it_began_with() {
    let campaign = campaign().unset("message.layout");
    let send = Run::new("send").arg(campaign.path());
    let ran = send.args(["--local", "--limit", "1"]).run();
    let run = ran.code(5).run_dir();
    let layout = run.join("frozen/.layout.html");
    let text = fs::read_to_string(&layout).expect("the layout");
    assert!(text.contains("{{ content }}"));
    fs::write(&layout, "<body>{{ content }}<p>An older layout").expect("room");
    Run::new("resume").arg(&run).run().code(0);
    let mails = outbox(run.join("outbox"));
    let older = mails.iter().filter(|mail| {
        let html = mail.html.as_deref();
        html.is_some_and(|html| html.contains("An older layout"))
    });
    assert_eq!((older.count(), mails.len()), (2, 3));
}

#[test]
fn a_run_that_began_with_an_unknown_argument_is_resumed() {
    let campaign = campaign();
    let send = Run::new("send").arg(campaign.path());
    let ran = send.args(["--local", "--limit", "1"]).run();
    let run = ran.code(5).run_dir();
    let letter = "{{ first_name | upper(x=1) }}";
    fs::write(run.join("frozen/templates/letter.md"), letter).expect("room");
    Run::new("resume").arg(&run).run().code(0);
    check(&campaign.template("letter.md", letter)).about("`upper` has no argument `x`");
}

#[test]
fn a_run_keeps_the_letter_and_the_preview_follows_it() {
    let campaign = campaign();
    let send = Run::new("send").arg(campaign.path());
    let ran = send.args(["--local", "--limit", "1"]).run();
    let run = ran.code(5).run_dir();
    let write = |name: &str, text: &str| {
        fs::write(campaign.path().join("templates").join(name), text).expect("room");
    };
    let preview = Preview::start(campaign.path());
    let html = || preview.html("/preview/m/1/html").text();
    assert!(html().contains("all of it"));
    preview.saved(|| write("letter.md", "*Good day*"));
    assert!(html().contains("<em>Good day</em>"));
    preview.saved(|| write("base.html", "<body>{{ content }}<p>Bye"));
    assert!(html().contains("<p>Bye"));
    Run::new("resume").arg(&run).run().code(0);
    let mails = outbox(run.join("outbox"));
    assert_eq!(mails.len(), 3);
    for mail in mails {
        assert!(mail.html.expect("HTML").contains("all of it"));
    }
}
