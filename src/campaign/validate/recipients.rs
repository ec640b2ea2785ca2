//! `[recipients]`, validated.

use std::ops::Range;
use std::path::{Path, PathBuf};

use encoding_rs::Encoding;
use toml::Spanned;

use super::Validator;
use crate::campaign::file::{self, Text};
use crate::campaign::is_template;
use crate::campaign::{LISTS, Recipients, SameAddress, SuppressionFile};
use crate::list_name::{ListName, ListNameError};
use crate::recipients::{HiddenRows, ReadSettings};

/// The error for a text that can't be the expression of `where`. It says what to write instead.
pub(crate) fn not_an_expression(text: &str) -> Option<&'static str> {
    if text.trim().is_empty() {
        return Some("write a condition, such as \"city == 'Gdańsk'\", or leave `where` out");
    }
    is_template(text).then_some("write it without {{ }} and {% %}, such as \"city == 'Gdańsk'\"")
}

const DEFAULT_FILE: &str = "recipients.csv";

impl Validator<'_> {
    /// Also returns the kept lists in `suppress` with their places.
    pub(super) fn recipients(
        &mut self,
        recipients: file::RecipientsTable,
        has_ledger: bool,
    ) -> (Recipients, Vec<Spanned<ListName>>) {
        let (mut suppress, mut kept_lists) = (Vec::new(), Vec::new());
        for entry in recipients.suppress {
            let span = entry.span();
            match entry.into_inner() {
                file::SuppressEntry::File(file) => suppress.push(self.suppression_file(file, span)),
                file::SuppressEntry::KeptList(name) => match name.parse::<ListName>() {
                    Ok(name) => kept_lists.push(Spanned::new(span, name)),
                    Err(error) => self.bad_value(span, error.to_string(), ListNameError::HELP),
                },
            }
        }
        let file = recipients.file.as_ref().map_or_else(
            || PathBuf::from(DEFAULT_FILE),
            |file| file.get_ref().clone(),
        );
        let standard_input = file == Path::new("-");
        match &recipients.file {
            Some(file) if !standard_input => self.check_file_exists(file.get_ref(), file.span()),
            _ => {}
        }
        let mut names: Vec<ListName> = Vec::new();
        for list in &kept_lists {
            if !names.contains(list.get_ref()) {
                names.push(list.get_ref().clone());
            }
        }
        let default = (!has_ledger).then(|| PathBuf::from(LISTS));
        let recipients = Recipients {
            file: (!standard_input).then_some(file),
            settings: ReadSettings {
                encoding: recipients
                    .encoding
                    .as_ref()
                    .and_then(|text| self.encoding(text)),
                delimiter: recipients
                    .delimiter
                    .as_ref()
                    .and_then(|text| self.delimiter(text)),
                email: recipients.email.map(Spanned::into_inner),
                keep_padding: !recipients.trim,
                sheet: recipients.sheet,
                header_row: recipients
                    .header_row
                    .as_ref()
                    .and_then(|row| self.header_row(row)),
                hidden: recipients
                    .hidden
                    .as_ref()
                    .and_then(|hidden| self.hidden(hidden)),
            },
            selection: self.selection(recipients.r#where),
            further_selection: None,
            same_address: recipients.same_address,
            row_key: self.row_key(recipients.row_key, recipients.same_address),
            suppress,
            suppress_skip_invalid: recipients.suppress_skip_invalid,
            kept_lists: names,
            lists: recipients.lists.or(default),
        };
        (recipients, kept_lists)
    }

    fn selection(&mut self, text: Option<Text>) -> Option<Text> {
        let text = text?;
        if let Some(help) = not_an_expression(text.get_ref()) {
            self.bad_value(text.span(), "`where` must be an expression", help);
        }
        Some(text)
    }

    fn row_key(&mut self, column: Option<Text>, same_address: SameAddress) -> Option<Text> {
        let column = column?;
        if same_address != SameAddress::Send {
            self.bad_value(
                column.span(),
                "`row_key` tells the messages to one address apart, and there is only one",
                "set same_address = \"send\", or remove `row_key`",
            );
        }
        Some(column)
    }

    fn suppression_file(
        &mut self,
        entry: file::SuppressFile,
        span: Range<usize>,
    ) -> SuppressionFile {
        self.check_file_exists(&entry.file, span);
        SuppressionFile {
            path: entry.file,
            settings: ReadSettings {
                encoding: entry.encoding.as_ref().and_then(|text| self.encoding(text)),
                delimiter: entry
                    .delimiter
                    .as_ref()
                    .and_then(|text| self.delimiter(text)),
                email: entry.email.map(Spanned::into_inner),
                keep_padding: false,
                sheet: entry.sheet,
                header_row: entry
                    .header_row
                    .as_ref()
                    .and_then(|row| self.header_row(row)),
                hidden: None,
            },
        }
    }

    fn header_row(&mut self, row: &Spanned<i64>) -> Option<u64> {
        let line = u64::try_from(*row.get_ref()).ok().filter(|line| *line > 0);
        if line.is_none() {
            let help = "write the line of the file, or the row of the sheet, that has the names of the columns";
            self.bad_value(row.span(), "`header_row` must be a number from 1", help);
        }
        line
    }

    fn hidden(&mut self, hidden: &Spanned<String>) -> Option<HiddenRows> {
        match hidden.get_ref().as_str() {
            "skip" => Some(HiddenRows::Skip),
            "send" => Some(HiddenRows::Send),
            other => {
                let message = format!("“{other}” is not a way to treat hidden rows");
                self.bad_value(hidden.span(), message, "write “skip” or “send”");
                None
            }
        }
    }

    fn check_file_exists(&mut self, path: &Path, span: Range<usize>) {
        if !self.frozen && !self.dir.join(path).is_file() {
            let message = format!("the file {} does not exist", path.display());
            let help = "paths are relative to the campaign folder";
            self.no_file(span, message, help);
        }
    }

    fn encoding(&mut self, text: &Text) -> Option<&'static Encoding> {
        let label = text.get_ref();
        let encoding = Encoding::for_label(label.as_bytes());
        if encoding.is_none() {
            self.bad_value(
                text.span(),
                format!("“{label}” is not an encoding"),
                "write for example “utf-8”, “windows-1250”, “iso-8859-2”, “windows-1252”, “shift_jis” or “utf-16le”",
            );
        }
        encoding
    }

    fn delimiter(&mut self, text: &Text) -> Option<u8> {
        match text.get_ref().as_bytes() {
            [byte]
                if byte.is_ascii()
                    && !b"\"\r\n\0".contains(byte)
                    && !byte.is_ascii_alphanumeric() =>
            {
                Some(*byte)
            }
            _ => {
                self.bad_value(
                    text.span(),
                    "the delimiter must be one character",
                    "write “,”, “;”, “\\t” or “|”",
                );
                None
            }
        }
    }
}
