//! The rules, a file or folder a family.

pub(super) mod accessibility;
pub(super) mod attachments;
mod campaign_file;
pub(super) mod clients;
pub(super) mod contrast;
pub(super) mod data;
pub(super) mod gaps;
pub(super) mod html;
pub(super) mod images;
pub(super) mod inline;
pub(super) mod json;
pub(super) mod links;
pub(super) mod list_headers;
pub(super) mod plan;
pub(super) mod sender_headers;
pub(super) mod size;
pub(super) mod spam;
pub(super) mod styles;
pub(super) mod stylesheets;
pub(super) mod subject;
mod subject_check;
pub(super) mod template_comments;
pub(super) mod text;
pub(super) mod unsubscribe;
pub(super) mod url_values;
pub(super) mod urls;
