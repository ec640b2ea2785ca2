//! Hints at how to fix a syntax error: syntax from other template engines, and frequent mistakes.

use std::ops::Range;

use super::filters::first_argument;
use crate::campaign::is_identifier;

/// The tag around an error.
struct EnclosingTag<'a> {
    /// Whether it is `{{ … }}`.
    prints: bool,
    /// Its content, up to the end of the tag or of the template.
    inner: &'a str,
}

impl<'a> EnclosingTag<'a> {
    fn find(text: &'a str, at: usize) -> Option<Self> {
        let before = text.get(..at)?;
        let start = before.rfind("{{").max(before.rfind("{%"))?;
        let prints = text[start..].starts_with("{{");
        let inner = &text[start + 2..];
        let end = inner.find(if prints { "}}" } else { "%}" });
        let inner = &inner[..end.unwrap_or(inner.len())];
        Some(Self {
            prints,
            inner: inner.trim_matches('-').trim(),
        })
    }
}

pub(super) fn hint(
    text: &str,
    span: &Range<usize>,
    message: &str,
    columns: &[String],
) -> Option<String> {
    let tag = EnclosingTag::find(text, span.start)?;
    let token = text.get(span.clone()).unwrap_or_default();
    if tag.prints
        && let Some(hint) = handlebars(tag.inner)
    {
        return Some(hint);
    }
    if let Some(hint) = named_argument(text, span, message) {
        return Some(hint);
    }
    if let Some(column) = column_in(tag.inner, columns) {
        return Some(row_lookup(column));
    }
    if message == "Unknown tag" {
        return unknown_tag(text, span, token, tag.inner);
    }
    if tag.inner.starts_with("else if") {
        return Some("write {% elif … %}".to_owned());
    }
    let next = text.get(span.start..).unwrap_or_default();
    if next.starts_with('=') && !next.starts_with("==") {
        return Some("write `==` to compare".to_owned());
    }
    for (sign, word) in [("&&", "and"), ("||", "or"), ("!", "not")] {
        if next.starts_with(sign) {
            return Some(format!("write `{word}` instead of `{sign}`"));
        }
    }
    let close = if tag.prints { "}}" } else { "%}" };
    if !message.contains(&format!("expected {close}")) {
        return None;
    }
    if tag.inner.contains(['<', '\n']) {
        return Some(format!("close the tag with `{close}`"));
    }
    message.starts_with("Found identifier").then(|| {
        "names can't contain spaces; write row[\"…\"] for a column whose name does".to_owned()
    })
}

/// A hint at how to use a column whose name is not an identifier.
pub(super) fn row_lookup(column: &str) -> String {
    format!("write row[{column:?}]: the column's name has more than letters, digits and _ in it")
}

/// The column in a tag whose name is not an identifier, the longest if there are several.
fn column_in<'a>(inner: &str, columns: &'a [String]) -> Option<&'a str> {
    let inner = inner.to_lowercase();
    let odd = columns.iter().filter(|name| !is_identifier(name));
    let in_tag = odd.filter(|name| {
        let name = name.to_lowercase();
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '\'');
        inner.match_indices(&name).any(|(at, _)| {
            !inner[..at].ends_with(part) && !inner[at + name.len()..].starts_with(part)
        })
    });
    in_tag.max_by_key(|name| name.len()).map(String::as_str)
}

/// A hint for tags of Handlebars and Mustache.
fn handlebars(inner: &str) -> Option<String> {
    // Mustachio, of Postmark.
    if let Some(about) = inner.strip_prefix("each ") {
        return Some(format!(
            "this is Mustachio syntax; write {{% for item in {} %}}…{{% endfor %}} instead",
            about.trim()
        ));
    }
    let sign = inner.chars().next()?;
    let rest = inner[sign.len_utf8()..].trim();
    let (word, about) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let about = if about.is_empty() { "x" } else { about.trim() };
    let tera = match (sign, word) {
        ('#', "if") => format!("{{% if {about} %}}…{{% endif %}}"),
        ('#', "unless") => format!("{{% if not {about} %}}…{{% endif %}}"),
        ('#', "each") => format!("{{% for item in {about} %}}…{{% endfor %}}"),
        ('#', _) => format!("{{% if {word} %}}…{{% endif %}}"),
        ('^', _) => "{% else %}".to_owned(),
        ('/', "each") => "{% endfor %}".to_owned(),
        ('/', _) => "{% endif %}".to_owned(),
        ('>', _) => format!("{{% include \"{word}.html\" %}}"),
        ('!', _) => "{# … #}".to_owned(),
        ('&', _) => format!("{{{{ {word} | safe }}}}"),
        _ => return None,
    };
    Some(format!("this is Handlebars syntax; write {tera} instead"))
}

/// A hint for arguments that Jinja and Twig take without a name, such as `default("x")`.
fn named_argument(text: &str, span: &Range<usize>, message: &str) -> Option<String> {
    if !message.ends_with("but expected identifier.") {
        return None;
    }
    let before = text.get(..span.start)?.trim_end().strip_suffix('(')?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let filter = &before[before.trim_end_matches(is_part).len()..];
    let argument = text.get(span.clone())?;
    if filter.is_empty() {
        return None;
    }
    let name = first_argument(filter).unwrap_or("name");
    Some(format!("arguments need names: {filter}({name}={argument})"))
}

fn unknown_tag(text: &str, span: &Range<usize>, name: &str, inner: &str) -> Option<String> {
    let about = inner.strip_prefix(name).unwrap_or_default().trim();
    match name {
        "elsif" | "elseif" | "elif" | "else" => match open(text, span.start).last() {
            Some(block) if block.word == "if" => Some(format!("write {{% elif {about} %}}")),
            _ => Some("there is no {% if … %} before it".to_owned()),
        },
        "unless" => Some(format!("write {{% if not {about} %}}")),
        "foreach" => Some("write {% for … in … %}".to_owned()),
        "assign" => Some(format!("write {{% set {about} %}}")),
        _ => {
            let word = name.strip_prefix("end")?;
            Some(match open(text, span.start).last() {
                Some(block) => format!(
                    "{} in line {} is still open: close it with {{% end{} %}} first",
                    block.tag, block.line, block.word
                ),
                None => format!("there is no {{% {word} … %}} before it"),
            })
        }
    }
}

/// The innermost tag that is open at the end of a template: its place, a message and a hint.
pub(super) fn never_closed(text: &str) -> Option<(Range<usize>, String, String)> {
    let block = open(text, text.len()).pop()?;
    let message = format!("{} is never closed", block.tag);
    let help = format!("write {{% end{} %}} where the block ends", block.word);
    Some((block.span, message, help))
}

/// A message and a hint for a comment that is never closed. In minified CSS, `{#` begins a selector.
pub(super) fn unclosed_comment(text: &str, span: &Range<usize>) -> Option<(String, String)> {
    let from = text.get(span.start..)?;
    let start = match from.starts_with("{#") {
        true => span.start,
        false => text.get(..span.start)?.rfind("{#")?,
    };
    let selector = &text[start + 2..];
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let end = selector.find(|c| !is_part(c)).unwrap_or(selector.len());
    let selector = &selector[..end];
    if selector.is_empty() {
        let message = "the comment is never closed".to_owned();
        return Some((message, "close it with `#}`".to_owned()));
    }
    let before = text[..start].to_ascii_lowercase();
    let place = match before.rfind("<style") > before.rfind("</style") {
        true => "in the CSS starts",
        false => "starts",
    };
    Some((
        format!("`{{#{selector}` {place} a comment of the template, which is never closed"),
        format!(
            "if it is CSS, put a space between `{{` and `#`: `{{ #{selector}`; if it is a comment, close it with `#}}`"
        ),
    ))
}

/// A tag that needs an end tag.
struct Block {
    word: &'static str,
    tag: String,
    span: Range<usize>,
    line: usize,
}

const BLOCKS: [&str; 7] = ["if", "for", "block", "macro", "filter", "component", "raw"];

/// The blocks that are open at a place, the innermost last.
fn open(text: &str, at: usize) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut from = 0;
    while let Some(begin) = text[from..at].find("{%").map(|begin| from + begin) {
        let Some(length) = text[begin..at].find("%}") else {
            break;
        };
        from = begin + length + 2;
        let inner = text[begin + 2..begin + length].trim_matches('-').trim();
        let word = inner.split_whitespace().next().unwrap_or_default();
        if let Some(word) = BLOCKS.into_iter().find(|block| *block == word) {
            blocks.push(Block {
                word,
                tag: text[begin..from].to_owned(),
                span: begin..from,
                line: text[..begin].matches('\n').count() + 1,
            });
        } else if let Some(word) = word.strip_prefix("end") {
            let opened = blocks.iter().rposition(|block| block.word == word);
            blocks.truncate(opened.unwrap_or(blocks.len()));
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_as_whole_words() {
        let columns = ["First Name", "Name", "E-mail", "First Name 2"].map(String::from);
        assert_eq!(column_in("First Name", &columns), Some("First Name"));
        assert_eq!(
            column_in("first name 2 | upper", &columns),
            Some("First Name 2")
        );
        assert_eq!(column_in("First Names", &columns), None);
        assert_eq!(column_in("row[\"First Name\"]", &columns), None);
    }

    #[test]
    fn the_innermost_open_tag_is_reported() {
        let text = "{% if a %}\n{%- for b in c %}{% set x = 1 %}{% if d %}{% endif %}";
        let (span, message, help) = never_closed(text).expect("one is open");
        assert_eq!(span.start, 11);
        assert_eq!(message, "{%- for b in c %} is never closed");
        assert_eq!(help, "write {% endfor %} where the block ends");
        assert!(never_closed("{% if a %}{% endif %}{{ b").is_none());
    }
}
