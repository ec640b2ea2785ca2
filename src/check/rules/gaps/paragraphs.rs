//! The paragraphs of a page, as they are read.

use crate::html::{NodeKind, Page};

/// Replaces each run of white space by one space.
pub(super) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Elements that do not interrupt a line of text.
const INLINE: [&str; 33] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike",
    "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
];

/// The texts that are read without interruption.
pub(super) fn paragraphs(page: &Page) -> Vec<String> {
    let mut paragraphs = Vec::new();
    let mut text = String::new();
    let mut of = None;
    for (index, node) in page.nodes.iter().enumerate() {
        match &node.kind {
            NodeKind::Comment(_) => {}
            // An image takes the place of a word.
            NodeKind::Element(element) if element.name == "img" => text.push('\u{fffc}'),
            NodeKind::Element(element) if INLINE.contains(&element.name.as_str()) => {}
            NodeKind::Element(_) => of = None,
            NodeKind::Text(part) => {
                let block = page
                    .ancestors(index)
                    .find(|(_, it)| !INLINE.contains(&it.name.as_str()));
                if block.is_some_and(|(_, it)| it.name == "style" || it.name == "script") {
                    continue;
                }
                let block = block.map(|(at, _)| at);
                if of.is_none() || of != block {
                    paragraphs.push(words(&std::mem::take(&mut text)));
                    of = block;
                }
                text.push_str(part);
            }
        }
    }
    paragraphs.push(words(&text));
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn inline_elements_do_not_end_a_paragraph() {
        let html = "<p>Hi <b></b>\n ,<br>one <a href=x>two</a>, <img src=x> ,</p>three<div>four</div><style>a , b</style>";
        let page = Page::parse(html, &Clock::system());
        assert_eq!(
            paragraphs(&page),
            ["Hi ,", "one two, \u{fffc} ,", "three", "four"]
        );
    }
}
