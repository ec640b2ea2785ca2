//! The rows of .xls and .xlsb files, which calamine reads into memory.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use calamine::{
    Data, Range, Reader, SheetType, SheetVisible, Xls, XlsError, Xlsb, Xlsx, XlsxError,
};

use super::number_format::{CellFormats, general};
use super::row_builder::{RowBuilder, cell_name};
use super::workbook::Sheet;
use super::{OpenSheet, SheetRows, open_sheet};
use crate::recipients::ReadSettings;
use crate::recipients::error::Problem;
use crate::recipients::record::Record;
use crate::recipients::row_fault::RowFault;

type Source = BufReader<File>;

fn source(mut file: &File) -> Result<Source, Problem> {
    file.seek(SeekFrom::Start(0))?;
    Ok(BufReader::new(file.try_clone()?))
}

/// Calls calamine, which may panic if a file is damaged.
fn guarded<T>(work: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Problem::Workbook("it is damaged".to_owned())))
}

pub(super) fn open_xls(file: &File, settings: &ReadSettings) -> Result<OpenSheet, Problem> {
    // A workbook with a password is in an OLE file too, whatever its name.
    let encrypted = guarded(|| Ok(matches!(Xlsx::new(source(file)?), Err(XlsxError::Password))))?;
    if encrypted {
        return Err(Problem::Encrypted);
    }
    let mut xls = guarded(|| {
        Xls::new(source(file)?).map_err(|error| match error {
            XlsError::Password => Problem::Encrypted,
            error => Problem::Workbook(error.to_string()),
        })
    })?;
    let is_1904 = xls.has_1904_epoch();
    open_calamine(&mut xls, is_1904, settings)
}

pub(super) fn open_xlsb(file: &File, settings: &ReadSettings) -> Result<OpenSheet, Problem> {
    let mut xlsb =
        guarded(|| Xlsb::new(source(file)?).map_err(|error| Problem::Workbook(error.to_string())))?;
    let is_1904 = xlsb.has_1904_epoch();
    open_calamine(&mut xlsb, is_1904, settings)
}

fn open_calamine<R: Reader<Source>>(
    workbook: &mut R,
    is_1904: bool,
    settings: &ReadSettings,
) -> Result<OpenSheet, Problem>
where
    R::Error: std::fmt::Display,
{
    let sheets = workbook.sheets_metadata().iter();
    let sheets: Vec<Sheet> = sheets
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| Sheet {
            name: sheet.name.clone(),
            is_visible: sheet.visible == SheetVisible::Visible,
            part: String::new(),
        })
        .collect();
    let mut formats = CellFormats::new(is_1904);
    formats.add(14, None);
    formats.add(22, None);
    formats.add(32, None);
    let formats = Arc::new(formats);
    let sheet = open_sheet(&sheets, settings, |sheet| {
        let range = guarded(|| {
            let range = workbook.worksheet_range(&sheet.name);
            range.map_err(|error| Problem::Workbook(error.to_string()))
        })?;
        Ok(Box::new(RangeRows {
            sheet: sheet.name.clone(),
            range,
            next: 0,
            formats: Arc::clone(&formats),
            row: RowBuilder::default(),
        }) as Box<dyn SheetRows>)
    })?;
    Ok(OpenSheet {
        is_legacy: true,
        ..sheet
    })
}

struct RangeRows {
    sheet: String,
    range: Range<Data>,
    /// The index of the next row in the range.
    next: usize,
    formats: Arc<CellFormats>,
    row: RowBuilder,
}

impl SheetRows for RangeRows {
    fn next(&mut self) -> Result<Option<Record>, Problem> {
        let (first_row, first_column) = self.range.start().unwrap_or_default();
        while self.next < self.range.height() {
            let line = u64::from(first_row) + self.next as u64 + 1;
            for index in 0..self.range.width() {
                let column = first_column as usize + index;
                let Some(value) = self.range.get((self.next, index)) else {
                    continue;
                };
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
                    value => self.row.push(column, &shown(value, &self.formats))?,
                }
            }
            self.next += 1;
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
