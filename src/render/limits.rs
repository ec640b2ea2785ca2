//! Explains why a message exceeds the API's limits.

use super::row::Row;
use crate::api::Violation;
use crate::finding::{Finding, Place};

/// One finding for all limits that a row's message exceeds. `used` are the index and the name of each
/// column that the templates use.
pub(super) fn over_limit(violations: &[Violation], row: &Row, used: &[(usize, String)]) -> Finding {
    let messages: Vec<String> = violations.iter().map(ToString::to_string).collect();
    let finding = Finding::error("over-limit", Place::default(), messages.join("; "));
    let kinds: Vec<String> = violations.iter().map(kind).collect();
    let finding = finding.kind(kinds.join("; "));
    if let Some(help) = violations.iter().find_map(more_copies) {
        return finding.help(help);
    }
    let is_line_break = |violation: &Violation| matches!(violation, Violation::Character { .. });
    if !violations.iter().any(is_line_break) {
        return finding;
    }
    let has_line_break = |cell: &String| cell.contains(['\r', '\n', '\0']);
    let columns: Vec<_> = used
        .iter()
        .filter(|(index, _)| row.cells.get(*index).is_some_and(has_line_break))
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    finding.help(match columns.as_slice() {
        [] => "write the value in campaign.toml on one line, including its {% … %} tags".to_owned(),
        [column] => format!("the row's cell in the column {column} contains one; remove it"),
        _ => format!(
            "the row's cells in the columns {} contain line breaks; remove them",
            columns.join(", ")
        ),
    })
}

/// Which ways of sending can carry several addresses.
fn more_copies(violation: &Violation) -> Option<&'static str> {
    match violation {
        Violation::TooManyCopies {
            field: "reply_to", ..
        } => Some(
            "the API takes one reply address; write one, or send by [smtp], which takes several",
        ),
        Violation::TooManyCopies { .. } => Some(
            "the dialect \"sendmail\" takes one; write one, or use the dialect \"new_sendmail\" or \"v2\", or [smtp]",
        ),
        _ => None,
    }
}

/// What a violation says without the numbers and the address of the row.
fn kind(violation: &Violation) -> String {
    match violation {
        Violation::UnsupportedAddress(_) => "the address can't be posted".to_owned(),
        Violation::MessageId { .. } => "the message ID is invalid".to_owned(),
        other => other
            .to_string()
            .replace(|c: char| c.is_ascii_digit() || c == ',', ""),
    }
}
