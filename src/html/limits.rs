//! Limits for HTML. Libraries that read it recurse into elements and into CSS.

/// How deep elements may be nested, counted from `<html>`. A newsletter of nested tables has about 60 levels.
pub(crate) const MAX_DEPTH: usize = 256;
/// How many elements HTML may have when it is parsed. A long newsletter has some thousands.
pub(crate) const MAX_ELEMENTS: u32 = 200_000;
/// How many attributes an element may have. The parser compares each of them with all others.
pub(crate) const MAX_ATTRIBUTES: usize = 1000;
/// How deep brackets may be nested in CSS.
pub(crate) const MAX_CSS_DEPTH: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HtmlLimit {
    #[error(
        "the HTML nests elements more than {MAX_DEPTH} deep; close the elements that stay open"
    )]
    Depth,
    #[error(
        "the HTML has more than {MAX_ELEMENTS} elements; elements such as <b> that are never closed multiply"
    )]
    Elements,
    #[error("the HTML has an element with more than {MAX_ATTRIBUTES} attributes")]
    Attributes,
    #[error("the CSS nests brackets more than {MAX_CSS_DEPTH} deep")]
    CssDepth,
}
