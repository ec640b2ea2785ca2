//! What to do about a template that is no template: what people write who come from other programs,
//! and what is easily forgotten.

use std::ops::Range;

use crate::campaign::is_identifier;

/// A tag around a place in a template.
struct Around<'a> {
    /// Whether it prints: `{{ … }}`.
    prints: bool,
    /// What is in it, up to its end or that of the template.
    inner: &'a str,
}

impl<'a> Around<'a> {
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

/// A way out of an error of syntax, if what is meant can be told.
pub(super) fn hint(
    text: &str,
    span: &Range<usize>,
    message: &str,
    columns: &[String],
) -> Option<String> {
    let around = Around::find(text, span.start)?;
    let found = text.get(span.clone()).unwrap_or_default();
    if around.prints
        && let Some(hint) = handlebars(around.inner)
    {
        return Some(hint);
    }
    if let Some(hint) = named_argument(text, span, message) {
        return Some(hint);
    }
    if let Some(column) = column_in(around.inner, columns) {
        return Some(looked_up(column));
    }
    if message == "Unknown tag" {
        return unknown_tag(text, span, found, around.inner);
    }
    if around.inner.starts_with("else if") {
        return Some("write {% elif … %}".to_owned());
    }
    let next = text.get(span.start..).unwrap_or_default();
    for (sign, word) in [("&&", "and"), ("||", "or"), ("!", "not")] {
        if next.starts_with(sign) {
            return Some(format!("write `{word}` in the place of `{sign}`"));
        }
    }
    let close = if around.prints { "}}" } else { "%}" };
    if !message.contains(&format!("expected {close}")) {
        return None;
    }
    if around.inner.contains(['<', '\n']) {
        return Some(format!("close the tag with `{close}`"));
    }
    message.starts_with("Found identifier").then(|| {
        "a name has no spaces in it; a column that has some is written row[\"…\"]".to_owned()
    })
}

/// How a column is written whose name is not that of a variable.
pub(super) fn looked_up(column: &str) -> String {
    format!(
        "the column “{column}” is written row[{column:?}]: its name has more than letters, digits and _ in it"
    )
}

/// The column with such a name that stands in a tag, the longest if there are several.
fn column_in<'a>(inner: &str, columns: &'a [String]) -> Option<&'a str> {
    let inner = inner.to_lowercase();
    let odd = columns.iter().filter(|name| !is_identifier(name));
    let found = odd.filter(|name| {
        let name = name.to_lowercase();
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '"' | '\'');
        inner.match_indices(&name).any(|(at, _)| {
            !inner[..at].ends_with(part) && !inner[at + name.len()..].starts_with(part)
        })
    });
    found.max_by_key(|name| name.len()).map(String::as_str)
}

/// What Handlebars and Mustache have in `{{ … }}`.
fn handlebars(inner: &str) -> Option<String> {
    // Mustachio, of Postmark.
    if let Some(about) = inner.strip_prefix("each ") {
        return Some(format!(
            "this is written as in Mustachio; here it is {{% for item in {} %}}…{{% endfor %}}",
            about.trim()
        ));
    }
    let sign = inner.chars().next()?;
    let rest = inner[sign.len_utf8()..].trim();
    let (word, about) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let about = if about.is_empty() { "x" } else { about.trim() };
    let here = match (sign, word) {
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
    Some(format!(
        "this is written as in Handlebars; here it is {here}"
    ))
}

/// What Jinja and Twig take without its name, such as `default("x")`.
fn named_argument(text: &str, span: &Range<usize>, message: &str) -> Option<String> {
    if !message.ends_with("but expected identifier.") {
        return None;
    }
    let before = text.get(..span.start)?.trim_end().strip_suffix('(')?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let filter = &before[before.trim_end_matches(is_part).len()..];
    let argument = text.get(span.clone())?;
    let name = match filter {
        "" => return None,
        "default" => "value",
        "date" => "format",
        "join" => "sep",
        "truncate" => "length",
        "split" => "pat",
        _ => "name",
    };
    Some(format!("arguments have names: {filter}({name}={argument})"))
}

fn unknown_tag(text: &str, span: &Range<usize>, found: &str, inner: &str) -> Option<String> {
    let about = inner.strip_prefix(found).unwrap_or_default().trim();
    match found {
        "elsif" | "elseif" | "elif" | "else" => match open(text, span.start).last() {
            Some(block) if block.word == "if" => Some(format!("write {{% elif {about} %}}")),
            _ => Some("there is no {% if … %} that it could go on".to_owned()),
        },
        "unless" => Some(format!("write {{% if not {about} %}}")),
        "foreach" => Some("write {% for … in … %}".to_owned()),
        "assign" => Some(format!("write {{% set {about} %}}")),
        _ => {
            let word = found.strip_prefix("end")?;
            Some(match open(text, span.start).last() {
                Some(block) => format!(
                    "{} in line {} is still open: first comes {{% end{} %}}",
                    block.tag, block.line, block.word
                ),
                None => format!("there is no {{% {word} … %}} that it could end"),
            })
        }
    }
}

/// The innermost tag that is open at the end of a template: its place, what it is, and what would
/// close it.
pub(super) fn never_closed(text: &str) -> Option<(Range<usize>, String, String)> {
    let block = open(text, text.len()).pop()?;
    let message = format!("{} is never closed", block.tag);
    let help = format!("write {{% end{} %}} where it is to end", block.word);
    Some((block.span, message, help))
}

/// A tag that has an end.
struct Block {
    word: &'static str,
    /// As it is written.
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
            let known = blocks.iter().rposition(|block| block.word == word);
            blocks.truncate(known.unwrap_or(blocks.len()));
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_as_words() {
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
    fn the_innermost_open_tag_is_told() {
        let text = "{% if a %}\n{%- for b in c %}{% set x = 1 %}{% if d %}{% endif %}";
        let (span, message, help) = never_closed(text).expect("one is open");
        assert_eq!(span.start, 11);
        assert_eq!(message, "{%- for b in c %} is never closed");
        assert_eq!(help, "write {% endfor %} where it is to end");
        assert!(never_closed("{% if a %}{% endif %}{{ b").is_none());
    }
}
