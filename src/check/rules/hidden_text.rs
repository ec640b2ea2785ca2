//! Text in the HTML that readers can't see.

use std::collections::HashSet;

use super::contrast::is_coloured_by_rules;
use crate::check::context::MessageContext;
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::html::{
    ComputedStyle, Element, HIDDEN_SIZE, NodeKind, Page, Style, computed_styles, leading_number,
    parse_stylesheet,
};

const HIDDEN: Rule = Rule::warning("text-hidden")
    .finds("text that readers can't see: by `display: none`, a font size of zero, the colour of its background and the like")
    .why("Spam hides words to deceive filters and readers. Gmail's rules for senders forbid it, and such messages may be filed as spam.")
    .fix("Delete the text, or show it. Only a preheader may be hidden: up to 500 characters before all other text. Text that a rule in `<style>` shows, such as on phones or in dark mode, is not reported.")
    .source("support.google.com/mail/answer/81126: don't use HTML and CSS to hide content; SpamAssassin HTML_FONT_LOW_CONTRAST")
    .example("`<p style=\"font-size: 0\">coffee tea cocoa</p>` below the letter");

const RULES: &[Rule] = &[HIDDEN];

/// The most characters of a preheader. Inboxes show fewer than 200.
const MAX_PREHEADER: usize = 500;

pub(in crate::check) struct HiddenText;

impl Family for HiddenText {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(page) = &context.page else { return };
        if !sink.wants(&HIDDEN) {
            return;
        }
        let visibilities = visibilities(page, !is_coloured_by_rules(page, context));
        let mut reported = Vec::new();
        for hidden in hidden_texts(page, &visibilities) {
            if reported.contains(&hidden.cause) {
                continue;
            }
            reported.push(hidden.cause);
            let finding = HIDDEN
                .found(format!("text is hidden by {}", hidden.cause.description()))
                .help(
                    "delete it, or show it; only a preheader before all other text may be hidden",
                );
            let attribute = page.element(hidden.element).map(|element| {
                let is_styled = element.has("style") || !element.has("hidden");
                if is_styled { "style" } else { "hidden" }
            });
            let locator = &context.shared.locator;
            sink.add(locator.at_element(finding, page, hidden.element, attribute));
        }
    }
}

/// What hides a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// `display: none` or the attribute `hidden`.
    Display,
    Visibility,
    Opacity,
    /// No height or no width.
    Room,
    FontSize,
    /// The colour of the background.
    Colour,
}

impl Cause {
    fn description(self) -> &'static str {
        match self {
            Self::Display => "`display: none`",
            Self::Visibility => "`visibility: hidden`",
            Self::Opacity => "`opacity: 0`",
            Self::Room => "a height or width of zero",
            Self::FontSize => "a font size of at most 2 pixels",
            Self::Colour => "the colour of its background",
        }
    }

    /// Whether a declaration shows what this hides.
    fn is_undone_by(self, property: &str, value: &str) -> bool {
        let is_positive = || leading_number(value).is_none_or(|number| number > 0.0);
        match self {
            Self::Display => property == "display" && value != "none",
            Self::Visibility => property == "visibility" && value == "visible",
            Self::Opacity => property == "opacity" && is_positive(),
            Self::Room => match property {
                "overflow" => value == "visible",
                "height" | "max-height" | "width" | "max-width" => is_positive(),
                _ => false,
            },
            Self::FontSize => matches!(property, "font-size" | "font") && is_positive(),
            // Readers who don't meet the condition can't see the text.
            Self::Colour => false,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Hidden {
    pub(super) cause: Cause,
    /// The element that hides the text.
    pub(super) element: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Visibility {
    Shown,
    Hidden(Hidden),
    /// Not part of what readers see, such as the content of `<head>`.
    Ignored,
}

impl Visibility {
    /// Whether an image with this visibility is shown. Font sizes and colours don't hide it.
    pub(super) fn shows_image(self) -> bool {
        match self {
            Self::Shown => true,
            Self::Hidden(hidden) => matches!(hidden.cause, Cause::FontSize | Cause::Colour),
            Self::Ignored => false,
        }
    }

    pub(super) fn shows_text(self) -> bool {
        matches!(self, Self::Shown)
    }
}

/// Whether each text is visible, and the text directly in each element. What a rule in `<style>` may show is visible,
/// and so is what only Outlook hides, by `mso-hide`.
pub(super) fn visibilities(page: &Page, are_colours_known: bool) -> Vec<Visibility> {
    let styles = computed_styles(page);
    let toggles = Toggles::of(page);
    let mut states: Vec<State> = Vec::with_capacity(page.nodes.len());
    let mut visibilities = Vec::with_capacity(page.nodes.len());
    for (index, node) in page.nodes.iter().enumerate() {
        let mut state = node
            .parent
            .map_or(State::default(), |parent| states[parent]);
        if let NodeKind::Element(element) = &node.kind {
            state.enter(index, element, &toggles);
        }
        let style = &styles[index];
        let has_no_colour = || {
            let is_text = matches!(node.kind, NodeKind::Text(_));
            is_text && are_colours_known && style.has_colour_of_background()
        };
        let hidden = state.hidden(style).or_else(|| {
            has_no_colour().then_some(Hidden {
                cause: Cause::Colour,
                element: node.parent.unwrap_or(index),
            })
        });
        visibilities.push(match hidden {
            _ if state.is_ignored => Visibility::Ignored,
            Some(hidden) => Visibility::Hidden(hidden),
            None => Visibility::Shown,
        });
        states.push(state);
    }
    visibilities
}

/// What the elements around a node hide.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    is_ignored: bool,
    /// The element that is hidden with all its content.
    removed: Option<Hidden>,
    invisible: Option<Hidden>,
    /// The element that sets the font size.
    sized: Option<Hidden>,
}

impl State {
    fn enter(&mut self, index: usize, element: &Element, toggles: &Toggles) {
        let style = element.get("style").map(Style::parse).unwrap_or_default();
        let hidden = |cause| Hidden {
            cause,
            element: index,
        };
        self.is_ignored |= is_ignored(element);
        self.removed = self.removed.or(removal(element, &style).map(hidden));
        match style.get("visibility") {
            Some("hidden" | "collapse") => {
                self.invisible = self.invisible.or(Some(hidden(Cause::Visibility)));
            }
            Some("visible" | "initial") => self.invisible = None,
            _ => {}
        }
        if style.last(&["font-size", "font"]).is_some() {
            self.sized = Some(hidden(Cause::FontSize));
        }
        // Such a rule may be for the element that hides, or for one in it.
        for state in [&mut self.removed, &mut self.invisible, &mut self.sized] {
            *state = state.filter(|hidden| !toggles.show(element, hidden.cause));
        }
    }

    fn hidden(&self, style: &ComputedStyle) -> Option<Hidden> {
        let is_small = style.size.is_some_and(|size| size <= HIDDEN_SIZE);
        let sized = self.sized.filter(|_| is_small);
        self.removed.or(self.invisible).or(sized)
    }
}

/// Whether readers never see the content of an element, or only programs read it.
fn is_ignored(element: &Element) -> bool {
    let is_for_programs = ["itemscope", "itemprop"].iter().any(|it| element.has(it));
    is_for_programs
        || matches!(
            &*element.name,
            "head" | "title" | "style" | "script" | "template" | "noscript" | "select" | "svg"
        )
}

/// How an element hides itself with all its content.
fn removal(element: &Element, style: &Style) -> Option<Cause> {
    let is_zero = |property| {
        let size = style.get(property).and_then(leading_number);
        size.is_some_and(|size| size <= 0.0)
    };
    let is_cut = || matches!(style.get("overflow"), Some("hidden" | "clip"));
    let displayed = style.get("display");
    if displayed == Some("none") || displayed.is_none() && element.has("hidden") {
        Some(Cause::Display)
    } else if is_zero("opacity") {
        Some(Cause::Opacity)
    } else if ["height", "max-height", "width", "max-width"]
        .into_iter()
        .any(is_zero)
        && is_cut()
    {
        Some(Cause::Room)
    } else {
        None
    }
}

/// For each cause, the names of elements, classes and IDs that a rule in `<style>` may show, under whatever condition:
/// on phones, in dark mode, in one mail client, or after a click.
#[derive(Debug, Default)]
struct Toggles(Vec<(Cause, HashSet<String>)>);

impl Toggles {
    fn of(page: &Page) -> Self {
        let causes = [
            Cause::Display,
            Cause::Visibility,
            Cause::Opacity,
            Cause::Room,
            Cause::FontSize,
        ];
        let mut toggles = Self(causes.map(|cause| (cause, HashSet::new())).into());
        for (index, _) in page.named("style") {
            for rule in parse_stylesheet(&page.raw_text_in(index)).rules {
                let declarations = Style::of(rule.declarations);
                for (cause, names) in &mut toggles.0 {
                    let mut declarations = declarations.declarations();
                    if declarations.any(|it| cause.is_undone_by(&it.property, &it.value)) {
                        let selectors = rule.selectors.iter();
                        names.extend(selectors.flat_map(|it| subject_names(&it.text)));
                    }
                }
            }
        }
        toggles
    }

    /// Whether a rule may show what an element, or one around it, hides.
    fn show(&self, element: &Element, cause: Cause) -> bool {
        let mut of_cause = self.0.iter().filter(|(other, _)| *other == cause);
        of_cause.any(|(_, names)| !names.is_empty() && has_name(element, names))
    }
}

/// Whether an element has one of these names, classes or IDs.
fn has_name(element: &Element, names: &HashSet<String>) -> bool {
    let attributes = ["class", "id"].into_iter();
    let values = attributes.filter_map(|name| element.get(name));
    names.contains(&element.name)
        || values
            .flat_map(str::split_whitespace)
            .any(|value| names.contains(&value.to_lowercase()))
}

/// The classes and IDs of the elements that a selector is for, in lower case; their names if it has no classes.
fn subject_names(selector: &str) -> Vec<String> {
    let is_combinator = |c: char| c.is_whitespace() || matches!(c, '>' | '+' | '~');
    let subject = selector.trim().rsplit(is_combinator).next();
    let subject = subject.unwrap_or_default();
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii();
    let mut names: Vec<String> = subject
        .split(|c| !is_name(c))
        .filter(|name| !name.is_empty())
        .map(str::to_lowercase)
        .collect();
    if names.len() > 1 && subject.starts_with(is_name) && subject.contains(['.', '#', '[']) {
        names.remove(0);
    }
    names
}

/// The texts that are hidden, except a preheader.
fn hidden_texts(page: &Page, visibilities: &[Visibility]) -> Vec<Hidden> {
    let mut hidden = Vec::new();
    let mut is_before_text = true;
    let mut preheader = 0;
    for (index, text) in page.texts() {
        // The invisible characters that pad a preheader don't count, and neither do lines and dots.
        let length = text.chars().filter(|c| c.is_alphanumeric()).count();
        match visibilities[index] {
            _ if length == 0 => {}
            Visibility::Shown => is_before_text = false,
            Visibility::Ignored => {}
            Visibility::Hidden(one) => {
                let may_be_preheader = one.cause != Cause::Colour
                    && (is_before_text || is_named_preheader(page, index));
                preheader += length;
                if !may_be_preheader || preheader > MAX_PREHEADER {
                    hidden.push(one);
                }
            }
        }
    }
    hidden
}

/// Whether the author calls an element around a text a preheader.
fn is_named_preheader(page: &Page, index: usize) -> bool {
    page.ancestors(index).any(|(_, element)| {
        ["class", "id"].iter().any(|name| {
            let value = element.get(name).unwrap_or_default().to_ascii_lowercase();
            value.contains("preheader") || value.contains("preview")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    /// The causes for which texts of a page are hidden.
    fn causes(html: &str) -> Vec<Cause> {
        let page = Page::parse(html, &Clock::system());
        let visibilities = visibilities(&page, true);
        let hidden = hidden_texts(&page, &visibilities);
        hidden.iter().map(|hidden| hidden.cause).collect()
    }

    #[test]
    fn finds_hidden_text() {
        for (hidden, cause) in [
            ("<p style='display:none'>tea", Cause::Display),
            ("<p hidden>tea", Cause::Display),
            (
                "<div style='display:none'><p style='display:block'>tea",
                Cause::Display,
            ),
            ("<p style='visibility:hidden'><b>tea", Cause::Visibility),
            ("<p style='opacity:0'>tea", Cause::Opacity),
            ("<p style='max-height:0;overflow:hidden'>tea", Cause::Room),
            ("<p style='width:0px;overflow:hidden'>tea", Cause::Room),
            ("<p style='font-size:0'>tea", Cause::FontSize),
            ("<p style='font-size:1px'><b>tea", Cause::FontSize),
            ("<p style='color:#fff'>tea", Cause::Colour),
            ("<p style='color:transparent'>tea", Cause::Colour),
            (
                "<div style='background:#123'><p style='color:#112233'>tea",
                Cause::Colour,
            ),
        ] {
            assert_eq!(
                causes(&format!("<p>Hello</p>{hidden}")),
                [cause],
                "{hidden}"
            );
        }
    }

    #[test]
    fn other_text_is_not_hidden() {
        for shown in [
            "<p style='display:none'>&nbsp;&zwnj;&#847; – – –",
            "<p style='max-height:0'>tea",
            "<div style='font-size:0'><p style='font-size:13px'>tea",
            "<div style='visibility:hidden'><p style='visibility:visible'>tea",
            "<a style='mso-hide:all' href=x>tea",
            "<p style='opacity:.5'>tea",
            "<p hidden style='display:block'>tea",
            "<div itemscope style='display:none'><b itemprop=name>tea",
            "<select style='display:none'><option>tea</select>",
            "<div style='background:url(a.png)'><p style='color:#fff'>tea",
            "<p style='display:none'><img src=a.png alt=tea>",
            "<p style='display:{{ x }}'>tea",
        ] {
            assert_eq!(causes(&format!("<p>Hello</p>{shown}")), [], "{shown}");
        }
    }

    #[test]
    fn a_preheader_may_be_hidden() {
        let tea = "tea ".repeat(166);
        let letter = "<p>Hello";
        for preheader in [
            "<div style='display:none'>tea&zwnj;&nbsp;&#847;</div>",
            "<img src=logo.png alt=Acme><span style='font-size:1px;color:#fff'>tea</span>",
            "<div style='max-height:0;overflow:hidden;mso-hide:all'>tea</div><div style='display:none'>tea</div>",
            "<a href=x>In the browser</a><div class=Preheader style='display:none'>tea</div>",
            &format!("<div style='display:none'>{tea}</div>"),
        ] {
            assert_eq!(causes(&format!("{preheader}{letter}")), [], "{preheader}");
        }
        let long = format!("<div style='display:none'>{tea}teas</div>");
        assert_eq!(causes(&format!("{long}{letter}")), [Cause::Display]);
        let coloured = "<p style='color:#fff'>tea</p>";
        assert_eq!(causes(&format!("{coloured}{letter}")), [Cause::Colour]);
    }

    #[test]
    fn rules_may_show_what_is_hidden() {
        let hidden =
            "<p>Hello</p><div class='Phone tall' id=x style='display:none'><p>tea</p></div>";
        for rule in [
            "@media (max-width:480px) { .phone { display: block !important } }",
            "@media (prefers-color-scheme:dark) { div#x { display:table } }",
            "[data-ogsc] .phone { display:block }",
            "div[class~='phone'] { display:block }",
            "#box:checked ~ .tall { display:block }",
            "u + .body div { display:block }",
        ] {
            let html = format!("<style>{rule}</style>{hidden}");
            assert_eq!(causes(&html), [], "{rule}");
        }
        for rule in [
            "@media (max-width:480px) { .phone { color: red; width: 100% } }",
            "@media (max-width:480px) { .phone { display:none } }",
            "@media (max-width:480px) { .tablet, div.tablet { display:block } }",
            "@media (max-width:480px) { .phone td { display:block } }",
        ] {
            let html = format!("<style>{rule}</style>{hidden}");
            assert_eq!(causes(&html), [Cause::Display], "{rule}");
        }
        let small = "<p>Hello</p><p style='font-size:0'>tea";
        for (rule, expected) in [
            ("p { font-size: 14px }", &[][..]),
            ("p { font-size: 0 }", &[Cause::FontSize]),
            ("p { display: block }", &[Cause::FontSize]),
        ] {
            let html = format!("<style>@media screen {{ {rule} }}</style>{small}");
            assert_eq!(causes(&html), expected, "{rule}");
        }
    }
}
