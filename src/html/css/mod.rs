//! CSS in mail: the declarations of a `style` attribute, and the rules of a `<style>` that apply in every
//! client, which are those outside `@media` and the like.

mod components;
mod declarations;
mod selector;
mod stylesheet;

use cssparser::{CowRcStr, Parser, Token};

pub(crate) use components::{Component, components, top_level_components};
pub(crate) use declarations::{
    SourceDeclaration, parse_declarations, read_declarations, skip_rest,
};
pub(crate) use selector::SelectorMatcher;
pub(crate) use stylesheet::{StylesheetItem, parse_stylesheet};

/// Declarations in the order in which they are written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Style {
    declarations: Vec<Declaration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declaration {
    /// In lower case.
    pub(crate) property: String,
    /// In lower case, without `!important`.
    pub(crate) value: String,
    important: bool,
}

impl Style {
    /// Parses a `style` attribute. Invalid declarations are skipped, as mail clients do.
    pub(crate) fn parse(text: &str) -> Self {
        Self::read(&mut Parser::new(text))
    }

    fn read(input: &mut Parser<'_>) -> Self {
        let (declarations, _) = read_declarations(input);
        let declarations = declarations.into_iter().map(|it| Declaration {
            property: it.property.to_ascii_lowercase(),
            value: it.value.to_ascii_lowercase(),
            important: it.important,
        });
        Self {
            declarations: declarations.collect(),
        }
    }

    pub(crate) fn declarations(&self) -> impl Iterator<Item = &Declaration> {
        self.declarations.iter()
    }

    /// The declaration that takes effect among those of these properties.
    pub(crate) fn last(&self, properties: &[&str]) -> Option<&Declaration> {
        let matching = || {
            let declarations = self.declarations.iter().rev();
            declarations.filter(|it| properties.contains(&it.property.as_str()))
        };
        matching()
            .find(|it| it.important)
            .or_else(|| matching().next())
    }

    pub(crate) fn get(&self, property: &str) -> Option<&str> {
        self.last(&[property]).map(|it| it.value.as_str())
    }

    /// Whether it hides the element with all its content: by `display`, or by taking all its room, as preheaders
    /// are hidden. A `font-size` of zero hides only text that does not set its own size.
    pub(crate) fn hides(&self) -> bool {
        let is_zero = |property| {
            let size = self.get(property).and_then(leading_number);
            size.is_some_and(|size| size <= 0.0)
        };
        self.get("display") == Some("none")
            || self.get("mso-hide") == Some("all")
            || ["max-height", "max-width", "opacity"]
                .into_iter()
                .any(is_zero)
    }
}

/// The number at the beginning of a value, whatever its unit. Percentages are fractions of 1.
pub(crate) fn leading_number(value: &str) -> Option<f32> {
    match Parser::new(value).next().ok()? {
        Token::Number { value, .. } | Token::Dimension { value, .. } => Some(*value),
        Token::Percentage { unit_value, .. } => Some(*unit_value),
        _ => None,
    }
}

fn lower(text: &CowRcStr<'_>) -> String {
    text.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_style_attribute() {
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
    fn finds_styles_that_hide() {
        for hidden in [
            "display:none",
            "mso-hide:all",
            "opacity:0",
            "max-height:0px;overflow:hidden",
            "color:red;DISPLAY : None !important",
        ] {
            assert!(Style::parse(hidden).hides(), "{hidden}");
        }
        for shown in [
            "",
            "display:none;display:block",
            "font-size:0",
            "max-width:600px",
            "opacity:.5",
        ] {
            assert!(!Style::parse(shown).hides(), "{shown}");
        }
    }
}
