//! CSS in mail: the declarations of a `style` attribute, the rules of a `<style>`, and the elements that its
//! selectors match.

mod components;
mod declarations;
mod selector;
mod stylesheet;

use cssparser::{CowRcStr, Parser, Token};

pub(crate) use components::{Component, components, top_level_components};
pub(super) use declarations::{Declaration, parse_declarations};
pub(crate) use selector::{Elements, parse_document};
pub(super) use stylesheet::SourceRule;
pub(crate) use stylesheet::parse_stylesheet;

/// Declarations in the order in which they are written, in lower case.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Style {
    declarations: Vec<Declaration>,
}

impl Style {
    /// Parses a `style` attribute. Invalid declarations are skipped, as mail clients do.
    pub(crate) fn parse(text: &str) -> Self {
        Self::of(parse_declarations(text))
    }

    pub(crate) fn of(mut declarations: Vec<Declaration>) -> Self {
        for declaration in &mut declarations {
            declaration.property.make_ascii_lowercase();
            declaration.value.make_ascii_lowercase();
        }
        Self { declarations }
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
