//! Accessibility: what those who do not see the page as it was designed need.

use super::super::facts::Sheet;
use super::super::out::Out;
use super::super::rule::Rule;

/// The rules.
pub(super) const RULES: &[Rule] = &[];

pub(super) fn sheet(_sheet: &Sheet<'_>, _out: &mut Out<'_>) {}
