//! `application/x-www-form-urlencoded`: percent-encoding, and PHP's reading of such bodies.
//!
//! The vendor's server is taken to be PHP, so a body is read here as `parse_str` of PHP 8.2 reads
//! it. Where PHP drops or truncates something in silence, [`parse`] refuses the body with an error.

use std::mem;
use std::vec::IntoIter;

/// The variables that PHP keeps of one body (`max_input_vars`); it drops the rest in silence.
pub const MAX_VARIABLES: usize = 1_000;
/// The bracket levels that PHP follows (`max_input_nesting_level`).
pub const MAX_NESTING: usize = 64;

/// One byte, encoded: its bytes, of which the first `length` count.
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

/// Appends `text`, percent-encoded: the unreserved characters of RFC 3986 2.3 stay, all else is
/// `%XX`, a space as well.
pub fn encode_into(text: &[u8], out: &mut Vec<u8>) {
    const BLOCK: usize = 128;
    out.reserve(text.len());
    let mut buffer = [0; 3 * BLOCK];
    for block in text.chunks(BLOCK) {
        let mut end = 0;
        for byte in block {
            let escape = ESCAPES[usize::from(*byte)];
            // Three bytes are always written; those that don't count are written over.
            buffer[end..end + 3].copy_from_slice(&escape.bytes);
            end += usize::from(escape.length);
        }
        out.extend_from_slice(&buffer[..end]);
    }
}

/// What a body holds under one name: a text, or an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text; perhaps empty.
    Text(String),
    /// An array.
    Map(Map),
}

/// A PHP array: keys and values in the order in which the keys first appeared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Map {
    entries: Vec<(String, Value)>,
    /// The greatest key that is a number; `[]` takes the one after it.
    greatest: Option<i64>,
}

impl Map {
    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value)
    }

    /// Takes the value under a key out.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        let at = self.entries.iter().position(|(k, _)| k == key)?;
        Some(self.entries.remove(at).1)
    }

    /// The keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The place of a key, made where there is none; nothing when the numbers are used up.
    fn slot(&mut self, key: Key) -> Option<&mut Value> {
        let name = match key {
            Key::Name(name) => name,
            Key::Next => self
                .greatest
                .map_or(Some(0), |key| key.checked_add(1))?
                .to_string(),
        };
        // From the end: the fields of one entry follow each other.
        let at = self.entries.iter().rposition(|(k, _)| *k == name);
        let at = at.unwrap_or_else(|| {
            self.count(&name);
            self.entries.push((name, Value::Text(String::new())));
            self.entries.len() - 1
        });
        Some(&mut self.entries[at].1)
    }

    /// Notes a key that is a number as PHP writes it. PHP 8.2 counts from 0 whatever is below it.
    fn count(&mut self, name: &str) {
        let number = name
            .parse::<i64>()
            .ok()
            .filter(|number| number.to_string() == name);
        self.greatest = self.greatest.max(number.filter(|number| *number >= 0));
    }
}

impl IntoIterator for Map {
    type Item = (String, Value);
    type IntoIter = IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// Why a body is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More variables than PHP keeps.
    #[error("the body has more than {MAX_VARIABLES} variables")]
    TooManyVariables,
    /// More brackets than PHP follows.
    #[error("the field “{0}” is nested more than {MAX_NESTING} levels deep")]
    TooDeep(String),
    /// A name with NUL, at which PHP cuts it off.
    #[error("the name of the field “{0}” holds a NUL")]
    NulInName(String),
    /// A NUL in the body itself, at which PHP stops reading.
    #[error("the body holds a NUL that is not percent-encoded")]
    RawNul,
    /// A bracket that is not closed, which PHP takes for a part of the name.
    #[error("the name of the field “{0}” has a bracket that is not closed")]
    UnclosedBracket(String),
    /// `[]` after the greatest number there is, which PHP drops.
    #[error("the field “{0}” has no free number left")]
    NoNextKey(String),
    /// A name that is not UTF-8.
    #[error("the name of the field “{0}” is not UTF-8")]
    NameNotUtf8(String),
    /// A value that is not UTF-8; the field's name.
    #[error("the field “{0}” is not UTF-8")]
    NotUtf8(String),
}

/// Reads a body as PHP's `parse_str` does.
///
/// # Errors
/// Where PHP would drop, cut or rename something in silence, and where a text is not UTF-8.
pub fn parse(body: &[u8]) -> Result<Map, FormError> {
    nest(pairs(body)?)
}

/// The variables of a body, names and values as they stand there, decoded.
///
/// # Errors
/// Where PHP would not read all of them, and where a text is not UTF-8.
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
            .map_err(|error| FormError::NameNotUtf8(shown(&lossy(error.as_bytes()))))?;
        let value = String::from_utf8(decode(value.get(1..).unwrap_or_default()))
            .map_err(|_| FormError::NotUtf8(shown(&name)))?;
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Puts variables into the arrays that their names tell of.
///
/// # Errors
/// Where PHP would drop, cut or rename something in silence.
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

/// A name as an error shows it: one line, not too long.
fn shown(name: &str) -> String {
    const MOST: usize = 80;
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    name.chars().take(MOST).map(clean).collect()
}

/// The value of each hexadecimal digit; [`NO_DIGIT`] of all else.
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
    // Escapes stand close together: byte by byte is quicker than a search for the next.
    while let [byte, after @ ..] = rest {
        let (byte, after) = match byte {
            b'+' => (b' ', after),
            b'%' => escape(after).unwrap_or((b'%', after)),
            byte => (*byte, after),
        };
        // What is decoded is no longer than what is not.
        out[length] = byte;
        (length, rest) = (length + 1, after);
    }
    out.truncate(length);
    out
}

/// The byte of two digits, and what comes after them.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, after @ ..] = text else {
        return None;
    };
    let (high, low) = (DIGITS[usize::from(*high)], DIGITS[usize::from(*low)]);
    (high != NO_DIGIT && low != NO_DIGIT).then_some((high << 4 | low, after))
}

/// One level of a field's name.
enum Key {
    Name(String),
    /// `[]`: the next free number.
    Next,
}

fn insert(form: &mut Map, name: &str, value: String) -> Result<(), FormError> {
    if name.contains('\0') {
        return Err(FormError::NulInName(shown(&name.replace('\0', ""))));
    }
    let Some((variable, keys)) = path(name)? else {
        return Ok(());
    };
    put(form, variable, keys.into_iter(), value).ok_or_else(|| FormError::NoNextKey(shown(name)))
}

/// Puts a value below `key` and the `keys` after it; nothing when an array has no number left.
fn put(map: &mut Map, key: Key, mut keys: IntoIter<Key>, value: String) -> Option<()> {
    let slot = map.slot(key)?;
    let Some(next) = keys.next() else {
        *slot = Value::Text(value);
        return Some(());
    };
    // An array takes the place of a text.
    let mut inner = match mem::replace(slot, Value::Text(String::new())) {
        Value::Map(inner) => inner,
        Value::Text(_) => Map::default(),
    };
    put(&mut inner, next, keys, value)?;
    *slot = Value::Map(inner);
    Some(())
}

/// The levels of a name: `a[b][]` is `a`, `b`, the next number. Nothing for a name that PHP drops.
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
            return Err(FormError::TooDeep(shown(name)));
        }
        let (key, after) = inner
            .split_once(']')
            .ok_or_else(|| FormError::UnclosedBracket(shown(name)))?;
        keys.push(key_of(key));
        // What follows a closing bracket and is no bracket is dropped.
        rest = after;
    }
    Ok(Some((Key::Name(mangled), keys)))
}

/// PHP drops a variable that gets a prefix of protected cookies only by the mangling of its name.
fn is_faked_prefix(variable: &str, mangled: &str) -> bool {
    ["__Host-", "__Secure-"]
        .iter()
        .any(|prefix| mangled.starts_with(prefix) && !variable.starts_with(prefix))
}

/// PHP skips one character of white space (C's `isspace`) before it looks for the bracket.
fn key_of(key: &str) -> Key {
    if matches!(key, "" | " " | "\t" | "\n" | "\u{b}" | "\u{c}" | "\r") {
        Key::Next
    } else {
        Key::Name(key.to_owned())
    }
}
