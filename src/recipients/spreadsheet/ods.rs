//! The rows of a sheet of an .ods file (OpenDocument 1.3, part 3). A cell has its text as the sheet shows it.

use std::collections::HashSet;

use quick_xml::events::{BytesStart, Event};

use super::SheetRows;
use super::archive::Archive;
use super::row_builder::{MAX_ROWS, RowBuilder, cell_name};
use super::workbook::Sheet;
use super::xml::{XmlReader, attribute, check_length, normalized, push_text};
use crate::recipients::MAX_COLUMNS;
use crate::recipients::error::Problem;
use crate::recipients::record::Record;
use crate::recipients::row_fault::RowFault;

const CONTENT: &str = "content.xml";
const MANIFEST: &str = "META-INF/manifest.xml";

/// The sheets. The part of each is its index.
///
/// # Errors
/// The file is damaged or protected with a password.
pub(super) fn sheets(archive: &mut Archive) -> Result<Vec<Sheet>, Problem> {
    if archive.has(MANIFEST) {
        let mut xml = XmlReader::new(archive.part(MANIFEST)?);
        loop {
            match xml.next()? {
                Event::Eof => break,
                Event::Start(start) if start.local_name().as_ref() == "encryption-data" => {
                    return Err(Problem::Encrypted);
                }
                _ => {}
            }
        }
    }
    let mut sheets = Vec::new();
    let (mut style, mut hidden) = (String::new(), HashSet::new());
    let mut depth = 0_u32;
    let mut xml = XmlReader::new(archive.part(CONTENT)?);
    loop {
        match xml.next()? {
            Event::Eof => return Ok(sheets),
            Event::Start(start) => match start.local_name().as_ref() {
                "style" => style = attribute(&start, "name").unwrap_or_default(),
                "table-properties" if attribute(&start, "display").as_deref() == Some("false") => {
                    hidden.insert(style.clone());
                }
                "table" => {
                    depth += 1;
                    if depth == 1 {
                        let style = attribute(&start, "style-name");
                        sheets.push(Sheet {
                            name: attribute(&start, "name").unwrap_or_default(),
                            is_visible: style.is_none_or(|style| !hidden.contains(&style)),
                            part: sheets.len().to_string(),
                        });
                    }
                }
                _ => {}
            },
            Event::End(end) if end.local_name().as_ref() == "table" => {
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
    }
}

/// The names of the visible sheets for which `is_wanted` is true, without the sheet `except`. It reads their first rows; all in
/// one pass, because there may be many sheets.
///
/// # Errors
/// The file is damaged.
pub(super) fn other_sheets(
    archive: &mut Archive,
    sheets: &[Sheet],
    except: &Sheet,
    is_wanted: impl Fn(&mut dyn SheetRows) -> bool,
) -> Result<Vec<String>, Problem> {
    let mut found = Vec::new();
    let Some(first) = sheets.first() else {
        return Ok(found);
    };
    let mut rows = OdsRows::new(archive, first)?;
    for sheet in sheets {
        if sheet.is_visible && sheet.name != except.name && is_wanted(&mut rows) {
            found.push(sheet.name.clone());
        }
        rows.skip_to_next_sheet()?;
    }
    Ok(found)
}

pub(super) struct OdsRows {
    sheet: String,
    xml: XmlReader,
    /// How many sheets come before it.
    before: usize,
    /// How deep the current element is in the sheet; 0 outside of it.
    depth: u32,
    /// The number of the current row, from 1.
    line: u64,
    is_hidden: bool,
    row_repeats: u64,
    row: RowBuilder,
    /// From 0.
    column: usize,
    cell: OdsCell,
    /// A row that is repeated: how often it is still returned, and its cells.
    repeated: Option<(u64, Record)>,
    done: bool,
}

/// The current cell.
#[derive(Default)]
struct OdsCell {
    /// The depth of the cell's element in the sheet; 0 outside of a cell.
    depth: u32,
    repeats: usize,
    text: String,
    paragraphs: u32,
    in_paragraph: bool,
    /// The value without its format.
    value: String,
    kind: String,
    has_formula: bool,
}

/// The next step after an event.
enum Step {
    Continue,
    EndOfCell,
    EndOfRow,
    SkipTable,
}

impl OdsRows {
    pub(super) fn new(archive: &mut Archive, sheet: &Sheet) -> Result<Self, Problem> {
        Ok(Self {
            sheet: sheet.name.clone(),
            xml: XmlReader::new(archive.part(CONTENT)?),
            before: sheet.part.parse().unwrap_or_default(),
            depth: 0,
            line: 0,
            is_hidden: false,
            row_repeats: 1,
            row: RowBuilder::default(),
            column: 0,
            cell: OdsCell::default(),
            repeated: None,
            done: false,
        })
    }

    fn step(&mut self) -> Result<Step, Problem> {
        let cell = &mut self.cell;
        check_length(&cell.text)?;
        match self.xml.next()? {
            Event::Eof => self.done = true,
            Event::Start(start) if self.depth > 0 => {
                self.depth += 1;
                match start.local_name().as_ref() {
                    "table-row" if cell.depth == 0 => {
                        self.line = self.line.saturating_add(1);
                        self.column = 0;
                        let visibility = attribute(&start, "visibility");
                        self.is_hidden = visibility.is_some_and(|it| it != "visible");
                        self.row_repeats = repeats(&start, "number-rows-repeated");
                    }
                    "table-cell" | "covered-table-cell" if cell.depth == 0 => {
                        cell.begin(&start, self.depth).map_err(|error| {
                            let cell = cell_name(self.column, self.line);
                            Problem::Workbook(format!(
                                "the value of cell {cell} of the sheet “{}” is damaged: {error}",
                                self.sheet
                            ))
                        })?;
                    }
                    // Only the paragraphs of the cell itself, and not those of a comment or a drawing.
                    "p" if cell.depth > 0 && self.depth == cell.depth + 1 => {
                        if cell.paragraphs > 0 {
                            cell.text.push('\n');
                        }
                        cell.paragraphs += 1;
                        cell.in_paragraph = true;
                    }
                    "s" if cell.in_paragraph => {
                        for _ in 0..repeats(&start, "c").min(1000) {
                            cell.text.push(' ');
                        }
                    }
                    "tab" if cell.in_paragraph => cell.text.push('\t'),
                    "line-break" if cell.in_paragraph => cell.text.push('\n'),
                    _ => {}
                }
            }
            Event::Start(start) if start.local_name().as_ref() == "table" => {
                // Outside of the sheet, this counts the sheets before it.
                match self.before.checked_sub(1) {
                    Some(before) => {
                        self.before = before;
                        return Ok(Step::SkipTable);
                    }
                    None => self.depth = 1,
                }
            }
            Event::End(end) if self.depth > 0 => {
                let name = end.local_name();
                let ended = match name.as_ref() {
                    "p" if self.depth == cell.depth + 1 => {
                        cell.in_paragraph = false;
                        Step::Continue
                    }
                    "table-cell" | "covered-table-cell" if self.depth == cell.depth => {
                        Step::EndOfCell
                    }
                    "table-row" if cell.depth == 0 => Step::EndOfRow,
                    _ => Step::Continue,
                };
                self.depth -= 1;
                self.done |= self.depth == 0;
                return Ok(ended);
            }
            event if cell.in_paragraph => push_text(&event, &mut cell.text)
                .map_err(|it| it.in_cell(&self.sheet, &cell_name(self.column, self.line)))?,
            _ => {}
        }
        Ok(Step::Continue)
    }

    /// Goes on to the sheet after this one.
    fn skip_to_next_sheet(&mut self) -> Result<(), Problem> {
        // A sheet that nothing was read of is skipped later.
        if self.depth == 0 && !self.done {
            self.before += 1;
        }
        while self.depth > 0 {
            match self.xml.next()? {
                Event::Start(_) => self.depth += 1,
                Event::End(_) => self.depth -= 1,
                Event::Eof => break,
                _ => {}
            }
        }
        self.line = 0;
        self.row = RowBuilder::default();
        self.cell = OdsCell::default();
        self.repeated = None;
        self.done = false;
        Ok(())
    }

    /// Reads to the end of a table that is not this sheet.
    fn skip_table(&mut self) -> Result<(), Problem> {
        let mut depth = 1_u32;
        while depth > 0 {
            match self.xml.next()? {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                Event::Eof => {
                    self.done = true;
                    return Ok(());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn end_cell(&mut self) -> Result<(), Problem> {
        let cell = std::mem::take(&mut self.cell);
        let boolean = cell.kind == "boolean";
        let text = match cell.text.as_str() {
            _ if boolean => cell.value.to_uppercase(),
            "" if cell.paragraphs == 0 => cell.value.clone(),
            // White space of a format is the width of other characters.
            text if cell.kind != "string" => text.trim().to_owned(),
            text => text.to_owned(),
        };
        let is_error = cell.kind == "error" || cell.has_formula && is_error(&text);
        let (column, line) = (self.column, self.line);
        self.column = column.saturating_add(cell.repeats);
        if text.is_empty() {
            return Ok(());
        }
        let columns = column..column.saturating_add(cell.repeats).min(MAX_COLUMNS + 1);
        for column in columns {
            if is_error {
                let fault = RowFault::CellError {
                    sheet: self.sheet.as_str().into(),
                    cell: cell_name(column, line).into(),
                    error: text.as_str().into(),
                };
                self.row.push_fault(column, &text, fault)?;
            } else {
                self.row.push(column, &text)?;
            }
        }
        Ok(())
    }

    /// Returns a row the first time.
    fn end_row(&mut self) -> Result<Option<Record>, Problem> {
        let row = self.row.take(self.line, self.is_hidden)?;
        let more = self.row_repeats - 1;
        match row {
            Some(_) if self.line.saturating_add(more) > MAX_ROWS => {
                let reason = format!("it has more than {MAX_ROWS} rows");
                Err(Problem::Workbook(reason))
            }
            Some(row) if more > 0 => {
                self.repeated = Some((more, copy(&row, self.line)));
                Ok(Some(row))
            }
            row => {
                self.line = self.line.saturating_add(more);
                Ok(row)
            }
        }
    }
}

impl SheetRows for OdsRows {
    fn next(&mut self) -> Result<Option<Record>, Problem> {
        if let Some((left, row)) = self.repeated.take() {
            self.line += 1;
            let next = copy(&row, self.line);
            if left > 1 {
                self.repeated = Some((left - 1, row));
            }
            return Ok(Some(next));
        }
        while !self.done {
            match self.step()? {
                Step::Continue => {}
                Step::SkipTable => self.skip_table()?,
                Step::EndOfCell => self.end_cell()?,
                Step::EndOfRow => {
                    if let Some(row) = self.end_row()? {
                        return Ok(Some(row));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl OdsCell {
    /// # Errors
    /// The value has an unknown entity.
    fn begin(&mut self, start: &BytesStart<'_>, depth: u32) -> Result<(), quick_xml::Error> {
        let repeats = repeats(start, "number-columns-repeated");
        *self = Self {
            depth,
            repeats: usize::try_from(repeats).unwrap_or(usize::MAX),
            has_formula: attribute(start, "formula").is_some(),
            ..Self::default()
        };
        // `value-type` is that of OpenDocument, and perhaps another one of LibreOffice.
        let mut attributes = start.attributes();
        attributes.with_checks(false);
        for attribute in attributes.filter_map(Result::ok) {
            match attribute.key.local_name().as_ref() {
                "value-type" if self.kind != "error" => self.kind = normalized(&attribute)?,
                "value" | "string-value" | "date-value" | "time-value" | "boolean-value" => {
                    self.value = normalized(&attribute)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A row that is the same as another one.
fn copy(row: &Record, line: u64) -> Record {
    Record {
        line,
        cells: row.cells.clone(),
        is_hidden: row.is_hidden,
        cell_faults: row.cell_faults.clone(),
        ..Record::default()
    }
}

fn repeats(start: &BytesStart<'_>, name: &str) -> u64 {
    let repeats = attribute(start, name).and_then(|it| it.parse().ok());
    repeats.unwrap_or(1).max(1)
}

/// Whether the result of a formula is an error, which older files don't mark.
fn is_error(text: &str) -> bool {
    const ERRORS: [&str; 8] = [
        "#N/A", "#VALUE!", "#REF!", "#DIV/0!", "#NUM!", "#NAME?", "#NULL!", "Err:",
    ];
    ERRORS.iter().any(|error| text.starts_with(error))
}
