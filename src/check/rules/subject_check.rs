//! Compares a text in the HTML of a shape with the subject of each row.

use crate::check::context::{MessageContext, RowContext};
use crate::check::family::{RowCheck, RowChecks};
use crate::check::sink::FindingSink;
use crate::finding::Finding;

#[derive(Debug)]
pub(super) struct SubjectCheck {
    /// The text, with marks in place of the row's values.
    pub(super) text: String,
    /// Whether text and subject are the same for all rows of the shape.
    pub(super) is_fixed: bool,
    /// Whether the text is wrong beside the subject of a row.
    pub(super) is_wrong: fn(&str, &RowContext<'_>) -> bool,
    pub(super) finding: Finding,
}

impl SubjectCheck {
    /// The check, unless nobody wants its finding. A fixed one runs at once and not for each row.
    pub(super) fn for_rows(
        self,
        context: &MessageContext<'_>,
        sink: &mut FindingSink<'_>,
    ) -> RowChecks {
        if !sink.wants_finding(&self.finding) {
            return Vec::new();
        }
        if self.is_fixed {
            self.row(context, sink);
            return Vec::new();
        }
        vec![Box::new(self)]
    }
}

impl RowCheck for SubjectCheck {
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        if (self.is_wrong)(&self.text, context) {
            sink.add(self.finding.clone());
        }
    }
}
