//! The templates of the API v2.1: the part of [Twig](https://twig.symfony.com) that the vendor documents, which is
//! `{{ name }}` and `{% if … %}{% elseif … %}{% else %}{% endif %}`, with comments and a few filters. `minijinja`
//! renders them.
//!
//! Clients write the templates. Whatever could make a large text from a small template is refused before: loops,
//! assignments, concatenation, lists.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use regex::Regex;

use crate::api::V2Vars;

/// The most tags of a template.
const MAX_TAGS: usize = 20_000;
/// The longest tag, in bytes.
const MAX_TAG: usize = 2_000;
/// The longest value, in bytes.
const MAX_VALUE: usize = 100_000;
/// The most instructions for one text.
const FUEL: u64 = 500_000;
/// How long the templates of a request may take.
const TIME_LIMIT: Duration = Duration::from_secs(5);

const BLOCKS: [&str; 5] = ["if", "elseif", "elif", "else", "endif"];
const FILTERS: [&str; 7] = ["default", "escape", "e", "raw", "upper", "lower", "trim"];
const TESTS: [&str; 3] = ["defined", "empty", "null"];

/// A tag, with its content. Texts in quotes may have braces.
static TAG: LazyLock<Regex> = LazyLock::new(|| {
    let inside = r#"(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^'"])*?"#;
    regex(&format!(
        r"(?s)\{{\{{-?({inside})-?\}}\}}|\{{%-?({inside})-?%\}}|\{{#.*?#\}}"
    ))
});
static QUOTED: LazyLock<Regex> =
    LazyLock::new(|| regex(r#"(?s)'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*""#));
static ELSEIF: LazyLock<Regex> = LazyLock::new(|| regex(r"^(\s*)elseif\b"));
static FILTER: LazyLock<Regex> = LazyLock::new(|| regex(r"\|\s*(\w*)"));
static TEST: LazyLock<Regex> = LazyLock::new(|| regex(r"\bis\s+(?:not\s+)?(\w+)"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid expression")
}

/// A parsed template.
#[derive(Debug)]
pub(super) struct Template<'a> {
    text: &'a str,
    /// `None` for a text without tags.
    environment: Option<Environment<'static>>,
}

/// The values for a message. Those of all recipients come first.
pub(super) struct Values<'v> {
    pub(super) global: &'v V2Vars,
    pub(super) own: &'v V2Vars,
}

/// Until when the templates of a request may be filled.
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn new() -> Self {
        Self(Instant::now() + TIME_LIMIT)
    }
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(super) struct TemplateError {
    line: usize,
    problem: String,
}

/// Why a template could not be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FillError {
    /// The output is too long.
    TooLong,
    TooSlow,
    Invalid(String),
}

impl<'a> Template<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, TemplateError> {
        let mut jinja = String::with_capacity(text.len());
        let mut end = 0;
        let no_tag = |from: usize, to: usize| {
            let tags = ["{{", "{%", "{#"].iter();
            let first = tags.filter_map(|tag| text[from..to].find(tag)).min();
            first.map_or(Ok(()), |at| {
                Err(TemplateError {
                    line: line(text, from + at),
                    problem: "a tag, a comment or a text in it is not closed".to_owned(),
                })
            })
        };
        for (count, tag) in TAG.captures_iter(text).enumerate() {
            let all = tag.get_match();
            let error = |problem| TemplateError {
                line: line(text, all.start()),
                problem,
            };
            if count == MAX_TAGS {
                return Err(error(format!("the template has more than {MAX_TAGS} tags")));
            }
            no_tag(end, all.start())?;
            jinja.push_str(&text[end..all.start()]);
            end = all.end();
            let block = tag.get(2);
            let Some(inside) = tag.get(1).or(block) else {
                // A comment.
                jinja.push_str(all.as_str());
                continue;
            };
            check(inside.as_str(), block.is_some()).map_err(error)?;
            jinja.push_str(&text[all.start()..inside.start()]);
            jinja.push_str(&ELSEIF.replace(inside.as_str(), "${1}elif"));
            jinja.push_str(&text[inside.end()..end]);
        }
        no_tag(end, text.len())?;
        if end == 0 {
            let environment = None;
            return Ok(Self { text, environment });
        }
        jinja.push_str(&text[end..]);
        let mut environment = environment();
        let added = environment.add_template_owned("", jinja);
        added.map_err(|error| TemplateError {
            line: error.line().unwrap_or(1),
            problem: error
                .detail()
                .map_or_else(|| error.kind().to_string(), str::to_owned),
        })?;
        Ok(Self {
            text,
            environment: Some(environment),
        })
    }

    /// The text with these values. Variables without a value are empty. The output has at most `max` bytes.
    pub(super) fn fill(
        &self,
        values: &Values<'_>,
        max: usize,
        deadline: &Deadline,
    ) -> Result<Cow<'a, str>, FillError> {
        let Some(environment) = &self.environment else {
            return match self.text.len() <= max {
                true => Ok(Cow::Borrowed(self.text)),
                false => Err(FillError::TooLong),
            };
        };
        if Instant::now() > deadline.0 {
            return Err(FillError::TooSlow);
        }
        let mut output = LimitedOutput {
            text: Vec::new(),
            max,
        };
        let invalid = |error: minijinja::Error| FillError::Invalid(error.to_string());
        let template = environment.get_template("").map_err(invalid)?;
        let filled = template.render_captured_to(values.context()?, &mut output);
        match filled {
            Ok(_) => Ok(String::from_utf8_lossy(&output.text).into_owned().into()),
            Err(error) => Err(match error.kind() {
                ErrorKind::WriteFailure => FillError::TooLong,
                ErrorKind::OutOfFuel => FillError::TooSlow,
                _ => invalid(error),
            }),
        }
    }
}

impl Values<'_> {
    fn context(&self) -> Result<Value, FillError> {
        let mut values = Vec::with_capacity(self.own.len() + self.global.len());
        // The later value of a name counts.
        for (name, value) in self.own.iter().chain(self.global) {
            if value.as_str().is_some_and(|text| text.len() > MAX_VALUE) {
                let message = format!("the value of {name} has more than {MAX_VALUE} bytes");
                return Err(FillError::Invalid(message));
            }
            values.push((name.as_str(), jinja_value(value)));
        }
        Ok(Value::from_pairs(values))
    }
}

fn jinja_value(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::from(number),
            None => Value::from(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        // The API has no lists and objects as values.
        _ => Value::from(()),
    }
}

/// Refuses what this part of Twig does not have, and what could make a large text.
fn check(tag: &str, is_block: bool) -> Result<(), String> {
    if tag.len() > MAX_TAG {
        return Err(format!("the tag has more than {MAX_TAG} bytes"));
    }
    let code = QUOTED.replace_all(tag, "''");
    let word = code.split_whitespace().next().unwrap_or_default();
    if is_block && !BLOCKS.contains(&word) {
        let word: String = word.chars().take(40).collect();
        return Err(format!(
            "the tag {{% {word} %}} is not supported: use if, elseif, else and endif"
        ));
    }
    if let Some(symbol) = code.find(['~', '*', '+', '[', '{', '/', '%']) {
        return Err(format!("“{}” is not supported", &code[symbol..=symbol]));
    }
    let unknown = |regex: &Regex, known: &[&str]| {
        let mut names = regex.captures_iter(&code).map(|found| found[1].to_owned());
        names.find(|name| !known.contains(&name.as_str()))
    };
    if let Some(name) = unknown(&FILTER, &FILTERS) {
        return Err(format!("the filter {name} is not supported"));
    }
    if let Some(name) = unknown(&TEST, &TESTS) {
        return Err(format!("the test {name} is not supported"));
    }
    Ok(())
}

fn line(text: &str, at: usize) -> usize {
    1 + text[..at].matches('\n').count()
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_fuel(Some(FUEL));
    // Like Twig, leaves out a line break after a block, and keeps the last one.
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .keep_trailing_newline(true)
        .build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    environment
        .set_formatter(|output, _, value| output.write_str(&php_text(value)).map_err(Into::into));
    environment.add_filter(
        "default",
        |value: Value, other: Value| {
            if is_empty(&value) { other } else { value }
        },
    );
    for name in ["escape", "e"] {
        environment.add_filter(name, |value: Value| escape(&php_text(&value)));
    }
    environment.add_filter("raw", |value: Value| value);
    environment.add_filter("upper", |value: Value| php_text(&value).to_uppercase());
    environment.add_filter("lower", |value: Value| php_text(&value).to_lowercase());
    environment.add_filter("trim", |value: Value| php_text(&value).trim().to_owned());
    environment.add_test("defined", |value: Value| !value.is_undefined());
    environment.add_test("empty", |value: Value| is_empty(&value));
    environment.add_test("null", |value: Value| value.is_none());
    for (name, value) in [
        ("null", Value::from(())),
        ("true", Value::from(true)),
        ("false", Value::from(false)),
    ] {
        environment.add_global(name, value);
    }
    environment
}

/// A value as PHP writes it.
fn php_text(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => String::new(),
        ValueKind::Bool => (if value.is_true() { "1" } else { "" }).to_owned(),
        _ => value.to_string(),
    }
}

/// Twig's test `empty`.
fn is_empty(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => true,
        ValueKind::Bool => !value.is_true(),
        _ => value.as_str() == Some(""),
    }
}

/// As Twig escapes HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#039;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Output of at most `max` bytes.
struct LimitedOutput {
    text: Vec<u8>,
    max: usize,
}

impl io::Write for LimitedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.max {
            return Err(io::Error::other("the output is too long"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
