//! JSON Lines, and JSON arrays of objects. The columns are the keys of all objects, in the order in which they
//! first appear. A missing key, and `null`, is an empty cell.

mod object;
mod text;

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use encoding_rs::{Encoding, UTF_8};
use object::{Columns, ObjectError};
use text::{JsonText, JsonValue};

use super::error::Problem;
use super::padding::trimmed;
use super::record::Record;
use super::row_fault::RowFault;
use super::{MAX_COLUMNS, ReadSettings};

/// Whether a file that starts with `head` is JSON: by its content, or by the name of the file.
pub(super) fn is_json(head: &[u8], name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|it| it.to_str());
    let extension = extension.unwrap_or_default().to_lowercase();
    if ["json", "jsonl", "ndjson"].contains(&extension.as_str()) {
        return true;
    }
    let (encoding, mark) = Encoding::for_bom(head).unwrap_or((UTF_8, 0));
    let text = encoding.decode_without_bom_handling(&head[mark..]).0;
    let mut characters = text.chars().filter(|c| !c.is_ascii_whitespace());
    matches!(
        (characters.next(), characters.next()),
        (Some('{'), Some('"')) | (Some('['), Some('{'))
    )
}

pub(super) struct JsonRecords {
    text: JsonText,
    columns: Columns,
    /// The name of a list of objects in the first object.
    list: Option<String>,
}

impl JsonRecords {
    /// Reads the whole file once, for the columns.
    pub(super) fn open(file: &File, settings: &ReadSettings) -> Result<Self, Problem> {
        let start = |mut file: &File| -> Result<JsonText, Problem> {
            file.seek(SeekFrom::Start(0))?;
            JsonText::new(file.try_clone()?, settings.encoding)
        };
        let mut text = start(file)?;
        let mut columns = Columns::default();
        let (mut fault, mut list) = (None, None);
        while let Some(value) = text.next()? {
            let is_first = columns.names().is_empty();
            let added = columns.add_keys(value.text);
            // Faults are reported when the rows are read, unless no row has a key.
            if let Err(error) = added
                && fault.is_none()
                && !value.text.trim_ascii().is_empty()
            {
                let (line, column, reason) = place(&value, &error);
                fault = Some(Problem::Json {
                    line,
                    column,
                    reason,
                });
            }
            if is_first {
                list = columns.list_of_objects(value.text);
            }
            if columns.names().len() > MAX_COLUMNS {
                return Err(Problem::TooManyColumns {
                    line: value.line,
                    columns: columns.names().len(),
                });
            }
        }
        if columns.names().is_empty() {
            return Err(fault.unwrap_or(Problem::Empty));
        }
        Ok(Self {
            text: start(file)?,
            columns,
            list,
        })
    }

    /// The trimmed names of the columns.
    pub(super) fn columns(&self) -> Vec<String> {
        let names = self.columns.names().iter();
        names.map(|name| trimmed(name).to_owned()).collect()
    }

    /// The name of a list of objects in an object: perhaps these are the rows.
    pub(super) fn list(&self) -> Option<&str> {
        self.list.as_deref()
    }

    pub(super) fn next(&mut self) -> Result<Option<Record>, Problem> {
        let Some(value) = self.text.next()? else {
            return Ok(None);
        };
        let line = value.line;
        let mut record = Record {
            line,
            ..Record::default()
        };
        if value.text.trim_ascii().is_empty() {
            return Ok(Some(record));
        }
        match self.columns.cells(value.text) {
            Ok(row) => {
                record.cells = row.cells;
                record.json = row.json;
                record.fault = row.duplicate.map(|path| RowFault::DuplicateKey { path });
            }
            Err(error) => {
                let (line, column, reason) = place(&value, &error);
                if !value.is_line {
                    return Err(Problem::Json {
                        line,
                        column,
                        reason,
                    });
                }
                record.cells.push_field(value.text.trim_ascii());
                record.fault = Some(RowFault::Json {
                    line,
                    column,
                    reason,
                });
            }
        }
        Ok(Some(record))
    }
}

/// The line and the column of an error, in characters from 1, and the reason.
fn place(value: &JsonValue<'_>, error: &ObjectError) -> (u64, usize, String) {
    let before = error.line.saturating_sub(1);
    let text = value.text.split('\n').nth(before).unwrap_or_default();
    let bytes = error.column.saturating_sub(1).min(text.len());
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    let bytes = (0..=bytes).rev().find(is_boundary).unwrap_or_default();
    let column = text[..bytes].chars().count() + 1;
    let column = match before {
        0 => column + value.column - 1,
        _ => column,
    };
    (value.line + before as u64, column, error.reason.clone())
}
