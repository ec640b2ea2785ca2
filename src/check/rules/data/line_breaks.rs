//! Cells with several lines that the HTML shows as one.

use crate::campaign::is_identifier;
use crate::check::context::RowContext;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::recipients::trimmed;

pub(super) const LINE_BREAKS: Rule = Rule::note("value-lines")
    .finds("a cell with several lines that the HTML shows as one line")
    .why("HTML collapses line breaks to spaces, so an address or a list becomes one long line.")
    .fix(
        "Write `{{ column | newlines_to_br }}`, or style the element with `white-space: pre-line`.",
    )
    .source("HTML Standard, CSS Text 3 4.1")
    .example("`Long Street 1`, a line break and `Anytown` in one cell");

pub(super) fn row(context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
    let Some(html) = context.html.filter(|_| sink.wants(&LINE_BREAKS)) else {
        return;
    };
    for (index, name) in context.shared.used_columns() {
        let cell = context
            .row
            .cells
            .get(index)
            .map_or("", |cell| trimmed(cell));
        if !cell.contains(['\n', '\r']) {
            continue;
        }
        let is_shown = context.values.iter().any(|value| trimmed(value) == cell);
        let keeps_lines = ["white-space", "<pre", "<textarea"]
            .iter()
            .any(|text| html.marked().contains(text));
        if is_shown && !keeps_lines {
            let message = format!("the HTML shows the lines of a cell in `{name}` as one line");
            let variable = match is_identifier(name) {
                true => name.to_owned(),
                false => format!("row[{name:?}]"),
            };
            let help = format!("write {{{{ {variable} | newlines_to_br }}}}");
            sink.add(LINE_BREAKS.found(message).help(help));
        }
    }
}
