//! The recipients: columns, fill rates, odd addresses.

use super::super::facts::Facts;
use super::super::facts::RowSheet;
use super::super::out::Out;
use super::super::rule::Rule;

/// The rules.
pub(super) const RULES: &[Rule] = &[];

pub(super) fn campaign(_facts: &Facts<'_>, _out: &mut Out<'_>) {}

pub(super) fn row(_row: &RowSheet<'_>, _out: &mut Out<'_>) {}

/// What is known of all rows together.
#[derive(Debug, Default)]
pub(super) struct Tally {}

impl Tally {
    pub(super) fn row(&mut self, _row: &RowSheet<'_>) {}

    pub(super) fn merge(&mut self, _other: Self) {}

    pub(super) fn finish(self, _facts: &Facts<'_>, _out: &mut Out<'_>) {}
}
