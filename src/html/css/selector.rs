//! The selectors of a sheet, and the elements they match.

use std::collections::HashMap;

use cssparser::{ParseError, Parser, Token};
use html5ever::ParseOpts;
use html5ever::tendril::TendrilSink;
use html5ever::tree_builder::{QuirksMode as DocumentMode, TreeBuilderOpts};
use scraper::selector::Simple;
use scraper::{ElementRef, Html, HtmlTreeSink};
use selectors::matching::{
    MatchingContext, MatchingForInvalidation, MatchingMode, NeedsSelectorFlags, QuirksMode,
    SelectorCaches, matches_selector,
};
use selectors::parser::{ParseRelative, Selector, SelectorList};

/// The pseudo-classes for states that an element is not in at first, or may leave.
const STATES: [&str; 17] = [
    "hover",
    "active",
    "focus",
    "focus-within",
    "focus-visible",
    "visited",
    "checked",
    "target",
    "enabled",
    "disabled",
    "indeterminate",
    "required",
    "optional",
    "valid",
    "invalid",
    "placeholder-shown",
    "default",
];
/// The pseudo-elements that every browser knows.
const PSEUDO_ELEMENTS: [&str; 7] = [
    "before",
    "after",
    "first-line",
    "first-letter",
    "selection",
    "placeholder",
    "marker",
];

/// A selector without commas.
#[derive(Debug)]
pub(crate) struct SourceSelector {
    pub(crate) text: String,
    /// The selector without states and pseudo-elements. If it is missing, the selector may match any
    /// element with the key.
    pattern: Option<SelectorList<Simple>>,
    /// Its last compound selector, which is for the element itself.
    subject: Option<SelectorList<Simple>>,
    /// A name that each element it matches has: `#id`, `.class` or an element's name, in lower case.
    key: Option<String>,
    /// As the selectors crate counts it: IDs, classes and elements in ten bits each.
    pub(in crate::html) specificity: u32,
    /// Whether it matches an element in some states only.
    pub(crate) has_state: bool,
    pub(in crate::html) is_pseudo_element: bool,
    /// Whether every browser knows all its parts. Browsers skip a rule with a part that they don't know.
    pub(in crate::html) is_known: bool,
}

impl SourceSelector {
    pub(super) fn parse(text: &str) -> Self {
        let mut reader = Reader::default();
        let is_read = reader.read(&mut Parser::new(text)).is_some();
        let pattern = parse_list(&reader.pattern).filter(|_| is_read);
        let first = pattern.as_ref().and_then(|list| list.slice().first());
        let specificity = first.map_or(0, Selector::specificity);
        let states = (reader.states << 10) + u32::from(reader.is_pseudo_element);
        Self {
            text: text.to_owned(),
            is_known: pattern.is_some(),
            pattern,
            subject: parse_list(&reader.subject),
            key: reader.key.map(|(_, key)| key),
            specificity: specificity + states,
            has_state: reader.states > 0,
            is_pseudo_element: reader.is_pseudo_element,
        }
    }
}

fn parse_list(text: &str) -> Option<SelectorList<Simple>> {
    let mut input = Parser::new(text);
    SelectorList::parse(&scraper::selector::Parser, &mut input, ParseRelative::No).ok()
}

/// Takes a selector apart.
#[derive(Default)]
struct Reader {
    pattern: String,
    subject: String,
    /// Whether anything was read since the last combinator.
    in_compound: bool,
    /// The key of the last compound selector, with its rank.
    key: Option<(u8, String)>,
    states: u32,
    is_pseudo_element: bool,
}

impl Reader {
    fn read(&mut self, input: &mut Parser<'_>) -> Option<()> {
        loop {
            let start = input.position();
            let Ok(token) = input.next_including_whitespace().cloned() else {
                break;
            };
            match token {
                Token::WhiteSpace(_) | Token::Delim('>' | '+' | '~') => {
                    self.end_compound();
                    self.pattern.push_str(input.slice_from(start));
                    continue;
                }
                Token::Colon => {
                    self.in_compound = true;
                    if let Some(text) = self.pseudo(input)? {
                        self.push(&text);
                    }
                    continue;
                }
                Token::IDHash(ref name) => self.offer_key(3, &format!("#{name}")),
                Token::Delim('.') => {
                    let name = input.expect_ident().ok()?.to_string();
                    self.offer_key(2, &format!(".{name}"));
                }
                Token::Ident(ref name) => self.offer_key(1, name),
                Token::SquareBracketBlock => skip_block(input),
                Token::Delim('*') => {}
                _ => return None,
            }
            self.push(input.slice_from(start));
        }
        if self.subject.is_empty() && self.in_compound {
            self.push("*");
        }
        self.in_compound.then_some(())
    }

    fn end_compound(&mut self) {
        // `a :hover`: what is left of the compound selector matches every element.
        if self.in_compound && self.subject.is_empty() {
            self.pattern.push('*');
        }
        self.in_compound = false;
        self.subject.clear();
        self.key = None;
    }

    fn push(&mut self, text: &str) {
        self.in_compound = true;
        self.pattern.push_str(text);
        self.subject.push_str(text);
    }

    fn offer_key(&mut self, rank: u8, key: &str) {
        if self.key.as_ref().is_none_or(|(best, _)| *best < rank) {
            self.key = Some((rank, key.to_lowercase()));
        }
    }

    /// What stands in the pattern for a pseudo-class or pseudo-element.
    fn pseudo(&mut self, input: &mut Parser<'_>) -> Option<Option<String>> {
        let is_double = input.try_parse(Parser::expect_colon).is_ok();
        let start = input.position();
        let token = input.next().ok()?.clone();
        match token {
            Token::Ident(name) => {
                let name = name.to_ascii_lowercase();
                if PSEUDO_ELEMENTS.contains(&name.as_str()) {
                    self.is_pseudo_element = true;
                    return Some(None);
                }
                if is_double {
                    self.is_pseudo_element = true;
                    return None;
                }
                if STATES.contains(&name.as_str()) {
                    self.states += 1;
                    return Some(None);
                }
                Some(Some(match name.as_str() {
                    "link" | "any-link" => "[href]".to_owned(),
                    _ => format!(":{name}"),
                }))
            }
            Token::Function(_) if !is_double => {
                skip_block(input);
                Some(Some(format!(":{}", input.slice_from(start))))
            }
            _ => None,
        }
    }
}

fn skip_block(input: &mut Parser<'_>) {
    let _: Result<(), ParseError<()>> = input.parse_nested_block(|input| {
        while input.next().is_ok() {}
        Ok(())
    });
}

/// Parses a page as a client without scripts does.
pub(crate) fn parse_document(html: &str) -> Html {
    let options = ParseOpts {
        tree_builder: TreeBuilderOpts {
            scripting_enabled: false,
            ..TreeBuilderOpts::default()
        },
        ..ParseOpts::default()
    };
    html5ever::parse_document(HtmlTreeSink::new(Html::new_document()), options).one(html)
}

/// The elements of a document, in its order.
pub(crate) struct Elements<'a> {
    pub(in crate::html) elements: Vec<ElementRef<'a>>,
    by_key: HashMap<String, Vec<usize>>,
    mode: QuirksMode,
}

impl<'a> Elements<'a> {
    pub(crate) fn of(document: &'a Html) -> Self {
        let nodes = document.root_element().descendants();
        let elements: Vec<ElementRef<'a>> = nodes.filter_map(ElementRef::wrap).collect();
        let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, element) in elements.iter().enumerate() {
            let element = element.value();
            let classes = element.classes().map(|class| format!(".{class}"));
            let names = std::iter::once(element.name().to_owned())
                .chain(element.id().map(|id| format!("#{id}")))
                .chain(classes);
            for name in names {
                by_key.entry(name.to_lowercase()).or_default().push(index);
            }
        }
        Self {
            elements,
            by_key,
            mode: match document.quirks_mode {
                DocumentMode::Quirks => QuirksMode::Quirks,
                DocumentMode::LimitedQuirks => QuirksMode::LimitedQuirks,
                DocumentMode::NoQuirks => QuirksMode::NoQuirks,
            },
        }
    }

    /// Whether a selector matches an element in some state. One that can't be read may match.
    pub(crate) fn may_match(&self, selector: &SourceSelector) -> bool {
        !self.matching(selector).is_empty()
    }

    /// The elements that a selector matches, whatever their states.
    pub(in crate::html) fn matching(&self, selector: &SourceSelector) -> Vec<usize> {
        self.matching_list(selector.pattern.as_ref(), selector.key.as_deref())
    }

    /// The elements that a selector may match after a mail client has changed the elements around them.
    pub(in crate::html) fn matching_subject(&self, selector: &SourceSelector) -> Vec<usize> {
        self.matching_list(selector.subject.as_ref(), selector.key.as_deref())
    }

    fn matching_list(&self, list: Option<&SelectorList<Simple>>, key: Option<&str>) -> Vec<usize> {
        let mut caches = SelectorCaches::default();
        let mut context = MatchingContext::new(
            MatchingMode::Normal,
            None,
            &mut caches,
            self.mode,
            NeedsSelectorFlags::No,
            MatchingForInvalidation::No,
        );
        let mut matches = |index: &usize| {
            let element = &self.elements[*index];
            list.is_none_or(|list| {
                let mut selectors = list.slice().iter();
                selectors.any(|it| matches_selector(it, 0, None, element, &mut context))
            })
        };
        match key {
            Some(key) => {
                let candidates = self.by_key.get(key).into_iter().flatten().copied();
                candidates.filter(|index| matches(index)).collect()
            }
            None => (0..self.elements.len())
                .filter(|index| matches(index))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_taken_apart() {
        let specificity = |text: &str| SourceSelector::parse(text).specificity;
        for (text, expected) in [
            ("a", 1),
            (".x", 1 << 10),
            ("#x .y a", (1 << 20) + (1 << 10) + 1),
            ("a:hover", (1 << 10) + 1),
            ("p::before", 2),
            ("p:first-line", 2),
            ("a:link", (1 << 10) + 1),
            ("*", 0),
            (":hover", 1 << 10),
            ("p :hover > b", (1 << 10) + 2),
            ("a:not(.x)", (1 << 10) + 1),
            ("td[class='a b']:first-child", (2 << 10) + 1),
        ] {
            assert_eq!(specificity(text), expected, "{text}");
        }
        for unknown in [
            "a::-moz-x",
            "p:-webkit-autofill",
            "a:not(:hover)",
            "%",
            "a >",
        ] {
            assert!(!SourceSelector::parse(unknown).is_known, "{unknown}");
        }
    }

    #[test]
    fn selectors_match_elements() {
        let html = "<!DOCTYPE html><body class='Body'><p id=A class=t>\
                    <a href=x>y</a><i></i><b></b></p><p>z</p></body>";
        let document = Html::parse_document(html);
        let elements = Elements::of(&document);
        let names = |selector: &str| -> String {
            let selector = SourceSelector::parse(selector);
            let found = elements.matching(&selector);
            let names = found.iter().map(|it| elements.elements[*it].value().name());
            names.collect::<Vec<_>>().join(" ")
        };
        for (selector, expected) in [
            ("p", "p p"),
            ("P.t", "p"),
            (".Body > p", "p p"),
            (".body", ""),
            ("body > a", ""),
            ("u + .Body .t", ""),
            (".t .t", ""),
            ("[href^='x']", "a"),
            ("p:not(.gone) a::before", "a"),
            ("a::-moz-x", "a"),
            ("#A :hover", "a i b"),
            ("body :hover > b", "b"),
            (":hover > b", "b"),
            ("body > :focus b", "b"),
            ("a:link:hover", "a"),
            ("i + b", "b"),
            ("p:first-child", "p"),
            ("p:not(.t)", "p"),
            (":root", "html"),
            ("[data-x] p", ""),
            ("a::after", "a"),
        ] {
            assert_eq!(names(selector), expected, "{selector}");
        }
        let selector = SourceSelector::parse("[data-ogsc] .t");
        assert_eq!(elements.matching_subject(&selector).len(), 1);
    }
}
