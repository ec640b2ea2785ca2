//! The page and its files, from `templates/preview`.

use axum::extract::Path;
use axum::response::Response;

use crate::web::{self, HttpError, PageFile};

macro_rules! files {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../templates/preview/", $name)))),*]
    };
}

const PAGE: &str = include_str!("../../../templates/preview/preview.html");
const FILES: [PageFile; 10] = files![
    "preview.css",
    "preview.js",
    "api.js",
    "frame.js",
    "help.js",
    "list.js",
    "live.js",
    "message.js",
    "panels.js",
    "state.js"
];

pub(super) async fn page() -> Response {
    web::page(PAGE)
}

pub(super) async fn file(Path(name): Path<String>) -> Result<Response, HttpError> {
    web::file(&FILES, &name)
}
