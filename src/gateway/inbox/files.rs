//! The page and its files, as they are in `templates/inbox`.

use axum::response::Response;

use super::answers::{Failed, Named};
use crate::web::{self, File};

macro_rules! files {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../../templates/inbox/", $name)))),*]
    };
}

const PAGE: &str = include_str!("../../../templates/inbox/inbox.html");
const FILES: [File; 8] = files![
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

pub(super) async fn file(Named(name): Named<String>) -> Result<Response, Failed> {
    web::file(&FILES, &name)
}
