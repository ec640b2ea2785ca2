//! The contact sheet of `mailrun preview --out`, opened from the disk.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::browser::browser;
use crate::support::campaign::Campaign;
use crate::support::run::{Ran, Run};

/// Values that try to run scripts, load files, or break out of the markup.
const HOSTILE: [&str; 9] = [
    "<script>window.__xss=1;top.__xss=1</script>",
    "<img src=x onerror=\"top.__xss=1\">",
    "\"><svg onload=top.__xss=1>",
    "</title></style><script>top.__xss=1</script>",
    "</textarea></iframe><script>top.__xss=1</script>",
    "<iframe srcdoc=\"<script>top.__xss=1</script>\"></iframe>",
    "<link rel=stylesheet href=http://out.example/a.css><link rel=preconnect href=http://out.example>",
    "<meta http-equiv=refresh content=\"0;url=http://out.example/b\"><base href=http://out.example/>",
    "<p style=\"background:url(http://out.example/c.png)\"><img src=http://out.example/d.png>{{ name }}",
];
/// An image of one pixel.
const DOT: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\x00\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

fn preview(campaign: &Campaign, out: &Path) -> Ran {
    Run::new("preview")
        .arg(campaign.path())
        .arg("--out")
        .arg(out)
        .run()
}

/// A campaign with the hostile values in its subject and its HTML, escaped and unescaped.
fn hostile() -> Campaign {
    let quoted = |(number, value): (usize, &&str)| {
        format!("r{number}@one.example,\"{}\"\n", value.replace('"', "\"\""))
    };
    let rows: String = HOSTILE.iter().enumerate().map(quoted).collect();
    Campaign::new()
        .recipients(format!("email,first_name\n{rows}"))
        .set("message.subject", "{{ first_name }}")
        .set("message.headers.X-Name", "{{ first_name }}")
        .template(
            "newsletter.html",
            "<!doctype html><p>{{ first_name }}</p>{{ first_name | safe }}<img src=\"cid:dot.gif\" id=\"dot\"><p id=\"end\">The end.</p>",
        )
        .file("dot.gif", DOT)
        .set("message.attachments", vec![toml::Value::Table(
            toml::from_str("path = 'dot.gif'\ninline = true").expect("a table"),
        )])
}

#[test]
fn hostile_messages_run_nothing_and_load_nothing() {
    let Some(browser) = browser() else { return };
    let campaign = hostile();
    let out = campaign.path().join("out");
    preview(&campaign, &out).code(0);
    let url = format!("file://{}/index.html", out.display());
    browser.go(&url).until("document.readyState == 'complete'");
    assert_eq!(
        browser.eval("return document.querySelectorAll('article').length"),
        json!(9)
    );
    let subjects =
        browser.eval("return [...document.querySelectorAll('h2')].map(h => h.textContent)");
    assert_eq!(subjects, json!(HOSTILE));
    // Frames load when they become visible.
    for number in 1..=9 {
        let frame = format!("iframe[src='{number:05}.preview.html']");
        browser.eval(&format!(
            "document.querySelector(\"{frame}\").scrollIntoView()"
        ));
        let shown = "return [!!document.querySelector('#end'), document.querySelector('#dot')?.naturalWidth, \
                     document.scripts.length, document.querySelector('meta[http-equiv]')?.httpEquiv]";
        let expected = json!([true, 1, 0, "Content-Security-Policy"]);
        let begun = std::time::Instant::now();
        let mut seen = browser.eval_in(&frame, shown);
        while seen != expected && begun.elapsed().as_secs() < 20 {
            seen = browser.eval_in(&frame, shown);
        }
        assert_eq!(seen, expected, "{number}");
    }
    assert_eq!(
        browser.eval("return [window.__xss, document.scripts.length]"),
        json!([null, 0])
    );
    assert_eq!((browser.url(), browser.windows()), (url, 1));
    assert_eq!(browser.beacon().seen_until_now(), Vec::<String>::new());
}

#[test]
fn a_hostile_message_opened_by_itself_is_harmless() {
    let Some(browser) = browser() else { return };
    let campaign = hostile();
    let out = campaign.path().join("out");
    preview(&campaign, &out).code(0);
    for number in 1..=9 {
        let url = format!("file://{}/{number:05}.preview.html", out.display());
        browser
            .go(&url)
            .until("document.querySelector('#dot').naturalWidth == 1");
        assert_eq!(
            browser.eval("return [window.__xss, document.characterSet]"),
            json!([null, "UTF-8"])
        );
        assert_eq!(browser.url(), url);
    }
    assert_eq!(browser.beacon().seen_until_now(), Vec::<String>::new());
}

#[test]
fn a_card_links_to_no_file_that_runs_scripts() {
    let campaign = hostile();
    let out = campaign.path().join("out");
    preview(&campaign, &out).code(0);
    let sheet = fs::read_to_string(out.join("index.html")).expect("the contact sheet");
    let links: Vec<_> = sheet
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(link, _)| link)
        .collect();
    assert!(links.len() >= 9 * 3, "{links:?}");
    for link in links {
        let (_, extension) = link.split_once('.').expect("an extension");
        let safe = ["eml", "txt", "preview.html", "html.txt"];
        assert!(safe.contains(&extension), "{link}");
    }
    let [source, html] = ["00001.html.txt", "00001.html"]
        .map(|name| fs::read_to_string(out.join(name)).expect("a file"));
    assert_eq!(source, html);
    assert!(source.contains("<script>"), "{source}");
}

#[test]
fn a_card_shows_the_message_and_its_findings() {
    let campaign = Campaign::good().html_with("https://sender.example/autumn?who={{ token }}", "");
    let out = campaign.path().join("out");
    preview(&campaign, &out).code(0);
    let page = fs::read_to_string(out.join("index.html")).expect("the contact sheet");
    for text in [
        "<h1>test</h1>",
        "3 messages",
        "Sender &lt;news@sender.example&gt;",
        "<h2>The autumn letter is here, Ann</h2>",
        "What the new season brings, in two minutes.",
        "bob@two.example",
        "<strong class=\"error\">1 error</strong>",
        "<code>link-empty</code>",
        "href=\"00003.eml\"",
        "href=\"00003.preview.html\"",
        "href=\"00003.html.txt\"",
        "href=\"00003.txt\"",
        "src=\"00003.preview.html\"",
        "sandbox=\"\"",
        "referrerpolicy=\"no-referrer\"",
    ] {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    assert!(
        !page.contains("<script") && !page.contains("unsafe-inline"),
        "{page}"
    );
}

#[test]
fn a_message_without_html_is_shown_as_text() {
    let campaign = Campaign::new()
        .unset("message.html")
        .template("newsletter.txt", "Dear {{ first_name }} <b>")
        .set("message.text", "newsletter.txt");
    let out = campaign.path().join("out");
    preview(&campaign, &out).code(0);
    let page = fs::read_to_string(out.join("index.html")).expect("the contact sheet");
    assert!(page.contains(">Dear Ann &lt;b&gt;"), "{page}");
    assert!(!page.contains("<iframe"), "{page}");
    assert!(!out.join("00001.preview.html").exists());
}

#[test]
fn a_long_contact_sheet_is_cut_with_a_notice() {
    let campaign = Campaign::new().rows(510);
    let out = campaign.path().join("out");
    preview(&campaign, &out).code(0).stdout_has("00510.eml");
    let page = fs::read_to_string(out.join("index.html")).expect("the contact sheet");
    assert_eq!(page.matches("<article>").count(), 500);
    assert!(page.contains("510 messages") && page.contains("Only the first 500 rows are shown"));
    assert!(out.join("00510.html").exists() && !out.join("00510.preview.html").exists());
}

#[test]
fn files_of_an_earlier_preview_are_deleted_and_other_files_kept() {
    let campaign = Campaign::new().rows(12);
    let out = campaign.path().join("out");
    preview(&campaign, &out).code(0);
    for name in ["notes.txt", "00009.png", "7.eml", "00002.html.bak"] {
        fs::write(out.join(name), "mine").expect("room");
    }
    let limited = || {
        let run = Run::new("preview").arg(campaign.path()).arg("--out");
        run.arg(&out).args(["--limit", "1"]).run()
    };
    limited().code(0);
    let names = || {
        let entries = fs::read_dir(&out).expect("a folder");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        names.sort();
        names
    };
    let expected = [
        "00001.eml",
        "00001.html",
        "00001.html.txt",
        "00001.preview.html",
        "00001.txt",
        "00002.html.bak",
        "00009.png",
        "7.eml",
        "index.html",
        "notes.txt",
    ];
    assert_eq!(names(), expected);
    // A folder with an index or numbered files that no preview wrote.
    for name in ["index.html", "00001.eml"] {
        fs::remove_dir_all(&out).expect("it exists");
        fs::create_dir(&out).expect("room");
        fs::write(out.join(name), "mine").expect("room");
        let ran = limited();
        ran.code(1)
            .stderr_has(name)
            .stderr_has("empty folder")
            .stdout_is("");
        assert_eq!(names(), [name]);
        assert_eq!(fs::read(out.join(name)).expect("it exists"), b"mine");
    }
}
