//! The page in a real browser.

use serde_json::{Value, json};

use super::links::token_of;
use super::server::{Server, entries};
use super::{with_key, with_link};
use crate::support::browser::{Browser, browser};
use crate::support::fake_api::FakeApi;
use crate::support::send::{campaign, send};

fn text(browser: &Browser, selector: &str) -> String {
    let script = format!("return document.querySelector('{selector}').innerText");
    browser.eval(&script).as_str().expect("a text").to_owned()
}

/// The contrast of the text of an element with the first background behind it.
const CONTRAST: &str = "
    const luminance = text => {
      const parts = text.match(/[\\d.]+/g).slice(0, 3).map(part => {
        const value = part / 255;
        return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    return [...document.querySelectorAll('h1, p, button')].map(element => {
      let behind = element;
      while (/, 0\\)$|transparent/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
      const [one, two] = [luminance(getComputedStyle(element).color), luminance(getComputedStyle(behind).backgroundColor)];
      return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    });";

fn assert_readable(browser: &Browser) {
    let contrasts = browser.eval(CONTRAST);
    let contrasts: Vec<f64> = contrasts
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    assert!(contrasts.len() >= 2, "{contrasts:?}");
    assert!(contrasts.iter().all(|it| *it >= 4.5), "{contrasts:?}");
    let overflow = browser.eval("return document.documentElement.scrollWidth - window.innerWidth");
    assert!(overflow.as_i64().is_some_and(|it| it <= 0), "{overflow}");
}

#[test]
fn a_reader_unsubscribes_and_undoes_with_the_keyboard_in_every_language() {
    let Some(browser) = browser() else { return };
    let api = FakeApi::taking_all();
    let campaign = with_link(campaign(&api));
    with_key(send(&campaign)).run().code(0);
    let token = token_of(&api.requests()[0]);
    let address = api.requests()[0].addresses()[0].to_owned();
    let server = Server::start(&[&campaign]);
    let url = server.site.url(&format!("/u/{token}"));
    for (language, button, undo) in [
        ("en", "Unsubscribe", "Undo"),
        ("pl", "Wypisz mnie", "Cofnij"),
        ("de", "Abmelden", "Rückgängig machen"),
        ("fr", "Me désabonner", "Annuler"),
        ("es", "Darme de baja", "Deshacer"),
    ] {
        let headers = json!({"headers": {"Accept-Language": language}});
        browser.devtools("Network.enable", &json!({}));
        browser.devtools("Network.setExtraHTTPHeaders", &headers);
        for scheme in ["light", "dark"] {
            let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
            browser.devtools("Emulation.setEmulatedMedia", &scheme);
            // A window can't be narrower than 500 pixels.
            let phone =
                json!({"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": true});
            browser.devtools("Emulation.setDeviceMetricsOverride", &phone);
            browser.go(&url);
            assert_eq!(
                browser.eval("return document.documentElement.lang"),
                language
            );
            assert_eq!(text(&browser, "button"), button);
            assert_readable(&browser);
        }
        assert_eq!(entries(&campaign), [""; 0], "nothing is changed by looking");
        browser.keys(&["Tab", "Enter"]);
        browser.until("document.querySelector('.quiet')");
        assert_eq!(text(&browser, "button"), undo);
        assert_readable(&browser);
        server.wait_until_applied(&campaign);
        assert_eq!(entries(&campaign), [format!("{address} unsubscribe")]);
        browser.keys(&["Tab", "Enter"]);
        browser.until("!document.querySelector('button')");
        server.wait_until_applied(&campaign);
        assert_eq!(entries(&campaign), [""; 0]);
    }
    browser.devtools("Emulation.clearDeviceMetricsOverride", &json!({}));
    browser.devtools("Emulation.setEmulatedMedia", &json!({"features": []}));
    browser.devtools("Network.setExtraHTTPHeaders", &json!({"headers": {}}));
    server.stop().code(0);
}

#[test]
fn the_page_has_strict_headers_and_says_what_the_campaign_wants() {
    let api = FakeApi::taking_all();
    let campaign = with_link(campaign(&api))
        .set("feedback.page.lang", "nl")
        .set("feedback.page.title", "Afmelden <nu>?")
        .set("feedback.page.button", "Ja & weg")
        .set("feedback.page.accent", "#7a1f5c");
    with_key(send(&campaign)).run().code(0);
    let token = token_of(&api.requests()[0]);
    let server = Server::start(&[&campaign]);
    let page = server.get(&token).code(200);
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-robots-tag", "noindex, nofollow"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(page.header(name), value);
    }
    let html = page.text();
    for part in [
        "<html lang=\"nl\">",
        "Afmelden &lt;nu&gt;?",
        "Ja &amp; weg",
        "#7a1f5c",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(
        !html.contains("<script") && !html.contains("one.example"),
        "{html}"
    );
    let missing = server.site.get("/u/nothing").code(404).text();
    assert_eq!(server.site.get("/").code(404).text(), missing);
    server.stop().code(0);
}
