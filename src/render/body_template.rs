//! The HTML and the text part that many rows have in common, with places for their values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::HtmlError;
use super::escape::unescaped;
use super::plain_text::{plain_text, push_words};
use super::value_spans::RenderedHtml;
use crate::html::css_influence::{CssInfluence, css_influence, ends_unquoted, may_be_selector};
use crate::html::marks::{BEGIN, END, has_reserved, mark};
use crate::html::{DynamicAttribute, dynamic_attributes, guarded, inline_css, normalized};

/// What is made of rendered HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Processing {
    /// Move the CSS of `<style>` into the elements.
    pub(super) inline_css: bool,
    /// Make a text part.
    pub(super) text: bool,
}

impl Processing {
    /// Makes the bodies of one row, without regard to other rows.
    ///
    /// # Errors
    /// If the HTML is over a limit or can't be processed.
    pub(super) fn apply(self, html: String) -> Result<Bodies, HtmlError> {
        let (inlined, text) = guarded(&html, || self.process(&html))??;
        Ok(Bodies {
            html: Arc::new(inlined.unwrap_or(html)),
            text: text.map(Arc::new),
        })
    }

    /// The HTML, if it changes, and the text part, if one is made.
    fn process(self, html: &str) -> Result<(Option<String>, Option<String>), HtmlError> {
        let inlined = self.inline_css.then(|| inline_css(html));
        let html = inlined.as_deref().unwrap_or(html);
        let text = self.text.then(|| plain_text(html)).transpose()?;
        Ok((inlined, text))
    }

    fn changes_html(self) -> bool {
        self.inline_css
    }

    /// Whether the rendered HTML is sent as it is, without a text part.
    pub(super) fn is_none(self) -> bool {
        !self.inline_css && !self.text
    }
}

/// The bodies of a message.
#[derive(Debug, Clone)]
pub(super) struct Bodies {
    pub(super) html: Arc<String>,
    /// The text part, if one is made from the HTML.
    pub(super) text: Option<Arc<String>>,
}

/// The bodies of all rows whose rendered HTML differs only in values that CSS and layout do not depend on.
#[derive(Debug)]
pub(super) struct BodyTemplate {
    /// Unique in this process.
    id: u64,
    /// The HTML as it is sent, with marks in place of the values.
    marked: String,
    dynamic_attributes: Vec<DynamicAttribute>,
    html: Parts,
    text: Option<Parts>,
}

impl BodyTemplate {
    /// The template of a row's HTML; values that are `influential` become part of it. `None` if it would
    /// not give this row what the row gets without it.
    ///
    /// # Errors
    /// If the HTML can't be processed.
    pub(super) fn new(
        rendered: &RenderedHtml,
        influential: &[bool],
        processing: Processing,
    ) -> Result<Option<Self>, HtmlError> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let Ok(marked) = processing.apply(with_marks(rendered, influential)) else {
            return Ok(None);
        };
        let html = Parts::split(&marked.html);
        let text = marked.text.as_ref().map(|text| Parts::split(text));
        let (Some(html), false) = (html, matches!(text, Some(None))) else {
            return Ok(None);
        };
        let template = Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            dynamic_attributes: dynamic_attributes(&marked.html),
            marked: Arc::unwrap_or_clone(marked.html),
            html,
            text: text.flatten(),
        };
        if processing.changes_html() {
            let filled = template.bodies(rendered).html;
            let is_same = guarded(rendered.html(), || {
                normalized(&filled) == normalized(&inline_css(rendered.html()))
            })?;
            if !is_same {
                return Ok(None);
            }
        }
        Ok(Some(template))
    }

    /// The bodies of a row with this template.
    pub(super) fn bodies(&self, rendered: &RenderedHtml) -> Bodies {
        let push_value = |number, out: &mut String| out.push_str(rendered.value(number));
        let push_text =
            |number, out: &mut String| push_words(&unescaped(rendered.value(number)), out);
        Bodies {
            html: self.html.fill(push_value),
            text: self.text.as_ref().map(|text| text.fill(push_text)),
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn marked(&self) -> &str {
        &self.marked
    }

    pub(super) fn dynamic_attributes(&self) -> &[DynamicAttribute] {
        &self.dynamic_attributes
    }

    /// The memory it takes, in bytes, roughly.
    pub(super) fn size(&self) -> usize {
        self.marked.len() + self.html.size() + self.text.as_ref().map_or(0, Parts::size)
    }
}

/// Which values of rendered HTML influence how CSS applies. `None` if that is not known.
///
/// # Errors
/// If the HTML is over a limit.
pub(super) fn influence_of(rendered: &RenderedHtml) -> Result<Option<CssInfluence>, HtmlError> {
    if has_reserved(rendered.html()) {
        return Ok(None);
    }
    let count = rendered.count();
    let marked = with_marks(rendered, &vec![false; count]);
    Ok(Some(guarded(&marked, || css_influence(&marked, count))?))
}

/// Whether what is known of other rows' values is true of this row's as well.
pub(super) fn holds_for(influence: &CssInfluence, rendered: &RenderedHtml) -> bool {
    let is_any = |numbers: &[usize], test: fn(&str) -> bool| {
        let mut values = numbers.iter().map(|number| rendered.value(*number));
        values.any(test)
    };
    !is_any(&influence.in_css, may_be_selector) && !is_any(&influence.unquoted, ends_unquoted)
}

/// The HTML with marks in place of all values that are not `influential`.
fn with_marks(rendered: &RenderedHtml, influential: &[bool]) -> String {
    let mut html = String::with_capacity(rendered.html().len());
    let mut values = rendered.values().enumerate();
    for fixed in rendered.fixed() {
        html.push_str(fixed);
        match values.next() {
            Some((number, value)) if influential[number] => html.push_str(value),
            Some((number, _)) => html.push_str(&mark(number)),
            None => {}
        }
    }
    html
}

/// A text with places for values.
#[derive(Debug)]
struct Parts {
    start: Arc<String>,
    /// The number of each value, with the text after it.
    rest: Vec<(usize, String)>,
}

impl Parts {
    /// Splits a text at its marks. `None` if a mark is damaged.
    fn split(text: &str) -> Option<Self> {
        let mut parts = text.split(BEGIN);
        let start = parts.next()?.to_owned();
        let rest = parts.map(|part| {
            let (number, after) = part.split_once(END)?;
            Some((number.parse().ok()?, after.to_owned()))
        });
        let rest: Vec<(usize, String)> = rest.collect::<Option<_>>()?;
        let is_damaged = |text: &str| text.contains(END);
        if is_damaged(&start) || rest.iter().any(|(_, after)| is_damaged(after)) {
            return None;
        }
        let start = Arc::new(start);
        Some(Self { start, rest })
    }

    /// The text with values; `push_value` appends one. A text without values is shared.
    fn fill(&self, push_value: impl Fn(usize, &mut String)) -> Arc<String> {
        if self.rest.is_empty() {
            return Arc::clone(&self.start);
        }
        let mut text = String::with_capacity(self.size() + 32 * self.rest.len());
        text.push_str(&self.start);
        for (number, after) in &self.rest {
            push_value(*number, &mut text);
            text.push_str(after);
        }
        Arc::new(text)
    }

    fn size(&self) -> usize {
        self.start.len()
            + self
                .rest
                .iter()
                .map(|(_, after)| after.len())
                .sum::<usize>()
    }
}
