//! The pieces of a value of CSS.

use cssparser::{ParseError, Parser, Token};

use super::lower;

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Piece<'a> {
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
pub(in super::super) fn pieces(value: &str) -> Vec<Piece<'_>> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
