//! What a mail says about messages: a report about each recipient.

use crate::api::EventKind;

/// What became of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecipientReport {
    /// The recipient, perhaps under several addresses; empty if the report names none.
    pub(super) addresses: Vec<String>,
    pub(super) kind: EventKind,
    /// The server's words.
    pub(super) description: String,
}

/// The address in a field such as `rfc822; jan@b.example` or `<jan@b.example>`, as it is and with its xtext (RFC 3461 4)
/// decoded.
pub(super) fn addresses_in(value: &str) -> Vec<String> {
    let value = value.split_once(';').map_or(value, |(_, address)| address);
    let value = value.trim();
    let inside = value.split_once('<').map(|(_, rest)| rest);
    let inside = inside.and_then(|rest| rest.split_once('>'));
    let address = inside.map_or(value, |(address, _)| address).trim();
    if !address.contains('@') {
        return Vec::new();
    }
    let mut addresses = vec![address.to_owned()];
    addresses.extend(without_xtext(address).filter(|decoded| decoded != address));
    addresses
}

fn without_xtext(text: &str) -> Option<String> {
    let mut parts = text.split('+');
    let mut decoded = parts.next()?.to_owned();
    for part in parts {
        let code = part.get(..2).filter(|code| {
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
            code.bytes().all(is_hex)
        });
        let byte = u8::from_str_radix(code?, 16).ok()?;
        decoded.push(char::from(byte));
        decoded.push_str(&part[2..]);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_type() {
        for (value, addresses) in [
            ("rfc822; jan@b.example", vec!["jan@b.example"]),
            ("RFC822;<jan@b.example>", vec!["jan@b.example"]),
            ("Jan <jan@b.example>", vec!["jan@b.example"]),
            (
                "rfc822;jan+2Bshop@b.example",
                vec!["jan+2Bshop@b.example", "jan+shop@b.example"],
            ),
            ("rfc822;jan+shop@b.example", vec!["jan+shop@b.example"]),
            ("x400; /C=XX/", vec![]),
        ] {
            assert_eq!(addresses_in(value), addresses, "{value}");
        }
    }
}
