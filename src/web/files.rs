//! Pages and their files from `templates/`.

use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::response::{IntoResponse, Response};

use super::response::HttpError;

/// A page runs its own scripts and loads its own files, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      frame-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// The name and the content of a file.
pub(crate) type PageFile = (&'static str, &'static str);

const SHARED: [PageFile; 7] = [
    ("base.css", include_str!("../../templates/web/base.css")),
    ("dialog.js", include_str!("../../templates/web/dialog.js")),
    ("dom.js", include_str!("../../templates/web/dom.js")),
    ("fetch.js", include_str!("../../templates/web/fetch.js")),
    ("keys.js", include_str!("../../templates/web/keys.js")),
    ("links.js", include_str!("../../templates/web/links.js")),
    (
        "url_state.js",
        include_str!("../../templates/web/url_state.js"),
    ),
];

pub(crate) fn page(html: &'static str) -> Response {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text("text/html; charset=utf-8", html)).into_response()
}

/// A file of a page, or one that all pages share.
///
/// # Errors
/// There is no file with this name.
pub(crate) fn file(files: &[PageFile], name: &str) -> Result<Response, HttpError> {
    let mut all = files.iter().chain(&SHARED);
    let (_, content) = all.find(|(file, _)| *file == name).ok_or_else(|| {
        let message = "The page has no such file.".to_owned();
        HttpError(StatusCode::NOT_FOUND, message)
    })?;
    let kind = if name.ends_with(".css") {
        "text/css"
    } else {
        "text/javascript"
    };
    Ok(text(kind, content))
}

/// The browser must ask each time, because a new version of the program has new files.
fn text(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, content).into_response()
}
