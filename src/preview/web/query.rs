//! What is searched for among the recipients.
//!
//! ```text
//! kowalska                    anywhere in the row
//! "anna kowalska"             so, with the space; a quote in quotes is doubled
//! city:Kraków  city:Kra*      the cell of a column; its beginning
//! missing:city                a blank cell
//! longest:city  shortest:city the rows with the longest, or shortest, cells there, in that order
//! has:findings  has:errors    messages that something is wrong with
//! -city:Kraków                not so
//! ```

use memchr::memmem::Finder;

use super::spool::{BETWEEN, fold};
use crate::finding::{Severity, nearest};

/// The most rows in an order.
pub(super) const MOST_ORDERED: usize = 500;

/// What is searched for.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    /// All of them must hold.
    terms: Vec<Term>,
    /// A column, and whether the longest come first.
    pub(super) order: Option<(usize, bool)>,
    /// The least that must be wrong with the message; what rows cannot tell by themselves.
    pub(super) findings: Option<Severity>,
}

#[derive(Debug, Clone)]
struct Term {
    holds: bool,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Anywhere(Box<Finder<'static>>),
    Cell(usize, Vec<u8>),
    Beginning(usize, Vec<u8>),
    Missing(usize),
}

/// A search that means nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("There is no column “{0}”. The columns are: {1}.")]
    NoColumn(String, String),
    #[error("There is no column “{0}”. Is it “{1}”?")]
    Near(String, String),
    #[error("has: is one of has:findings, has:errors.")]
    Has,
    #[error("It can't be the other way round: “{0}”.")]
    Not(String),
}

impl Query {
    /// Reads a search over rows with these columns.
    ///
    /// # Errors
    /// When it means nothing.
    pub(super) fn parse(text: &str, columns: &[String]) -> Result<Self, QueryError> {
        let mut query = Self::default();
        for word in Word::all(text) {
            query.add(&word, columns)?;
        }
        Ok(query)
    }

    fn add(&mut self, word: &Word, columns: &[String]) -> Result<(), QueryError> {
        let value = word.value.as_str();
        let Some(name) = &word.name else {
            self.push(
                word,
                Test::Anywhere(Box::new(Finder::new(&folded(value)).into_owned())),
            );
            return Ok(());
        };
        let column = || column(value, columns);
        match name.to_lowercase().as_str() {
            "missing" => {
                let test = Test::Missing(column()?);
                self.push(word, test);
            }
            "longest" if word.holds => self.order = Some((column()?, true)),
            "shortest" if word.holds => self.order = Some((column()?, false)),
            "has" if word.holds => {
                self.findings = Some(match value.to_lowercase().as_str() {
                    "findings" => Severity::Warning,
                    "errors" => Severity::Error,
                    _ => return Err(QueryError::Has),
                });
            }
            "longest" | "shortest" | "has" => return Err(QueryError::Not(word.whole())),
            _ => self.add_cell(word, name, columns)?,
        }
        Ok(())
    }

    /// `column:value`; a word with a colon in it where there is no such column, and none like it.
    fn add_cell(&mut self, word: &Word, name: &str, columns: &[String]) -> Result<(), QueryError> {
        let test = match place(name, columns) {
            Some(place) => match word.value.strip_suffix('*') {
                Some(beginning) => Test::Beginning(place, folded(beginning)),
                None => Test::Cell(place, folded(&word.value)),
            },
            None => match nearest(name, columns.iter().map(String::as_str)) {
                Some(near) => return Err(QueryError::Near(name.to_owned(), near.to_owned())),
                None => Test::Anywhere(Box::new(Finder::new(&folded(&word.whole())).into_owned())),
            },
        };
        self.push(word, test);
        Ok(())
    }

    fn push(&mut self, word: &Word, test: Test) {
        self.terms.push(Term {
            holds: word.holds,
            test,
        });
    }

    /// Whether every row is meant, in the order of the file.
    pub(super) fn is_all(&self) -> bool {
        self.terms.is_empty() && self.order.is_none()
    }

    /// Bytes that every row that is meant has.
    pub(super) fn needle(&self) -> Option<&[u8]> {
        let needles = self.terms.iter().filter(|term| term.holds);
        let needles = needles.filter_map(|term| match &term.test {
            Test::Anywhere(finder) => Some(finder.needle()),
            Test::Cell(_, value) | Test::Beginning(_, value) => Some(value.as_slice()),
            Test::Missing(_) => None,
        });
        let longest = needles.max_by_key(|needle| needle.len());
        longest.filter(|needle| !needle.is_empty())
    }

    /// Whether a row is meant, by its line of the searched text.
    pub(super) fn holds(&self, line: &[u8]) -> bool {
        let mut terms = self.terms.iter();
        terms.all(|term| term.test.holds(line) == term.holds)
    }
}

impl Test {
    fn holds(&self, line: &[u8]) -> bool {
        match self {
            Self::Anywhere(finder) => finder.find(line).is_some(),
            Self::Cell(column, value) => cell(line, *column) == value,
            Self::Beginning(column, value) => cell(line, *column).starts_with(value),
            Self::Missing(column) => {
                let cell = cell(line, *column);
                cell.trim_ascii().is_empty()
                    || str::from_utf8(cell).is_ok_and(|cell| cell.trim().is_empty())
            }
        }
    }
}

/// The cell of a column; nothing where the row has none.
pub(super) fn cell(line: &[u8], column: usize) -> &[u8] {
    let mut rest = line;
    for _ in 0..column {
        match memchr::memchr(BETWEEN, rest) {
            Some(end) => rest = &rest[end + 1..],
            None => return b"",
        }
    }
    let end = memchr::memchr(BETWEEN, rest).unwrap_or(rest.len());
    &rest[..end]
}

fn folded(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    fold(text, &mut out);
    out
}

fn place(name: &str, columns: &[String]) -> Option<usize> {
    let exact = columns.iter().position(|column| column == name);
    let name = name.to_lowercase();
    exact.or_else(|| {
        columns
            .iter()
            .position(|column| column.to_lowercase() == name)
    })
}

fn column(name: &str, columns: &[String]) -> Result<usize, QueryError> {
    place(name, columns).ok_or_else(|| match nearest(name, columns.iter().map(String::as_str)) {
        Some(near) => QueryError::Near(name.to_owned(), near.to_owned()),
        None => QueryError::NoColumn(name.to_owned(), columns.join(", ")),
    })
}

/// A word of a search, with what stands before its first colon, and without the quotes.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    holds: bool,
    name: Option<String>,
    value: String,
}

impl Word {
    fn all(text: &str) -> Vec<Self> {
        let mut words = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (holds, from) = match rest.strip_prefix('-') {
                Some(from) if !from.is_empty() => (false, from),
                _ => (true, rest),
            };
            let (mut quoted, mut name, mut value) = (false, None, String::new());
            let mut end = from.len();
            let mut chars = from.char_indices().peekable();
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' if quoted && chars.next_if(|(_, next)| *next == '"').is_some() => {
                        value.push('"');
                    }
                    '"' => quoted = !quoted,
                    c if c.is_whitespace() && !quoted => {
                        end = at;
                        break;
                    }
                    ':' if !quoted && name.is_none() && !value.is_empty() => {
                        name = Some(std::mem::take(&mut value));
                    }
                    c => value.push(c),
                }
            }
            if name.is_some() || !value.is_empty() {
                words.push(Self { holds, name, value });
            }
            rest = from[end..].trim_start();
        }
        words
    }

    fn whole(&self) -> String {
        match &self.name {
            Some(name) => format!("{name}:{}", self.value),
            None => self.value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<String> {
        ["email", "First Name", "city"].map(str::to_owned).to_vec()
    }

    fn holds(query: &str, line: &str) -> bool {
        let query = Query::parse(query, &columns()).expect("a query");
        query.holds(line.replace('|', "\u{1f}").as_bytes())
    }

    #[test]
    fn a_row_must_have_everything() {
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
            assert!(holds(query, line), "{query}");
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
            assert!(!holds(query, line), "{query}");
        }
        assert!(holds("missing:city", "a@a.example|x| \u{a0}"));
        assert!(holds("missing:city", "a@a.example"));
        assert!(holds("\"size \"\"XL\"\"\"", "a@a.example|size \"xl\"|y"));
        assert!(holds("city:\"\"\"x\"\"\"", "a@a.example||\"x\""));
        assert!(holds("12:30 http://x", "a@a.example|12:30 http://x|y"));
    }

    #[test]
    fn what_means_nothing_is_told() {
        let error = |text| {
            Query::parse(text, &columns())
                .expect_err("an error")
                .to_string()
        };
        assert!(error("citty:x").contains("“city”"));
        assert!(error("missing:zzz").contains("email, First Name, city"));
        assert!(error("has:x").contains("has:errors"));
        assert!(error("-longest:city").contains("-") || !error("-longest:city").is_empty());
    }

    #[test]
    fn an_order_and_findings_are_no_words() {
        let query = Query::parse("longest:city has:errors", &columns()).expect("a query");
        assert_eq!(query.order, Some((2, true)));
        assert_eq!(query.findings, Some(Severity::Error));
        assert!(!query.is_all() && query.needle().is_none());
        let query = Query::parse("shortest:\"first name\" ab abc", &columns()).expect("a query");
        assert_eq!(query.order, Some((1, false)));
        assert_eq!(query.needle(), Some(&b"abc"[..]));
    }
}
