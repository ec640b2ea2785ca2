//! What is special in Tera templates.

/// Whether a template can use `name` as a variable: an identifier, and not a word that Tera or mailrun
/// reserves.
pub(crate) fn is_identifier(name: &str) -> bool {
    const RESERVED: [&str; 18] = [
        "true", "True", "false", "False", "loop", "self", "and", "or", "not", "is", "in", "if",
        "continue", "break", "none", "None", "null", "row",
    ];
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with("__tera")
        && !RESERVED.contains(&name)
}

/// The expression for a column in a template.
pub(crate) fn expression(column: &str) -> String {
    if is_identifier(column) {
        column.to_owned()
    } else {
        format!("row[\"{column}\"]")
    }
}

/// Whether a string has any template tags.
pub(crate) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|tag| text.contains(tag))
}
