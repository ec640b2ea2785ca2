//! The recipients: columns that are empty or used by nobody, odd addresses.

mod addresses;
mod columns;
mod slips;
mod twice;

use super::super::facts::Facts;
use super::super::facts::RowSheet;
use super::super::out::Out;
use super::super::rule::Rule;

pub(super) use columns::{Tally, is_blank};
pub(super) use twice::Tally as Twice;

/// The rules.
pub(super) const RULES: &[Rule] = &[
    addresses::DUPLICATE,
    columns::UNUSED,
    columns::GAPS,
    columns::SPARSE,
    addresses::SLIP,
    addresses::ROLE,
    addresses::SHARED,
    addresses::DISPOSABLE,
    twice::TWICE,
];

pub(super) fn campaign(facts: &Facts<'_>, out: &mut Out<'_>) {
    columns::unused(facts, out);
    addresses::duplicates(facts, out);
    twice::campaign(facts, out);
}

pub(super) fn row(row: &RowSheet<'_>, out: &mut Out<'_>) {
    if out.wants_any(RULES) {
        addresses::row(&row.row.mailbox.address, out);
    }
}
