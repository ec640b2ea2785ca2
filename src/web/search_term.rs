//! The syntax of the search boxes of all pages.
//!
//! Terms are separated by spaces: `word`, `"several words"`, `name:value`, `name:"a value"`. A `-` before
//! a term negates it. `""` is a quote within quotes, and an unclosed quote extends to the end.

/// A term, without quotes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SearchTerm {
    pub(crate) negated: bool,
    /// The text before the first colon.
    pub(crate) name: Option<String>,
    pub(crate) value: String,
    /// Whether the value is in quotes.
    pub(crate) is_quoted: bool,
}

impl SearchTerm {
    pub(crate) fn all(text: &str) -> Vec<Self> {
        let mut terms = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (negated, term) = match rest.strip_prefix('-') {
                Some(term) if term.starts_with(|c: char| !c.is_whitespace()) => (true, term),
                _ => (false, rest),
            };
            let (name, _, after) = split(term, |c| c == ':' || c.is_whitespace());
            let (name, value) = match after.strip_prefix(':') {
                Some(value) if !name.is_empty() => (Some(name), value),
                _ => (None, term),
            };
            let (value, is_quoted, after) = split(value, char::is_whitespace);
            terms.push(Self {
                negated,
                name,
                value,
                is_quoted,
            });
            rest = after.trim_start();
        }
        terms
    }

    /// The term without its `-` and quotes.
    pub(crate) fn whole(&self) -> String {
        match &self.name {
            Some(name) => format!("{name}:{}", self.value),
            None => self.value.clone(),
        }
    }
}

/// The text before an end or in quotes, whether it is in quotes, and the rest.
fn split(text: &str, is_end: impl Fn(char) -> bool) -> (String, bool, &str) {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(is_end).unwrap_or(text.len());
        return (text[..end].to_owned(), false, &text[end..]);
    };
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('"').unwrap_or((rest, ""));
        value.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                value.push('"');
                rest = more;
            }
            None => return (value, true, after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_split_at_spaces_outside_quotes() {
        let terms = |text: &str| -> Vec<String> {
            let all = SearchTerm::all(text).into_iter().map(|term| {
                let minus = if term.negated { "-" } else { "" };
                let name = term.name.map(|name| format!("{name}=")).unwrap_or_default();
                let quote = if term.is_quoted { "'" } else { "" };
                format!("{minus}{name}{quote}{}{quote}", term.value)
            });
            all.collect()
        };
        for (text, expected) in [
            ("", &[] as &[&str]),
            ("  a  b ", &["a", "b"]),
            ("\"a b\" c", &["'a b'", "c"]),
            ("\"a \"\"b\"\"\"", &["'a \"b\"'"]),
            ("\"open end", &["'open end'"]),
            ("a\"b c", &["a\"b", "c"]),
            ("to:jan -to:\"jan b\"", &["to=jan", "-to='jan b'"]),
            ("\"first name\":x", &["first name=x"]),
            (
                "12:30 http://x \"http://x\"",
                &["12=30", "http=//x", "'http://x'"],
            ),
            ("to: -", &["to=", "-"]),
            (":a - b --c", &[":a", "-", "b", "--c"]),
            ("\"\"", &["''"]),
        ] {
            assert_eq!(terms(text), expected, "{text}");
        }
    }
}
