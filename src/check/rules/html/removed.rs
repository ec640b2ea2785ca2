//! Active content and form fields, which mail clients remove.

use std::collections::BTreeSet;

use crate::check::context::MessageContext;
use crate::check::rule::Rule;
use crate::check::rules::json::is_json;
use crate::check::sink::FindingSink;
use crate::html::{Element, Page, Style};

pub(super) const REMOVED: Rule = Rule::warning("html-removed")
    .finds("scripts, frames, form fields, `<base>`, `<meta http-equiv=\"refresh\">` or `on…` attributes")
    .why("Mail clients remove them for safety, so what depends on them does not work. Spam filters count scripts and frames against the message.")
    .fix("Put it on a web page, and link to the page.")
    .source("the HTML that Gmail, Outlook and Apple Mail remove; RFC 2854 7")
    .example("`<script>`, `<iframe src=\"…\">`, `<a onclick=\"…\">`");

pub(super) fn message(context: &MessageContext<'_>, page: &Page, sink: &mut FindingSink<'_>) {
    let locator = &context.shared.locator;
    let mut reported = BTreeSet::new();
    for (index, element) in page.elements() {
        if let Some((tag, help)) = removed(page, index, element)
            && reported.insert(tag.clone())
        {
            let finding = REMOVED.found(format!("mail clients remove `{tag}`"));
            sink.add(locator.at_element(finding.help(help), page, index, None));
        }
        for (name, _) in element.attributes.iter().filter(|(name, _)| is_event(name)) {
            if reported.insert(name.clone()) {
                let finding = REMOVED
                    .found(format!("mail clients remove `{name}`"))
                    .help("remove it: nothing in a message can run a script");
                sink.add(locator.at_element(finding, page, index, Some(name)));
            }
        }
    }
}

/// The tag of an element that mail clients remove, and what to do. The rules from caniemail's data report `<form>`,
/// `<object>` and others.
fn removed(page: &Page, index: usize, element: &Element) -> Option<(String, &'static str)> {
    let help = match &*element.name {
        "script" if !is_json(element) => "put it on a web page, and link to the page",
        "iframe" | "frame" | "frameset" | "embed" | "applet" => {
            "link to the page or the video, for example from an image of it"
        }
        "base" => "write the whole address, with https://, in every link and image",
        "meta" if is_refresh(element) => "link to the page",
        "input" | "select" | "textarea"
            if !page.ancestors(index).any(|(_, it)| it.name == "form")
                && !is_hidden_switch(page, index, element) =>
        {
            "put the form on a web page, and link to the page"
        }
        _ => return None,
    };
    let tag = match &*element.name {
        "meta" => "<meta http-equiv=\"refresh\">".to_owned(),
        name => format!("<{name}>"),
    };
    Some((tag, help))
}

/// Whether an element is a hidden checkbox or radio button. Menus that open without a script, such as MJML's, have one: some
/// clients support them, and in the others nothing is missing that a reader could see.
fn is_hidden_switch(page: &Page, index: usize, element: &Element) -> bool {
    let kind = element.get("type").unwrap_or_default().trim();
    let is_hidden = |element: &Element| {
        let style = element.get("style").map(Style::parse).unwrap_or_default();
        style.hides() || element.has("hidden")
    };
    ["checkbox", "radio"]
        .iter()
        .any(|it| kind.eq_ignore_ascii_case(it))
        && (is_hidden(element) || page.ancestors(index).any(|(_, it)| is_hidden(it)))
}

fn is_refresh(meta: &Element) -> bool {
    let name = meta.get("http-equiv").unwrap_or_default();
    name.trim().eq_ignore_ascii_case("refresh")
}

/// Whether an attribute holds a script, such as `onclick`.
fn is_event(name: &str) -> bool {
    let event = name.strip_prefix("on").unwrap_or_default();
    event.len() >= 3 && event.bytes().all(|byte| byte.is_ascii_lowercase())
}
