//! Merge gaps: what values that are empty, or not meant for readers, do to a message.

mod blanked;
mod blanks;
mod gap;
mod left;
mod paragraphs;
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
    left::LEFT,
    values::IN_VALUE,
    values::NULL,
    values::MANGLED,
];

pub(super) fn campaign(facts: &Facts<'_>, out: &mut Out<'_>) {
    left::campaign(facts, out);
}

pub(super) fn sheet(sheet: &Sheet<'_>, out: &mut Out<'_>) {
    left::sheet(sheet, out);
    blanks::sheet(sheet, out);
}

pub(super) fn row(row: &RowSheet<'_>, out: &mut Out<'_>) {
    values::row(row, out);
    left::row(row, out);
    blanks::row(row, out);
}

pub(super) fn finish(columns: &data::Tally, facts: &Facts<'_>, out: &mut Out<'_>) {
    blanked::finish(columns, facts, out);
}
