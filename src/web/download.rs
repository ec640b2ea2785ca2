//! What is downloaded from a message: never shown, never run, never named by the message alone.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};

use crate::api::form;

/// The longest name of a file.
const MAX_NAME: usize = 120;

/// An answer that a browser saves as a file.
pub(crate) fn attachment(name: &str, bytes: impl Into<Body>) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, disposition(name)),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (
            CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'".to_owned(),
        ),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, bytes.into()).into_response()
}

/// The header that names it (RFC 6266): in ASCII for all, in UTF-8 for those that know that.
fn disposition(name: &str) -> String {
    let ascii: String = name
        .chars()
        .map(|c| {
            if c.is_ascii() && !matches!(c, '"' | '\\' | '%') {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut encoded = Vec::new();
    form::encode_into(name.as_bytes(), &mut encoded);
    let encoded = String::from_utf8_lossy(&encoded);
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// A file's name out of what a message says: the last part of a path, without what controls or turns
/// around text; `other` if nothing is left.
pub(crate) fn file_name(said: Option<&str>, other: &str) -> String {
    let last = said
        .unwrap_or_default()
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default();
    let plain: String = last.chars().filter(|c| is_plain(*c)).collect();
    // A name that begins with a dot is hidden; at the end some systems drop dots and spaces.
    let plain = plain.trim_matches(['.', ' ']);
    if plain.is_empty() {
        return other.to_owned();
    }
    if plain.chars().count() <= MAX_NAME {
        return plain.to_owned();
    }
    let ending = plain.rsplit_once('.').map(|(_, ending)| ending);
    let ending = ending.filter(|ending| ending.len() <= 10);
    let start: String = plain.chars().take(MAX_NAME - 11).collect();
    ending.map_or_else(|| start.clone(), |ending| format!("{start}.{ending}"))
}

fn is_plain(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let reserved = matches!(c, '"' | '<' | '>' | ':' | '|' | '?' | '*');
    !c.is_control() && !turns && !reserved && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_messages_are_made_harmless() {
        let name = |said| file_name(Some(said), "part-1");
        assert_eq!(name("../../etc/passwd"), "passwd");
        assert_eq!(name("C:\\a\\b.txt"), "b.txt");
        assert_eq!(name("a\"b\r\nX: y.txt"), "abX y.txt");
        assert_eq!(name("\u{202e}gpj.exe"), "gpj.exe");
        assert_eq!(name(".."), "part-1");
        assert_eq!(name(".htaccess"), "htaccess");
        assert_eq!(name("a/"), "part-1");
        assert_eq!(file_name(None, "part-1"), "part-1");
        let long = name(&format!("{}.tar.gz", "ż".repeat(500)));
        assert!(
            long.ends_with(".gz") && long.chars().count() <= MAX_NAME,
            "{long}"
        );
    }

    #[test]
    fn the_header_is_one_line_of_ascii() {
        let header = disposition(&file_name(Some("zażółć \"1\" 100%.pdf"), ""));
        assert_eq!(
            header,
            "attachment; filename=\"za____ 1 100_.pdf\"; filename*=UTF-8''za%C5%BC%C3%B3%C5%82%C4%87%201%20100%25.pdf"
        );
    }
}
