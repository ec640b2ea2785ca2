//! The rules of a `<style>`, with their places in its text.

use std::ops::Range;

use cssparser::{
    AtRuleParser, CowRcStr, DeclarationParser, ParseError, Parser, ParserState,
    QualifiedRuleParser, RuleBodyItemParser, RuleBodyParser, StyleSheetParser,
};

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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceDeclaration {
    /// In lower case, unless it is a custom property.
    pub(super) property: String,
    /// Without `!important`.
    pub(super) value: String,
    pub(super) important: bool,
    /// Where the value ends, in bytes of the text.
    pub(super) end: usize,
}

/// Parses a sheet. What a browser skips is skipped.
pub(super) fn parse_rules(text: &str) -> Vec<SourceRule> {
    Collector::read(text).rules
}

/// Whether an `@` rule stands inside another one.
pub(crate) fn has_nested_at_rule(text: &str) -> bool {
    Collector::read(text).has_nested_at_rule
}

/// Parses the declarations of a `style` attribute.
pub(super) fn parse_declarations(text: &str) -> Vec<SourceDeclaration> {
    read_declarations(&mut Parser::new(text)).0
}

/// The declarations, and whether there are rules among them.
fn read_declarations(input: &mut Parser<'_>) -> (Vec<SourceDeclaration>, bool) {
    let mut has_nested = false;
    let mut declarations = Vec::new();
    for item in RuleBodyParser::new(input, &mut Declarations) {
        match item {
            Ok(declaration) => declarations.push(declaration),
            Err((_, skipped, _)) => has_nested |= skipped.contains('{'),
        }
    }
    (declarations, has_nested)
}

fn skip_rest(input: &mut Parser<'_>) {
    while input.next().is_ok() {}
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
        let (declarations, has_nested) = read_declarations(input);
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

struct Declarations;

impl<'i> DeclarationParser<'i> for Declarations {
    type Declaration = SourceDeclaration;
    type Error = ();

    fn parse_value(
        &mut self,
        name: CowRcStr<'i>,
        input: &mut Parser<'i>,
        _: &ParserState,
    ) -> Result<SourceDeclaration, ParseError<()>> {
        input.skip_whitespace();
        let start = input.position();
        skip_rest(input);
        let text = input.slice_from(start);
        let text = text.trim_end();
        let plain = without_important(text);
        let value = plain.unwrap_or(text);
        if value.is_empty() && !name.starts_with("--") {
            return Err(ParseError::custom(()));
        }
        Ok(SourceDeclaration {
            property: match name.starts_with("--") {
                true => name.to_string(),
                false => name.to_ascii_lowercase(),
            },
            value: value.to_owned(),
            important: plain.is_some(),
            end: start.byte_index() + value.len(),
        })
    }
}

/// The value before `!important`, if it ends so.
fn without_important(value: &str) -> Option<&str> {
    const IMPORTANT: &str = "important";
    let start = value.len().checked_sub(IMPORTANT.len())?;
    let (before, word) = (value.get(..start)?, value.get(start..)?);
    if !word.eq_ignore_ascii_case(IMPORTANT) {
        return None;
    }
    before.trim_end().strip_suffix('!').map(str::trim_end)
}

impl AtRuleParser<'_> for Declarations {
    type Prelude = ();
    type AtRule = SourceDeclaration;
    type Error = ();
}

impl QualifiedRuleParser<'_> for Declarations {
    type Prelude = ();
    type QualifiedRule = SourceDeclaration;
    type Error = ();
}

impl RuleBodyItemParser<'_, SourceDeclaration, ()> for Declarations {
    fn parse_declarations(&self) -> bool {
        true
    }

    fn parse_qualified(&self) -> bool {
        false
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
