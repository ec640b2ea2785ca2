//! The recipients: unused and empty columns, suspicious addresses, garbled text.

mod addresses;
mod columns;
mod domain_typos;
mod hidden_variables;
mod line_breaks;
mod mojibake;

use crate::check::context::{CampaignContext, RowContext};
use crate::check::family::{AnyTotals, Family, FinishContext};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;

const RULES: &[Rule] = &[
    addresses::DUPLICATE,
    addresses::DIFFERS,
    columns::UNUSED,
    columns::GAPS,
    columns::SPARSE,
    hidden_variables::HIDDEN,
    addresses::SLIP,
    addresses::ROLE,
    addresses::SHARED,
    addresses::DISPOSABLE,
    line_breaks::LINE_BREAKS,
    mojibake::GARBLED,
];

pub(in crate::check) struct RecipientData;

impl Family for RecipientData {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn campaign(&self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        columns::unused(shared, sink);
        hidden_variables::check(shared, sink);
        addresses::duplicates(shared, sink);
        addresses::differing(shared, sink);
        mojibake::campaign(shared, sink);
    }

    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        if sink.wants_any(RULES) {
            addresses::row(&context.row.mailbox.address, sink);
            line_breaks::row(context, sink);
        }
    }

    fn totals(&self) -> Vec<Box<dyn AnyTotals>> {
        vec![Box::new(mojibake::MojibakeTotals::default())]
    }

    fn finish(&self, context: &FinishContext<'_>, sink: &mut FindingSink<'_>) {
        columns::empty(context, sink);
    }
}
