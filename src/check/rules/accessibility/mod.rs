//! Accessibility: what those who do not see the page as it was designed need.

mod links;
mod page;
mod tables;

use super::super::facts::Sheet;
use super::super::out::Out;
use super::super::rule::Rule;
use super::super::seen::seen;

/// The rules.
pub(super) const RULES: &[Rule] = &[
    links::NAMELESS,
    links::VAGUE,
    links::NO_HREF,
    page::LANGUAGE,
    page::SMALL,
    page::TITLE,
    page::ZOOM,
    tables::NO_ROLE,
];

pub(super) fn sheet(sheet: &Sheet<'_>, out: &mut Out<'_>) {
    let Some(page) = &sheet.page else { return };
    if !out.wants_any(RULES) {
        return;
    }
    let seen = seen(page);
    let look = Look {
        page,
        seen: &seen,
        locator: &sheet.facts.locator,
    };
    page::language(&look, out);
    page::title(&look, out);
    page::zoom(&look, out);
    page::small(&look, out);
    tables::tables(&look, out);
    links::links(&look, out);
}

/// What is looked at.
struct Look<'a> {
    page: &'a super::super::page::Page,
    /// How each of its nodes is seen.
    seen: &'a [super::super::seen::Seen],
    locator: &'a super::super::locate::Locator,
}
