//! `money`: an amount in a currency, in a language.

use fixed_decimal::{Decimal, Sign};
use icu_experimental::dimension::currency::CurrencyType;
use icu_experimental::dimension::currency::formatter::CurrencyFormatter;
use tera::{Kwargs, TeraResult, Value};

use super::arguments::{fault, language, quoted};
use super::decimal::decimal;
use super::number::{decimals, formatter, rounded};
use crate::language::Language;

/// The currencies of ISO 4217, without funds and metals. The data for formats also has those that are history.
const CURRENCIES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF \
CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD \
IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN \
NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL \
THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

/// Signs and names that people write in place of a code.
const SIGNS: [(&str, &str); 10] = [
    ("zł", "PLN"),
    ("zl", "PLN"),
    ("€", "EUR"),
    ("$", "USD"),
    ("£", "GBP"),
    ("¥", "JPY"),
    ("kč", "CZK"),
    ("₴", "UAH"),
    ("₹", "INR"),
    ("euro", "EUR"),
];

pub(super) fn money(
    value: &Value,
    kwargs: &Kwargs,
    campaign: Option<&Language>,
) -> TeraResult<String> {
    let currency = currency(kwargs)?;
    let decimals = decimals(kwargs)?;
    let language = language(kwargs, campaign)?.unwrap_or_else(Language::english);
    let amount = decimal(value, kwargs)?;
    let formats =
        CurrencyFormatter::try_new_symbol(language.locale().into(), currency, Default::default())
            .map_err(tera::Error::message)?;
    let one = |sign| {
        formats
            .format_fixed_decimal(&Decimal::from(1).with_sign(sign))
            .to_string()
    };
    let amount = rounded(amount, decimals.unwrap_or(decimals_in(&one(Sign::None))));
    // The sign and the symbol stand where they stand around 1; the digits are ours, with the decimals that were asked for.
    let around = one(amount.sign);
    let digits = formatter(&language)?
        .format(&amount.with_sign(Sign::None))
        .to_string();
    let (before, after) = around_digits(&around);
    Ok(format!("{before}{digits}{after}"))
}

/// The digits of 1 and 0 in all languages. Symbols have none.
fn is_digit(c: char) -> bool {
    // A letter in Unicode: the digit of the numbering system `hanidec`.
    c.is_numeric() || c == '一'
}

/// How many decimals the amount 1 was written with.
fn decimals_in(amount: &str) -> i16 {
    let digits = amount.chars().filter(|c| is_digit(*c)).count();
    i16::try_from(digits.saturating_sub(1)).unwrap_or(0)
}

/// The text before the first digit and after the last one.
fn around_digits(amount: &str) -> (&str, &str) {
    let before = amount.split(is_digit).next().unwrap_or_default();
    let after = amount.rsplit(is_digit).next().unwrap_or_default();
    (before, after)
}

/// The argument `currency`.
fn currency(kwargs: &Kwargs) -> TeraResult<CurrencyType> {
    const EXAMPLES: &str = "write a code of ISO 4217, such as \"PLN\", \"EUR\" or \"USD\"";
    let Some(name) = kwargs.get::<&str>("currency")? else {
        return Err(fault(
            "`money` needs a currency",
            "name it: money(currency=\"PLN\")",
        ));
    };
    let code = name.trim().to_ascii_uppercase();
    let is_known = code.len() == 3 && CURRENCIES.split(' ').any(|known| known == code);
    if let (true, Ok(currency)) = (is_known, code.parse()) {
        return Ok(currency);
    }
    let sign = name.trim().to_lowercase();
    let meant = SIGNS.into_iter().find(|(known, _)| *known == sign);
    let help = match meant {
        Some((_, code)) => format!("did you mean \"{code}\"? The filter needs a code of ISO 4217"),
        None => EXAMPLES.to_owned(),
    };
    Err(fault(
        format!("currency: {} is not the code of a currency", quoted(name)),
        help,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(amount: &str, currency: &'static str, locale: &'static str) -> String {
        let kwargs = Kwargs::from([("currency", currency.into()), ("locale", locale.into())]);
        money(&Value::from(amount), &kwargs, None).expect("an amount")
    }

    #[test]
    fn amounts_are_written_as_in_the_country() {
        for (amount, currency, locale, expected) in [
            ("1234.5", "PLN", "pl", "1\u{a0}234,50\u{a0}zł"),
            ("34.3", "USD", "en-US", "$34.30"),
            ("34.3", "USD", "en", "$34.30"),
            ("34.3", "EUR", "de", "34,30\u{a0}€"),
            ("34.3", "EUR", "de-AT", "€\u{a0}34,30"),
            ("34.3", "EUR", "nl", "€\u{a0}34,30"),
            ("1234.5", "EUR", "fr", "1\u{202f}234,50\u{a0}€"),
            ("34.3", "EUR", "en-IE", "€34.30"),
            ("34.3", "GBP", "en-GB", "£34.30"),
            ("1234.5", "CZK", "cs", "1\u{a0}234,50\u{a0}Kč"),
            ("1234.5", "UAH", "uk", "1\u{a0}234,50\u{a0}₴"),
            ("34.3", "EUR", "pl", "34,30\u{a0}€"),
            ("1234.5", "JPY", "en", "¥1,235"),
            ("1234.5", "KWD", "en", "KWD\u{a0}1,234.500"),
            ("1234.5", "CHF", "de-CH", "CHF\u{a0}1'234.50"),
            ("-1234.5", "CHF", "de-CH", "CHF-1'234.50"),
            ("-34.3", "USD", "en", "-$34.30"),
            ("-34.3", "PLN", "pl", "-34,30\u{a0}zł"),
            ("-0.001", "PLN", "pl", "0,00\u{a0}zł"),
            ("1234567.895", "INR", "hi", "₹12,34,567.90"),
            ("5", "pln", "pl", "5,00\u{a0}zł"),
            ("1234.5", "CNY", "zh-u-nu-hanidec", "¥一,二三四.五〇"),
            ("34.3", "EGP", "ar-EG", "\u{200f}٣٤٫٣٠\u{a0}ج.م.\u{200f}"),
        ] {
            assert_eq!(
                written(amount, currency, locale),
                expected,
                "{amount} {currency} {locale}"
            );
        }
    }

    #[test]
    fn every_currency_can_be_written() {
        let codes: Vec<&'static str> = CURRENCIES.split(' ').collect();
        assert!(codes.iter().all(|code| code.len() == 3) && codes.is_sorted());
        for code in codes {
            for locale in ["en", "pl", "ar"] {
                let text = written("1234.5", code, locale);
                assert!(text.contains(|c: char| c.is_numeric()), "{text}");
            }
        }
    }

    #[test]
    fn unknown_currencies_are_errors() {
        for (name, part) in [
            ("zł", "did you mean \"PLN\""),
            ("€", "did you mean \"EUR\""),
            ("PLZ", "\"PLN\", \"EUR\" or \"USD\""),
            ("", "\"PLN\", \"EUR\" or \"USD\""),
            ("PLN EUR", "“PLN EUR” is not the code"),
        ] {
            let kwargs = Kwargs::from([("currency", name.into())]);
            let error = money(&Value::from(1), &kwargs, None).expect_err("an error");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
