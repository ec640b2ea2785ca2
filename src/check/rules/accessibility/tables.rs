//! Tables that are there for the layout alone.

use super::PageContext;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::html::Page;

pub(super) const NO_ROLE: Rule = Rule::warning("table-role")
    .finds("a layout table that screen readers read out as a data table")
    .why("Without a role, screen readers announce rows and columns that mean nothing to their users.")
    .fix("Add `role=\"presentation\"` to tables that only arrange things, or `<th>` cells to tables of data.")
    .source("WAI-ARIA 1.2, `presentation`")
    .example("`<table>` with neither `role` nor `<th>`");

/// All of them at once: who forgets one forgets many.
pub(super) fn tables(page_context: &PageContext<'_>, sink: &mut FindingSink<'_>) {
    let page = page_context.page;
    let wrong = page.named("table").filter(|(at, table)| {
        let hidden = page_context.styles[*at].hidden || table.get("aria-hidden") == Some("true");
        !hidden && !table.has("role") && !is_of_data(page, *at)
    });
    let wrong: Vec<_> = wrong.map(|(at, _)| at).collect();
    let Some(first) = wrong.first() else { return };
    let message = match wrong.len() {
        1 => "a table does not say whether it is for the layout or of data".to_owned(),
        count => format!("{count} tables do not say whether they are for the layout or of data"),
    };
    let finding = NO_ROLE.found(message).kind("tables without a role").help(
        "for the layout: `<table role=\"presentation\">`, or screen readers tell its rows and columns; of data: mark its heads with `<th>`",
    );
    sink.add(page_context.locator.at_element(finding, page, *first, None));
}

/// Whether a table is one of data: it has heads, or says what it is about.
fn is_of_data(page: &Page, table: usize) -> bool {
    let own = page.inside(table).filter(|at| {
        let mut around = page.ancestors(*at);
        around
            .find(|(_, it)| it.name == "table")
            .is_some_and(|it| it.0 == table)
    });
    let mut own = own.filter_map(|at| page.element(at));
    let says = |name| page.element(table).is_some_and(|it| it.has(name));
    says("summary")
        || says("aria-label")
        || says("aria-labelledby")
        || own.any(|it| {
            ["th", "caption", "thead"].contains(&it.name.as_str())
                || it.has("scope")
                || it.has("headers")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_table_of_data_has_heads_of_its_own() {
        let of_data = |html: &str| {
            let page = Page::parse(html, &Clock::system());
            let first = page.named("table").next().expect("a table").0;
            is_of_data(&page, first)
        };
        for html in [
            "<table><th>a",
            "<table><caption>a</caption>",
            "<table><td scope=row>a",
        ] {
            assert!(of_data(html), "{html}");
        }
        for html in ["<table><td>a", "<table><td><table><th>a</table>"] {
            assert!(!of_data(html), "{html}");
        }
    }
}
