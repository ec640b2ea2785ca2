//! Text that a terminal can show. Control characters in data could write to the clipboard, hide text, or
//! reverse its order.

use std::borrow::Cow;
use std::io::{self, Write};

/// Text from data, with its control characters made visible.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(printable_char).collect())
}

/// [`printable`] text in one line, so that it can't look like several.
pub(crate) fn printable_line(text: &str) -> String {
    printable(&text.replace(['\n', '\t'], " ")).into_owned()
}

/// JSON with escapes for the control characters that JSON allows in strings.
pub(crate) fn printable_json(json: &str) -> Cow<'_, str> {
    if json.chars().all(is_harmless) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match is_harmless(c) {
            true => escaped.push(c),
            // All of them have a code of four digits, and stand in strings.
            false => escaped.push_str(&format!("\\u{:04x}", c as u32)),
        }
    }
    Cow::Owned(escaped)
}

fn printable_char(c: char) -> char {
    match c {
        c if is_harmless(c) => c,
        '\u{7f}' => '␡',
        c if (c as u32) < 0x20 => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        _ => '\u{fffd}',
    }
}

fn is_harmless(c: char) -> bool {
    matches!(c, '\n' | '\t') || !(c.is_control() || is_bidi_control(c))
}

/// Characters that change the direction of the text around them (Unicode UAX 9).
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// How a writer makes text printable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Printable {
    Text,
    /// As text, but the sequences stay that set colours.
    Coloured,
    Json,
}

/// Makes everything printable that is written to it.
pub(crate) struct PrintableWriter<W> {
    inner: W,
    how: Printable,
    /// The start of a character whose end was not written yet.
    partial: Vec<u8>,
}

impl<W: Write> PrintableWriter<W> {
    pub(crate) fn new(inner: W, how: Printable) -> Self {
        Self {
            inner,
            how,
            partial: Vec::new(),
        }
    }

    fn write_text(&mut self, text: &str) -> io::Result<()> {
        let text = match self.how {
            Printable::Text => printable(text),
            Printable::Json => printable_json(text),
            Printable::Coloured => Cow::Owned(printable_coloured(text)),
        };
        // CSV lines end with CR LF.
        self.inner.write_all(text.as_bytes())
    }
}

impl<W: Write> Write for PrintableWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = std::mem::take(&mut self.partial);
        buffer.extend_from_slice(bytes);
        let mut rest = buffer.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.write_text(text)?;
                    return Ok(bytes.len());
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.write_text(&String::from_utf8_lossy(valid))?;
                    let Some(invalid) = error.error_len() else {
                        self.partial = after.to_vec();
                        return Ok(bytes.len());
                    };
                    self.write_text("\u{fffd}")?;
                    rest = &after[invalid..];
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Text with colours of our own (SGR sequences); every other control character is made visible.
fn printable_coloured(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut clean = printable(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        let parameters = part.strip_prefix('[').unwrap_or_default();
        let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
        let is_colour = end.is_some_and(|end| parameters[end..].starts_with('m'));
        clean.push(if is_colour { '\u{1b}' } else { '␛' });
        clean.push_str(&printable(part));
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_visible() {
        let text = "a\u{1b}]52;c;x\u{7}b\u{9b}c\u{202e}d\u{7f}\r\n\te";
        assert_eq!(printable(text), "a␛]52;c;x␇b\u{fffd}c\u{fffd}d␡␍\n\te");
        assert_eq!(printable_line("a\nb\tc"), "a b c");
    }

    #[test]
    fn json_stays_the_same() {
        let json = "\"a\u{9b}\u{7f}\u{202e}ł\"";
        let printed = printable_json(json);
        assert_eq!(printed, "\"a\\u009b\\u007f\\u202eł\"");
        let read = |json: &str| serde_json::from_str::<String>(json).expect("JSON");
        assert_eq!(read(&printed), read(json));
    }

    #[test]
    fn a_writer_keeps_characters_whole_and_only_colours() {
        let mut out = Vec::new();
        let mut writer = PrintableWriter::new(&mut out, Printable::Coloured);
        let text = "\u{1b}[1;31mł\u{1b}[0m\u{1b}[2J\u{1b}]0;x\u{9d}";
        for byte in text.bytes() {
            writer.write_all(&[byte]).expect("written");
        }
        // Sequences that are split between two writes are not known as colours.
        let mut whole = Vec::new();
        PrintableWriter::new(&mut whole, Printable::Coloured)
            .write_all(text.as_bytes())
            .expect("written");
        let text = String::from_utf8(whole).expect("UTF-8");
        assert_eq!(text, "\u{1b}[1;31mł\u{1b}[0m␛[2J␛]0;x\u{fffd}");
        assert!(!String::from_utf8(out).expect("UTF-8").contains('\u{1b}'));
    }
}
