//! Moves the CSS of `<style>` into `style` attributes, for clients that ignore `<style>`. In a client that
//! applies it, the page looks the same as before.
//!
//! What can't be moved stays: `@media` and the like, states such as `:hover`, pseudo-elements, and rules for
//! elements that a mail client adds or that only Outlook reads.

mod cascade;
mod outlook;
mod overridden;
mod property;
mod sheets;
mod style_attribute;

pub(crate) use overridden::{OverriddenRule, overridden_rules};

use ego_tree::NodeId;
use html5ever::{LocalName, QualName, ns};
use scraper::{Html, Node};

use self::sheets::Sheets;
use self::style_attribute::Cascades;
use super::css::{Elements, parse_document};

/// The doctype as the HTML is serialized.
const DEFAULT_DOCTYPE: &str = "<!DOCTYPE html>";

/// Inlines the CSS of a page. Nothing is fetched.
pub(crate) fn inline_css(html: &str) -> String {
    let mut document = parse_document(html);
    let elements = Elements::of(&document);
    let sheets = Sheets::of(&document, &elements);
    let Some(cascades) = Cascades::of(&sheets, &elements) else {
        return html.to_owned();
    };
    let resolution = cascades.resolve();
    let styles = cascades.style_attributes(&resolution);
    let texts = sheets.rewritten(&resolution);
    let nodes: Vec<NodeId> = elements.elements.iter().map(|it| it.id()).collect();
    for (element, style) in styles {
        set_style(&mut document, nodes[element], &style);
    }
    for (node, text) in texts {
        set_text(&mut document, node, text);
    }
    serialize(&document, html)
}

/// The HTML as a browser reads it, serialized in one way, so that two texts can be compared.
pub(crate) fn normalized(html: &str) -> String {
    serialize(&parse_document(html), html)
}

/// Serializes a page. The doctype stays as it was written, because it decides how a browser lays out the
/// page.
fn serialize(document: &Html, original: &str) -> String {
    let html = document.html();
    let rest = doctype(original).zip(html.strip_prefix(DEFAULT_DOCTYPE));
    match rest {
        Some((doctype, rest)) => format!("{doctype}{rest}"),
        None => html,
    }
}

fn doctype(html: &str) -> Option<&str> {
    let html = html.trim_start();
    let start = html.get(.."<!DOCTYPE".len())?;
    let is_doctype = start.eq_ignore_ascii_case("<!DOCTYPE");
    html.get(..=html.find('>')?).filter(|_| is_doctype)
}

fn set_style(document: &mut Html, node: NodeId, style: &str) {
    let Some(mut node) = document.tree.get_mut(node) else {
        return;
    };
    if let Node::Element(element) = node.value() {
        let name = QualName::new(None, ns!(), LocalName::from("style"));
        element.attrs.insert(name, style.into());
    }
}

/// Sets the text of a `<style>`. One without text is removed.
fn set_text(document: &mut Html, node: NodeId, text: Option<String>) {
    let Some(mut node) = document.tree.get_mut(node) else {
        return;
    };
    let Some(text) = text else {
        node.detach();
        return;
    };
    if let Some(mut child) = node.first_child()
        && let Node::Text(child) = child.value()
    {
        child.text = text.as_str().into();
    }
}

#[cfg(test)]
mod tests;
