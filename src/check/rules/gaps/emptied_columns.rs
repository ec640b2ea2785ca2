//! Empties each column once to see what breaks: the next list may have rows with empty cells there.

use super::empty_values::{leaves, where_printed};
use crate::check::context::CampaignContext;
use crate::check::family::FinishContext;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::{Finding, Severity};
use crate::render::Row;

pub(super) const BLANKED: Rule = Rule::note("gap-blanked")
    .finds("what would go wrong in the message of a row with an empty cell, for columns that are full in this list")
    .why("The next list may have such a row.")
    .fix("Allow for an empty value in the templates: `{% if … %}`.")
    .source("the first row, rendered once without each column")
    .example("`Hello {{ first_name }},` in a list in which everybody has a first name");

/// How many consequences are listed for a column.
const MOST_LISTED: usize = 3;

pub(super) fn finish(context: &FinishContext<'_>, sink: &mut FindingSink<'_>) {
    let columns = context.columns;
    let first_row = columns.first_row.as_ref();
    let Some(row) = first_row.filter(|_| sink.wants(&BLANKED)) else {
        return;
    };
    let check = |row: &Row| (context.check_row)(row, Severity::Warning);
    let before = check(row);
    for (index, name) in context.shared.used_columns() {
        if columns.blank(index) != Some(0) {
            continue;
        }
        let mut new = check(&without(row, index));
        new.retain(|finding| !before.iter().any(|other| other.is_like(finding)));
        if !new.is_empty() {
            sink.add(finding(context.shared, name, &new));
        }
    }
}

fn without(row: &Row, index: usize) -> Row {
    let mut row = row.clone();
    if let Some(cell) = row.cells.get_mut(index) {
        cell.clear();
    }
    row
}

fn finding(shared: &CampaignContext<'_>, name: &str, new: &[Finding]) -> Finding {
    let consequences = consequences(name, new);
    let message = format!("the column `{name}` is never empty here; if it were, {consequences}");
    let finding = BLANKED.found(message);
    let finding = finding.help("allow for an empty value in the templates: {% if … %}");
    match &new[0].excerpt {
        Some(excerpt) => Finding {
            place: new[0].place.clone(),
            ..finding
        }
        .excerpt(excerpt.clone()),
        None => where_printed(shared, finding, name),
    }
}

/// What goes wrong, in one sentence: the gaps that the column leaves, and the other findings.
fn consequences(name: &str, new: &[Finding]) -> String {
    let leaves = leaves(&[name]);
    let (mut gaps, mut others) = (Vec::new(), Vec::new());
    for finding in new {
        match finding.message.strip_prefix(&leaves) {
            Some(gap) => gaps.push(gap.to_owned()),
            None => others.push(format!("“{}”", finding.message)),
        }
    }
    let mut parts = Vec::new();
    for (verb, mut things) in [("it would leave", gaps), ("`check` would report:", others)] {
        things.dedup();
        let more = things.len().saturating_sub(MOST_LISTED);
        things.truncate(MOST_LISTED);
        if more > 0 {
            things.push(format!("{more} more"));
        }
        if !things.is_empty() {
            parts.push(format!("{verb} {}", things.join(", ")));
        }
    }
    parts.join("; ")
}
