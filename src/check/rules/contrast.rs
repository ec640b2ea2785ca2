//! The contrast of text and background (WCAG).

use crate::check::clients::is_style_for_all;
use crate::check::context::MessageContext;
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::{Colour, ComputedStyle, NodeKind, Page, computed_styles, parse_stylesheet};

const LOW: Rule = Rule::warning("contrast-low")
    .finds(
        "text with too little contrast to its background: less than 4.5:1, or 3:1 for large text",
    )
    .why("People with weak eyesight can't read it, and neither can anybody in sunlight.")
    .fix("Make the text darker or the background lighter, or the other way round.")
    .source("WCAG 2.2, 1.4.3")
    .example("`color: #999999` on white");

const IMAGE: Rule = Rule::warning("contrast-image")
    .finds("text on a background image or gradient, with too little contrast to the colour that shows without it")
    .why("Many readers have images turned off, and Outlook for Windows shows no gradients. White text is then on white.")
    .fix("Give the same element a `background-color` that is like the image.")
    .source("WCAG 2.2, 1.4.3 and technique F83; caniemail.com/features/css-linear-gradient")
    .example("`background: url(…); color: #ffffff`")
;

/// The required contrast of text, and of large text.
const REQUIRED: f32 = 4.5;
const REQUIRED_IF_LARGE: f32 = 3.0;
/// The size of large text in CSS pixels: 18 points, or 14 if it is bold.
const LARGE: f32 = 24.0;
const LARGE_IF_BOLD: f32 = 18.66;

const RULES: &[Rule] = &[LOW, IMAGE];

pub(in crate::check) struct Contrast;

impl Family for Contrast {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(page) = &context.page else { return };
        if !sink.wants_any(RULES) || is_coloured_by_rules(page, context) {
            return;
        }
        let mut reported = Vec::new();
        for (index, style) in computed_styles(page).into_iter().enumerate() {
            let Some(low) = LowContrast::of(page, index, &style) else {
                continue;
            };
            let key = (
                low.text.hex(),
                low.background.hex(),
                low.required,
                low.is_on_image,
            );
            if reported.contains(&key) {
                continue;
            }
            reported.push(key);
            let finding = low.finding();
            let parent = page.nodes[index].parent.unwrap_or(index);
            let locator = &context.shared.locator;
            let mut finding = locator.at_element(finding, page, parent, Some("style"));
            // Without a line, only the colours tell findings apart.
            finding.kind = finding.kind.filter(|_| finding.excerpt.is_some());
            sink.add(finding);
        }
    }
}

struct LowContrast {
    text: Colour,
    background: Colour,
    required: f32,
    /// Whether the background shows only where an image or a gradient does not.
    is_on_image: bool,
}

impl LowContrast {
    fn of(page: &Page, index: usize, style: &ComputedStyle) -> Option<Self> {
        let NodeKind::Text(text) = &page.nodes[index].kind else {
            return None;
        };
        // Dashes and bullets are decoration.
        if style.hides_text() || !text.chars().any(char::is_alphanumeric) {
            return None;
        }
        let is_on_image = style.background.is_none();
        let background = style.background.or(style.fallback)?;
        // `text-hidden` finds that.
        if style.has_colour_of_background() {
            return None;
        }
        let text = style.colour?.over(background);
        let large = if style.bold { LARGE_IF_BOLD } else { LARGE };
        let required = match style.size.is_none_or(|size| size >= large) {
            true => REQUIRED_IF_LARGE,
            false => REQUIRED,
        };
        (text.contrast(background) < required).then_some(Self {
            text,
            background,
            required,
            is_on_image,
        })
    }

    fn finding(&self) -> Finding {
        let (text, background) = (self.text.hex(), self.background.hex());
        // Rounded down, so that a contrast that is too low does not look sufficient.
        let contrast = (self.text.contrast(self.background) * 10.0).floor() / 10.0;
        let required = self.required;
        if self.is_on_image {
            return IMAGE
                .found(format!(
                    "text in {text} is hard to read where its background image or gradient is not shown: on {background}, its contrast is {contrast}:1, below {required}:1"
                ))
                .kind("hard to read without the image")
                .help("add a background-color that is like the image to the element that has the image");
        }
        let colour = self.text.with_contrast(self.background, self.required);
        LOW.found(format!(
            "text in {text} on {background} is hard to read: its contrast is {contrast}:1, below {required}:1"
        ))
        .kind("hard to read")
        .help(format!("{} has enough contrast", colour.hex()))
    }
}

/// Whether a `<style>` sets colours of elements in their initial state: [`computed_styles`] ignores those.
pub(super) fn is_coloured_by_rules(page: &Page, context: &MessageContext<'_>) -> bool {
    let is_colour = |property: &str| property == "color" || property.starts_with("background");
    let styles = page.elements().filter(|(_, it)| is_style_for_all(it));
    let mut selectors = styles
        .flat_map(|(index, _)| parse_stylesheet(&page.raw_text_in(index)).rules)
        .filter(|rule| !rule.is_conditional)
        .filter(|rule| rule.declarations.iter().any(|it| is_colour(&it.property)))
        .flat_map(|rule| rule.selectors)
        .filter(|selector| !selector.has_state)
        .peekable();
    if selectors.peek().is_none() {
        return false;
    }
    let elements = context.elements();
    selectors.any(|selector| elements.may_match(&selector))
}
