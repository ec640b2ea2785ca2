//! A finding: what is wrong, where, and what to do about it. Everything that is shown to a user
//! about a campaign, its data or its templates is one.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something to know.
    Note,
    /// `send` goes on; a row may be left out, and the results say so.
    Warning,
    /// `send` refuses.
    Error,
}

/// Where a finding is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Default)]
pub struct Place {
    /// The file, as the user would name it.
    pub file: Option<PathBuf>,
    /// The line in it, from 1.
    pub line: Option<u64>,
    /// The column in that line, in characters from 1.
    pub column: Option<u64>,
    /// The recipient's row, from 1.
    pub row: Option<u32>,
}

impl Place {
    /// A whole file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self {
            file: Some(path.into()),
            ..Self::default()
        }
    }

    /// The same place, on a line.
    #[must_use]
    pub fn at_line(self, line: u64) -> Self {
        Self {
            line: Some(line),
            ..self
        }
    }

    /// The same place, in a column of its line.
    #[must_use]
    pub fn at_column(self, column: u64) -> Self {
        Self {
            column: Some(column),
            ..self
        }
    }

    /// The same place, for a recipient's row.
    #[must_use]
    pub fn in_row(self, row: u32) -> Self {
        Self {
            row: Some(row),
            ..self
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, ":{number}")?;
            }
            separator = ", ";
        }
        if let Some(row) = self.row {
            write!(f, "{separator}row {row}")?;
        }
        Ok(())
    }
}

/// A piece of a file's text to show with a finding.
#[derive(Debug, Clone)]
pub struct Excerpt {
    source: Arc<NamedSource<String>>,
    span: Range<usize>,
}

impl Excerpt {
    /// The bytes `span` of `text`, the content of the file `name`.
    pub fn new(name: &str, text: &str, span: Range<usize>) -> Self {
        Self {
            source: Arc::new(NamedSource::new(name, text.to_owned())),
            span,
        }
    }

    /// Another piece of the same text, which is not copied.
    #[must_use]
    pub fn at(&self, span: Range<usize>) -> Self {
        Self {
            source: Arc::clone(&self.source),
            span,
        }
    }

    /// The name of the text.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Where in the text it is, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// All of the text.
    pub fn text(&self) -> &str {
        self.source.inner()
    }

    /// The lines that it is in, in three parts: what is before it, it, and what is after it.
    pub fn line(&self) -> (&str, &str, &str) {
        let text = self.source.inner();
        let part = |range: Range<usize>| text.get(range).unwrap_or_default();
        let end = self.span.end.min(text.len());
        let begin = self.span.start.min(end);
        let from = part(0..begin).rfind('\n').map_or(0, |at| at + 1);
        let to = part(end..text.len()).find('\n');
        let to = to.map_or(text.len(), |at| end + at);
        (part(from..begin), part(begin..end), part(end..to))
    }
}

/// Something wrong with a campaign, its recipients, its templates or a rendered message.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A short name that scripts can rely on, such as `unknown-key`.
    pub code: &'static str,
    /// Where it is.
    pub place: Place,
    /// What it is, in a sentence.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The text at that place.
    pub excerpt: Option<Excerpt>,
    /// If the sentence has something of the row in it, what it says without that: those at the same place
    /// of a template that have this in common are one.
    pub kind: Option<String>,
}

impl Finding {
    /// A finding that stops `send`.
    pub fn error(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            place,
            message: message.into(),
            help: None,
            excerpt: None,
            kind: None,
        }
    }

    /// A finding that `send` goes on with.
    pub fn warning(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, place, message)
        }
    }

    /// Whether another one says the same of the same place.
    pub fn is_like(&self, other: &Self) -> bool {
        self.code == other.code && self.place == other.place && self.said() == other.said()
    }

    /// What it says, without what the row has to do with it.
    pub fn said(&self) -> &str {
        let kind = self.kind.as_ref().filter(|_| self.excerpt.is_some());
        kind.unwrap_or(&self.message)
    }

    /// The same, with a sentence that has something of the row in it: with what it says without that.
    #[must_use]
    pub fn kind(self, kind: impl Into<String>) -> Self {
        Self {
            kind: Some(kind.into()),
            ..self
        }
    }

    /// The same, with what to do.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// The same, with the text at its place. Line and column are taken from there.
    #[must_use]
    pub fn excerpt(mut self, excerpt: Excerpt) -> Self {
        let (line, column) = line_and_column(excerpt.source.inner(), excerpt.span.start);
        self.place = self.place.at_line(line).at_column(column);
        self.excerpt = Some(excerpt);
        self
    }
}

/// The line and the column, both from 1, of a byte offset in a text.
pub fn line_and_column(text: &str, offset: usize) -> (u64, u64) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() as u64 + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count() as u64
        + 1;
    (line, column)
}

/// The nearest of `names` to `name`, if one is near enough to be what was meant.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|known| {
            (
                strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase()),
                known,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

impl Diagnostic for Finding {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
}
