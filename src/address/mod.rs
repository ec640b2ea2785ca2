//! Email addresses, parsed once and validated.

mod disposable;
mod mailbox;

use std::fmt;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

pub use mailbox::{ListError, Mailbox};

/// In bytes (RFC 5321 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// In bytes: a path of 256 without its angle brackets (RFC 5321 4.5.3.1.3).
const MAX_ADDRESS: usize = 254;

/// An addr-spec (RFC 5322 3.4.1) that mailrun can send to: a dot-atom, `@`, and a domain with a dot.
///
/// It is sent as written, except for a dot at the end of the domain. Two addresses are the same if
/// [`Address::normalized`] is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    /// The index of the `@`.
    at: usize,
    ascii_domain: String,
}

/// Why a string is not an address that mailrun can send to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address is empty")]
    Empty,
    #[error("not an email address: it must look like name@example.com")]
    Shape,
    #[error("more than one address")]
    List,
    /// White space, a control character or an invisible character inside.
    #[error("the address contains {}", describe(*.0))]
    Character(char),
    /// A character that a local part may only have in quotes, or never.
    #[error("the part before the @ contains {}", describe(*.0))]
    Local(char),
    #[error("the part before the @ starts or ends with a dot, or has two dots in a row")]
    LocalDots,
    /// `"a b"@example.com`
    #[error("a quoted part before the @ is not supported")]
    Quoted,
    /// Only servers with SMTPUTF8 (RFC 6531) accept it.
    #[error("the part before the @ contains {}, but only ASCII is supported there{}", describe(*.0), straight(*.0))]
    NeedsSmtpUtf8(char),
    #[error("the part before the @ is {0} characters long; the limit is {MAX_LOCAL}")]
    LocalTooLong(usize),
    #[error("the address is {0} characters long; the limit is {MAX_ADDRESS}")]
    TooLong(usize),
    /// `jan@[192.0.2.1]`
    #[error("an IP address instead of a domain is not supported")]
    Literal,
    #[error("the domain “{0}” has no dot")]
    NoDot(String),
    /// IDNA (UTS 46, RFC 5891) does not allow it, or its last label is a number (RFC 3696 2).
    #[error("“{0}” is not a valid domain name")]
    Domain(String),
    /// Characters that IDNA maps to others, such as full-width letters: the domain as written, and mapped.
    #[error("the domain “{0}” must be written as “{1}”")]
    DomainForm(String, String),
}

fn describe(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        '\t' => "a tab".to_owned(),
        '\r' | '\n' => "a line break".to_owned(),
        c if is_invisible(c) => format!("the invisible character U+{:04X}", c as u32),
        c => format!("“{c}”"),
    }
}

/// Advice for a typographic apostrophe.
fn straight(c: char) -> &'static str {
    match c {
        '‘' | '’' | '´' | 'ʼ' => ": write a straight apostrophe (')",
        _ => "",
    }
}

/// White space, and the format characters that are often around pasted text.
fn is_padding(c: char) -> bool {
    let format = matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}');
    format || c.is_whitespace()
}

fn is_invisible(c: char) -> bool {
    is_padding(c) || c.is_control()
}

/// RFC 5322 3.2.3 `atext`.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

impl Address {
    /// Parses one address. White space and invisible characters around it are dropped.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim_matches(is_padding);
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.starts_with('"') {
            return Err(AddressError::Quoted);
        }
        let is_separator = |c: char| matches!(c, ',' | ';' | '/' | '|') || c.is_whitespace();
        if text.matches('@').count() > 1 && text.contains(is_separator) {
            return Err(AddressError::List);
        }
        let (local, domain) = text.split_once('@').ok_or(AddressError::Shape)?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(AddressError::Shape);
        }
        if let Some(c) = text.chars().find(|c| is_invisible(*c)) {
            return Err(AddressError::Character(c));
        }
        check_local(local)?;
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let ascii_domain = ascii_domain(domain)?;
        let length = local.len() + 1 + ascii_domain.len();
        if length > MAX_ADDRESS {
            return Err(AddressError::TooLong(length));
        }
        Ok(Self {
            text: format!("{local}@{domain}"),
            at: local.len(),
            ascii_domain,
        })
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`, as written.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// The domain as lower-case A-labels.
    pub fn ascii_domain(&self) -> &str {
        &self.ascii_domain
    }

    /// Whether its domain is a known provider of temporary addresses.
    pub fn is_disposable(&self) -> bool {
        disposable::is_disposable(&self.ascii_domain)
    }

    /// With the domain as A-labels, for headers and SMTP commands.
    pub fn to_ascii(&self) -> String {
        format!("{}@{}", self.local(), self.ascii_domain)
    }

    /// With the domain in Unicode, for people.
    pub fn to_unicode(&self) -> String {
        let (domain, _) = idna::domain_to_unicode(&self.ascii_domain);
        format!("{}@{domain}", self.local())
    }

    /// The same for all spellings of an address: in lower case, with the domain as A-labels.
    pub fn normalized(&self) -> String {
        format!(
            "{}@{}",
            self.local().to_ascii_lowercase(),
            self.ascii_domain
        )
    }

    /// Whether [`Address::normalized`] is `text`, without allocating.
    pub(crate) fn is_normalized_as(&self, text: &str) -> bool {
        text.split_once('@').is_some_and(|(local, domain)| {
            let lower = self.local().bytes().map(|byte| byte.to_ascii_lowercase());
            domain == self.ascii_domain && local.bytes().eq(lower)
        })
    }
}

fn check_local(local: &str) -> Result<(), AddressError> {
    if let Some(c) = local.chars().find(|c| !c.is_ascii()) {
        return Err(AddressError::NeedsSmtpUtf8(c));
    }
    if let Some(c) = local.chars().find(|c| *c != '.' && !is_atext(*c)) {
        return Err(AddressError::Local(c));
    }
    if local.split('.').any(str::is_empty) {
        return Err(AddressError::LocalDots);
    }
    if local.len() > MAX_LOCAL {
        return Err(AddressError::LocalTooLong(local.len()));
    }
    Ok(())
}

/// The domain as lower-case A-labels, by UTS 46 without transitional mapping: “ß” stays “ß”.
fn ascii_domain(domain: &str) -> Result<String, AddressError> {
    if domain.starts_with('[') {
        return Err(AddressError::Literal);
    }
    // No character has more than four bytes, and an A-label is at least as long as its characters.
    if domain.len() > 4 * MAX_ADDRESS {
        return Err(AddressError::TooLong(domain.len()));
    }
    let invalid = || AddressError::Domain(domain.to_owned());
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::Check,
            DnsLength::Verify,
        )
        .map_err(|_| invalid())?;
    if !domain.is_ascii() {
        check_form(domain, &ascii)?;
    }
    let (_, top) = ascii
        .rsplit_once('.')
        .ok_or_else(|| AddressError::NoDot(domain.to_owned()))?;
    if top.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid());
    }
    Ok(ascii.into_owned())
}

/// A domain is sent as written, so it may differ from the Unicode form of its A-labels only in case
/// (RFC 5891 4.2.1).
fn check_form(domain: &str, ascii: &str) -> Result<(), AddressError> {
    let (unicode, _) =
        Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    if domain.to_lowercase() == unicode {
        return Ok(());
    }
    Err(AddressError::DomainForm(
        domain.to_owned(),
        unicode.into_owned(),
    ))
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect(text)
    }

    fn error(text: &str) -> AddressError {
        Address::parse(text).expect_err(text)
    }

    #[test]
    fn an_address_is_sent_as_written_without_what_is_around_it() {
        assert_eq!(
            address(" Jan.K@Example.COM.\u{a0}").as_str(),
            "Jan.K@Example.COM"
        );
        for around in ['\u{200b}', '\u{ad}', '\u{202a}', '\u{feff}', '\u{3000}'] {
            let padded = format!("{around}jan@example.com{around}\u{202c}");
            assert_eq!(address(&padded).as_str(), "jan@example.com");
        }
        assert_eq!(address("jan@łódź.pl").as_str(), "jan@łódź.pl");
        assert_eq!(address("jan@Łódź.PL").to_ascii(), "jan@xn--d-uga0v4h.pl");
        assert_eq!(address("Jan@faß.de").ascii_domain(), "xn--fa-hia.de");
    }

    #[test]
    fn spellings_of_one_address_are_the_same() {
        for other in [
            "JAN@ŁÓDŹ.PL",
            "jan@xn--d-uga0v4h.pl",
            "Jan@XN--D-UGA0V4H.PL.",
        ] {
            assert_eq!(
                address(other).normalized(),
                address("jan@łódź.pl").normalized()
            );
        }
        assert_ne!(
            address("jan@fass.de").normalized(),
            address("jan@faß.de").normalized()
        );
    }

    #[test]
    fn a_domain_must_be_what_it_looks_like() {
        let full_width = ("ｅxample.com", "example.com");
        for (written, meant) in [
            full_width,
            ("example。com", "example.com"),
            ("ło\u{301}dź.pl", "łódź.pl"),
        ] {
            let expected = AddressError::DomainForm(written.into(), meant.into());
            assert_eq!(error(&format!("jan@{written}")), expected);
        }
        assert_eq!(
            error("jan@exam\u{ad}ple.com"),
            AddressError::Character('\u{ad}')
        );
        assert_eq!(
            error("jan\u{200b}@example.com"),
            AddressError::Character('\u{200b}')
        );
        for invalid in [
            "192.0.2.1",
            "example.123",
            "a_b.pl",
            "-a.pl",
            "a..pl",
            "xn--a.pl",
        ] {
            assert_eq!(
                error(&format!("jan@{invalid}")),
                AddressError::Domain(invalid.into())
            );
        }
    }

    #[test]
    fn a_typographic_apostrophe_is_to_be_written_straight() {
        let error = error("dee.o’neil@example.com").to_string();
        assert!(
            error.ends_with(": write a straight apostrophe (')"),
            "{error}"
        );
        assert_eq!(address("dee.o'neil@example.com").local(), "dee.o'neil");
    }

    #[test]
    fn lengths_are_those_of_rfc_5321() {
        let label = "a".repeat(61);
        let domain = format!("{label}.{label}.{label}");
        let local = "b".repeat(64);
        assert_eq!(
            address(&format!("{local}@{domain}.cc")).to_ascii().len(),
            253
        );
        assert_eq!(
            address(&format!("{local}@{domain}.ccc")).to_ascii().len(),
            254
        );
        assert_eq!(
            error(&format!("{local}@{domain}.cccc")),
            AddressError::TooLong(255)
        );
        assert_eq!(
            error(&format!("b{local}@{domain}")),
            AddressError::LocalTooLong(65)
        );
    }
}
