//! What is said of a message that the API does not take.

use super::engine::Row;
use crate::api::Violation;
use crate::finding::{Finding, Place};

/// A finding for all limits that a row's message is over; `used` are the columns that the templates
/// use, by place and name.
pub(super) fn over_limit(violations: &[Violation], row: &Row, used: &[(usize, String)]) -> Finding {
    let all: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let finding = Finding::error("over-limit", Place::default(), all.join("; "));
    let breaks = |violation: &Violation| matches!(violation, Violation::Character { .. });
    if !violations.iter().any(breaks) {
        return finding;
    }
    let is_broken = |cell: &String| cell.contains(['\r', '\n', '\0']);
    let broken = used
        .iter()
        .filter(|(place, _)| row.cells.get(*place).is_some_and(is_broken));
    let columns: Vec<_> = broken.map(|(_, name)| format!("`{name}`")).collect();
    finding.help(match columns.as_slice() {
        [] => "write the value in campaign.toml on one line, with its {% … %} and all".to_owned(),
        [column] => format!("the row's cell in the column {column} has one: take it out there"),
        _ => format!(
            "the row's cells in the columns {} have one: take it out of that which stands there",
            columns.join(", ")
        ),
    })
}
