//! Merge gaps: what values that are empty, or not meant for readers, do to a message.

mod blanked;
mod blanks;
mod gap;
mod tags;
mod values;

use super::super::facts::Facts;
use super::super::facts::RowSheet;
use super::super::facts::Sheet;
use super::super::out::Out;
use super::super::rule::Rule;
use super::data;

pub(in super::super) use blanks::Known;

/// The rules.
pub(super) const RULES: &[Rule] = &[
    blanks::GAP,
    blanked::BLANKED,
    tags::LEFT,
    tags::IN_VALUE,
    values::NULL,
    values::MANGLED,
];

pub(super) fn campaign(facts: &Facts<'_>, out: &mut Out<'_>) {
    tags::campaign(facts, out);
}

pub(super) fn sheet(sheet: &Sheet<'_>, out: &mut Out<'_>) {
    tags::sheet(sheet, out);
    blanks::sheet(sheet, out);
}

pub(super) fn row(row: &RowSheet<'_>, out: &mut Out<'_>) {
    values::row(row, out);
    tags::row(row, out);
    blanks::row(row, out);
}

pub(super) fn finish(columns: &data::Tally, facts: &Facts<'_>, out: &mut Out<'_>) {
    blanked::finish(columns, facts, out);
}
