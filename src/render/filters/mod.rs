//! The filters, tests and functions that templates can use besides Tera's own.

mod arguments;
mod catalogue;
mod date;
mod date_format;
mod date_input;
mod decimal;
mod money;
mod number;
mod plural;

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tera::{Kwargs, State, StringInput, Tera, TeraResult, Value};

use super::escape::escaped;
use super::value_spans::write_value;
use crate::language::Language;

pub(super) use arguments::split_help;
pub(super) use catalogue::{
    CallKind, arguments, first_argument, help_for_argument, help_for_unknown,
};

/// A filter that writes a value in a language; the last argument is the campaign's.
type Localized = fn(&Value, &Kwargs, Option<&Language>) -> TeraResult<String>;

/// An engine without templates. `started` is the time that templates get from `now`. `language` is the language of filters
/// without `locale`.
pub(super) fn new_tera(started: Timestamp, language: Option<&Language>) -> Tera {
    let mut tera = Tera::new();
    tera.set_escape_fn(write_value);
    let localized: [(&str, Localized); 4] = [
        ("date", date::date),
        ("money", money::money),
        ("number", number::number),
        ("plural", plural::plural),
    ];
    for (name, filter) in localized {
        let language = language.cloned();
        tera.register_filter(name, move |value: &Value, kwargs: Kwargs, _: &State| {
            filter(value, &kwargs, language.as_ref())
        });
    }
    tera.register_filter("urlencode", tera_contrib::urlencode::urlencode);
    tera.register_filter(
        "urlencode_strict",
        tera_contrib::urlencode::urlencode_strict,
    );
    tera.register_filter("escape_json", escape_json);
    tera.register_filter("escape_html", escape_html);
    tera.register_filter("newlines_to_br", newlines_to_br);
    tera.register_test("before", |value: &Value, kwargs: Kwargs, _: &State| {
        date::is_before(value, &kwargs)
    });
    tera.register_test("after", |value: &Value, kwargs: Kwargs, _: &State| {
        date::is_after(value, &kwargs)
    });
    tera.register_function("now", move |kwargs: Kwargs, _: &State| {
        now(started, &kwargs)
    });
    tera
}

/// Escapes a value for a JSON string (RFC 8259, 7). The result contains nothing that HTML would escape or
/// that could end a script.
fn escape_json(value: &Value, _: Kwargs, _: &State) -> TeraResult<String> {
    let text = match value.as_str() {
        Some(text) => Cow::Borrowed(text),
        None if value.is_number() || value.is_bool() => Cow::Owned(value.to_string()),
        None => return Err(tera::Error::message("escape_json is for texts and numbers")),
    };
    let quoted = serde_json::Value::from(text.as_ref()).to_string();
    let mut escaped = quoted[1..quoted.len() - 1].to_owned();
    let unsafe_in_html = [
        ("\\\"", "\\u0022"),
        ("&", "\\u0026"),
        ("'", "\\u0027"),
        ("<", "\\u003c"),
        (">", "\\u003e"),
    ];
    for (character, code) in unsafe_in_html {
        if escaped.contains(character) {
            escaped = escaped.replace(character, code);
        }
    }
    Ok(escaped)
}

/// Escapes a value for HTML. Tera's own filter returns a value that is escaped a second time where it is printed.
fn escape_html(value: StringInput<'_>, _: Kwargs, _: &State) -> Value {
    match value.is_safe() {
        true => value.into_value(),
        false => Value::safe_string(&escaped(value.as_str())),
    }
}

/// Replaces line breaks by `<br>`. In HTML, the rest of the value is escaped, and the `<br>` are not: Tera's own filter
/// returns a value whose `<br>` are escaped where it is printed.
fn newlines_to_br(value: &Value, _: Kwargs, state: &State) -> TeraResult<Value> {
    let Some(text) = value.as_str() else {
        return Err(tera::Error::message("newlines_to_br is for texts"));
    };
    let html = match value.is_safe() || !state.autoescaping_enabled() {
        true => Cow::Borrowed(text),
        false => escaped(text),
    };
    let html = html.replace("\r\n", "<br>").replace(['\n', '\r'], "<br>");
    Ok(Value::safe_string(&html))
}

/// The start of the run, so that a row renders the same on every attempt.
fn now(started: Timestamp, kwargs: &Kwargs) -> TeraResult<Value> {
    let name = kwargs.get::<&str>("timezone")?.unwrap_or("UTC");
    let zone = TimeZone::get(name)
        .map_err(|_| tera::Error::message(format!("Unknown timezone: {name}")))?;
    Ok(Value::from(started.to_zoned(zone).to_string()))
}
