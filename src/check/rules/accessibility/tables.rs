//! Layout tables that screen readers read as data.

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

/// Reports all tables at once, because there are usually many.
pub(super) fn tables(page_context: &PageContext<'_>, sink: &mut FindingSink<'_>) {
    let page = page_context.page;
    let unmarked = page.named("table").filter(|(at, table)| {
        let hidden =
            page_context.styles[*at].is_hidden() || table.get("aria-hidden") == Some("true");
        !hidden && !table.has("role") && !is_data_table(page, *at)
    });
    let unmarked: Vec<_> = unmarked.map(|(at, _)| at).collect();
    let Some(first) = unmarked.first() else {
        return;
    };
    let message = match unmarked.len() {
        1 => "a table does not say whether it is for layout or for data".to_owned(),
        count => format!("{count} tables do not say whether they are for layout or for data"),
    };
    let finding = NO_ROLE.found(message).kind("tables without a role").help(
        "write `<table role=\"presentation\">` for layout, so that screen readers do not announce rows and columns; use `<th>` in data tables",
    );
    sink.add(page_context.locator.at_element(finding, page, *first, None));
}

/// Whether a table has headers or a description, as data tables do.
fn is_data_table(page: &Page, table: usize) -> bool {
    let cells = page.inside(table).filter(|at| {
        let mut around = page.ancestors(*at);
        around
            .find(|(_, it)| it.name == "table")
            .is_some_and(|it| it.0 == table)
    });
    let mut cells = cells.filter_map(|at| page.element(at));
    let has = |name| page.element(table).is_some_and(|it| it.has(name));
    has("summary")
        || has("aria-label")
        || has("aria-labelledby")
        || cells.any(|it| {
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
    fn data_tables_have_their_own_headers() {
        let is_data = |html: &str| {
            let page = Page::parse(html, &Clock::system());
            let first = page.named("table").next().expect("a table").0;
            is_data_table(&page, first)
        };
        for html in [
            "<table><th>a",
            "<table><caption>a</caption>",
            "<table><td scope=row>a",
        ] {
            assert!(is_data(html), "{html}");
        }
        for html in ["<table><td>a", "<table><td><table><th>a</table>"] {
            assert!(!is_data(html), "{html}");
        }
    }
}
