//! Escapes values for Markdown.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use tera::{Kwargs, State, StringInput, Tera, TeraResult, Value};

/// The start of a character reference in an escaped value. Five digits and a semicolon follow.
const REFERENCE: &str = "&#0";

/// A copy of a Tera whose templates print Markdown and escape the values in it.
pub(in crate::render) fn escaping_tera(tera: &Tera) -> Tera {
    let mut tera = tera.clone();
    tera.autoescape_on([""]);
    tera.set_escape_fn(write_value);
    tera.register_filter("escape_html", escape_html);
    tera.register_filter("newlines_to_br", newlines_to_br);
    tera
}

/// Escapes a value, and marks its span as for HTML. A template may capture the value, and it then gets to the Markdown
/// parser.
fn write_value(value: &str, out: &mut dyn Write) -> io::Result<()> {
    out.flush()?;
    out.write_all(escaped(value).as_bytes())?;
    out.flush()
}

/// Replaces everything that Markdown or HTML could give a meaning to by character references, which work in text, in
/// addresses and in the attributes of HTML. What was escaped before and then joined with a text is not escaped twice.
fn escaped(value: &str) -> String {
    let value = unescaped(value);
    let mut escaped = String::with_capacity(value.len() + 16);
    for c in value.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "{REFERENCE}{:05};", c as u32);
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Replaces the references of [`escaped`] by their characters. They have a form that nobody types.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains(REFERENCE) {
        return Cow::Borrowed(text);
    }
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(REFERENCE) {
        value.push_str(before);
        let number = after.get(..5).filter(|_| after[5..].starts_with(';'));
        match number.and_then(|number| char::from_u32(number.parse().ok()?)) {
            Some(c) => {
                value.push(c);
                rest = &after[6..];
            }
            None => {
                value.push_str(REFERENCE);
                rest = after;
            }
        }
    }
    value.push_str(rest);
    Cow::Owned(value)
}

/// The value that was [`escaped`].
pub(super) fn printed(escaped: &str) -> String {
    let mut value = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once("&#") {
        value.push_str(before);
        let Some((number, after)) = after.split_once(';') else {
            break;
        };
        value.extend(number.parse().ok().and_then(char::from_u32));
        rest = after;
    }
    value.push_str(rest);
    value
}

fn escape_html(value: StringInput<'_>, _: Kwargs, _: &State) -> Value {
    match value.is_safe() {
        true => value.into_value(),
        false => Value::safe_string(&escaped(value.as_str())),
    }
}

fn newlines_to_br(value: &Value, _: Kwargs, _: &State) -> TeraResult<Value> {
    let Some(text) = value.as_str() else {
        return Err(tera::Error::message("newlines_to_br is for texts"));
    };
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines = lines.split('\n').map(|line| match value.is_safe() {
        true => line.to_owned(),
        false => escaped(line),
    });
    let html = lines.collect::<Vec<_>>().join("<br>");
    Ok(Value::safe_string(&html))
}
