//! Contrast of text and background (WCAG).

use crate::check::clients::is_style_for_all;
use crate::check::context::MessageContext;
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::html::{
    Colour, ComputedStyle, NodeKind, Page, SelectorMatcher, StylesheetItem, computed_styles,
    parse_stylesheet,
};

const LOW: Rule = Rule::warning("contrast-low")
    .finds(
        "text with too little contrast to its background: less than 4.5:1, or 3:1 for large text",
    )
    .why("People with weak eyesight can't read it, and neither can anybody in sunlight.")
    .fix("Make the text darker or the background lighter, or the other way round.")
    .source("WCAG 2.2, 1.4.3")
    .example("`color: #999999` on white");

/// The least contrast of text, and of large text.
const LEAST: f32 = 4.5;
const LEAST_OF_LARGE: f32 = 3.0;
/// What large text is, in CSS pixels: 18 points, or 14 if it is bold.
const LARGE: f32 = 24.0;
const LARGE_IF_BOLD: f32 = 18.66;

const RULES: &[Rule] = &[LOW];

pub(in crate::check) struct Contrast;

impl Family for Contrast {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(page) = &context.page else { return };
        if !sink.wants(&LOW) || is_coloured_elsewhere(page) {
            return;
        }
        let mut told = Vec::new();
        for (at, style) in computed_styles(page).into_iter().enumerate() {
            let Some(low) = low(page, at, &style) else {
                continue;
            };
            let pair = (low.text.hex(), low.behind.hex(), low.least);
            if told.contains(&pair) {
                continue;
            }
            told.push(pair);
            let finding = LOW
                .found(low.message())
                .kind("hard to read")
                .help(low.help());
            let locator = &context.shared.locator;
            let place = page.nodes[at].parent.unwrap_or(at);
            sink.add(locator.at_element(finding, page, place, Some("style")));
        }
    }
}

/// Text that is hard to tell from what is behind it.
struct Low {
    text: Colour,
    behind: Colour,
    least: f32,
}

fn low(page: &Page, at: usize, style: &ComputedStyle) -> Option<Low> {
    let NodeKind::Text(text) = &page.nodes[at].kind else {
        return None;
    };
    // A dash or a bullet is there to look good.
    if style.hidden || !text.chars().any(char::is_alphanumeric) {
        return None;
    }
    let behind = style.background?;
    let text = style.colour?.over(behind);
    let large = if style.bold { LARGE_IF_BOLD } else { LARGE };
    let is_large = style.size.is_none_or(|size| size >= large);
    let least = if is_large { LEAST_OF_LARGE } else { LEAST };
    (text.contrast(behind) < least).then_some(Low {
        text,
        behind,
        least,
    })
}

impl Low {
    fn message(&self) -> String {
        let (text, behind) = (self.text.hex(), self.behind.hex());
        // Rounded down: what is too low must not look like enough.
        let contrast = (self.text.contrast(self.behind) * 10.0).floor() / 10.0;
        let least = self.least;
        format!(
            "text in {text} on {behind} is hard to read: its contrast is {contrast}:1, and should be {least}:1 at least"
        )
    }

    fn help(&self) -> String {
        let enough = self.text.with_contrast(self.behind, self.least);
        format!("{} would be enough", enough.hex())
    }
}

/// Whether a `<style>` gives colours to elements: what they come to is not known here.
fn is_coloured_elsewhere(page: &Page) -> bool {
    let styles = page.elements().filter(|(_, it)| is_style_for_all(it));
    let texts = styles.flat_map(|(at, _)| page.inside(at));
    let items = texts.flat_map(|at| match &page.nodes[at].kind {
        NodeKind::Text(text) => parse_stylesheet(text),
        _ => Vec::new(),
    });
    let mut selectors = items.filter_map(coloured).peekable();
    if selectors.peek().is_none() {
        return false;
    }
    let named = SelectorMatcher::new(page);
    selectors.any(|selector| named.may_match_initially(&selector))
}

/// The selector of a rule that gives colours.
fn coloured(item: StylesheetItem) -> Option<String> {
    let StylesheetItem::Rule { selector, style } = item else {
        return None;
    };
    let property = |it: &str| it == "color" || it.starts_with("background");
    let gives = style.declarations().any(|it| property(&it.property));
    gives.then_some(selector)
}
