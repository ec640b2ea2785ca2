//! A finding as a miette report. Long lines of its excerpt are cut: generated HTML may be one line.

use std::ops::Range;

use miette::{
    LabeledSpan, MietteDiagnostic, MietteError, MietteSpanContents, Report, Severity, SourceCode,
    SourceSpan, SpanContents,
};

use crate::finding::{self, Excerpt, Finding};
use crate::terminal_text::{printable, printable_line};

/// Longer lines are cut, in bytes.
const MAX_LINE: usize = 400;
/// How much of a cut line is shown from the start of the span on, and on both sides of it, in bytes.
const SPAN: usize = 90;
const AROUND: usize = 60;

/// A report with `message` in place of the finding's own; `None` without an excerpt.
pub(super) fn diagnostic(finding: &Finding, message: String) -> Option<Report> {
    let snippet = Snippet::new(finding.excerpt.as_ref()?).printable();
    let severity = match finding.severity {
        finding::Severity::Error => Severity::Error,
        finding::Severity::Warning => Severity::Warning,
        finding::Severity::Note => Severity::Advice,
    };
    let label = LabeledSpan::new_with_span(None, snippet.span.clone());
    let mut diagnostic = MietteDiagnostic::new(message)
        .with_code(finding.code)
        .with_severity(severity)
        .with_label(label);
    diagnostic.help = finding
        .help
        .as_deref()
        .map(|help| printable(help).into_owned());
    Some(Report::new(diagnostic).with_source_code(snippet))
}

/// The part of an excerpt's text that is shown.
#[derive(Debug)]
struct Snippet {
    file: String,
    text: String,
    /// What the finding is about, in `text`.
    span: Range<usize>,
    /// How many lines of the file are before `text`.
    line: usize,
    /// Where the span starts in its line of the file, in characters from 0.
    column: usize,
}

impl Snippet {
    fn new(excerpt: &Excerpt) -> Self {
        let text = excerpt.text();
        let end = floor(text, excerpt.span().end);
        let start = floor(text, excerpt.span().start.min(end));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = |from: usize| text[from..].find('\n').map_or(text.len(), |at| from + at);
        let last = line_end(end);
        let before = text[..line_start].strip_suffix('\n').map(|before| {
            let from = before.rfind('\n').map_or(0, |at| at + 1);
            &before[from..]
        });
        let after = (last < text.len()).then(|| &text[last + 1..line_end(last + 1)]);
        let snippet = Self {
            file: excerpt.name().to_owned(),
            text: String::new(),
            span: start..end,
            line: 0,
            column: text[line_start..start].chars().count(),
        };
        let mut lines = text[line_start..last]
            .split('\n')
            .chain(before)
            .chain(after);
        if lines.all(|line| line.len() <= MAX_LINE) {
            return Self {
                text: text.to_owned(),
                ..snippet
            };
        }
        let first_end = line_end(line_start);
        let end = end.min(first_end).min(start + SPAN);
        let from = floor(text, start.saturating_sub(AROUND).max(line_start));
        let to = ceil(text, (end + AROUND).min(first_end));
        let mut cut = before.map_or_else(String::new, |before| cut_end(before) + "\n");
        cut += if from > line_start { "…" } else { "" };
        let at = cut.len() + start - from;
        cut += &text[from..to];
        cut += if to < first_end { "…" } else { "" };
        if first_end == last {
            cut += &after.map_or_else(String::new, |after| format!("\n{}", cut_end(after)));
        }
        let lines_before = text[..line_start].matches('\n').count();
        Self {
            text: cut,
            span: at..at + floor(text, end).max(start) - start,
            line: lines_before - usize::from(before.is_some()),
            ..snippet
        }
    }
}

impl Snippet {
    /// The same with the control characters of the file made visible.
    fn printable(self) -> Self {
        let before = printable(&self.text[..self.span.start]);
        let inside = printable(&self.text[self.span.clone()]);
        let span = before.len()..before.len() + inside.len();
        let after = printable(&self.text[self.span.end..]);
        Self {
            text: [before, inside, after].concat(),
            file: printable_line(&self.file),
            span,
            ..self
        }
    }
}

/// The last character boundary up to a byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The first character boundary from a byte on.
fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

fn cut_end(line: &str) -> String {
    if line.len() <= MAX_LINE {
        return line.to_owned();
    }
    format!("{}…", &line[..floor(line, SPAN)])
}

impl SourceCode for Snippet {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.text.read_span(span, before, after)?;
        let starts_at_span = read.span().offset() == self.span.start;
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.clone(),
            read.data(),
            *read.span(),
            read.line() + self.line,
            if starts_at_span {
                self.column
            } else {
                read.column()
            },
            read.line_count(),
        )))
    }
}

#[cfg(test)]
mod tests {
    use miette::{GraphicalReportHandler, GraphicalTheme};

    use super::*;
    use crate::finding::Place;

    fn render(text: &str, span: Range<usize>) -> String {
        let finding = Finding::error("x", Place::default(), "wrong");
        let finding = finding.excerpt(Excerpt::new("a.html", text, span));
        let report = diagnostic(&finding, finding.message.clone()).expect("an excerpt");
        let mut rendered = String::new();
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .render_report(&mut rendered, report.as_ref())
            .expect("a string takes everything");
        rendered
    }

    #[test]
    fn a_long_line_is_cut_around_the_span() {
        let text = format!(
            "one\n{}<b>ł</b>{}\nthree",
            "ą ".repeat(60_000),
            "x".repeat(900)
        );
        let at = text.find("<b>").expect("a tag");
        let shown = render(&text, at..at + 3);
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
    fn a_long_span_is_shown_from_its_start() {
        let text = format!("<p\n{}>{}", "a ".repeat(400), "y".repeat(90_000));
        let whole = render(&text, 0..text.len());
        assert!(whole.len() < 1000 && whole.contains("<p"), "{whole}");
        let end = render(&text, text.len()..text.len());
        assert!(end.contains("yyy"), "{end}");
        assert!(render(&text, 900..2000).contains("yyy…"));
    }

    #[test]
    fn short_lines_are_shown_whole() {
        let text = render("one\ną<b>\nthree\nfour", 6..9);
        assert!(text.contains("[a.html:2:2]"), "{text}");
        assert!(
            text.contains(" 2 │ ą<b>\n") || text.contains("│ ą<b>\n"),
            "{text}"
        );
        assert!(text.contains("three\n"), "{text}");
        let finding = Finding::error("x", Place::default(), "wrong");
        assert!(diagnostic(&finding, String::new()).is_none());
    }
}
