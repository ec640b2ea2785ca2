//! HTML parsed within limits: hostile HTML can take a parser endless time or memory.

use std::borrow::Cow;
use std::cell::Cell;

use html2text::{Element, Handle, RcDom};
use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{
    Attribute, ExpandedName, LocalName, ParseOpts, Parser, QualName, local_name, ns, parse_document,
};
use jiff::SignedDuration;

use super::limits::{HtmlLimit, MAX_DEPTH, MAX_ELEMENTS};
use super::tokens::chunks;
use crate::clock::Clock;

/// The time limit for parsing a page, and for writing one.
pub(crate) const MAX_TIME: SignedDuration = SignedDuration::from_secs(3);
/// How many bytes are parsed between two checks of the limits.
const CHUNK: usize = 1024;

/// Parses HTML as a browser without scripts does. The flag is false if a limit ended it early.
pub(crate) fn parse(html: &str, clock: &Clock) -> (RcDom, bool) {
    let mut parser = parser();
    let deadline = clock.now().checked_add(MAX_TIME).ok();
    let mut chunks = chunks(html, CHUNK).peekable();
    while let Some(chunk) = chunks.next() {
        parser.process(chunk.into());
        let elements = parser.tokenizer.sink.sink.elements.get();
        let is_late = || deadline.is_some_and(|deadline| clock.now() > deadline);
        if chunks.peek().is_some() && (elements > MAX_ELEMENTS || is_late()) {
            return (parser.finish(), false);
        }
    }
    (parser.finish(), true)
}

/// # Errors
/// The limit that the HTML exceeds. It is found without recursion, and without parsing much more.
pub(super) fn check_limits(html: &str) -> Result<(), HtmlLimit> {
    let mut parser = parser();
    for chunk in chunks(html, CHUNK) {
        parser.process(chunk.into());
        let tree = &parser.tokenizer.sink.sink;
        if tree.is_too_deep.get() {
            return Err(HtmlLimit::Depth);
        }
        if tree.elements.get() > MAX_ELEMENTS {
            return Err(HtmlLimit::Elements);
        }
    }
    // Elements that were moved may be deeper than where they were created.
    match depth(&parser.finish()) {
        depth if depth > MAX_DEPTH => Err(HtmlLimit::Depth),
        _ => Ok(()),
    }
}

/// Parses as a browser without scripts does.
fn parser() -> Parser<CountingTree> {
    let options = ParseOpts {
        tree_builder: TreeBuilderOpts {
            // Parses the content of `<noscript>` as elements.
            scripting_enabled: false,
            ..TreeBuilderOpts::default()
        },
        ..ParseOpts::default()
    };
    parse_document(CountingTree::default(), options)
}

/// How deep the elements of a tree are nested.
fn depth(dom: &RcDom) -> usize {
    let mut deepest = 0;
    let mut nodes = vec![(dom.document.clone(), 0)];
    while let Some((node, depth)) = nodes.pop() {
        let is_element = matches!(node.data, Element { .. });
        let depth = depth + usize::from(is_element);
        deepest = deepest.max(depth);
        if let Element {
            template_contents, ..
        } = &node.data
        {
            let contents = template_contents.borrow().clone();
            nodes.extend(contents.map(|contents| (contents, depth)));
        }
        let children = node.children.borrow();
        nodes.extend(children.iter().map(|child| (child.clone(), depth)));
    }
    deepest
}

/// The depth of HTML, and the number of elements that the parser creates for it.
#[cfg(test)]
pub(super) fn measure(html: &str) -> (usize, usize) {
    let mut parser = parser();
    parser.process(html.into());
    let elements = parser.tokenizer.sink.sink.elements.get();
    (depth(&parser.finish()), elements as usize)
}

/// Inserts `<meta>` elements at the beginning of the head, each given by its attributes.
pub(crate) fn prepend_to_head(dom: &RcDom, metas: &[Vec<(&str, &str)>]) {
    let child = |parent: &Handle, wanted: &LocalName| {
        let children = parent.children.borrow();
        let is_named =
            |node: &&Handle| matches!(&node.data, Element { name, .. } if name.local == *wanted);
        children.iter().find(is_named).cloned()
    };
    // The parser always creates both.
    let html = child(&dom.document, &local_name!("html"));
    let Some(head) = html.and_then(|html| child(&html, &local_name!("head"))) else {
        return;
    };
    let html = |name| QualName::new(None, ns!(html), name);
    for attributes in metas.iter().rev() {
        let attributes = attributes.iter().map(|(name, value)| Attribute {
            name: QualName::new(None, ns!(), (*name).into()),
            value: (*value).into(),
        });
        let name = html(local_name!("meta"));
        let meta = dom.create_element(name, attributes.collect(), ElementFlags::default());
        head.children.borrow_mut().insert(0, meta);
    }
}

/// Builds a tree and counts its elements.
#[derive(Default)]
struct CountingTree {
    dom: RcDom,
    elements: Cell<u32>,
    /// Whether an element was appended too deep.
    is_too_deep: Cell<bool>,
}

impl CountingTree {
    /// Notes whether the children of a node are too deep.
    fn check_depth(&self, parent: &Handle) {
        let mut depth = 0;
        let mut ancestor = Some(parent.clone());
        while let Some(node) = ancestor {
            depth += 1;
            ancestor = node.get_parent();
            if depth > MAX_DEPTH {
                self.is_too_deep.set(true);
                return;
            }
        }
    }
}

impl TreeSink for CountingTree {
    type Handle = Handle;
    type Output = RcDom;
    type ElemName<'a> = ExpandedName<'a>;

    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, flags: ElementFlags) -> Handle {
        self.elements.set(self.elements.get().saturating_add(1));
        self.dom.create_element(name, attrs, flags)
    }

    fn finish(self) -> RcDom {
        self.dom
    }

    /// Most messages have errors; nothing reports them.
    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        self.dom.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        self.dom.elem_name(target)
    }

    fn create_comment(&self, text: StrTendril) -> Handle {
        self.dom.create_comment(text)
    }

    fn create_pi(&self, target: StrTendril, data: StrTendril) -> Handle {
        self.dom.create_pi(target, data)
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        if matches!(child, NodeOrText::AppendNode(_)) {
            self.check_depth(parent);
        }
        self.dom.append(parent, child);
    }

    fn append_based_on_parent_node(
        &self,
        element: &Handle,
        previous: &Handle,
        child: NodeOrText<Handle>,
    ) {
        self.dom
            .append_based_on_parent_node(element, previous, child);
    }

    fn append_doctype_to_document(&self, name: StrTendril, public: StrTendril, system: StrTendril) {
        self.dom.append_doctype_to_document(name, public, system);
    }

    fn get_template_contents(&self, target: &Handle) -> Handle {
        self.dom.get_template_contents(target)
    }

    fn same_node(&self, one: &Handle, other: &Handle) -> bool {
        self.dom.same_node(one, other)
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.dom.set_quirks_mode(mode);
    }

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        self.dom.append_before_sibling(sibling, child);
    }

    fn add_attrs_if_missing(&self, target: &Handle, attrs: Vec<Attribute>) {
        self.dom.add_attrs_if_missing(target, attrs);
    }

    fn remove_from_parent(&self, target: &Handle) {
        self.dom.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &Handle, parent: &Handle) {
        self.dom.reparent_children(node, parent);
    }

    fn is_mathml_annotation_xml_integration_point(&self, target: &Handle) -> bool {
        self.dom.is_mathml_annotation_xml_integration_point(target)
    }

    /// `frame` removes `<template>` elements, so they need no shadow trees.
    fn allow_declarative_shadow_roots(&self, _: &Handle) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn parsing_ends_at_its_deadline() {
        let seconds = AtomicI64::new(0);
        let clock = Clock::new(move || {
            let now = seconds.fetch_add(1, Ordering::Relaxed);
            jiff::Timestamp::from_second(now).expect("a time")
        });
        let (_, whole) = parse(&"<p>ż".repeat(10_000), &clock);
        assert!(!whole);
        assert!(parse("<p>x", &Clock::system()).1);
    }

    #[test]
    fn elements_that_multiply_are_limited() {
        // Every paragraph reopens all elements that are still open.
        let bold: String = (0..100).map(|n| format!("<b class={n}>")).collect();
        let bold = format!("<p>{bold}");
        let (_, whole) = parse(
            &(bold + &"<p>x".repeat(100_000)),
            &Clock::new(|| jiff::Timestamp::UNIX_EPOCH),
        );
        assert!(!whole);
    }
}
