//! Pages and their files, as they are in `templates/`.

use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::response::{IntoResponse, Response};

use super::answers::Failed;

/// A page runs its own script and loads its own files, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      frame-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// A file of a page: its name and its content.
pub(crate) type File = (&'static str, &'static str);

/// The files that all pages have.
pub(crate) const SHARED: [File; 6] = [
    ("base.css", include_str!("../../templates/web/base.css")),
    ("ask.js", include_str!("../../templates/web/ask.js")),
    ("dialog.js", include_str!("../../templates/web/dialog.js")),
    ("dom.js", include_str!("../../templates/web/dom.js")),
    ("keys.js", include_str!("../../templates/web/keys.js")),
    ("kept.js", include_str!("../../templates/web/kept.js")),
];

/// A page.
pub(crate) fn page(html: &'static str) -> Response {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text("text/html; charset=utf-8", html)).into_response()
}

/// One of a page's files, or of those that all have.
///
/// # Errors
/// When there is none of this name.
pub(crate) fn file(files: &[File], name: &str) -> Result<Response, Failed> {
    let mut all = files.iter().chain(&SHARED);
    let (_, content) = all.find(|(file, _)| *file == name).ok_or_else(|| {
        Failed(
            StatusCode::NOT_FOUND,
            "The page has no such file.".to_owned(),
        )
    })?;
    let kind = if name.ends_with(".css") {
        "text/css"
    } else {
        "text/javascript"
    };
    Ok(text(kind, content))
}

/// A new version of the program has new files, so the browser asks each time.
fn text(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, content).into_response()
}
