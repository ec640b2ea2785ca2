//! The expressions of a template: values, comparisons, `and`, `or`, `not`, `is`, and filters.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Number;

use crate::api::V2Vars;

/// The most operators and parentheses around a value.
const MAX_LEVELS: usize = 50;
/// The most tokens of a tag.
const MAX_TOKENS: usize = 1000;
/// How many bytes of text count as a step.
const BYTES_PER_STEP: usize = 64;

/// The kind of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// `{{ … }}`
    Output,
    /// `{% … %}`
    Block,
    /// `{# … #}`
    Comment,
}

impl Tag {
    fn end(self) -> &'static str {
        match self {
            Self::Output => "}}",
            Self::Block => "%}",
            Self::Comment => "#}",
        }
    }
}

/// Why a template could not be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FillError {
    /// The output is too long.
    TooLong,
    /// There are too many tags to evaluate.
    TooManySteps,
}

/// The values for a message, and how much may be done with them.
pub(super) struct Values<'v> {
    pub(super) global: &'v V2Vars,
    pub(super) own: &'v V2Vars,
}

impl<'v> Values<'v> {
    pub(super) fn get(&self, name: &str) -> Option<&'v serde_json::Value> {
        self.global.get(name).or_else(|| self.own.get(name))
    }
}

/// How many steps may still be taken to fill templates.
pub(super) struct Steps(u64);

impl Steps {
    pub(super) fn new(max: u64) -> Self {
        Self(max)
    }

    /// Counts a step with so many bytes of text.
    fn take(&mut self, bytes: usize) -> Result<(), FillError> {
        let steps = 1 + (bytes / BYTES_PER_STEP) as u64;
        self.0 = self.0.checked_sub(steps).ok_or(FillError::TooManySteps)?;
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'v> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'v, str>),
}

#[derive(Debug)]
pub(super) enum Expression<'a> {
    Name(&'a str),
    Literal(Value<'a>),
    Not(Box<Expression<'a>>),
    /// At least two.
    And(Vec<Expression<'a>>),
    /// At least two.
    Or(Vec<Expression<'a>>),
    Compare(Comparison, Box<[Expression<'a>; 2]>),
    Test(Box<Expression<'a>>, Test),
    Filtered(Box<Expression<'a>>, Filter<'a>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Defined,
    Empty,
    Null,
}

#[derive(Debug)]
pub(super) enum Filter<'a> {
    Default(Box<Expression<'a>>),
    Escape,
    Raw,
    Upper,
    Lower,
    Trim,
}

impl<'a> Expression<'a> {
    pub(super) fn parse(tokens: &mut Tokens<'a>) -> Result<Self, String> {
        Self::or(tokens, 0)
    }

    fn or(tokens: &mut Tokens<'a>, level: usize) -> Result<Self, String> {
        if level > MAX_LEVELS {
            return Err(format!(
                "an expression is nested more than {MAX_LEVELS} times"
            ));
        }
        let first = Self::and(tokens, level)?;
        let mut all = vec![first];
        while tokens.take_word("or") {
            all.push(Self::and(tokens, level)?);
        }
        Ok(one_or(all, Self::Or))
    }

    fn and(tokens: &mut Tokens<'a>, level: usize) -> Result<Self, String> {
        let mut all = vec![Self::not(tokens, level)?];
        while tokens.take_word("and") {
            all.push(Self::not(tokens, level)?);
        }
        Ok(one_or(all, Self::And))
    }

    fn not(tokens: &mut Tokens<'a>, level: usize) -> Result<Self, String> {
        if level > MAX_LEVELS {
            return Err(format!(
                "an expression is nested more than {MAX_LEVELS} times"
            ));
        }
        if tokens.take_word("not") {
            return Ok(Self::Not(Box::new(Self::not(tokens, level + 1)?)));
        }
        let left = Self::filtered(tokens, level)?;
        if tokens.take_word("is") {
            let negated = tokens.take_word("not");
            let test = match tokens.word() {
                Some("defined") => Test::Defined,
                Some("empty") => Test::Empty,
                Some("null" | "none") => Test::Null,
                Some(other) => {
                    let other: String = other.chars().take(40).collect();
                    return Err(format!(
                        "the test {other} is not supported: use defined, empty or null"
                    ));
                }
                None => return Err("“is” needs a test: defined, empty or null".to_owned()),
            };
            let test = Self::Test(Box::new(left), test);
            return Ok(match negated {
                true => Self::Not(Box::new(test)),
                false => test,
            });
        }
        let operator = match tokens.peek()? {
            Some(Token::Symbol("==")) => Comparison::Equal,
            Some(Token::Symbol("!=")) => Comparison::NotEqual,
            Some(Token::Symbol("<")) => Comparison::Less,
            Some(Token::Symbol("<=")) => Comparison::LessOrEqual,
            Some(Token::Symbol(">")) => Comparison::Greater,
            Some(Token::Symbol(">=")) => Comparison::GreaterOrEqual,
            _ => return Ok(left),
        };
        tokens.next()?;
        let right = Self::filtered(tokens, level)?;
        Ok(Self::Compare(operator, Box::new([left, right])))
    }

    fn filtered(tokens: &mut Tokens<'a>, level: usize) -> Result<Self, String> {
        let mut value = Self::value_of(tokens, level)?;
        let mut filters = level;
        while tokens.take_symbol("|")? {
            filters += 1;
            if filters > MAX_LEVELS {
                return Err(format!(
                    "an expression is nested more than {MAX_LEVELS} times"
                ));
            }
            let filter = match tokens.word() {
                Some("default") => {
                    if !tokens.take_symbol("(")? {
                        return Err("the filter default needs a value: default('text')".to_owned());
                    }
                    let other = Self::or(tokens, level + 1)?;
                    tokens.expect(")")?;
                    Filter::Default(Box::new(other))
                }
                Some("escape" | "e") => Filter::Escape,
                Some("raw") => Filter::Raw,
                Some("upper") => Filter::Upper,
                Some("lower") => Filter::Lower,
                Some("trim") => Filter::Trim,
                Some(other) => {
                    let other: String = other.chars().take(40).collect();
                    return Err(format!(
                        "the filter {other} is not supported: use default, escape, raw, upper, lower or trim"
                    ));
                }
                None => return Err("“|” needs a filter".to_owned()),
            };
            value = Self::Filtered(Box::new(value), filter);
        }
        Ok(value)
    }

    fn value_of(tokens: &mut Tokens<'a>, level: usize) -> Result<Self, String> {
        Ok(match tokens.next()? {
            Some(Token::Word("true")) => Self::Literal(Value::Bool(true)),
            Some(Token::Word("false")) => Self::Literal(Value::Bool(false)),
            Some(Token::Word("null" | "none")) => Self::Literal(Value::Null),
            Some(Token::Word(name)) => Self::Name(name),
            Some(Token::Text(text)) => Self::Literal(Value::Text(text)),
            Some(Token::Number(number)) => Self::Literal(Value::Number(number)),
            Some(Token::Symbol("(")) => {
                let inside = Self::or(tokens, level + 1)?;
                tokens.expect(")")?;
                inside
            }
            Some(Token::Symbol(symbol)) => {
                return Err(format!("“{symbol}” stands where a value is needed"));
            }
            None => return Err("a value is missing".to_owned()),
        })
    }

    /// The levels are limited, so that this does not recurse deeply.
    pub(super) fn value<'v>(
        &'v self,
        values: &Values<'v>,
        steps: &mut Steps,
    ) -> Result<Value<'v>, FillError> {
        steps.take(0)?;
        Ok(match self {
            Self::Name(name) => match values.get(name) {
                None | Some(serde_json::Value::Null) => Value::Null,
                Some(serde_json::Value::Bool(bool)) => Value::Bool(*bool),
                Some(serde_json::Value::Number(number)) => Value::Number(number.clone()),
                Some(serde_json::Value::String(text)) => Value::Text(Cow::Borrowed(text)),
                // Decoding refuses them.
                Some(serde_json::Value::Array(_) | serde_json::Value::Object(_)) => Value::Null,
            },
            Self::Literal(value) => match value {
                Value::Text(text) => Value::Text(Cow::Borrowed(text)),
                other => other.clone(),
            },
            Self::Not(inside) => Value::Bool(!inside.value(values, steps)?.is_true()),
            Self::And(all) => {
                for one in all {
                    if !one.value(values, steps)?.is_true() {
                        return Ok(Value::Bool(false));
                    }
                }
                Value::Bool(true)
            }
            Self::Or(all) => {
                for one in all {
                    if one.value(values, steps)?.is_true() {
                        return Ok(Value::Bool(true));
                    }
                }
                Value::Bool(false)
            }
            Self::Compare(comparison, sides) => {
                let [left, right] = &**sides;
                let (left, right) = (left.value(values, steps)?, right.value(values, steps)?);
                steps.take(left.length().min(right.length()))?;
                Value::Bool(comparison.holds(&left, &right))
            }
            Self::Test(inside, test) => {
                let is_defined = match &**inside {
                    Self::Name(name) => values.get(name).is_some(),
                    _ => true,
                };
                let value = inside.value(values, steps)?;
                Value::Bool(match test {
                    Test::Defined => is_defined,
                    Test::Empty => value.is_empty(),
                    Test::Null => value == Value::Null,
                })
            }
            Self::Filtered(inside, filter) => {
                let value = inside.value(values, steps)?;
                match filter {
                    Filter::Default(other) if value.is_empty() => other.value(values, steps)?,
                    Filter::Default(_) | Filter::Raw => value,
                    filter => {
                        // Escaping makes a text up to six times as long.
                        steps.take(6 * value.length())?;
                        let text = value.text();
                        Value::Text(Cow::Owned(match filter {
                            Filter::Escape => escape(&text),
                            Filter::Upper => text.to_uppercase(),
                            Filter::Lower => text.to_lowercase(),
                            _ => text.trim().to_owned(),
                        }))
                    }
                }
            }
        })
    }
}

fn one_or<'a>(
    mut all: Vec<Expression<'a>>,
    many: impl FnOnce(Vec<Expression<'a>>) -> Expression<'a>,
) -> Expression<'a> {
    match all.pop() {
        Some(only) if all.is_empty() => only,
        Some(last) => {
            all.push(last);
            many(all)
        }
        None => many(all),
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

impl Value<'_> {
    /// As PHP writes it.
    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Null | Self::Bool(false) => "".into(),
            Self::Bool(true) => "1".into(),
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }

    /// As PHP converts it.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(bool) => *bool,
            Self::Number(number) => number.as_f64() != Some(0.0),
            Self::Text(text) => !matches!(&**text, "" | "0"),
        }
    }

    /// Twig's test `empty`.
    fn is_empty(&self) -> bool {
        match self {
            Self::Null | Self::Bool(false) => true,
            Self::Bool(true) | Self::Number(_) => false,
            Self::Text(text) => text.is_empty(),
        }
    }

    /// The bytes of a text.
    fn length(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Text(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite()),
            Self::Null | Self::Bool(_) => None,
        }
    }
}

impl Comparison {
    fn holds(self, left: &Value<'_>, right: &Value<'_>) -> bool {
        let order = order(left, right);
        match self {
            Self::Equal => order == Ordering::Equal,
            Self::NotEqual => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

/// As PHP compares: with a boolean, both are true or false; with a number, a text may be a number.
fn order(left: &Value<'_>, right: &Value<'_>) -> Ordering {
    let has_number = [left, right]
        .iter()
        .any(|value| matches!(value, Value::Number(_)));
    match (left, right) {
        (Value::Bool(_), _) | (_, Value::Bool(_)) => left.is_true().cmp(&right.is_true()),
        (Value::Null, Value::Number(_)) | (Value::Number(_), Value::Null) => {
            left.is_true().cmp(&right.is_true())
        }
        _ => match (left.number(), right.number()) {
            (Some(left), Some(right)) if has_number => left.total_cmp(&right),
            _ => left.text().cmp(&right.text()),
        },
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    Text(Cow<'a, str>),
    Number(Number),
    Symbol(&'a str),
}

/// The tokens of a tag, up to its closing braces.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    kind: Tag,
    count: usize,
    peeked: Option<Option<Token<'a>>>,
}

impl<'a> Tokens<'a> {
    /// The tokens of a text that begins inside of a tag.
    pub(super) fn new(text: &'a str, kind: Tag) -> Self {
        Self {
            text,
            at: 0,
            kind,
            count: 0,
            peeked: None,
        }
    }

    /// Where the closing braces stand.
    pub(super) fn end(&mut self) -> Result<usize, String> {
        match self.peek()? {
            None => Ok(self.at),
            Some(token) => {
                let text = match token {
                    Token::Word(text) | Token::Symbol(text) => (*text).to_owned(),
                    Token::Text(text) => text.chars().take(40).collect(),
                    Token::Number(number) => number.to_string(),
                };
                let text: String = text.chars().take(40).collect();
                Err(format!("“{text}” is not expected here"))
            }
        }
    }

    pub(super) fn word(&mut self) -> Option<&'a str> {
        match self.peek() {
            Ok(Some(Token::Word(word))) => {
                let word = *word;
                self.peeked = None;
                Some(word)
            }
            _ => None,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.peek(), Ok(Some(Token::Word(next))) if *next == word);
        if is_next {
            self.peeked = None;
        }
        is_next
    }

    fn take_symbol(&mut self, symbol: &str) -> Result<bool, String> {
        let is_next = matches!(self.peek()?, Some(Token::Symbol(next)) if *next == symbol);
        if is_next {
            self.peeked = None;
        }
        Ok(is_next)
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        match self.take_symbol(symbol)? {
            true => Ok(()),
            false => Err(format!("“{symbol}” is missing")),
        }
    }

    fn peek(&mut self) -> Result<Option<&Token<'a>>, String> {
        let token = match self.peeked.take() {
            Some(token) => token,
            None => self.read()?,
        };
        Ok(self.peeked.insert(token).as_ref())
    }

    fn next(&mut self) -> Result<Option<Token<'a>>, String> {
        match self.peeked.take() {
            Some(token) => Ok(token),
            None => self.read(),
        }
    }

    fn read(&mut self) -> Result<Option<Token<'a>>, String> {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        let close = self.kind.end();
        let rest = trimmed;
        for dash in ["", "-", "~"] {
            if rest
                .strip_prefix(dash)
                .is_some_and(|rest| rest.starts_with(close))
            {
                self.at += dash.len();
                return Ok(None);
            }
        }
        self.count += 1;
        if self.count > MAX_TOKENS {
            return Err(format!(
                "a tag is too long: it has more than {MAX_TOKENS} parts"
            ));
        }
        let Some(first) = rest.chars().next() else {
            return Err(format!("a tag is not closed by {close}"));
        };
        let (token, length) = match first {
            '\'' | '"' => quoted(rest, first)?,
            c if is_name(c) && !c.is_ascii_digit() => {
                let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                (Token::Word(&rest[..length]), length)
            }
            c if c.is_ascii_digit()
                || c == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) =>
            {
                let digits = &rest[1..];
                let length = digits.find(|c: char| !c.is_ascii_digit() && c != '.');
                let length = 1 + length.unwrap_or(digits.len());
                let number = serde_json::from_str(&rest[..length.min(40)]);
                let number = number.map_err(|_| "a number is not valid".to_owned())?;
                (Token::Number(number), length)
            }
            c => {
                let two = ["==", "!=", "<=", ">="];
                let length = match two.iter().any(|symbol| rest.starts_with(symbol)) {
                    true => 2,
                    false => c.len_utf8(),
                };
                (Token::Symbol(&rest[..length]), length)
            }
        };
        self.at += length;
        Ok(Some(token))
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A text in quotes, in which `\` stands before a character that is meant literally.
fn quoted(text: &str, quote: char) -> Result<(Token<'_>, usize), String> {
    let mut unescaped = String::new();
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            c if is_escaped => {
                unescaped.push(c);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            c if c == quote => {
                let inside = &text[1..at];
                let token = match unescaped.len() == inside.len() {
                    true => Cow::Borrowed(inside),
                    false => Cow::Owned(unescaped),
                };
                return Ok((Token::Text(token), at + 1));
            }
            c => unescaped.push(c),
        }
    }
    Err("a text is not closed by its quote".to_owned())
}
