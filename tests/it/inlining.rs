//! Inlining CSS changes nothing for readers whose client applies `<style>`: Chromium shows each page as it
//! does without inlining, at several widths, in light and dark mode, and with everything hovered.
//!
//! `MAILRUN_PAGES=FOLDER cargo test --test it inlining` also compares the HTML files of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::browser::{Chromium, browser};
use crate::support::campaign::Campaign;
use crate::support::parallel::each;
use crate::support::run::Run;

/// In pixels.
const WIDTHS: [u32; 3] = [375, 600, 1200];

/// The script that writes two pages into frames of the same size.
const WRITE: &str = "
    document.body.style.margin = 0;
    document.body.replaceChildren();
    for (const page of PAGES) {
        const frame = document.createElement('iframe');
        frame.style = 'border: 0; height: 3000px; display: block';
        document.body.append(frame);
        const inner = frame.contentDocument;
        inner.open();
        inner.write(page);
        inner.close();
    }";
/// Whether both pages are loaded.
const LOADED: &str = "frames.length == 2 && [frames[0], frames[1]].every(it => it.document.readyState == 'complete')";
/// The script that compares the computed styles of all elements.
const COMPARE: &str = "
    const skipped = ['STYLE', 'SCRIPT', 'LINK', 'META', 'TITLE', 'BASE'];
    const [with_, without] = [frames[0], frames[1]].map(frame => {
        const all = [...frame.document.querySelectorAll('html, body, body *')];
        return all.filter(it => !skipped.includes(it.tagName)).map(it => [it, frame.getComputedStyle(it)]);
    });
    const differences = [];
    if (with_.length != without.length) {
        differences.push(`${with_.length} elements and ${without.length} without inlining`);
        return [with_.length, differences];
    }
    with_.forEach(([element, style], index) => {
        const [, expected] = without[index];
        if (style.cssText == expected.cssText) return;
        for (const name of expected) {
            const [a, b] = [style.getPropertyValue(name), expected.getPropertyValue(name)];
            if (a != b) differences.push(`${element.outerHTML.slice(0, 160)}: ${name} is ${a}, not ${b}`);
        }
    });
    return [with_.length, differences.slice(0, 8)];";

/// The HTML of the first row's message.
fn html(page: &str, inline_css: bool) -> String {
    let campaign = Campaign::new()
        .set("message.inline_css", inline_css)
        .template(
            "newsletter.html",
            &format!("{{% raw %}}{page}{{% endraw %}}"),
        );
    let out = campaign.path().join("out");
    let preview = Run::new("preview")
        .arg(campaign.path())
        .args(["--row", "1", "--out"])
        .arg(&out);
    preview.run().code(0);
    fs::read_to_string(out.join("00001.html")).expect("the HTML")
}

/// Compares a page with and without inlining. Returns the number of elements.
fn compare(browser: &Chromium, page: &str) -> u64 {
    let pages = json!([html(page, true), html(page, false)]);
    browser.go("about:blank");
    browser.eval(&WRITE.replace("PAGES", &pages.to_string()));
    browser.until(LOADED);
    let mut elements = 0;
    for is_hovered in [false, true] {
        if is_hovered {
            hover_all(browser);
        }
        for mode in ["light", "dark"] {
            let feature = json!({ "name": "prefers-color-scheme", "value": mode });
            browser.devtools(
                "Emulation.setEmulatedMedia",
                &json!({ "features": [feature] }),
            );
            for width in WIDTHS {
                browser.eval(&format!(
                    "for (const it of document.querySelectorAll('iframe')) it.style.width = '{width}px'"
                ));
                let compared = browser.eval(COMPARE);
                let state = format!("{width} px, {mode}, hovered: {is_hovered}");
                assert_eq!(compared[1], json!([]), "{state}");
                elements += compared[0].as_u64().expect("a number");
                // Images that fail to load may be drawn late.
                let is_alike = || screenshot(browser, 0, width) == screenshot(browser, 1, width);
                assert!(
                    is_hovered || (0..5).any(|_| is_alike()),
                    "the screenshots differ: {state}"
                );
            }
        }
    }
    browser.devtools("Emulation.setEmulatedMedia", &json!({ "features": [] }));
    elements / 12
}

/// A picture of one of the frames.
fn screenshot(browser: &Chromium, number: usize, width: u32) -> Value {
    browser.eval(&format!(
        "document.querySelectorAll('iframe').forEach((it, n) => it.style.display = n == {number} ? 'block' : 'none')"
    ));
    let clip = json!({ "x": 0, "y": 0, "width": width, "height": 3000, "scale": 1 });
    let shot = json!({ "format": "png", "clip": clip, "captureBeyondViewport": true });
    let shot = browser.devtools("Page.captureScreenshot", &shot);
    browser.eval("document.querySelectorAll('iframe').forEach(it => it.style.display = 'block')");
    shot["data"].clone()
}

/// Puts all elements in the state `:hover`.
fn hover_all(browser: &Chromium) {
    browser.devtools("DOM.enable", &json!({}));
    browser.devtools("CSS.enable", &json!({}));
    let document = browser.devtools("DOM.getDocument", &json!({ "depth": -1, "pierce": true }));
    let mut nodes = vec![&document["root"]];
    while let Some(node) = nodes.pop() {
        for children in ["children", "contentDocument"] {
            match &node[children] {
                Value::Array(children) => nodes.extend(children),
                Value::Null => {}
                document => nodes.push(document),
            }
        }
        if node["nodeType"] == 1 {
            let state = json!({ "nodeId": node["nodeId"], "forcedPseudoClasses": ["hover"] });
            browser.devtools("CSS.forcePseudoState", &state);
        }
    }
}

fn pages_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "html"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn a_page_looks_as_without_inlining() {
    if browser().is_none() {
        return;
    }
    let mut pages = pages_in(Path::new("tests/fixtures/inlining"));
    assert!(pages.len() >= 8, "{pages:?}");
    if let Some(folder) = std::env::var_os("MAILRUN_PAGES") {
        pages.extend(pages_in(Path::new(&folder)));
    }
    each(
        &pages,
        |page| page.display().to_string(),
        |page| {
            let text = String::from_utf8_lossy(&fs::read(page).expect("a page")).into_owned();
            let browser = browser().expect("there was one");
            let elements = compare(&browser, &text);
            println!("{}: {elements} elements", page.display());
        },
    );
}
