//! Forgotten people: what a ledger has in place of an address, and who can tell whose it was.

use std::borrow::Cow;

use ring::hmac;
use sha2::{Digest, Sha256};

use super::LedgerError;
use crate::address::Address;

/// The email of a forgotten row.
pub(crate) const FORGOTTEN: &str = "(forgotten)";
/// The code of a row that was not sent yet when its recipient was forgotten.
pub(crate) const FORGOTTEN_CODE: &str = "forgotten";
pub(super) const FORGOTTEN_REASON: &str = "the person was forgotten before the message was sent";
/// What the address of a forgotten row begins with. The name of the key and the hash follow, after colons. No
/// address has a colon.
pub(super) const PREFIX: &str = "forgotten:";

/// In bytes.
const KEY_LENGTH: usize = 32;
/// The block of SHA-256 (RFC 2104), in bytes.
const BLOCK: usize = 64;
/// How many hexadecimal digits of the HMAC are kept.
const HASH_DIGITS: usize = 32;
const NAME_DIGITS: usize = 8;

/// Whether this stands in place of an address.
pub(crate) fn is_forgotten(address: &str) -> bool {
    address.starts_with(PREFIX)
}

/// The name of the key of a hash.
pub(crate) fn key_name(hash: &str) -> Option<&str> {
    hash.strip_prefix(PREFIX)?.get(..NAME_DIGITS)
}

/// The key of the hashes that stand for forgotten addresses. It is never changed: with another one, nobody could tell
/// that a forgotten person got the message.
#[derive(Clone)]
pub(crate) struct ForgetKey {
    bytes: [u8; KEY_LENGTH],
    key: hmac::Key,
    name: String,
}

impl ForgetKey {
    pub(crate) fn random() -> Self {
        Self::new(rand::random())
    }

    pub(super) fn new(bytes: [u8; KEY_LENGTH]) -> Self {
        let mut name = hex(&Sha256::digest(bytes));
        name.truncate(NAME_DIGITS);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
            bytes,
            name,
        }
    }

    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self::new(bytes.try_into().ok()?))
    }

    /// Parses [`ForgetKey::to_hex`].
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 2 * KEY_LENGTH || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let digits = (0..KEY_LENGTH).map(|index| u8::from_str_radix(&text[2 * index..][..2], 16));
        let bytes: Vec<u8> = digits.collect::<Result<_, _>>().ok()?;
        Self::from_slice(&bytes)
    }

    pub(crate) fn to_hex(&self) -> String {
        hex(&self.bytes)
    }

    /// It identifies the key, and says nothing about it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key with the inner and the outer padding of HMAC, for a database that has SHA-256 alone.
    pub(super) fn pads(&self) -> [[u8; BLOCK]; 2] {
        [0x36, 0x5c].map(|pad| {
            let mut block = [pad; BLOCK];
            for (byte, key) in block.iter_mut().zip(self.bytes) {
                *byte ^= key;
            }
            block
        })
    }

    /// What stands in place of a normalized address.
    pub(crate) fn hash(&self, normalized: &str) -> String {
        let mut mac = hex(hmac::sign(&self.key, normalized.as_bytes()).as_ref());
        mac.truncate(HASH_DIGITS);
        format!("{PREFIX}{}:{mac}", self.name)
    }
}

/// Keys by their names.
#[derive(Clone, Default)]
pub(crate) struct ForgetKeys(Vec<ForgetKey>);

impl ForgetKeys {
    pub(crate) fn add(&mut self, key: ForgetKey) {
        if self.0.iter().all(|known| known.name != key.name) {
            self.0.push(key);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ForgetKey> {
        self.0.iter()
    }

    pub(crate) fn first(&self) -> Option<&ForgetKey> {
        self.0.first()
    }

    /// # Errors
    /// The key is lost.
    pub(crate) fn get(&self, name: &str) -> Result<&ForgetKey, LedgerError> {
        let found = self.0.iter().find(|key| key.name == name);
        found.ok_or_else(|| LedgerError::NoForgetKey(name.to_owned()))
    }
}

/// A person to forget.
#[derive(Clone)]
pub(crate) struct Person {
    normalized: String,
    /// Its spellings in lower case.
    spellings: Vec<String>,
}

impl Person {
    pub(crate) fn new(address: &Address) -> Self {
        let normalized = address.normalized();
        let mut spellings = vec![normalized.clone()];
        let unicode = address.to_unicode().to_lowercase();
        if unicode != normalized {
            spellings.push(unicode);
        }
        Self {
            normalized,
            spellings,
        }
    }

    pub(crate) fn normalized(&self) -> &str {
        &self.normalized
    }

    pub(super) fn spellings(&self) -> &[String] {
        &self.spellings
    }

    /// Whether this is the person's address.
    pub(super) fn has(&self, address: &str) -> bool {
        Address::parse(address).is_ok_and(|address| address.normalized() == self.normalized)
    }

    /// Whether this is the person's address, or a hash of it.
    pub(crate) fn is(&self, address: &str, keys: &ForgetKeys) -> bool {
        self.has(address) || keys.iter().any(|key| key.hash(&self.normalized) == address)
    }

    /// Whether a text contains the address, in any case, and not as a part of another one.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.next_in(text).is_some()
    }

    /// The text with `(forgotten)` in place of the address.
    pub(crate) fn taken_out_of<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(mut found) = self.next_in(text) else {
            return Cow::Borrowed(text);
        };
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        loop {
            out.push_str(&rest[..found.start]);
            out.push_str(FORGOTTEN);
            rest = &rest[found.end..];
            match self.next_in(rest) {
                Some(next) => found = next,
                None => break,
            }
        }
        out.push_str(rest);
        Cow::Owned(out)
    }

    fn next_in(&self, text: &str) -> Option<std::ops::Range<usize>> {
        let lower = text.to_ascii_lowercase();
        let places = self.spellings.iter().flat_map(|spelling| {
            let places = lower.match_indices(spelling.as_str());
            places.map(|(start, found)| start..start + found.len())
        });
        places
            .filter(|place| {
                !continues_before(&lower[..place.start]) && !continues_after(&lower[place.end..])
            })
            .min_by_key(|place| place.start)
    }
}

/// Whether the local part of an address begins earlier.
fn continues_before(text: &str) -> bool {
    let last = text.chars().next_back();
    last.is_some_and(|c| c.is_alphanumeric() || "._-+".contains(c))
}

/// Whether the domain of an address goes on.
fn continues_after(text: &str) -> bool {
    let mut chars = text.chars();
    match chars.next() {
        Some('.') => chars.next().is_some_and(char::is_alphanumeric),
        Some(c) => c.is_alphanumeric() || c == '-',
        None => false,
    }
}

/// Who is taken out of a run.
#[derive(Clone, Copy)]
pub(crate) enum Whom<'a> {
    Person {
        person: &'a Person,
        /// The numbers of its rows.
        rows: &'a [u32],
    },
    Everybody,
}

/// What was taken out of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TakenOut {
    /// Rows that had an address, cells, or anything else of the person.
    pub(crate) rows: u64,
    /// Errors of other rows that had the address.
    pub(crate) errors: u64,
    /// Events that had a description.
    pub(crate) events: u64,
    /// The one recipient of a test.
    pub(crate) test: bool,
}

/// The cells of a forgotten row, a JSON array of empty strings.
pub(super) fn no_cells(columns: usize) -> String {
    let cells = vec![""; columns];
    serde_json::to_string(&cells).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(address: &str) -> Person {
        Person::new(&Address::parse(address).expect("an address"))
    }

    #[test]
    fn an_address_is_found_in_any_case_but_not_in_another_one() {
        let ann = person("Ann@One.example");
        for (text, expected) in [
            ("no address", "no address"),
            ("ann@one.example", "(forgotten)"),
            ("<ANN@one.EXAMPLE>: unknown", "<(forgotten)>: unknown"),
            (
                "to=ann@one.example, ann@one.example.",
                "to=(forgotten), (forgotten).",
            ),
            ("jo.ann@one.example", "jo.ann@one.example"),
            ("joann@one.example", "joann@one.example"),
            ("ann@one.example.org", "ann@one.example.org"),
            ("ann@one.example-2", "ann@one.example-2"),
            (
                "ąann@one.example ann@one.example",
                "ąann@one.example (forgotten)",
            ),
        ] {
            assert_eq!(ann.taken_out_of(text), expected);
            assert_eq!(ann.is_in(text), text != expected, "{text}");
        }
        let unicode = person("ann@bücher.example");
        assert!(unicode.is_in("<Ann@bücher.example>"));
        assert!(unicode.is_in("<ann@xn--bcher-kva.example>"));
    }

    #[test]
    fn a_hash_names_its_key_and_a_key_survives_its_text() {
        let key = ForgetKey::new([7; KEY_LENGTH]);
        let hash = key.hash("ann@one.example");
        assert_eq!(key_name(&hash), Some(key.name()));
        assert!(is_forgotten(&hash) && !is_forgotten("forgotten@one.example"));
        let parsed = ForgetKey::parse(&key.to_hex()).expect("a key");
        assert_eq!(parsed.hash("ann@one.example"), hash);
        assert_ne!(parsed.hash("bob@one.example"), hash);
        assert!(ForgetKey::parse("é").is_none() && ForgetKey::parse(&"é".repeat(32)).is_none());
        let mut keys = ForgetKeys::default();
        assert!(keys.get(key.name()).is_err());
        keys.add(key.clone());
        assert!(keys.get(key.name()).is_ok());
    }
}
