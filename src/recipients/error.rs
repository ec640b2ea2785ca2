//! What can be wrong with a file of recipients, what with one row, and what is only odd.

use std::io;

use encoding_rs::Encoding;

use super::lines::Lines;
use crate::address::AddressError;

/// A file that can't be read on: nothing may be sent from it.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {problem}", place(problem.line()))]
pub struct ReadError {
    /// The file, as the user knows it.
    pub file: String,
    /// What is wrong.
    pub problem: Problem,
}

impl ReadError {
    /// What to do about it.
    pub fn help(&self) -> String {
        self.problem.help()
    }

    /// The physical line, from 1, where there is one.
    pub fn line(&self) -> Option<u64> {
        self.problem.line()
    }
}

/// Something to look at before sending.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{file}{}: {notice}", place(notice.line()))]
pub struct Warning {
    /// The file, as the user knows it.
    pub file: String,
    /// What is odd.
    pub notice: Notice,
}

impl Warning {
    /// What to do about it.
    pub fn help(&self) -> String {
        self.notice.help()
    }
}

fn place(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(", line {line}"))
}

/// What is wrong with a file as a whole. Lines are physical, from 1; columns of a table, from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It can't be opened or read.
    #[error("can't be read: {0}")]
    Io(#[from] io::Error),
    /// It has no text at all.
    #[error("empty file: it has no header line")]
    Empty,
    /// It is no text file; what it is.
    #[error("this is {0}, not a CSV file")]
    NotText(&'static str),
    /// Bytes that mean nothing in its encoding.
    #[error("the bytes at offset {offset} are not {}", encoding.name())]
    Undecodable {
        /// The encoding that was tried.
        encoding: &'static Encoding,
        /// The line that they are in.
        line: u64,
        /// Where they start, in octets from 0.
        offset: u64,
        /// What the file may be in instead, on weak evidence.
        maybe: Option<&'static Encoding>,
    },
    /// A quote that is never closed.
    #[error("the quote that opens a cell in this line is never closed")]
    UnclosedQuote {
        /// The line of the quote.
        line: u64,
    },
    /// A record beyond any reason, which is no CSV.
    #[error("this line is longer than 16 MiB")]
    TooLong {
        /// The line.
        line: u64,
    },
    /// A header that is faulty itself.
    #[error("the header is faulty: {fault}")]
    Header {
        /// The line of the header.
        line: u64,
        /// What is wrong with it.
        fault: RowFault,
    },
    /// Two columns of one name.
    #[error("columns {first} and {second} are both called “{name}”")]
    DuplicateColumn {
        /// The line of the header.
        line: u64,
        /// The name of both.
        name: String,
        /// The place of the one.
        first: usize,
        /// The place of the other.
        second: usize,
    },
    /// No column that holds the addresses.
    #[error("there is no column “{wanted}”; the columns are {}", listed(columns))]
    NoAddressColumn {
        /// The line of the header.
        line: u64,
        /// The name that was looked for.
        wanted: String,
        /// The columns that there are.
        columns: Vec<String>,
    },
    /// More than one column that may hold the addresses.
    #[error("the address column may be any of {}", listed(columns))]
    AmbiguousAddressColumn {
        /// The line of the header.
        line: u64,
        /// The columns in question.
        columns: Vec<String>,
    },
    /// A delimiter that would not part anything safely.
    #[error("{} can't be the delimiter", shown(*.0))]
    Delimiter(u8),
    /// More rows than can be numbered.
    #[error("there are more than {} rows", u32::MAX)]
    TooManyRows {
        /// The line of the first row too many.
        line: u64,
    },
}

impl Problem {
    /// The physical line, from 1, where there is one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Io(_) | Self::Empty | Self::NotText(_) | Self::Delimiter(_) => None,
            Self::Undecodable { line, .. }
            | Self::UnclosedQuote { line }
            | Self::TooLong { line }
            | Self::Header { line, .. }
            | Self::DuplicateColumn { line, .. }
            | Self::NoAddressColumn { line, .. }
            | Self::AmbiguousAddressColumn { line, .. }
            | Self::TooManyRows { line } => Some(*line),
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Io(_) => "check that the file exists and that you may read it".to_owned(),
            Self::Empty => "the first line must name the columns, one of them `email`".to_owned(),
            Self::NotText(_) => "save or export it as “CSV UTF-8”".to_owned(),
            Self::Undecodable { maybe, .. } => undecodable_help(*maybe),
            Self::UnclosedQuote { .. } => {
                "close the quote; a quote that is text is written twice, \
                 inside a quoted cell: \"the \"\"best\"\" one\""
                    .to_owned()
            }
            Self::TooLong { .. } => "check that this is a CSV file".to_owned(),
            Self::Header { .. } => "mend the line that names the columns".to_owned(),
            Self::DuplicateColumn { .. } => "give every column a name of its own".to_owned(),
            Self::NoAddressColumn { columns, .. } => no_address_help(columns),
            Self::AmbiguousAddressColumn { .. } => {
                "say which one by `email = \"…\"` in [recipients]".to_owned()
            }
            Self::Delimiter(_) => {
                "set `delimiter` in [recipients] to \",\", \";\", \"|\" or a tab".to_owned()
            }
            Self::TooManyRows { .. } => "split the file".to_owned(),
        }
    }
}

fn undecodable_help(maybe: Option<&'static Encoding>) -> String {
    let example = maybe.map_or("windows-1250", Encoding::name);
    format!(
        "mend these bytes and save the file as UTF-8, or, if all of it is in another encoding, say \
         so by `encoding = \"{example}\"` in [recipients]"
    )
}

fn no_address_help(columns: &[String]) -> String {
    if columns.iter().any(|c| c.contains('@')) {
        return "the first line must name the columns, but here it seems to be a recipient: add a \
                line such as `email,name` before it"
            .to_owned();
    }
    let near = columns.iter().find(|c| c.to_lowercase().contains("mail"));
    let near = near.map_or("…", String::as_str);
    format!(
        "name the address column `email`, or say which it is by `email = {near:?}` in [recipients]"
    )
}

fn listed(columns: &[String]) -> String {
    let column = |c: &String| match c.as_str() {
        "" => "one without a name".to_owned(),
        c => format!("“{c}”"),
    };
    columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() {
        format!("“{}”", char::from(byte))
    } else {
        format!("the byte {byte:#04x}")
    }
}

/// What is odd in a file that is read all the same.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Notice {
    /// The encoding is a guess.
    #[error("read as {} by a guess: for example “{sample}”{}", encoding.name(), otherwise(alternatives))]
    GuessedEncoding {
        /// The guess.
        encoding: &'static Encoding,
        /// What text there is, read in this encoding.
        sample: String,
        /// Other encodings that the file may be in, and the same text read in them.
        alternatives: Vec<(&'static Encoding, String)>,
    },
    /// The file starts with the byte order mark of another encoding than the one that was set.
    #[error("read as {}, as its byte order mark says, though `encoding` is {}", mark.name(), set.name())]
    EncodingOverruled {
        /// The encoding that it was read in.
        mark: &'static Encoding,
        /// The encoding that was set.
        set: &'static Encoding,
    },
    /// A column without a name, which no template can show.
    #[error("column {column} has no name: templates can't use it")]
    UnnamedColumn {
        /// The line of the header.
        line: u64,
        /// Its place, from 1.
        column: usize,
    },
    /// Control characters U+0080 to U+009F: most often a wrong encoding.
    #[error("invisible control characters (U+0080 to U+009F) in {0}")]
    ControlCharacters(Lines),
    /// U+FFFD, which stands where another program lost a character.
    #[error("the replacement character “\u{fffd}” in {0}: another program has lost text there")]
    ReplacementCharacters(Lines),
    /// Rows of a suppression list without an address.
    #[error("no address that could be left out in {lines}: {first}")]
    NoAddress {
        /// Where.
        lines: Lines,
        /// What is wrong with the first.
        first: RowFault,
    },
    /// A suppression list that is empty.
    #[error("the suppression list is empty")]
    NothingSuppressed,
}

impl Notice {
    /// The physical line, from 1, where there is just one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::UnnamedColumn { line, .. } => Some(*line),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::GuessedEncoding { encoding, .. } => format!(
                "if this reads well, set `encoding = \"{}\"` in [recipients], or save the file as \
                 UTF-8; if not, set the right one",
                encoding.name()
            ),
            Self::EncodingOverruled { .. } => "take `encoding` out of [recipients]".to_owned(),
            Self::UnnamedColumn { .. } => "give it a name, or delete it".to_owned(),
            Self::ControlCharacters(_) => {
                "the file may be in another encoding: set `encoding` in [recipients]".to_owned()
            }
            Self::ReplacementCharacters(_) => "correct these cells in the file".to_owned(),
            Self::NoAddress { .. } => {
                "correct them: nobody is left out because of these lines".to_owned()
            }
            Self::NothingSuppressed => "check that it is the right file".to_owned(),
        }
    }
}

fn otherwise(alternatives: &[(&'static Encoding, String)]) -> String {
    let one =
        |(e, sample): &(&'static Encoding, String)| format!("; as {} it is “{sample}”", e.name());
    alternatives.iter().map(one).collect()
}

/// Why a row can't be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowFault {
    /// Text between a closing quote and the next delimiter. The row ends with this line.
    #[error(
        "line {line}, character {column}: text after a closing quote{}; in a quoted cell a quote is written twice",
        since(*opened, *line)
    )]
    TextAfterQuote {
        /// The physical line of the text.
        line: u64,
        /// Its place in the line, in characters from 1.
        column: usize,
        /// The physical line in which the quoted cell starts.
        opened: u64,
    },
    /// A NUL in a cell.
    #[error("column {column}{} holds a NUL character", named(name))]
    Nul {
        /// The cell's place, from 1.
        column: usize,
        /// Its column's name, or nothing.
        name: String,
    },
    /// More or fewer cells than the header has.
    #[error("{found} field{} where the header has {expected}", if *found == 1 { "" } else { "s" })]
    FieldCount {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// No address that can be sent to, or several.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl RowFault {
    /// The code of a fault that was kept as text; `bad-row` for one of another version.
    pub fn known_code(code: &str) -> &'static str {
        let known = ["bad-address", "field-count", "nul", "text-after-quote"];
        let mut known = known.into_iter();
        known.find(|known| *known == code).unwrap_or("bad-row")
    }

    /// A short name that scripts can rely on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TextAfterQuote { .. } => "text-after-quote",
            Self::Nul { .. } => "nul",
            Self::FieldCount { .. } => "field-count",
            Self::Address(_) => "bad-address",
        }
    }
}

fn since(opened: u64, line: u64) -> String {
    if opened == line {
        return String::new();
    }
    format!(" (the cell starts in line {opened})")
}

fn named(name: &str) -> String {
    if name.is_empty() {
        return String::new();
    }
    format!(" (“{name}”)")
}
