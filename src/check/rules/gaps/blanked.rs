//! Each column emptied once, to see what breaks: this list has it in every row, the next may not.

use super::super::super::facts::Facts;
use super::super::super::out::Out;
use super::super::super::rule::Rule;
use super::super::data;
use super::blanks::where_printed;
use crate::finding::{Finding, Severity};
use crate::render::Row;

pub(super) const BLANKED: Rule = Rule {
    code: "gap-blanked",
    severity: Severity::Note,
    finds: "what would go wrong with the message of a row that has nothing in a column",
    source: "the first row, rendered once without each column; columns that have gaps are told by those",
    example: "`Hello {{ first_name }},` and no row without a first name, so far",
};

/// How many things that go wrong are told of a column.
const TOLD: usize = 3;

pub(super) fn finish(columns: &data::Tally, facts: &Facts<'_>, out: &mut Out<'_>) {
    let Some(row) = columns.first.as_ref().filter(|_| out.wants(&BLANKED)) else {
        return;
    };
    let wanted = out.at_least(Severity::Warning);
    let look = |row: &Row| {
        let mut out = Out::new(&wanted);
        match super::super::message(facts, row, &mut out) {
            Ok(()) => out.into_findings(),
            Err(finding) => vec![*finding],
        }
    };
    let before = look(row);
    for (place, name) in facts.used().filter(|(place, _)| columns.is_full(*place)) {
        let mut found = look(&without(row, place));
        found.retain(|finding| !before.iter().any(|known| known.is_like(finding)));
        if !found.is_empty() {
            out.add(told(facts, name, &found));
        }
    }
}

fn without(row: &Row, place: usize) -> Row {
    let mut row = row.clone();
    if let Some(cell) = row.cells.get_mut(place) {
        cell.clear();
    }
    row
}

fn told(facts: &Facts<'_>, name: &str, found: &[Finding]) -> Finding {
    let message = format!(
        "the column `{name}` is never empty here; if it were, {}",
        what_breaks(name, found)
    );
    let finding = BLANKED.found(message);
    let finding =
        finding.help("reckon with it in the templates: {% if … %}, before a list has such a row");
    match &found[0].excerpt {
        Some(excerpt) => Finding {
            place: found[0].place.clone(),
            ..finding
        }
        .excerpt(excerpt.clone()),
        None => where_printed(facts, finding, name),
    }
}

/// What goes wrong, in one sentence: what the column leaves, and what else is found.
fn what_breaks(name: &str, found: &[Finding]) -> String {
    let leaves = format!("an empty `{name}` leaves ");
    let (mut left, mut others) = (Vec::new(), Vec::new());
    for finding in found {
        match finding.message.strip_prefix(&leaves) {
            Some(gap) => left.push(gap.to_owned()),
            None => others.push(format!("“{}”", finding.message)),
        }
    }
    let mut words = Vec::new();
    for (verb, mut things) in [("it would leave", left), ("this would be found:", others)] {
        things.dedup();
        let more = things.len().saturating_sub(TOLD);
        things.truncate(TOLD);
        if more > 0 {
            things.push(format!("{more} more"));
        }
        if !things.is_empty() {
            words.push(format!("{verb} {}", things.join(", ")));
        }
    }
    words.join("; ")
}
