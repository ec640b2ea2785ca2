//! Variable envelope return paths: `return_path = "bounces+{{ verp }}@acme.example"` gives each message an address of
//! its own, so that a bounce says which row it is about, and nobody can make one up.

use std::sync::LazyLock;

use regex::Regex;
use ring::hmac;

use super::row::Row;
use crate::address::Address;

/// The key of a run, in bytes.
pub(crate) const KEY_LENGTH: usize = 32;
/// How many bytes of the HMAC are in a token: the local part of an address has at most 64 characters.
const MAC_LENGTH: usize = 8;
/// Stands for the token until a row is known.
const PLACEHOLDER: &str = "mailrun-verp-token";

static VARIABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{-?\s*verp\s*-?\}\}").expect("a valid expression"));

/// Makes the tokens of a run.
pub(super) struct Verp {
    key: hmac::Key,
    id_prefix: String,
}

/// Whether a return path has a token.
pub(crate) fn has_token(return_path: &str) -> bool {
    VARIABLE.is_match(return_path)
}

/// Replaces `{{ verp }}`, which is no variable of Tera.
pub(super) fn with_placeholder(return_path: &str) -> String {
    VARIABLE.replace_all(return_path, PLACEHOLDER).into_owned()
}

impl Verp {
    pub(super) fn new(key: [u8; KEY_LENGTH], id_prefix: &str) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            id_prefix: id_prefix.to_owned(),
        }
    }

    /// The return path of a row's message. Without a placeholder, it is `address` itself.
    pub(super) fn address(&self, address: Address, row: &Row) -> Address {
        if !address.as_str().contains(PLACEHOLDER) {
            return address;
        }
        let of_row = address.as_str().replace(PLACEHOLDER, &self.token(row));
        Address::parse(&of_row).unwrap_or(address)
    }

    /// The run, the row, and an HMAC of both.
    fn token(&self, row: &Row) -> String {
        let named = format!("{}-{}", self.id_prefix, row.number);
        let mac = hmac::sign(&self.key, named.as_bytes());
        let mac: String = (mac.as_ref()[..MAC_LENGTH].iter())
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{named}-{mac}")
    }
}
