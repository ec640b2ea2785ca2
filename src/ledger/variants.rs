//! The variants of the rows of a run.
//!
//! A row that is held back until a variant is chosen is `pending` and has no variant. Its lane is negative, so that no
//! delivery reads it: `-1` stands for lane 0, `-2` for lane 1, and so on. The database refuses to claim it.

use super::StatusCounts;

/// The rows of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VariantRows {
    /// `None`: the rows are held back, or were skipped while they were.
    pub(crate) variant: Option<String>,
    /// They got it by choice, after the test.
    pub(crate) chosen: bool,
    pub(crate) counts: StatusCounts,
}

/// What became of the choice of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VariantChoice {
    /// It is chosen; this many rows got it now.
    Made(u64),
    /// This one was chosen before.
    Other(String),
}

/// The lane of a row that is held back, as it is stored.
pub(super) fn held_back_lane(lane: u32) -> i64 {
    -1 - i64::from(lane)
}

/// Puts the variants into the order of the campaign.
pub(super) fn in_order(mut rows: Vec<VariantRows>, names: &[String]) -> Vec<VariantRows> {
    rows.sort_by_key(|rows| {
        let variant = rows.variant.as_ref();
        let place = variant.and_then(|name| names.iter().position(|other| other == name));
        (place.unwrap_or(names.len()), rows.chosen)
    });
    rows
}
