//! A table in an HTML file, which many web applications name `.xls`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use encoding_rs::Encoding;
use memchr::memmem;
use scraper::{ElementRef, Html, Node};

use super::row_builder::RowBuilder;
use super::{OpenSheet, SheetRows};
use crate::recipients::header::{HEADER_LINES, has_address_column};
use crate::recipients::padding::trimmed;
use crate::recipients::record::Record;
use crate::recipients::{MAX_COLUMNS, ReadSettings, encoding, error::Problem, notice::Notice};

/// The largest file, in bytes. Its elements take several times as much memory.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// Whether a file that starts with `head` is HTML with a table. CSV may have HTML in cells, but does not start
/// with it.
pub(in crate::recipients) fn is_html(head: &[u8]) -> bool {
    let head = head.to_ascii_lowercase();
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    let tags: [&[u8]; 5] = [b"<html", b"<!doctype html", b"<table", b"<meta", b"<head"];
    let starts = tags
        .iter()
        .any(|tag| head.trim_ascii_start().starts_with(tag));
    let is_page = memmem::find(head, b"<html").is_some() || memmem::find(head, b"<table").is_some();
    starts && is_page
}

/// Opens the first table with an address column, or else the first one.
pub(in crate::recipients) fn open(
    mut file: &File,
    settings: &ReadSettings,
) -> Result<(OpenSheet, Option<Notice>), Problem> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Problem::Workbook(
            "an HTML table may have 64 MiB".to_owned(),
        ));
    }
    let set = settings.encoding.or_else(|| declared_encoding(&bytes));
    let (encoding, notice) = encoding::detect(file, set)?;
    let text = encoding.decode_with_bom_removal(&bytes).0;
    let mut tables = tables(&Html::parse_document(&text))?;
    let email = settings.email.as_deref();
    let has_header = |rows: &Vec<Record>| {
        let mut first = rows.iter().take(HEADER_LINES);
        first.any(|row| has_address_column(&row.cells, email))
    };
    let best = tables.iter().position(has_header).unwrap_or(0);
    let rows = match best < tables.len() {
        true => tables.swap_remove(best),
        false => Vec::new(),
    };
    let sheet = OpenSheet {
        name: String::new(),
        rows: Box::new(TableRows(rows.into_iter())),
        others: Vec::new(),
        is_legacy: false,
    };
    Ok((sheet, notice))
}

struct TableRows(std::vec::IntoIter<Record>);

impl SheetRows for TableRows {
    fn next(&mut self) -> Result<Option<Record>, Problem> {
        Ok(self.0.next())
    }
}

/// The encoding in a `<meta>` tag.
fn declared_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes[..bytes.len().min(4096)].to_ascii_lowercase();
    let at = memmem::find(&head, b"charset=")? + b"charset=".len();
    let label = head[at..].trim_ascii_start();
    let label = label.strip_prefix(b"\"").unwrap_or(label);
    let end = label.iter().position(|byte| b"\"'>; /".contains(byte))?;
    Encoding::for_label(&label[..end])
}

/// The rows of all tables. A row is numbered as in its table.
fn tables(page: &Html) -> Result<Vec<Vec<Record>>, Problem> {
    let elements = page.tree.nodes().filter_map(ElementRef::wrap);
    let tables = elements.filter(|element| element.value().name() == "table");
    tables.map(rows).collect()
}

fn rows(table: ElementRef<'_>) -> Result<Vec<Record>, Problem> {
    let mut builder = RowBuilder::default();
    let (mut rows, mut line) = (Vec::new(), 0);
    let own = |row: &ElementRef<'_>| {
        let mut around = row.ancestors().filter_map(ElementRef::wrap);
        let nearest = around.find(|element| element.value().name() == "table");
        nearest.is_some_and(|nearest| nearest.id() == table.id())
    };
    // How many rows further down a cell above still covers, by column.
    let mut covered: Vec<usize> = Vec::new();
    let elements = table.descendants().filter_map(ElementRef::wrap);
    for row in elements.filter(|it| it.value().name() == "tr").filter(own) {
        line += 1;
        let mut column = 0_usize;
        for cell in row.children().filter_map(ElementRef::wrap) {
            if !matches!(cell.value().name(), "td" | "th") {
                continue;
            }
            while covered.get(column).is_some_and(|rows| *rows > 0) {
                covered[column] -= 1;
                column += 1;
            }
            builder.push(column, &cell_text(cell))?;
            let span = |name: &str| {
                let span = cell
                    .attr(name)
                    .and_then(|it| it.trim().parse::<usize>().ok());
                span.unwrap_or(1)
            };
            let end = column + span("colspan").clamp(1, MAX_COLUMNS);
            let below = match span("rowspan") {
                // To the end of the table.
                0 => usize::MAX,
                rows => rows - 1,
            };
            if below > 0 && column < MAX_COLUMNS {
                let last = end.min(MAX_COLUMNS);
                covered.resize(covered.len().max(last), 0);
                covered[column..last].fill(below);
            }
            column = end;
        }
        for rows in covered.iter_mut().skip(column) {
            *rows = rows.saturating_sub(1);
        }
        rows.extend(builder.take(line, is_hidden(row))?);
    }
    Ok(rows)
}

/// Excel writes rows that a filter hides with `display:none`.
fn is_hidden(row: ElementRef<'_>) -> bool {
    let style = row.attr("style").unwrap_or_default().to_lowercase();
    let style: String = style.split_whitespace().collect();
    style.contains("display:none")
}

/// The text as a page shows it: white space is one space, and `<br>` a line break.
fn cell_text(cell: ElementRef<'_>) -> String {
    let mut text = String::new();
    for node in cell.descendants() {
        match node.value() {
            Node::Text(piece) => {
                for character in piece.chars() {
                    let is_space = matches!(character, ' ' | '\t' | '\r' | '\n');
                    match is_space {
                        true if text.ends_with([' ', '\n']) => {}
                        true => text.push(' '),
                        false => text.push(character),
                    }
                }
            }
            Node::Element(element) if element.name() == "br" => {
                let length = text.trim_end_matches(' ').len();
                text.truncate(length);
                text.push('\n');
            }
            _ => {}
        }
    }
    trimmed(&text).to_owned()
}
