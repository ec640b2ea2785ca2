//! The rows of .xls and .xlsb files, which calamine reads into memory.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::iter::Peekable;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use calamine::{Data, Reader, SheetType, SheetVisible, Xls, XlsError, Xlsb, Xlsx, XlsxError};

use super::archive::{Archive, too_large};
use super::number_format::{CellFormats, general};
use super::row_builder::{RowBuilder, cell_name};
use super::workbook::Sheet;
use super::{OpenSheet, SheetRows, open_sheet};
use crate::recipients::ReadSettings;
use crate::recipients::error::Problem;
use crate::recipients::record::Record;
use crate::recipients::row_fault::RowFault;

/// The most bytes of a file, which calamine holds in memory: an .xlsb file without its compression.
const MAX_FILE: u64 = 512 * 1024 * 1024;
/// The most bytes of the cells of a sheet in memory.
const MAX_CELLS: usize = 1 << 30;

type Source = BufReader<File>;

/// A cell: its row and its column, from 0, and its value.
type CellAt = (u32, u32, Data);

fn source(mut file: &File) -> Result<Source, Problem> {
    file.seek(SeekFrom::Start(0))?;
    Ok(BufReader::new(file.try_clone()?))
}

fn damaged(error: impl std::fmt::Display) -> Problem {
    Problem::Workbook(error.to_string())
}

/// Calls calamine, which may panic if a file is damaged.
fn guarded<T>(work: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(damaged("it is damaged")))
}

pub(super) fn open_xls(file: &File, settings: &ReadSettings) -> Result<OpenSheet, Problem> {
    if file.metadata()?.len() > MAX_FILE {
        return Err(too_large(MAX_FILE));
    }
    // A workbook with a password is in an OLE file too, whatever its name.
    let encrypted = guarded(|| Ok(matches!(Xlsx::new(source(file)?), Err(XlsxError::Password))))?;
    if encrypted {
        return Err(Problem::Encrypted);
    }
    let mut xls = guarded(|| {
        Xls::new(source(file)?).map_err(|error| match error {
            XlsError::Password => Problem::Encrypted,
            error => damaged(error),
        })
    })?;
    let sheets = sheets(xls.sheets_metadata());
    let is_1904 = xls.has_1904_epoch();
    open_cells(&sheets, is_1904, settings, |sheet| {
        let range = xls.worksheet_range(sheet).map_err(damaged)?;
        let (row, column) = range.start().unwrap_or_default();
        let cells = range.used_cells().map(|(below, beside, value)| {
            Ok((row + below as u32, column + beside as u32, value.clone()))
        });
        collected(cells)
    })
}

pub(super) fn open_xlsb(
    mut archive: Archive,
    file: &File,
    settings: &ReadSettings,
) -> Result<OpenSheet, Problem> {
    archive.check_size(MAX_FILE)?;
    let mut xlsb = guarded(|| Xlsb::new(source(file)?).map_err(damaged))?;
    let sheets = sheets(xlsb.sheets_metadata());
    let is_1904 = xlsb.has_1904_epoch();
    open_cells(&sheets, is_1904, settings, |sheet| {
        let mut reader = xlsb.worksheet_cells_reader(sheet).map_err(damaged)?;
        collected(std::iter::from_fn(|| match reader.next_cell() {
            Ok(None) => None,
            Ok(Some(cell)) => {
                let (row, column) = cell.get_position();
                Some(Ok((row, column, cell.get_value().clone().into())))
            }
            Err(error) => Some(Err(damaged(error))),
        }))
    })
}

fn sheets(sheets: &[calamine::Sheet]) -> Vec<Sheet> {
    let sheets = sheets
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet);
    sheets
        .map(|sheet| Sheet {
            name: sheet.name.clone(),
            is_visible: sheet.visible == SheetVisible::Visible,
            part: String::new(),
        })
        .collect()
}

/// The cells that are not empty.
fn collected(cells: impl Iterator<Item = Result<CellAt, Problem>>) -> Result<Vec<CellAt>, Problem> {
    let (mut collected, mut size) = (Vec::new(), 0);
    for cell in cells {
        let cell = cell?;
        size += size_of::<CellAt>()
            + match &cell.2 {
                Data::Empty => continue,
                Data::String(text) => text.len(),
                _ => 0,
            };
        if size > MAX_CELLS {
            return Err(damaged("a sheet has more than 1 GiB of cells"));
        }
        collected.push(cell);
    }
    Ok(collected)
}

fn open_cells(
    sheets: &[Sheet],
    is_1904: bool,
    settings: &ReadSettings,
    mut read: impl FnMut(&str) -> Result<Vec<CellAt>, Problem>,
) -> Result<OpenSheet, Problem> {
    let mut formats = CellFormats::new(is_1904);
    formats.add(14, None);
    formats.add(22, None);
    formats.add(32, None);
    let formats = Arc::new(formats);
    let sheet = open_sheet(sheets, settings, |sheet| {
        let mut cells = guarded(|| read(&sheet.name))?;
        cells.sort_by_key(|(row, column, _)| (*row, *column));
        Ok(Box::new(CellRows {
            sheet: sheet.name.clone(),
            cells: cells.into_iter().peekable(),
            formats: Arc::clone(&formats),
            row: RowBuilder::default(),
        }) as Box<dyn SheetRows>)
    })?;
    Ok(OpenSheet {
        is_legacy: true,
        ..sheet
    })
}

/// The rows of cells that are in order.
struct CellRows {
    sheet: String,
    cells: Peekable<std::vec::IntoIter<CellAt>>,
    formats: Arc<CellFormats>,
    row: RowBuilder,
}

impl SheetRows for CellRows {
    fn next(&mut self) -> Result<Option<Record>, Problem> {
        while let Some((row, ..)) = self.cells.peek() {
            let (row, line) = (*row, u64::from(*row) + 1);
            while let Some((_, column, value)) = self.cells.next_if(|cell| cell.0 == row) {
                let column = column as usize;
                match value {
                    Data::Error(error) => {
                        let error = error.to_string();
                        let fault = RowFault::CellError {
                            sheet: self.sheet.as_str().into(),
                            cell: cell_name(column, line).into(),
                            error: error.as_str().into(),
                        };
                        self.row.push_fault(column, &error, fault)?;
                    }
                    value => self.row.push(column, &shown(&value, &self.formats))?,
                }
            }
            if let Some(row) = self.row.take(line, false)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

fn shown(value: &Data, formats: &CellFormats) -> String {
    match value {
        Data::Empty => String::new(),
        Data::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        Data::Int(value) => value.to_string(),
        Data::Float(value) => general(*value),
        Data::DateTime(date) => {
            let value = date.as_f64();
            let style = match value {
                value if value < 1.0 => 2,
                value if value.fract() == 0.0 => 0,
                _ => 1,
            };
            formats.number(style, value)
        }
        value => value.to_string(),
    }
}
