//! `number`: a number in a language.

use fixed_decimal::{Decimal, Sign, SignedRoundingMode, UnsignedRoundingMode};
use icu_decimal::DecimalFormatter;
use icu_decimal::provider::{Baked, DecimalDigitsV1, DecimalSymbolsV1};
use icu_provider::prelude::*;
use tera::{Kwargs, TeraResult, Value};

use super::arguments::{fault, language};
use super::decimal::decimal;
use crate::language::Language;

/// The most decimals that can be asked for.
const MOST_DECIMALS: i64 = 20;

pub(super) fn number(
    value: &Value,
    kwargs: &Kwargs,
    campaign: Option<&Language>,
) -> TeraResult<String> {
    let decimals = decimals(kwargs)?;
    let language = language(kwargs, campaign)?.unwrap_or_else(Language::english);
    let number = decimal(value, kwargs)?;
    let number = match decimals {
        Some(decimals) => rounded(number, decimals),
        None if number.absolute.is_zero() => number.with_sign(Sign::None),
        None => number,
    };
    Ok(formatter(&language)?.format(&number).to_string())
}

/// The argument `decimals`.
pub(super) fn decimals(kwargs: &Kwargs) -> TeraResult<Option<i16>> {
    let Some(decimals) = kwargs.get::<i64>("decimals")? else {
        return Ok(None);
    };
    match i16::try_from(decimals) {
        Ok(few) if (0..=MOST_DECIMALS).contains(&decimals) => Ok(Some(few)),
        _ => Err(fault(
            format!("decimals: {decimals} is not possible"),
            format!("write a number from 0 to {MOST_DECIMALS}"),
        )),
    }
}

/// A number with this many decimals; a half is rounded away from zero. Zero has no sign.
pub(super) fn rounded(number: Decimal, decimals: i16) -> Decimal {
    let half_away = SignedRoundingMode::Unsigned(UnsignedRoundingMode::HalfExpand);
    let mut rounded = number.rounded_with_mode(-decimals, half_away);
    rounded.absolute.pad_end(-decimals);
    match rounded.absolute.is_zero() {
        true => rounded.with_sign(Sign::None),
        false => rounded,
    }
}

/// Writes numbers in a language, and groups thousands from 1 000 on, as spreadsheets do.
pub(super) fn formatter(language: &Language) -> TeraResult<DecimalFormatter> {
    DecimalFormatter::try_new_unstable(
        &GroupedFromThousands,
        language.locale().into(),
        Default::default(),
    )
    .map_err(tera::Error::message)
}

/// The data of `icu_decimal`. In some languages, it groups thousands only from 10 000 on.
struct GroupedFromThousands;

impl DataProvider<DecimalSymbolsV1> for GroupedFromThousands {
    fn load(&self, request: DataRequest) -> Result<DataResponse<DecimalSymbolsV1>, DataError> {
        let response: DataResponse<DecimalSymbolsV1> = Baked.load(request)?;
        let payload = response.payload.map_project(|mut symbols, _| {
            symbols.grouping_sizes.min_grouping = 1;
            symbols
        });
        Ok(DataResponse {
            metadata: response.metadata,
            payload,
        })
    }
}

impl DataProvider<DecimalDigitsV1> for GroupedFromThousands {
    fn load(&self, request: DataRequest) -> Result<DataResponse<DecimalDigitsV1>, DataError> {
        Baked.load(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_rounded_away_from_zero() {
        for (number, decimals, expected) in [
            ("34.3", 2, "34.30"),
            ("0.125", 2, "0.13"),
            ("0.135", 2, "0.14"),
            ("2.5", 0, "3"),
            ("3.5", 0, "4"),
            ("-2.5", 0, "-3"),
            ("1.005", 2, "1.01"),
            ("-0.004", 2, "0.00"),
            ("999.995", 2, "1000.00"),
            ("7", 3, "7.000"),
        ] {
            let number = Decimal::try_from_str(number).expect("a number");
            assert_eq!(rounded(number, decimals).to_string(), expected);
        }
    }

    #[test]
    fn zero_has_no_sign() {
        let written = |zero: &str| number(&Value::from(zero), &Kwargs::default(), None);
        assert_eq!(written("-0").expect("a number"), "0");
        assert_eq!(written("-0.00").expect("a number"), "0.00");
    }

    #[test]
    fn thousands_are_grouped_in_every_language() {
        let number = Decimal::try_from_str("1234.5").expect("a number");
        for (tag, expected) in [
            ("pl", "1\u{a0}234,5"),
            ("en", "1,234.5"),
            ("de", "1.234,5"),
            ("de-CH", "1'234.5"),
            ("es", "1.234,5"),
            ("fr", "1\u{202f}234,5"),
            ("ar-EG", "١٬٢٣٤٫٥"),
        ] {
            let language = Language::parse(tag).expect("a language");
            let formatter = formatter(&language).expect("data");
            assert_eq!(formatter.format(&number).to_string(), expected, "{tag}");
        }
    }
}
