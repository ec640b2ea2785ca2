//! What kind of file the recipients are in, by its content: people name files as they like.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::csv_records::{self, FileFormat};
use super::error::Problem;
use super::json::{self, JsonRecords};
use super::notice::Notice;
use super::record::Record;
use super::records::Records;
use super::spreadsheet::{self, OpenSheet, SheetRows};
use super::{ReadSettings, notice::SheetNames};

/// The number of bytes at the start by which a file is recognized.
const HEAD: usize = 4096;

/// The records of a file, from the first one on.
pub(super) enum RecordSource {
    Csv(Box<Records<File>>, FileFormat),
    Sheet(Box<dyn SheetRows>),
    Json(Box<JsonRecords>),
}

impl RecordSource {
    /// Detects the kind of the file. `name` is its name in messages. Returns notices about what was guessed.
    pub(super) fn open(
        file: File,
        name: &str,
        settings: &ReadSettings,
    ) -> Result<(Self, Vec<Notice>), Problem> {
        let head = head(&file)?;
        let of_sheet = |sheet: OpenSheet| {
            let names = SheetNames {
                sheet: sheet.name,
                others: sheet.others,
            };
            let mut notices = Vec::new();
            if !names.others.is_empty() {
                notices.push(Notice::OtherSheets(names));
            }
            if sheet.is_legacy {
                notices.push(Notice::LegacyWorkbook);
            }
            (Self::Sheet(sheet.rows), notices)
        };
        if head.starts_with(b"PK\x03\x04") {
            return spreadsheet::open_archive(&file, settings).map(of_sheet);
        }
        if head.starts_with(b"\xd0\xcf\x11\xe0") {
            return spreadsheet::open_ole(&file, settings).map(of_sheet);
        }
        if let Some(sheet) = &settings.sheet {
            return Err(Problem::NoSheets(sheet.clone()));
        }
        if spreadsheet::is_html(&head) {
            let (sheet, notice) = spreadsheet::open_html(&file, settings)?;
            return Ok((Self::Sheet(sheet.rows), notice.into_iter().collect()));
        }
        if json::is_json(&head, name) {
            if settings.header_row.is_some() {
                return Err(Problem::NoHeaderRow);
            }
            let records = json::JsonRecords::open(&file, settings)?;
            return Ok((Self::Json(Box::new(records)), Vec::new()));
        }
        let (records, format, notice) = csv_records::open(file, settings)?;
        let notices = notice.into_iter().collect();
        Ok((Self::Csv(Box::new(records), format), notices))
    }

    /// The next record; `None` at the end. Must not be called again after an error.
    pub(super) fn next(&mut self) -> Result<Option<Record>, Problem> {
        match self {
            Self::Csv(records, _) => records.next(),
            Self::Sheet(rows) => rows.next(),
            Self::Json(records) => records.next(),
        }
    }
}

fn head(mut file: &File) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    file.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}
