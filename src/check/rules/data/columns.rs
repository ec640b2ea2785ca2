//! Columns that no template uses, and columns with empty cells.

use crate::campaign::Text;
use crate::check::context::CampaignContext;
use crate::check::family::FinishContext;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Place;
use crate::report::grouped;

pub(super) const UNUSED: Rule = Rule::note("column-unused")
    .finds("columns of the recipients that no template uses")
    .why("A misspelled or forgotten variable is easy to overlook. Every run also keeps a copy of the file, with all its personal data.")
    .fix("Remove columns that the message does not need.")
    .source("the templates, with all that they include, and every string of `[message]`")
    .example("a column `city`, and no `{{ city }}` anywhere");

pub(super) const GAPS: Rule = Rule::note("column-gaps")
    .finds("a column that is empty in some rows, although no `{% if … %}` allows for that; or in all rows")
    .why("The message has a hole where the value should be.")
    .fix("Fill the cells, or write in the templates what to say without a value: `{% if … %}`.")
    .source("the recipients")
    .example("`{{ city }}`, and rows without a city");

pub(super) const SPARSE: Rule = Rule::warning("column-sparse")
    .finds("a column that is empty in most rows, although no `{% if … %}` allows for that")
    .why("Most messages have a hole where the value should be. Often the export missed the column.")
    .fix("Export the file again with the column, or write in the templates what to say without a value: `{% if … %}`.")
    .source("the recipients")
    .example("`{{ city }}`, and 80 % of the rows without a city");

/// Reports the columns that no template uses.
pub(super) fn unused(shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
    let used = |place: usize| shared.used_by_variants.contains(&place);
    let recipients = &shared.campaign.recipients;
    let selection = recipients.selection.as_ref().map(Text::get_ref);
    let selections = [selection, recipients.further_selection.as_ref()];
    let row_key = recipients.row_key.as_ref().map(|key| key.get_ref().trim());
    let schedule = shared.campaign.schedule.as_ref();
    let timezone = schedule.and_then(|schedule| schedule.column_in(shared.header));
    // Columns that `where`, `row_key` and `timezone_column` use are needed as well.
    let needed = |place: usize, name: &str| {
        let mut selections = selections.iter().flatten();
        selections.any(|text| text.contains(name))
            || row_key == Some(name)
            || timezone == Some(place)
    };
    let columns = shared.header.iter().enumerate();
    let unused: Vec<String> = columns
        .filter(|(place, name)| *place != shared.email && !name.is_empty())
        .filter(|(place, name)| !used(*place) && !needed(*place, name))
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    if unused.is_empty() {
        return;
    }
    let columns = match unused.len() {
        1 => "the column",
        _ => "the columns",
    };
    let message = format!("no template uses {columns} {}", unused.join(", "));
    let finding = UNUSED.at(Place::file(shared.recipients), message);
    sink.add(finding.help(
        "this is fine if the message does not need it, but every run keeps a copy of the whole file",
    ));
}

/// Reports the columns that are empty in some rows although the templates do not allow for that.
pub(super) fn empty(context: &FinishContext<'_>, sink: &mut FindingSink<'_>) {
    let (shared, all) = (context.shared, context.columns.rows);
    for (index, name) in shared.used_columns() {
        let blank = context.columns.blank(index).unwrap_or_default();
        let asked_for = shared.engine.asks_for(name);
        if blank == 0 || (blank < all && asked_for) {
            continue;
        }
        let rule = if blank * 2 > all && !asked_for {
            SPARSE
        } else {
            GAPS
        };
        let message = if blank == all {
            format!("`{name}` is empty in every row, and the templates use it")
        } else {
            let (rows, of) = (grouped(blank), grouped(all));
            format!(
                "`{name}` is empty in {rows} of {of} rows ({})",
                share(blank, all)
            )
        };
        let finding = rule.at(Place::file(shared.recipients), message);
        sink.add(finding.help(if asked_for {
            "check that the export included it"
        } else {
            "fill it, or write in the templates what to say without it: {% if … %}"
        }));
    }
}

/// A part of a whole in per cent. The part is neither nothing nor everything, so this is never 0 % or 100 %.
fn share(part: u64, whole: u64) -> String {
    match part * 100 / whole.max(1) {
        0 => "under 1 %".to_owned(),
        per_cent => format!("{per_cent} %"),
    }
}
