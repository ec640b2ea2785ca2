//! The layout around a letter in Markdown: a template of the campaign, or mailrun's own.

use tera::{Context, Tera, Value};

use super::explain::Sources;
use super::value_spans::RenderedHtml;
use crate::finding::Finding;

/// The variable of a layout that holds the letter.
pub(super) const CONTENT: &str = "content";
/// The variable of a layout that holds the message's subject.
const SUBJECT: &str = "subject";
/// The variables of a layout. Columns and variables in `[vars]` with these names are hidden there.
pub(super) const LAYOUT_VARIABLES: [&str; 2] = [CONTENT, SUBJECT];

/// The layout of letters without one.
pub(crate) const BUILT_IN: &str =
    include_str!("../../templates/starter-markdown/templates/base.html");

/// The file with [`BUILT_IN`] in the copy that a run has of its campaign. No attachment has such a name.
pub(crate) const FROZEN_LAYOUT: &str = ".layout.html";

/// A letter for its layout.
pub(super) struct Letter<'a> {
    pub(super) content: &'a RenderedHtml,
    pub(super) subject: &'a str,
}

impl Letter<'_> {
    /// The variables that the layout sees: those of its row, and the letter.
    pub(super) fn context(&self, row: &Context) -> Context {
        let mut context = row.clone();
        context.insert_value(CONTENT, Value::safe_string(self.content.html()));
        context.insert_value(SUBJECT, Value::from(self.subject));
        context
    }
}

/// A finding for a layout that never prints the letter.
pub(super) fn without_letter(tera: &Tera, sources: &Sources, layout: &str) -> Option<Finding> {
    let used = tera.get_template_variables(layout).ok()?;
    if used.contains(CONTENT) {
        return None;
    }
    let message = "the layout never prints the letter";
    let finding = sources.at_file("template-error", layout, message);
    Some(finding.help("write {{ content }} where the letter belongs"))
}
