//! Response headers that keep browsers from using a response elsewhere.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};

/// The policy of a page whose response sets none: it may load only the server's own files.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'self'";

const ALL: [(HeaderName, &str); 3] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];
const PAGES: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, PAGE_POLICY),
    (X_FRAME_OPTIONS, "SAMEORIGIN"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Adds the headers that the response does not set itself.
pub(crate) fn add_security_headers(headers: &mut HeaderMap, is_page: bool) {
    let pages = if is_page { &PAGES[..] } else { &[] };
    for (name, value) in ALL.iter().chain(pages) {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}
