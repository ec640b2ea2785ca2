//! Whether a file that is not UTF-8 is in a legacy encoding, such as what Excel saves as “CSV”, or
//! is UTF-8 with damage, which must not be read at all.
//!
//! It is taken for the encoding that chardetng names when all of this holds:
//! - no run of its non-ASCII bytes holds a multi-byte character of UTF-8, nor a surrogate half
//!   written as if it were one (CESU-8): real text in a legacy encoding hardly ever looks so, and
//!   UTF-8 with a few broken bytes does;
//! - at least three of its cells have non-ASCII bytes: one broken byte is no evidence;
//! - the encoding has one byte a character, defines every byte that occurs, makes no control
//!   character (U+0080 to U+009F) of any, and letters of nine in ten, spaces and typographic marks
//!   aside: “Pawe³” is “Paweł” read wrongly.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::iter;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    Encoding, ISO_8859_2, ISO_8859_5, KOI8_U, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252,
    WINDOWS_1254, WINDOWS_1257,
};

/// Encodings that are mistaken for one another.
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
/// What texts have beside letters in any language.
const TYPOGRAPHIC: &str = "\u{a0}\u{ad}‘’‚‹›“”„«»–—…•·€°§©®™№";
/// In how many cells there must be non-ASCII bytes.
const ENOUGH_CELLS: u64 = 3;
/// Of a cell and of a run of non-ASCII bytes, how many bytes are looked at.
const CELL: usize = 40;
/// How much non-ASCII text, in bytes, chardetng is shown: it is slow.
const DETECTED_BY: usize = 1024 * 1024;
/// How many cells are kept to choose a sample from.
const SAMPLES: usize = 200;

/// What the evidence says.
pub(crate) enum Verdict {
    /// It is in this encoding, as far as one can see.
    Guess {
        encoding: &'static Encoding,
        /// A piece of its text.
        sample: String,
        /// What else it may be in, and the sample read so, where that differs.
        alternatives: Vec<(&'static Encoding, String)>,
    },
    /// There is not enough evidence; what it may be in.
    Unclear { maybe: Option<&'static Encoding> },
}

/// Weighs the evidence in a file.
pub(crate) fn weigh(mut file: &File) -> io::Result<Verdict> {
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
        if fed < DETECTED_BY && !chunk.is_ascii() {
            detector.feed(chunk, false);
            fed += length;
        }
        chunk.iter().for_each(|&byte| evidence.take(byte));
        source.consume(length);
    }
    detector.feed(&[], true);
    evidence.end_cell();
    Ok(evidence.verdict(detector.guess(None, Utf8Detection::Deny)))
}

/// What was seen of the bytes beyond ASCII.
struct Evidence {
    /// How often each byte occurs.
    bytes: [u64; 256],
    /// The run of non-ASCII bytes, and the cell, that it is in.
    run: Vec<u8>,
    cell: Vec<u8>,
    /// Cells with such bytes: how many, and the first.
    cells: u64,
    samples: Vec<Vec<u8>>,
    /// The cell that it is in has such bytes.
    marked: bool,
    /// There is UTF-8 or CESU-8.
    utf8: bool,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            bytes: [0; 256],
            run: Vec::new(),
            cell: Vec::new(),
            cells: 0,
            samples: Vec::new(),
            marked: false,
            utf8: false,
        }
    }
}

impl Evidence {
    fn take(&mut self, byte: u8) {
        if byte.is_ascii() {
            self.end_run();
        } else {
            self.bytes[usize::from(byte)] += 1;
            self.marked = true;
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
        if std::mem::take(&mut self.marked) {
            self.cells += 1;
            if self.samples.len() < SAMPLES {
                self.samples.push(self.cell.clone());
            }
        }
        self.cell.clear();
    }

    fn verdict(&self, guess: &'static Encoding) -> Verdict {
        if self.utf8 {
            return Verdict::Unclear { maybe: None };
        }
        if self.cells < ENOUGH_CELLS || !self.is_text_in(guess) {
            let mut family = iter::once(guess).chain(relatives(guess));
            return Verdict::Unclear {
                maybe: family.find(|e| self.is_text_in(e)),
            };
        }
        let others: Vec<_> = relatives(guess).filter(|e| self.may_be_in(e)).collect();
        let cell = self.telling_cell(guess, &others);
        let sample = decode(guess, cell);
        let differs = |(_, text): &(_, String)| *text != sample;
        let alternatives = others
            .into_iter()
            .map(|e| (e, decode(e, cell)))
            .filter(differs)
            .collect();
        Verdict::Guess {
            encoding: guess,
            sample,
            alternatives,
        }
    }

    /// Whether the bytes are what text in an encoding has.
    fn is_text_in(&self, encoding: &'static Encoding) -> bool {
        matches!(self.letters(encoding), Some((letters, all)) if letters > 0 && letters * 10 >= all * 9)
    }

    /// Whether the bytes are not quite out of place in an encoding.
    fn may_be_in(&self, encoding: &'static Encoding) -> bool {
        matches!(self.letters(encoding), Some((letters, all)) if letters * 2 > all)
    }

    /// How many letters the bytes are in an encoding of one byte a character, and how many letters
    /// and symbols; `None` when some are nothing or control characters in it.
    fn letters(&self, encoding: &'static Encoding) -> Option<(u64, u64)> {
        if !encoding.is_single_byte() {
            return None;
        }
        let (mut letters, mut all) = (0, 0);
        for (byte, &count) in (0..=u8::MAX).zip(&self.bytes) {
            let octet = [byte];
            let text = encoding.decode_without_bom_handling_and_without_replacement(&octet);
            match text.as_ref().and_then(|text| text.chars().next()) {
                _ if count == 0 => {}
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

    /// The cell that the fewest other encodings read as the guess does.
    fn telling_cell(&self, guess: &'static Encoding, others: &[&'static Encoding]) -> &[u8] {
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

/// The encodings that one is mistaken for.
fn relatives(guess: &'static Encoding) -> impl Iterator<Item = &'static Encoding> {
    let family = FAMILIES.iter().find(|family| family.contains(&guess));
    let members = family.into_iter().flat_map(|family| family.iter().copied());
    members.filter(move |other| *other != guess)
}

/// A surrogate half in the form of UTF-8 (U+D800 to U+DFFF).
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
