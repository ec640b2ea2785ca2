//! The rules of a `<style>`, with their places in its text.

use std::ops::Range;

use cssparser::{
    AtRuleParser, CowRcStr, ParseError, Parser, ParserState, QualifiedRuleParser, StyleSheetParser,
};

use crate::html::css::{SourceDeclaration, read_declarations, skip_rest};

/// The `@` rules that contain rules for elements.
const GROUPING_RULES: [&str; 6] = [
    "media",
    "supports",
    "layer",
    "container",
    "document",
    "-moz-document",
];

/// A rule with selectors. All ranges are bytes of the sheet's text.
#[derive(Debug)]
pub(super) struct SourceRule {
    /// From its first selector to its closing brace, which may be missing at the end of the text.
    pub(super) whole: Range<usize>,
    /// Between its braces.
    pub(super) block: Range<usize>,
    /// Its selectors, split at the commas.
    pub(super) selectors: Vec<String>,
    pub(super) declarations: Vec<SourceDeclaration>,
    /// Whether it applies only under a condition, such as `@media`.
    pub(super) is_conditional: bool,
    /// Whether it contains other rules.
    pub(super) has_nested: bool,
}

/// Parses a sheet. What a browser skips is skipped.
pub(super) fn parse_rules(text: &str) -> Vec<SourceRule> {
    Collector::read(text).rules
}

/// Whether an `@` rule stands inside another one.
pub(crate) fn has_nested_at_rule(text: &str) -> bool {
    Collector::read(text).has_nested_at_rule
}

struct Collector {
    /// Of the text, in bytes.
    length: usize,
    rules: Vec<SourceRule>,
    is_conditional: bool,
    has_nested_at_rule: bool,
}

impl Collector {
    fn read(text: &str) -> Self {
        let mut collector = Self {
            length: text.len(),
            rules: Vec::new(),
            is_conditional: false,
            has_nested_at_rule: false,
        };
        let mut input = Parser::new(text);
        StyleSheetParser::new(&mut input, &mut collector).for_each(drop);
        collector
    }
}

impl<'i> AtRuleParser<'i> for Collector {
    /// Whether it contains rules for elements.
    type Prelude = bool;
    type AtRule = ();
    type Error = ();

    fn parse_prelude(
        &mut self,
        name: CowRcStr<'i>,
        input: &mut Parser<'i>,
    ) -> Result<bool, ParseError<()>> {
        skip_rest(input);
        self.has_nested_at_rule |= self.is_conditional;
        Ok(GROUPING_RULES.contains(&name.to_ascii_lowercase().as_str()))
    }

    fn rule_without_block(&mut self, _: bool, _: &ParserState) -> Result<(), ()> {
        Ok(())
    }

    fn parse_block(
        &mut self,
        is_grouping: bool,
        _: &ParserState,
        input: &mut Parser<'i>,
    ) -> Result<(), ParseError<()>> {
        if is_grouping {
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
    /// The selectors.
    type Prelude = Vec<String>;
    type QualifiedRule = ();
    type Error = ();

    fn parse_prelude(&mut self, input: &mut Parser<'i>) -> Result<Vec<String>, ParseError<()>> {
        input.parse_comma_separated(|input| {
            input.skip_whitespace();
            let start = input.position();
            skip_rest(input);
            Ok(input.slice_from(start).trim().to_owned())
        })
    }

    fn parse_block(
        &mut self,
        selectors: Vec<String>,
        start: &ParserState,
        input: &mut Parser<'i>,
    ) -> Result<(), ParseError<()>> {
        let block_start = input.position().byte_index();
        let (mut declarations, has_nested) = read_declarations(input);
        declarations.retain(|it| !it.value.is_empty() || it.property.starts_with("--"));
        let block_end = input.position().byte_index();
        self.rules.push(SourceRule {
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
        let text = "@import 'x'; a , b:hover{COLOR:Red!IMPORTANT;x;--Y: 1} \
                    @media print{ p { top: 0 } @supports (x) { i{left:1px} } } @font-face{src:x} u{v:w}";
        let rules = parse_rules(text);
        let summaries: Vec<String> = rules
            .iter()
            .map(|rule| {
                let declarations = rule.declarations.iter().map(|it| {
                    let end = &text[..it.end];
                    assert!(end.ends_with(&it.value), "{end}");
                    format!("{}={}/{}", it.property, it.value, it.important)
                });
                let declarations = declarations.collect::<Vec<_>>().join(" ");
                let selectors = rule.selectors.join("|");
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
        assert!(parse_rules("a{color:red; &:hover{color:blue}}")[0].has_nested);
        assert!(!parse_rules("a{color:red; *zoom:1; broken}")[0].has_nested);
        assert!(has_nested_at_rule("@media x { @font-face { src: y } }"));
        assert!(!has_nested_at_rule(
            "@media x { a { top: 0 } } @font-face { src: y }"
        ));
    }
}
