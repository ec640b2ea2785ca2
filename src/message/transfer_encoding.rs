//! Encodes bodies and header texts so that they decode to exactly the same text; only line breaks become CRLF.
//!
//! mail-builder changes some texts: it does not encode `=?…?=`, and drops a leading space.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::api::form;

/// Bytes in one encoded word (RFC 2047 2). The word is then 64 characters long, so that it fits into
/// a line with most header names.
const ENCODED_WORD_BYTES: usize = 39;
/// The longest word that may stay unencoded: a header line has at most 998 octets (RFC 5322 2.1.1).
const MAX_PLAIN_WORD: usize = 900;

/// Whether a header can hold a text unencoded: printable ASCII without anything that looks like an
/// encoded word, and without white space that folding or parsing could lose.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && !text.contains("=?")
        && text
            .split(' ')
            .all(|word| !word.is_empty() && word.len() <= MAX_PLAIN_WORD)
}

/// Encodes a text as encoded words (RFC 2047), split only between characters.
pub(super) fn encoded_words(text: &str) -> String {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let fits = (1..=ENCODED_WORD_BYTES.min(rest.len()))
            .rev()
            .find(|at| rest.is_char_boundary(*at));
        let (word, after) = rest.split_at(fits.unwrap_or(rest.len()));
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    words.join(" ")
}

/// Percent-encodes all but the unreserved characters of RFC 3986 2.3.
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = Vec::new();
    form::encode_into(text.as_bytes(), &mut encoded);
    String::from_utf8_lossy(&encoded).into_owned()
}

/// Encodes the body of a text part, and returns the name of the encoding: quoted-printable if most of
/// the text stays readable, otherwise base64.
pub(super) fn text_body(text: &str) -> (&'static str, Vec<u8>) {
    let text = &*with_crlf(text);
    let escaped = text
        .bytes()
        .filter(|byte| !matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
    if escaped.count() > text.len() / 3 {
        ("base64", base64_lines(text.as_bytes()))
    } else {
        ("quoted-printable", quoted_printable(text.as_bytes()))
    }
}

/// A text whose line breaks are all CRLF, as MIME requires of text (RFC 2046 4.1.1).
fn with_crlf(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let is_bare = |at: usize| match bytes[at] {
        b'\n' => at == 0 || bytes[at - 1] != b'\r',
        _ => bytes.get(at + 1) != Some(&b'\n'),
    };
    if !memchr::memchr2_iter(b'\r', b'\n', bytes).any(is_bare) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + text.len() / 32 + 8);
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        out.push_str("\r\n");
        let length = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Base64 in lines of 76 characters (RFC 2045 6.8).
pub(super) fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let mut out = String::with_capacity(bytes.len() * 78 / 57 + 80);
    for line in bytes.chunks(57) {
        STANDARD.encode_string(line, &mut out);
        out.push_str("\r\n");
    }
    out.into_bytes()
}

/// Quoted-printable (RFC 2045 6.7) of a text whose line breaks are CRLF. No line starts with
/// `.` or `From `, which SMTP servers and mail stores may change.
fn quoted_printable(text: &[u8]) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    /// From this column on, an escape and the `=` of a soft line break exceed 76 characters.
    const FULL: usize = 73;
    let mut out = Vec::with_capacity(text.len() + text.len() / 8 + 8);
    let mut column = 0;
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let plain = plain_run(rest, FULL.saturating_sub(column));
        if plain > 0 {
            out.extend_from_slice(&rest[..plain]);
            (column, rest) = (column + plain, &rest[plain..]);
            continue;
        }
        if let Some(next) = rest.strip_prefix(b"\r\n") {
            out.extend_from_slice(b"\r\n");
            (column, rest) = (0, next);
            continue;
        }
        if column >= FULL {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        let literal = match byte {
            b'=' => false,
            b'.' => column > 0,
            b'F' => column > 0 || !after.starts_with(b"rom "),
            b' ' | b'\t' => !after.is_empty() && !after.starts_with(b"\r\n"),
            b'!'..=b'~' => true,
            _ => false,
        };
        if literal {
            out.push(*byte);
            column += 1;
        } else {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'=', high, low]);
            column += 3;
        }
        rest = after;
    }
    if column > 0 {
        // This line break is not part of the text.
        out.extend_from_slice(b"=\r\n");
    }
    out
}

/// Bytes that stay unencoded at every position, except a space at the end of a line.
const PLAIN: [bool; 256] = plain();

const fn plain() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        table[byte as usize] = !matches!(byte, b'=' | b'.' | b'F');
        byte += 1;
    }
    table
}

/// How many leading bytes can be copied unencoded, up to `max`. There may be more.
fn plain_run(text: &[u8], max: usize) -> usize {
    let line = &text[..text.len().min(max)];
    let end = line.iter().position(|byte| !PLAIN[usize::from(*byte)]);
    let end = end.unwrap_or(line.len());
    // The space may be the last character of its line.
    match line.get(..end) {
        Some([.., b' ']) => end - 1,
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        String::from_utf8(quoted_printable(text.as_bytes())).expect("ASCII")
    }

    #[test]
    fn quoted_printable_keeps_every_byte_and_the_line_limit() {
        assert_eq!(quoted(""), "");
        assert_eq!(quoted("a\r\nb\r\n"), "a\r\nb\r\n");
        assert_eq!(quoted("a \r\nb\t"), "a=20\r\nb=09=\r\n");
        assert_eq!(
            quoted(".\r\n..\r\nFrom x\r\nFor"),
            "=2E\r\n=2E.\r\n=46rom x\r\nFor=\r\n"
        );
        assert_eq!(quoted("ż=1"), "=C5=BC=3D1=\r\n");
        let lines = quoted(&"ż".repeat(500));
        assert!(lines.split("\r\n").all(|line| line.len() <= 76));
    }

    #[test]
    fn line_breaks_are_crlf() {
        for (text, expected) in [
            ("", ""),
            ("a\nb\n", "a\r\nb\r\n"),
            ("\n\n", "\r\n\r\n"),
            ("a\rb\r\nc\n\rd\r", "a\r\nb\r\nc\r\n\r\nd\r\n"),
            ("a\r\nb", "a\r\nb"),
        ] {
            assert_eq!(with_crlf(text), expected, "{text:?}");
        }
        let (encoding, body) = text_body("żółw\nżółw\n");
        assert_eq!(encoding, "base64");
        let decoded = STANDARD.decode(&body[..body.len() - 2]).expect("base64");
        assert_eq!(decoded, "żółw\r\nżółw\r\n".as_bytes());
    }

    #[test]
    fn encoded_words_split_between_characters() {
        assert_eq!(encoded_words("ż"), "=?utf-8?B?xbw=?=");
        let words = encoded_words(&"🎉".repeat(20));
        for word in words.split(' ') {
            assert!(word.len() <= 75, "{word}");
            let text = word
                .strip_prefix("=?utf-8?B?")
                .and_then(|word| word.strip_suffix("?="));
            let bytes = STANDARD
                .decode(text.expect("an encoded word"))
                .expect("base64");
            assert!(std::str::from_utf8(&bytes).is_ok(), "{word}");
        }
    }

    #[test]
    fn text_that_parsers_could_change_is_not_plain() {
        for text in [
            "",
            " a",
            "a ",
            "a  b",
            "a\tb",
            "=?utf-8?Q?a?=",
            "ż",
            "a\u{7f}",
        ] {
            assert!(!is_plain(text), "{text:?}");
        }
        assert!(!is_plain(&"a".repeat(901)));
        assert!(is_plain("<https://acme.example/u/1?a=b>, x"));
    }
}
