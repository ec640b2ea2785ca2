//! Renders a recipient's row to a message: runs the templates, inlines CSS and makes the text part.

mod attachments;
mod body_cache;
mod body_template;
mod constants;
mod context;
mod engine;
mod engines;
mod escape;
mod explain;
mod filters;
mod hints;
mod inspection;
mod json_value;
mod layout;
mod limited_output;
mod limits;
mod markdown;
mod message_fields;
mod mjml;
mod plain_text;
mod renderer;
mod row;
mod selection;
mod tags;
mod templates;
#[cfg(test)]
mod tests;
mod value_spans;
mod variables;
mod verp;

pub use attachments::Recorded;
pub(crate) use context::{RECIPIENT, ROWS, UNSUBSCRIBE_URL};
pub use engine::{Engine, Inputs};
pub use engines::{Engines, VariantEngine};
pub(crate) use escape::{escaped, unescaped};
pub(crate) use inspection::InspectedHtml;
pub use inspection::InspectedMessage;
pub(crate) use layout::{BUILT_IN as BUILT_IN_LAYOUT, FROZEN_LAYOUT};
pub(crate) use markdown::options as markdown_options;
pub(crate) use mjml::CompiledMjml;
pub use row::{OtherRow, Prepared, Row};
pub(crate) use selection::RowSelection;
pub(crate) use verp::{KEY_LENGTH, Verp, has_token};

use markdown::MAX_EVENTS;

/// HTML that can't be processed.
#[derive(Debug, thiserror::Error)]
enum HtmlError {
    #[error("can't make a text part from the HTML: {0}")]
    Text(#[from] html2text::Error),
    #[error(transparent)]
    Utf8(#[from] std::string::FromUtf8Error),
    #[error(
        "the Markdown has more than {MAX_EVENTS} elements and texts; make its tables and lists shorter"
    )]
    Markdown,
    #[error(transparent)]
    Unprocessed(#[from] crate::html::Unprocessed),
}
