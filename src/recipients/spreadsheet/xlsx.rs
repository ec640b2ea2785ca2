//! The rows of a sheet of an .xlsx workbook.

use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};

use super::SheetRows;
use super::archive::Part;
use super::number_format::CellFormats;
use super::row_builder::{RowBuilder, cell_name, column_of};
use super::shared_strings::{SharedStrings, TextParts, unescaped};
use super::workbook::Workbook;
use super::xml::{XmlReader, attribute, check_length, is_true, push_text};
use crate::recipients::error::Problem;
use crate::recipients::record::Record;
use crate::recipients::row_fault::RowFault;

pub(super) struct XlsxRows {
    sheet: String,
    xml: XmlReader,
    strings: Arc<SharedStrings>,
    formats: Arc<CellFormats>,
    /// The number of the current row, from 1.
    line: u64,
    is_hidden: bool,
    row: RowBuilder,
    cell: Cell,
    done: bool,
}

/// The current cell.
#[derive(Default)]
struct Cell {
    /// From 0.
    column: usize,
    style: usize,
    kind: CellKind,
    value: String,
    in_value: bool,
    has_formula: bool,
    /// The text of a cell that refers to no shared one.
    inline: TextParts,
}

/// The attribute `t` of a cell.
#[derive(Default, Clone, Copy, PartialEq)]
enum CellKind {
    #[default]
    Number,
    Shared,
    Text,
    Inline,
    Boolean,
    Error,
    Date,
}

impl XlsxRows {
    pub(super) fn new(workbook: &Workbook, sheet: &str, part: Part) -> Self {
        Self {
            sheet: sheet.to_owned(),
            xml: XmlReader::new(part),
            strings: Arc::clone(&workbook.strings),
            formats: Arc::clone(&workbook.formats),
            line: 0,
            is_hidden: false,
            row: RowBuilder::default(),
            cell: Cell::default(),
            done: false,
        }
    }
}

/// The part of a sheet that ends with an event.
enum Ended {
    Nothing,
    Cell,
    Row,
}

impl SheetRows for XlsxRows {
    fn next(&mut self) -> Result<Option<Record>, Problem> {
        while !self.done {
            match self.step()? {
                Ended::Nothing => {}
                Ended::Cell => self.end_cell()?,
                Ended::Row => {
                    if let Some(row) = self.row.take(self.line, self.is_hidden)? {
                        return Ok(Some(row));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl XlsxRows {
    fn step(&mut self) -> Result<Ended, Problem> {
        let cell = &mut self.cell;
        check_length(&cell.value)?;
        cell.inline.check_length()?;
        match self.xml.next()? {
            Event::Start(start) => match start.local_name().as_ref() {
                "c" => cell.begin(&start, self.line)?,
                "v" => cell.in_value = true,
                "f" => cell.has_formula = true,
                "row" => {
                    let number = attribute(&start, "r").and_then(|r| r.parse().ok());
                    self.line = number.unwrap_or(self.line.saturating_add(1));
                    let hidden = attribute(&start, "hidden");
                    self.is_hidden = hidden.is_some_and(|it| is_true(&it));
                    cell.column = 0;
                }
                _ if cell.kind == CellKind::Inline => cell.inline.start(&start),
                _ => {}
            },
            Event::End(end) => match end.local_name().as_ref() {
                "c" => return Ok(Ended::Cell),
                "row" => return Ok(Ended::Row),
                "v" => cell.in_value = false,
                "sheetData" => self.done = true,
                _ if cell.kind == CellKind::Inline => cell.inline.end(&end),
                _ => {}
            },
            Event::Eof => {
                let reason = format!("the sheet “{}” ends too early", self.sheet);
                return Err(Problem::Workbook(reason));
            }
            event => {
                let added = match cell.in_value {
                    true => push_text(&event, &mut cell.value),
                    false if cell.kind == CellKind::Inline => cell.inline.add(&event),
                    false => Ok(()),
                };
                added.map_err(|it| it.in_cell(&self.sheet, &cell_name(cell.column, self.line)))?;
            }
        }
        Ok(Ended::Nothing)
    }

    fn end_cell(&mut self) -> Result<(), Problem> {
        let (column, style) = (self.cell.column, self.cell.style);
        let value = self.cell.value.as_str();
        let formats = &self.formats;
        let push_text = |row: &mut RowBuilder, text: &str| match formats.text(style, text) {
            Some(shown) => row.push(column, &shown),
            None => row.push(column, text),
        };
        match self.cell.kind {
            CellKind::Number if value.is_empty() && self.cell.has_formula => {
                let fault = RowFault::NotCalculated {
                    sheet: self.sheet.as_str().into(),
                    cell: cell_name(column, self.line).into(),
                };
                self.row.push_fault(column, "", fault)?;
            }
            CellKind::Number if is_plain(value) && formats.is_general(style) => {
                self.row.push(column, value)?;
            }
            CellKind::Number => match value.trim().parse() {
                Ok(number) => self.row.push(column, &formats.number(style, number))?,
                Err(_) => self.row.push(column, value)?,
            },
            CellKind::Date => match formats.iso_date(style, value) {
                Some(date) => self.row.push(column, &date)?,
                None => self.row.push(column, value)?,
            },
            CellKind::Boolean => {
                let text = if is_true(value) { "TRUE" } else { "FALSE" };
                self.row
                    .push(column, if value.is_empty() { "" } else { text })?;
            }
            CellKind::Shared if value.is_empty() => {}
            CellKind::Shared => {
                let index = value.parse().unwrap_or(usize::MAX);
                let cell = || cell_name(column, self.line);
                if let Some(entity) = self.strings.unknown_entity(index) {
                    return Err(entity.in_cell(&self.sheet, &cell()));
                }
                let text = self.strings.get(index).ok_or_else(|| {
                    let reason = format!("the text of {} in “{}” is missing", cell(), self.sheet);
                    Problem::Workbook(reason)
                })?;
                push_text(&mut self.row, text)?;
            }
            CellKind::Text => push_text(&mut self.row, &unescaped(value))?,
            CellKind::Inline => {
                let text = self.cell.inline.take();
                push_text(&mut self.row, &text)?;
            }
            CellKind::Error => {
                let fault = RowFault::CellError {
                    sheet: self.sheet.as_str().into(),
                    cell: cell_name(column, self.line).into(),
                    error: value.into(),
                };
                self.row.push_fault(column, value, fault)?;
            }
        }
        self.cell.end();
        Ok(())
    }
}

impl Cell {
    fn begin(&mut self, start: &BytesStart<'_>, line: u64) -> Result<(), Problem> {
        let mut attributes = start.attributes();
        attributes.with_checks(false);
        for attribute in attributes.filter_map(Result::ok) {
            let value: &str = &attribute.value;
            match attribute.key.as_ref() {
                "r" => {
                    self.column = column_of(value).ok_or_else(|| {
                        Problem::Workbook(format!("row {line} has a cell with the name “{value}”"))
                    })?;
                }
                "s" => self.style = value.parse().unwrap_or_default(),
                "t" => {
                    self.kind = match value {
                        "s" => CellKind::Shared,
                        "str" => CellKind::Text,
                        "inlineStr" | "is" => CellKind::Inline,
                        "b" => CellKind::Boolean,
                        "e" => CellKind::Error,
                        "d" => CellKind::Date,
                        _ => CellKind::Number,
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Prepares for the next cell, which is in the next column unless it has a name.
    fn end(&mut self) {
        self.column += 1;
        self.style = 0;
        self.kind = CellKind::Number;
        self.value.clear();
        self.in_value = false;
        self.has_formula = false;
    }
}

/// Whether a number is a whole one that is written as a cell shows it.
fn is_plain(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    (1..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits.len() == 1 || !digits.starts_with('0'))
}
