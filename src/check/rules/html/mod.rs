//! HTML that mail clients remove or misread, and HTML that readers see as text.

mod as_text;
mod charset;
mod removed;

use crate::check::context::{MessageContext, RowContext};
use crate::check::family::{Family, RowChecks};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;

const RULES: &[Rule] = &[as_text::AS_TEXT, charset::CHARSET, removed::REMOVED];

pub(in crate::check) struct Html;

impl Family for Html {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(page) = &context.page else { return };
        removed::message(context, page, sink);
        charset::message(context, page, sink);
        as_text::message(context, page, sink);
    }

    fn row_checks(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) -> RowChecks {
        as_text::row_checks(context, sink)
    }

    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        as_text::row(context, sink);
    }
}
