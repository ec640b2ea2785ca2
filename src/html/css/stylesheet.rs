//! The content of a `<style>` that applies in every client.

use cssparser::{
    AtRuleParser, BasicParseErrorKind, CowRcStr, ParseError, Parser, ParserState,
    QualifiedRuleParser, StyleSheetParser,
};

use super::{Style, skip_rest};

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StylesheetItem {
    /// `SELECTOR { … }`
    Rule { selector: String, style: Style },
    /// The text after `@import`.
    Import(String),
}

pub(crate) fn parse_stylesheet(text: &str) -> Vec<StylesheetItem> {
    let mut input = Parser::new(text);
    StyleSheetParser::new(&mut input, &mut RuleParser)
        .flatten()
        .flatten()
        .collect()
}

struct RuleParser;

impl<'i> AtRuleParser<'i> for RuleParser {
    type Prelude = Option<String>;
    type AtRule = Option<StylesheetItem>;
    type Error = ();

    fn parse_prelude(
        &mut self,
        name: CowRcStr<'i>,
        input: &mut Parser<'i>,
    ) -> Result<Self::Prelude, ParseError<()>> {
        let start = input.position();
        skip_rest(input);
        let import = name.eq_ignore_ascii_case("import");
        Ok(import.then(|| input.slice_from(start).trim().to_owned()))
    }

    fn rule_without_block(
        &mut self,
        import: Self::Prelude,
        _start: &ParserState,
    ) -> Result<Option<StylesheetItem>, ()> {
        Ok(import.map(StylesheetItem::Import))
    }

    fn parse_block(
        &mut self,
        _import: Self::Prelude,
        _start: &ParserState,
        input: &mut Parser<'i>,
    ) -> Result<Option<StylesheetItem>, ParseError<()>> {
        skip_rest(input);
        Ok(None)
    }
}

impl<'i> QualifiedRuleParser<'i> for RuleParser {
    type Prelude = String;
    type QualifiedRule = Option<StylesheetItem>;
    type Error = ();

    fn parse_prelude(&mut self, input: &mut Parser<'i>) -> Result<String, ParseError<()>> {
        let start = input.position();
        skip_rest(input);
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
    ) -> Result<Option<StylesheetItem>, ParseError<()>> {
        let style = Style::read(input);
        Ok(Some(StylesheetItem::Rule { selector, style }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_rules_for_some_clients() {
        let text = "@charset \"utf-8\"; @import url(a.css) screen; <!-- a:hover , b { color: red } -->\
                    @media print { i { color: blue } } @font-face { src: url(x) } } u { top: 0 }";
        let items = parse_stylesheet(text);
        let selectors: Vec<_> = items
            .iter()
            .map(|item| match item {
                StylesheetItem::Rule { selector, style } => {
                    format!("{selector} {}", style.declarations.len())
                }
                StylesheetItem::Import(what) => format!("@{what}"),
            })
            .collect();
        assert_eq!(selectors[..2], ["@url(a.css) screen", "a:hover , b 1"]);
        assert!(
            !selectors.iter().any(|it| it.starts_with('i')),
            "{selectors:?}"
        );
    }
}
