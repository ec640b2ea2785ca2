//! Which elements a selector could be about.

use std::collections::HashSet;

use cssparser::{ParseError, Parser, Token};

use super::super::page::Page;
use super::{drain, lower};

/// What the elements of a page have that selectors name.
#[derive(Debug, Default)]
pub(in super::super) struct Named(HashSet<String>);

impl Named {
    /// What those of a page have.
    pub(in super::super) fn of(page: &Page) -> Self {
        let mut named = HashSet::new();
        for (_, element) in page.elements() {
            named.insert(element.name.clone());
            for (name, value) in &element.attributes {
                named.insert(format!("[{name}"));
                match name.as_str() {
                    "id" => {
                        named.insert(format!("#{value}"));
                    }
                    "class" => {
                        let classes = value.split_ascii_whitespace();
                        named.extend(classes.map(|class| format!(".{class}")));
                    }
                    _ => {}
                }
            }
        }
        Self(named)
    }

    /// Whether one of the selectors of a rule may fit an element: there are elements with all that
    /// it names, if not in that order.
    pub(in super::super) fn may_fit(&self, selectors: &str) -> bool {
        let mut input = Parser::new(selectors);
        let list = input.parse_comma_separated(|one| {
            let fits = needed(one).is_none_or(|names| names.iter().all(|it| self.0.contains(it)));
            drain(one);
            Ok::<_, ParseError<()>>(fits)
        });
        list.map_or(true, |fits| fits.contains(&true))
    }
}

/// What a selector names: `p`, `.class`, `#id` and `[attribute`. Nothing if that can't be told.
fn needed(input: &mut Parser<'_>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    while let Ok(token) = input.next() {
        match token.clone() {
            Token::Ident(name) => names.push(lower(&name)),
            Token::IDHash(name) => names.push(format!("#{name}")),
            Token::Delim('.') => names.push(format!(".{}", input.expect_ident().ok()?)),
            Token::SquareBracketBlock => names.push(input.parse_nested_block(attribute).ok()?),
            // What a pseudo-class asks for is not looked at.
            Token::Colon => {
                let _ = input.try_parse(Parser::expect_colon);
                match input.next().ok()?.clone() {
                    Token::Function(_) => skip(input),
                    Token::Ident(_) => {}
                    _ => return None,
                }
            }
            Token::Function(_) => skip(input),
            Token::Delim('*' | '>' | '+' | '~') => {}
            _ => return None,
        }
    }
    Some(names)
}

fn attribute(input: &mut Parser<'_>) -> Result<String, ParseError<()>> {
    let name = lower(input.expect_ident()?);
    drain(input);
    Ok(format!("[{name}"))
}

fn skip(input: &mut Parser<'_>) {
    let _: Result<(), ParseError<()>> = input.parse_nested_block(|inner| {
        drain(inner);
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn selectors_of_what_is_not_there_fit_nothing() {
        let html = "<body class='body Big'><p id=a class=t><a href=x>y</a></p></body>";
        let named = Named::of(&Page::parse(html, &Clock::system()));
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
        ] {
            assert!(!named.may_fit(selector), "{selector}");
        }
    }
}
