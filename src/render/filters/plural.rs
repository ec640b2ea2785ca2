//! `plural`: the text for a number, by the rules of a language.

use icu_plurals::{PluralCategory, PluralRules};
use tera::{Kwargs, TeraResult, Value};

use super::arguments::{fault, language};
use super::decimal::decimal;
use super::number::formatter;
use crate::language::Language;

pub(super) fn plural(
    value: &Value,
    kwargs: &Kwargs,
    campaign: Option<&Language>,
) -> TeraResult<String> {
    let Some(other) = kwargs.get::<&str>("other")? else {
        return Err(fault(
            "`plural` needs the argument `other`",
            "write the text for all other numbers: plural(one=\"# file\", other=\"# files\")",
        ));
    };
    let language = language(kwargs, campaign)?.unwrap_or_else(Language::english);
    let number = decimal(value, kwargs)?;
    let rules =
        PluralRules::try_new_cardinal(language.locale().into()).map_err(tera::Error::message)?;
    // `zero` is also for 0 in languages whose rules don't have it.
    let category = match number.absolute.is_zero() && kwargs.get::<&str>("zero")?.is_some() {
        true => PluralCategory::Zero,
        false => rules.category_for(&number),
    };
    let text = kwargs.get::<&str>(argument(category))?.unwrap_or(other);
    if !text.contains('#') {
        return Ok(text.to_owned());
    }
    let number = formatter(&language)?.format(&number).to_string();
    Ok(with_number(text, &number))
}

fn argument(category: PluralCategory) -> &'static str {
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
}

/// Replaces `#` by the number, and `##` by `#`.
fn with_number(text: &str, number: &str) -> String {
    let parts: Vec<String> = text
        .split("##")
        .map(|part| part.replace('#', number))
        .collect();
    parts.join("#")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: &str, locale: &'static str) -> String {
        let kwargs = Kwargs::from([
            ("one", "# one".into()),
            ("two", "# two".into()),
            ("few", "# few".into()),
            ("many", "# many".into()),
            ("other", "# other".into()),
            ("locale", locale.into()),
        ]);
        plural(&Value::from(number), &kwargs, None).expect("a text")
    }

    #[test]
    fn the_rules_are_those_of_the_language() {
        for (locale, texts) in [
            (
                "pl",
                [
                    "0 many",
                    "1 one",
                    "2 few",
                    "5 many",
                    "12 many",
                    "22 few",
                    "1,5 other",
                    "1\u{a0}234 few",
                ],
            ),
            (
                "en",
                [
                    "0 other",
                    "1 one",
                    "2 other",
                    "5 other",
                    "12 other",
                    "22 other",
                    "1.5 other",
                    "1,234 other",
                ],
            ),
            (
                "cs",
                [
                    "0 other",
                    "1 one",
                    "2 few",
                    "5 other",
                    "12 other",
                    "22 other",
                    "1,5 many",
                    "1\u{a0}234 other",
                ],
            ),
            (
                "uk",
                [
                    "0 many",
                    "1 one",
                    "2 few",
                    "5 many",
                    "12 many",
                    "22 few",
                    "1,5 other",
                    "1\u{a0}234 few",
                ],
            ),
            (
                "ja",
                [
                    "0 other",
                    "1 other",
                    "2 other",
                    "5 other",
                    "12 other",
                    "22 other",
                    "1.5 other",
                    "1,234 other",
                ],
            ),
        ] {
            let numbers = ["0", "1", "2", "5", "12", "22", "1.5", "1234"];
            assert_eq!(numbers.map(|number| of(number, locale)), texts, "{locale}");
        }
        assert_eq!(of("21", "ru"), "21 one");
        assert_eq!(of("2", "ar"), "2 two");
    }

    #[test]
    fn zero_is_for_0_in_every_language() {
        let kwargs = Kwargs::from([
            ("zero", "no files".into()),
            ("one", "a file".into()),
            ("other", "## #".into()),
        ]);
        let of = |number: i64| plural(&Value::from(number), &kwargs, None).expect("a text");
        assert_eq!([0, 1, 2].map(of), ["no files", "a file", "# 2"]);
    }
}
