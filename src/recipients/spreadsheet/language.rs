//! The names of months and days in formats of cells that name a language.

use ssfmt::Locale;

struct Names {
    /// The primary language of a Windows LCID.
    language: u32,
    months: [&'static str; 12],
    months_short: [&'static str; 12],
    days: [&'static str; 7],
    days_short: [&'static str; 7],
}

const NAMES: [Names; 7] = [
    Names {
        language: 0x15,
        months: [
            "stycznia",
            "lutego",
            "marca",
            "kwietnia",
            "maja",
            "czerwca",
            "lipca",
            "sierpnia",
            "września",
            "października",
            "listopada",
            "grudnia",
        ],
        months_short: [
            "sty", "lut", "mar", "kwi", "maj", "cze", "lip", "sie", "wrz", "paź", "lis", "gru",
        ],
        days: [
            "niedziela",
            "poniedziałek",
            "wtorek",
            "środa",
            "czwartek",
            "piątek",
            "sobota",
        ],
        days_short: ["niedz", "pon", "wt", "śr", "czw", "pt", "sob"],
    },
    Names {
        language: 0x07,
        months: [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ],
        months_short: [
            "Jan", "Feb", "Mrz", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez",
        ],
        days: [
            "Sonntag",
            "Montag",
            "Dienstag",
            "Mittwoch",
            "Donnerstag",
            "Freitag",
            "Samstag",
        ],
        days_short: ["So", "Mo", "Di", "Mi", "Do", "Fr", "Sa"],
    },
    Names {
        language: 0x0c,
        months: [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ],
        months_short: [
            "janv", "févr", "mars", "avr", "mai", "juin", "juil", "août", "sept", "oct", "nov",
            "déc",
        ],
        days: [
            "dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi",
        ],
        days_short: ["dim", "lun", "mar", "mer", "jeu", "ven", "sam"],
    },
    Names {
        language: 0x0a,
        months: [
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ],
        months_short: [
            "ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic",
        ],
        days: [
            "domingo",
            "lunes",
            "martes",
            "miércoles",
            "jueves",
            "viernes",
            "sábado",
        ],
        days_short: ["dom", "lun", "mar", "mié", "jue", "vie", "sáb"],
    },
    Names {
        language: 0x10,
        months: [
            "gennaio",
            "febbraio",
            "marzo",
            "aprile",
            "maggio",
            "giugno",
            "luglio",
            "agosto",
            "settembre",
            "ottobre",
            "novembre",
            "dicembre",
        ],
        months_short: [
            "gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic",
        ],
        days: [
            "domenica",
            "lunedì",
            "martedì",
            "mercoledì",
            "giovedì",
            "venerdì",
            "sabato",
        ],
        days_short: ["dom", "lun", "mar", "mer", "gio", "ven", "sab"],
    },
    Names {
        language: 0x05,
        months: [
            "ledna",
            "února",
            "března",
            "dubna",
            "května",
            "června",
            "července",
            "srpna",
            "září",
            "října",
            "listopadu",
            "prosince",
        ],
        months_short: [
            "led", "úno", "bře", "dub", "kvě", "čvn", "čvc", "srp", "zář", "říj", "lis", "pro",
        ],
        days: [
            "neděle",
            "pondělí",
            "úterý",
            "středa",
            "čtvrtek",
            "pátek",
            "sobota",
        ],
        days_short: ["ne", "po", "út", "st", "čt", "pá", "so"],
    },
    Names {
        language: 0x13,
        months: [
            "januari",
            "februari",
            "maart",
            "april",
            "mei",
            "juni",
            "juli",
            "augustus",
            "september",
            "oktober",
            "november",
            "december",
        ],
        months_short: [
            "jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec",
        ],
        days: [
            "zondag",
            "maandag",
            "dinsdag",
            "woensdag",
            "donderdag",
            "vrijdag",
            "zaterdag",
        ],
        days_short: ["zo", "ma", "di", "wo", "do", "vr", "za"],
    },
];

const ENGLISH: u32 = 0x09;

/// The code of a format with the date separator of the language that it names in place of `/`, if that is another.
pub(super) fn date_separator(code: &str) -> Option<String> {
    let (_, language) = code.split_once("[$-")?;
    let (lcid, _) = language.split_once(']')?;
    let separator = match u32::from_str_radix(lcid, 16).ok()? & 0x3ff {
        0x05 | 0x07 | 0x15 => "\\.",
        0x13 => "\\-",
        _ => return None,
    };
    Some(code.replace('/', separator))
}

/// The names in the language of a Windows LCID; `None` if they are not known.
pub(super) fn names(lcid: u32) -> Option<Locale> {
    let language = lcid & 0x3ff;
    if language == ENGLISH {
        return Some(Locale::default());
    }
    let names = NAMES.iter().find(|names| names.language == language)?;
    Some(Locale {
        month_names_full: names.months,
        month_names_short: names.months_short,
        day_names_full: names.days,
        day_names_short: names.days_short,
        ..Locale::default()
    })
}
