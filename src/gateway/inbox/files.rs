//! The page and its files, as they are in `templates/inbox`.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::response::{IntoResponse, Response};

use super::answers::Failed;

/// The page runs its own script and loads its own files, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      frame-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; \
                      frame-ancestors 'none'";

macro_rules! files {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../templates/inbox/", $name)))),*]
    };
}

const PAGE: &str = include_str!("../../../templates/inbox/inbox.html");
const FILES: [(&str, &str); 9] = files![
    "inbox.css",
    "inbox.js",
    "api.js",
    "dialog.js",
    "dom.js",
    "groups.js",
    "list.js",
    "message.js",
    "state.js"
];

pub(super) async fn page() -> Response {
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text("text/html; charset=utf-8", PAGE)).into_response()
}

pub(super) async fn file(Path(name): Path<String>) -> Result<Response, Failed> {
    let file = FILES.iter().find(|(file, _)| *file == name);
    let (_, content) = file.ok_or_else(|| {
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
