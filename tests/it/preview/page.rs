//! The page of `mailrun preview --web` in a browser: hostile data are harmless, and the keyboard controls
//! everything.

use std::fs;

use serde_json::json;

use crate::support::browser::{Browser, browser};
use crate::support::campaign::Campaign;
use crate::support::hostile::{assert_nothing_sent, hostile_html, hostile_names};
use crate::support::preview::Preview;

const SUBJECT: &str = "document.querySelector('article h1')?.textContent";

/// Asserts that no script of a message ran, and that no data became an element of the page.
#[track_caller]
fn assert_harmless(browser: &Browser, what: &str) {
    let seen = browser.eval("return [window.__xss ?? null, document.title.includes('mailrun preview'), \
        [...document.querySelectorAll('script')].map((it) => it.src), \
        document.querySelectorAll('body img, body style, body link, body form, main svg, body base, body meta, bdi *').length, \
        document.querySelectorAll('iframe').length <= 1]");
    let script = browser.eval("return location.origin + '/preview/preview.js'");
    assert_eq!(seen, json!([null, true, [script], 0, true]), "{what}");
}

fn csv(rows: &[(String, String)]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(["email", "name", "<img src=x onerror=window.__xss=1>"])
        .expect("memory");
    for (email, name) in rows {
        writer.write_record([email, name, name]).expect("memory");
    }
    writer.into_inner().expect("memory")
}

/// A campaign with these names in its HTML, unescaped.
fn campaign(names: &[String]) -> Campaign {
    let rows = names.iter().enumerate();
    let rows: Vec<_> = rows
        .map(|(n, name)| (format!("x{n}@example.com"), name.clone()))
        .collect();
    Campaign::new()
        .set("message.inline_css", false)
        .set("message.subject", "{{ name | truncate(length=100) }}")
        .set(
            "message.headers.X-Name",
            "{{ name | truncate(length=100) }}",
        )
        .template(
            "newsletter.html",
            "<p>{{ name }}</p><div id=raw>{{ name | safe }}</div><p id=end>The end</p>",
        )
        .template("newsletter.txt", "{{ name }}")
        .set("message.text", "newsletter.txt")
        .recipients(csv(&rows))
}

/// Opens a message in every tab.
fn open_all_tabs(browser: &Browser, preview: &Preview, row: usize, what: &str) {
    browser.go(&preview.site.url(&format!("/?row={row}&tab=text")));
    browser.until("document.querySelector('#panel.text pre')");
    for (key, content) in [
        ("1", "#panel.checks > div"),
        ("3", "#panel.source pre"),
        ("4", "#panel.headers tr"),
        ("5", "#panel.data input, #panel.data textarea"),
        ("6", "#panel.diff .diff"),
    ] {
        browser
            .keys(&[key])
            .until(&format!("document.querySelector('{content}')"));
        assert_harmless(browser, what);
    }
    let ran = browser.eval_in(
        "#frame",
        "return [window.__xss ?? null, origin, location.pathname]",
    );
    assert_eq!(
        ran,
        json!([null, "null", format!("/preview/m/{row}/html")]),
        "{what}"
    );
}

#[test]
fn hostile_rows_run_nothing_and_load_nothing() {
    let Some(browser) = browser() else { return };
    let mut names = hostile_names();
    names.extend(hostile_html("out.example"));
    let campaign = campaign(&names);
    let preview = Preview::start(campaign.path());
    browser
        .go(&preview.site.url("/"))
        .until("document.querySelectorAll('.row[role=option]').length > 5");
    assert_harmless(&browser, "the list");
    for (n, name) in names.iter().enumerate() {
        open_all_tabs(&browser, &preview, n + 1, name);
    }
    for look in ["dark", "inverted"] {
        browser
            .go(&preview.site.url(&format!("/?row=1&look={look}")))
            .until("document.querySelector('#panel > div')");
        assert_harmless(&browser, look);
    }
    // Searches, changed cells and errors are shown as text, too.
    for name in names.iter().step_by(2) {
        let text: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        browser.go(&preview.site.url(&format!(
            "/?q={text}&row=2&tab={text}&w={text}&look={text}&against={text}&theme={text}&set.name={text}&set.{text}={text}"
        )));
        browser.until("document.querySelector('#count').textContent && document.querySelector('#panel > div')");
        assert_harmless(&browser, name);
        browser.go(&preview
            .site
            .url(&format!("/?q=missing:%22{text}%22&row=99")));
        browser.until("(document.querySelector('#notice:not([hidden])') || document.querySelector('#count').textContent.includes(' of ')) && document.querySelector('article [role=alert]')");
        assert_harmless(&browser, name);
    }
    assert_eq!(browser.windows(), 1);
    assert_nothing_sent(&browser);
}

#[test]
fn hostile_errors_are_shown_as_text() {
    let Some(browser) = browser() else { return };
    let bad = "<img src=http://out.example/x onerror=window.__xss=1>";
    let campaign = campaign(&["x".to_owned()]).recipients(csv(&[(bad.to_owned(), bad.to_owned())]));
    let preview = Preview::start(campaign.path());
    browser
        .go(&preview.site.url("/?row=1"))
        .until("document.querySelector('article .finding') && document.querySelector('#panel .finding') && document.querySelector('.row .error')");
    assert_harmless(&browser, "an address");
    let template = campaign.path().join("templates/newsletter.html");
    fs::write(&template, format!("{bad}{{{{ \"{bad}\" }}")).expect("room");
    browser.until("document.querySelector('#broken:not([hidden]) .finding pre')?.textContent.includes('onerror')");
    assert_harmless(&browser, "a template");
    assert_nothing_sent(&browser);
}

/// Six recipients, the fifth of which is invalid.
fn six() -> Campaign {
    let rows = "email,first_name\nann@one.example,Ann\nbob@two.example,Bob\ncleo@one.example,Cleo\n\
                dan@one.example,Dan\neve at one,Eve\nfay@one.example,Fay\n";
    let campaign = Campaign::new()
        .set("check.off.image-http", "the test sees what is loaded")
        .set("check.off.spam-image-only", "it is a small message")
        .set("check.off.preheader-subject", "it is a small message");
    campaign.recipients(rows).template(
        "newsletter.html",
        "<html lang=en><style>:root{color-scheme:light dark} @media (prefers-color-scheme:dark){p{color:rgb(1,2,3)}}</style>\
         <p>Hello {{ first_name }}</p><img id=far alt=x src=http://out.example/image>",
    )
}

#[test]
fn the_keyboard_controls_everything() {
    let Some(browser) = browser() else { return };
    let campaign = six();
    let preview = Preview::start(campaign.path());
    browser
        .go(&preview.site.url("/"))
        .until("document.querySelectorAll('.row[role=option]').length === 6");
    let subject = |name: &str| {
        browser.until(&format!("{SUBJECT} === 'Hello {name}'"));
    };
    browser.keys(&["j"]);
    subject("Ann");
    browser.keys(&["j", "j"]);
    subject("Cleo");
    browser.keys(&["k"]);
    subject("Bob");
    browser.until("document.querySelector('.row[aria-selected=true]').id === document.querySelector('#list').getAttribute('aria-activedescendant')");
    for (key, tab) in [
        ("2", "text"),
        ("3", "source"),
        ("4", "headers"),
        ("5", "data"),
        ("6", "diff"),
        ("1", "checks"),
    ] {
        browser.keys(&[key]).until(&format!(
            "document.querySelector('#panel').className === '{tab}' && document.querySelector('#tab-{tab}').ariaSelected === 'true' \
             && ('{tab}' === 'checks' || location.search.includes('tab={tab}'))"
        ));
    }
    browser.keys(&["w"]).until(
        "document.querySelector('#frame').clientWidth === 375 && location.search.includes('w=375')",
    );
    browser
        .keys(&["w"])
        .until("document.querySelector('#frame').clientWidth === 600");
    browser.click("#grip").keys(&["ArrowRight"]).until(
        "document.querySelector('#frame').clientWidth === 620 && location.search.includes('w=620')",
    );
    // Colours: light, inverted, dark.
    let colour = "return getComputedStyle(document.querySelector('p')).color";
    browser.until("document.querySelector('#frame').dataset.look === 'light'");
    assert_eq!(browser.eval_in("#frame", colour), "rgb(0, 0, 0)");
    browser
        .keys(&["d"])
        .until("document.querySelector('#frame').dataset.look === 'inverted'");
    assert!(
        browser
            .eval_in(
                "#frame",
                "return getComputedStyle(document.documentElement).filter"
            )
            .to_string()
            .contains("invert")
    );
    browser.keys(&["d"]).until("document.querySelector('#frame').dataset.look === 'dark' && location.search.includes('look=dark')");
    assert_eq!(browser.eval_in("#frame", colour), "rgb(1, 2, 3)");
    // The next message with a finding, and a random one.
    browser
        .keys(&["e"])
        .until("document.querySelector('article .finding') && location.search.includes('row=5')");
    browser
        .keys(&["e"])
        .until("document.querySelector('#progress').textContent.includes('No more findings')");
    browser.eval("Math.random = () => 0.99");
    browser.keys(&["r"]);
    subject("Fay");
    // Remote images load only when they are turned on.
    assert_eq!(browser.beacon().seen_until_now(), Vec::<String>::new());
    browser
        .keys(&["i"])
        .until("document.querySelector('#images').checked && location.search.includes('images=1')");
    let begun = std::time::Instant::now();
    while !browser
        .beacon()
        .seen()
        .iter()
        .any(|line| line == "GET /image HTTP/1.1")
    {
        assert!(begun.elapsed().as_secs() < 30, "the image is not loaded");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    browser.keys(&["i"]);
    browser.eval("navigator.clipboard.writeText = async (text) => { window.copied = text }");
    browser
        .keys(&["c"])
        .until("window.copied.includes('<p>Hello Fay</p>')");
    // Search.
    browser.keys(&["/"]).type_text("first_name:bob").until("document.querySelectorAll('.row[role=option]').length === 1 && location.search.includes('q=first_name')");
    browser
        .keys(&["Enter"])
        .until("document.activeElement.id === 'list'");
    browser.keys(&["j"]);
    subject("Bob");
    browser
        .keys(&["/", "Escape"])
        .until("document.querySelectorAll('.row[role=option]').length === 6");
    browser
        .keys(&["Escape"])
        .until("!document.querySelector('article header') && !location.search.includes('row=')");
    browser.keys(&["?"]).until("document.querySelector('#dialog').open && document.querySelector('#dialog').innerText.includes('has:findings')");
    browser
        .keys(&["Escape"])
        .until("!document.querySelector('#dialog').open");
}

#[test]
fn saves_and_changed_cells_update_the_page() {
    let Some(browser) = browser() else { return };
    let campaign = six();
    let preview = Preview::start(campaign.path());
    browser.go(&preview.site.url("/?row=2&tab=data")).until("document.querySelector('#panel [data-column=first_name]') && document.querySelector('#live').dataset.live === 'yes'");
    let frame = |expected: &str| {
        let begun = std::time::Instant::now();
        loop {
            // The frame may be replaced at any time.
            let text = browser.try_eval_in("#frame", "return document.body?.innerText ?? ''");
            let text = text.unwrap_or_default();
            if text.as_str().unwrap_or_default().contains(expected) {
                return;
            }
            assert!(
                begun.elapsed().as_secs() < 30,
                "{expected} is not in {text}"
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    frame("Hello Bob");
    browser.click("[data-column=first_name]").type_text("by");
    frame("Hello Bobby");
    browser.until(&format!("{SUBJECT} === 'Hello Bobby' && location.search.includes('set.first_name=Bobby') && document.activeElement.dataset.column === 'first_name'"));
    let url = browser.url();
    browser.go("about:blank").go(&url);
    frame("Hello Bobby");
    browser
        .click("#reset")
        .until("!location.search.includes('set.')");
    frame("Hello Bob");
    // Save a template.
    let template = campaign.path().join("templates/newsletter.html");
    fs::write(&template, "<p>Good day, {{ first_name }}</p>").expect("room");
    frame("Good day, Bob");
    fs::write(&template, "<p>{{ first_name </p>").expect("room");
    browser.until(
        "document.querySelector('#broken:not([hidden])')?.innerText.includes('newsletter.html')",
    );
    fs::write(&template, "<p>Bye, {{ first_name }}</p>").expect("room");
    frame("Bye, Bob");
    browser.until("document.querySelector('#broken').hidden");
    browser
        .keys(&["6"])
        .until("document.querySelector('#panel.diff')");
    browser.eval("[...document.querySelectorAll('.diff button')].find((it) => it.textContent === 'Before last save').click()");
    browser.until("document.querySelector('.diff pre[data-tag=\"-\"]')?.textContent.includes('Good day') && document.querySelector('.diff pre[data-tag=\"+\"]').textContent.includes('Bye')");
    // Save the recipients.
    fs::write(
        campaign.path().join("recipients.csv"),
        "email,first_name\nzoe@six.example,Zoe\nyan@six.example,Yan\n",
    )
    .expect("room");
    browser.until(&format!(
        "document.querySelectorAll('.row[role=option]').length === 2 && {SUBJECT} === 'Hello Yan'"
    ));
}

#[test]
fn a_long_list_can_be_scrolled_to_its_end() {
    let Some(browser) = browser() else { return };
    // The list is higher than an element can be.
    let campaign = Campaign::new().rows(300_000);
    let preview = Preview::start(campaign.path());
    browser
        .go(&preview.site.url("/"))
        .until("document.querySelectorAll('.row[role=option]').length > 5");
    browser.until("document.querySelector('#count').textContent === '300,000 recipients'");
    browser.eval("document.querySelector('#list').scrollTop = 1e9");
    browser.until("document.querySelector('.row[aria-posinset=\"300000\"] .subject')?.textContent === 'Hello Name 300000'");
    browser.until("document.querySelectorAll('.row').length < 60");
    browser.eval("document.querySelector('#list').scrollTop = document.querySelector('#list').scrollHeight / 2");
    browser.until("[...document.querySelectorAll('.row[role=option]')].some((it) => Math.abs(it.ariaPosInSet - 150000) < 200)");
    // A row in the URL is scrolled into view.
    browser
        .go(&preview.site.url("/?row=123456"))
        .until(&format!("{SUBJECT} === 'Hello Name 123456'"));
    browser.until("document.querySelector('#row-123456[aria-selected=true]')");
    let seen = "const list = document.querySelector('#list').getBoundingClientRect(), row = document.querySelector('#row-123456').getBoundingClientRect(); return row.top >= list.top && row.bottom <= list.bottom";
    assert_eq!(browser.eval(seen), true);
    browser
        .keys(&["j"])
        .until(&format!("{SUBJECT} === 'Hello Name 123457'"));
}

#[test]
fn messages_with_findings_are_listed_as_they_are_found() {
    let Some(browser) = browser() else { return };
    let campaign = six();
    let preview = Preview::start(campaign.path());
    browser
        .go(&preview.site.url("/"))
        .until("document.querySelectorAll('.row[role=option]').length === 6");
    browser.eval("const filter = document.querySelector('#filter'); filter.value = 'has:errors'; filter.dispatchEvent(new Event('change'))");
    browser.until("document.querySelectorAll('.row[role=option]').length === 1 && document.querySelector('#progress').textContent.includes('6 of 6 checked')");
    browser
        .keys(&["j"])
        .until("document.querySelector('article .finding') && location.search.includes('row=5')");
    // Change the filter.
    browser.eval("const filter = document.querySelector('#filter'); filter.value = 'longest:first_name'; filter.dispatchEvent(new Event('change'))");
    browser.until("document.querySelectorAll('.row[role=option]').length === 6 && document.querySelector('.row').id === 'row-3' && document.querySelector('#progress').hidden");
}

#[test]
fn a_narrow_window_shows_the_list_or_the_message() {
    let Some(browser) = browser() else { return };
    let campaign = six();
    let preview = Preview::start(campaign.path());
    browser.size(500, 800);
    browser
        .go(&preview.site.url("/"))
        .until("document.querySelectorAll('.row[role=option]').length === 6");
    let shown = |selector: &str| {
        browser.eval(&format!(
            "return document.querySelector('{selector}').checkVisibility()"
        ))
    };
    assert_eq!(
        (shown("#list"), shown("article")),
        (true.into(), false.into())
    );
    browser.click(".row").until("document.querySelector('article').checkVisibility() && document.querySelector('#panel').checkVisibility()");
    assert_eq!(shown("#list"), false);
    assert_eq!(
        browser.eval("return document.documentElement.scrollWidth <= innerWidth"),
        true
    );
    browser
        .click(".back")
        .until("document.querySelector('#list').checkVisibility()");
}
