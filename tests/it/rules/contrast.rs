use super::Case;

pub(super) const CASES: &[Case] = &[];

pub(super) const SILENT: &[Case] = &[];
