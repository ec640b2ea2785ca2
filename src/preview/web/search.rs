//! The rows that a query means: the searched text read once, on all cores.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter, memrchr};

use super::query::{MOST_ORDERED, Query, cell};
use super::spool::{Piece, Spool};

/// The rows that a query means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// All of them, in the order of the file: so many.
    All(u32),
    /// These, by their numbers.
    Rows(Vec<u32>),
}

impl Found {
    pub(super) fn count(&self) -> usize {
        match self {
            Self::All(count) => *count as usize,
            Self::Rows(rows) => rows.len(),
        }
    }

    /// The number of the row at a place, from 0.
    pub(super) fn at(&self, place: usize) -> Option<u32> {
        match self {
            Self::All(count) => u32::try_from(place)
                .ok()
                .filter(|place| place < count)
                .map(|place| place + 1),
            Self::Rows(rows) => rows.get(place).copied(),
        }
    }

    /// The place of a row.
    pub(super) fn place(&self, row: u32) -> Option<usize> {
        match self {
            Self::All(count) => (1..=*count).contains(&row).then(|| row as usize - 1),
            Self::Rows(rows) => rows.iter().position(|other| *other == row),
        }
    }
}

/// What a thread has found in a piece.
#[derive(Default)]
struct Part {
    piece: usize,
    rows: Vec<u32>,
}

/// Looks through all rows.
///
/// # Errors
/// When the temporary file can't be read.
pub(super) fn search(spool: &Spool, query: &Query) -> io::Result<Found> {
    if query.is_all() {
        return Ok(Found::All(spool.count()));
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || work(spool, query, &next);
    let done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let died = || Err(io::Error::other("a thread of the search died"));
        let joined = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| died()));
        joined.collect::<io::Result<_>>()
    })?;
    let (mut parts, mut ordered) = (Vec::new(), Ordered::default());
    for (found, best) in done {
        parts.extend(found);
        ordered.merge(best);
    }
    if query.order.is_some() {
        return Ok(Found::Rows(ordered.rows()));
    }
    parts.sort_unstable_by_key(|part| part.piece);
    Ok(Found::Rows(
        parts.into_iter().flat_map(|part| part.rows).collect(),
    ))
}

fn work(spool: &Spool, query: &Query, next: &AtomicUsize) -> io::Result<(Vec<Part>, Ordered)> {
    let finder = query.needle().map(Finder::new);
    let (mut parts, mut ordered) = (Vec::new(), Ordered::default());
    let mut text = Vec::new();
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(piece) = spool.pieces().get(at) else {
            return Ok((parts, ordered));
        };
        spool.read_piece(*piece, &mut text)?;
        let mut rows = Vec::new();
        let take = |row: u32, line: &[u8]| {
            if !query.holds(line) {
                return;
            }
            match query.order {
                Some((column, longest)) => ordered.add(cell(line, column), longest, row),
                None => rows.push(row),
            }
        };
        match &finder {
            Some(finder) => with_needle(*piece, &text, finder, take),
            None => every(*piece, &text, take),
        }
        parts.push(Part { piece: at, rows });
    }
}

/// Gives every row of a piece.
fn every(piece: Piece, text: &[u8], mut take: impl FnMut(u32, &[u8])) {
    let mut from = 0;
    for (number, end) in (piece.first..).zip(memchr_iter(b'\n', text)) {
        take(number, &text[from..end]);
        from = end + 1;
    }
}

/// Gives every row of a piece that has the needle.
fn with_needle(piece: Piece, text: &[u8], finder: &Finder<'_>, mut take: impl FnMut(u32, &[u8])) {
    let (mut from, mut number) = (0, piece.first);
    while let Some(found) = finder.find(&text[from..]) {
        let found = from + found;
        let start = memrchr(b'\n', &text[from..found]).map_or(from, |end| from + end + 1);
        number += memchr_iter(b'\n', &text[from..start]).count() as u32;
        let end = memchr(b'\n', &text[found..]).map_or(text.len(), |end| found + end);
        take(number, &text[start..end]);
        from = (end + 1).min(text.len());
        number += 1;
    }
}

/// The rows with the longest or the shortest cells.
#[derive(Default)]
struct Ordered {
    /// The one that goes first is on top: what is wanted least. Of equals it is the last row.
    heap: BinaryHeap<Reverse<(i64, Reverse<u32>)>>,
}

impl Ordered {
    fn add(&mut self, cell: &[u8], longest: bool, row: u32) {
        // Characters, not bytes: the continuations are not counted.
        let length = cell.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as i64;
        self.push((if longest { length } else { -length }, Reverse(row)));
    }

    fn push(&mut self, entry: (i64, Reverse<u32>)) {
        self.heap.push(Reverse(entry));
        if self.heap.len() > MOST_ORDERED {
            self.heap.pop();
        }
    }

    fn merge(&mut self, other: Self) {
        other
            .heap
            .into_iter()
            .for_each(|Reverse(entry)| self.push(entry));
    }

    fn rows(self) -> Vec<u32> {
        let sorted = self.heap.into_sorted_vec().into_iter();
        sorted.map(|Reverse((_, Reverse(row)))| row).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::super::spool::tests::spool;
    use super::*;

    fn found(csv: &str, query: &str) -> Found {
        let spool = spool(csv);
        let query = Query::parse(query, &spool.header).expect("a query");
        search(&spool, &query).expect("it is read")
    }

    #[test]
    fn finds_rows_over_many_pieces() {
        let mut csv = "email,city\n".to_owned();
        for row in 1..=50_000 {
            let city = if row % 7_919 == 0 {
                "Łódź"
            } else {
                "a long name of some city"
            };
            writeln!(csv, "r{row}@one.example,{city}").expect("a string takes all");
        }
        assert!(spool(&csv).pieces().len() > 1);
        let rows: Vec<u32> = (1..=6).map(|n| n * 7_919).collect();
        for query in [
            "city:łódź",
            "ŁÓDŹ",
            "-some",
            "-city:\"a long name of some city\"",
        ] {
            assert_eq!(found(&csv, query), Found::Rows(rows.clone()), "{query}");
        }
        assert_eq!(found(&csv, "r49999@"), Found::Rows(vec![49_999]));
        assert_eq!(found(&csv, "r50000@"), Found::Rows(vec![50_000]));
        assert_eq!(found(&csv, "").count(), 50_000);
        assert_eq!(found(&csv, "some").count(), 49_994);
        assert_eq!(found(&csv, "nobody").count(), 0);
    }

    #[test]
    fn the_longest_and_the_shortest_come_in_their_order() {
        let csv =
            "email,name\na@a.example,ab\nb@a.example,żółwie\nc@a.example,abcdefg\nd@a.example,xy\n";
        assert_eq!(found(csv, "longest:name"), Found::Rows(vec![3, 2, 1, 4]));
        assert_eq!(found(csv, "shortest:name"), Found::Rows(vec![1, 4, 2, 3]));
        assert_eq!(
            found(csv, "longest:name -abcdefg"),
            Found::Rows(vec![2, 1, 4])
        );
        let mut many = "email,name\n".to_owned();
        for row in 1..=2_000 {
            writeln!(many, "r{row}@a.example,{}", "x".repeat(row % 900))
                .expect("a string takes all");
        }
        let found = found(&many, "longest:name");
        assert_eq!(
            (found.count(), found.at(0), found.at(1)),
            (MOST_ORDERED, Some(899), Some(1799))
        );
    }

    #[test]
    fn places_and_rows_lead_to_each_other() {
        let all = Found::All(3);
        assert_eq!((all.at(0), all.at(2), all.at(3)), (Some(1), Some(3), None));
        assert_eq!(
            (all.place(3), all.place(4), all.place(0)),
            (Some(2), None, None)
        );
        let rows = Found::Rows(vec![5, 2]);
        assert_eq!(
            (rows.at(1), rows.place(2), rows.place(3)),
            (Some(2), Some(1), None)
        );
    }
}
