//! Why a file of recipients or a suppression list can't be read.

use std::io;

use encoding_rs::Encoding;

use super::ADDRESS_COLUMN;
use super::line_numbers::LineNumbers;
use super::row_fault::RowFault;
use super::setting_place::SettingPlace;

/// Reading had to stop, and nothing may be sent from the file.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {problem}", place(problem.line()))]
pub struct ReadError {
    /// The file, as the user would name it.
    pub file: String,
    pub problem: Problem,
    pub(super) settings: SettingPlace,
}

impl ReadError {
    pub(super) fn new(file: &str, problem: Problem) -> Self {
        Self {
            file: file.to_owned(),
            problem,
            settings: SettingPlace::default(),
        }
    }

    /// How the user can fix it.
    pub fn help(&self) -> String {
        self.problem.help(&self.settings)
    }

    /// The physical line, from 1, if there is one.
    pub fn line(&self) -> Option<u64> {
        self.problem.line()
    }
}

pub(super) fn place(line: Option<u64>) -> String {
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
    #[error("this is {0}, not a CSV file, a spreadsheet or JSON")]
    NotText(&'static str),
    /// A workbook that can't be read, and why.
    #[error("the workbook can't be read: {0}")]
    Workbook(String),
    #[error("the workbook is protected with a password")]
    Encrypted,
    #[error("there is no sheet “{name}”; the sheets are {}", quoted(sheets))]
    NoSheet { name: String, sheets: Vec<String> },
    /// `sheet` is set.
    #[error("this file has no sheets, but `sheet` is “{0}”")]
    NoSheets(String),
    /// `header_row` is set for a JSON file.
    #[error("a JSON file has no header, but `header_row` is set")]
    NoHeaderRow,
    /// `header_row` is set to this line.
    #[error("`header_row` is {line}, but no row starts on this line, or all its cells are blank")]
    BlankHeaderRow { line: u64 },
    #[error("{reason}")]
    Json {
        line: u64,
        /// In characters, from 1.
        column: usize,
        reason: String,
    },
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
    /// In a suppression list. `first` is the fault of the first of these lines, and its cell.
    #[error("no valid address in {lines}: {first}")]
    InvalidEntries { lines: LineNumbers, first: String },
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
        /// Where the column may be.
        hint: Option<Box<ColumnHint>>,
    },
    #[error("several columns may have the addresses: {}", list(columns))]
    AmbiguousAddressColumn { line: u64, columns: Vec<String> },
    #[error("{} can't be the delimiter", describe_byte(*.0))]
    Delimiter(u8),
    #[error(
        "the header has {columns} columns; the maximum is {}",
        super::MAX_COLUMNS
    )]
    TooManyColumns { line: u64, columns: usize },
    #[error("the file has more than {} rows", u32::MAX)]
    TooManyRows { line: u64 },
}

/// Where the address column may be, if not in the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnHint {
    /// On a line further down.
    Line(u64),
    /// In other sheets.
    Sheets(Vec<String>),
    /// In the objects of this list of a JSON file.
    List(String),
}

impl Problem {
    /// The physical line, from 1, if there is one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Io(_)
            | Self::Empty
            | Self::NotText(_)
            | Self::Workbook(_)
            | Self::Encrypted
            | Self::NoSheet { .. }
            | Self::NoSheets(_)
            | Self::NoHeaderRow
            | Self::Delimiter(_) => None,
            Self::Undecodable { line, .. }
            | Self::UnclosedQuote { line }
            | Self::QuoteClosedInText { line, .. }
            | Self::RowInCell { line, .. }
            | Self::TooLong { line }
            | Self::Header { line, .. }
            | Self::DuplicateColumn { line, .. }
            | Self::NoAddressColumn { line, .. }
            | Self::AmbiguousAddressColumn { line, .. }
            | Self::TooManyColumns { line, .. }
            | Self::BlankHeaderRow { line }
            | Self::Json { line, .. }
            | Self::TooManyRows { line } => Some(*line),
            Self::InvalidEntries { lines, .. } => lines.first.first().copied(),
        }
    }

    fn help(&self, settings: &SettingPlace) -> String {
        let help = match self {
            Self::Io(_) => "check that the file exists and that you may read it",
            Self::Empty => "the first line must name the columns, one of them `email`",
            Self::NotText(_) => "save or export it as .xlsx or “CSV UTF-8”",
            Self::Workbook(_) => {
                "open it in a spreadsheet program, and save it as .xlsx or “CSV UTF-8”"
            }
            Self::Encrypted => {
                "remove the password in the spreadsheet program, and save the workbook"
            }
            Self::NoSheet { sheets, .. } => {
                let sheet = sheets.first().map_or("…", String::as_str);
                return format!(
                    "choose one of them, such as {}",
                    settings.setting("sheet", sheet)
                );
            }
            Self::NoSheets(_) => return format!("remove `sheet` from {}", settings.of_key()),
            Self::NoHeaderRow => return format!("remove `header_row` from {}", settings.of_key()),
            Self::BlankHeaderRow { .. } => {
                return format!(
                    "set `header_row` in {} to the line with the names",
                    settings.of_key()
                );
            }
            Self::Json { column, .. } => {
                return format!("fix the file at column {column} of this line");
            }
            Self::Undecodable { maybe, .. } => return undecodable_help(*maybe, settings),
            Self::InvalidEntries { .. } => {
                "fix or delete these lines: they may be people who must get no message. To send \
                 without them, set `suppress_skip_invalid = true` in [recipients]"
            }
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
                expected,
                columns,
                hint,
                ..
            } => return no_address_help(expected, columns, hint.as_deref(), settings),
            Self::AmbiguousAddressColumn { columns, .. } => {
                let column = columns.first().map_or("…", String::as_str);
                return format!(
                    "choose one of them, such as {}",
                    settings.setting("email", column)
                );
            }
            Self::Delimiter(_) => {
                return format!(
                    "set `delimiter` in {} to \",\", \";\", \"|\" or a tab",
                    settings.of_key()
                );
            }
            Self::TooManyColumns { .. } => "remove columns that no template uses",
            Self::TooManyRows { .. } => "split the file",
        };
        help.to_owned()
    }
}

fn undecodable_help(maybe: Option<&'static Encoding>, settings: &SettingPlace) -> String {
    let example = maybe.map_or("windows-1250", Encoding::name);
    format!(
        "fix these bytes and save the file as UTF-8. If the whole file is in another encoding, set \
         it with {}",
        settings.setting("encoding", example)
    )
}

fn no_address_help(
    expected: &str,
    columns: &[String],
    hint: Option<&ColumnHint>,
    settings: &SettingPlace,
) -> String {
    match hint {
        Some(ColumnHint::Line(line)) => {
            let setting = settings.number("header_row", *line);
            return format!(
                "the header seems to be on line {line}: set {setting}, or delete the lines above it"
            );
        }
        Some(ColumnHint::Sheets(sheets)) => {
            let sheet = sheets.first().map_or("…", String::as_str);
            let setting = settings.setting("sheet", sheet);
            let (s, have) = if sheets.len() == 1 {
                ("", "has")
            } else {
                ("s", "have")
            };
            let sheets = quoted(sheets);
            return format!("the sheet{s} {sheets} {have} such a column: set {setting}");
        }
        Some(ColumnHint::List(name)) => {
            return format!(
                "the rows seem to be in the list “{name}”: write that list to a file of its own, such as with \
                 `jq '.[\"{name}\"]'`"
            );
        }
        None => {}
    }
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
            "set {}",
            settings.setting("delimiter", &delimiter.to_string())
        );
    }
    let near = columns.iter().find(|c| c.to_lowercase().contains("mail"));
    let near = near.map_or("…", String::as_str);
    let set = format!("set {}", settings.setting("email", near));
    if expected == ADDRESS_COLUMN {
        format!("name the address column `{ADDRESS_COLUMN}`, or {set}")
    } else {
        set
    }
}

pub(super) fn quoted(names: &[String]) -> String {
    let quoted = names.iter().map(|name| format!("“{name}”"));
    quoted.collect::<Vec<_>>().join(", ")
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
