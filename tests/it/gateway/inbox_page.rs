//! The inbox's page in a real browser: hostile messages do nothing, and the keyboard does everything.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::browser::{Browser, browser};
use crate::support::hostile::{assert_nothing_sent, hostile_html, hostile_names};
use crate::support::inbox::Gateway;

/// Texts for every place that shows one.
fn hostile_texts(out: &str) -> Vec<String> {
    let run = format!("window.__xss=1;document.title='run';fetch('http://{out}/run')");
    let mut texts = hostile_names();
    texts.extend([
        format!("<script>{run}</script>"),
        format!("<img src=http://{out}/img onerror=\"{run}\">"),
        format!("\"><img src=x onerror=\"{run}\">"),
        format!("' onmouseover='{run}' x='"),
        format!("</bdi></div><iframe src=\"javascript:{run}\"></iframe>"),
        format!("<link rel=stylesheet href=http://{out}/css><style>*{{background:url(http://{out}/bg)}}</style>"),
        format!("${{{run}}} {{{{{run}}}}} `{run}`"),
        "\u{202e}txt.exe \u{2066}a".to_owned(),
        "a\"b' tag:\"x".to_owned(),
    ]);
    texts
}

/// Asserts that nothing of a message has run in the page.
#[track_caller]
fn assert_still(browser: &Browser, what: &str) {
    let seen = browser.eval("return [window.__xss ?? null, document.title.includes('mailrun inbox'), \
        [...document.querySelectorAll('script')].map((it) => it.src), document.querySelectorAll('main img, main style, main link, main form').length]");
    let script = browser.eval("return location.origin + '/inbox/inbox.js'");
    assert_eq!(seen, json!([null, true, [script], 0]), "{what}");
}

/// Looks at a message in every tab.
fn look_at_all(browser: &Browser, gateway: &Gateway, uid: &str, what: &str) {
    browser.go(&gateway.site.url(&format!("/?m={uid}&tab=text")));
    browser.until("document.querySelector('#panel .prose, #panel .nothing')");
    assert_still(browser, what);
    for (key, there) in [
        ("3", "#panel.source pre"),
        ("4", "#panel.headers tr"),
        ("5", "#panel.attachments table, #panel.attachments .nothing"),
        ("6", "#panel.request tr"),
        ("1", "#frame, #panel.html .nothing"),
    ] {
        browser
            .keys(&[key])
            .until(&format!("document.querySelector('{there}')"));
    }
    browser.eval("document.querySelector('.events').open = true");
    assert_still(browser, what);
}

#[test]
fn hostile_texts_are_texts_wherever_they_stand() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    let texts = hostile_texts("out.example");
    for (number, text) in texts.iter().enumerate() {
        let line: String = text.chars().take(100).collect();
        let to = format!("to[x{number}@example.com]");
        let id = (
            format!("{to}[message_id]"),
            format!("{number}@acme.example"),
        );
        let name = (format!("{to}[reciver_name]"), line.clone());
        gateway.post(
            "new_sendmail",
            &[
                (&id.0, &id.1),
                (&name.0, &name.1),
                ("from_name", &line),
                ("subject", &line),
                ("text", text),
                ("tags[]", &line),
                ("headers[X-Odd]", &line),
                (text, text),
                ("files[0][name]", text),
                ("files[0][mime]", "text/html"),
                ("files[0][content]", &STANDARD.encode(text)),
                ("files[1][name]", "../../x\"; X-Evil: 1.png"),
                ("files[1][mime]", "image/svg+xml"),
                ("files[1][content]", &STANDARD.encode(text)),
                ("files[1][inline]", "1"),
            ],
        );
    }
    gateway.indexed();
    let site = &gateway.site;
    browser.go(&site.url("/")).until(&format!("document.querySelectorAll('.row').length > 10 && document.querySelectorAll('nav li').length >= {}", texts.len()));
    assert_still(&browser, "the list");
    for by in ["run", "request"] {
        browser
            .go(&site.url(&format!("/?by={by}")))
            .until("document.querySelectorAll('nav li').length >= 2");
        assert_still(&browser, by);
    }
    for message in gateway.list("") {
        let uid = message["uid"].as_str().expect("a UID");
        look_at_all(&browser, &gateway, uid, &message["subject"].to_string());
    }
    // Searches and errors show what was typed.
    for text in &texts {
        for query in [
            text.clone(),
            format!("before:\"{text}\""),
            format!("tag:\"{}\"", text.replace('"', "\"\"")),
            format!("is:{text}"),
        ] {
            let encoded: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
            browser.go(&site.url(&format!(
                "/?q={encoded}&m={encoded}&tab={encoded}&by={encoded}&theme={encoded}"
            )));
            browser.until("!document.querySelector('#notice').hidden || document.querySelector('#count').textContent");
            assert_still(&browser, &query);
        }
    }
    for path in [
        "/inbox/m/<script>",
        "/inbox/<img src=x onerror=1>",
        "/inbox/messages?q=before:<script>",
        "/nowhere/<script>",
    ] {
        browser.go(&site.url(
            &path
                .replace('<', "%3C")
                .replace('>', "%3E")
                .replace(' ', "%20"),
        ));
        assert_eq!(
            browser.eval("return [window.__xss ?? null, document.scripts.length]"),
            json!([null, 0]),
            "{path}"
        );
    }
    assert_nothing_sent(&browser);
}

#[test]
fn addresses_in_the_text_are_links() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    let text = "Confirm: https://acme.example/confirm?token=abc.\r\n(see http://a.example/x_(y)), \
        <mailto:jan@example.com>; javascript:alert(1) data:text/html,x ftp://a.example https:// \
        https://b.example/\"onmouseover=x 'https://c.example/'\r\nhttps://d.example/\u{202e}evil \
        HTTPS://E.example/!? https://日本.example/。次";
    gateway.sendmail(&[("to[0]", "jan@example.com"), ("text", text)]);
    browser.go(&gateway.site.url(&format!("/?m={}&tab=text", {
        let uid = gateway.list("")[0]["uid"].clone();
        uid.as_str().expect("a UID").to_owned()
    })));
    browser.until("document.querySelector('#panel .prose')");
    let links = browser.eval(
        "return [...document.querySelectorAll('#panel .prose a')].map((it) => it.getAttribute('href'))",
    );
    assert_eq!(
        links,
        json!([
            "https://acme.example/confirm?token=abc",
            "http://a.example/x_(y)",
            "mailto:jan@example.com",
            "https://b.example/",
            "https://c.example/",
            "https://d.example/",
            "HTTPS://E.example/",
            "https://日本.example/"
        ])
    );
    let how = "return [...document.querySelectorAll('#panel .prose a')].every((it) => \
               it.target === '_blank' && it.rel === 'noopener noreferrer nofollow' && it.textContent === it.getAttribute('href'))";
    assert_eq!(browser.eval(how), true);
    let shown = browser.eval("return document.querySelector('#panel .prose').textContent");
    let shown = shown.as_str().expect("a text").replace("\r\n", "\n");
    assert_eq!(shown.trim(), text.replace("\r\n", "\n"));
    assert_still(&browser, "links");
}

#[test]
fn hostile_html_does_nothing_and_loads_nothing() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    let bodies = hostile_html("out.example");
    for html in &bodies {
        let page = format!("{html}<p id=end>The end</p>");
        gateway.sendmail(&[
            ("to[0]", "jan@example.com"),
            ("html", &page),
            ("files[0][name]", "x"),
            ("files[0][mime]", "image/svg+xml"),
            ("files[0][content]", &STANDARD.encode(html)),
            ("files[0][inline]", "1"),
        ]);
    }
    for (message, html) in gateway.list("").iter().rev().zip(&bodies) {
        let uid = message["uid"].as_str().expect("a UID");
        look_at_all(&browser, &gateway, uid, html);
        // What is seen in the frame was parsed, and ran nothing.
        let ran = browser.eval_in(
            "#frame",
            "return [window.__xss ?? null, document.readyState, location.pathname]",
        );
        assert_eq!(
            ran,
            json!([null, "complete", format!("/inbox/m/{uid}/html")]),
            "{html}"
        );
        // By itself it is as harmless.
        browser.go(&gateway.site.url(&format!("/inbox/m/{uid}/html")));
        assert_eq!(
            browser.eval("return [window.__xss ?? null, origin, location.pathname]"),
            json!([null, "null", format!("/inbox/m/{uid}/html")]),
            "{html}"
        );
    }
    assert_eq!(browser.windows(), 1);
    assert_nothing_sent(&browser);
}

#[test]
fn remote_images_are_loaded_when_they_are_asked_for_and_nothing_else_is() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    let html = "<img id=far src=http://out.example/image referrerpolicy=unsafe-url><link rel=stylesheet href=http://out.example/css>\
                <iframe src=http://out.example/frame></iframe>\
                <a id=link href=\"http://out.example/link\">x</a>";
    gateway.sendmail(&[("to[0]", "jan@example.com"), ("html", html)]);
    browser
        .go(&gateway.site.url("/"))
        .until("document.querySelectorAll('.row').length === 1");
    browser
        .keys(&["j"])
        .until("document.querySelector('#frame')");
    assert_eq!(
        browser.eval_in("#frame", "return document.querySelector('#far').complete"),
        true
    );
    assert_eq!(browser.beacon().seen_until_now(), Vec::<String>::new());
    browser
        .keys(&["i"])
        .until("document.querySelector('#images').checked && location.search.includes('images=1')");
    let begun = std::time::Instant::now();
    while browser.beacon().seen().iter().all(String::is_empty) {
        assert!(begun.elapsed().as_secs() < 30, "the image is not loaded");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let lines: Vec<_> = browser
        .beacon()
        .seen()
        .into_iter()
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(lines, ["GET /image HTTP/1.1"]);
}

/// Three messages with everything, and the page with them.
fn three(browser: &Browser, gateway: &Gateway) {
    for name in ["One", "Two", "Three"] {
        let html = format!("<p>{name}</p>");
        gateway.sendmail(&[
            ("to[0]", "jan@example.com"),
            ("subject", name),
            ("html", &html),
            ("text", name),
            ("tags[]", "tag"),
            ("files[0][name]", "a.txt"),
            ("files[0][mime]", "text/plain"),
            ("files[0][content]", "QQ=="),
        ]);
    }
    gateway.indexed();
    browser
        .go(&gateway.site.url("/"))
        .until("document.querySelectorAll('.row').length === 3");
}

const TITLE: &str = "document.querySelector('article h1')?.textContent";

#[test]
fn the_keyboard_does_everything() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    three(&browser, &gateway);
    let title = |wanted: &str| {
        browser.until(&format!("{TITLE} === '{wanted}'"));
    };
    browser.keys(&["j"]);
    title("Three");
    browser.keys(&["j", "j"]);
    title("One");
    browser.keys(&["j", "k"]);
    title("Two");
    browser.until("document.querySelector('.row[aria-selected=true]').id === document.querySelector('#list').getAttribute('aria-activedescendant')");
    for (key, tab) in [
        ("2", "text"),
        ("3", "source"),
        ("4", "headers"),
        ("5", "attachments"),
        ("6", "request"),
        ("1", "html"),
    ] {
        browser.keys(&[key]).until(&format!("document.querySelector('#panel').className === '{tab}' && document.querySelector('#panel').firstChild"));
        browser.until(&format!("document.querySelector('[role=tab][aria-selected=true]').id === 'tab-{tab}' && location.search.includes('tab={tab}')"));
    }
    browser
        .keys(&["w"])
        .until("document.querySelector('#frame').clientWidth === 375");
    browser
        .keys(&["w"])
        .until("document.querySelector('#frame').clientWidth === 600");
    // Read by being looked at; unread again by `u`.
    browser.until("document.querySelectorAll('.row.unread').length === 0");
    browser
        .keys(&["u"])
        .until("document.querySelectorAll('.row.unread').length === 1");
    assert_eq!(gateway.subjects("is:unread"), ["Two"]);
    // Enter goes into the message, Escape out of it and then closes it.
    browser
        .keys(&["Enter"])
        .until("document.activeElement.id === 'panel'");
    browser
        .keys(&["Escape"])
        .until("document.activeElement.id === 'list'");
    browser
        .keys(&["Escape"])
        .until("!location.search.includes('m=') && !document.querySelector('article h1')");
    // The search.
    browser
        .keys(&["/"])
        .until("document.activeElement.id === 'search'");
    browser.type_text("subject:two").until(
        "document.querySelectorAll('.row').length === 1 && location.search.includes('q=subject')",
    );
    browser
        .keys(&["Enter"])
        .until("document.activeElement.id === 'list'");
    browser.keys(&["/", "Escape"]).until("document.querySelectorAll('.row').length === 3 && document.querySelector('#search').value === ''");
    // The help.
    browser.keys(&["?"]).until("document.querySelector('#dialog').open && document.querySelector('#dialog').innerText.includes('has:attachment')");
    browser
        .keys(&["Escape"])
        .until("!document.querySelector('#dialog').open");
    // Light and dark.
    browser.keys(&["t", "t"]).until("document.documentElement.dataset.theme === 'dark' && location.search.includes('theme=dark')");
    let back = "return getComputedStyle(document.body).backgroundColor";
    let dark = browser.eval(back);
    browser
        .keys(&["t", "t"])
        .until("document.documentElement.dataset.theme === 'light'");
    assert_ne!(browser.eval(back), dark);
}

#[test]
fn the_keys_work_after_a_click_into_the_message() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    three(&browser, &gateway);
    browser.keys(&["j"]).until(&format!(
        "{TITLE} === 'Three' && document.querySelector('#frame')"
    ));
    let focus = |id: &str| {
        browser.until(&format!("document.activeElement.id === '{id}'"));
    };
    browser.click("#frame");
    focus("list");
    browser.keys(&["j"]).until(&format!("{TITLE} === 'Two'"));
    browser.click("#frame");
    focus("list");
    browser
        .keys(&["Escape"])
        .until("!document.querySelector('article h1')");
    // Who goes there by the keyboard stays.
    let link = "<a href=\"https://acme.example\">x</a>";
    gateway.sendmail(&[("to[0]", "jan@example.com"), ("html", link)]);
    let newest = gateway.newest().replace("/inbox/m/", "/?m=");
    browser
        .go(&gateway.site.url(&newest))
        .until("document.querySelector('#frame')");
    browser.eval("document.querySelector('#images').focus()");
    browser.keys(&["Tab"]);
    focus("frame");
    std::thread::sleep(std::time::Duration::from_millis(500));
    focus("frame");
}

#[test]
fn what_is_deleted_is_asked_for_first() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    three(&browser, &gateway);
    browser.keys(&["j"]).until(&format!("{TITLE} === 'Three'"));
    browser
        .keys(&["d"])
        .until("document.querySelector('#dialog').open");
    browser
        .keys(&["Enter"])
        .until("!document.querySelector('#dialog').open");
    assert_eq!(gateway.list("").len(), 3, "the first choice keeps it");
    browser
        .keys(&["d"])
        .until("document.querySelector('#dialog').open");
    browser.click("#confirm").until(&format!(
        "document.querySelectorAll('.row').length === 2 && {TITLE} === 'Two'"
    ));
    assert_eq!(gateway.subjects(""), ["Two", "One"]);
    browser
        .click("#delete-all")
        .until("document.querySelector('#dialog h2')?.innerText === 'Delete all 2 messages?'");
    browser.click("#confirm");
    browser.until("!document.querySelector('#empty').hidden && document.querySelector('#empty').innerText.includes('curl ')");
    assert_eq!(gateway.list("").len(), 0);
}

#[test]
fn each_question_gets_its_own_answer() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    three(&browser, &gateway);
    // The second comes before the page is told that the first is closed.
    browser.eval(
        "window.answers = {};
         import('/inbox/dialog.js').then(({ confirmAction }) => {
           const ask = (name) => confirmAction(name, name, name).then((answer) => (window.answers[name] = answer));
           ask('first');
           document.querySelector('#dialog .choices button').click();
           ask('second');
           setTimeout(() => document.querySelector('#confirm').click(), 300);
         });",
    );
    browser.until("'second' in window.answers");
    browser.until("!document.querySelector('#dialog').open");
    assert_eq!(
        browser.eval("return window.answers"),
        json!({ "first": false, "second": true })
    );
}

#[test]
fn all_that_is_looked_at_is_in_the_url() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    three(&browser, &gateway);
    browser
        .click(".row:nth-child(2)")
        .until(&format!("{TITLE} === 'Two'"));
    browser
        .keys(&["4"])
        .until("document.querySelector('#panel.headers tr')");
    browser
        .click("nav [data-query='tag:\"tag\"']")
        .until("document.querySelector('#search').value === 'tag:\"tag\"'");
    let url = browser.url();
    browser.go("about:blank").go(&url);
    browser.until(&format!("{TITLE} === 'Two' && document.querySelector('#panel.headers tr') && document.querySelector('#search').value === 'tag:\"tag\"'"));
    browser.until("document.querySelector('nav [aria-current]').dataset.query === 'tag:\"tag\"'");
    // Back is what was looked at before.
    browser
        .click(".row:first-child")
        .until(&format!("{TITLE} === 'Three'"));
    browser.back();
    browser.until(&format!("{TITLE} === 'Two'"));
}

#[test]
fn what_arrives_is_shown_at_once() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    browser.go(&gateway.site.url("/")).until("!document.querySelector('#empty').hidden && document.querySelector('#live').dataset.live === 'yes'");
    three(&browser, &gateway);
    browser.keys(&["j"]).until(&format!("{TITLE} === 'Three'"));
    gateway.sendmail(&[
        ("to[0]", "jan@example.com"),
        ("subject", "Four"),
        ("text", "x"),
    ]);
    browser.until("document.querySelectorAll('.row').length === 4 && document.querySelector('.row .subject').textContent === 'Four'");
    browser.until(&format!(
        "{TITLE} === 'Three' && document.querySelectorAll('.row')[1].ariaSelected === 'true'"
    ));
    // In a search too, when its words are known.
    browser
        .go(&gateway.site.url("/?q=cinnamon"))
        .until("!document.querySelector('#empty').hidden");
    gateway.sendmail(&[
        ("to[0]", "jan@example.com"),
        ("subject", "Five"),
        ("text", "cinnamon"),
    ]);
    browser.until("document.querySelector('.row .subject')?.textContent === 'Five'");
}

#[test]
fn what_arrives_while_the_list_is_fetched_is_shown_too() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    browser.go(&gateway.site.url("/")).until("!document.querySelector('#empty').hidden && document.querySelector('#live').dataset.live === 'yes'");
    // Answers for the list come a while after they were made; the page says when one was.
    browser.eval(
        "window.made = 0; const real = window.fetch; window.fetch = async (...given) => {
           const answer = await real(...given);
           if (String(given[0]).includes('/inbox/messages')) {
             window.made += 1;
             await new Promise((done) => setTimeout(done, 1500));
           }
           return answer;
         }; return 0",
    );
    let send = |subject| {
        gateway.sendmail(&[
            ("to[0]", "jan@example.com"),
            ("subject", subject),
            ("text", "x"),
        ]);
    };
    send("One");
    browser.until("window.made > 0");
    send("Two");
    browser.until("document.querySelector('.row .subject')?.textContent === 'Two'");
}

#[test]
fn a_long_list_is_scrolled_and_drawn_in_part() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    for batch in 0..3 {
        let mut fields: Vec<(String, String)> = vec![("text".into(), "x".into())];
        for number in 0..100 {
            let mut address = String::new();
            let _ = write!(address, "r{:03}@example.com", batch * 100 + number);
            fields.push((format!("to[{number}]"), address));
        }
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        gateway.sendmail(&fields);
    }
    browser
        .go(&gateway.site.url("/"))
        .until("document.querySelector('.row')");
    let last = "document.querySelector('.row[aria-posinset=\"300\"] .to').textContent === 'r000@example.com'";
    let down = "document.querySelector('#list').scrollTop = 1e9, document.querySelector('.row[aria-posinset=\"300\"]')";
    browser.until(down);
    browser.until("document.querySelectorAll('.row').length < 60");
    browser.until(last);
    // What arrives meanwhile moves nothing, and is told.
    gateway.sendmail(&[("to[0]", "new@example.com"), ("text", "x")]);
    browser.until("!document.querySelector('#newer').hidden");
    browser.until(last);
    browser
        .click("#newer")
        .until("document.querySelector('.row .to').textContent === 'new@example.com'");
}

#[test]
fn a_narrow_window_shows_one_thing_at_a_time() {
    let Some(browser) = browser() else { return };
    let gateway = Gateway::start();
    browser.size(500, 800);
    three(&browser, &gateway);
    let shown = |selector: &str| {
        browser.eval(&format!(
            "return document.querySelector('{selector}').checkVisibility()"
        ))
    };
    assert_eq!(
        (shown("#list"), shown("article"), shown("nav")),
        (true.into(), false.into(), false.into())
    );
    browser
        .click(".row:first-child")
        .until("document.querySelector('article').checkVisibility()");
    assert_eq!(shown("#list"), false);
    browser
        .until("document.querySelector('.back')")
        .click(".back")
        .until("document.querySelector('#list').checkVisibility()");
    browser
        .keys(&["g"])
        .until("document.querySelector('nav').checkVisibility()");
    assert_eq!(
        browser.eval("return document.documentElement.scrollWidth <= innerWidth"),
        true
    );
    let _: Value = browser.eval("return null");
}
