//! Findings: what is wrong with a campaign, its data or its templates, where it is, and how to fix it.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use miette::NamedSource;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Note,
    /// `send` goes on; a row may be left out, and the results say so.
    Warning,
    /// `send` refuses.
    Error,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Default)]
pub struct Place {
    /// The file, as the user names it.
    pub file: Option<PathBuf>,
    /// From 1.
    pub line: Option<u64>,
    /// In characters, from 1.
    pub column: Option<u64>,
    /// The recipient's row, from 1.
    pub row: Option<u32>,
}

impl Place {
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self {
            file: Some(path.into()),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn at_line(self, line: u64) -> Self {
        Self {
            line: Some(line),
            ..self
        }
    }

    #[must_use]
    pub fn at_column(self, column: u64) -> Self {
        Self {
            column: Some(column),
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

/// A part of a file that is shown with a finding.
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

    /// Another part of the same text. The text is not copied.
    #[must_use]
    pub fn at(&self, span: Range<usize>) -> Self {
        Self {
            source: Arc::clone(&self.source),
            span,
        }
    }

    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The excerpt's range in the text, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        self.source.inner()
    }

    /// The lines of the excerpt, in three parts: before it, the excerpt, and after it.
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

#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Finding {
    pub severity: Severity,
    /// A name that scripts can rely on, such as `unknown-key`.
    pub code: &'static str,
    pub place: Place,
    /// What is wrong, in a sentence.
    pub message: String,
    /// How to fix it.
    pub help: Option<String>,
    /// The text at the place.
    pub excerpt: Option<Excerpt>,
    /// Replaces the message when findings are compared, if the message contains a value of the row. Findings at the
    /// same place of a template, or about cells of rows, that have the same kind are one.
    pub kind: Option<String>,
    /// The variants of the message that have it, a bit each; 0 if it is not about variants.
    pub variants: u32,
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
            variants: 0,
        }
    }

    /// A finding that `send` goes on with.
    pub fn warning(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, place, message)
        }
    }

    /// Whether another finding reports the same problem at the same place.
    pub fn is_like(&self, other: &Self) -> bool {
        self.code == other.code
            && self.place == other.place
            && self.kind_or_message() == other.kind_or_message()
    }

    /// What the finding says without the values of a row.
    pub fn kind_or_message(&self) -> &str {
        self.kind.as_ref().unwrap_or(&self.message)
    }

    #[must_use]
    pub fn kind(self, kind: impl Into<String>) -> Self {
        Self {
            kind: Some(kind.into()),
            ..self
        }
    }

    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Sets the excerpt, and takes line and column from it.
    #[must_use]
    pub fn excerpt(mut self, excerpt: Excerpt) -> Self {
        let (line, column) = line_and_column(excerpt.source.inner(), excerpt.span.start);
        self.place = self.place.at_line(line).at_column(column);
        self.excerpt = Some(excerpt);
        self
    }
}

/// Names the variants in the messages of findings that only some of them have. `names` are those of all.
pub fn name_variants<'a>(findings: impl IntoIterator<Item = &'a mut Finding>, names: &[&str]) {
    for finding in findings {
        let variants = finding.variants;
        let has_it = |bit: usize| variants & (1 << bit) > 0;
        let (with, without): (Vec<usize>, Vec<usize>) =
            (0..names.len()).partition(|bit| has_it(*bit));
        if variants == 0 || without.is_empty() {
            continue;
        }
        let names: Vec<&str> = with.into_iter().map(|bit| names[bit]).collect();
        let noun = match names.len() {
            1 => "variant",
            _ => "variants",
        };
        finding.message = format!("{noun} {}: {}", names.join(", "), finding.message);
    }
}

/// The line and the column, both from 1, of a byte offset in a text.
fn line_and_column(text: &str, offset: usize) -> (u64, u64) {
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

/// The name that is most like `name`, if it is similar enough to be a typing error.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    near(name, names).first().copied()
}

/// The names that are so similar to `name` that it may be a typing error, the most similar first.
pub(crate) fn near<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let mut near: Vec<(f64, &str)> = names
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&name, &known.to_lowercase()), known))
        .filter(|(similarity, _)| *similarity >= 0.8)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.into_iter().map(|(_, known)| known).collect()
}
