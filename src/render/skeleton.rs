//! The HTML that many rows have in common, with places for their values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::look::LookedHtml;
use super::recorder::{Rendered, Values};
use super::text::{self, HtmlError};
use crate::api::form;
use crate::html::css_influence::{css_influence, ends_unquoted, may_be_selector};
use crate::html::marks::{BEGIN, END, has_reserved, mark};
use crate::html::{DynamicAttribute, dynamic_attributes};
use crate::message::EncodedHtml;

/// What is to be made of rendered HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The CSS of `<style>` put into the elements.
    pub(super) inline_css: bool,
    /// A text part made from it.
    pub(super) text: bool,
}

/// What a message is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// To be looked at.
    Whole,
    /// To be posted: the HTML percent-encoded, where a skeleton knows it.
    Form,
    /// To be held against limits and rules: the length of the HTML, and what it has in common with
    /// that of other rows.
    Look,
}

/// A message's bodies.
#[derive(Debug)]
pub(super) struct Bodies {
    /// The HTML, unless there is something in its stead.
    pub(super) html: Option<String>,
    /// What stands for the HTML.
    pub(super) encoded: Option<EncodedHtml>,
    /// The text part, if one was wanted.
    pub(super) text: Option<Arc<String>>,
    /// What is known of the HTML, if that was asked for.
    pub(super) looked: Option<LookedHtml>,
}

impl Bodies {
    /// Makes what is wanted of one row's HTML, whatever others have.
    ///
    /// # Errors
    /// When the HTML can't be worked on.
    pub(super) fn of(html: &str, wanted: Wanted) -> Result<Self, HtmlError> {
        let html = if wanted.inline_css {
            text::inline_css(html)?
        } else {
            html.to_owned()
        };
        let text = wanted
            .text
            .then(|| text::from_html(&html))
            .transpose()?
            .map(Arc::new);
        Ok(Self {
            html: Some(html),
            encoded: None,
            text,
            looked: None,
        })
    }
}

/// The bodies of all rows whose rendered HTML differs in nothing but values that have no say in
/// how it is built.
#[derive(Debug)]
pub(super) struct Skeleton {
    /// No other has it.
    id: u64,
    /// The HTML as it is sent, with marks for the values.
    marked: String,
    /// The attributes that values stand in.
    holes: Vec<DynamicAttribute>,
    html: Pieces,
    text: Option<Pieces>,
}

impl Skeleton {
    /// The skeleton of a row's HTML, whose `shaping` values belong to it. Nothing if it would not
    /// give the row what the row would get by itself.
    ///
    /// # Errors
    /// When the HTML can't be worked on.
    pub(super) fn new(
        rendered: &Rendered,
        shaping: &[bool],
        wanted: Wanted,
    ) -> Result<Option<Self>, HtmlError> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let Ok(common) = Bodies::of(&marked(rendered, shaping), wanted) else {
            return Ok(None);
        };
        let marked = common.html.unwrap_or_default();
        let html = Pieces::split(&marked);
        let text = common.text.as_ref().map(|text| Pieces::split(text));
        let (Some(html), false) = (html, matches!(text, Some(None))) else {
            return Ok(None);
        };
        let skeleton = Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            holes: dynamic_attributes(&marked),
            marked,
            html,
            text: text.flatten(),
        };
        let filled = skeleton.whole(rendered.values());
        let own = Bodies::of(rendered.html(), wanted)?;
        let own = text::normalized(own.html.as_deref().unwrap_or_default())?;
        Ok((text::normalized(&filled)? == own).then_some(skeleton))
    }

    /// The HTML of a row with this skeleton.
    pub(super) fn whole(&self, values: &Values) -> String {
        let values: Vec<&str> = values.iter().collect();
        self.html
            .fill_in(|number, out| out.push_str(values[number]))
    }

    /// The bodies of a row with this skeleton.
    pub(super) fn fill(self: Arc<Self>, values: Values, need: Need) -> Bodies {
        if need == Need::Look {
            return self.look(values);
        }
        let values: Vec<&str> = values.iter().collect();
        let encoded = |form| EncodedHtml {
            form,
            length: self.html.length(&values),
        };
        let text = self.text.as_ref().map(|pieces| {
            pieces.fill(|number, out| text::push_words(&text::unescaped(values[number]), out))
        });
        let (html, encoded) = match need {
            Need::Form => (None, Some(encoded(self.html.fill_form(&values)))),
            Need::Whole | Need::Look => {
                let html = self
                    .html
                    .fill_in(|number, out| out.push_str(values[number]));
                (Some(html), None)
            }
        };
        Bodies {
            html,
            encoded,
            text,
            looked: None,
        }
    }

    fn look(self: Arc<Self>, values: Values) -> Bodies {
        let parts: Vec<&str> = values.iter().collect();
        let length = self.html.length(&parts);
        let text = self.text.as_ref().map(|pieces| {
            pieces.fill(|number, out| text::push_words(&text::unescaped(parts[number]), out))
        });
        drop(parts);
        Bodies {
            html: None,
            encoded: Some(EncodedHtml {
                form: Arc::default(),
                length,
            }),
            text,
            looked: Some(LookedHtml::shared(self, values, length)),
        }
    }

    /// What tells it from all others.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The HTML as it is sent, with marks for the values.
    pub(super) fn marked(&self) -> &str {
        &self.marked
    }

    /// The attributes that values stand in.
    pub(super) fn holes(&self) -> &[DynamicAttribute] {
        &self.holes
    }

    /// The memory that it takes, about.
    pub(super) fn size(&self) -> usize {
        self.marked.len() + self.html.size() + self.text.as_ref().map_or(0, Pieces::size)
    }
}

/// Which values of rendered HTML have a say in how it is built.
#[derive(Debug)]
pub(super) struct Shaping {
    /// By their numbers.
    pub(super) values: Vec<bool>,
    /// The numbers of those in CSS.
    in_css: Vec<usize>,
    /// The numbers of those in attributes without quotes.
    bare: Vec<usize>,
}

impl Shaping {
    /// Nothing if that can't be told.
    pub(super) fn of(rendered: &Rendered) -> Option<Self> {
        if has_reserved(rendered.html()) {
            return None;
        }
        let none = vec![false; rendered.values().len()];
        let influence = css_influence(&marked(rendered, &none), none.len());
        Some(Self {
            values: influence.influential,
            in_css: influence.in_css,
            bare: influence.unquoted,
        })
    }

    /// Whether it holds for these values: none is a selector that looks at others, or ends the
    /// attribute that it is in.
    pub(super) fn holds_for(&self, values: &Values) -> bool {
        let (mut in_css, mut bare) = (self.in_css.iter(), self.bare.iter());
        !in_css.any(|number| may_be_selector(values.get(*number)))
            && !bare.any(|number| ends_unquoted(values.get(*number)))
    }
}

/// The HTML with marks in the place of the values, but for those that shape it.
fn marked(rendered: &Rendered, shaping: &[bool]) -> String {
    let mut html = String::with_capacity(rendered.html().len());
    let mut values = rendered.values().iter().enumerate();
    for fixed in rendered.fixed() {
        html.push_str(fixed);
        match values.next() {
            Some((number, value)) if shaping[number] => html.push_str(value),
            Some((number, _)) => html.push_str(&mark(number)),
            None => {}
        }
    }
    html
}

/// A text with places for values.
#[derive(Debug)]
pub(super) struct Pieces {
    start: Piece,
    /// The number of each value, with what comes after it.
    rest: Vec<(usize, Piece)>,
}

/// A fixed part of a text.
#[derive(Debug)]
struct Piece {
    text: Arc<String>,
    /// The same percent-encoded.
    form: Arc<Vec<u8>>,
}

impl Piece {
    fn new(text: &str) -> Self {
        let mut form = Vec::new();
        form::encode_into(text.as_bytes(), &mut form);
        Self {
            text: Arc::new(text.to_owned()),
            form: Arc::new(form),
        }
    }
}

impl Pieces {
    /// Splits a text at its marks; nothing if one of them is broken.
    pub(super) fn split(text: &str) -> Option<Self> {
        let mut parts = text.split(BEGIN);
        let start = parts.next()?;
        let rest = parts.map(|part| {
            let (number, after) = part.split_once(END)?;
            Some((number.parse().ok()?, Piece::new(after)))
        });
        let rest: Vec<(usize, Piece)> = rest.collect::<Option<_>>()?;
        let whole = |text: &str| !text.contains(END);
        (whole(start) && rest.iter().all(|(_, after)| whole(&after.text))).then(|| Self {
            start: Piece::new(start),
            rest,
        })
    }

    /// Whether so many values are enough for its places.
    pub(super) fn fits(&self, count: usize) -> bool {
        self.rest.iter().all(|(number, _)| *number < count)
    }

    /// The text with what `put` puts in the place of each value; without places, it is the same one
    /// for all.
    pub(super) fn fill(&self, put: impl Fn(usize, &mut String)) -> Arc<String> {
        match self.rest.is_empty() {
            true => Arc::clone(&self.start.text),
            false => Arc::new(self.fill_in(put)),
        }
    }

    fn fill_in(&self, put: impl Fn(usize, &mut String)) -> String {
        let mut text = String::with_capacity(self.size() + 32 * self.rest.len());
        text.push_str(&self.start.text);
        for (number, after) in &self.rest {
            put(*number, &mut text);
            text.push_str(&after.text);
        }
        text
    }

    fn fill_form(&self, values: &[&str]) -> Arc<Vec<u8>> {
        if self.rest.is_empty() {
            return Arc::clone(&self.start.form);
        }
        let fixed: usize = self.rest.iter().map(|(_, after)| after.form.len()).sum();
        let mut out = Vec::with_capacity(self.start.form.len() + fixed + 64 * self.rest.len());
        out.extend_from_slice(&self.start.form);
        for (number, after) in &self.rest {
            form::encode_into(values[*number].as_bytes(), &mut out);
            out.extend_from_slice(&after.form);
        }
        Arc::new(out)
    }

    /// The length of the text with these values, in bytes.
    fn length(&self, values: &[&str]) -> usize {
        let filled = self.rest.iter().map(|(number, _)| values[*number].len());
        self.size() + filled.sum::<usize>()
    }

    fn size(&self) -> usize {
        let rest: usize = self.rest.iter().map(|(_, after)| after.text.len()).sum();
        self.start.text.len() + rest
    }
}
