//! The tags of a template and the tokens in them: Tera keeps its own parser to itself.

use std::collections::BTreeSet;
use std::ops::Range;

/// A tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) kind: Kind,
    /// What stands between its delimiters.
    pub(super) tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{{ … }}`
    Print,
    /// `{% … %}`
    Statement,
}

/// A token, and where it stands in the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A variable, a keyword, or what has the looks of one.
    Name,
    /// A string with its quotes.
    String,
    /// A number, or a sign.
    Other,
}

impl Token {
    pub(super) fn text<'a>(&self, template: &'a str) -> &'a str {
        &template[self.span.clone()]
    }
}

/// What a string without escapes says.
pub(super) fn literal(token: &str) -> Option<&str> {
    let quote = token.chars().next().filter(|c| "\"'`".contains(*c))?;
    let inner = token.get(1..)?.strip_suffix(quote)?;
    (!inner.contains('\\')).then_some(inner)
}

/// The tags of a template; comments are none, and in what is raw there are none. Nothing where one is
/// not closed, which Tera does not take.
pub(super) fn tags(template: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some((start, opener)) = opener(template, at) {
        let inner = start + opener.len();
        let (kind, closer) = match opener {
            "{{" => (Kind::Print, "}}"),
            "{%" => (Kind::Statement, "%}"),
            _ => {
                at = inner + template[inner..].find("#}")? + 2;
                continue;
            }
        };
        let inner = inner + usize::from(template[inner..].starts_with('-'));
        let (tokens, end) = tokens(template, inner, closer)?;
        let first = tokens.first().map(|token| token.text(template));
        at = match first {
            Some("raw") if kind == Kind::Statement => end_of_raw(template, end)?,
            _ => end,
        };
        tags.push(Tag { kind, tokens });
    }
    Some(tags)
}

/// The names that a template with these tags gives to values itself: in loops, and by setting them.
pub(super) fn locals(template: &str, tags: &[Tag]) -> BTreeSet<String> {
    let mut locals = BTreeSet::from(["loop".to_owned()]);
    for tag in tags {
        let mut texts = tag.tokens.iter().map(|token| token.text(template));
        while let Some(text) = texts.next() {
            if text == "for" {
                let names = texts.by_ref().take_while(|text| *text != "in");
                locals.extend(names.map(str::to_owned));
            } else if text == "set" || text == "set_global" {
                locals.extend(texts.next().map(str::to_owned));
            }
        }
    }
    locals
}

/// Where the tag begins that ends what is raw.
fn end_of_raw(template: &str, from: usize) -> Option<usize> {
    let mut tags = template[from..].match_indices("{%");
    let (at, _) = tags.find(|(at, opener)| {
        let inner = &template[from + at + opener.len()..];
        let inner = inner.strip_prefix('-').unwrap_or(inner);
        inner.trim_start().starts_with("endraw")
    })?;
    Some(from + at)
}

/// Where the next tag or comment begins, and with what.
fn opener(template: &str, from: usize) -> Option<(usize, &'static str)> {
    let found = ["{{", "{%", "{#"]
        .into_iter()
        .filter_map(|opener| Some((from + template[from..].find(opener)?, opener)));
    found.min()
}

/// The tokens up to `closer`, and where that ends.
fn tokens(template: &str, from: usize, closer: &str) -> Option<(Vec<Token>, usize)> {
    let mut tokens = Vec::new();
    let mut at = from;
    // How many maps are open: their brackets are no end of the tag.
    let mut open: usize = 0;
    loop {
        let rest = &template[at..];
        let c = rest.chars().next()?;
        let closes = rest.strip_prefix('-').unwrap_or(rest);
        if open == 0 && closes.starts_with(closer) {
            let end = template.len() - closes.len() + closer.len();
            return Some((tokens, end));
        }
        let (kind, length) = match c {
            c if c.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            '{' => {
                open += 1;
                (TokenKind::Other, 1)
            }
            '}' => {
                open = open.saturating_sub(1);
                (TokenKind::Other, 1)
            }
            '"' | '\'' | '`' => (TokenKind::String, string(rest, c)?),
            c if c.is_ascii_alphabetic() || c == '_' => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                (TokenKind::Name, end)
            }
            _ if rest.starts_with("==") || rest.starts_with("!=") => (TokenKind::Other, 2),
            c => (TokenKind::Other, c.len_utf8()),
        };
        tokens.push(Token {
            kind,
            span: at..at + length,
        });
        at += length;
    }
}

/// The length of a string with its quotes.
fn string(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(template: &str) -> Option<Vec<(Kind, Vec<&str>)>> {
        let tags = tags(template)?.into_iter();
        let texts = tags.map(|tag| {
            let tokens = tag.tokens.iter().map(|token| token.text(template));
            (tag.kind, tokens.collect())
        });
        Some(texts.collect())
    }

    #[test]
    fn tags_have_tokens() {
        let print = |tokens: &[&'static str]| (Kind::Print, tokens.to_vec());
        let statement = |tokens: &[&'static str]| (Kind::Statement, tokens.to_vec());
        assert_eq!(
            texts("a {{- x|f(y='}}') -}} {# {{ no }} #}{%if a==\"\\\"%}\"-%}{{1.5-b}}{{ ł }}"),
            Some(vec![
                print(&["x", "|", "f", "(", "y", "=", "'}}'", ")"]),
                statement(&["if", "a", "==", "\"\\\"%}\""]),
                print(&["1", ".", "5", "-", "b"]),
                print(&["ł"]),
            ])
        );
        assert_eq!(texts("{ { } } #}"), Some(Vec::new()));
        assert_eq!(
            texts("{{ {'a': {b: 1}} }}{% raw %}{{ a }}{% x %}{%- endraw -%}{{c}}"),
            Some(vec![
                print(&["{", "'a'", ":", "{", "b", ":", "1", "}", "}"]),
                statement(&["raw"]),
                statement(&["endraw"]),
                print(&["c"]),
            ])
        );
    }

    #[test]
    fn what_is_not_closed_is_told() {
        for template in [
            "{{ {'a': 1 }}",
            "{%- raw %}{{{% end %}",
            "{{ a",
            "{{ 'a }}",
            "{# a",
        ] {
            assert_eq!(tags(template), None, "{template}");
        }
    }
}
