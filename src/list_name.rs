//! The name of a list of suppressed addresses that mailrun keeps, such as `@acme`.

use std::fmt;
use std::str::FromStr;

/// In bytes.
const MAX: usize = 64;

/// Without the `@`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not the name of a list")]
pub struct ListNameError(String);

impl ListNameError {
    pub const HELP: &'static str = "write “@” and at most 64 of a-z, 0-9, “_”, “.” and “-”, beginning with a letter or digit, such as “@acme”";
}

impl ListName {
    /// Whether a text names a kept list and not a file.
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with('@')
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file of the list in its folder.
    pub fn file_name(&self) -> String {
        format!("{}.db", self.0)
    }

    /// That file, and those that SQLite has beside it.
    pub(crate) fn file_names(&self) -> [String; 3] {
        ["", "-wal", "-shm"].map(|end| self.file_name() + end)
    }
}

impl FromStr for ListName {
    type Err = ListNameError;

    /// Parses a name with its `@`.
    fn from_str(text: &str) -> Result<Self, ListNameError> {
        let error = || ListNameError(text.to_owned());
        let name = text.strip_prefix('@').ok_or_else(error)?;
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_valid = name.len() <= MAX
            && name.bytes().next().is_some_and(is_plain)
            && name
                .bytes()
                .all(|byte| is_plain(byte) || b"_.-".contains(&byte));
        match is_valid {
            true => Ok(Self(name.to_owned())),
            false => Err(error()),
        }
    }
}

impl fmt::Display for ListName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_a_file_name_everywhere() {
        for good in ["@acme", "@a", "@0.b_c-d", &format!("@{}", "x".repeat(64))] {
            let name: ListName = good.parse().expect(good);
            assert_eq!(name.to_string(), good);
        }
        let long = format!("@{}", "x".repeat(65));
        for bad in [
            "acme", "@", "@.hidden", "@-x", "@Acme", "@a/b", "@a b", "@ä", "@..", &long,
        ] {
            assert!(bad.parse::<ListName>().is_err(), "{bad}");
        }
    }
}
