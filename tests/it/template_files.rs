//! The files in `templates/` and attachments: their encodings, and names that look the same.

use std::path::Path;
use std::process::Command;

use encoding_rs::{SHIFT_JIS, WINDOWS_1252};

use crate::support::campaign::Campaign;
use crate::support::findings::check_without_style_rules as check;
use crate::support::mail::outbox;
use crate::support::preview::Preview;
use crate::support::run::{Ran, Run};

const GERMAN: &str = "<p>Hello</p>\n<p>Grüße aus München, {{ first_name }}, schöne Tage</p>\n";

fn send(campaign: &Campaign) -> Ran {
    Run::new("send").arg(campaign.path()).arg("--local").run()
}

#[test]
fn a_template_that_is_not_utf8_is_an_error_and_the_help_converts_it() {
    let campaign = Campaign::new().file("templates/newsletter.html", WINDOWS_1252.encode(GERMAN).0);
    let report = check(&campaign);
    let finding = report.only();
    finding
        .at_line("templates/newsletter.html", 2)
        .is("template-encoding", "not UTF-8 but probably windows-1252")
        .helps("iconv -f windows-1252 -t UTF-8 ");
    send(&campaign)
        .code(1)
        .stdout_is("")
        .stderr_has("the file is not UTF-8");
    Run::new("preview")
        .arg(campaign.path())
        .args(["--row", "1"])
        .run()
        .code(1)
        .stderr_has("the file is not UTF-8");
    let about = Preview::start(campaign.path()).json("/preview/about");
    assert_eq!(about["broken"][0]["code"], "template-encoding");

    let help = finding.help.as_deref().unwrap_or_default();
    let command = help.strip_prefix("convert it: ").expect("a command");
    let ran = Command::new("sh")
        .args(["-c", command])
        .status()
        .expect("a shell");
    assert!(ran.success(), "{command}");
    check(&campaign).is_clean();
    let mail = &outbox(send(&campaign).code(0).run_dir().join("outbox"))[0];
    assert!(
        mail.html
            .as_deref()
            .unwrap_or_default()
            .contains("Grüße aus München")
    );
}

#[test]
fn other_encodings_and_damaged_files_have_their_own_errors() {
    let with =
        |bytes: &[u8]| check(&Campaign::new().file("templates/part/it's a part.html", bytes));
    let utf16: Vec<u8> = "\u{feff}<p>x</p>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    with(&utf16)
        .only()
        .is("template-encoding", "probably UTF-16LE")
        .helps("'\\''s a part.html'");
    let japanese = "<p>山田太郎さん、こんにちは。</p>";
    with(&SHIFT_JIS.encode(japanese).0)
        .only()
        .is("template-encoding", "probably Shift_JIS");
    with(&[GERMAN.as_bytes(), b"\xff"].concat())
        .only()
        .at_line("it's a part.html", 3)
        .is("template-encoding", "the file has invalid UTF-8");
}

#[test]
fn a_byte_order_mark_is_dropped() {
    let campaign = Campaign::new()
        .template(
            "newsletter.html",
            "\u{feff}<p>{% include 'part.html' %}</p>",
        )
        .template("part.html", "\u{feff}Hello");
    let mail = &outbox(send(&campaign).code(0).run_dir().join("outbox"))[0];
    let html = mail.html.as_deref().unwrap_or_default();
    assert!(
        html.contains("<p>Hello</p>") && !html.contains('\u{feff}'),
        "{html:?}"
    );
}

#[test]
fn images_may_be_beside_templates_but_not_used_as_templates() {
    let image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    let campaign = Campaign::new().file("templates/logo.png", image);
    check(&campaign).is_clean();
    check(&campaign.set("message.html", "logo.png"))
        .about("is not a text file")
        .is("no-template", "templates/logo.png");
    let including = Campaign::new()
        .file("templates/logo.png", image)
        .template("newsletter.html", "<p>{% include 'logo.png' %}</p>");
    check(&including).about("logo.png");
}

#[test]
fn names_of_files_are_found_whatever_their_normalization() {
    let attachment: toml::Table = "path = 'invoices/{{ file }}'\n".parse().expect("TOML");
    let shared: toml::Table = "path = '\u{dc}bersicht.pdf'\n".parse().expect("TOML");
    let campaign = Campaign::new()
        .set("message.subject", "x")
        .set("message.html", "\u{dc}ber.html")
        .set(
            "message.attachments",
            vec![toml::Value::from(attachment), shared.into()],
        )
        .recipients("email,file\nann@one.example,W\u{f3}jcik.pdf\n")
        .file("invoices/Wo\u{301}jcik.pdf", "an invoice")
        .file("U\u{308}bersicht.pdf", "an overview")
        .template(
            "U\u{308}ber.html",
            "<p>{% include 'Fu\u{df}\u{e9}.html' %}</p>",
        )
        .template("Fu\u{df}e\u{301}.html", "Hello");
    assert_eq!(check(&campaign).errors, 0);
    let ran = send(&campaign);
    let mail = &outbox(ran.code(0).run_dir().join("outbox"))[0];
    let names: Vec<_> = mail.attachments.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["W\u{f3}jcik.pdf", "\u{dc}bersicht.pdf"]);
    assert!(mail.html.as_deref().unwrap_or_default().contains("Hello"));
    assert!(
        Path::new(&ran.run_dir())
            .join("frozen/\u{dc}bersicht.pdf")
            .is_file()
    );
}

#[test]
fn a_selector_that_starts_a_comment_is_reported_as_css() {
    let css =
        "<style>#hero td{color:#222}@media (max-width:600px){#hero{width:100%}}</style><p>x</p>";
    check(&Campaign::new().template("newsletter.html", css))
        .only()
        .at("newsletter.html", 1, 52)
        .is("template-syntax", "`{#hero` in the CSS starts a comment")
        .helps("put a space between `{` and `#`: `{ #hero`");
    check(&Campaign::new().template("newsletter.html", "<p>{# x </p>"))
        .only()
        .is("template-syntax", "the comment is never closed");
}
