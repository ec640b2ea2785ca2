//! Escapes values for HTML as Tera does, and back.

use std::borrow::Cow;

pub(crate) fn escaped(value: &str) -> Cow<'_, str> {
    let mut bytes = Vec::with_capacity(value.len());
    match tera::escape_html(value, &mut bytes).map(|()| String::from_utf8(bytes)) {
        Ok(Ok(escaped)) => Cow::Owned(escaped),
        // Writing to memory never fails, and escaped text is text.
        _ => Cow::Borrowed(value),
    }
}

pub(crate) fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('&') {
        return Cow::Borrowed(value);
    }
    // `&amp;` comes last, so that nothing is unescaped twice.
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    let unescape =
        |text: String, (entity, character): (&str, &str)| text.replace(entity, character);
    Cow::Owned(entities.into_iter().fold(value.to_owned(), unescape))
}
