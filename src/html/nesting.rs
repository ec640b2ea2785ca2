//! Checks the limits of HTML before a library sees it. Most HTML passes without building its tree.

use std::ops::ControlFlow;

use html5ever::LocalName;

use super::css_nesting::CssNesting;
use super::limits::{HtmlLimit, MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS};
use super::tokens::{Token, tokenize};
use super::tree;

/// Formatting elements (HTML 13.2.4.3): one that is still open is opened again in each block after it.
const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];
/// Elements in which the parser ignores tags, or reads text as tags. Only a tree shows what is open then.
const IRREGULAR: [&str; 6] = ["svg", "math", "select", "frameset", "template", "plaintext"];
/// Elements that never stay open.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];
/// A table may add `<tbody>` and `<tr>`.
const TABLE_DEPTH: usize = 3;
/// The most elements that the parser adds around a tag, such as `<tbody>` and `<tr>` around `<td>`.
const IMPLIED: usize = 2;
/// The most elements that misnested formatting adds at one tag (the adoption agency algorithm).
const MISNESTED: usize = 32;

/// # Errors
/// The limit that the HTML exceeds. Parsing and processing it could take the whole stack or memory.
pub(crate) fn check_limits(html: &str) -> Result<(), HtmlLimit> {
    let mut bound = UpperBound::default();
    tokenize(html, |token| {
        bound.add(&token);
        match bound.css.is_too_deep() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    if bound.css.is_too_deep() {
        return Err(HtmlLimit::CssDepth);
    }
    if bound.max_attributes > MAX_ATTRIBUTES {
        return Err(HtmlLimit::Attributes);
    }
    if bound.is_within_limits() {
        return Ok(());
    }
    tree::check_limits(html)
}

/// What HTML can have at most, found without building its tree. Most HTML closes what it opens, and is
/// within all limits by this.
#[derive(Default)]
struct UpperBound {
    /// The elements that may be open: only an end tag that matches the last one closes it for certain.
    open: Vec<LocalName>,
    /// The depth of `open`, and how many of them are formatting elements.
    depth: usize,
    formatting: usize,
    max_depth: usize,
    max_attributes: usize,
    elements: usize,
    is_irregular: bool,
    in_text: bool,
    css: CssNesting,
}

impl UpperBound {
    fn is_within_limits(&self) -> bool {
        // `<html>`, `<head>` and `<body>` are added.
        !self.is_irregular
            && self.max_depth + 3 <= MAX_DEPTH
            && self.elements + 3 <= MAX_ELEMENTS as usize
    }

    fn add(&mut self, token: &Token<'_>) {
        let was_in_text = std::mem::replace(&mut self.in_text, matches!(token, Token::Text(_)));
        match token {
            Token::Text(text) => {
                if self.open.last().is_some_and(|name| &**name == "style") {
                    self.css.add(text);
                }
                if !was_in_text {
                    self.elements += self.formatting;
                }
            }
            Token::StartTag(tag) => {
                let name = tag.local_name();
                for (_, value) in tag.attributes().filter(|(name, _)| *name == "style") {
                    self.css.start();
                    self.css.add(value);
                }
                self.max_attributes = self.max_attributes.max(tag.attributes().count());
                self.css.start();
                self.is_irregular |= IRREGULAR.contains(&&**name);
                self.elements += 1 + IMPLIED + self.formatting;
                if FORMATTING.contains(&&**name) {
                    self.formatting += 1;
                    // An open `<a>` or `<nobr>` is closed by the next one.
                    self.elements += MISNESTED
                        * usize::from(matches!(&**name, "a" | "nobr") && self.open.contains(name));
                }
                if !VOID.contains(&&**name) {
                    self.depth += depth_of(name);
                    self.max_depth = self.max_depth.max(self.depth);
                    self.open.push(name.clone());
                }
            }
            Token::EndTag(name) => match self.open.last() {
                Some(last) if **last == **name => {
                    self.depth -= depth_of(name);
                    self.formatting -= usize::from(FORMATTING.contains(name));
                    self.open.pop();
                }
                _ => self.elements += MISNESTED,
            },
            Token::Comment(_) => {}
        }
    }
}

fn depth_of(element: &str) -> usize {
    match element {
        "table" => TABLE_DEPTH,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nested(opening: &str, times: usize) -> String {
        format!("<p>x</p>{}", opening.repeat(times))
    }

    #[test]
    fn deep_html_is_over_the_limit() {
        for opening in [
            "<b>",
            "<div>",
            "<table><tr><td>",
            "<ul><li>",
            "<blockquote>",
            "<div><table></div></table>",
            "<div><!--</div>-->",
            "<div title='</div>'>",
            "<svg><g>",
            "<span><select></span></select>",
        ] {
            assert_eq!(
                check_limits(&nested(opening, 1000)),
                Err(HtmlLimit::Depth),
                "{opening}"
            );
            assert_eq!(check_limits(&nested(opening, 40)), Ok(()), "{opening}");
        }
        // What a tokenizer takes for raw text.
        let hidden = format!("<svg><style></svg>{}", "<div>".repeat(1000));
        assert_eq!(check_limits(&hidden), Err(HtmlLimit::Depth));
        let distinct: String = (0..1000).map(|n| format!("<p><b class={n}>")).collect();
        assert_eq!(check_limits(&distinct), Err(HtmlLimit::Depth));
    }

    #[test]
    fn long_html_is_within_the_limits() {
        let rows = "<tr><td><a href=x><b>x</b></a><br><img src=x></td></tr>".repeat(10_000);
        assert_eq!(check_limits(&format!("<table>{rows}</table>")), Ok(()));
        // Nothing is closed, but nothing is deep.
        assert_eq!(
            check_limits(&"<p>x<ul><li>y<li>z</ul>".repeat(5_000)),
            Ok(())
        );
    }

    #[test]
    fn elements_that_multiply_are_over_the_limit() {
        let bold: String = (0..100).map(|n| format!("<b class={n}>")).collect();
        let html = format!("<p>{bold}{}", "<p>x</p>".repeat(10_000));
        assert_eq!(check_limits(&html), Err(HtmlLimit::Elements));
    }

    #[test]
    fn attributes_of_an_element_are_limited() {
        let tag = |count: usize| -> String {
            let attributes: String = (0..count).map(|n| format!(" a{n}=1")).collect();
            format!("<p{attributes}>x")
        };
        assert_eq!(check_limits(&tag(1000)), Ok(()));
        assert_eq!(check_limits(&tag(1001)), Err(HtmlLimit::Attributes));
    }

    #[test]
    fn deep_css_is_over_the_limit() {
        let selector = format!("<style>p{}{{}}</style>", ":not(".repeat(1000));
        assert_eq!(check_limits(&selector), Err(HtmlLimit::CssDepth));
        let value = format!("<p style='width:{}'>", "calc(".repeat(1000));
        assert_eq!(check_limits(&value), Err(HtmlLimit::CssDepth));
        let rules = format!("<style>{}</style>", "p:not(.a){b:c(d)}".repeat(1000));
        assert_eq!(check_limits(&rules), Ok(()));
    }

    /// Any tags in any order, with attributes, comments and raw text.
    fn tags() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            6 => proptest::sample::select(vec![
                "<div>", "<p>", "<b>", "<i>", "<a href=x>", "<font size=1>", "<table>", "<tr>",
                "<td>", "<tbody>", "<caption>", "<ul>", "<li>", "<span>", "<button>", "<form>",
                "<nobr>", "<h1>", "<object>", "<dl>", "<dd>", "<center>", "<body>", "<head>",
                "<b class=1>", "<b class=2>", "<input>", "<br>", "<hr>", "<pre>", "<address>",
            ]),
            1 => proptest::sample::select(vec![
                "<svg>", "<math>", "<select>", "<option>", "<template>", "<style>", "<title>",
                "<foreignObject>", "<mi>", "<path/>", "<textarea>", "<noscript>", "<!--</div>-->",
                "<div title='</div>'>", "<xmp>", "<frameset>", "<source>", "<colgroup>", "<col>",
            ]),
            5 => proptest::sample::select(vec![
                "</div>", "</p>", "</b>", "</i>", "</a>", "</font>", "</table>", "</tr>", "</td>",
                "</tbody>", "</caption>", "</ul>", "</li>", "</span>", "</button>", "</form>",
                "</nobr>", "</h1>", "</object>", "</dl>", "</dd>", "</center>", "</body>", "</svg>",
                "</math>", "</select>", "</template>", "</style>", "</title>", "</textarea>",
                "</xmp>", "</html>", "</head>", "</br>", "x",
            ]),
        ];
        proptest::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn the_bound_is_never_below_the_tree(html in tags()) {
            let mut bound = UpperBound::default();
            tokenize(&html, |token| {
                bound.add(&token);
                ControlFlow::Continue(())
            });
            let (depth, elements) = tree::measure(&html);
            if !bound.is_irregular {
                prop_assert!(bound.max_depth + 3 >= depth, "{} {depth}", bound.max_depth);
                prop_assert!(bound.elements + 3 >= elements, "{} {elements}", bound.elements);
            }
        }
    }
}
