//! Where it is said how a file is read.

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum SettingPlace {
    /// In `[recipients]`.
    #[default]
    Recipients,
    /// In `suppress`, at the entry of this file.
    Suppress(String),
    /// In options of the command line.
    Options,
}

impl SettingPlace {
    /// How to write a key, for example `email = "E-Mail"` in [recipients].
    pub(super) fn setting(&self, key: &str, value: &str) -> String {
        match self {
            Self::Recipients => format!("`{key} = {value:?}` in [recipients]"),
            Self::Options => format!("`--{key} {value:?}`"),
            Self::Suppress(file) => {
                format!("`{{ file = {file:?}, {key} = {value:?} }}` in `suppress`, in [recipients]")
            }
        }
    }

    /// How to write a key whose value is a number.
    pub(super) fn number(&self, key: &str, value: u64) -> String {
        match self {
            Self::Recipients => format!("`{key} = {value}` in [recipients]"),
            Self::Options => format!("`--{} {value}`", key.replace('_', "-")),
            Self::Suppress(file) => {
                format!("`{{ file = {file:?}, {key} = {value} }}` in `suppress`, in [recipients]")
            }
        }
    }

    /// Where a key is.
    pub(super) fn of_key(&self) -> &'static str {
        match self {
            Self::Recipients => "[recipients]",
            Self::Options => "the command line",
            Self::Suppress(_) => "the entry of the file in `suppress`",
        }
    }
}
