//! The page and its files from `templates/inbox`.

use axum::response::Response;

use super::params::PathParams;
use crate::web::{self, HttpError, PageFile};

macro_rules! files {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../templates/inbox/", $name)))),*]
    };
}

const PAGE: &str = include_str!("../../../templates/inbox/inbox.html");
const FILES: [PageFile; 8] = files![
    "inbox.css",
    "inbox.js",
    "api.js",
    "groups.js",
    "help.js",
    "list.js",
    "message.js",
    "state.js"
];

pub(super) async fn page() -> Response {
    web::page(PAGE)
}

pub(super) async fn file(PathParams(name): PathParams<String>) -> Result<Response, HttpError> {
    web::file(&FILES, &name)
}
