//! Finds the tags in a template, and the tokens in each tag. Tera does not export its parser.

use std::collections::BTreeSet;
use std::ops::Range;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) kind: TagKind,
    /// Where the tag stands in the template, with its delimiters.
    pub(super) span: Range<usize>,
    pub(super) tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagKind {
    /// `{{ … }}`
    Print,
    /// `{% … %}`
    Statement,
}

/// A token and its place in the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A variable, a field, a filter or a keyword.
    Name,
    /// A string with its quotes.
    String,
    /// A number or a sign.
    Other,
}

impl Tag {
    /// The tokens as they are written.
    pub(super) fn words<'a>(&self, template: &'a str) -> Vec<&'a str> {
        let tokens = self.tokens.iter();
        tokens.map(|token| token.text(template)).collect()
    }
}

impl Token {
    pub(super) fn text<'a>(&self, template: &'a str) -> &'a str {
        &template[self.span.clone()]
    }
}

/// The content of a string literal without escapes.
pub(super) fn literal(token: &str) -> Option<&str> {
    let quote = token.chars().next().filter(|c| "\"'`".contains(*c))?;
    let inner = token.get(1..)?.strip_suffix(quote)?;
    (!inner.contains('\\')).then_some(inner)
}

/// The tags of a template, without comments and without what stands between `raw` and `endraw`.
/// `None` if a tag is not closed: Tera rejects such a template.
pub(super) fn tags(template: &str) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some((start, opener)) = opener(template, at) {
        let inner = start + opener.len();
        let (kind, closer) = match opener {
            "{{" => (TagKind::Print, "}}"),
            "{%" => (TagKind::Statement, "%}"),
            _ => {
                at = inner + template[inner..].find("#}")? + 2;
                continue;
            }
        };
        let inner = inner + usize::from(template[inner..].starts_with('-'));
        let (tokens, end) = tokens(template, inner, closer)?;
        let first = tokens.first().map(|token| token.text(template));
        at = match first {
            Some("raw") if kind == TagKind::Statement => end_of_raw(template, end)?,
            _ => end,
        };
        tags.push(Tag {
            kind,
            span: start..end,
            tokens,
        });
    }
    Some(tags)
}

/// The first `elif` that is beyond this many in one `if`.
pub(super) fn elif_beyond(template: &str, tags: &[Tag], most: usize) -> Option<Range<usize>> {
    let mut counts = Vec::new();
    for tag in tags.iter().filter(|tag| tag.kind == TagKind::Statement) {
        let first = tag.tokens.first().map_or("", |token| token.text(template));
        match (first, counts.last_mut()) {
            ("if", _) => counts.push(0),
            ("elif", Some(count)) => {
                *count += 1;
                if *count > most {
                    return Some(tag.span.clone());
                }
            }
            ("endif", _) => {
                counts.pop();
            }
            _ => {}
        }
    }
    None
}

/// The names that the template itself gives to values, in loops and with `set`.
pub(super) fn local_names(template: &str, tags: &[Tag]) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["loop".to_owned()]);
    for tag in tags {
        let mut words = tag.words(template).into_iter();
        while let Some(word) = words.next() {
            if word == "for" {
                let bound = words.by_ref().take_while(|word| *word != "in");
                names.extend(bound.map(str::to_owned));
            } else if word == "set" || word == "set_global" {
                names.extend(words.next().map(str::to_owned));
            }
        }
    }
    names
}

/// Where the `endraw` tag begins.
fn end_of_raw(template: &str, from: usize) -> Option<usize> {
    let mut tags = template[from..].match_indices("{%");
    let (at, _) = tags.find(|(at, opener)| {
        let inner = &template[from + at + opener.len()..];
        let inner = inner.strip_prefix('-').unwrap_or(inner);
        inner.trim_start().starts_with("endraw")
    })?;
    Some(from + at)
}

/// The start and the delimiter of the next tag or comment. Reads no further than that, so that all tags
/// together are found in linear time.
fn opener(template: &str, from: usize) -> Option<(usize, &'static str)> {
    memchr::memchr_iter(b'{', &template.as_bytes()[from..]).find_map(|at| {
        let start = from + at;
        let opener = match template.as_bytes().get(start + 1)? {
            b'{' => "{{",
            b'%' => "{%",
            b'#' => "{#",
            _ => return None,
        };
        Some((start, opener))
    })
}

/// The tokens before `closer`, and where `closer` ends.
fn tokens(template: &str, from: usize, closer: &str) -> Option<(Vec<Token>, usize)> {
    let mut tokens = Vec::new();
    let mut at = from;
    // Depth of nested maps, whose brackets do not end the tag.
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

/// The length of a string literal with its quotes.
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

    fn texts(template: &str) -> Option<Vec<(TagKind, Vec<&str>)>> {
        let tags = tags(template)?.into_iter();
        Some(tags.map(|tag| (tag.kind, tag.words(template))).collect())
    }

    #[test]
    fn tags_have_tokens() {
        let print = |tokens: &[&'static str]| (TagKind::Print, tokens.to_vec());
        let statement = |tokens: &[&'static str]| (TagKind::Statement, tokens.to_vec());
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
    fn spans_include_delimiters() {
        let template = "a {{- b -}} c {%if d%}";
        let tags = tags(template).expect("closed tags");
        let spans = tags.iter().map(|tag| &template[tag.span.clone()]);
        assert_eq!(spans.collect::<Vec<_>>(), ["{{- b -}}", "{%if d%}"]);
    }

    #[test]
    fn unclosed_tags_have_no_tokens() {
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
