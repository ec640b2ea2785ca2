//! Matches selectors against the elements of a page, as far as that is possible without a browser.

use std::collections::HashSet;

use cssparser::{ParseError, Parser, Token};

use super::super::page::{Element, Page};
use super::{lower, skip_rest};

/// Matches selectors against the elements of a page.
#[derive(Debug)]
pub(crate) struct SelectorMatcher<'a> {
    page: &'a Page,
    /// The names, `#ids` and `.classes` of all elements.
    names: HashSet<String>,
}

/// A selector without commas.
#[derive(Debug, Default)]
struct Selector {
    /// Its compound selectors, the last one for the element itself, each with the combinator before it.
    parts: Vec<(Combinator, CompoundSelector)>,
    /// Whether it is for a state other than the initial one, such as `:hover`.
    has_state: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Combinator {
    #[default]
    Descendant,
    Child,
    /// `+` or `~`, which are not checked.
    Sibling,
}

/// The conditions for one element.
#[derive(Debug, Default)]
struct CompoundSelector {
    name: Option<String>,
    id: Option<String>,
    classes: Vec<String>,
    attributes: Vec<String>,
}

impl<'a> SelectorMatcher<'a> {
    pub(crate) fn new(page: &'a Page) -> Self {
        let mut names = HashSet::new();
        for (_, element) in page.elements() {
            names.insert(element.name.clone());
            names.extend(element.get("id").map(|id| format!("#{id}")));
            names.extend(classes(element).map(|class| format!(".{class}")));
        }
        Self { page, names }
    }

    /// Whether one of a rule's selectors may match an element, in some state. Selectors that cannot be
    /// read may match.
    pub(crate) fn may_match(&self, selectors: &str) -> bool {
        self.any(selectors, |_| true)
    }

    /// Whether one of them may match an element in its initial state.
    pub(crate) fn may_match_initially(&self, selectors: &str) -> bool {
        self.any(selectors, |selector| !selector.has_state)
    }

    fn any(&self, selectors: &str, filter: impl Fn(&Selector) -> bool) -> bool {
        let mut input = Parser::new(selectors);
        let list = input.parse_comma_separated(|input| {
            let selector = Selector::parse(input);
            skip_rest(input);
            Ok::<_, ParseError<()>>(
                selector.is_none_or(|selector| filter(&selector) && self.matches(&selector)),
            )
        });
        list.map_or(true, |matches| matches.contains(&true))
    }

    fn matches(&self, selector: &Selector) -> bool {
        let parts = &selector.parts;
        parts.iter().all(|(_, part)| self.has_names(part))
            && (self.page.elements()).any(|(index, _)| self.matches_at(parts, index))
    }

    /// Whether elements have the names of a compound selector. This rules most selectors out quickly.
    fn has_names(&self, part: &CompoundSelector) -> bool {
        let mut classes = part.classes.iter();
        let has = |name: &str| self.names.contains(name);
        part.name.as_ref().is_none_or(|name| has(name))
            && part.id.as_ref().is_none_or(|id| has(&format!("#{id}")))
            && classes.all(|class| has(&format!(".{class}")))
    }

    fn matches_at(&self, parts: &[(Combinator, CompoundSelector)], index: usize) -> bool {
        let Some(((combinator, part), before)) = parts.split_last() else {
            return true;
        };
        if !self.page.element(index).is_some_and(|it| part.matches(it)) {
            return false;
        }
        let mut ancestors = self.page.ancestors(index);
        let mut matches_before = |(index, _)| self.matches_at(before, index);
        before.is_empty()
            || match combinator {
                Combinator::Descendant => ancestors.any(matches_before),
                Combinator::Child => ancestors.next().is_some_and(&mut matches_before),
                Combinator::Sibling => true,
            }
    }
}

impl Selector {
    /// `None` if it has parts that cannot be matched here.
    fn parse(input: &mut Parser<'_>) -> Option<Self> {
        let mut selector = Self::default();
        let mut part = CompoundSelector::default();
        let mut combinator = Combinator::default();
        let mut next = None;
        input.skip_whitespace();
        while let Ok(token) = input.next_including_whitespace().cloned() {
            let found = match token {
                Token::WhiteSpace(_) => Some(next.unwrap_or_default()),
                Token::Delim('>') => Some(Combinator::Child),
                Token::Delim('+' | '~') => Some(Combinator::Sibling),
                _ => None,
            };
            if found.is_some() {
                next = found;
                continue;
            }
            if let Some(next) = next.take() {
                selector.parts.push((combinator, std::mem::take(&mut part)));
                combinator = next;
            }
            match token {
                Token::Ident(name) => part.name = Some(lower(&name)),
                Token::IDHash(name) => part.id = Some(name.to_string()),
                Token::Delim('.') => part.classes.push(input.expect_ident().ok()?.to_string()),
                Token::Delim('*') => {}
                Token::SquareBracketBlock => {
                    part.attributes
                        .push(input.parse_nested_block(attribute).ok()?);
                }
                Token::Colon => selector.has_state |= is_state(input)?,
                _ => return None,
            }
        }
        selector.parts.push((combinator, part));
        Some(selector)
    }
}

impl CompoundSelector {
    fn matches(&self, element: &Element) -> bool {
        let mut attributes = self.attributes.iter();
        self.name.as_ref().is_none_or(|name| *name == element.name)
            && self
                .id
                .as_ref()
                .is_none_or(|id| element.get("id") == Some(id))
            && attributes.all(|name| element.has(name))
            && (self.classes.iter()).all(|class| classes(element).any(|it| it == class))
    }
}

fn classes(element: &Element) -> impl Iterator<Item = &str> {
    let classes = element.get("class").unwrap_or_default();
    classes.split_ascii_whitespace()
}

fn attribute(input: &mut Parser<'_>) -> Result<String, ParseError<()>> {
    let name = lower(input.expect_ident()?);
    skip_rest(input);
    Ok(name)
}

/// Whether a pseudo-class is for a state other than the initial one. Its arguments are not checked.
fn is_state(input: &mut Parser<'_>) -> Option<bool> {
    let _ = input.try_parse(Parser::expect_colon);
    match input.next().ok()?.clone() {
        Token::Function(_) => {
            let skipped: Result<(), ParseError<()>> = input.parse_nested_block(|arguments| {
                skip_rest(arguments);
                Ok(())
            });
            skipped.ok().map(|()| false)
        }
        Token::Ident(name) => Some(matches!(
            &*lower(&name),
            "hover" | "active" | "focus" | "focus-within" | "focus-visible" | "visited"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn selectors_match_existing_elements_only() {
        let html = "<body class='body Big'><p id=a class=t><a href=x>y</a></p></body>";
        let page = Page::parse(html, &Clock::system());
        let matcher = SelectorMatcher::new(&page);
        for selector in [
            "p",
            "P a",
            ".t > a:hover",
            "#a",
            "[href^='x']",
            "*",
            "b, p",
            "p:not(.gone) a::before",
            ".Big",
            "p:nth-child(2n+1)",
            "body p a",
            "body > p>a",
            "p.t#a",
            "p + a",
            " p ",
            "%",
        ] {
            assert!(matcher.may_match(selector), "{selector}");
        }
        for selector in [
            "[data-ogsc] .t",
            "u + .body .t",
            "a[x-apple-data-detectors]",
            "#outlook a",
            ".moz-text-html .t",
            ".gone, b",
            "p#b",
            ".big",
            "body > a",
            "a p",
            "p.Big",
            ".t .t",
        ] {
            assert!(!matcher.may_match(selector), "{selector}");
        }
    }

    #[test]
    fn rules_for_other_states_do_not_match_initially() {
        let page = Page::parse("<p><a href=x>y</a></p>", &Clock::system());
        let matcher = SelectorMatcher::new(&page);
        for selector in ["a:hover", "a:visited, b", "p:ACTIVE a"] {
            assert!(matcher.may_match(selector), "{selector}");
            assert!(!matcher.may_match_initially(selector), "{selector}");
        }
        assert!(matcher.may_match_initially("a:hover, a:link"));
    }
}
