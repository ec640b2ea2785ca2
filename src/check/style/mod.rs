//! CSS as mail has it: the declarations of a `style` attribute, and what a `<style>` holds for all
//! clients, that is, outside `@media` and the like.

mod pieces;
mod selector;
mod sheet;

use cssparser::{
    AtRuleParser, CowRcStr, DeclarationParser, ParseError, Parser, ParserState,
    QualifiedRuleParser, RuleBodyItemParser, RuleBodyParser, Token,
};

pub(super) use pieces::{Piece, pieces};
pub(super) use selector::Named;
pub(super) use sheet::{Item, items};

/// What is declared, the later after the earlier.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Style {
    declarations: Vec<Declaration>,
}

/// A property with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declaration {
    /// In lower case.
    pub(super) property: String,
    /// As it is written, in lower case, without `!important`.
    pub(super) value: String,
    important: bool,
}

impl Style {
    /// Reads a `style` attribute. What is no CSS in it is left out, as clients do.
    pub(super) fn parse(text: &str) -> Self {
        Self::read(&mut Parser::new(text))
    }

    fn read(input: &mut Parser<'_>) -> Self {
        Self {
            declarations: RuleBodyParser::new(input, &mut Body).flatten().collect(),
        }
    }

    pub(super) fn declarations(&self) -> impl Iterator<Item = &Declaration> {
        self.declarations.iter()
    }

    /// The declaration of one of these properties that wins.
    pub(super) fn last(&self, properties: &[&str]) -> Option<&Declaration> {
        let those = || {
            let all = self.declarations.iter().rev();
            all.filter(|it| properties.contains(&it.property.as_str()))
        };
        those().find(|it| it.important).or_else(|| those().next())
    }

    /// A property's value.
    pub(super) fn get(&self, property: &str) -> Option<&str> {
        self.last(&[property]).map(|it| it.value.as_str())
    }

    /// Whether it hides the element, as texts for the list of messages are: by itself, or by taking
    /// all its room.
    pub(super) fn hides(&self) -> bool {
        let is =
            |property, values: &[&str]| self.get(property).is_some_and(|it| values.contains(&it));
        let nothing = |property| {
            self.get(property)
                .and_then(number)
                .is_some_and(|it| it <= 0.0)
        };
        is("display", &["none"])
            || is("mso-hide", &["all"])
            || ["font-size", "max-height", "max-width", "opacity"]
                .into_iter()
                .any(nothing)
    }
}

/// The number that a value begins with, whatever its unit is.
pub(super) fn number(value: &str) -> Option<f32> {
    match Parser::new(value).next().ok()? {
        Token::Number { value, .. } | Token::Dimension { value, .. } => Some(*value),
        Token::Percentage { unit_value, .. } => Some(*unit_value),
        _ => None,
    }
}

fn lower(text: &CowRcStr<'_>) -> String {
    text.to_ascii_lowercase()
}

/// Takes all tokens that are left.
fn drain(input: &mut Parser<'_>) {
    while input.next().is_ok() {}
}

/// Reads what stands between braces.
struct Body;

impl<'i> DeclarationParser<'i> for Body {
    type Declaration = Declaration;
    type Error = ();

    fn parse_value(
        &mut self,
        name: CowRcStr<'i>,
        input: &mut Parser<'i>,
        _start: &ParserState,
    ) -> Result<Declaration, ParseError<()>> {
        input.skip_whitespace();
        let start = input.position();
        drain(input);
        let value = input.slice_from(start).trim().to_ascii_lowercase();
        let plain = value.strip_suffix("important").map(str::trim_end);
        let plain = plain.and_then(|it| it.strip_suffix('!'));
        Ok(Declaration {
            property: lower(&name),
            important: plain.is_some(),
            value: plain.map_or(value.as_str(), str::trim_end).to_owned(),
        })
    }
}

impl AtRuleParser<'_> for Body {
    type Prelude = ();
    type AtRule = Declaration;
    type Error = ();
}

impl QualifiedRuleParser<'_> for Body {
    type Prelude = ();
    type QualifiedRule = Declaration;
    type Error = ();
}

impl RuleBodyItemParser<'_, Declaration, ()> for Body {
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
    fn a_style_attribute_is_its_declarations() {
        let text = "Color: RED !important; broken; font-size:12px;/* c */color:blue;\
                    background:url(https://x/?a;b) #FFF; }; margin:0";
        let style = Style::parse(text);
        assert_eq!(style.get("color"), Some("red"));
        assert_eq!(style.get("font-size"), Some("12px"));
        assert_eq!(style.get("background"), Some("url(https://x/?a;b) #fff"));
        assert_eq!(style.get("margin"), Some("0"));
        assert_eq!(style.get("padding"), None);
        assert_eq!(style.declarations().count(), 5);
    }

    #[test]
    fn what_is_hidden_is_told() {
        for hidden in [
            "display:none",
            "mso-hide:all",
            "font-size:0",
            "font-size:0px",
            "opacity:0",
            "max-height:0px;overflow:hidden",
            "color:red;DISPLAY : None !important",
        ] {
            assert!(Style::parse(hidden).hides(), "{hidden}");
        }
        for shown in [
            "",
            "display:none;display:block",
            "font-size:1px",
            "max-width:600px",
            "opacity:.5",
        ] {
            assert!(!Style::parse(shown).hides(), "{shown}");
        }
    }
}
