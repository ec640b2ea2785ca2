//! What looks wrong in a file that can be read.

use std::fmt;

use encoding_rs::Encoding;

use super::error::{place, quoted};
use super::line_numbers::LineNumbers;
use super::row_fault::RowFault;
use super::setting_place::SettingPlace;
use crate::finding::Severity;

/// Something to check before sending.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{file}{}: {notice}", place(notice.line()))]
pub struct Warning {
    /// The file, as the user would name it.
    pub file: String,
    pub notice: Notice,
    pub(super) settings: SettingPlace,
}

impl Warning {
    pub(super) fn new(file: &str, notice: Notice) -> Self {
        Self {
            file: file.to_owned(),
            notice,
            settings: SettingPlace::default(),
        }
    }

    /// How the user can fix it.
    pub fn help(&self) -> String {
        self.notice.help(&self.settings)
    }
}

/// The sheet that is read, and other visible ones that could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetNames {
    pub sheet: String,
    pub others: Vec<String>,
}

impl fmt::Display for SheetNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (others, s) = (
            quoted(&self.others),
            if self.others.len() == 1 {
                "has"
            } else {
                "have"
            },
        );
        let sheets = if self.others.len() == 1 {
            "sheet"
        } else {
            "sheets"
        };
        write!(
            f,
            "the sheet “{}” is read; the {sheets} {others} {s} an address column too",
            self.sheet
        )
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
    /// The header was found below other lines.
    #[error("the header is on line {line}; the lines above it are not read: “{title}”")]
    HeaderBelowTitle {
        /// From 1.
        line: u64,
        /// The first cell of the file.
        title: String,
    },
    #[error("cells that are not below a name in the header are ignored: {0}")]
    CellsOutsideHeader(LineNumbers),
    #[error("rows that are hidden in the sheet are skipped: {0}")]
    HiddenRows(LineNumbers),
    #[error("{0}")]
    OtherSheets(SheetNames),
    /// An .xls or .xlsb file.
    #[error(
        "formats of numbers and hidden rows are not read from .xls and .xlsb files: 00950 may become 950, and rows \
         that a filter hides are sent"
    )]
    LegacyWorkbook,
    /// In a suppression list; `first` is the fault of the first of these lines.
    #[error("no valid address in {lines}: {first}")]
    NoAddress { lines: LineNumbers, first: RowFault },
    #[error("the suppression list is empty")]
    NothingSuppressed,
}

impl Notice {
    pub fn severity(&self) -> Severity {
        match self {
            Self::TrimmedCells(_) | Self::HeaderBelowTitle { .. } => Severity::Note,
            _ => Severity::Warning,
        }
    }

    /// The physical line, from 1, if there is exactly one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::UnnamedColumn { line, .. } | Self::HeaderBelowTitle { line, .. } => Some(*line),
            _ => None,
        }
    }

    fn help(&self, settings: &SettingPlace) -> String {
        let help = match self {
            Self::GuessedEncoding { encoding, .. } => {
                return format!(
                    "if this reads correctly, confirm it with {} or save the file as UTF-8; if not, \
                     set the right encoding",
                    settings.setting("encoding", encoding.name())
                );
            }
            Self::EncodingOverruled { .. } => {
                return format!("remove `encoding` from {}", settings.of_key());
            }
            Self::UnnamedColumn { .. } => "name the column or delete it",
            Self::HeaderBelowTitle { line, .. } => {
                let setting = settings.number("header_row", *line);
                return format!("if this is right, confirm it with {setting}");
            }
            Self::CellsOutsideHeader(_) => "name their columns in the header, or delete the cells",
            Self::HiddenRows(_) => {
                return format!(
                    "confirm it with {}; to send to them too, set {} or show the rows",
                    settings.setting("hidden", "skip"),
                    settings.setting("hidden", "send")
                );
            }
            Self::LegacyWorkbook => "save the workbook as .xlsx",
            Self::OtherSheets(names) => {
                let setting = settings.setting("sheet", &names.sheet);
                return format!(
                    "if this is right, confirm it with {setting}; if not, name the other sheet"
                );
            }
            Self::ControlCharacters(_) => {
                return format!(
                    "the encoding may be wrong: set `encoding` in {}",
                    settings.of_key()
                );
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
