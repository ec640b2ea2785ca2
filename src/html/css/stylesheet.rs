//! The rules of a `<style>`, with their places in its text.

use std::ops::Range;

use cssparser::{
    AtRuleParser, BasicParseErrorKind, CowRcStr, ParseError, Parser, ParserState,
    QualifiedRuleParser, StyleSheetParser,
};

use super::declarations::{Declaration, read_declarations, skip_rest};
use super::selector::SourceSelector;

/// The `@` rules that contain rules for elements.
const GROUPING_RULES: [&str; 6] = [
    "media",
    "supports",
    "layer",
    "container",
    "document",
    "-moz-document",
];

#[derive(Debug, Default)]
pub(crate) struct Stylesheet {
    pub(crate) rules: Vec<SourceRule>,
    /// The text after each `@import`.
    pub(crate) imports: Vec<String>,
    /// Whether an `@` rule stands inside another one.
    pub(crate) has_nested_at_rule: bool,
}

/// A rule with selectors. All ranges are bytes of the sheet's text.
#[derive(Debug)]
pub(crate) struct SourceRule {
    /// From its first selector to its closing brace, which may be missing at the end of the text.
    pub(in crate::html) whole: Range<usize>,
    /// Between its braces.
    pub(in crate::html) block: Range<usize>,
    /// Its selectors, split at the commas.
    pub(crate) selectors: Vec<SourceSelector>,
    /// Their values may be empty.
    pub(crate) declarations: Vec<Declaration>,
    /// Whether it applies only under a condition, such as `@media`.
    pub(crate) is_conditional: bool,
    /// Whether it contains other rules.
    pub(in crate::html) has_nested: bool,
}

/// Parses a sheet. What a browser skips is skipped.
pub(crate) fn parse_stylesheet(text: &str) -> Stylesheet {
    let mut collector = Collector {
        length: text.len(),
        sheet: Stylesheet::default(),
        is_conditional: false,
    };
    let mut input = Parser::new(text);
    StyleSheetParser::new(&mut input, &mut collector).for_each(drop);
    collector.sheet
}

struct Collector {
    /// Of the text, in bytes.
    length: usize,
    sheet: Stylesheet,
    is_conditional: bool,
}

/// What begins an `@` rule.
struct AtRule {
    name: String,
    rest: String,
}

impl<'i> AtRuleParser<'i> for Collector {
    type Prelude = AtRule;
    type AtRule = ();
    type Error = ();

    fn parse_prelude(
        &mut self,
        name: CowRcStr<'i>,
        input: &mut Parser<'i>,
    ) -> Result<AtRule, ParseError<()>> {
        let start = input.position();
        skip_rest(input);
        self.sheet.has_nested_at_rule |= self.is_conditional;
        Ok(AtRule {
            name: name.to_ascii_lowercase(),
            rest: input.slice_from(start).trim().to_owned(),
        })
    }

    fn rule_without_block(&mut self, rule: AtRule, _: &ParserState) -> Result<(), ()> {
        if rule.name == "import" {
            self.sheet.imports.push(rule.rest);
        }
        Ok(())
    }

    fn parse_block(
        &mut self,
        rule: AtRule,
        _: &ParserState,
        input: &mut Parser<'i>,
    ) -> Result<(), ParseError<()>> {
        if GROUPING_RULES.contains(&rule.name.as_str()) {
            let outer = std::mem::replace(&mut self.is_conditional, true);
            StyleSheetParser::new(input, self).for_each(drop);
            self.is_conditional = outer;
        } else {
            skip_rest(input);
        }
        Ok(())
    }
}

impl<'i> QualifiedRuleParser<'i> for Collector {
    type Prelude = Vec<SourceSelector>;
    type QualifiedRule = ();
    type Error = ();

    fn parse_prelude(
        &mut self,
        input: &mut Parser<'i>,
    ) -> Result<Vec<SourceSelector>, ParseError<()>> {
        if input.is_exhausted() {
            let kind = BasicParseErrorKind::QualifiedRuleInvalid;
            return Err(ParseError::from_basic_kind(kind));
        }
        input.parse_comma_separated(|input| {
            input.skip_whitespace();
            let start = input.position();
            skip_rest(input);
            Ok(SourceSelector::parse(input.slice_from(start).trim()))
        })
    }

    fn parse_block(
        &mut self,
        selectors: Vec<SourceSelector>,
        start: &ParserState,
        input: &mut Parser<'i>,
    ) -> Result<(), ParseError<()>> {
        let block_start = input.position().byte_index();
        let (declarations, has_nested) = read_declarations(input);
        let block_end = input.position().byte_index();
        self.sheet.rules.push(SourceRule {
            whole: start.position().byte_index()..self.length.min(block_end + 1),
            block: block_start..block_end,
            selectors,
            declarations,
            is_conditional: self.is_conditional,
            has_nested,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_their_places() {
        let text = "@import 'x'; a , b:hover{COLOR:Red!IMPORTANT;x;--Y: 1} {left:0} \
                    @media print{ p { top: 0 } @supports (x) { i{left:1px} } } @font-face{src:x} u{v:w}";
        let Stylesheet { rules, imports, .. } = parse_stylesheet(text);
        assert_eq!(imports, ["'x'"]);
        let summaries: Vec<String> = rules
            .iter()
            .map(|rule| {
                let declarations = rule.declarations.iter().map(|it| {
                    let end = &text[..it.end];
                    assert!(end.ends_with(&it.value), "{end}");
                    format!("{}={}/{}", it.property, it.value, it.important)
                });
                let declarations = declarations.collect::<Vec<_>>().join(" ");
                let selectors: Vec<_> = rule.selectors.iter().map(|it| it.text.as_str()).collect();
                let selectors = selectors.join("|");
                format!(
                    "{} [{selectors}] {declarations} {}",
                    &text[rule.whole.clone()],
                    rule.is_conditional
                )
            })
            .collect();
        assert_eq!(
            summaries,
            [
                "a , b:hover{COLOR:Red!IMPORTANT;x;--Y: 1} [a|b:hover] color=Red/true --Y=1/false false",
                "p { top: 0 } [p] top=0/false true",
                "i{left:1px} [i] left=1px/false true",
                "u{v:w} [u] v=w/false false",
            ]
        );
        assert_eq!(&text[rules[1].block.clone()], " top: 0 ");
    }

    #[test]
    fn nested_rules_are_noticed() {
        let has_nested = |text: &str| parse_stylesheet(text).rules[0].has_nested;
        let has_nested_at_rule = |text: &str| parse_stylesheet(text).has_nested_at_rule;
        assert!(has_nested("a{color:red; &:hover{color:blue}}"));
        assert!(!has_nested("a{color:red; *zoom:1; broken}"));
        assert!(has_nested_at_rule("@media x { @font-face { src: y } }"));
        assert!(!has_nested_at_rule(
            "@media x { a { top: 0 } } @font-face { src: y }"
        ));
    }
}
