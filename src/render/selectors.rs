//! What selectors in CSS look at: which values may decide whether an element has a style.

use cssparser::{ParseError, Parser, Token};

use super::shape::Marks;

/// Whether what stands in CSS may be a selector that looks at attributes.
pub(super) fn selects(css: &str) -> bool {
    css.contains(['[', '{', '}', '*'])
}

/// Whether a selector in CSS looks at an `id`, or may be made to by a value.
fn looks_at_ids(css: &mut Parser<'_>, marks: Marks) -> bool {
    let mut selector = false;
    while let Ok(token) = css.next() {
        let inner = match token.clone() {
            Token::CurlyBracketBlock if selector => return true,
            Token::Semicolon | Token::CurlyBracketBlock => {
                selector = false;
                matches!(token, Token::CurlyBracketBlock)
            }
            Token::Hash(_) | Token::IDHash(_) => {
                selector = true;
                false
            }
            Token::Ident(word) => {
                selector |= marks.are_in(&word);
                false
            }
            Token::Function(_) | Token::ParenthesisBlock | Token::SquareBracketBlock => {
                selector |= has_hash(css, marks);
                false
            }
            _ => false,
        };
        if inner && within(css, |css| looks_at_ids(css, marks)) {
            return true;
        }
    }
    false
}

/// Whether what is in brackets has a `#` or a value, at any depth.
fn has_hash(css: &mut Parser<'_>, marks: Marks) -> bool {
    within(css, |css| {
        let mut found = false;
        while let Ok(token) = css.next() {
            found |= match token.clone() {
                Token::Hash(_) | Token::IDHash(_) => true,
                Token::Ident(word) => marks.are_in(&word),
                Token::Function(_) | Token::ParenthesisBlock | Token::SquareBracketBlock => {
                    has_hash(css, marks)
                }
                _ => false,
            };
        }
        found
    })
}

fn within(css: &mut Parser<'_>, look: impl FnOnce(&mut Parser<'_>) -> bool) -> bool {
    let looked: Result<bool, ParseError<()>> = css.parse_nested_block(|css| Ok(look(css)));
    looked.unwrap_or(true)
}

/// The attributes that selectors in CSS look at, in lower case, and perhaps others. Nothing if that
/// can't be told.
pub(super) fn selected(css: &str, marks: Marks) -> Option<Vec<String>> {
    let bracket = |rest: &str| {
        let rest = rest.trim_start();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let (name, after) = rest.split_at(rest.find(|c| !is_part(c))?);
        let after = after.trim_start();
        let known = after.starts_with([']', '=', '~', '^', '$', '*']) || after.starts_with("|=");
        (known && !name.is_empty()).then(|| name.to_ascii_lowercase())
    };
    let ids = looks_at_ids(&mut Parser::new(css), marks).then(|| Some("id".to_owned()));
    let named = css.split('[').skip(1).map(bracket);
    named.chain(ids).collect()
}

#[cfg(test)]
mod tests {
    use super::super::skeleton::MARKS;
    use super::*;

    #[test]
    fn the_attributes_that_css_looks_at_are_known() {
        let css = "a[href^='x'], [ TITLE ] b, [data-ogsc] p[lang|=en]{} @media{[alt~=a]{}}";
        let names = ["href", "title", "data-ogsc", "lang", "alt"];
        assert_eq!(
            selected(css, MARKS),
            Some(names.map(str::to_owned).to_vec())
        );
        assert_eq!(selected("p{color:red}", MARKS), Some(Vec::new()));
        for css in [
            "[*|href]",
            "[x|href]",
            "[\\68ref]",
            "[hr\u{fdd0}0\u{fdd1}]",
            "[",
            "[a",
        ] {
            assert_eq!(selected(css, MARKS), None, "{css}");
        }
    }

    #[test]
    fn selectors_by_id_are_told_from_colours() {
        let looks = |css: &str| looks_at_ids(&mut Parser::new(css), MARKS);
        for css in [
            "#a{color:red}",
            "p{color:#222} p #a, b{}",
            "@media print{p{color:#222;}#a b{}}",
            "p:not(#a){}",
            "p:is(b, :not(b#a)) i{}",
            "p{color:#222; #a &{color:red}}",
            ".\u{fdd0}0\u{fdd1}{color:red}",
            "#\u{fdd0}0\u{fdd1}{color:red}",
            "[a=\"}\"]#a{}",
        ] {
            assert!(looks(css), "{css}");
        }
        for css in [
            "p{color:#222}",
            "@media print{p{color:#222;background:#fff}}",
            "/* #a{} */ p{color:#\u{fdd0}0\u{fdd1}}",
            "p{color:\u{fdd0}0\u{fdd1}}",
            "p{background:url(#a) #222}",
            "@import \"x#y\"; p{content:\"#a{}\"}",
            "",
        ] {
            assert!(!looks(css), "{css}");
        }
    }
}
