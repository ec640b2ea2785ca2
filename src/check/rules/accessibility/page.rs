//! The page as a whole: its language, title, zoom and text size.

use super::PageContext;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::html::marks::is_marked;
use crate::html::{NodeKind, Page};

use icu_locale_core::Locale;

pub(super) const LANGUAGE: Rule = Rule::warning("html-lang")
    .finds("a message that does not declare its language, or declares one that does not exist")
    .why("Screen readers choose their voice by the language, and mail clients offer translations by it.")
    .fix("Write the language on the outermost element, such as `<html lang=\"en\">`.")
    .source("WCAG 2.2, 3.1.1; BCP 47")
    .example("`<html>`, `<html lang=\"polish\">`");

pub(super) const TITLE: Rule = Rule::note("html-title")
    .finds("a message without a `<title>`, or with an empty one")
    .why("Screen readers announce the title, and browsers show it when the message is opened as a web page.")
    .fix("Add a `<title>` to the `<head>`, for example with the subject.")
    .source("WCAG 2.2, 2.4.2")
    .example("`<title></title>`");

pub(super) const ZOOM: Rule = Rule::warning("zoom-blocked")
    .finds("a viewport that keeps readers from zooming in")
    .why("Many people enlarge text on their phone to be able to read it.")
    .fix("Remove `user-scalable` and `maximum-scale` from the viewport.")
    .source("WCAG 2.2, 1.4.4")
    .example("`<meta name=\"viewport\" content=\"user-scalable=no\">`");

pub(super) const SMALL: Rule = Rule::note("text-small")
    .finds("text smaller than 12 pixels")
    .why("Small text is hard to read, above all on phones.")
    .fix("Set the font size to at least 12 pixels; 14 to 16 suit running text.")
    .source("Lighthouse, “legible font sizes”")
    .example("`font-size: 10px`");

/// In CSS pixels.
const MIN_SIZE: f32 = 12.0;
/// The least zoom factor that a page must allow.
const MIN_ZOOM: f32 = 2.0;

/// Checks the language of `<html>`, `<body>` or a child of it: some clients remove `<html>`.
pub(super) fn language(page_context: &PageContext<'_>, sink: &mut FindingSink<'_>) {
    let page = page_context.page;
    let html = page.named("html").next().map(|(at, _)| at);
    let body = page.named("body").next().map(|(at, _)| at);
    let outer = page.elements().filter(|(at, _)| {
        let parent = page.nodes[*at].parent;
        Some(*at) == html || Some(*at) == body || (parent.is_some() && parent == body)
    });
    let mut languages = outer.filter_map(|(at, it)| Some((at, it.get("lang")?.trim())));
    let help = "declare it with a language code, such as `<html lang=\"en\">`; screen readers choose their voice by it";
    let Some((at, lang)) = languages.find(|(_, lang)| !lang.is_empty()) else {
        let message = "the message does not declare its language";
        let finding = LANGUAGE.found(message).help(help);
        sink.add(
            page_context
                .locator
                .at_element(finding, page, html.unwrap_or(0), None),
        );
        return;
    };
    if !is_marked(lang) && !is_language(lang) {
        let message = format!("`{lang}` is not a language code");
        let finding = LANGUAGE.found(message).help(help);
        sink.add(
            page_context
                .locator
                .at_element(finding, page, at, Some("lang")),
        );
    }
}

/// Whether a text has the form of BCP 47: `pl`, `pt-BR`.
fn is_language(text: &str) -> bool {
    !text.contains('_') && Locale::try_from_str(text).is_ok()
}

pub(super) fn title(page_context: &PageContext<'_>, sink: &mut FindingSink<'_>) {
    let page = page_context.page;
    let title = page.raw_text("title");
    let message = match title.as_deref().map(str::trim) {
        None => "the message has no title",
        Some("") => "the title of the message is empty",
        Some(_) => return,
    };
    let finding = TITLE.found(message).help(
        "add a `<title>` to the `<head>`; browsers and screen readers use it as the name of the message",
    );
    let at = page
        .named("title")
        .next()
        .or_else(|| page.named("head").next());
    sink.add(match at {
        Some((at, _)) => page_context.locator.at_element(finding, page, at, None),
        None => page_context.locator.somewhere(finding),
    });
}

pub(super) fn zoom(page_context: &PageContext<'_>, sink: &mut FindingSink<'_>) {
    let viewport = page_context.page.named("meta").find(|(_, meta)| {
        let name = meta.get("name").unwrap_or_default();
        name.trim().eq_ignore_ascii_case("viewport")
    });
    let Some((at, meta)) = viewport else { return };
    if meta.get("content").is_some_and(blocks_zoom) {
        let finding = ZOOM
            .found("the message cannot be zoomed on a phone")
            .help("remove `user-scalable` and `maximum-scale` from the viewport");
        sink.add(
            page_context
                .locator
                .at_element(finding, page_context.page, at, Some("name")),
        );
    }
}

fn blocks_zoom(content: &str) -> bool {
    let content = content.to_ascii_lowercase();
    content.split([',', ';']).any(|part| {
        let Some((name, value)) = part.split_once('=') else {
            return false;
        };
        let value = value.trim();
        match name.trim() {
            "user-scalable" => ["no", "0"].contains(&value),
            "maximum-scale" => value.parse().is_ok_and(|scale: f32| scale < MIN_ZOOM),
            _ => false,
        }
    })
}

pub(super) fn small(page_context: &PageContext<'_>, sink: &mut FindingSink<'_>) {
    let mut reported: Vec<f32> = Vec::new();
    for (at, style) in page_context.styles.iter().enumerate() {
        let Some(size) = style
            .size
            .filter(|size| *size < MIN_SIZE && !style.hides_text())
        else {
            continue;
        };
        if reported.contains(&size) || !is_running_text(page_context.page, at) {
            continue;
        }
        reported.push(size);
        let size = (size * 10.0).round() / 10.0;
        let finding = SMALL
            .found(format!(
                "text of {size} pixels is hard to read for many people"
            ))
            .help("use at least 12 pixels, and 14 to 16 for running text");
        let parent = page_context.page.nodes[at].parent.unwrap_or(at);
        sink.add(page_context.locator.at_element(
            finding,
            page_context.page,
            parent,
            Some("style"),
        ));
    }
}

/// Whether a node is text, and not a mark such as that of a footnote.
fn is_running_text(page: &Page, at: usize) -> bool {
    let NodeKind::Text(text) = &page.nodes[at].kind else {
        return false;
    };
    let is_mark = |name: &str| name == "sup" || name == "sub";
    text.chars().any(char::is_alphanumeric) && !page.ancestors(at).any(|(_, it)| is_mark(&it.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_codes_have_the_form_of_bcp_47() {
        for code in [
            "en",
            "pl",
            "PL",
            "pt-BR",
            "zh-Hans-CN",
            "de-1996",
            "sr-Latn",
        ] {
            assert!(is_language(code), "{code}");
        }
        for word in ["polish", "en_US", "e", "english (us)", "en-", "-"] {
            assert!(!is_language(word), "{word}");
        }
    }

    #[test]
    fn recognizes_viewports_that_block_zoom() {
        for content in [
            "width=device-width, user-scalable=no",
            "initial-scale=1,maximum-scale=1.0",
            "User-Scalable = 0",
        ] {
            assert!(blocks_zoom(content), "{content}");
        }
        for content in [
            "width=device-width, initial-scale=1",
            "maximum-scale=5",
            "user-scalable=yes",
            "",
        ] {
            assert!(!blocks_zoom(content), "{content}");
        }
    }
}
