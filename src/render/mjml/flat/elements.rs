//! The elements of MJML, and where they may stand.

use crate::finding::nearest;

/// The elements whose content is not MJML.
const WITH_CONTENT: [&str; 11] = [
    "mj-accordion-text",
    "mj-accordion-title",
    "mj-button",
    "mj-navbar-link",
    "mj-preview",
    "mj-raw",
    "mj-social-element",
    "mj-style",
    "mj-table",
    "mj-text",
    "mj-title",
];
/// The other elements.
const OTHERS: [&str; 23] = [
    "mjml",
    "mj-accordion",
    "mj-accordion-element",
    "mj-all",
    "mj-attributes",
    "mj-body",
    "mj-breakpoint",
    "mj-carousel",
    "mj-carousel-image",
    "mj-class",
    "mj-column",
    "mj-divider",
    "mj-font",
    "mj-group",
    "mj-head",
    "mj-hero",
    "mj-image",
    "mj-include",
    "mj-navbar",
    "mj-section",
    "mj-social",
    "mj-spacer",
    "mj-wrapper",
];

/// The elements that may stand in a column.
const IN_COLUMN: [&str; 11] = [
    "mj-accordion",
    "mj-button",
    "mj-carousel",
    "mj-divider",
    "mj-image",
    "mj-navbar",
    "mj-raw",
    "mj-social",
    "mj-spacer",
    "mj-table",
    "mj-text",
];

/// The elements that may stand in another, as the documentation of MJML says. `None` for those that take any.
fn children(parent: &str) -> Option<&'static [&'static str]> {
    match parent {
        "mj-body" => Some(&["mj-section", "mj-wrapper", "mj-hero", "mj-raw"]),
        "mj-column" | "mj-hero" => Some(&IN_COLUMN),
        "mj-group" => Some(&["mj-column", "mj-raw"]),
        "mj-section" => Some(&["mj-column", "mj-group", "mj-raw"]),
        "mj-wrapper" => Some(&["mj-section", "mj-hero", "mj-raw"]),
        "mj-accordion" => Some(&["mj-accordion-element", "mj-raw"]),
        "mj-accordion-element" => Some(&["mj-accordion-title", "mj-accordion-text"]),
        "mj-carousel" => Some(&["mj-carousel-image"]),
        "mj-navbar" => Some(&["mj-navbar-link", "mj-raw"]),
        "mj-social" => Some(&["mj-social-element", "mj-raw"]),
        _ => None,
    }
}

/// Whether the content of an element is not MJML.
pub(super) fn has_content(name: &str) -> bool {
    WITH_CONTENT.contains(&name)
}

/// The message and the help for an element that is unknown.
pub(super) fn unknown(name: &str) -> Option<(String, String)> {
    if has_content(name) || OTHERS.contains(&name) {
        return None;
    }
    let known = WITH_CONTENT.into_iter().chain(OTHERS);
    let help = match nearest(name, known) {
        Some(near) if name.starts_with("mj") => format!("did you mean <{near}>?"),
        _ => "put HTML into <mj-raw>, or into <mj-text> if it is text".to_owned(),
    };
    Some((format!("<{name}> is not an element of MJML"), help))
}

/// The message and the help for an element that may not stand in its parent.
pub(super) fn misplaced(name: &str, parent: &str) -> Option<(String, String)> {
    let allowed = children(parent)?;
    if allowed.contains(&name) {
        return None;
    }
    let message = format!("<{name}> can't be in <{parent}>");
    let help = match (name, parent) {
        ("mj-raw", _) => format!(
            "a condition can stand before and after the whole <{parent}>; write it twice if it differs"
        ),
        (name, "mj-section" | "mj-group") if IN_COLUMN.contains(&name) => {
            format!("put it into a column: <mj-column><{name}>")
        }
        (name, "mj-body" | "mj-wrapper") if IN_COLUMN.contains(&name) => {
            format!("put it into a section: <mj-section><mj-column><{name}>")
        }
        _ => {
            let allowed = allowed.iter().map(|name| format!("<{name}>"));
            let allowed = allowed.collect::<Vec<_>>().join(", ");
            format!("<{parent}> can contain {allowed}")
        }
    };
    Some((message, help))
}
