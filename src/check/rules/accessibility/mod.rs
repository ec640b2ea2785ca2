//! Accessibility: what those who do not see the page as it was designed need.

mod links;
mod page;
mod tables;

use crate::check::context::MessageContext;
use crate::check::family::Family;
use crate::check::locate::Locator;
use crate::check::page::Page;
use crate::check::rule::Rule;
use crate::check::seen::{Seen, seen};
use crate::check::sink::FindingSink;

const RULES: &[Rule] = &[
    links::NAMELESS,
    links::VAGUE,
    links::NO_HREF,
    page::LANGUAGE,
    page::SMALL,
    page::TITLE,
    page::ZOOM,
    tables::NO_ROLE,
];

pub(in crate::check) struct Accessibility;

impl Family for Accessibility {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(page) = &context.page else { return };
        if !sink.wants_any(RULES) {
            return;
        }
        let seen = seen(page);
        let page_context = PageContext {
            page,
            seen: &seen,
            locator: &context.shared.locator,
        };
        page::language(&page_context, sink);
        page::title(&page_context, sink);
        page::zoom(&page_context, sink);
        page::small(&page_context, sink);
        tables::tables(&page_context, sink);
        links::links(&page_context, sink);
    }
}

struct PageContext<'a> {
    page: &'a Page,
    /// How each of its nodes is seen.
    seen: &'a [Seen],
    locator: &'a Locator,
}
