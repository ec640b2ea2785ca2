//! What `check`, `preview`, `render` and `frame` know about a message's HTML: its tokens and elements, its
//! styles, and the marks that stand for a row's values in HTML that many rows share.

mod colour;
mod computed_style;
mod css;
pub(crate) mod css_influence;
mod css_nesting;
mod data_tables;
mod dynamic_attributes;
mod guard;
mod image_sources;
mod inlining;
mod limits;
pub(crate) mod marks;
mod nesting;
mod page;
mod table_spans;
mod tokens;
mod tree;

pub(crate) use colour::{Background, Colour};
pub(crate) use computed_style::{ComputedStyle, HIDDEN_SIZE, computed_styles};
pub(crate) use css::{
    Component, Elements, Style, components, leading_number, parse_document, parse_stylesheet,
    top_level_components,
};
pub(crate) use data_tables::rows_as_lines;
pub(crate) use dynamic_attributes::{DynamicAttribute, dynamic_attributes};
pub(crate) use guard::{Unprocessed, catch_panic, guarded, is_guarded_panic};
pub(crate) use image_sources::{ImageSource, image_sources, srcset};
pub(crate) use inlining::{OverriddenRule, inline_css, normalized, overridden_rules};
pub(crate) use limits::MAX_ELEMENTS;
pub(crate) use page::{Element, NodeKind, Page};
pub(crate) use table_spans::fit_spans;
pub(crate) use tokens::{Token, tokenize};
pub(crate) use tree::{MAX_TIME, parse, prepend_to_head};
