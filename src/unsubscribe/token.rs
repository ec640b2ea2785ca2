//! What a token says.

use crate::address::Address;
use crate::list_name::ListName;

/// The longest content, in bytes.
pub(super) const MAX_CONTENT: usize = 512;
/// Contents are filled up to a multiple of this, so that the length of a token says little about that of the address.
const BLOCK: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsubscribeToken {
    /// The list that the recipient is added to.
    pub list: ListName,
    /// The start of the message IDs of the run.
    pub run: String,
    /// The row of the run.
    pub row: u32,
    pub address: Address,
}

impl UnsubscribeToken {
    /// The row, and each text after its length.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut content = self.row.to_be_bytes().to_vec();
        let address = self.address.normalized();
        for text in [self.list.as_str(), &self.run, &address] {
            // A list has at most 64 bytes, an address 254, and the name of a run is made by mailrun.
            let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
            content.push(length);
            content.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
        }
        content.resize(content.len().next_multiple_of(BLOCK), 0);
        content
    }

    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let (row, mut rest) = content.split_at_checked(4)?;
        let mut text = || {
            let (length, after) = rest.split_first()?;
            let (text, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            String::from_utf8(text.to_vec()).ok()
        };
        Some(Self {
            row: u32::from_be_bytes(row.try_into().ok()?),
            list: format!("@{}", text()?).parse().ok()?,
            run: text()?,
            address: Address::parse(&text()?).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::FeedbackKeys;
    use super::*;

    fn key(byte: u8) -> String {
        format!("{byte:02x}").repeat(32)
    }

    fn keys(newest: u8, retired: &[u8]) -> FeedbackKeys {
        let retired: Vec<_> = retired.iter().map(|byte| key(*byte)).collect();
        FeedbackKeys::parse(&key(newest), &retired.join(",")).expect("keys")
    }

    fn token(list: &str, address: &str) -> UnsubscribeToken {
        UnsubscribeToken {
            list: format!("@{list}").parse().expect("a list"),
            run: "0123456789abcdef0123".to_owned(),
            row: 7,
            address: Address::parse(address).expect("an address"),
        }
    }

    proptest! {
        #[test]
        fn a_token_says_what_it_was_made_of(
            list in "[a-z0-9][a-z0-9_.-]{0,63}",
            run in "[0-9a-f]{20}",
            row: u32,
            local in "[a-z0-9]{1,64}",
            domain in "[a-z]{1,60}\\.[a-z]{2,60}",
        ) {
            let address = format!("{local}@{domain}");
            let content = UnsubscribeToken { run, row, ..token(&list, &address) };
            let keys = keys(1, &[]);
            let token = keys.token(&content);
            prop_assert_eq!(&keys.token(&content), &token);
            prop_assert!(!token.contains(&address));
            prop_assert!(token.len() < 700);
            prop_assert_eq!(keys.verify(&token), Some(content));
        }

        #[test]
        fn anything_else_is_no_token(text in ".{0,200}", other in "[A-Za-z0-9_-]{90,140}") {
            let keys = keys(1, &[2]);
            prop_assert_eq!(keys.verify(&text), None);
            prop_assert_eq!(keys.verify(&other), None);
        }
    }

    #[test]
    fn a_changed_token_is_none() {
        let keys = keys(1, &[]);
        let token = keys.token(&token("acme", "ann@example.com"));
        for at in 0..token.len() {
            assert_eq!(keys.verify(&token[..at]), None, "cut at {at}");
            for bit in 0..7 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let changed = String::from_utf8(bytes).expect("ASCII");
                assert_eq!(keys.verify(&changed), None, "{changed}");
            }
        }
        for longer in [
            format!("{token}A"),
            format!("{token}="),
            format!(" {token}"),
        ] {
            assert_eq!(keys.verify(&longer), None, "{longer}");
        }
    }

    #[test]
    fn retired_keys_verify_and_foreign_ones_do_not() {
        let content = token("acme", "ann@example.com");
        let old = keys(1, &[]).token(&content);
        assert_eq!(keys(2, &[3, 1]).verify(&old), Some(content.clone()));
        assert_eq!(keys(2, &[3]).verify(&old), None);
        let new = keys(2, &[1]).token(&content);
        assert_ne!(new, old);
        assert_eq!(keys(1, &[]).verify(&new), None);
    }

    #[test]
    fn all_spellings_of_an_address_have_one_token_and_lengths_say_little() {
        let keys = keys(1, &[]);
        let of = |address| keys.token(&token("acme", address));
        assert_eq!(of("Ann@EXAMPLE.com"), of("ann@example.com"));
        assert_ne!(of("bob@example.com"), of("ann@example.com"));
        assert_eq!(of("bob@example.com").len(), of("barbara@example.com").len());
        assert_ne!(
            keys.token(&token("other", "ann@example.com")),
            of("ann@example.com")
        );
    }

    #[test]
    fn an_undo_belongs_to_one_click_on_one_token() {
        let keys = keys(1, &[2]);
        let proof = keys.undo_proof("a", 1_795_515_630_123);
        assert_eq!(keys.verify_undo("a", &proof), Some(1_795_515_630_123));
        assert_eq!(keys.verify_undo("b", &proof), None);
        assert_eq!(keys.verify_undo("a", &proof.replace("123.", "124.")), None);
        assert_eq!(
            self::keys(3, &[1]).verify_undo("a", &proof),
            Some(1_795_515_630_123)
        );
        assert_eq!(self::keys(3, &[]).verify_undo("a", &proof), None);
        for wrong in ["", ".", "1795515630123", "1795515630123.", "x.y"] {
            assert_eq!(keys.verify_undo("a", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_has_64_hexadecimal_digits() {
        let good = key(0xab);
        assert!(FeedbackKeys::parse(&format!(" {good}\n"), " , ").is_ok());
        for bad in [
            "",
            "ab",
            &good[1..],
            &good.replacen("ab", "+a", 1),
            &good.replace('a', "ż"),
        ] {
            assert!(FeedbackKeys::parse(bad, "").is_err(), "{bad}");
            assert!(FeedbackKeys::parse(&good, &format!("{good},{bad}x")).is_err());
        }
    }
}
