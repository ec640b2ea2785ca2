//! The search language for recipients. All terms must match; case does not matter.
//!
//! ```text
//! kowalska                    anywhere in the row
//! "anna kowalska"             a phrase; write a quote in it twice
//! city:Kraków  city:Kra*      the whole cell of a column; its beginning
//! missing:city                the cell is blank
//! longest:city  shortest:city sorts by the length of the cell
//! has:findings  has:errors    the message has errors or warnings; errors
//! -city:Kraków                does not match
//! ```

use memchr::memmem::Finder;

use super::searchable_rows::{CELL_SEPARATOR, fold};
use crate::finding::{Severity, nearest};
use crate::web::SearchTerm;

/// The most rows that a sorted search returns.
pub(super) const MAX_SORTED: usize = 500;

#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    terms: Vec<Term>,
    /// A column, and whether the longest cells come first.
    pub(super) order: Option<(usize, bool)>,
    /// The least severity of a finding. The caller must check it: rows don't show it.
    pub(super) findings: Option<Severity>,
}

#[derive(Debug, Clone)]
struct Term {
    negated: bool,
    test: Test,
}

/// Columns are indices; texts are folded.
#[derive(Debug, Clone)]
enum Test {
    Anywhere(Box<Finder<'static>>),
    Equals(usize, Vec<u8>),
    StartsWith(usize, Vec<u8>),
    Missing(usize),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("There is no column “{0}”. The columns are: {1}.")]
    NoColumn(String, String),
    #[error("There is no column “{0}”. Did you mean “{1}”?")]
    SimilarColumn(String, String),
    #[error("Use has:findings or has:errors.")]
    Has,
    #[error("“{0}” can't be negated. Remove the “-”.")]
    Negated(String),
}

impl Query {
    pub(super) fn parse(text: &str, columns: &[String]) -> Result<Self, QueryError> {
        let mut query = Self::default();
        for term in SearchTerm::all(text) {
            query.add(&term, columns)?;
        }
        Ok(query)
    }

    fn add(&mut self, word: &SearchTerm, columns: &[String]) -> Result<(), QueryError> {
        let value = word.value.as_str();
        let Some(name) = &word.name else {
            if !value.is_empty() {
                self.push(word, Test::anywhere(value));
            }
            return Ok(());
        };
        let column = || column(value, columns);
        match name.to_lowercase().as_str() {
            "missing" => {
                let test = Test::Missing(column()?);
                self.push(word, test);
            }
            "longest" if !word.negated => self.order = Some((column()?, true)),
            "shortest" if !word.negated => self.order = Some((column()?, false)),
            "has" if !word.negated => {
                self.findings = Some(match value.to_lowercase().as_str() {
                    "findings" => Severity::Warning,
                    "errors" => Severity::Error,
                    _ => return Err(QueryError::Has),
                });
            }
            "longest" | "shortest" | "has" => return Err(QueryError::Negated(word.whole())),
            _ => self.add_cell(word, name, columns)?,
        }
        Ok(())
    }

    /// `column:value`, or a word with a colon if there is no such column and no similar one.
    fn add_cell(
        &mut self,
        word: &SearchTerm,
        name: &str,
        columns: &[String],
    ) -> Result<(), QueryError> {
        let test = match column_index(name, columns) {
            Some(index) => match word.value.strip_suffix('*') {
                Some(beginning) => Test::StartsWith(index, folded(beginning)),
                None => Test::Equals(index, folded(&word.value)),
            },
            None => match nearest(name, columns.iter().map(String::as_str)) {
                Some(similar) => {
                    return Err(QueryError::SimilarColumn(
                        name.to_owned(),
                        similar.to_owned(),
                    ));
                }
                None => Test::anywhere(&word.whole()),
            },
        };
        self.push(word, test);
        Ok(())
    }

    fn push(&mut self, word: &SearchTerm, test: Test) {
        self.terms.push(Term {
            negated: word.negated,
            test,
        });
    }

    /// Whether all rows match, in the order of the file.
    pub(super) fn is_all(&self) -> bool {
        self.terms.is_empty() && self.order.is_none()
    }

    /// Whether a row matches; `line` is its line of the folded text.
    pub(super) fn matches(&self, line: &[u8]) -> bool {
        let mut terms = self.terms.iter();
        terms.all(|term| term.test.matches(line) != term.negated)
    }
}

impl Test {
    fn anywhere(text: &str) -> Self {
        Self::Anywhere(Box::new(Finder::new(&folded(text)).into_owned()))
    }

    fn matches(&self, line: &[u8]) -> bool {
        match self {
            Self::Anywhere(finder) => finder.find(line).is_some(),
            Self::Equals(column, value) => cell(line, *column) == value,
            Self::StartsWith(column, value) => cell(line, *column).starts_with(value),
            Self::Missing(column) => {
                let cell = cell(line, *column);
                cell.trim_ascii().is_empty()
                    || str::from_utf8(cell).is_ok_and(|cell| cell.trim().is_empty())
            }
        }
    }
}

/// The cell of a column; empty if the row is too short.
pub(super) fn cell(line: &[u8], column: usize) -> &[u8] {
    let mut rest = line;
    for _ in 0..column {
        match memchr::memchr(CELL_SEPARATOR, rest) {
            Some(end) => rest = &rest[end + 1..],
            None => return b"",
        }
    }
    let end = memchr::memchr(CELL_SEPARATOR, rest).unwrap_or(rest.len());
    &rest[..end]
}

fn folded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    fold(text, &mut out);
    out
}

/// The index of the column with this name; the case matters only if two names differ in nothing else.
fn column_index(name: &str, columns: &[String]) -> Option<usize> {
    let exact = columns.iter().position(|column| column == name);
    let name = name.to_lowercase();
    exact.or_else(|| {
        columns
            .iter()
            .position(|column| column.to_lowercase() == name)
    })
}

fn column(name: &str, columns: &[String]) -> Result<usize, QueryError> {
    column_index(name, columns).ok_or_else(|| {
        match nearest(name, columns.iter().map(String::as_str)) {
            Some(similar) => QueryError::SimilarColumn(name.to_owned(), similar.to_owned()),
            None => QueryError::NoColumn(name.to_owned(), columns.join(", ")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<String> {
        ["email", "First Name", "city"].map(str::to_owned).to_vec()
    }

    fn matches(query: &str, line: &str) -> bool {
        let query = Query::parse(query, &columns()).expect("a query");
        query.matches(line.replace('|', "\u{1f}").as_bytes())
    }

    #[test]
    fn all_terms_must_match() {
        let line = "anna@one.example|anna maria|łódź";
        for query in [
            "",
            "ANNA",
            "anna Łódź",
            "\"anna maria\"",
            "city:ŁÓDŹ",
            "\"first name\":\"Anna Maria\"",
            "city:łó*",
            "-kraków",
            "-city:łó",
            "-missing:city",
            "\"\"anna",
        ] {
            assert!(matches(query, line), "{query}");
        }
        for query in [
            "bob",
            "anna bob",
            "\"maria anna\"",
            "city:łód",
            "-anna",
            "missing:city",
            "city:",
        ] {
            assert!(!matches(query, line), "{query}");
        }
        assert!(matches("missing:city", "a@a.example|x| \u{a0}"));
        assert!(matches("missing:city", "a@a.example"));
        assert!(matches("\"size \"\"XL\"\"\"", "a@a.example|size \"xl\"|y"));
        assert!(matches("city:\"\"\"x\"\"\"", "a@a.example||\"x\""));
        assert!(matches("12:30 http://x", "a@a.example|12:30 http://x|y"));
    }

    #[test]
    fn invalid_searches_are_reported() {
        let error = |text| {
            Query::parse(text, &columns())
                .expect_err("an error")
                .to_string()
        };
        assert!(error("citty:x").contains("“city”"));
        assert!(error("missing:zzz").contains("email, First Name, city"));
        assert!(error("has:x").contains("has:errors"));
        assert!(error("-longest:city").contains("“longest:city” can't be negated"));
    }

    #[test]
    fn order_and_findings_are_not_search_terms() {
        let query = Query::parse("longest:city has:errors", &columns()).expect("a query");
        assert_eq!(query.order, Some((2, true)));
        assert_eq!(query.findings, Some(Severity::Error));
        assert!(!query.is_all() && query.terms.is_empty());
        let query = Query::parse("shortest:\"first name\" ab abc", &columns()).expect("a query");
        assert_eq!(query.order, Some((1, false)));
        assert_eq!(query.terms.len(), 2);
    }
}
