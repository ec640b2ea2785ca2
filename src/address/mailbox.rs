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

    /// Parses a list of mailboxes, separated by semicolons, commas or line breaks. It may be empty. Where the parts are
    /// separated by semicolons or line breaks, a comma belongs to a name: `Last, First <a@example.com>; b@example.com`.
    ///
    /// # Errors
    /// The first part that is not a mailbox.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, ListError> {
        let text = text.trim_matches(is_padding);
        if let Ok(only) = Self::parse(text) {
            return Ok(vec![only]);
        }
        let mut parts = parts(text, &[';', '\r', '\n']);
        if parts.len() == 1 {
            parts = self::parts(text, &[',']);
        }
        let parts = parts.into_iter().map(|part| part.trim_matches(is_padding));
        let parts = parts.filter(|part| !part.is_empty());
        let parse = |part: &str| {
            Self::parse(part).map_err(|error| ListError {
                error,
                part: part.to_owned(),
            })
        };
        parts.map(parse).collect()
    }

    fn bare(address: Address) -> Self {
        Self {
            name: None,
            address,
        }
    }
}

/// Why a text is not a list of mailboxes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}: “{part}”")]
pub struct ListError {
    error: AddressError,
    part: String,
}

/// The parts of a text between separators that are not inside quotes.
fn parts<'a>(text: &'a str, separators: &[char]) -> Vec<&'a str> {
    let (mut parts, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == '"' {
            is_quoted = !is_quoted;
        } else if !is_quoted && separators.contains(&c) {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
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
    fn a_list_is_separated_by_semicolons_commas_or_line_breaks() {
        let list = |text: &str| -> Vec<String> {
            let list = Mailbox::parse_list(text).expect(text).into_iter();
            list.map(|it| format!("{}|{}", it.name.unwrap_or_default(), it.address))
                .collect()
        };
        for text in [
            "a@example.com;b@example.com",
            "a@example.com, b@example.com",
            " a@example.com\r\nb@example.com; ",
            "<a@example.com>,'b@example.com'",
        ] {
            assert_eq!(list(text), ["|a@example.com", "|b@example.com"], "{text}");
        }
        assert_eq!(
            list("Kowalski, Jan <a@example.com>; \"Bo; B\" <b@example.com>"),
            ["Kowalski, Jan|a@example.com", "Bo; B|b@example.com"]
        );
        assert_eq!(
            list("Jan <a@example.com>, \"Bo, B\" <b@example.com>"),
            ["Jan|a@example.com", "Bo, B|b@example.com"]
        );
        assert_eq!(
            list("Kowalski, Jan <a@example.com>"),
            ["Kowalski, Jan|a@example.com"]
        );
        assert!(list(" ; ").is_empty() && list("").is_empty());
        let error = Mailbox::parse_list("a@example.com; b at example").expect_err("no address");
        assert!(error.to_string().ends_with("“b at example”"), "{error}");
        let error = Mailbox::parse_list("a@example.com b@example.com").expect_err("no separator");
        assert_eq!(error.error, AddressError::List);
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
