//! The encoding that the HTML declares.

use encoding_rs::{Encoding, UTF_8};

use crate::check::context::MessageContext;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::html::marks::is_marked;
use crate::html::{Element, Page};

pub(super) const CHARSET: Rule = Rule::note("html-charset")
    .finds("a `<meta>` that declares another encoding than UTF-8")
    .why("Messages are sent in UTF-8. Most mail clients ignore the `<meta>`, but a program that believes it shows wrong letters, for example when the message is saved and opened in a browser.")
    .fix("Write `<meta charset=\"utf-8\">`, and save the template in UTF-8.")
    .source("HTML 4.2.5.4")
    .example("`<meta charset=\"windows-1252\">`");

pub(super) fn message(context: &MessageContext<'_>, page: &Page, sink: &mut FindingSink<'_>) {
    for (index, meta) in page.named("meta") {
        let Some((attribute, charset)) = charset(meta) else {
            continue;
        };
        if is_marked(charset) || Encoding::for_label(charset.as_bytes()) == Some(UTF_8) {
            continue;
        }
        let finding = CHARSET
            .found(format!(
                "the HTML says that its encoding is {charset}, but messages are sent in UTF-8"
            ))
            .help("write <meta charset=\"utf-8\">");
        let locator = &context.shared.locator;
        sink.add(locator.at_element(finding, page, index, Some(attribute)));
    }
}

/// The encoding that a `<meta>` declares, and the attribute with it.
fn charset(meta: &Element) -> Option<(&'static str, &str)> {
    if let Some(charset) = meta.get("charset") {
        return Some(("charset", charset.trim()));
    }
    let name = meta.get("http-equiv")?.trim();
    let content = meta.get("content")?;
    let (_, charset) = content.split_once("charset=")?;
    let end = charset.find(|c: char| c.is_whitespace() || c == ';');
    let charset = charset[..end.unwrap_or(charset.len())].trim_matches(['"', '\'']);
    name.eq_ignore_ascii_case("content-type")
        .then_some(("content", charset))
}
