//! Variable envelope return paths: `return_path = "bounces+{{ verp }}@acme.example"` gives each message an address of
//! its own, so that a bounce says which row it is about, and nobody can make one up.

use std::sync::LazyLock;

use regex::Regex;
use ring::hmac;
use subtle::ConstantTimeEq as _;

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

/// Makes and verifies the tokens of a run.
pub(crate) struct Verp {
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
    pub(crate) fn new(key: [u8; KEY_LENGTH], id_prefix: &str) -> Self {
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

    /// The row of the first token in a text that the key has signed. Some servers change the case of addresses.
    pub(crate) fn row_in(&self, text: &str) -> Option<u32> {
        let text = text.to_ascii_lowercase();
        let start = format!("{}-", self.id_prefix.to_ascii_lowercase());
        let mut tokens = text.match_indices(&start);
        tokens.find_map(|(at, _)| self.verified(&text[at + start.len()..]))
    }

    /// The row of a token without the run, if it is signed.
    fn verified(&self, token: &str) -> Option<u32> {
        let (number, mac) = token.split_once('-')?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = number.parse().ok().filter(|_| is_number)?;
        let mac = mac.get(..2 * MAC_LENGTH)?;
        let signed = self.mac(&self.named(number));
        bool::from(signed.as_bytes().ct_eq(mac.as_bytes())).then_some(number)
    }

    /// The run, the row, and an HMAC of both.
    fn token(&self, row: &Row) -> String {
        let named = self.named(row.number);
        let mac = self.mac(&named);
        format!("{named}-{mac}")
    }

    fn named(&self, number: u32) -> String {
        format!("{}-{number}", self.id_prefix)
    }

    fn mac(&self, named: &str) -> String {
        let mac = hmac::sign(&self.key, named.as_bytes());
        (mac.as_ref()[..MAC_LENGTH].iter())
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_signed_tokens_name_a_row() {
        let verp = Verp::new([7; KEY_LENGTH], "a1b2");
        let mac = verp.mac("a1b2-12");
        let of = |text: &str| verp.row_in(text);
        let token = format!("a1b2-12-{mac}");
        assert_eq!(of(&format!("<bounces+{token}@x.example>")), Some(12));
        assert_eq!(of(&format!("BOUNCES+{}@X", token.to_uppercase())), Some(12));
        // One that is not signed comes before it.
        assert_eq!(of(&format!("b+a1b2-1-{mac}@x, b+{token}@x")), Some(12));
        for forged in [
            format!("a1b2-13-{mac}"),
            format!("a1b2-+12-{mac}"),
            format!("a1b3-12-{mac}"),
            format!("a1b2-12-{}", &mac[..15]),
            format!("a1b2-12-{}", "0".repeat(16)),
            "a1b2-12-".to_owned(),
            "a1b2-99999999999-0000000000000000".to_owned(),
        ] {
            assert_eq!(of(&format!("bounces+{forged}@x.example")), None, "{forged}");
        }
        let other = Verp::new([8; KEY_LENGTH], "a1b2");
        assert_eq!(other.row_in(&token), None);
    }
}
