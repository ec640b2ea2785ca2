//! Accessibility: what people need who do not see the page as it was designed.

mod links;
mod page;
mod tables;

use crate::check::context::MessageContext;
use crate::check::family::Family;
use crate::check::locate::Locator;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::html::{ComputedStyle, Page, computed_styles};

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
        let styles = computed_styles(page);
        let page_context = PageContext {
            page,
            styles: &styles,
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
    /// The style of each node.
    styles: &'a [ComputedStyle],
    locator: &'a Locator,
}
