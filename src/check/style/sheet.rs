//! What a `<style>` holds for all clients.

use cssparser::{
    AtRuleParser, BasicParseErrorKind, CowRcStr, ParseError, Parser, ParserState,
    QualifiedRuleParser, StyleSheetParser,
};

use super::{Style, drain};

/// Something in a `<style>`.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Item {
    /// `SELECTOR { … }`, the selector as it is written.
    Rule { selector: String, style: Style },
    /// `@import …`, with what follows the word.
    Import(String),
}

/// Reads a `<style>`.
pub(in super::super) fn items(text: &str) -> Vec<Item> {
    let mut input = Parser::new(text);
    StyleSheetParser::new(&mut input, &mut Sheet)
        .flatten()
        .flatten()
        .collect()
}

/// Reads a `<style>`.
struct Sheet;

impl<'i> AtRuleParser<'i> for Sheet {
    type Prelude = Option<String>;
    type AtRule = Option<Item>;
    type Error = ();

    fn parse_prelude(
        &mut self,
        name: CowRcStr<'i>,
        input: &mut Parser<'i>,
    ) -> Result<Self::Prelude, ParseError<()>> {
        let start = input.position();
        drain(input);
        let import = name.eq_ignore_ascii_case("import");
        Ok(import.then(|| input.slice_from(start).trim().to_owned()))
    }

    fn rule_without_block(
        &mut self,
        import: Self::Prelude,
        _start: &ParserState,
    ) -> Result<Option<Item>, ()> {
        Ok(import.map(Item::Import))
    }

    fn parse_block(
        &mut self,
        _import: Self::Prelude,
        _start: &ParserState,
        input: &mut Parser<'i>,
    ) -> Result<Option<Item>, ParseError<()>> {
        drain(input);
        Ok(None)
    }
}

impl<'i> QualifiedRuleParser<'i> for Sheet {
    type Prelude = String;
    type QualifiedRule = Option<Item>;
    type Error = ();

    fn parse_prelude(&mut self, input: &mut Parser<'i>) -> Result<String, ParseError<()>> {
        let start = input.position();
        drain(input);
        let selector = input.slice_from(start).trim();
        if selector.is_empty() {
            return Err(ParseError::from_basic_kind(
                BasicParseErrorKind::QualifiedRuleInvalid,
            ));
        }
        Ok(selector.to_owned())
    }

    fn parse_block(
        &mut self,
        selector: String,
        _start: &ParserState,
        input: &mut Parser<'i>,
    ) -> Result<Option<Item>, ParseError<()>> {
        let style = Style::read(input);
        Ok(Some(Item::Rule { selector, style }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stylesheet_is_what_holds_for_all() {
        let text = "@charset \"utf-8\"; @import url(a.css) screen; <!-- a:hover , b { color: red } -->\
                    @media print { i { color: blue } } @font-face { src: url(x) } } u { top: 0 }";
        let items = items(text);
        let selectors: Vec<_> = items
            .iter()
            .map(|item| match item {
                Item::Rule { selector, style } => {
                    format!("{selector} {}", style.declarations.len())
                }
                Item::Import(what) => format!("@{what}"),
            })
            .collect();
        assert_eq!(selectors[..2], ["@url(a.css) screen", "a:hover , b 1"]);
        assert!(
            !selectors.iter().any(|it| it.starts_with('i')),
            "{selectors:?}"
        );
    }
}
