//! Empty values, values that are not meant for readers, and merge tags.

mod bad_values;
mod emptied_columns;
mod empty_values;
mod gap;
mod leftover_tags;
mod merge_tags;
mod paragraphs;

use crate::check::context::{CampaignContext, MessageContext, RowContext};
use crate::check::family::{Family, FinishContext};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;

const RULES: &[Rule] = &[
    empty_values::GAP,
    emptied_columns::BLANKED,
    leftover_tags::LEFT,
    bad_values::IN_VALUE,
    bad_values::NULL,
    bad_values::MANGLED,
];

#[derive(Default)]
pub(in crate::check) struct MergeGaps {
    verdicts: empty_values::Verdicts,
}

impl Family for MergeGaps {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn campaign(&self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        leftover_tags::campaign(shared, sink);
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        leftover_tags::message(context, sink);
        empty_values::message(context, sink);
    }

    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        bad_values::row(context, sink);
        leftover_tags::row(context, sink);
        empty_values::row(context, &self.verdicts, sink);
    }

    fn finish(&self, context: &FinishContext<'_>, sink: &mut FindingSink<'_>) {
        emptied_columns::finish(context, sink);
    }
}
