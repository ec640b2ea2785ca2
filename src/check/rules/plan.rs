//! How long it will take.

use super::super::facts::Facts;
use super::super::out::Out;
use super::super::rule::Rule;

/// The rules.
pub(super) const RULES: &[Rule] = &[];

pub(super) fn campaign(_facts: &Facts<'_>, _out: &mut Out<'_>) {}
