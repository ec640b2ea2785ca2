//! A message's HTML as a flat list of its nodes, in document order.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::sync::OnceLock;

use super::tokens::{Token, outlook_html, tokenize};
use super::tree;
use crate::clock::Clock;

#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) nodes: Vec<Node>,
    /// The indexes of the elements of each name, made when they are first needed.
    named: OnceLock<HashMap<String, Vec<usize>>>,
}

/// A node; its descendants follow it, up to `end`.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) parent: Option<usize>,
    /// The index after the last descendant.
    pub(crate) end: usize,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Element(Element),
    Text(String),
    Comment(String),
}

/// An element; names are in lower case.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Element {
    pub(crate) fn get(&self, attribute: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        let (_, value) = attributes.find(|(name, _)| name == attribute)?;
        Some(value)
    }

    /// Whether it has an attribute, even an empty one.
    pub(crate) fn has(&self, attribute: &str) -> bool {
        self.get(attribute).is_some()
    }
}

impl Page {
    /// Parses HTML as a browser does. HTML that takes too long is cut off.
    pub(crate) fn parse(html: &str, clock: &Clock) -> Self {
        let (dom, _) = tree::parse(html, clock);
        let mut serialized = Vec::with_capacity(html.len());
        // Writing to memory cannot fail.
        let _ = dom.serialize(&mut serialized);
        // Serialized HTML has all its tags, so its tokens give the tree.
        let mut builder = Builder::default();
        tokenize(&String::from_utf8_lossy(&serialized), |token| {
            builder.add(token);
            ControlFlow::Continue(())
        });
        builder.finish()
    }

    /// The HTML in conditional comments for Outlook, each as a page of its own.
    pub(crate) fn outlook_pages(&self, clock: &Clock) -> Vec<Self> {
        let html = self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Comment(text) => outlook_html(text),
            _ => None,
        });
        // The parser drops table cells that are not in a table; that may begin outside the comment.
        html.map(|html| Self::parse(&format!("<table><tr><td>{html}"), clock))
            .collect()
    }

    /// All elements with their indexes.
    pub(crate) fn elements(&self) -> impl Iterator<Item = (usize, &Element)> {
        (0..self.nodes.len()).filter_map(|index| Some((index, self.element(index)?)))
    }

    /// The elements with this name, and their indexes.
    pub(crate) fn named<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (usize, &'a Element)> + 'a {
        let indexes = self.indexes_of(name).iter();
        indexes.filter_map(|index| Some((*index, self.element(*index)?)))
    }

    /// The indexes of the elements of a name.
    pub(crate) fn indexes_of(&self, name: &str) -> &[usize] {
        let named = self.named.get_or_init(|| {
            let mut named: HashMap<String, Vec<usize>> = HashMap::new();
            for (index, element) in self.elements() {
                match named.get_mut(&element.name) {
                    Some(indexes) => indexes.push(index),
                    None => {
                        named.insert(element.name.clone(), vec![index]);
                    }
                }
            }
            named
        });
        named.get(name).map_or(&[], Vec::as_slice)
    }

    /// The node at an index, if it is an element.
    pub(crate) fn element(&self, index: usize) -> Option<&Element> {
        match &self.nodes.get(index)?.kind {
            NodeKind::Element(element) => Some(element),
            _ => None,
        }
    }

    /// The indexes of a node's descendants.
    pub(crate) fn inside(&self, index: usize) -> Range<usize> {
        index + 1..self.nodes[index].end
    }

    /// A node's ancestors and their indexes, the parent first.
    pub(crate) fn ancestors(&self, index: usize) -> impl Iterator<Item = (usize, &Element)> {
        let parent = self.nodes[index].parent;
        let chain = std::iter::successors(parent, |index| self.nodes[*index].parent);
        chain.filter_map(|index| Some((index, self.element(index)?)))
    }

    /// All texts with their indexes, without the content of `<style>`, `<script>` and `<title>`.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        self.texts_in(0..self.nodes.len())
    }

    /// The text inside a node, without the content of `<style>`, `<script>` and `<title>`.
    pub(crate) fn text(&self, index: usize) -> String {
        let texts = self.texts_in(self.inside(index));
        texts.map(|(_, text)| text).collect()
    }

    /// The texts among some nodes, as [`Self::texts`] has them.
    pub(crate) fn texts_in(&self, nodes: Range<usize>) -> impl Iterator<Item = (usize, &str)> {
        let texts = self.raw_texts_in(nodes);
        texts.filter(|(index, _)| {
            let parent = self.ancestors(*index).next();
            !parent
                .is_some_and(|(_, element)| matches!(&*element.name, "style" | "script" | "title"))
        })
    }

    fn raw_texts_in(&self, nodes: Range<usize>) -> impl Iterator<Item = (usize, &str)> {
        nodes.filter_map(|index| match &self.nodes[index].kind {
            NodeKind::Text(text) => Some((index, text.as_str())),
            _ => None,
        })
    }

    /// All the text inside the first element with this name, such as `title`.
    pub(crate) fn raw_text(&self, name: &str) -> Option<String> {
        let (index, _) = self.named(name).next()?;
        Some(self.raw_text_in(index))
    }

    /// All the text inside a node.
    pub(crate) fn raw_text_in(&self, index: usize) -> String {
        let texts = self.raw_texts_in(self.inside(index));
        texts.map(|(_, text)| text).collect()
    }
}

/// Elements without content and end tag.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// Builds a page from the tokens of serialized HTML.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// The indexes of the open elements.
    open: Vec<usize>,
}

impl Builder {
    fn finish(mut self) -> Page {
        self.close(0);
        Page {
            nodes: self.nodes,
            named: OnceLock::new(),
        }
    }

    fn add(&mut self, token: Token<'_>) {
        match token {
            Token::Text(text) => self.text(text),
            Token::Comment(text) => {
                self.push(NodeKind::Comment(text.to_owned()));
            }
            Token::StartTag(tag) => {
                let index = self.push(NodeKind::Element(Element {
                    name: tag.name().to_owned(),
                    attributes: tag.to_attributes(),
                }));
                if !VOID.contains(&tag.name()) {
                    self.open.push(index);
                }
            }
            Token::EndTag(name) => {
                let nodes = &self.nodes;
                let is_match = |index: &usize| matches!(&nodes[*index].kind, NodeKind::Element(element) if element.name == name);
                if let Some(depth) = self.open.iter().rposition(is_match) {
                    self.close(depth);
                }
            }
        }
    }

    fn push(&mut self, kind: NodeKind) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node {
            kind,
            parent: self.open.last().copied(),
            end: index + 1,
        });
        index
    }

    fn text(&mut self, text: &str) {
        let open = self.open.last().copied();
        match self.nodes.last_mut() {
            Some(Node {
                kind: NodeKind::Text(begin),
                parent,
                ..
            }) if *parent == open => begin.push_str(text),
            _ => {
                self.push(NodeKind::Text(text.to_owned()));
            }
        }
    }

    /// Closes the open elements from this depth on.
    fn close(&mut self, depth: usize) {
        for index in self.open.drain(depth..) {
            self.nodes[index].end = self.nodes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_for_outlook_is_a_page_of_its_own() {
        let html = "<!-- no --><!--[if (gte mso 9)|(IE)]><v:rect href='x'>a</v:rect><![endif]--><!--[if !mso]><!--><p>b</p><!--<![endif]-->";
        let clock = Clock::system();
        let pages = Page::parse(html, &clock).outlook_pages(&clock);
        let links: Vec<_> = pages.iter().flat_map(|page| page.named("v:rect")).collect();
        assert_eq!(links.len(), 1);
        assert_eq!(links[0].1.get("href"), Some("x"));
    }

    #[test]
    fn nodes_are_in_document_order() {
        let html = "<title>T</title><p id=a>one <b>two</b><!-- c --></p><p>three<style>x</style>";
        let page = Page::parse(html, &Clock::system());
        let paragraphs: Vec<_> = page.named("p").collect();
        assert_eq!(paragraphs.len(), 2);
        assert_eq!(paragraphs[0].1.get("id"), Some("a"));
        assert_eq!(page.text(paragraphs[0].0), "one two");
        assert_eq!(page.text(paragraphs[1].0), "three");
        assert_eq!(page.raw_text("title").as_deref(), Some("T"));
        let (bold, _) = page.named("b").next().expect("the bold text");
        let ancestors: Vec<_> = page
            .ancestors(bold)
            .map(|(_, element)| element.name.as_str())
            .collect();
        assert_eq!(ancestors, ["p", "body", "html"]);
    }
}
