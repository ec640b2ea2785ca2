//! Downloads of untrusted files: the browser saves them and never shows or runs them.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};

use crate::api::form;

/// The longest file name, in characters.
const MAX_NAME: usize = 120;

/// A response that the browser saves as a file.
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

/// The name in ASCII for old clients, and in UTF-8 (RFC 6266).
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

/// A safe file name from an untrusted one: no folders, no control or bidirectional characters. Returns
/// `default` if nothing is left.
pub(crate) fn file_name(untrusted: Option<&str>, default: &str) -> String {
    let base = untrusted.unwrap_or_default().rsplit(['/', '\\']).next();
    let base = base.unwrap_or_default().chars();
    let safe: String = base.filter(|c| is_safe(*c)).collect();
    // A dot at the start hides a file; some systems drop dots and spaces at the end.
    let safe = safe.trim_matches(['.', ' ']);
    if safe.is_empty() {
        return default.to_owned();
    }
    if safe.chars().count() <= MAX_NAME {
        return safe.to_owned();
    }
    let start: String = safe.chars().take(MAX_NAME - 11).collect();
    match safe.rsplit_once('.') {
        Some((_, extension)) if extension.len() <= 10 => format!("{start}.{extension}"),
        _ => start,
    }
}

fn is_safe(c: char) -> bool {
    let bidirectional = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let reserved = matches!(c, '"' | '<' | '>' | ':' | '|' | '?' | '*');
    !c.is_control()
        && !bidirectional
        && !reserved
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_names_become_safe() {
        let name = |untrusted| file_name(Some(untrusted), "part-1");
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
