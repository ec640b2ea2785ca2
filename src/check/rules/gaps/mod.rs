//! Merge gaps: what values that are empty or left over do to a message.

use super::super::facts::Facts;
use super::super::facts::RowSheet;
use super::super::facts::Sheet;
use super::super::out::Out;
use super::super::rule::Rule;

/// The rules.
pub(super) const RULES: &[Rule] = &[];

pub(super) fn campaign(_facts: &Facts<'_>, _out: &mut Out<'_>) {}

pub(super) fn sheet(_sheet: &Sheet<'_>, _out: &mut Out<'_>) {}

pub(super) fn row(_row: &RowSheet<'_>, _out: &mut Out<'_>) {}
