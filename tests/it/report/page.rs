//! The page, opened from the disk in a browser.

use serde_json::{Value, json};

use super::{followed, of};
use crate::support::browser::{Chromium, browser};
use crate::support::run::Run;
use crate::support::vendor::Vendor;

/// The contrast of every text with what is behind it: a list of texts with less than 4.5 to 1.
const FAINT: &str = r#"
    const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m };
    const linear = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const back = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > 0) return c } return [255, 255, 255, 1] };
    const faint = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let count = 0;
    while (texts.nextNode()) {
        const text = texts.currentNode.data.trim(), e = texts.currentNode.parentElement;
        if (!text || e.closest('style, title, desc') || !e.getClientRects().length) continue;
        const style = getComputedStyle(e), a = light(parse(e.closest('svg') ? style.fill : style.color)), b = light(back(e));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        count++;
        if (ratio < 4.5) faint.push([text, ratio]);
    }
    return [count, faint];
"#;

fn look(browser: &Chromium, media: &str, scheme: &str) {
    let parameters = json!({ "media": media, "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
    browser.devtools("Emulation.setEmulatedMedia", &parameters);
}

fn width(browser: &Chromium, width: u32) {
    let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
    browser.devtools("Emulation.setDeviceMetricsOverride", &metrics);
}

#[test]
fn the_page_opens_from_the_disk_and_can_be_read_everywhere() {
    let Some(browser) = browser() else { return };
    let vendor = Vendor::start();
    let campaign = of(&vendor).set("name", "</title></style><script>top.__xss=1</script>");
    let run = followed(&vendor, &campaign);
    Run::on("report", &run).run().code(0);
    let text = std::fs::read_to_string(run.join("report.html")).expect("a page");
    for word in [
        "<script",
        "<link",
        "<img",
        "<iframe",
        "url(",
        "@import",
        "@one.example",
        "@two.example",
        "a3%40",
    ] {
        assert!(!text.contains(word), "{word}");
    }
    let href = text.split("href=").skip(1).collect::<Vec<_>>();
    assert_eq!(href, [""; 0], "one run has no links");
    browser
        .go(&format!("file://{}/report.html", run.display()))
        .until("document.readyState == 'complete'");
    let hostile = browser.eval("return document.querySelector('h1').textContent");
    assert_eq!(hostile, "</title></style><script>top.__xss=1</script>");
    let loading = "return [document.scripts.length, document.querySelectorAll('[src], link, object, base').length, window.__xss ?? null]";
    assert_eq!(browser.eval(loading), json!([0, 0, null]));
    let reasons = browser.eval("return [...document.querySelectorAll('[id^=reasons] ~ table bdi')].map(e => e.textContent)");
    assert_eq!(reasons[0], "550 5.1.1 … User unknown in table …");
    assert_eq!(reasons[1], "no reason given");
    assert_eq!(reasons[3], "\"><img src=http://out.example/a.png …");
    let cards = browser.eval("return [...document.querySelectorAll('.card')].map(e => e.innerText.replace(/\\n+/g, ' '))");
    assert_eq!(
        cards,
        json!([
            "Rows 14 in the list of recipients",
            "Sent 12 85.7% of rows",
            "Delivered 5 41.7% of sent",
            "Bounced 4 33.3% of sent",
            "Dropped 1 8.3% of sent",
            "Opened 4 80.0% of delivered",
            "Clicked 2 40.0% of delivered",
            "Unsubscribed 0 0% of delivered",
            "Complaints 1 20.0% of delivered",
        ])
    );
    let bar =
        "return getComputedStyle(document.querySelector('.plot.wide rect[fill=\"#1F6FB2\"]')).fill";
    for (media, scheme, colour) in [
        ("screen", "light", "rgb(31, 111, 178)"),
        ("screen", "dark", "rgb(95, 168, 230)"),
        ("print", "dark", "rgb(31, 111, 178)"),
    ] {
        look(&browser, media, scheme);
        for pixels in [375, 1200] {
            width(&browser, pixels);
            let overflow = "return document.documentElement.scrollWidth > innerWidth";
            assert_eq!(
                browser.eval(overflow),
                json!(false),
                "{media} {scheme} {pixels}"
            );
            let found = browser.eval(FAINT);
            assert!(found[0].as_u64().is_some_and(|texts| texts > 80), "{found}");
            assert_eq!(found[1], json!([]), "{media} {scheme} {pixels}");
            let is_wide = pixels == 1200 || media == "print";
            let shown = "return [...document.querySelectorAll('.plot')].filter(e => e.getClientRects().length).map(e => e.classList[1])";
            let kind = if is_wide { "wide" } else { "narrow" };
            assert_eq!(browser.eval(shown), json!([kind, kind]), "{media} {pixels}");
        }
        assert_eq!(browser.eval(bar), colour, "{media} {scheme}");
    }
    let named = "return [...document.querySelectorAll('.plot')].every(e => e.getAttribute('role') == 'img' \
                 && e.getAttribute('aria-labelledby').split(' ').every(id => document.getElementById(id).textContent.length > 9))";
    assert_eq!(browser.eval(named), json!(true));
    let captions = "return [...document.querySelectorAll('table')].every(e => e.caption?.textContent && e.querySelector('th[scope]'))";
    assert_eq!(browser.eval(captions), json!(true));
    let ids = "const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.length - new Set(ids).size";
    assert_eq!(browser.eval(ids), json!(0));
    let pdf = browser.devtools("Page.printToPDF", &json!({}));
    assert!(pdf["data"].as_str().is_some_and(|data| data.len() > 10_000));
    browser.devtools(
        "Emulation.setEmulatedMedia",
        &json!({ "media": "", "features": [] }),
    );
    browser.devtools(
        "Emulation.clearDeviceMetricsOverride",
        &Value::Object(serde_json::Map::new()),
    );
    assert_eq!(browser.beacon().seen_until_now(), [""; 0]);
}
