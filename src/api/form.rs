//! `application/x-www-form-urlencoded`, as PHP reads it.
//!
//! The vendor's server is assumed to be PHP, so a body is read as `parse_str` of PHP 8.2 reads it. Where PHP
//! silently drops or truncates something, [`parse`] fails.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::vec::IntoIter;

/// The number of variables that PHP keeps (`max_input_vars`). It silently drops the rest.
pub const MAX_VARIABLES: usize = 1_000;
/// The number of bracket levels that PHP follows (`max_input_nesting_level`).
pub const MAX_NESTING: usize = 64;

/// An encoded byte: the first `length` of `bytes`.
#[derive(Clone, Copy)]
struct Escape {
    bytes: [u8; 3],
    length: u8,
}

const ESCAPES: [Escape; 256] = escapes();

const fn escapes() -> [Escape; 256] {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut table = [Escape {
        bytes: [0; 3],
        length: 1,
    }; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let unreserved = b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        table[byte] = if unreserved {
            Escape {
                bytes: [b, 0, 0],
                length: 1,
            }
        } else {
            let (high, low) = (HEX[byte >> 4], HEX[byte & 15]);
            Escape {
                bytes: [b'%', high, low],
                length: 3,
            }
        };
        byte += 1;
    }
    table
}

/// Appends `text`, percent-encoded: the unreserved characters of RFC 3986 2.3 stay, and everything else, also
/// a space, becomes `%XX`.
pub fn encode_into(text: &[u8], out: &mut Vec<u8>) {
    const BLOCK: usize = 128;
    out.reserve(text.len());
    let mut buffer = [0; 3 * BLOCK];
    for block in text.chunks(BLOCK) {
        let mut end = 0;
        for byte in block {
            let escape = ESCAPES[usize::from(*byte)];
            // Three bytes are always written; the next escape overwrites the surplus. An assignment, because
            // `copy_from_slice` is a call to memmove for each byte.
            if let Some(place) = buffer[end..].first_chunk_mut() {
                *place = escape.bytes;
            }
            end += usize::from(escape.length);
        }
        out.extend_from_slice(&buffer[..end]);
    }
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Map(Map),
}

/// A PHP array, in the order in which the keys first appeared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Map {
    entries: Vec<(String, Value)>,
    /// The hash of each entry's key. Long keys with the same start are slow to compare.
    hashes: Vec<u64>,
    /// The greatest numeric key. `[]` means the next one.
    greatest: Option<i64>,
}

impl Map {
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value)
    }

    /// Removes a key and returns its value.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        let at = self.entries.iter().position(|(k, _)| k == key)?;
        self.hashes.remove(at);
        Some(self.entries.remove(at).1)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_str(), value))
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key, added if it is missing. `None` if no number is left.
    fn slot(&mut self, key: Key) -> Option<&mut Value> {
        let name = match key {
            Key::Name(name) => name,
            Key::Next => self
                .greatest
                .map_or(Some(0), |key| key.checked_add(1))?
                .to_string(),
        };
        // From the end, because the fields of an entry follow each other.
        let hash = hash(&name);
        let entries = self.entries.iter().zip(&self.hashes);
        let at = entries
            .enumerate()
            .rfind(|(_, ((k, _), h))| **h == hash && *k == name);
        let at = at.map(|(at, _)| at).unwrap_or_else(|| {
            self.count(&name);
            self.hashes.push(hash);
            self.entries.push((name, Value::Text(String::new())));
            self.entries.len() - 1
        });
        Some(&mut self.entries[at].1)
    }

    /// Records a key that is a number as PHP writes it. PHP 8.2 counts from 0, not from negative keys.
    fn count(&mut self, name: &str) {
        let number = name
            .parse::<i64>()
            .ok()
            .filter(|number| number.to_string() == name);
        self.greatest = self.greatest.max(number.filter(|number| *number >= 0));
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("the body has more than {MAX_VARIABLES} variables")]
    TooManyVariables,
    #[error("the field “{0}” is nested more than {MAX_NESTING} levels deep")]
    TooDeep(String),
    /// PHP truncates the name at the NUL.
    #[error("the name of the field “{0}” contains a NUL")]
    NulInName(String),
    /// PHP stops reading at the NUL.
    #[error("the body contains a NUL that is not percent-encoded")]
    RawNul,
    /// PHP treats an unclosed bracket as part of the name.
    #[error("the name of the field “{0}” has a bracket that is not closed")]
    UnclosedBracket(String),
    /// PHP drops `[]` after the greatest possible number.
    #[error("the field “{0}” has no free number left")]
    NoNextKey(String),
    #[error("the name of the field “{0}” is not UTF-8")]
    NameNotUtf8(String),
    #[error("the field “{0}” is not UTF-8")]
    NotUtf8(String),
}

/// Parses a body as PHP's `parse_str` does.
///
/// # Errors
/// If PHP would silently drop, truncate or rename something, or a text is not UTF-8.
pub fn parse(body: &[u8]) -> Result<Map, FormError> {
    nest(pairs(body)?)
}

/// The decoded names and values of a body.
///
/// # Errors
/// If PHP would not read all of them, or a text is not UTF-8.
pub fn pairs(body: &[u8]) -> Result<Vec<(String, String)>, FormError> {
    if body.contains(&0) {
        return Err(FormError::RawNul);
    }
    let variables = body
        .split(|byte| *byte == b'&')
        .filter(|variable| !variable.is_empty());
    let mut pairs = Vec::new();
    for variable in variables {
        if pairs.len() == MAX_VARIABLES {
            return Err(FormError::TooManyVariables);
        }
        let at = variable
            .iter()
            .position(|byte| *byte == b'=')
            .unwrap_or(variable.len());
        let (name, value) = variable.split_at(at);
        let name = String::from_utf8(decode(name))
            .map_err(|error| FormError::NameNotUtf8(printable(&lossy(error.as_bytes()))))?;
        let value = String::from_utf8(decode(value.get(1..).unwrap_or_default()))
            .map_err(|_| FormError::NotUtf8(printable(&name)))?;
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Builds the arrays that the names describe.
///
/// # Errors
/// If PHP would silently drop, truncate or rename something.
pub fn nest(pairs: Vec<(String, String)>) -> Result<Map, FormError> {
    let mut form = Map::default();
    for (name, value) in pairs {
        insert(&mut form, &name, value)?;
    }
    Ok(form)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A name for an error message: one line of limited length.
fn printable(name: &str) -> String {
    const MAX: usize = 80;
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    name.chars().take(MAX).map(clean).collect()
}

/// The value of each hexadecimal digit, [`NO_DIGIT`] for other bytes.
const DIGITS: [u8; 256] = digits();
const NO_DIGIT: u8 = 0xff;

const fn digits() -> [u8; 256] {
    let mut table = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        table[digit as usize] = value;
        table[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    table
}

/// `+` is a space, `%XX` a byte; a `%` without two hex digits stays.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0; text.len()];
    let mut length = 0;
    let mut rest = text;
    // Escapes are frequent, so that going byte by byte is faster than searching for the next one.
    while let [byte, after @ ..] = rest {
        let (byte, after) = match byte {
            b'+' => (b' ', after),
            b'%' => escape(after).unwrap_or((b'%', after)),
            byte => (*byte, after),
        };
        // Decoded text is never longer than encoded text.
        out[length] = byte;
        (length, rest) = (length + 1, after);
    }
    out.truncate(length);
    out
}

/// The byte of two hexadecimal digits, and the text after them.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, after @ ..] = text else {
        return None;
    };
    let (high, low) = (DIGITS[usize::from(*high)], DIGITS[usize::from(*low)]);
    (high != NO_DIGIT && low != NO_DIGIT).then_some((high << 4 | low, after))
}

/// A level of a field's name.
enum Key {
    Name(String),
    /// `[]`: the next free number.
    Next,
}

fn insert(form: &mut Map, name: &str, value: String) -> Result<(), FormError> {
    if name.contains('\0') {
        return Err(FormError::NulInName(printable(&name.replace('\0', ""))));
    }
    let Some((variable, keys)) = path(name)? else {
        return Ok(());
    };
    put(form, variable, keys.into_iter(), value)
        .ok_or_else(|| FormError::NoNextKey(printable(name)))
}

/// Inserts a value below `key` and the `keys` after it. `None` if an array has no number left.
fn put(map: &mut Map, key: Key, mut keys: IntoIter<Key>, value: String) -> Option<()> {
    let slot = map.slot(key)?;
    let Some(next) = keys.next() else {
        *slot = Value::Text(value);
        return Some(());
    };
    // An array replaces a text.
    let mut inner = match mem::replace(slot, Value::Text(String::new())) {
        Value::Map(inner) => inner,
        Value::Text(_) => Map::default(),
    };
    put(&mut inner, next, keys, value)?;
    *slot = Value::Map(inner);
    Some(())
}

/// The levels of a name: `a`, `b` and the next number for `a[b][]`. `None` for a name that PHP drops.
fn path(name: &str) -> Result<Option<(Key, Vec<Key>)>, FormError> {
    let name = name.trim_start_matches(' ');
    let (variable, mut rest) = name.split_at(name.find('[').unwrap_or(name.len()));
    let mangled = variable.replace([' ', '.'], "_");
    if mangled.is_empty() || is_faked_prefix(variable, &mangled) {
        return Ok(None);
    }
    let mut keys = Vec::new();
    while let Some(inner) = rest.strip_prefix('[') {
        if keys.len() == MAX_NESTING {
            return Err(FormError::TooDeep(printable(name)));
        }
        let (key, after) = inner
            .split_once(']')
            .ok_or_else(|| FormError::UnclosedBracket(printable(name)))?;
        keys.push(key_of(key));
        // PHP drops text between a closing and an opening bracket.
        rest = after;
    }
    Ok(Some((Key::Name(mangled), keys)))
}

/// PHP drops a variable whose name gets the prefix of a protected cookie only by mangling.
fn is_faked_prefix(variable: &str, mangled: &str) -> bool {
    ["__Host-", "__Secure-"]
        .iter()
        .any(|prefix| mangled.starts_with(prefix) && !variable.starts_with(prefix))
}

/// PHP skips one white-space character (C's `isspace`) before it looks for the bracket.
fn key_of(key: &str) -> Key {
    if matches!(key, "" | " " | "\t" | "\n" | "\u{b}" | "\u{c}" | "\r") {
        Key::Next
    } else {
        Key::Name(key.to_owned())
    }
}
