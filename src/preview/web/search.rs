//! Finds the rows that match a query, in one pass over the folded text on all cores.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use memchr::memchr_iter;

use super::query::{MAX_SORTED, Query, cell};
use super::searchable_rows::SearchableRows;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Matches {
    /// All rows, in the order of the file; their count.
    All(u32),
    /// Row numbers.
    Rows(Vec<u32>),
}

impl Matches {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::All(count) => *count as usize,
            Self::Rows(rows) => rows.len(),
        }
    }

    /// The row number at a place, from 0.
    pub(super) fn at(&self, place: usize) -> Option<u32> {
        match self {
            Self::All(count) => u32::try_from(place)
                .ok()
                .filter(|place| place < count)
                .map(|place| place + 1),
            Self::Rows(rows) => rows.get(place).copied(),
        }
    }

    pub(super) fn place(&self, row: u32) -> Option<usize> {
        match self {
            Self::All(count) => (1..=*count).contains(&row).then(|| row as usize - 1),
            Self::Rows(rows) => rows.iter().position(|other| *other == row),
        }
    }
}

/// The sort key and the number of a matching row.
type Match = (i64, u32);

pub(super) fn search(rows: &SearchableRows, query: &Query) -> io::Result<Matches> {
    if query.is_all() {
        return Ok(Matches::All(rows.count()));
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || search_chunks(rows, query, &next);
    let found = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let panicked = || Err(io::Error::other("a search thread panicked"));
        let joined = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| panicked()));
        joined.collect::<io::Result<Vec<_>>>()
    })?;
    let mut found = found.concat();
    found.sort_unstable();
    if query.order.is_some() {
        found.truncate(MAX_SORTED);
    }
    Ok(Matches::Rows(
        found.into_iter().map(|(_, row)| row).collect(),
    ))
}

/// Searches chunks until none is left.
fn search_chunks(
    rows: &SearchableRows,
    query: &Query,
    next: &AtomicUsize,
) -> io::Result<Vec<Match>> {
    let (mut found, mut text) = (Vec::new(), Vec::new());
    while let Some(chunk) = rows.chunks().get(next.fetch_add(1, Ordering::Relaxed)) {
        rows.read_chunk(*chunk, &mut text)?;
        let mut start = 0;
        for (row, end) in (chunk.first..).zip(memchr_iter(b'\n', &text)) {
            let line = &text[start..end];
            start = end + 1;
            if query.matches(line) {
                found.push((sort_key(line, query.order), row));
            }
        }
    }
    Ok(found)
}

/// The length of a cell in characters, negative if the longest comes first.
fn sort_key(line: &[u8], order: Option<(usize, bool)>) -> i64 {
    let Some((column, longest)) = order else {
        return 0;
    };
    // Skip UTF-8 continuation bytes.
    let starts = cell(line, column)
        .iter()
        .filter(|byte| **byte & 0xc0 != 0x80);
    let length = starts.count() as i64;
    if longest { -length } else { length }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::super::searchable_rows::tests::searchable_rows;
    use super::*;

    fn find(csv: &str, query: &str) -> Matches {
        let rows = searchable_rows(csv);
        let query = Query::parse(query, &rows.header).expect("a query");
        search(&rows, &query).expect("it is read")
    }

    #[test]
    fn rows_are_found_in_many_chunks() {
        let mut csv = "email,city\n".to_owned();
        for row in 1..=50_000 {
            let city = if row % 7_919 == 0 {
                "Łódź"
            } else {
                "a long name of some city"
            };
            writeln!(csv, "r{row}@one.example,{city}").expect("a string takes all");
        }
        assert!(searchable_rows(&csv).chunks().len() > 1);
        let rows: Vec<u32> = (1..=6).map(|n| n * 7_919).collect();
        for query in [
            "city:łódź",
            "ŁÓDŹ",
            "-some",
            "-city:\"a long name of some city\"",
        ] {
            assert_eq!(find(&csv, query), Matches::Rows(rows.clone()), "{query}");
        }
        assert_eq!(find(&csv, "r49999@"), Matches::Rows(vec![49_999]));
        assert_eq!(find(&csv, "r50000@"), Matches::Rows(vec![50_000]));
        assert_eq!(find(&csv, "").count(), 50_000);
        assert_eq!(find(&csv, "some").count(), 49_994);
        assert_eq!(find(&csv, "nobody").count(), 0);
    }

    #[test]
    fn searches_can_sort_by_length() {
        let csv =
            "email,name\na@a.example,ab\nb@a.example,żółwie\nc@a.example,abcdefg\nd@a.example,xy\n";
        assert_eq!(find(csv, "longest:name"), Matches::Rows(vec![3, 2, 1, 4]));
        assert_eq!(find(csv, "shortest:name"), Matches::Rows(vec![1, 4, 2, 3]));
        assert_eq!(
            find(csv, "longest:name -abcdefg"),
            Matches::Rows(vec![2, 1, 4])
        );
        let mut many = "email,name\n".to_owned();
        for row in 1..=2_000 {
            writeln!(many, "r{row}@a.example,{}", "x".repeat(row % 900))
                .expect("a string takes all");
        }
        let found = find(&many, "longest:name");
        assert_eq!(
            (found.count(), found.at(0), found.at(1)),
            (MAX_SORTED, Some(899), Some(1799))
        );
    }

    #[test]
    fn places_map_to_rows_and_back() {
        let all = Matches::All(3);
        assert_eq!((all.at(0), all.at(2), all.at(3)), (Some(1), Some(3), None));
        assert_eq!(
            (all.place(3), all.place(4), all.place(0)),
            (Some(2), None, None)
        );
        let rows = Matches::Rows(vec![5, 2]);
        assert_eq!(
            (rows.at(1), rows.place(2), rows.place(3)),
            (Some(2), Some(1), None)
        );
    }
}
