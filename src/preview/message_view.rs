//! What the terminal preview can show of a row: its message in several forms, its cells, or the help.

use super::body;
use super::finding_summary::FindingSummary;
use super::message_text::{self, labelled};
use super::output_style::OutputStyle;
use super::row_store::StoredRow;
use crate::render::Prepared;

const HELP: [(&str, &str); 11] = [
    ("n  →", "next message"),
    ("p  ←", "previous message"),
    ("j k  ↓ ↑", "scroll down, up"),
    ("space b", "page down, up (also PgDn, PgUp)"),
    ("g G", "go to the top, to the end"),
    ("h t s", "HTML as text, text part, HTML source"),
    ("d", "the cells of the row"),
    ("f", "go to the findings"),
    ("/", "search all cells; Enter alone repeats the search"),
    ("?", "this help"),
    ("q", "quit (also Esc and Ctrl-C)"),
];

pub(crate) struct RenderedRow {
    /// `None` if the row gets no message.
    pub(crate) prepared: Option<Prepared>,
    pub(crate) findings: FindingSummary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Html,
    Text,
    Source,
    Data,
    Help,
}

#[derive(Default)]
pub(super) struct ViewLines {
    pub(super) lines: Vec<String>,
    /// The index of the first line of the findings.
    pub(super) findings: usize,
    /// For the footer: the size of the message, and the number of findings.
    pub(super) about: String,
}

impl View {
    /// The name in the footer.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Html => "",
            Self::Text => "text part",
            Self::Source => "source",
            Self::Data => "data",
            Self::Help => "help",
        }
    }

    pub(super) fn lines(
        self,
        row: &StoredRow,
        rendered: &RenderedRow,
        header: &[String],
        output: &OutputStyle,
    ) -> ViewLines {
        let mut view = match (self, &rendered.prepared) {
            (Self::Help, _) => ViewLines::of(help()),
            (Self::Data, _) => ViewLines::of(data(row, header, output)),
            (_, Some(prepared)) => self.message(prepared, &rendered.findings, output),
            (_, None) => {
                let findings = &rendered.findings;
                ViewLines::of(message_text::no_message_text(row.number, findings, output))
            }
        };
        let size = rendered.prepared.as_ref();
        let size = size.map(|prepared| message_text::size(&prepared.message));
        let counts = Some(rendered.findings.counts.clone()).filter(|counts| !counts.is_empty());
        let about: Vec<_> = size.into_iter().chain(counts).collect();
        view.about = about.join(" · ");
        view
    }

    fn message(
        self,
        prepared: &Prepared,
        findings: &FindingSummary,
        output: &OutputStyle,
    ) -> ViewLines {
        let mut lines = message_text::inbox_line(prepared, output);
        lines.extend(message_text::headers(prepared, output));
        lines.push(String::new());
        lines.extend(self.body(prepared, output));
        lines.push(String::new());
        let first_finding = lines.len();
        lines.extend(message_text::finding_lines(findings, output));
        ViewLines {
            findings: first_finding,
            ..ViewLines::of(lines)
        }
    }

    fn body(self, prepared: &Prepared, output: &OutputStyle) -> Vec<String> {
        match (self, &prepared.message.html, &prepared.message.text) {
            (Self::Source, Some(html), _) => body::source(html, output),
            (Self::Source, None, _) => vec![output.dim("(no HTML)")],
            (Self::Text, _, None) => vec![output.dim("(no text part)")],
            (Self::Html, Some(html), _) => body::html(html, output),
            (_, _, Some(text)) => body::text(text, output),
            _ => Vec::new(),
        }
    }
}

impl ViewLines {
    fn of(lines: Vec<String>) -> Self {
        Self {
            lines,
            ..Self::default()
        }
    }
}

fn help() -> Vec<String> {
    let keys = HELP.iter();
    keys.map(|(keys, action)| format!("{keys:>10}  {action}"))
        .collect()
}

fn data(row: &StoredRow, header: &[String], output: &OutputStyle) -> Vec<String> {
    let mut lines = labelled("row", &row.number.to_string(), output);
    lines.extend(labelled("line", &row.line.to_string(), output));
    let others = row.others.iter().map(|other| &other.cells);
    for cells in std::iter::once(&row.cells).chain(others) {
        lines.push(String::new());
        for (index, cell) in cells.iter().enumerate() {
            let name = header.get(index).map_or("(no column)", String::as_str);
            lines.extend(labelled(name, cell, output));
        }
    }
    lines
}
