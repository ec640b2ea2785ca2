//! Compiles MJML to a template of HTML, once, before any row is rendered.
//!
//! The library sees only the elements of MJML. The HTML in elements such as `<mj-text>`, and the tags of Tera in
//! attributes, are put back afterwards as they were written.

mod flat;
#[cfg(test)]
mod tests;

use std::ops::Range;

use mrml::prelude::parser::{Error, ParserOptions};
use mrml::prelude::render::RenderOptions;

use self::flat::{CLASS, COMMENT, COMMENT_END, Flat, MARK, MARK_END};
use crate::html::catch_panic;

/// A place in a file in `templates/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourcePlace {
    pub(crate) file: String,
    pub(crate) span: Range<usize>,
}

/// A mistake in MJML.
#[derive(Debug)]
pub(super) struct MjmlError {
    pub(super) place: SourcePlace,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// The template that MJML is compiled to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CompiledMjml {
    html: String,
    /// The parts that the library did not change, and their places in the files. In order.
    kept: Vec<(Range<usize>, SourcePlace)>,
    /// Where tags begin, with the element that each was made from. In order.
    made: Vec<(usize, SourcePlace)>,
}

impl CompiledMjml {
    pub(crate) fn html(&self) -> &str {
        &self.html
    }

    /// The place that a part of the template comes from.
    pub(crate) fn place(&self, part: &Range<usize>) -> Option<SourcePlace> {
        let kept = self
            .kept
            .partition_point(|(span, _)| span.end <= part.start);
        if let Some((span, place)) = self.kept.get(kept)
            && span.contains(&part.start)
        {
            // Escaped text has one place, not one for each of its parts.
            if span.len() != place.span.len() {
                return Some(place.clone());
            }
            let start = place.span.start + part.start - span.start;
            let end = (start + part.len()).min(place.span.end);
            return Some(SourcePlace {
                file: place.file.clone(),
                span: start..end,
            });
        }
        let made = self.made.partition_point(|(at, _)| *at <= part.start);
        let (_, place) = &self.made.get(made.checked_sub(1)?)?;
        Some(place.clone())
    }
}

/// Compiles a file. `read` gives the text of a file in `templates/`.
///
/// # Errors
/// The mistakes in it and in the files that it includes.
pub(super) fn compile<'a>(
    file: &str,
    read: &dyn Fn(&str) -> Option<&'a str>,
) -> Result<CompiledMjml, Vec<MjmlError>> {
    let flat = Flat::read(file, read)?;
    if !flat.text.contains("<mj-body") {
        return Err(vec![flat.error_at(0, "there is no <mj-body>".to_owned())]);
    }
    let html = match catch_panic(|| html_of(&flat.text)) {
        Ok(Ok(html)) => html,
        Ok(Err(error)) => return Err(vec![explained(&error, &flat)]),
        Err(panic) => return Err(vec![flat.error_at(0, panic.to_string())]),
    };
    let html = without_comments(&html);
    let unused = unused_tags(&html, &flat);
    if !unused.is_empty() {
        return Err(unused);
    }
    // The same HTML with the numbers of elements as classes.
    let numbered = catch_panic(|| html_of(&flat.numbered));
    let numbered = numbered.ok().and_then(Result::ok).unwrap_or_default();
    Ok(assembled(&html, &without_comments(&numbered), &flat))
}

fn html_of(mjml: &str) -> Result<String, Error> {
    let parsed = mrml::parse_with_options(mjml, &ParserOptions::default())?;
    let html = parsed.element.render(&RenderOptions::default());
    // Formatting to a string cannot fail, and no part of a document is asked for by name.
    Ok(html.unwrap_or_default())
}

/// HTML with marks that stood in comments.
fn without_comments(html: &str) -> String {
    let begin = format!("{COMMENT}{MARK}");
    let mut parts = html.split(&begin);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(MARK);
        let (mark, after) = part.split_once(COMMENT_END).unwrap_or((part, ""));
        out.push_str(mark);
        out.push_str(after);
    }
    out
}

/// An error for each tag of Tera in an attribute that did not get into the HTML: it would have no effect.
fn unused_tags(html: &str, flat: &Flat) -> Vec<MjmlError> {
    let numbers = flat.in_attributes.iter();
    let unused = numbers.filter(|number| !html.contains(&format!("{MARK}{number}{MARK_END}")));
    let unused = unused.filter_map(|number| flat.kept.get(*number));
    let errors = unused.map(|(place, text)| MjmlError {
        place: place.clone(),
        message: format!("{text} has no effect: MJML does not print this attribute"),
        help: Some("write a value that is the same for all rows".to_owned()),
    });
    errors.collect()
}

/// Puts the parts that were kept back into HTML.
fn assembled(html: &str, numbered: &str, flat: &Flat) -> CompiledMjml {
    let mut numbers = numbers_of_tags(html, numbered).into_iter().peekable();
    let mut compiled = CompiledMjml {
        html: String::with_capacity(html.len() * 2),
        kept: Vec::new(),
        made: Vec::new(),
    };
    let mut at = 0;
    let mut parts = html.split(MARK);
    let mut push_made = |compiled: &mut CompiledMjml, part: &str, at: usize| {
        while let Some((tag, number)) = numbers.next_if(|(tag, _)| *tag < at + part.len()) {
            let place = match number {
                Some(number) => flat.elements.get(number),
                None => flat.head.as_ref(),
            };
            if let Some(place) = place {
                let start = compiled.html.len() + tag - at;
                compiled.made.push((start, place.clone()));
            }
        }
        compiled.html.push_str(part);
    };
    let first = parts.next().unwrap_or_default();
    push_made(&mut compiled, first, at);
    at += first.len();
    for part in parts {
        at += MARK.len();
        let kept = part.split_once(MARK_END).and_then(|(number, after)| {
            let (place, text) = flat.kept.get(number.parse::<usize>().ok()?)?;
            Some((place, text, number.len() + MARK_END.len_utf8(), after))
        });
        let Some((place, text, length, after)) = kept else {
            push_made(&mut compiled, MARK, at - MARK.len());
            push_made(&mut compiled, part, at);
            at += part.len();
            continue;
        };
        let start = compiled.html.len();
        compiled.html.push_str(text);
        compiled
            .kept
            .push((start..compiled.html.len(), place.clone()));
        at += length;
        push_made(&mut compiled, after, at);
        at += after.len();
    }
    compiled
}

/// Where each tag begins, with the number of the element that it was made from: its own, or that of the tag before it.
fn numbers_of_tags(html: &str, numbered: &str) -> Vec<(usize, Option<usize>)> {
    let tags = tags(html);
    let twins = tags_with_text(numbered);
    if tags.len() != twins.len() {
        return Vec::new();
    }
    let mut number = None;
    let numbers = twins.into_iter().map(|tag| {
        let own = tag.split_once(CLASS).map(|(_, after)| after);
        let digits = own.map(|own| own.split(|c: char| !c.is_ascii_digit()).next());
        number = digits
            .flatten()
            .and_then(|digits| digits.parse().ok())
            .or(number);
        number
    });
    tags.into_iter().zip(numbers).collect()
}

fn tags(html: &str) -> Vec<usize> {
    let starts = html.match_indices('<').map(|(at, _)| at);
    let is_name = |at: &usize| html[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic());
    starts.filter(is_name).collect()
}

fn tags_with_text(html: &str) -> Vec<&str> {
    let starts = tags(html);
    let ends = starts.iter().skip(1).copied().chain([html.len()]);
    let tags = starts.iter().zip(ends);
    tags.map(|(start, end)| &html[*start..end]).collect()
}

fn explained(error: &Error, flat: &Flat) -> MjmlError {
    let (at, message) = match error {
        Error::UnexpectedElement { position, .. } => {
            (position.start, "this element can't be here".to_owned())
        }
        Error::UnexpectedToken { position, .. } => {
            (position.start, "this can't be here".to_owned())
        }
        Error::MissingAttribute { name, position, .. } => (
            position.start,
            format!("the element has no attribute `{name}`"),
        ),
        Error::InvalidAttribute { position, .. } => {
            (position.start, "the attribute is invalid".to_owned())
        }
        Error::InvalidFormat { position, .. } => {
            (position.start, "the value is invalid".to_owned())
        }
        Error::ParserError { source, .. } => {
            let position = source.pos();
            let lines = flat.text.split_inclusive('\n');
            let before = lines.take((position.row as usize).saturating_sub(1));
            let line: usize = before.map(str::len).sum();
            let column = (position.col as usize).saturating_sub(1);
            (line + column, "this is not MJML".to_owned())
        }
        other => (flat.text.len(), other.to_string()),
    };
    flat.error_at(at, message)
}
