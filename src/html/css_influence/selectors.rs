//! Which attributes the selectors in CSS name.

use cssparser::{ParseError, Parser, Token};

use super::super::marks::has_reserved;

/// The attributes that selectors name, in lower case, perhaps with others. `None` if they are unknown.
pub(super) fn attributes_in_selectors(css: &str) -> Option<Vec<String>> {
    let named = css.split('[').skip(1).map(attribute_name);
    let id = selects_by_id(&mut Parser::new(css)).then(|| Some("id".to_owned()));
    named.chain(id).collect()
}

/// The name in an attribute selector, given the CSS after its `[`.
fn attribute_name(css: &str) -> Option<String> {
    let css = css.trim_start();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let (name, after) = css.split_at(css.find(|c| !is_part(c))?);
    let after = after.trim_start();
    let is_end = after.starts_with([']', '=', '~', '^', '$', '*']) || after.starts_with("|=");
    (is_end && !name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// Whether a selector names an `id`, or a value may turn one into such a selector.
fn selects_by_id(css: &mut Parser<'_>) -> bool {
    let mut in_selector = false;
    while let Ok(token) = css.next() {
        match token.clone() {
            Token::CurlyBracketBlock if in_selector => return true,
            Token::CurlyBracketBlock => {
                if within(css, selects_by_id) {
                    return true;
                }
            }
            Token::Semicolon => in_selector = false,
            token => in_selector |= may_be_id(css, &token),
        }
    }
    false
}

/// Whether a token has a `#` or a value, at any depth.
fn may_be_id(css: &mut Parser<'_>, token: &Token<'_>) -> bool {
    match token {
        Token::Hash(_) | Token::IDHash(_) => true,
        Token::Ident(word) => has_reserved(word),
        Token::Function(_) | Token::ParenthesisBlock | Token::SquareBracketBlock => {
            within(css, |css| {
                let mut found = false;
                while let Ok(token) = css.next() {
                    let token = token.clone();
                    found |= may_be_id(css, &token);
                }
                found
            })
        }
        _ => false,
    }
}

fn within(css: &mut Parser<'_>, test: impl FnOnce(&mut Parser<'_>) -> bool) -> bool {
    let result: Result<bool, ParseError<()>> = css.parse_nested_block(|css| Ok(test(css)));
    result.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_in_selectors_are_found() {
        let css = "a[href^='x'], [ TITLE ] b, [data-ogsc] p[lang|=en]{} @media{[alt~=a]{}}";
        let names = ["href", "title", "data-ogsc", "lang", "alt"];
        assert_eq!(
            attributes_in_selectors(css),
            Some(names.map(str::to_owned).to_vec())
        );
        assert_eq!(attributes_in_selectors("p{color:red}"), Some(Vec::new()));
        for css in [
            "[*|href]",
            "[x|href]",
            "[\\68ref]",
            "[hr\u{fdd0}0\u{fdd1}]",
            "[",
            "[a",
        ] {
            assert_eq!(attributes_in_selectors(css), None, "{css}");
        }
    }

    #[test]
    fn selectors_by_id_differ_from_colours() {
        let selects = |css: &str| selects_by_id(&mut Parser::new(css));
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
            assert!(selects(css), "{css}");
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
            assert!(!selects(css), "{css}");
        }
    }
}
