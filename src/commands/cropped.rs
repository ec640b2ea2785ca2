//! A finding with so much of its text as fits: HTML that a program wrote may be one line.

use std::fmt;
use std::ops::Range;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, Severity, SourceCode, SourceSpan,
    SpanContents,
};

use crate::finding::{Excerpt, Finding};

/// Lines of more bytes are cropped.
const LONG: usize = 400;
/// How much of such a line is shown, and before and behind what it is about.
const HEAD: usize = 90;
const AROUND: usize = 60;

/// A finding as it is shown: without long lines, and with its place in characters.
#[derive(Debug)]
pub(super) struct Cropped<'a> {
    finding: &'a Finding,
    part: Part,
}

/// A part of a text.
#[derive(Debug)]
struct Part {
    name: String,
    text: String,
    /// What it is about, in this text.
    span: Range<usize>,
    /// The lines before this text, from 0.
    line: usize,
    /// Where that is in its line, in characters from 0.
    column: usize,
}

impl<'a> Cropped<'a> {
    /// Nothing if there is no excerpt.
    pub(super) fn of(finding: &'a Finding) -> Option<Self> {
        let part = Part::of(finding.excerpt.as_ref()?);
        Some(Self { finding, part })
    }
}

impl Part {
    fn of(excerpt: &Excerpt) -> Self {
        let text = excerpt.text();
        let span = excerpt.span();
        let end = floor(text, span.end);
        let start = floor(text, span.start.min(end));
        let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let until = |from: usize| text[from..].find('\n').map_or(text.len(), |at| from + at);
        let last = until(end);
        let before = text[..begin].strip_suffix('\n').map(|before| {
            let from = before.rfind('\n').map_or(0, |at| at + 1);
            &before[from..]
        });
        let after = (last < text.len()).then(|| &text[last + 1..until(last + 1)]);
        let mut lines = text[begin..last].split('\n').chain(before).chain(after);
        let name = excerpt.name().to_owned();
        let column = text[begin..start].chars().count();
        if lines.all(|line| line.len() <= LONG) {
            return Self {
                name,
                text: text.to_owned(),
                span: start..end,
                line: 0,
                column,
            };
        }
        let line = until(begin);
        let end = end.min(line).min(start + HEAD);
        let from = floor(text, start.saturating_sub(AROUND).max(begin));
        let to = ceil(text, (end + AROUND).min(line));
        let mut shown = before.map_or_else(String::new, |before| head(before) + "\n");
        shown += if from > begin { "…" } else { "" };
        let at = shown.len() + start - from;
        shown += &text[from..to];
        shown += if to < line { "…" } else { "" };
        if line == last {
            shown += &after.map_or_else(String::new, |after| format!("\n{}", head(after)));
        }
        let lines = text[..begin].matches('\n').count();
        Self {
            name,
            text: shown,
            span: at..at + floor(text, end).max(start) - start,
            line: lines - usize::from(before.is_some()),
            column,
        }
    }
}

/// The last place between two characters up to a byte.
fn floor(text: &str, at: usize) -> usize {
    let mut places = (0..=at.min(text.len())).rev();
    places.find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The first one from a byte on.
fn ceil(text: &str, at: usize) -> usize {
    let mut places = at..text.len();
    places
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len())
}

/// The beginning of a line.
fn head(line: &str) -> String {
    if line.len() <= LONG {
        return line.to_owned();
    }
    format!("{}…", &line[..floor(line, HEAD)])
}

impl SourceCode for Part {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.text.read_span(span, before, after)?;
        let is_it = read.span().offset() == self.span.start;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            read.data(),
            *read.span(),
            read.line() + self.line,
            if is_it { self.column } else { read.column() },
            read.line_count(),
        )))
    }
}

impl fmt::Display for Cropped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.finding.fmt(f)
    }
}

impl std::error::Error for Cropped<'_> {}

impl Diagnostic for Cropped<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.finding.code()
    }

    fn severity(&self) -> Option<Severity> {
        self.finding.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.finding.help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.part)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(None, self.part.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

#[cfg(test)]
mod tests {
    use miette::{GraphicalReportHandler, GraphicalTheme};

    use super::*;
    use crate::finding::Place;

    fn shown(text: &str, span: Range<usize>) -> String {
        let finding = Finding::error("x", Place::default(), "wrong");
        let finding = finding.excerpt(Excerpt::new("a.html", text, span));
        let cropped = Cropped::of(&finding).expect("an excerpt");
        let mut shown = String::new();
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .render_report(&mut shown, &cropped)
            .expect("memory takes all");
        shown
    }

    #[test]
    fn a_long_line_is_shown_around_what_it_is_about() {
        let text = format!(
            "one\n{}<b>ł</b>{}\nthree",
            "ą ".repeat(60_000),
            "x".repeat(900)
        );
        let at = text.find("<b>").expect("it is there");
        let shown = shown(&text, at..at + 3);
        assert!(shown.contains("[a.html:2:120001]"), "{shown}");
        assert!(shown.contains(" 1 │ one"), "{shown}");
        assert!(shown.contains(" 2 │ …ą "), "{shown}");
        assert!(shown.contains("ą <b>ł</b>xxx"), "{shown}");
        assert!(shown.contains("xxx…\n"), "{shown}");
        assert!(shown.contains(" 3 │ three"), "{shown}");
        assert!(
            shown.contains(" ─── ") || shown.contains(" ───\n"),
            "{shown}"
        );
        assert!(shown.len() < 2000, "{shown}");
    }

    #[test]
    fn what_is_about_many_lines_or_long_ones_is_shown_by_its_beginning() {
        let text = format!("<p\n{}>{}", "a ".repeat(400), "y".repeat(90_000));
        let shown_all = shown(&text, 0..text.len());
        assert!(
            shown_all.len() < 1000 && shown_all.contains("<p"),
            "{shown_all}"
        );
        let end = shown(&text, text.len()..text.len());
        assert!(end.contains("yyy"), "{end}");
        assert!(shown(&text, 900..2000).contains("yyy…"));
    }

    #[test]
    fn short_lines_are_shown_whole() {
        let text = shown("one\ną<b>\nthree\nfour", 6..9);
        assert!(text.contains("[a.html:2:2]"), "{text}");
        assert!(
            text.contains(" 2 │ ą<b>\n") || text.contains("│ ą<b>\n"),
            "{text}"
        );
        assert!(text.contains("three\n"), "{text}");
        let finding = Finding::error("x", Place::default(), "wrong");
        assert!(Cropped::of(&finding).is_none());
    }
}
