//! Rows to go to and fro in, read once, as far as they are needed.

use std::io;

use super::store::{Kept, Store};
use crate::recipients::{ReadError, RecipientReader};
use crate::run::LeftOut;

/// The rows.
pub struct Rows {
    reader: RecipientReader,
    store: Store,
    done: bool,
    error: Option<ReadError>,
}

impl Rows {
    /// Those that a reader has yet to give; `left_out` says which of them get no message.
    ///
    /// # Errors
    /// When there can be no temporary file.
    pub fn new(reader: RecipientReader, left_out: LeftOut) -> io::Result<Self> {
        let email = reader.header().email();
        Ok(Self {
            reader,
            store: Store::new(email, left_out)?,
            done: false,
            error: None,
        })
    }

    /// The place of the address column.
    pub fn email(&self) -> usize {
        self.store.email()
    }

    /// How many have been read.
    pub fn known(&self) -> usize {
        self.store.len()
    }

    /// Whether these are all.
    pub fn done(&self) -> bool {
        self.done
    }

    /// Why they can't be read on, if so.
    pub fn error(&self) -> Option<&ReadError> {
        self.error.as_ref()
    }

    /// The same, to be told at the end.
    pub fn into_error(self) -> Option<ReadError> {
        self.error
    }

    /// Reads so many more.
    ///
    /// # Errors
    /// When the temporary file can't be written.
    pub fn read_on(&mut self, count: usize) -> io::Result<()> {
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

    /// The row at a place, from 0; none behind the last.
    ///
    /// # Errors
    /// When the temporary file can't be read or written.
    pub fn get(&mut self, index: usize) -> io::Result<Option<Kept>> {
        while index >= self.known() && !self.done {
            self.read_on(index + 1 - self.known())?;
        }
        self.store.get(index)
    }

    /// Looks at so many rows for what is searched for.
    ///
    /// # Errors
    /// When the temporary file can't be read or written.
    pub fn look_on(&mut self, search: &mut Search, count: usize) -> io::Result<Found> {
        for _ in 0..count {
            match self.get_ahead(search.next)? {
                Some(row) if search.fits(&row) => return Ok(Found::At(search.next)),
                Some(_) if search.is_around() => return Ok(Found::Nowhere),
                Some(_) => search.next += 1,
                None if search.around => return Ok(Found::Nowhere),
                None => (search.next, search.around) = (0, true),
            }
            search.looked += 1;
        }
        Ok(Found::NotYet)
    }

    /// The same as [`Rows::get`], for one who will want those behind it as well.
    fn get_ahead(&mut self, index: usize) -> io::Result<Option<Kept>> {
        if index >= self.known() && !self.done {
            self.read_on(index + 1 - self.known() + 1000)?;
        }
        self.get(index)
    }
}

/// A search for a text in all cells, in any case: from one row to the last, and from the first one on
/// back to it.
pub struct Search {
    text: String,
    after: usize,
    next: usize,
    around: bool,
    /// How many rows were looked at.
    pub looked: usize,
}

/// What a search has come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// The place of a row.
    At(usize),
    /// There is none.
    Nowhere,
    /// There are rows yet to be looked at.
    NotYet,
}

impl Search {
    /// Begins behind the row at a place, which is the last to be looked at.
    pub fn new(text: &str, after: usize) -> Self {
        Self {
            text: text.to_lowercase(),
            after,
            next: after + 1,
            around: false,
            looked: 0,
        }
    }

    fn fits(&self, row: &Kept) -> bool {
        let mut cells = row.cells.iter();
        cells.any(|cell| cell.to_lowercase().contains(&self.text))
    }

    fn is_around(&self) -> bool {
        self.around && self.next >= self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipients::ReadSettings;

    fn rows(csv: &str) -> Rows {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("r.csv");
        std::fs::write(&path, csv).expect("a file");
        let reader =
            RecipientReader::open(&path, "r.csv", &ReadSettings::default()).expect("a reader");
        Rows::new(reader, LeftOut::default()).expect("a temporary file")
    }

    fn numbered(count: usize) -> Rows {
        let lines: String = (1..=count)
            .map(|n| format!("r{n}@a.example,Name {n}\n"))
            .collect();
        rows(&format!("email,name\n{lines}"))
    }

    #[test]
    fn rows_are_found_in_any_order() {
        let mut rows = numbered(3000);
        for index in [5, 2999, 0, 1500] {
            let row = rows.get(index).expect("it is read").expect("it is there");
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
    fn an_address_that_came_before_is_left_out() {
        let mut rows =
            rows("email,name\na@a.example,A\nb@b.example,B\nA@A.Example,C\na@a.example,D\n");
        let fault = |row: Option<Kept>| row.expect("it is there").fault.map(|fault| fault.words);
        let wanted = [
            None,
            None,
            Some("duplicate of row 1"),
            Some("duplicate of row 1"),
        ];
        for (index, wanted) in wanted.into_iter().enumerate() {
            let row = rows.get(index).expect("it is read");
            assert_eq!(fault(row).as_deref(), wanted, "{index}");
        }
    }

    #[test]
    fn no_more_is_read_than_is_wanted() {
        let mut rows = numbered(3000);
        rows.get(0).expect("it is read");
        assert_eq!((rows.known(), rows.done()), (1, false));
    }

    #[test]
    fn a_text_is_found_in_any_cell_and_from_the_first_row_again() {
        let mut rows = rows("email,name\nann@a.example,Łucja\nbob@b.example,B\ncleo@c.example,C\n");
        let mut found = |text: &str, after| {
            let mut search = Search::new(text, after);
            rows.look_on(&mut search, 10).expect("it is read")
        };
        assert_eq!(found("B.EXAMPLE", 0), Found::At(1));
        assert_eq!(found("łuc", 1), Found::At(0));
        assert_eq!(found("cleo", 2), Found::At(2));
        assert_eq!(found("dan", 0), Found::Nowhere);
        let mut search = Search::new("cleo", 2);
        let mut step = || rows.look_on(&mut search, 1).expect("it is read");
        let steps = [step(), step(), step(), step()];
        let wanted = [Found::NotYet, Found::NotYet, Found::NotYet, Found::At(2)];
        assert_eq!(steps, wanted);
    }

    #[test]
    fn a_row_with_a_fault_is_kept_and_a_file_that_breaks_off_says_why() {
        let mut rows = rows("email,name\nann at a,A\nbob@b.example,\"B\n");
        let first = rows.get(0).expect("it is read").expect("it is there");
        assert!(first.fault.is_some());
        assert_eq!(rows.get(1).expect("it is read"), None);
        assert!(rows.error().is_some());
    }
}
