//! An address with a display name.

use super::{Address, AddressError};

/// An address with an optional display name (RFC 5322 3.4 `mailbox`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Unquoted, and never empty.
    pub name: Option<String>,
    pub address: Address,
}

impl Mailbox {
    /// Parses `a@example.com`, `Name <a@example.com>` or `"Name" <a@example.com>`.
    ///
    /// # Errors
    /// The first mistake in the address or the name.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let Some((name, address)) = text.strip_suffix('>').and_then(|t| t.rsplit_once('<')) else {
            return Ok(Self {
                name: None,
                address: Address::parse(text)?,
            });
        };
        let name = display_name(name.trim())?;
        let address = Address::parse(address)?;
        Ok(Self {
            name: (!name.is_empty()).then_some(name),
            address,
        })
    }
}

/// A display name (RFC 5322 3.4). A quoted string may have any characters except control characters;
/// unquoted text may not look like part of an address or of a list.
fn display_name(name: &str) -> Result<String, AddressError> {
    if let Some(c) = name.chars().find(|c| c.is_control()) {
        return Err(AddressError::Character(c));
    }
    let quoted = name.len() > 1 && name.starts_with('"') && name.ends_with('"');
    let name = if quoted {
        unquoted(&name[1..name.len() - 1])
    } else {
        Some(name.to_owned())
    };
    name.filter(|name| quoted || !name.contains(['<', '>', '@', ',', ';']))
        .map(|name| name.trim().to_owned())
        .ok_or(AddressError::List)
}

/// The content of a quoted string (RFC 5322 3.2.4); `None` if it ends before its last quote.
fn unquoted(quoted: &str) -> Option<String> {
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => return None,
            '\\' => text.push(characters.next()?),
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_name_goes_before_the_address() {
        let name = |text: &str| Mailbox::parse(text).expect(text).name;
        assert_eq!(
            name("Jan Kowalski <jan@example.com>").as_deref(),
            Some("Jan Kowalski")
        );
        assert_eq!(
            name(r#""Kowalski, Jan \"K\"" <jan@example.com>"#).as_deref(),
            Some("Kowalski, Jan \"K\"")
        );
        assert_eq!(name("<jan@example.com>"), None);
        assert_eq!(name(r#""" <jan@example.com>"#), None);
        assert_eq!(name("jan@example.com"), None);
    }

    #[test]
    fn a_display_name_hides_no_second_address() {
        for list in [
            "ewa@example.com <jan@example.com>",
            "Kowalski, Jan <jan@example.com>",
            "Ewa <ewa@example.com>, Jan <jan@example.com>",
            r#""Ewa" <ewa@example.com>, "Jan" <jan@example.com>"#,
            "jan@example.com ewa@example.com",
        ] {
            assert_eq!(Mailbox::parse(list), Err(AddressError::List), "{list}");
        }
        assert_eq!(
            Mailbox::parse("Jan\r\nBcc: x <jan@example.com>"),
            Err(AddressError::Character('\r'))
        );
    }
}
