//! The component values of a CSS value (CSS Syntax 3).

use cssparser::{ParseError, Parser, Token};

use super::lower;

/// A component of a value; names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Component<'a> {
    Word(String),
    /// The name and the whole text of a function such as `calc(…)`.
    Function(String, &'a str),
    /// The unit of a number, except `%`.
    Unit(String),
    /// `#rrggbb`, with the `#`.
    Hash(&'a str),
    Delimiter(char),
    /// `url(…)` with an address that needs quotes.
    BadUrl,
    Other,
}

/// The words, functions, units and hashes in a value, at any depth; the arguments of a function follow it.
pub(crate) fn components(value: &str) -> Vec<Component<'_>> {
    let mut components = Vec::new();
    collect(&mut Parser::new(value), &mut components);
    components.retain(|component| {
        !matches!(
            component,
            Component::Delimiter(_) | Component::BadUrl | Component::Other
        )
    });
    components
}

/// All components of a value, without those inside functions and brackets.
pub(crate) fn top_level_components(value: &str) -> Vec<Component<'_>> {
    let mut components = Vec::new();
    let mut input = Parser::new(value);
    while let Some(component) = next(&mut input, &mut Vec::new()) {
        components.push(component);
    }
    components
}

fn collect<'a>(input: &mut Parser<'a>, components: &mut Vec<Component<'a>>) {
    let mut inside = Vec::new();
    while let Some(component) = next(input, &mut inside) {
        components.push(component);
        components.append(&mut inside);
    }
}

/// The next component; those in it are added to `inside`.
fn next<'a>(input: &mut Parser<'a>, inside: &mut Vec<Component<'a>>) -> Option<Component<'a>> {
    input.skip_whitespace();
    let start = input.position();
    let component = match input.next().ok()?.clone() {
        Token::Ident(word) => Component::Word(lower(&word)),
        Token::Dimension { unit, .. } => Component::Unit(lower(&unit)),
        Token::Hash(_) | Token::IDHash(_) => Component::Hash(input.slice_from(start)),
        Token::UnquotedUrl(_) => Component::Function("url".to_owned(), input.slice_from(start)),
        Token::Function(name) => {
            collect_block(input, inside);
            Component::Function(lower(&name), input.slice_from(start))
        }
        Token::ParenthesisBlock | Token::SquareBracketBlock => {
            collect_block(input, inside);
            Component::Other
        }
        Token::Delim(c) => Component::Delimiter(c),
        Token::Comma => Component::Delimiter(','),
        Token::BadUrl(_) => Component::BadUrl,
        _ => Component::Other,
    };
    Some(component)
}

fn collect_block<'a>(input: &mut Parser<'a>, components: &mut Vec<Component<'a>>) {
    let _: Result<(), ParseError<()>> = input.parse_nested_block(|input| {
        collect(input, components);
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_a_value_into_components() {
        let word = |it: &str| Component::Word(it.to_owned());
        assert_eq!(
            components("URL(a.png) calc(1Rem + (2px)) #abc Flex"),
            [
                Component::Function("url".into(), "URL(a.png)"),
                Component::Function("calc".into(), "calc(1Rem + (2px))"),
                Component::Unit("rem".into()),
                Component::Unit("px".into()),
                Component::Hash("#abc"),
                word("flex"),
            ]
        );
        assert_eq!(components("\"rem calc(\" 10% 3"), []);
    }
}
