//! Spreadsheets: the rows of a sheet, with cells as the sheet shows them.
//!
//! ```text
//! .xlsx ─► archive ─► xml ─► workbook, shared_strings, number_format ─► xlsx ─┐
//! .ods  ─► archive ─► xml ─► ods ─────────────────────────────────────────────┼─► rows
//! .xls, .xlsb ─► calamine ─► legacy ──────────────────────────────────────────┤
//! an HTML table ─► html_table ────────────────────────────────────────────────┘
//! ```
//!
//! Rows of `.xlsx` and `.ods` are read as a stream, because calamine reads neither hidden rows nor the formats
//! of `.ods`, has no limits, and stops at an error value that it does not know.

mod archive;
mod html_table;
mod language;
mod legacy;
mod number_format;
mod ods;
mod row_builder;
mod shared_strings;
mod workbook;
mod xlsx;
mod xml;

use std::fs::File;

use archive::Archive;
use workbook::{Sheet, Workbook};

use super::ReadSettings;
use super::error::Problem;
use super::header::{HEADER_LINES, has_address_column};
use super::record::Record;

pub(super) use html_table::{is_html, open as open_html};

/// The rows of a sheet that are not empty.
pub(super) trait SheetRows: Send {
    fn next(&mut self) -> Result<Option<Record>, Problem>;
}

/// A sheet from which nothing has been read yet.
pub(super) struct OpenSheet {
    /// Empty for an HTML table.
    pub(super) name: String,
    pub(super) rows: Box<dyn SheetRows>,
    /// Other visible sheets with an address column, if the user has named none.
    pub(super) others: Vec<String>,
    /// Neither formats of numbers nor hidden rows are known.
    pub(super) is_legacy: bool,
}

/// Opens a sheet of a zip archive: of an .xlsx, .xlsm, .xlsb or .ods file.
pub(super) fn open_archive(file: &File, settings: &ReadSettings) -> Result<OpenSheet, Problem> {
    let mut archive = Archive::open(file)?;
    if let Some(main) = workbook::main_part(&mut archive)? {
        if main.to_lowercase().ends_with(".bin") {
            return legacy::open_xlsb(archive, file, settings);
        }
        let mut workbook = Workbook::open(archive, &main)?;
        let sheets = workbook.sheets.clone();
        return open_sheet(&sheets, settings, |sheet| {
            let part = workbook.archive.part(&sheet.part)?;
            let rows = xlsx::XlsxRows::new(&workbook, &sheet.name, part);
            Ok(Box::new(rows) as Box<dyn SheetRows>)
        });
    }
    if archive.has("content.xml") && archive.has("mimetype") {
        let sheets = ods::sheets(&mut archive)?;
        let sheet = choose(&sheets, settings.sheet.as_deref())?;
        let others = match settings.sheet {
            Some(_) => Vec::new(),
            None => ods::other_sheets(&mut archive, &sheets, sheet, |rows| {
                has_header(rows, settings)
            })?,
        };
        return Ok(OpenSheet {
            name: sheet.name.clone(),
            rows: Box::new(ods::OdsRows::new(&mut archive, sheet)?),
            others,
            is_legacy: false,
        });
    }
    Err(Problem::NotText("a zip archive without a spreadsheet"))
}

/// Opens a sheet of an OLE file, such as .xls.
pub(super) fn open_ole(file: &File, settings: &ReadSettings) -> Result<OpenSheet, Problem> {
    legacy::open_xls(file, settings)
}

/// Opens the sheet of the settings, or else the first visible one.
fn open_sheet(
    sheets: &[Sheet],
    settings: &ReadSettings,
    mut open: impl FnMut(&Sheet) -> Result<Box<dyn SheetRows>, Problem>,
) -> Result<OpenSheet, Problem> {
    let sheet = choose(sheets, settings.sheet.as_deref())?;
    let mut others = Vec::new();
    if settings.sheet.is_none() {
        for other in sheets
            .iter()
            .filter(|it| it.is_visible && it.name != sheet.name)
        {
            if has_header(&mut *open(other)?, settings) {
                others.push(other.name.clone());
            }
        }
    }
    Ok(OpenSheet {
        name: sheet.name.clone(),
        rows: open(sheet)?,
        others,
        is_legacy: false,
    })
}

/// The sheet with a name, in any case; or else the first visible one.
fn choose<'a>(sheets: &'a [Sheet], name: Option<&str>) -> Result<&'a Sheet, Problem> {
    let Some(name) = name else {
        let visible = sheets.iter().find(|sheet| sheet.is_visible);
        let no_sheets = || Problem::Workbook("it has no sheets".to_owned());
        return visible.or(sheets.first()).ok_or_else(no_sheets);
    };
    let exact = sheets.iter().find(|sheet| sheet.name == name);
    let folded = |name: &str| name.trim().to_lowercase();
    let alike = || {
        let mut sheets = sheets.iter();
        sheets.find(|sheet| folded(&sheet.name) == folded(name))
    };
    exact.or_else(alike).ok_or_else(|| Problem::NoSheet {
        name: name.to_owned(),
        sheets: sheets.iter().map(|sheet| sheet.name.clone()).collect(),
    })
}

/// Whether one of the first rows has an address column. Errors don't matter here.
fn has_header(rows: &mut dyn SheetRows, settings: &ReadSettings) -> bool {
    let first = std::iter::from_fn(|| rows.next().ok().flatten());
    let mut first = first.take(HEADER_LINES);
    first.any(|row| has_address_column(&row.cells, settings.email.as_deref()))
}
