//! Rows that are read when they are needed, and can then be read again in any order.

use std::io;

use super::row_store::{RowStore, StoredRow};
use crate::recipients::{ReadError, RecipientReader};
use crate::run::Exclusions;

pub(crate) struct LazyRows {
    reader: RecipientReader,
    store: RowStore,
    done: bool,
    error: Option<ReadError>,
}

impl LazyRows {
    pub(crate) fn new(reader: RecipientReader, left_out: Exclusions) -> io::Result<Self> {
        let email = reader.header().email();
        Ok(Self {
            reader,
            store: RowStore::new(email, left_out)?,
            done: false,
            error: None,
        })
    }

    /// The index of the address column.
    pub(crate) fn email(&self) -> usize {
        self.store.email()
    }

    /// How many rows have been read.
    pub(super) fn known(&self) -> usize {
        self.store.len()
    }

    /// Whether all rows have been read.
    pub(super) fn done(&self) -> bool {
        self.done
    }

    /// The error that ended the reading.
    pub(super) fn error(&self) -> Option<&ReadError> {
        self.error.as_ref()
    }

    pub(crate) fn into_error(self) -> Option<ReadError> {
        self.error
    }

    /// Reads up to `count` more rows. Keeps an error of the reader for [`LazyRows::error`].
    pub(super) fn read_more(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            match self.reader.next() {
                Some(Ok(row)) => self.store.push(&row)?,
                other => {
                    self.done = true;
                    self.error = other.and_then(Result::err);
                    break;
                }
            }
        }
        Ok(())
    }

    /// The row at an index from 0.
    pub(crate) fn get(&mut self, index: usize) -> io::Result<Option<StoredRow>> {
        // Any later row may be in the same message.
        while self.store.has_groups() && !self.done {
            self.read_more(1 << 16)?;
        }
        while index >= self.known() && !self.done {
            self.read_more(index + 1 - self.known())?;
        }
        self.store.get(index)
    }

    /// Continues a search through up to `count` rows.
    pub(super) fn continue_search(
        &mut self,
        search: &mut Search,
        count: usize,
    ) -> io::Result<SearchOutcome> {
        for _ in 0..count {
            match self.get_ahead(search.next)? {
                Some(row) if search.matches(&row) => return Ok(SearchOutcome::At(search.next)),
                Some(_) if search.is_complete() => return Ok(SearchOutcome::NotFound),
                Some(_) => search.next += 1,
                None if search.wrapped => return Ok(SearchOutcome::NotFound),
                None => (search.next, search.wrapped) = (0, true),
            }
            search.searched += 1;
        }
        Ok(SearchOutcome::Unfinished)
    }

    /// Like [`LazyRows::get`], but reads 1000 rows more for the calls that follow.
    fn get_ahead(&mut self, index: usize) -> io::Result<Option<StoredRow>> {
        if index >= self.known() && !self.done {
            self.read_more(index + 1 - self.known() + 1000)?;
        }
        self.get(index)
    }
}

/// A case-insensitive search for a text in all cells: from the row after the current one to the last,
/// then from the first to the current one.
pub(super) struct Search {
    text: String,
    current: usize,
    next: usize,
    wrapped: bool,
    /// How many rows have been searched.
    pub(super) searched: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum SearchOutcome {
    /// The index of the row.
    At(usize),
    NotFound,
    /// There are more rows to search.
    Unfinished,
}

impl Search {
    pub(super) fn new(text: &str, current: usize) -> Self {
        Self {
            text: text.to_lowercase(),
            current,
            next: current + 1,
            wrapped: false,
            searched: 0,
        }
    }

    fn matches(&self, row: &StoredRow) -> bool {
        let mut cells = row.cells.iter();
        cells.any(|cell| cell.to_lowercase().contains(&self.text))
    }

    fn is_complete(&self) -> bool {
        self.wrapped && self.next >= self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipients::ReadSettings;

    fn rows(csv: &str) -> LazyRows {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("r.csv");
        std::fs::write(&path, csv).expect("a file");
        let reader =
            RecipientReader::open(&path, "r.csv", &ReadSettings::default()).expect("a reader");
        LazyRows::new(reader, Exclusions::default()).expect("a temporary file")
    }

    fn numbered(count: usize) -> LazyRows {
        let lines: String = (1..=count)
            .map(|n| format!("r{n}@a.example,Name {n}\n"))
            .collect();
        rows(&format!("email,name\n{lines}"))
    }

    #[test]
    fn rows_can_be_read_in_any_order() {
        let mut rows = numbered(3000);
        for index in [5, 2999, 0, 1500] {
            let row = rows.get(index).expect("it is read").expect("it exists");
            assert_eq!(row.cells[1], format!("Name {}", index + 1));
            assert_eq!(
                (row.number as usize, row.line as usize),
                (index + 1, index + 2)
            );
        }
        assert_eq!(rows.get(3000).expect("it is read"), None);
        assert!(rows.done());
    }

    #[test]
    fn duplicate_addresses_get_no_message() {
        let mut rows =
            rows("email,name\na@a.example,A\nb@b.example,B\nA@A.Example,C\na@a.example,D\n");
        let expected = [
            None,
            None,
            Some("duplicate of row 1"),
            Some("duplicate of row 1"),
        ];
        for (index, expected) in expected.into_iter().enumerate() {
            let row = rows.get(index).expect("it is read").expect("it exists");
            let reason = row.no_message.map(|reason| reason.text);
            assert_eq!(reason.as_deref(), expected, "{index}");
        }
    }

    #[test]
    fn only_the_rows_that_are_needed_are_read() {
        let mut rows = numbered(3000);
        rows.get(0).expect("it is read");
        assert_eq!((rows.known(), rows.done()), (1, false));
    }

    #[test]
    fn a_search_looks_in_all_cells_and_wraps_around() {
        let mut rows = rows("email,name\nann@a.example,Łucja\nbob@b.example,B\ncleo@c.example,C\n");
        let mut find = |text: &str, current| {
            let mut search = Search::new(text, current);
            rows.continue_search(&mut search, 10).expect("it is read")
        };
        assert_eq!(find("B.EXAMPLE", 0), SearchOutcome::At(1));
        assert_eq!(find("łuc", 1), SearchOutcome::At(0));
        assert_eq!(find("cleo", 2), SearchOutcome::At(2));
        assert_eq!(find("dan", 0), SearchOutcome::NotFound);
        let mut search = Search::new("cleo", 2);
        for expected in [
            SearchOutcome::Unfinished,
            SearchOutcome::Unfinished,
            SearchOutcome::Unfinished,
            SearchOutcome::At(2),
        ] {
            let outcome = rows.continue_search(&mut search, 1).expect("it is read");
            assert_eq!(outcome, expected);
        }
    }

    #[test]
    fn invalid_rows_are_stored_and_a_read_error_is_kept() {
        let mut rows = rows("email,name\nann at a,A\nbob@b.example,\"B\n");
        let first = rows.get(0).expect("it is read").expect("it exists");
        assert!(first.no_message.is_some());
        assert_eq!(rows.get(1).expect("it is read"), None);
        assert!(rows.error().is_some());
    }
}
