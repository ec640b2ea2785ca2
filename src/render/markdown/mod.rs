//! Turns a letter's Markdown into HTML.
//!
//! The values that templates print never reach the Markdown parser: it sees marks in their place. So no value becomes a
//! link, a heading, a list or HTML, wherever it is printed.

mod escape;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};
use tera::{Context, Tera};

pub(super) use self::escape::escaping_tera;
use self::escape::{printed, unescaped};
use super::HtmlError;
use super::escape::escaped;
use super::value_spans::{RenderedHtml, ValueSpans};
use crate::html::marks::{BEGIN, END, mark, mark_numbers};
use crate::html::{MAX_ELEMENTS, catch_panic};

/// [`BEGIN`] and [`END`].
const BEGIN_TEXT: &str = "\u{fdd0}";
const END_TEXT: &str = "\u{fdd1}";
/// The same in an address, as the library writes them.
const ENCODED_BEGIN: &str = "%EF%B7%90";
const ENCODED_END: &str = "%EF%B7%91";
/// The characters that an address can't contain: they are encoded. All others are kept, because a value may be a whole
/// address.
const NOT_IN_ADDRESS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The most starts and ends of elements, and texts, in the Markdown of a letter. HTML has at most [`MAX_ELEMENTS`].
pub(super) const MAX_EVENTS: usize = 4 * MAX_ELEMENTS as usize;

/// The extensions of CommonMark.
pub(crate) fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES
}

/// The output of a template with Markdown for a row.
pub(super) struct RenderedMarkdown {
    text: String,
    /// The spans of the values, in order.
    spans: Vec<Range<usize>>,
}

impl RenderedMarkdown {
    /// Runs a template. `tera` is an [`escaping_tera`].
    ///
    /// # Errors
    /// Those of the template.
    pub(super) fn new(tera: &Tera, template: &str, context: &Context) -> tera::TeraResult<Self> {
        let mut written = ValueSpans::default();
        tera.render_to(template, context, &mut written)?;
        let (text, spans) = written.into_parts()?;
        Ok(Self { text, spans })
    }

    /// # Errors
    /// If it has too many parts, or the library panics.
    pub(super) fn to_html(&self) -> Result<RenderedHtml, HtmlError> {
        let spans = self.spans.iter();
        let values: Vec<String> = spans
            .map(|span| printed(&self.text[span.clone()]))
            .collect();
        let marked = self.with_marks();
        let html = catch_panic(|| html_of(&marked, &values))??;
        Ok(filled(&html, &values))
    }

    /// The Markdown with marks in place of the values.
    fn with_marks(&self) -> String {
        let mut marked = String::with_capacity(self.text.len());
        let mut at = 0;
        let push_fixed = |marked: &mut String, text: &str| {
            marked.extend(text.chars().filter(|c| !matches!(*c, BEGIN | END)));
        };
        for (number, span) in self.spans.iter().enumerate() {
            push_fixed(&mut marked, &self.text[at..span.start]);
            marked.push_str(&mark(number));
            at = span.end;
        }
        push_fixed(&mut marked, &self.text[at..]);
        marked
    }
}

/// The HTML of Markdown, both with marks. What has nothing but blank values is left out, as a blank line is.
fn html_of(marked: &str, values: &[String]) -> Result<String, HtmlError> {
    let events = Parser::new_ext(marked, options());
    let events: Vec<Event<'_>> = events.take(MAX_EVENTS + 1).collect();
    if events.len() > MAX_EVENTS {
        return Err(HtmlError::Markdown);
    }
    let mut kept = Vec::with_capacity(events.len());
    let mut notes = Footnotes::default();
    let mut is_in_code = false;
    let mut at = 0;
    while let Some(event) = events.get(at) {
        let left_out = blank_block(&events[at..], values);
        if let Some(image) = image_block(&events[at..]) {
            let image = Event::InlineHtml(image.to_owned().into());
            let end = Event::End(TagEnd::Paragraph);
            for event in [Event::Start(Tag::Paragraph), image, end] {
                notes.add(event, &mut kept);
            }
            at += 3;
            continue;
        }
        if left_out.is_none() {
            // Code has no character references, so a value that a template captured is still escaped there.
            let event = match event {
                Event::Code(text) => Event::Code(unescaped(text).into_owned().into()),
                Event::Text(text) if is_in_code => Event::Text(unescaped(text).into_owned().into()),
                other => other.clone(),
            };
            match &event {
                Event::Start(Tag::CodeBlock(_)) => is_in_code = true,
                Event::End(TagEnd::CodeBlock) => is_in_code = false,
                _ => {}
            }
            notes.add(event, &mut kept);
        }
        at += left_out.unwrap_or(1);
    }
    kept.extend(notes.notes.into_values().flatten());
    let mut out = String::with_capacity(marked.len() * 2);
    html::push_html(&mut out, kept.into_iter());
    Ok(out)
}

/// The image, if the first events are a block of HTML with nothing else. A paragraph has the space after it that the image
/// needs.
fn image_block<'e>(events: &'e [Event<'_>]) -> Option<&'e str> {
    let [
        Event::Start(Tag::HtmlBlock),
        Event::Html(html),
        Event::End(TagEnd::HtmlBlock),
        ..,
    ] = events
    else {
        return None;
    };
    let image = html.trim();
    let is_image = image.starts_with("<img") && image.matches('<').count() == 1;
    is_image.then_some(image)
}

/// How many events a paragraph or a heading has, if the first event begins one that has only blank values.
fn blank_block(events: &[Event<'_>], values: &[String]) -> Option<usize> {
    let (start, rest) = events.split_first()?;
    matches!(start, Event::Start(Tag::Paragraph | Tag::Heading { .. })).then_some(())?;
    for (length, event) in rest.iter().enumerate() {
        match event {
            Event::Text(text) if is_blank(text, values) => {}
            Event::SoftBreak | Event::HardBreak => {}
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_)) => return Some(length + 2),
            _ => return None,
        }
    }
    None
}

fn is_blank(marked: &str, values: &[String]) -> bool {
    let mut numbers = mark_numbers(marked);
    let between = marked.split([BEGIN, END]).step_by(2);
    numbers.all(|number| {
        values
            .get(number)
            .is_some_and(|value| value.trim().is_empty())
    }) && between.into_iter().all(|text| text.trim().is_empty())
}

/// Footnotes stand at the end of the letter. They have numbers, but no links: mail clients drop the places that they
/// would lead to.
#[derive(Default)]
struct Footnotes<'a> {
    /// By their names.
    numbers: HashMap<CowStr<'a>, usize>,
    /// The number of a footnote whose content has not begun.
    begun: Option<usize>,
    /// The number of the footnote that is read.
    open: Option<usize>,
    /// Their content, by number.
    notes: BTreeMap<usize, Vec<Event<'a>>>,
}

impl<'a> Footnotes<'a> {
    fn number(&mut self, name: CowStr<'a>) -> usize {
        let next = self.numbers.len() + 1;
        *self.numbers.entry(name).or_insert(next)
    }

    /// Adds an event as it is shown, to `letter` unless it belongs to a footnote.
    fn add(&mut self, event: Event<'a>, letter: &mut Vec<Event<'a>>) {
        if let Event::Start(Tag::FootnoteDefinition(name)) = event {
            let number = self.number(name);
            (self.begun, self.open) = (Some(number), Some(number));
            let note = self.notes.entry(number).or_default();
            note.push(Event::Html("<div class=\"footnote\">\n".into()));
            return;
        }
        let sup =
            |number: usize, after| Event::InlineHtml(format!("<sup>{number}</sup>{after}").into());
        let begun = self.begun.take().map(|number| sup(number, " "));
        let event = match event {
            Event::FootnoteReference(name) => sup(self.number(name), ""),
            other => other,
        };
        let is_end = matches!(event, Event::End(TagEnd::FootnoteDefinition));
        let note = self.open.and_then(|number| self.notes.get_mut(&number));
        let events = note.unwrap_or(letter);
        match event {
            Event::End(TagEnd::FootnoteDefinition) => {
                events.extend(begun);
                events.push(Event::Html("</div>\n".into()));
            }
            Event::Start(Tag::Paragraph) => {
                events.push(event);
                events.extend(begun);
            }
            other => {
                events.extend(begun);
                events.push(other);
            }
        }
        if is_end {
            self.open = None;
        }
    }
}

/// HTML with values in place of the marks.
fn filled(marked: &str, values: &[String]) -> RenderedHtml {
    let mut html = String::with_capacity(marked.len());
    let mut spans = Vec::new();
    let mut rest = marked;
    while let Some((at, begin, end)) = next_mark(rest) {
        html.push_str(&rest[..at]);
        let inner = &rest[at + begin.len()..];
        let value = inner.find(end).and_then(|length| {
            let number: usize = inner[..length].parse().ok()?;
            Some((values.get(number)?, length + end.len()))
        });
        match value {
            Some((value, length)) => {
                let start = html.len();
                let encoded;
                let value = match begin == ENCODED_BEGIN {
                    true => {
                        encoded = utf8_percent_encode(value, NOT_IN_ADDRESS).to_string();
                        &encoded
                    }
                    false => value,
                };
                html.push_str(&escaped(value));
                spans.push(start..html.len());
                rest = &inner[length..];
            }
            None => {
                html.push_str(begin);
                rest = inner;
            }
        }
    }
    html.push_str(rest);
    RenderedHtml::new(html, spans)
}

/// Where the next mark is, and what begins and ends it.
fn next_mark(text: &str) -> Option<(usize, &'static str, &'static str)> {
    let first = [BEGIN_TEXT, ENCODED_BEGIN].map(|begin| begin.as_bytes()[0]);
    memchr::memchr2_iter(first[0], first[1], text.as_bytes()).find_map(|at| {
        let rest = &text.as_bytes()[at..];
        let marks = [(BEGIN_TEXT, END_TEXT), (ENCODED_BEGIN, ENCODED_END)];
        let mut marks = marks.into_iter();
        let (begin, end) = marks.find(|(begin, _)| rest.starts_with(begin.as_bytes()))?;
        Some((at, begin, end))
    })
}
