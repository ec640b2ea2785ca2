//! The link to unsubscribe that readers see in the body.

use std::collections::HashMap;
use std::ops::Range;

use super::{HEADER, MANY, Uris, is_made_by_mailrun, value};
use crate::check::context::MessageContext;
use crate::check::rule::Rule;
use crate::check::rules::hidden_text::{Visibility, visibilities};
use crate::finding::Finding;
use crate::html::Page;
use crate::html::marks::fill;

pub(super) const LINK: Rule = Rule::warning("unsubscribe-link")
    .finds("a message with `List-Unsubscribe`, or to 100 or more recipients, without a visible link to unsubscribe in its body")
    .why("Gmail and Yahoo require such a link besides the header, because not every mail program shows the header. Without it, readers use the spam button instead.")
    .fix("Add a link such as “Unsubscribe” to the footer. Messages that nobody can unsubscribe from, such as invoices, don't need it: turn the rule off.")
    .source("support.google.com/mail/answer/81126; senders.yahooinc.com/best-practices")
    .example("a footer with an address and no link");

/// What links to unsubscribe say in their texts or addresses, in lower case, one a line.
const WORDS: &str = include_str!("unsubscribe_words.txt");

pub(super) fn check(context: &MessageContext<'_>) -> Option<Finding> {
    let header = value(context, HEADER).filter(|value| !value.trim().is_empty());
    if header.is_none() && context.shared.rows < MANY {
        return None;
    }
    let header = header.and_then(|list| Uris::of(list).https);
    let locator = &context.shared.locator;
    let Some(page) = &context.page else {
        let text = context.message.text().unwrap_or_default();
        let is_there = says_unsubscribe(text) || header.is_some_and(|uri| text.contains(uri));
        return (!is_there).then(|| locator.somewhere(missing()));
    };
    let mut links = Links {
        page,
        context,
        header,
        is_said: false,
        visibilities: visibilities(page, false),
        blocks: HashMap::new(),
    };
    links.is_said = says_unsubscribe(&links.text(0..page.nodes.len()));
    match links.find() {
        Ok(()) => None,
        Err(Some(hidden)) => {
            let finding = LINK
                .found("the link to unsubscribe is hidden, so readers use the spam button instead")
                .help("show it");
            Some(locator.at_element(finding, page, hidden, None))
        }
        Err(None) => Some(locator.somewhere(missing())),
    }
}

fn missing() -> Finding {
    LINK.found("the body has no link to unsubscribe, which Gmail and Yahoo require from bulk senders")
        .help("add one to the footer, such as <a href=\"…\">Unsubscribe</a>; if nobody can unsubscribe, as from invoices, turn the rule off")
}

struct Links<'a> {
    page: &'a Page,
    context: &'a MessageContext<'a>,
    /// The address in `List-Unsubscribe`.
    header: Option<&'a str>,
    /// Whether any text of the page is about unsubscribing.
    is_said: bool,
    visibilities: Vec<Visibility>,
    /// Whether the text of a block, such as a paragraph, is about unsubscribing.
    blocks: HashMap<usize, bool>,
}

impl Links<'_> {
    /// # Errors
    /// There is no visible link to unsubscribe. The index is that of a hidden one.
    fn find(&mut self) -> Result<(), Option<usize>> {
        let mut hidden = None;
        for name in ["a", "area"] {
            for (index, link) in self.page.named(name) {
                let Some(href) = link.get("href") else {
                    continue;
                };
                if !self.unsubscribes(index, href) {
                    continue;
                }
                if name == "area" || self.is_visible(index) {
                    return Ok(());
                }
                hidden = hidden.or(Some(index));
            }
        }
        Err(hidden)
    }

    /// Whether a link is for unsubscribing: by its address, its text, or the text around it. Whether it leads anywhere is
    /// a question for other rules.
    fn unsubscribes(&mut self, index: usize, href: &str) -> bool {
        let href = fill(href.trim(), self.context.values);
        self.header.is_some_and(|uri| uri == href)
            || is_made_by_mailrun(self.context.shared.campaign, &href)
            || says_unsubscribe(&href)
            || self.is_said && (says_unsubscribe(&self.text_of(index)) || self.is_in_block(index))
    }

    fn is_in_block(&mut self, index: usize) -> bool {
        let is_block = |name: &str| {
            matches!(
                name,
                "p" | "td" | "th" | "li" | "div" | "center" | "body" | "blockquote"
            )
        };
        let mut around = self.page.ancestors(index);
        let Some((block, _)) = around.find(|(_, element)| is_block(&element.name)) else {
            return false;
        };
        if let Some(known) = self.blocks.get(&block) {
            return *known;
        }
        let says = says_unsubscribe(&self.text_of(block));
        self.blocks.insert(block, says);
        says
    }

    fn text_of(&self, element: usize) -> String {
        self.text(element..self.page.nodes[element].end)
    }

    /// The text in nodes, with the texts that stand for images.
    fn text(&self, nodes: Range<usize>) -> String {
        let mut text = String::new();
        for (_, part) in self.page.texts_in(nodes.clone()) {
            text.push_str(part);
        }
        for element in nodes.filter_map(|at| self.page.element(at)) {
            for name in ["alt", "title", "aria-label"] {
                if let Some(value) = element.get(name) {
                    text.push(' ');
                    text.push_str(value);
                }
            }
        }
        fill(&text, self.context.values).into_owned()
    }

    /// Whether a link contains something that readers see.
    fn is_visible(&self, link: usize) -> bool {
        let texts = self.page.texts_in(self.page.inside(link));
        let mut shown = texts.filter(|(_, text)| !text.trim().is_empty());
        let is_image = |at: &usize| self.page.element(*at).is_some_and(|it| it.name == "img");
        shown.any(|(at, _)| self.visibilities[at].shows_text())
            || self
                .page
                .inside(link)
                .filter(is_image)
                .any(|at| self.visibilities[at].shows_image())
    }
}

/// Whether a text or an address is about unsubscribing.
fn says_unsubscribe(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let text = words.join(" ").replace('’', "'");
    WORDS.lines().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_unsubscribing_in_many_languages() {
        for text in [
            "UNSUBSCRIBE",
            "https://acme.example/optout?t=1",
            "Don’t want to\n receive these letters? Click here",
            "Wypisz się",
            "Vom Newsletter abmelden",
            "Se désabonner",
            "Darse de baja",
            "配信停止はこちら",
            "Manage your email preferences",
        ] {
            assert!(says_unsubscribe(text), "{text}");
        }
        for text in [
            "",
            "Subscribe",
            "Read it in the browser",
            "Anuluj zamówienie",
        ] {
            assert!(!says_unsubscribe(text), "{text}");
        }
        for word in WORDS.lines() {
            assert_eq!(word, word.trim().to_lowercase(), "{word}");
            assert!(!word.is_empty());
        }
    }
}
