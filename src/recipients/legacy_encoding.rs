//! Guesses the legacy encoding of a file that is not UTF-8, such as one that Excel saved as “CSV”; or finds
//! that it is damaged UTF-8, which must not be read at all.
//!
//! chardetng's guess is accepted if all of this is true:
//! - No run of non-ASCII bytes contains a multi-byte character of UTF-8, nor a surrogate half written the
//!   same way (CESU-8). Text in a legacy encoding hardly ever does; UTF-8 with a few broken bytes does.
//! - At least three cells have non-ASCII bytes. One broken byte is not enough evidence.
//! - The encoding has one byte per character and defines every byte that occurs. None of them is a control
//!   character (U+0080 to U+009F), and nine in ten are letters, not counting spaces and typographic marks:
//!   “Pawe³” is “Paweł” in the wrong encoding.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::iter;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    Encoding, ISO_8859_2, ISO_8859_5, KOI8_U, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252,
    WINDOWS_1254, WINDOWS_1257,
};

/// Encodings that are mistaken for each other.
const FAMILIES: [&[&Encoding]; 2] = [
    &[
        WINDOWS_1250,
        ISO_8859_2,
        WINDOWS_1252,
        WINDOWS_1254,
        WINDOWS_1257,
    ],
    &[WINDOWS_1251, KOI8_U, ISO_8859_5],
];
/// Characters that texts in any language have beside letters.
const TYPOGRAPHIC: &str = "\u{a0}\u{ad}‘’‚‹›“”„«»–—…•·€°§©®™№";
/// The fewest cells with non-ASCII bytes.
const MIN_CELLS: u64 = 3;
/// How many bytes of a cell are kept, and of a run of non-ASCII bytes are examined.
const CELL: usize = 40;
/// How many bytes chardetng gets, because it is slow.
const MAX_DETECT: usize = 1024 * 1024;
/// How many cells are kept to choose the sample from.
const SAMPLES: usize = 200;

pub(super) enum LegacyGuess {
    Guess {
        encoding: &'static Encoding,
        /// Some text of the file.
        sample: String,
        /// Other possible encodings in which the sample reads differently.
        alternatives: Vec<(&'static Encoding, String)>,
    },
    /// There is not enough evidence; perhaps it is this encoding.
    Unclear { maybe: Option<&'static Encoding> },
}

pub(super) fn guess(mut file: &File) -> io::Result<LegacyGuess> {
    file.seek(SeekFrom::Start(0))?;
    let mut source = BufReader::with_capacity(64 * 1024, file);
    let mut evidence = Evidence::default();
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let mut fed = 0;
    loop {
        let chunk = source.fill_buf()?;
        let length = chunk.len();
        if length == 0 {
            break;
        }
        if fed < MAX_DETECT && !chunk.is_ascii() {
            detector.feed(chunk, false);
            fed += length;
        }
        chunk.iter().for_each(|&byte| evidence.add(byte));
        source.consume(length);
    }
    detector.feed(&[], true);
    evidence.end_cell();
    Ok(evidence.guess(detector.guess(None, Utf8Detection::Deny)))
}

/// Statistics of the non-ASCII bytes.
#[derive(Default)]
struct Evidence {
    /// How often each byte occurs.
    bytes: BTreeMap<u8, u64>,
    /// The current run of non-ASCII bytes.
    run: Vec<u8>,
    /// The current cell, and whether it has non-ASCII bytes.
    cell: Vec<u8>,
    cell_counts: bool,
    /// The number of cells with non-ASCII bytes, and the first of them.
    cells: u64,
    samples: Vec<Vec<u8>>,
    /// There is UTF-8 or CESU-8.
    utf8: bool,
}

impl Evidence {
    fn add(&mut self, byte: u8) {
        if byte.is_ascii() {
            self.end_run();
        } else {
            *self.bytes.entry(byte).or_default() += 1;
            self.cell_counts = true;
            self.run.push(byte);
            if self.run.len() == CELL {
                self.end_run();
            }
        }
        match byte {
            b',' | b';' | b'\t' | b'|' | b'"' | b'\r' | b'\n' => self.end_cell(),
            _ if self.cell.len() < CELL => self.cell.push(byte),
            _ => {}
        }
    }

    fn end_run(&mut self) {
        if !self.run.is_empty() {
            self.utf8 |= self
                .run
                .utf8_chunks()
                .any(|chunk| !chunk.valid().is_empty());
            self.utf8 |= self.run.windows(3).any(is_surrogate);
            self.run.clear();
        }
    }

    fn end_cell(&mut self) {
        self.end_run();
        if std::mem::take(&mut self.cell_counts) {
            self.cells += 1;
            if self.samples.len() < SAMPLES {
                self.samples.push(self.cell.clone());
            }
        }
        self.cell.clear();
    }

    fn guess(&self, guess: &'static Encoding) -> LegacyGuess {
        if self.utf8 {
            return LegacyGuess::Unclear { maybe: None };
        }
        if self.cells < MIN_CELLS || !self.is_text_in(guess) {
            let mut family = iter::once(guess).chain(relatives(guess));
            return LegacyGuess::Unclear {
                maybe: family.find(|e| self.is_text_in(e)),
            };
        }
        let others: Vec<_> = relatives(guess).filter(|e| self.may_be_in(e)).collect();
        let cell = self.clearest_cell(guess, &others);
        let sample = decode(guess, cell);
        let differs = |(_, text): &(_, String)| *text != sample;
        let alternatives = others
            .into_iter()
            .map(|e| (e, decode(e, cell)))
            .filter(differs)
            .collect();
        LegacyGuess::Guess {
            encoding: guess,
            sample,
            alternatives,
        }
    }

    /// Whether nine in ten characters are letters.
    fn is_text_in(&self, encoding: &'static Encoding) -> bool {
        matches!(self.letters(encoding), Some((letters, all)) if letters > 0 && letters * 10 >= all * 9)
    }

    /// Whether more than half of the characters are letters.
    fn may_be_in(&self, encoding: &'static Encoding) -> bool {
        matches!(self.letters(encoding), Some((letters, all)) if letters * 2 > all)
    }

    /// The number of letters, and of letters and symbols. `None` if a byte is undefined or a control
    /// character, or if the encoding has several bytes per character.
    fn letters(&self, encoding: &'static Encoding) -> Option<(u64, u64)> {
        if !encoding.is_single_byte() {
            return None;
        }
        let (mut letters, mut all) = (0, 0);
        for (&byte, &count) in &self.bytes {
            let bytes = [byte];
            let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes);
            match text.as_ref().and_then(|text| text.chars().next()) {
                None => return None,
                Some(c) if c.is_control() => return None,
                Some(c) if TYPOGRAPHIC.contains(c) => {}
                Some(c) => {
                    letters += if c.is_alphabetic() { count } else { 0 };
                    all += count;
                }
            }
        }
        Some((letters, all))
    }

    /// The cell that reads differently in the most other encodings.
    fn clearest_cell(&self, guess: &'static Encoding, others: &[&'static Encoding]) -> &[u8] {
        let alike = |cell: &&Vec<u8>| {
            let sample = decode(guess, cell);
            others
                .iter()
                .filter(|other| decode(other, cell) == sample)
                .count()
        };
        self.samples
            .iter()
            .min_by_key(alike)
            .map_or(&[], Vec::as_slice)
    }
}

fn relatives(guess: &'static Encoding) -> impl Iterator<Item = &'static Encoding> {
    let family = FAMILIES.iter().find(|family| family.contains(&guess));
    let members = family.into_iter().flat_map(|family| family.iter().copied());
    members.filter(move |other| *other != guess)
}

/// Whether the bytes are a surrogate (U+D800 to U+DFFF), encoded like UTF-8.
fn is_surrogate(bytes: &[u8]) -> bool {
    matches!(bytes, [0xed, 0xa0..=0xbf, 0x80..=0xbf])
}

fn decode(encoding: &'static Encoding, cell: &[u8]) -> String {
    encoding
        .decode_without_bom_handling(cell)
        .0
        .trim()
        .to_owned()
}
