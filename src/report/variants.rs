//! The variants of a run, as text.

use super::format::grouped;
use crate::ledger::{Status, VariantRows};

/// The pending rows of each variant: `A 5,012, B 4,988`.
pub(crate) fn pending_by_variant(rows: &[VariantRows]) -> String {
    let rows = rows.iter().filter_map(|rows| {
        let pending = rows.counts.of(Status::Pending);
        Some(format!("{} {}", rows.variant.as_ref()?, grouped(pending)))
    });
    rows.collect::<Vec<_>>().join(", ")
}

/// How many pending rows wait for the choice of a variant.
pub(crate) fn held_back(rows: &[VariantRows]) -> u64 {
    let without = rows.iter().filter(|rows| rows.variant.is_none());
    without.map(|rows| rows.counts.of(Status::Pending)).sum()
}

/// The rows of a variant, and how many have each status: `1,000  A: 990 accepted, 10 failed`.
pub(crate) fn variant_line(rows: &VariantRows) -> String {
    let statuses = Status::ALL.into_iter().filter_map(|status| {
        let count = rows.counts.of(status);
        (count > 0).then(|| format!("{} {status}", grouped(count)))
    });
    let name = match (&rows.variant, rows.chosen) {
        (Some(name), false) => format!("variant {name}"),
        (Some(name), true) => format!("variant {name}, by choice"),
        (None, _) => "held back until a variant is chosen".to_owned(),
    };
    let statuses = statuses.collect::<Vec<_>>().join(", ");
    format!("{:>12}  {name}: {statuses}", grouped(rows.counts.total()))
}
