//! A message's HTML as a flat list of its nodes, in the order of the document.

use std::cell::RefCell;
use std::ops::Range;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, CharacterTokens, CommentToken, StartTag, Tag, TagToken, Token, TokenSink,
    TokenSinkResult, Tokenizer, TokenizerOpts,
};

use crate::clock::Clock;
use crate::frame;
use crate::render::for_outlook;

/// A page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) nodes: Vec<Node>,
}

/// A node; those inside it come next, up to `end`.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// The element that it is in.
    pub(super) parent: Option<usize>,
    /// The place after the last node inside it.
    pub(super) end: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Element(Element),
    Text(String),
    Comment(String),
}

/// An element; names are in lower case.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl Element {
    /// An attribute's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        let (_, value) = attributes.find(|(own, _)| own == name)?;
        Some(value)
    }

    /// Whether it has an attribute, be it empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl Page {
    /// Parses HTML as a browser does. What takes too long is cut.
    pub(super) fn parse(html: &str, clock: &Clock) -> Self {
        let (dom, _) = frame::parse(html, clock);
        let mut written = Vec::with_capacity(html.len());
        // Writing to memory can't fail.
        let _ = dom.serialize(&mut written);
        let written = String::from_utf8_lossy(&written);
        // What the parser writes has all its tags, so that its tokens are the tree.
        let input = BufferQueue::default();
        input.push_back(StrTendril::from(&*written));
        let tokenizer = Tokenizer::new(Gather::default(), TokenizerOpts::default());
        while !input.is_empty() {
            let _ = tokenizer.feed(&input);
        }
        tokenizer.end();
        Self {
            nodes: tokenizer.sink.finish(),
        }
    }

    /// What conditional comments have for Outlook alone, each as a page.
    pub(super) fn for_outlook(&self, clock: &Clock) -> Vec<Self> {
        let html = self.nodes.iter().filter_map(|node| match &node.kind {
            Kind::Comment(text) => for_outlook(text),
            _ => None,
        });
        // Cells of a table that is around the comment are no elements by themselves.
        html.map(|html| Self::parse(&format!("<table><tr><td>{html}"), clock))
            .collect()
    }

    /// All elements, with their places.
    pub(super) fn elements(&self) -> impl Iterator<Item = (usize, &Element)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(index, node)| match &node.kind {
            Kind::Element(element) => Some((index, element)),
            _ => None,
        })
    }

    /// The elements of a name.
    pub(super) fn named<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (usize, &'a Element)> + 'a {
        self.elements()
            .filter(move |(_, element)| element.name == name)
    }

    /// The element at a place, if it is one.
    pub(super) fn element(&self, index: usize) -> Option<&Element> {
        match &self.nodes.get(index)?.kind {
            Kind::Element(element) => Some(element),
            _ => None,
        }
    }

    /// The places inside a node.
    pub(super) fn inside(&self, index: usize) -> Range<usize> {
        index + 1..self.nodes[index].end
    }

    /// The elements that a node is in, the innermost first.
    pub(super) fn ancestors(&self, index: usize) -> impl Iterator<Item = (usize, &Element)> {
        let first = self.nodes[index].parent;
        let chain = std::iter::successors(first, |index| self.nodes[*index].parent);
        chain.filter_map(|index| Some((index, self.element(index)?)))
    }

    /// The text inside a node, as it stands there; that of `<style>`, `<script>` and `<title>` is none.
    pub(super) fn text(&self, index: usize) -> String {
        let texts = self.inside(index);
        let texts = texts.filter_map(|at| match &self.nodes[at].kind {
            Kind::Text(text) if !self.is_raw(at) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The texts, in the order of the document; that of `<style>`, `<script>` and `<title>` is none.
    pub(super) fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(index, node)| match &node.kind {
            Kind::Text(text) if !self.is_raw(index) => Some((index, text.as_str())),
            _ => None,
        })
    }

    fn is_raw(&self, index: usize) -> bool {
        let parent = self.ancestors(index).next();
        parent.is_some_and(|(_, element)| {
            ["style", "script", "title"].contains(&element.name.as_str())
        })
    }

    /// The text of the first element of a name, such as `title`, whatever that is.
    pub(super) fn raw_text(&self, name: &str) -> Option<String> {
        let (index, _) = self.named(name).next()?;
        Some(self.raw_text_in(index))
    }

    /// The text inside a node, whatever that is.
    pub(super) fn raw_text_in(&self, index: usize) -> String {
        let texts = self.inside(index);
        let texts = texts.filter_map(|at| match &self.nodes[at].kind {
            Kind::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

/// Elements that have nothing inside them, and no end tag.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// Takes the tokens of a page.
#[derive(Default)]
struct Gather(RefCell<Gathered>);

#[derive(Default)]
struct Gathered {
    nodes: Vec<Node>,
    /// The elements that are open.
    open: Vec<usize>,
}

impl Gather {
    fn finish(self) -> Vec<Node> {
        let mut gathered = self.0.into_inner();
        while let Some(index) = gathered.open.pop() {
            gathered.nodes[index].end = gathered.nodes.len();
        }
        gathered.nodes
    }
}

impl Gathered {
    fn push(&mut self, kind: Kind) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node {
            kind,
            parent: self.open.last().copied(),
            end: index + 1,
        });
        index
    }

    fn text(&mut self, text: &str) {
        let parent = self.open.last().copied();
        match self.nodes.last_mut() {
            Some(Node {
                kind: Kind::Text(known),
                parent: of,
                ..
            }) if *of == parent => known.push_str(text),
            _ => {
                self.push(Kind::Text(text.to_owned()));
            }
        }
    }

    fn start(&mut self, tag: &Tag) {
        let attributes = tag.attrs.iter();
        let attributes =
            attributes.map(|attr| (attr.name.local.to_string(), attr.value.to_string()));
        let index = self.push(Kind::Element(Element {
            name: tag.name.to_string(),
            attributes: attributes.collect(),
        }));
        if !VOID.contains(&&*tag.name) {
            self.open.push(index);
        }
    }

    fn end(&mut self, name: &str) {
        let nodes = &self.nodes;
        let is_it =
            |index: &usize| matches!(&nodes[*index].kind, Kind::Element(it) if it.name == name);
        let Some(depth) = self.open.iter().rposition(is_it) else {
            return;
        };
        for index in self.open.drain(depth..) {
            self.nodes[index].end = self.nodes.len();
        }
    }
}

impl TokenSink for Gather {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut gathered = self.0.borrow_mut();
        match token {
            CharacterTokens(text) => gathered.text(&text),
            CommentToken(text) => {
                gathered.push(Kind::Comment(text.to_string()));
            }
            TagToken(tag) if tag.kind == StartTag => {
                gathered.start(&tag);
                return match &*tag.name {
                    "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
                    "script" => TokenSinkResult::RawData(RawKind::ScriptData),
                    "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
                        TokenSinkResult::RawData(RawKind::Rawtext)
                    }
                    "plaintext" => TokenSinkResult::Plaintext,
                    _ => TokenSinkResult::Continue,
                };
            }
            TagToken(tag) => gathered.end(&tag.name),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_outlook_is_a_page_of_its_own() {
        let html = "<!-- no --><!--[if (gte mso 9)|(IE)]><v:rect href='x'>a</v:rect><![endif]--><!--[if !mso]><!--><p>b</p><!--<![endif]-->";
        let clock = Clock::system();
        let pages = Page::parse(html, &clock).for_outlook(&clock);
        let links: Vec<_> = pages.iter().flat_map(|page| page.named("v:rect")).collect();
        assert_eq!(links.len(), 1);
        assert_eq!(links[0].1.get("href"), Some("x"));
    }

    #[test]
    fn nodes_stand_in_the_order_of_the_document() {
        let html = "<title>T</title><p id=a>one <b>two</b><!-- c --></p><p>three<style>x</style>";
        let page = Page::parse(html, &Clock::system());
        let paragraphs: Vec<_> = page.named("p").collect();
        assert_eq!(paragraphs.len(), 2);
        assert_eq!(paragraphs[0].1.get("id"), Some("a"));
        assert_eq!(page.text(paragraphs[0].0), "one two");
        assert_eq!(page.text(paragraphs[1].0), "three");
        assert_eq!(page.raw_text("title").as_deref(), Some("T"));
        let (bold, _) = page.named("b").next().expect("it is there");
        let around: Vec<_> = page
            .ancestors(bold)
            .map(|(_, it)| it.name.as_str())
            .collect();
        assert_eq!(around, ["p", "body", "html"]);
    }
}
