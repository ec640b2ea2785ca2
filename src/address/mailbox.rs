//! An address with a display name.

use super::{Address, AddressError, is_padding};

/// An address with an optional display name (RFC 5322 3.4 `mailbox`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Unquoted, and never empty.
    pub name: Option<String>,
    pub address: Address,
}

impl Mailbox {
    /// Parses `a@example.com`, `Name <a@example.com>` or `"Name" <a@example.com>`; also forms that are not
    /// in the RFC but can only mean one thing: `Last, First <a@example.com>`, `a@example.com <Name>`,
    /// `a@example.com <a@example.com>` and an address in quotes.
    ///
    /// # Errors
    /// The first mistake in the address or the name.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim_matches(is_padding);
        let Some((before, inside)) = text.strip_suffix('>').and_then(|t| t.rsplit_once('<')) else {
            return Ok(Self::bare(Address::parse(without_quotes(text))?));
        };
        let (name, address) = if inside.contains('@') || !before.contains('@') {
            (before, inside)
        } else {
            (inside, before)
        };
        if let (Ok(one), Ok(two)) = (Address::parse(name), Address::parse(address))
            && one.normalized() == two.normalized()
        {
            return Ok(Self::bare(two));
        }
        let name = display_name(name.trim_matches(is_padding))?;
        let address = Address::parse(address)?;
        Ok(Self {
            name: (!name.is_empty()).then_some(name),
            address,
        })
    }

    fn bare(address: Address) -> Self {
        Self {
            name: None,
            address,
        }
    }
}

/// A text without a pair of quotes around it.
fn without_quotes(text: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
        .filter(|inside| !inside.contains('"'))
        .unwrap_or(text)
}

/// A display name (RFC 5322 3.4). A quoted string may have any characters except control characters;
/// unquoted text may not look like an address.
fn display_name(name: &str) -> Result<String, AddressError> {
    if let Some(c) = name.chars().find(|c| c.is_control()) {
        return Err(AddressError::Character(c));
    }
    let quoted = name.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    if let Some(name) = quoted.and_then(unquoted) {
        return Ok(name.trim().to_owned());
    }
    if name.contains(['<', '>', '@']) {
        return Err(AddressError::List);
    }
    Ok(without_quotes(name.trim_matches('"')).trim().to_owned())
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
        for text in [
            "Kowalski, Jan <jan@example.com>",
            "jan@example.com <Kowalski, Jan>",
            "'Kowalski, Jan' <jan@example.com>",
            "\"\"Kowalski, Jan\"\" <jan@example.com>",
            "\"Kowalski, Jan <jan@example.com>",
        ] {
            assert_eq!(name(text).as_deref(), Some("Kowalski, Jan"), "{text}");
        }
        for kept in [
            "Jan “K” O’Neil",
            "Jan \"K\" Kowalski",
            "Support (Billing); Acme",
        ] {
            assert_eq!(
                name(&format!("{kept} <jan@example.com>")).as_deref(),
                Some(kept)
            );
        }
        for bare in [
            "jan@example.com <Jan@example.com>",
            "'jan@example.com'",
            "\"jan@example.com\"",
            "\u{200b}<jan@example.com>\u{a0}",
        ] {
            assert_eq!(name(bare), None, "{bare}");
        }
        assert_eq!(name("<jan@example.com>"), None);
        assert_eq!(name(r#""" <jan@example.com>"#), None);
        assert_eq!(name("jan@example.com"), None);
    }

    #[test]
    fn a_display_name_hides_no_second_address() {
        for list in [
            "ewa@example.com <jan@example.com>",
            "Ewa <ewa@example.com>, Jan <jan@example.com>",
            "ewa@example.com, Jan <jan@example.com>",
            r#""Ewa" <ewa@example.com>, "Jan" <jan@example.com>"#,
            "jan@example.com ewa@example.com",
        ] {
            assert_eq!(Mailbox::parse(list), Err(AddressError::List), "{list}");
        }
        assert_eq!(Mailbox::parse("jan@ <Jan>"), Err(AddressError::Shape));
        assert_eq!(
            Mailbox::parse("Jan\r\nBcc: x <jan@example.com>"),
            Err(AddressError::Character('\r'))
        );
    }
}
