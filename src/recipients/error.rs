//! What can be wrong with a file of recipients, and with a single row.

use std::io;

use encoding_rs::Encoding;

use super::ADDRESS_COLUMN;
use super::line_numbers::LineNumbers;
use crate::address::AddressError;
use crate::finding::Severity;

/// Reading had to stop, and nothing may be sent from the file.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {problem}", place(problem.line()))]
pub struct ReadError {
    /// The file, as the user would name it.
    pub file: String,
    pub problem: Problem,
}

impl ReadError {
    pub(super) fn new(file: &str, problem: Problem) -> Self {
        let file = file.to_owned();
        Self { file, problem }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        self.problem.help()
    }

    /// The physical line, from 1, if there is one.
    pub fn line(&self) -> Option<u64> {
        self.problem.line()
    }
}

/// Something to check before sending.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{file}{}: {notice}", place(notice.line()))]
pub struct Warning {
    /// The file, as the user would name it.
    pub file: String,
    pub notice: Notice,
}

impl Warning {
    pub(super) fn new(file: &str, notice: Notice) -> Self {
        let file = file.to_owned();
        Self { file, notice }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        self.notice.help()
    }
}

fn place(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(", line {line}"))
}

/// Why a file can't be read. Lines are physical, and lines and columns start at 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    #[error("can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("the file is empty")]
    Empty,
    /// Not text; the kind of file.
    #[error("this is {0}, not a CSV file")]
    NotText(&'static str),
    #[error("the bytes at offset {offset} are not valid {}", encoding.name())]
    Undecodable {
        encoding: &'static Encoding,
        line: u64,
        /// In bytes, from 0.
        offset: u64,
        /// What the encoding may be, on weak evidence.
        maybe: Option<&'static Encoding>,
    },
    #[error("the quote that starts a cell on this line is never closed")]
    UnclosedQuote { line: u64 },
    /// A quote that opens a cell on `line` is closed in the middle of a cell on a later line. What is
    /// between them may be the rows of other recipients.
    #[error(
        "the quote that starts a cell on this line is closed on line {closed}, but text follows it there"
    )]
    QuoteClosedInText { line: u64, closed: u64 },
    /// A line inside a quoted cell is a row by itself.
    #[error(
        "the quoted cell that starts on this line contains line {row_line}, which looks like a row: {address}"
    )]
    RowInCell {
        line: u64,
        row_line: u64,
        address: String,
    },
    #[error("this line is longer than 16 MiB")]
    TooLong { line: u64 },
    #[error("the header is invalid: {fault}")]
    Header { line: u64, fault: RowFault },
    #[error("columns {first} and {second} are both named “{name}”")]
    DuplicateColumn {
        line: u64,
        name: String,
        first: usize,
        second: usize,
    },
    #[error("there is no column “{expected}”; the columns are {}", list(columns))]
    NoAddressColumn {
        line: u64,
        expected: String,
        /// The columns of the file.
        columns: Vec<String>,
    },
    #[error("several columns may have the addresses: {}", list(columns))]
    AmbiguousAddressColumn { line: u64, columns: Vec<String> },
    #[error("{} can't be the delimiter", describe_byte(*.0))]
    Delimiter(u8),
    #[error("the file has more than {} rows", u32::MAX)]
    TooManyRows { line: u64 },
}

impl Problem {
    /// The physical line, from 1, if there is one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Io(_) | Self::Empty | Self::NotText(_) | Self::Delimiter(_) => None,
            Self::Undecodable { line, .. }
            | Self::UnclosedQuote { line }
            | Self::QuoteClosedInText { line, .. }
            | Self::RowInCell { line, .. }
            | Self::TooLong { line }
            | Self::Header { line, .. }
            | Self::DuplicateColumn { line, .. }
            | Self::NoAddressColumn { line, .. }
            | Self::AmbiguousAddressColumn { line, .. }
            | Self::TooManyRows { line } => Some(*line),
        }
    }

    fn help(&self) -> String {
        let help = match self {
            Self::Io(_) => "check that the file exists and that you may read it",
            Self::Empty => "the first line must name the columns, one of them `email`",
            Self::NotText(_) => "save or export it as “CSV UTF-8”",
            Self::Undecodable { maybe, .. } => return undecodable_help(*maybe),
            Self::UnclosedQuote { .. } | Self::QuoteClosedInText { .. } => {
                "close the quote where its cell ends. For a quote inside a quoted cell, write two: \
                 \"the \"\"best\"\" one\""
            }
            Self::RowInCell { .. } => {
                "close the quote where its cell ends. If the line is part of the text, put `> ` in \
                 front of it"
            }
            Self::TooLong { .. } => "check that this is a CSV file",
            Self::Header { .. } => "fix the line that names the columns",
            Self::DuplicateColumn { .. } => "give each column a different name",
            Self::NoAddressColumn {
                expected, columns, ..
            } => return no_address_help(expected, columns),
            Self::AmbiguousAddressColumn { .. } => {
                "choose one of them with `email = \"…\"` in [recipients]"
            }
            Self::Delimiter(_) => "set `delimiter` in [recipients] to \",\", \";\", \"|\" or a tab",
            Self::TooManyRows { .. } => "split the file",
        };
        help.to_owned()
    }
}

fn undecodable_help(maybe: Option<&'static Encoding>) -> String {
    let example = maybe.map_or("windows-1250", Encoding::name);
    format!(
        "fix these bytes and save the file as UTF-8. If the whole file is in another encoding, set \
         it with `encoding = \"{example}\"` in [recipients]"
    )
}

fn no_address_help(expected: &str, columns: &[String]) -> String {
    if columns.iter().any(|c| c.contains('@')) {
        return "the first line must name the columns, but it looks like a recipient: add a line \
                such as `email,name` above it"
            .to_owned();
    }
    if let [only] = columns
        && let Some(delimiter) = [',', ';', '\t', '|']
            .into_iter()
            .find(|c| only.contains(*c))
    {
        return format!(
            "set `delimiter = {:?}` in [recipients]",
            delimiter.to_string()
        );
    }
    let near = columns.iter().find(|c| c.to_lowercase().contains("mail"));
    let near = near.map_or("…", String::as_str);
    let set = format!("set `email = {near:?}` in [recipients]");
    if expected == ADDRESS_COLUMN {
        format!("name the address column `{ADDRESS_COLUMN}`, or {set}")
    } else {
        set
    }
}

fn list(columns: &[String]) -> String {
    let column = |c: &String| match c.as_str() {
        "" => "one without a name".to_owned(),
        c => format!("“{c}”"),
    };
    columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

fn describe_byte(byte: u8) -> String {
    if byte.is_ascii_graphic() {
        format!("“{}”", char::from(byte))
    } else {
        format!("the byte {byte:#04x}")
    }
}

/// What looks wrong in a file that can be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Notice {
    #[error("read as {} (a guess): for example “{sample}”{}", encoding.name(), otherwise(alternatives))]
    GuessedEncoding {
        encoding: &'static Encoding,
        /// Some text of the file in this encoding.
        sample: String,
        /// Other possible encodings, and the sample in each of them.
        alternatives: Vec<(&'static Encoding, String)>,
    },
    #[error("read as {} because of its byte order mark, although `encoding` is {}", mark.name(), set.name())]
    EncodingOverruled {
        mark: &'static Encoding,
        set: &'static Encoding,
    },
    #[error("column {column} has no name, so templates can't use it")]
    UnnamedColumn {
        /// The physical line of the header, from 1.
        line: u64,
        /// From 1.
        column: usize,
    },
    #[error("invisible control characters (U+0080 to U+009F) in {0}")]
    ControlCharacters(LineNumbers),
    #[error("the replacement character “\u{fffd}” in {0}: another program lost text there")]
    ReplacementCharacters(LineNumbers),
    #[error("a quote after white space is part of the cell and does not enclose it: {0}")]
    PaddedQuotes(LineNumbers),
    #[error("white space around cells is removed: {0}")]
    TrimmedCells(LineNumbers),
    /// In a suppression list; `first` is the fault of the first of these lines.
    #[error("no valid address in {lines}: {first}")]
    NoAddress { lines: LineNumbers, first: RowFault },
    #[error("the suppression list is empty")]
    NothingSuppressed,
}

impl Notice {
    pub fn severity(&self) -> Severity {
        match self {
            Self::TrimmedCells(_) => Severity::Note,
            _ => Severity::Warning,
        }
    }

    /// The physical line, from 1, if there is exactly one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::UnnamedColumn { line, .. } => Some(*line),
            _ => None,
        }
    }

    fn help(&self) -> String {
        let help = match self {
            Self::GuessedEncoding { encoding, .. } => {
                return format!(
                    "if this reads correctly, confirm it with `encoding = \"{}\"` in [recipients] \
                     or save the file as UTF-8; if not, set the right encoding",
                    encoding.name()
                );
            }
            Self::EncodingOverruled { .. } => "remove `encoding` from [recipients]",
            Self::UnnamedColumn { .. } => "name the column or delete it",
            Self::ControlCharacters(_) => {
                "the encoding may be wrong: set `encoding` in [recipients]"
            }
            Self::ReplacementCharacters(_) => "fix these cells in the file",
            Self::PaddedQuotes(_) => {
                "delete the white space between the delimiter and the quote; until then readers see \
                 the quotes, and a delimiter between them ends the cell"
            }
            Self::TrimmedCells(_) => "if it matters, keep it with `trim = false` in [recipients]",
            Self::NoAddress { .. } => "fix these lines; until then they suppress nobody",
            Self::NothingSuppressed => "check that it is the right file",
        };
        help.to_owned()
    }
}

fn otherwise(alternatives: &[(&'static Encoding, String)]) -> String {
    let one = |(encoding, sample): &(&'static Encoding, String)| {
        format!("; as {} it would be “{sample}”", encoding.name())
    };
    alternatives.iter().map(one).collect()
}

/// Why a row can't be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowFault {
    /// Text between a closing quote and the next delimiter. The row ends at the end of this line.
    #[error(
        "line {line}, character {column}: text after a closing quote; inside a quoted cell, write two quotes for one"
    )]
    TextAfterQuote {
        /// The physical line of the cell and the text.
        line: u64,
        /// In characters, from 1.
        column: usize,
    },
    #[error("column {column}{} contains a NUL character", in_quotes(name))]
    Nul {
        /// From 1.
        column: usize,
        /// May be empty.
        name: String,
    },
    #[error("{found} field{}, but the header has {expected}", if *found == 1 { "" } else { "s" })]
    FieldCount { found: usize, expected: usize },
    #[error("{}{}", .0, own_row(.0))]
    Address(#[from] AddressError),
}

impl RowFault {
    /// The static form of a code from a ledger; `bad-row` for a code of another version.
    pub(crate) fn known_code(code: &str) -> &'static str {
        ["bad-address", "field-count", "nul", "text-after-quote"]
            .into_iter()
            .find(|known| *known == code)
            .unwrap_or("bad-row")
    }

    /// A stable name for scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::TextAfterQuote { .. } => "text-after-quote",
            Self::Nul { .. } => "nul",
            Self::FieldCount { .. } => "field-count",
            Self::Address(_) => "bad-address",
        }
    }
}

fn own_row(error: &AddressError) -> &'static str {
    match error {
        AddressError::List => ": give each address a row of its own",
        _ => "",
    }
}

fn in_quotes(name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    format!(" (“{name}”)")
}
