//! What can be wrong with a single row.

use crate::address::AddressError;

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
    /// The value of a cell of a sheet is an error, such as `#N/A`.
    #[error("cell {cell} of the sheet “{sheet}” has the error {error}")]
    CellError {
        sheet: Box<str>,
        /// Such as `C17`.
        cell: Box<str>,
        error: Box<str>,
    },
    /// A program wrote a formula of a sheet without its value.
    #[error(
        "cell {cell} of the sheet “{sheet}” has a formula without a value: open the workbook in a spreadsheet \
         program and save it"
    )]
    NotCalculated { sheet: Box<str>, cell: Box<str> },
    /// A line of a JSON Lines file is not an object.
    #[error("line {line}, column {column}: {reason}")]
    Json {
        line: u64,
        /// In characters, from 1.
        column: usize,
        reason: String,
    },
    /// An object has two values for a key. `path` has the keys around it.
    #[error("the key “{path}” appears twice")]
    DuplicateKey { path: String },
    #[error("{}{}", .0, own_row(.0))]
    Address(#[from] AddressError),
}

impl RowFault {
    /// The static form of a code from a ledger; `bad-row` for a code of another version.
    pub(crate) fn known_code(code: &str) -> &'static str {
        const CODES: [&str; 7] = [
            "bad-address",
            "bad-json",
            "cell-error",
            "field-count",
            // The code that `run::LeftOutRow` has too.
            "no-row-key",
            "nul",
            "text-after-quote",
        ];
        let mut codes = CODES.into_iter();
        codes.find(|known| *known == code).unwrap_or("bad-row")
    }

    /// Whether the row can be read, and only its address is invalid.
    pub(crate) fn is_about_address(&self) -> bool {
        matches!(self, Self::Address(_))
    }

    /// A stable name for scripts.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::TextAfterQuote { .. } => "text-after-quote",
            Self::Nul { .. } => "nul",
            Self::FieldCount { .. } => "field-count",
            Self::CellError { .. } | Self::NotCalculated { .. } => "cell-error",
            Self::Json { .. } | Self::DuplicateKey { .. } => "bad-json",
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
