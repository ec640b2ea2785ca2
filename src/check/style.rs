//! CSS as mail has it: the declarations of a `style` attribute, and what a `<style>` holds for all
//! clients, that is, outside `@media` and the like.

use cssparser::{
    AtRuleParser, BasicParseErrorKind, CowRcStr, DeclarationParser, ParseError, Parser,
    ParserState, QualifiedRuleParser, RuleBodyItemParser, RuleBodyParser, StyleSheetParser, Token,
};

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

/// Something in a `<style>`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// `SELECTOR { … }`, the selector as it is written.
    Rule { selector: String, style: Style },
    /// `@import …`, with what follows the word.
    Import(String),
}

impl Style {
    /// Reads a `style` attribute. What is no CSS in it is left out, as clients do.
    pub(super) fn parse(text: &str) -> Self {
        let mut input = Parser::new(text);
        Self {
            declarations: RuleBodyParser::new(&mut input, &mut Body)
                .flatten()
                .collect(),
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

/// Reads a `<style>`.
pub(super) fn items(text: &str) -> Vec<Item> {
    let mut input = Parser::new(text);
    StyleSheetParser::new(&mut input, &mut Sheet)
        .flatten()
        .flatten()
        .collect()
}

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A word: `flex`.
    Word(String),
    /// `calc(…)`, with all its text; what is inside comes next.
    Function(String, &'a str),
    /// The unit of a number; `%` is none.
    Unit(String),
    /// `#rrggbb`, with the `#`.
    Hash(&'a str),
}

/// The pieces of a value, at any depth.
pub(super) fn pieces(value: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    gather(&mut Parser::new(value), &mut found);
    found
}

fn gather<'a>(input: &mut Parser<'a>, found: &mut Vec<Piece<'a>>) {
    loop {
        input.skip_whitespace();
        let start = input.position();
        let Ok(token) = input.next() else { return };
        match token.clone() {
            Token::Ident(word) => found.push(Piece::Word(lower(&word))),
            Token::Dimension { unit, .. } => found.push(Piece::Unit(lower(&unit))),
            Token::Hash(_) | Token::IDHash(_) => {
                found.push(Piece::Hash(input.slice_from(start)));
            }
            Token::UnquotedUrl(_) => {
                found.push(Piece::Function("url".to_owned(), input.slice_from(start)));
            }
            Token::Function(name) => {
                let mut inside = Vec::new();
                into(input, &mut inside);
                found.push(Piece::Function(lower(&name), input.slice_from(start)));
                found.append(&mut inside);
            }
            Token::ParenthesisBlock | Token::SquareBracketBlock => into(input, found),
            _ => {}
        }
    }
}

fn into<'a>(input: &mut Parser<'a>, found: &mut Vec<Piece<'a>>) {
    let _: Result<(), ParseError<()>> = input.parse_nested_block(|input| {
        gather(input, found);
        Ok(())
    });
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
        let style = Style {
            declarations: RuleBodyParser::new(input, &mut Body).flatten().collect(),
        };
        Ok(Some(Item::Rule { selector, style }))
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

    #[test]
    fn a_value_is_taken_to_pieces() {
        let word = |it: &str| Piece::Word(it.to_owned());
        assert_eq!(
            pieces("URL(a.png) calc(1Rem + (2px)) #abc Flex"),
            [
                Piece::Function("url".into(), "URL(a.png)"),
                Piece::Function("calc".into(), "calc(1Rem + (2px))"),
                Piece::Unit("rem".into()),
                Piece::Unit("px".into()),
                Piece::Hash("#abc"),
                word("flex"),
            ]
        );
        assert_eq!(pieces("\"rem calc(\" 10% 3"), []);
    }

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
