//! The elements that only Outlook for Windows reads.

use std::ops::ControlFlow;

use html5ever::{Attribute, LocalName, QualName, ns};
use scraper::node::Element;
use scraper::{Html, Node};

use crate::html::tokens::{StartTag, Token, outlook_html, tokenize};

/// A document of the elements in conditional comments, one beside the other.
pub(super) fn outlook_elements(document: &Html) -> Html {
    let mut outlook = Html::parse_document("");
    let root = outlook.root_element().id();
    for node in document.tree.nodes() {
        let Node::Comment(comment) = node.value() else {
            continue;
        };
        let Some(html) = outlook_html(&comment.comment) else {
            continue;
        };
        tokenize(html, |token| {
            if let Token::StartTag(tag) = token
                && let Some(mut root) = outlook.tree.get_mut(root)
            {
                root.append(Node::Element(element(&tag)));
            }
            ControlFlow::Continue(())
        });
    }
    outlook
}

fn element(tag: &StartTag<'_>) -> Element {
    let attributes = tag.attributes().map(|(name, value)| Attribute {
        name: QualName::new(None, ns!(), LocalName::from(name)),
        value: value.into(),
    });
    let name = QualName::new(None, ns!(html), LocalName::from(tag.name()));
    Element::new(name, attributes.collect())
}
