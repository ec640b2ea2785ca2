//! The declarations between braces or in a `style` attribute, with their places in the text.

use cssparser::{
    AtRuleParser, CowRcStr, DeclarationParser, ParseError, Parser, ParserState,
    QualifiedRuleParser, RuleBodyItemParser, RuleBodyParser,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// In lower case, unless it is a custom property.
    pub(crate) property: String,
    /// Without `!important`. It may be empty.
    pub(crate) value: String,
    pub(crate) important: bool,
    /// Where the value ends, in bytes of the text.
    pub(crate) end: usize,
}

/// Parses the declarations of a `style` attribute.
pub(crate) fn parse_declarations(text: &str) -> Vec<Declaration> {
    read_declarations(&mut Parser::new(text)).0
}

/// The declarations, and whether there are rules among them.
pub(crate) fn read_declarations(input: &mut Parser<'_>) -> (Vec<Declaration>, bool) {
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

pub(crate) fn skip_rest(input: &mut Parser<'_>) {
    while input.next().is_ok() {}
}

struct Declarations;

impl<'i> DeclarationParser<'i> for Declarations {
    type Declaration = Declaration;
    type Error = ();

    fn parse_value(
        &mut self,
        name: CowRcStr<'i>,
        input: &mut Parser<'i>,
        _: &ParserState,
    ) -> Result<Declaration, ParseError<()>> {
        input.skip_whitespace();
        let start = input.position();
        skip_rest(input);
        let text = input.slice_from(start);
        let text = text.trim_end();
        let plain = without_important(text);
        let value = plain.unwrap_or(text);
        Ok(Declaration {
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
    type AtRule = Declaration;
    type Error = ();
}

impl QualifiedRuleParser<'_> for Declarations {
    type Prelude = ();
    type QualifiedRule = Declaration;
    type Error = ();
}

impl RuleBodyItemParser<'_, Declaration, ()> for Declarations {
    fn parse_declarations(&self) -> bool {
        true
    }

    fn parse_qualified(&self) -> bool {
        false
    }
}
