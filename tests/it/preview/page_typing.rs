//! Typing into the page of `mailrun preview --web`, while files are saved, rows change, and with unusual
//! column names.

use std::fs;

use serde_json::json;

use crate::support::browser::{Browser, browser};
use crate::support::campaign::Campaign;
use crate::support::preview::Preview;

const SUBJECT: &str = "document.querySelector('article h1')?.textContent";
const LIVE: &str = "document.querySelector('#live').dataset.live === 'yes'";

/// Opens the page of a campaign, and waits until an expression holds.
fn open_page(campaign: &Campaign, path: &str, until: &str) -> Option<(Browser, Preview)> {
    let browser = browser()?;
    let preview = Preview::start(campaign.path());
    browser.go(&preview.site.url(path)).until(until);
    Some((browser, preview))
}

/// Opens the page, and waits until the message of a row is shown.
fn open_row(campaign: &Campaign, path: &str, name: &str) -> Option<(Browser, Preview)> {
    open_page(
        campaign,
        path,
        &format!("{SUBJECT} === 'Hello {name}' && {LIVE}"),
    )
}

#[test]
fn typed_text_stays_with_its_row() {
    let campaign = Campaign::new().rows(12);
    let Some((browser, _preview)) = open_row(&campaign, "/?row=10&tab=data", "Name 10") else {
        return;
    };
    browser.until("document.querySelector('[data-column=first_name]')");
    browser.click("[data-column=first_name]");
    browser.keys(&["x", "Escape", "j"]);
    browser.until(&format!("{SUBJECT} === 'Hello Name 11'"));
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert!(!browser.url().contains("set."), "{}", browser.url());
    assert_eq!(browser.eval(&format!("return {SUBJECT}")), "Hello Name 11");
    // Two cells changed at the same time both take effect.
    browser.click("[data-column=first_name]");
    browser.keys(&["y"]);
    browser.eval("const email = document.querySelector('[data-column=email]'); email.value = 'z@one.example'; email.dispatchEvent(new Event('input'))");
    browser.until("location.search.includes('set.email=z') && location.search.includes('set.first_name=Name+11y')");
}

#[test]
fn columns_with_unusual_names_can_be_changed() {
    let campaign = Campaign::new()
        .recipients("email,first_name,__proto__\nann@one.example,Ann,x\n")
        .set("message.subject", "Hello {{ first_name }}");
    let Some((browser, _preview)) = open_row(&campaign, "/?row=1&tab=data", "Ann") else {
        return;
    };
    browser.until("document.querySelector('[data-column=__proto__]')");
    browser.click("[data-column=__proto__]").keys(&["y"]);
    browser
        .until("location.search.includes('set.__proto__=xy') && document.querySelector('#reset')");
    browser
        .click("#reset")
        .until("!location.search.includes('set.')");
}

#[test]
fn a_save_keeps_typed_text_and_focus() {
    let campaign = Campaign::new();
    let Some((browser, _preview)) = open_row(&campaign, "/?row=2&tab=data", "Bob") else {
        return;
    };
    browser.until("document.querySelector('[data-column=first_name]')");
    browser.click("[data-column=first_name]").type_text("by");
    browser.until(&format!("{SUBJECT} === 'Hello Bobby'"));
    browser.eval("document.querySelector('[data-column=first_name]').setSelectionRange(3, 3)");
    let file = campaign.path().join("recipients.csv");
    let rows = "email,first_name,city\nann@one.example,Ann,X\nbob@two.example,Bo,Y\n";
    fs::write(file, rows).expect("room");
    // The new value in the file is shown.
    browser.until("document.querySelector('[data-column=city]') && document.querySelector('#panel').innerText.includes('in the file: Bo')");
    assert_eq!(
        browser.eval("const on = document.activeElement; return [on.dataset.column ?? on.id, on.value, on.selectionStart]"),
        json!(["first_name", "Bobby", 3])
    );
    browser
        .type_text("jo")
        .until(&format!("{SUBJECT} === 'Hello Bobjoby'"));
    assert!(browser.url().contains("row=2"), "{}", browser.url());
}

#[test]
fn copying_shows_a_message_for_a_moment() {
    let campaign = Campaign::new();
    let Some((browser, _preview)) = open_row(&campaign, "/?row=1", "Ann") else {
        return;
    };
    browser.eval("navigator.clipboard.writeText = async () => {}");
    let status = |text: &str| format!("document.querySelector('#live').textContent === '{text}'");
    browser.keys(&["c"]).until(&status("HTML copied"));
    browser.keys(&["c"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    browser.until(&status("Live"));
    std::thread::sleep(std::time::Duration::from_millis(1600));
    browser.until(&status("Live"));
}

#[test]
fn a_diff_compares_with_the_previous_row_of_the_current_list() {
    let campaign = Campaign::new().recipients(
        "email,first_name\nann@one.example,Ann\nbob@one.example,Bob\nAda@one.example,Ada\ncleo@two.example,Cleo\n",
    );
    let path = "/?row=2&q=first_name:Ada&tab=diff";
    let Some((browser, preview)) = open_row(&campaign, path, "Bob") else {
        return;
    };
    let panel = |text: &str| {
        browser.until(&format!(
            "document.querySelector('#panel.diff')?.innerText.includes('{text}')"
        ));
    };
    panel("not in the list");
    // Another search has another previous row.
    browser.keys(&["/", "Escape"]);
    panel("Compared with row 1");
    browser
        .keys(&["/"])
        .type_text("one.example -ann")
        .keys(&["Enter"]);
    panel("first recipient in the list");
    browser.keys(&["/", "Escape"]);
    browser.go(&preview.site.url("/?row=4&tab=diff"));
    panel("Compared with row 3");
    browser.keys(&["/"]).type_text("bob").keys(&["Enter"]);
    panel("not in the list");
}

#[test]
fn a_search_for_findings_ignores_case_and_quotes() {
    let campaign = Campaign::good().recipients(
        "email,first_name,token\nann@one.example,Ann,a1\nbob at two,Bob,b2\ncleo@one.example,Cleo,c3\n",
    );
    for query in [
        "HAS:findings",
        "has:%22errors%22",
        "Has:Errors",
        "\"has\":errors",
    ] {
        let seen = "document.querySelectorAll('.row[role=option]').length === 1 && document.querySelector('#progress').textContent.includes('3 of 3 checked')";
        let Some((browser, _preview)) = open_page(&campaign, &format!("/?q={query}"), seen) else {
            return;
        };
        browser
            .keys(&["j"])
            .until("location.search.includes('row=2')");
    }
}

#[test]
fn every_column_can_be_used_as_a_filter() {
    let campaign = Campaign::new().recipients(
        "email,first_name,\"size \"\"XL\"\": -x\"\nann@one.example,Ann,1\nbob@one.example,Bob,\n",
    );
    let Some((browser, preview)) = open_page(&campaign, "/", LIVE) else {
        return;
    };
    browser.until("document.querySelectorAll('.row[role=option]').length === 2");
    browser.eval("const filter = document.querySelector('#filter'); filter.value = [...filter.options].find((it) => it.text.startsWith('size')).value; filter.dispatchEvent(new Event('change'))");
    browser.until("document.querySelectorAll('.row[role=option]').length === 1 && document.querySelector('#row-2')");
    assert_eq!(preview.found("\"size \"\"XL\"\": -x\":1"), (1, vec![1]));
}

#[test]
fn moving_on_clears_a_finished_search_for_findings() {
    let campaign = Campaign::good();
    let Some((browser, _preview)) = open_page(&campaign, "/?row=1", LIVE) else {
        return;
    };
    browser
        .keys(&["e"])
        .until("document.querySelector('#progress').innerText.includes('No more findings')");
    browser
        .keys(&["j"])
        .until("location.search.includes('row=2') && document.querySelector('#progress').hidden");
}

#[test]
fn common_warnings_are_skipped() {
    let rows = "email,first_name\nann@one.example,Ann\nbob@one.example,Bob\ncleo at one,Cleo\n\
                dan at one,Dan\neve@one.example,Eve\n";
    // Every message has a warning, because the template has.
    let campaign = Campaign::new()
        .recipients(rows)
        .html_with("<p>", "<p><a href=\"http://sender.example/x\">here</a>");
    let Some((browser, preview)) = open_page(&campaign, "/", LIVE) else {
        return;
    };
    assert_ne!(preview.json("/preview/m/1")["findings"], json!([]));
    browser.until("document.querySelectorAll('.row[role=option]').length === 5");
    for row in [3, 4] {
        browser
            .keys(&["e"])
            .until(&format!("/[?&]row={row}(&|$)/.test(location.search) && document.querySelector('#panel .finding')"));
    }
    browser
        .keys(&["e"])
        .until("document.querySelector('#progress').innerText.includes('No more findings')");
}

#[test]
fn the_frame_can_be_resized() {
    let campaign = Campaign::new();
    let Some((browser, _preview)) = open_row(&campaign, "/?row=1&w=500", "Ann") else {
        return;
    };
    let width = |wide: &str| {
        browser.until(&format!(
            "document.querySelector('#frame').clientWidth === {wide} && location.search.includes('w={wide}')"
        ));
    };
    width("500");
    browser.drag("#grip", -60);
    width("380");
    browser.drag("#grip", 40);
    width("460");
    // The frame receives pointer events again.
    assert_eq!(
        browser.eval("return getComputedStyle(document.querySelector('#frame')).pointerEvents"),
        "auto"
    );
}

#[test]
fn rows_have_visible_names_and_every_view_has_a_heading() {
    let campaign = Campaign::new().recipients("email,first_name\nann@one.example,Ann\nbob at,B\n");
    let Some((browser, _preview)) = open_page(&campaign, "/", LIVE) else {
        return;
    };
    browser.until("document.querySelectorAll('.row[role=option]').length === 2");
    assert_eq!(
        browser.eval("return [...document.querySelectorAll('.row')].map((it) => it.ariaLabel)"),
        json!([null, null])
    );
    let headings = "document.querySelectorAll('h1:not([role])').length === 1";
    browser.until(headings);
    for row in ["1", "2", "99"] {
        browser.eval("document.querySelector('#list').focus()");
        browser.eval(&format!("history.pushState(null, '', '/?row={row}'); dispatchEvent(new PopStateEvent('popstate'))"));
        browser.until(&format!(
            "document.querySelector('article h1, article [role=alert]') && {headings}"
        ));
    }
}
