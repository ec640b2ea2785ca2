//! Which elements a selector is about, as far as that can be told without asking a browser.

use std::collections::HashSet;

use cssparser::{ParseError, Parser, Token};

use super::super::page::{Element, Page};
use super::{drain, lower};

/// A page, and what its elements have that selectors name.
#[derive(Debug)]
pub(in super::super) struct Named<'a> {
    page: &'a Page,
    all: HashSet<String>,
}

/// A selector without commas.
#[derive(Debug, Default)]
struct Selector {
    /// What it asks of the element and of those around it, from the outermost to the element itself, each
    /// with how it stands to the one before it.
    parts: Vec<(Stands, Compound)>,
    /// Whether it is for a state that is not the first: under the pointer, visited and the like.
    state: bool,
}

/// How an element stands to another that is named before it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stands {
    #[default]
    Inside,
    RightInside,
    /// Beside it: that is not looked at.
    Beside,
}

/// What is asked of one element.
#[derive(Debug, Default)]
struct Compound {
    name: Option<String>,
    id: Option<String>,
    classes: Vec<String>,
    attributes: Vec<String>,
}

impl<'a> Named<'a> {
    /// That of a page.
    pub(in super::super) fn of(page: &'a Page) -> Self {
        let mut all = HashSet::new();
        for (_, element) in page.elements() {
            all.insert(element.name.clone());
            all.extend(element.get("id").map(|id| format!("#{id}")));
            all.extend(classes(element).map(|class| format!(".{class}")));
        }
        Self { page, all }
    }

    /// Whether one of the selectors of a rule may fit an element, in some state.
    pub(in super::super) fn may_fit(&self, selectors: &str) -> bool {
        self.any(selectors, |_| true)
    }

    /// Whether one of them may fit an element as it is seen at first.
    pub(in super::super) fn may_fit_at_first(&self, selectors: &str) -> bool {
        self.any(selectors, |selector| !selector.state)
    }

    fn any(&self, selectors: &str, wanted: impl Fn(&Selector) -> bool) -> bool {
        let mut input = Parser::new(selectors);
        let list = input.parse_comma_separated(|one| {
            let fits = match Selector::read(one) {
                Some(selector) => wanted(&selector) && self.fits(&selector),
                None => true,
            };
            drain(one);
            Ok::<_, ParseError<()>>(fits)
        });
        list.map_or(true, |fits| fits.contains(&true))
    }

    fn fits(&self, selector: &Selector) -> bool {
        let parts = &selector.parts;
        parts.iter().all(|(_, part)| self.has(part))
            && self.page.elements().any(|(at, _)| self.fits_at(parts, at))
    }

    /// Whether there are elements with the names of a part.
    fn has(&self, part: &Compound) -> bool {
        let mut classes = part.classes.iter();
        part.name
            .as_ref()
            .is_none_or(|name| self.all.contains(name))
            && part
                .id
                .as_ref()
                .is_none_or(|id| self.all.contains(&format!("#{id}")))
            && classes.all(|class| self.all.contains(&format!(".{class}")))
    }

    fn fits_at(&self, parts: &[(Stands, Compound)], at: usize) -> bool {
        let Some(((stands, part), before)) = parts.split_last() else {
            return true;
        };
        if !self.page.element(at).is_some_and(|it| part.fits(it)) {
            return false;
        }
        let mut around = self.page.ancestors(at);
        before.is_empty()
            || match stands {
                Stands::Inside => around.any(|(at, _)| self.fits_at(before, at)),
                Stands::RightInside => around
                    .next()
                    .is_some_and(|(at, _)| self.fits_at(before, at)),
                Stands::Beside => true,
            }
    }
}

impl Selector {
    /// Nothing if what it asks for can't be told.
    fn read(input: &mut Parser<'_>) -> Option<Self> {
        let mut selector = Self::default();
        let mut part = Compound::default();
        let mut stands = Stands::default();
        let mut next = None;
        input.skip_whitespace();
        while let Ok(token) = input.next_including_whitespace().cloned() {
            let combinator = match token {
                Token::WhiteSpace(_) => Some(next.unwrap_or_default()),
                Token::Delim('>') => Some(Stands::RightInside),
                Token::Delim('+' | '~') => Some(Stands::Beside),
                _ => None,
            };
            if combinator.is_some() {
                next = combinator;
                continue;
            }
            if let Some(next) = next.take() {
                selector.parts.push((stands, std::mem::take(&mut part)));
                stands = next;
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
                Token::Colon => selector.state |= pseudo(input)?,
                _ => return None,
            }
        }
        selector.parts.push((stands, part));
        Some(selector)
    }
}

impl Compound {
    fn fits(&self, element: &Element) -> bool {
        let mut attributes = self.attributes.iter();
        self.name.as_ref().is_none_or(|name| *name == element.name)
            && self
                .id
                .as_ref()
                .is_none_or(|id| element.get("id") == Some(id))
            && attributes.all(|name| element.has(name))
            && self
                .classes
                .iter()
                .all(|class| classes(element).any(|own| own == class))
    }
}

fn classes(element: &Element) -> impl Iterator<Item = &str> {
    let classes = element.get("class").unwrap_or_default();
    classes.split_ascii_whitespace()
}

fn attribute(input: &mut Parser<'_>) -> Result<String, ParseError<()>> {
    let name = lower(input.expect_ident()?);
    drain(input);
    Ok(name)
}

/// Whether a pseudo-class is for a state that is not the first. What else it asks for is not looked at.
fn pseudo(input: &mut Parser<'_>) -> Option<bool> {
    let _ = input.try_parse(Parser::expect_colon);
    let states = [
        "hover",
        "active",
        "focus",
        "focus-within",
        "focus-visible",
        "visited",
    ];
    match input.next().ok()?.clone() {
        Token::Function(_) => {
            let skipped: Result<(), ParseError<()>> = input.parse_nested_block(|inner| {
                drain(inner);
                Ok(())
            });
            skipped.ok().map(|()| false)
        }
        Token::Ident(name) => Some(states.contains(&&*lower(&name))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn selectors_of_what_is_not_there_fit_nothing() {
        let html = "<body class='body Big'><p id=a class=t><a href=x>y</a></p></body>";
        let page = Page::parse(html, &Clock::system());
        let named = Named::of(&page);
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
            assert!(named.may_fit(selector), "{selector}");
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
            assert!(!named.may_fit(selector), "{selector}");
        }
    }

    #[test]
    fn what_is_for_another_state_is_not_seen_at_first() {
        let page = Page::parse("<p><a href=x>y</a></p>", &Clock::system());
        let named = Named::of(&page);
        for selector in ["a:hover", "a:visited, b", "p:ACTIVE a"] {
            assert!(named.may_fit(selector), "{selector}");
            assert!(!named.may_fit_at_first(selector), "{selector}");
        }
        assert!(named.may_fit_at_first("a:hover, a:link"));
    }
}
