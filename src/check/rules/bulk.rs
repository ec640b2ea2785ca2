//! What mailbox providers ask of those who send to many.

use super::super::facts::Facts;
use super::super::facts::RowSheet;
use super::super::out::Out;
use super::super::rule::Rule;

/// The rules.
pub(super) const RULES: &[Rule] = &[];

pub(super) fn campaign(_facts: &Facts<'_>, _out: &mut Out<'_>) {}

pub(super) fn row(_row: &RowSheet<'_>, _out: &mut Out<'_>) {}
