//! Says in plain words that a filter or function got a value of another type.

/// The message and the help for Tera's message, if it is about types.
pub(super) fn explained(message: &str) -> Option<(String, &'static str)> {
    let types = message.strip_prefix("Invalid type for the value, expected `")?;
    let (wanted, got) = types.strip_suffix('`')?.split_once("` but got `")?;
    let (wanted, help) = match wanted {
        "&[Value]" | "Vec<Value>" => (
            "a list",
            "write {% if … %} around it, because a missing list of JSON is empty text; a cell of CSV or a sheet is text, which `split(pat=\",\")` turns into a list",
        ),
        "Map" => (
            "a table",
            "write {% if … %} around it, because a missing object of JSON is empty text",
        ),
        "&str" | "string" => ("text", "the filter `str` turns a value into text"),
        "bool" => ("true or false", "write true or false without quotes"),
        _ => (
            "a number",
            "cells of CSV and sheets are text: `int` and `float` turn it into a number",
        ),
    };
    let got = match got {
        "array" => "a list",
        "map/struct" => "a table",
        "string" => "text",
        "bool" => "true or false",
        "none" | "undefined" => "nothing",
        "bytes" => "bytes",
        _ => "a number",
    };
    Some((format!("a filter here needs {wanted}, but got {got}"), help))
}
