//! Which of a row's values can change how CSS applies to a message's HTML.
//!
//! Rows whose HTML differs only in other values can share the inlined HTML and the text part: values in
//! text, in scripts, and in attributes that no selector and no layout depends on.

mod selectors;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use self::selectors::attributes_in_selectors;
use super::marks::{BEGIN, END, has_reserved, is_marked, mark, mark_numbers};
use super::tokens::{StartTag, Token, outlook_html, tokenize};

/// The attributes that change nothing unless a selector names them.
const NEUTRAL_ATTRIBUTES: [&str; 10] = [
    "id",
    "href",
    "src",
    "srcset",
    "alt",
    "title",
    "content",
    "aria-label",
    "background",
    "cite",
];
/// The elements whose content is not text of the page.
const NOT_TEXT: [&str; 8] = [
    "style",
    "script",
    "xmp",
    "iframe",
    "noembed",
    "noframes",
    "noscript",
    "plaintext",
];

/// What the values in marked HTML can change. Values are named by their numbers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CssInfluence {
    /// For each value, whether it can change which elements there are or how CSS applies to them.
    pub(crate) influential: Vec<bool>,
    /// The values in CSS. They are as harmless as `influential` says unless one
    /// [may form a selector](may_be_selector).
    pub(crate) in_css: Vec<usize>,
    /// The values in attributes without quotes. They are as harmless as `influential` says unless one
    /// [ends its attribute](ends_unquoted).
    pub(crate) unquoted: Vec<usize>,
}

/// Whether an escaped value ends an attribute without quotes (HTML 13.2.5.38).
pub(crate) fn ends_unquoted(value: &str) -> bool {
    value.contains(|c: char| c.is_ascii_whitespace())
}

/// Whether a value in CSS may form a selector that depends on attributes.
pub(crate) fn may_be_selector(value: &str) -> bool {
    value.contains(['[', '{', '}', '*'])
}

/// Analyses the `count` values in marked HTML.
pub(crate) fn css_influence(html: &str, count: usize) -> CssInfluence {
    analyse(html, count, false)
}

fn analyse(html: &str, count: usize, in_comment: bool) -> CssInfluence {
    let mut analysis = Analysis {
        in_comment,
        all_unquoted: unquoted_values(html),
        text: String::new(),
        influence: CssInfluence {
            influential: vec![true; count],
            in_css: Vec::new(),
            unquoted: Vec::new(),
        },
        in_attributes: Vec::new(),
        not_text: None,
        selected: Some(Vec::new()),
    };
    tokenize(html, |token| {
        if let Token::Text(text) = token {
            analysis.text.push_str(text);
            return ControlFlow::Continue(());
        }
        analysis.end_text();
        match token {
            Token::StartTag(tag) => analysis.start_tag(&tag),
            Token::EndTag(name) if analysis.not_text == Some(name) => analysis.not_text = None,
            Token::Comment(text) => analysis.comment(text),
            Token::EndTag(_) | Token::Text(_) => {}
        }
        ControlFlow::Continue(())
    });
    let mut influence = analysis.finish();
    for number in values_in_syntax(html) {
        set(&mut influence.influential, number, true);
    }
    influence
}

/// The values that may become part of markup with the text before them: `&§;`, `<§>`.
fn values_in_syntax(html: &str) -> impl Iterator<Item = usize> {
    let mut before = "";
    html.split(BEGIN).filter_map(move |part| {
        let reference = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
        let reference = reference.strip_suffix('#').unwrap_or(reference);
        let openers = ["<", "</", "<!", "<!-", "<?"];
        let in_syntax =
            reference.ends_with('&') || openers.iter().any(|opener| before.ends_with(opener));
        let (number, after) = part.split_once(END).unwrap_or(("", part));
        before = after;
        number.parse().ok().filter(|_| in_syntax)
    })
}

/// The values in attributes without quotes: a space after such a value ends the attribute.
fn unquoted_values(html: &str) -> BTreeSet<usize> {
    let spaced = html.replace(END, &format!("{END} "));
    let mut unquoted = BTreeSet::new();
    tokenize(&spaced, |token| {
        if let Token::StartTag(tag) = token {
            let attributes = tag.attributes().filter(|(_, value)| value.ends_with(END));
            unquoted.extend(attributes.flat_map(|(_, value)| mark_numbers(value)));
        }
        ControlFlow::Continue(())
    });
    unquoted
}

struct Analysis {
    /// Whether the HTML is in a comment, where it affects nothing but Outlook.
    in_comment: bool,
    /// All values in attributes without quotes.
    all_unquoted: BTreeSet<usize>,
    /// The text since the last tag or comment.
    text: String,
    influence: CssInfluence,
    /// Values in neutral attributes, with the attributes' names.
    in_attributes: Vec<(String, usize)>,
    /// The open element whose content is not text.
    not_text: Option<&'static str>,
    /// The attributes that selectors name; `None` if that is unknown.
    selected: Option<Vec<String>>,
}

impl Analysis {
    fn finish(mut self) -> CssInfluence {
        self.end_text();
        // CSS does not apply to elements in comments.
        let selected = match self.in_comment {
            true => Some(Vec::new()),
            false => self.selected,
        };
        if let Some(selected) = selected {
            for (attribute, number) in self.in_attributes {
                let is_selected = selected.contains(&attribute);
                set(&mut self.influence.influential, number, is_selected);
            }
        }
        self.influence
    }

    fn end_text(&mut self) {
        let text = std::mem::take(&mut self.text);
        match self.not_text {
            _ if text.is_empty() => {}
            // Some parsers see elements in a `noscript`.
            Some("style" | "noscript") => self.css(&text),
            // Values are escaped, so they cannot end a script.
            None | Some("script") => {
                for number in mark_numbers(&text) {
                    set(&mut self.influence.influential, number, false);
                }
            }
            Some(_) => {}
        }
    }

    fn css(&mut self, css: &str) {
        self.influence.in_css.extend(mark_numbers(css));
        match (&mut self.selected, attributes_in_selectors(css)) {
            (Some(selected), Some(more)) => selected.extend(more),
            (selected, _) => *selected = None,
        }
    }

    /// Values have their `>` escaped, so a comment ends early only if a value stands at its own end.
    fn comment(&mut self, text: &str) {
        let count = self.influence.influential.len();
        let inner = match outlook_html(text) {
            Some(html) => {
                let inner = analyse(html, count, true);
                self.influence.in_css.extend(inner.in_css);
                inner.influential
            }
            // The value may be part of the condition.
            None if text.trim_start().starts_with("[if") => return,
            None => vec![false; count],
        };
        for number in mark_numbers(text) {
            let mark = mark(number);
            let after = text.split_once(&mark).map_or("", |(_, after)| after);
            // The beginning decides whether it is a comment at all: `</§>`.
            let may_end = text.starts_with(&mark)
                || after.is_empty()
                || after.starts_with(['-', '>', '!', BEGIN]);
            let is_influential = may_end || inner.get(number) != Some(&false);
            set(&mut self.influence.influential, number, is_influential);
        }
    }

    fn is_neutral(&self, element: &str, attribute: &str) -> bool {
        NEUTRAL_ATTRIBUTES.contains(&attribute)
            || (attribute.starts_with("data-") && !has_reserved(attribute))
            || (attribute == "name" && element == "a")
            // Rules check the sizes of images.
            || (self.in_comment && element != "img")
    }

    fn start_tag(&mut self, tag: &StartTag<'_>) {
        let element = tag.name();
        let marked = tag.attributes().filter(|(_, value)| is_marked(value));
        for (attribute, value) in marked {
            if !self.is_neutral(element, attribute) {
                continue;
            }
            for number in mark_numbers(value) {
                match self.all_unquoted.contains(&number) {
                    true if self.in_comment => continue,
                    true => self.influence.unquoted.push(number),
                    false => {}
                }
                self.in_attributes.push((attribute.to_owned(), number));
            }
        }
        if self.not_text.is_none() {
            self.not_text = NOT_TEXT.into_iter().find(|name| *name == element);
        }
    }
}

fn set(flags: &mut [bool], number: usize, flag: bool) {
    if let Some(slot) = flags.get_mut(number) {
        *slot = flag;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn influence(html: &str) -> CssInfluence {
        css_influence(&html.replace('§', "\u{fdd0}0\u{fdd1}"), 1)
    }

    #[test]
    fn values_that_selectors_or_syntax_depend_on_are_influential() {
        for html in [
            "<style>#a\n{\n color: red;\n}\n</style><p id='§'>x</p>",
            "<style>#a,\r\n.b {color: red}</style><p id='§'>x</p>",
            "<style>/* it's\n don't */ #a {color:red}</style><p id='§'>x</p>",
            "<noscript>it's <style>#a{color:red}</style></noscript><p id='§'>x</p>",
            "<p>a &§; b</p>",
            "<a href='https://x/?a=1&§'>x</a>",
            "<p>&#x§;</p>",
            "<§>x",
            "</§ >",
            "<!-§ x -->",
            "<p data-§='§'>",
            "<!--[if mso]><img src=a width='§'><p class=§><![endif]-->",
        ] {
            assert_eq!(influence(html).influential, [true], "{html}");
        }
        for html in [
            "<style>.a\n{\n color: #222;\n}\n</style><p id='§'>x</p>",
            "<a href='https://x/?a=1&amp;b=§'>x</a>",
            "<p>&amp;§</p>",
            "<p>Hello&nbsp;§</p>",
            "<!--[if mso]><p class='§'><![endif]-->",
        ] {
            assert_eq!(influence(html).influential, [false], "{html}");
        }
    }

    #[test]
    fn finds_attributes_without_quotes() {
        for html in [
            "<a href=§>x",
            "<a class=b HREF = https://x/?a=§&b>x",
            "<a title='x' href=§>",
            "<a href=https://x/?q=\"§\">",
            "<a href=https://x/it's§>",
            "<img src=a alt=10\u{a0}§>",
        ] {
            assert_eq!(influence(html).unquoted, [0], "{html}");
        }
        for html in [
            "<a href='§'>x",
            "<a title=\"Hi b §\">",
            "<a href=\"https://x/?a=§\">",
            "§",
        ] {
            assert_eq!(influence(html).unquoted, [0; 0], "{html}");
        }
    }
}
