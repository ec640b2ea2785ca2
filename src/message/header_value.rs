//! Encodes the values of extra headers, each by its own grammar: RFC 2047 5 allows encoded words in unstructured text,
//! in the words of a name and in comments, but not in addresses and URIs.

use url::Url;

use super::transfer_encoding::{encoded_words, is_plain};
use crate::address::Address;

/// Headers that are lists of URIs in angle brackets (RFC 2369).
const URIS: [&str; 6] = [
    "List-Archive",
    "List-Help",
    "List-Owner",
    "List-Post",
    "List-Subscribe",
    "List-Unsubscribe",
];
/// Headers that are lists of names and addresses (RFC 8098 2.1, RFC 5322 3.6.6, and common ones).
const MAILBOXES: [&str; 9] = [
    "Disposition-Notification-To",
    "Errors-To",
    "Mail-Followup-To",
    "Mail-Reply-To",
    "Resent-Cc",
    "Resent-From",
    "Resent-To",
    "Return-Receipt-To",
    "X-Confirm-Reading-To",
];
/// One name and an ID in angle brackets (RFC 2919).
const LIST_ID: &str = "List-Id";

/// The longest part of a URI on one line: a header line has at most 998 octets (RFC 5322 2.1.1).
const MAX_URI_PART: usize = 900;

/// A header's value in ASCII. mail-builder folds it at spaces.
pub(super) fn header_value(name: &str, value: &str) -> String {
    let is_one_of = |names: &[&str]| names.iter().any(|it| it.eq_ignore_ascii_case(name));
    let encoded = if is_plain(value) {
        return value.to_owned();
    } else if is_one_of(&URIS) {
        uris(value)
    } else if is_one_of(&MAILBOXES) {
        let items = items(value).into_iter().map(with_name);
        items.collect::<Vec<_>>().join(", ")
    } else if is_one_of(&[LIST_ID]) {
        with_name(value)
    } else {
        return encoded_words(value);
    };
    // A value that does not follow the grammar of its header cannot be right in any encoding.
    match encoded.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => encoded,
        false => encoded_words(value),
    }
}

/// Encodes the URIs in angle brackets, and the comments between them.
fn uris(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len() * 2);
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('<') {
        let Some((uri, next)) = after.split_once('>') else {
            break;
        };
        encoded.push_str(&between(before));
        encoded.push('<');
        encoded.push_str(&folded(&ascii_uri(uri.trim())));
        encoded.push('>');
        rest = next;
    }
    encoded + &between(rest)
}

/// What is between two URIs: white space, commas, comments.
fn between(text: &str) -> String {
    let comment = text.split_once('(').and_then(|(before, rest)| {
        let (comment, after) = rest.rsplit_once(')')?;
        Some((before, comment, after))
    });
    match comment {
        Some((before, comment, after)) if !is_plain(comment) => {
            format!("{before}({}){after}", encoded_words(comment))
        }
        _ => text.to_owned(),
    }
}

/// A URI with Punycode for a host outside ASCII, and percent-encoded elsewhere (RFC 3987 3.1).
fn ascii_uri(uri: &str) -> String {
    let is_uri = |uri: &str| uri.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
    if is_uri(uri) {
        return uri.to_owned();
    }
    let uri = uri.replace(' ', "%20");
    match Url::parse(&uri) {
        Ok(url) if is_uri(url.as_str()) => url.into(),
        _ => uri
            .bytes()
            .map(|byte| match byte {
                b'!'..=b'~' => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            })
            .collect(),
    }
}

/// A long URI with spaces at which it can be folded. Readers remove white space from URIs (RFC 2369 2).
fn folded(uri: &str) -> String {
    let parts = uri.as_bytes().chunks(MAX_URI_PART);
    let parts: Vec<_> = parts.map(String::from_utf8_lossy).collect();
    parts.join(" ")
}

/// Splits a list at its commas, except those in quotes and in angle brackets.
fn items(value: &str) -> Vec<&str> {
    let (mut in_quotes, mut in_brackets, mut is_escaped) = (false, false, false);
    value
        .split(|c| {
            if is_escaped {
                is_escaped = false;
                return false;
            }
            match c {
                '\\' if in_quotes => is_escaped = true,
                '"' => in_quotes = !in_quotes,
                '<' if !in_quotes => in_brackets = true,
                '>' if !in_quotes => in_brackets = false,
                _ => {}
            }
            c == ',' && !in_quotes && !in_brackets
        })
        .collect()
}

/// Encodes the words of a name before an address or ID in angle brackets.
fn with_name(item: &str) -> String {
    let item = item.trim();
    let Some((name, after)) = item.rsplit_once('<') else {
        return address(item);
    };
    let after = after.strip_suffix('>').unwrap_or(after);
    let name = name.trim();
    let quoted = name
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'));
    let words = match quoted {
        _ if name.is_empty() || is_plain(name) => name.to_owned(),
        Some(quoted) => encoded_words(&quoted.replace("\\\"", "\"").replace("\\\\", "\\")),
        None => encoded_words(name),
    };
    format!("{words} <{}>", address(after))
        .trim_start()
        .to_owned()
}

fn address(text: &str) -> String {
    match Address::parse(text) {
        Ok(address) => address.to_ascii(),
        Err(_) => text.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_percent_encoded() {
        let encoded = |value: &str| header_value("List-Unsubscribe", value);
        assert_eq!(
            encoded("<https://a.example/u?m=Łódź&l=a b>, <mailto:a@b.example?subject=żółw>"),
            "<https://a.example/u?m=%C5%81%C3%B3d%C5%BA&l=a%20b>, <mailto:a@b.example?subject=%C5%BC%C3%B3%C5%82w>"
        );
        assert_eq!(
            encoded("<https://żółw.example/ł>(ż) , <https://a.example/>"),
            "<https://xn--w-uga1v8h.example/%C5%82>(=?utf-8?B?xbw=?=) , <https://a.example/>"
        );
        // Without brackets, nothing can be right.
        assert!(encoded("https://a.example/ż").starts_with("=?utf-8?B?"));
        let long = format!("<https://a.example/{}>", "x".repeat(2000));
        let folded = encoded(&long);
        assert!(folded.split(' ').all(|part| part.len() < 980));
        assert_eq!(folded.replace(' ', ""), long);
    }

    #[test]
    fn only_names_become_encoded_words() {
        for (name, value, expected) in [
            (
                "List-Id",
                "Żółw, sklep <news.acme.example>",
                "=?utf-8?B?xbvDs8WCdywgc2tsZXA=?= <news.acme.example>",
            ),
            (
                "Disposition-Notification-To",
                "Żaneta <z@acme.example>, \"Ann, Lee\" <a@acme.example>,b@żółw.example",
                "=?utf-8?B?xbthbmV0YQ==?= <z@acme.example>, \"Ann, Lee\" <a@acme.example>, b@xn--w-uga1v8h.example",
            ),
            (
                "errors-to",
                "\"Ż \\\"x\\\"\" <z@acme.example>",
                "=?utf-8?B?xbsgIngi?= <z@acme.example>",
            ),
            ("List-Id", "<news.acme.example>", "<news.acme.example>"),
            ("X-Note", "<ż>", "=?utf-8?B?PMW8Pg==?="),
        ] {
            assert_eq!(header_value(name, value), expected, "{name}: {value}");
        }
    }

    #[test]
    fn all_values_are_ascii() {
        for name in ["List-Unsubscribe", "List-Id", "Errors-To", "X-Note"] {
            for value in [
                "ż",
                "<",
                ">ż<",
                "<ż",
                "\"ż",
                "ż\\",
                "ż <ż@ż>",
                "",
                ",",
                "\u{1}<\u{7f}>",
            ] {
                let encoded = header_value(name, value);
                assert!(
                    encoded.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                    "{name}: {value}"
                );
            }
        }
    }
}
