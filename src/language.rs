//! The languages that numbers, amounts, dates and plurals can be written in.

use icu_datetime::provider::Baked;
use icu_datetime::provider::names::DatetimeNamesWeekdayV1;
use icu_locale_core::Locale;
use icu_locale_core::preferences::LocalePreferences;
use icu_provider::prelude::*;

/// A BCP 47 tag for whose language there is data, such as `pl` or `en-GB`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Language(Locale);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LanguageError {
    #[error("the language is empty")]
    Empty,
    #[error("“{0}” is not a language tag")]
    Malformed(String),
    #[error("there is no language “{0}”, or no data for it")]
    Unknown(String),
}

impl LanguageError {
    pub(crate) const HELP: &str = "write a language, such as \"pl\", \"de\" or \"cs\", or a language and a country, such as \"en-GB\" or \"pt-BR\"";
}

impl Language {
    /// Reads a tag. `pl_PL` is read as `pl-PL`. A country without data of its own is fine: its language is used.
    pub(crate) fn parse(tag: &str) -> Result<Self, LanguageError> {
        if tag.trim().is_empty() {
            return Err(LanguageError::Empty);
        }
        let shown = || tag.chars().take(40).collect::<String>();
        let locale = Locale::try_from_str(&tag.trim().replace('_', "-"))
            .map_err(|_| LanguageError::Malformed(shown()))?;
        match has_data(&locale) {
            true => Ok(Self(locale)),
            false => Err(LanguageError::Unknown(shown())),
        }
    }

    pub(crate) fn english() -> Self {
        Self(icu_locale_core::locale!("en"))
    }

    pub(crate) fn locale(&self) -> &Locale {
        &self.0
    }
}

/// Whether the data has the names of weekdays in this language. English shares them with the language `und`, which stands
/// for all others.
fn has_data(locale: &Locale) -> bool {
    if locale.id.language == icu_locale_core::subtags::language!("en") {
        return true;
    }
    const WIDE: &DataMarkerAttributes = DataMarkerAttributes::from_str_or_panic("4");
    let preferences = LocalePreferences::from(locale);
    let id = DatetimeNamesWeekdayV1::make_locale(preferences);
    let names: Result<DataResponse<DatetimeNamesWeekdayV1>, _> = Baked.load(DataRequest {
        id: DataIdentifierBorrowed::for_marker_attributes_and_locale(WIDE, &id),
        ..DataRequest::default()
    });
    let is_unknown = |id: &DataLocale| id.is_unknown();
    !locale.id.language.is_unknown()
        && names.is_ok_and(|names| !names.metadata.locale.as_ref().is_some_and(is_unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_they_are_usually_written() {
        for tag in [
            "pl", "pl-PL", "pl_PL", "PL", "en", "en-GB", "en-US", "de-AT", "pt-BR", "zh-Hant",
            "sr-Latn", "nb", "no", "vi", "uk", "pl-DE", " cs ",
        ] {
            assert!(Language::parse(tag).is_ok(), "{tag}");
        }
    }

    #[test]
    fn countries_names_and_unknown_languages_are_errors() {
        use LanguageError::{Empty, Malformed, Unknown};
        for tag in ["us", "cz", "jp", "gr", "xx", "und", "se"] {
            assert_eq!(Language::parse(tag), Err(Unknown(tag.to_owned())));
        }
        for tag in ["polish", "English", "pl PL", "pl-", "1", "pl_PL.UTF-8"] {
            assert_eq!(Language::parse(tag), Err(Malformed(tag.to_owned())));
        }
        assert_eq!(Language::parse(" "), Err(Empty));
    }
}
