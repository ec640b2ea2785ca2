//! Values that programs write and no reader should see.

use std::sync::LazyLock;

use regex::Regex;

use super::merge_tags;
use crate::check::context::RowContext;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;

pub(super) const NULL: Rule = Rule::warning("value-null")
    .finds("a cell that says `null`, `undefined`, `#N/A` or the like, in a column that the templates use")
    .why("A program wrote this because it had no value, or because of an error. Readers would see it.")
    .fix("Empty these cells, and write in the templates what to say without a value: `{% if … %}`.")
    .source("SQL, JavaScript, Python and spreadsheets in English, Polish, German, French, Spanish and Italian")
    .example("a first name `null`, a price `#N/A`");

pub(super) const MANGLED: Rule = Rule::warning("value-mangled")
    .finds("a number that a spreadsheet has shortened to scientific notation")
    .why("The digits are lost, so a customer number or a phone number is wrong.")
    .fix("Format the column as text in the spreadsheet, fill it again, and save it.")
    .source("Excel shows numbers of 12 or more digits like this, and saves what it shows")
    .example("`1,23E+09`");

pub(super) const IN_VALUE: Rule = Rule::warning("tag-in-value")
    .finds("a merge tag in a cell of a column that the templates use")
    .why("Cells are not templates, so the reader would see the tag as it is written.")
    .fix("Empty the cell, or replace the tag with the value.")
    .source("the same tags as in `tag-left`")
    .example("a first name `*|FNAME|*`");

/// Words that count in a short cell.
const NULL_WORDS: [&str; 3] = ["null", "undefined", "NaN"];

/// Cells with more words are prose.
const MOST_WORDS: usize = 3;

/// What JavaScript makes of an object.
const OBJECT: &str = "[object Object]";

static SHORTENED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^-?[1-9](?:[.,][0-9]{1,14})?E\+[0-9]{2}$")
        .expect("the pattern of the rule is right")
});

pub(super) fn row(context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
    if !sink.wants_any(&[NULL, MANGLED, IN_VALUE]) {
        return;
    }
    for (place, name) in context.shared.used_columns() {
        let Some(cell) = context.row.cells.get(place) else {
            continue;
        };
        let cell = cell.trim();
        if is_null(cell) {
            let message =
                format!("`{name}` is “{cell}”, which a program wrote because it had no value");
            let kind = format!("`{name}` has no value");
            sink.add(NULL.found(message).kind(kind).help(
                "empty these cells, and write in the templates what to say without a value: {% if … %}",
            ));
        }
        if is_shortened(cell) {
            let message = format!("`{name}` is “{cell}”: a spreadsheet has shortened the number");
            let kind = format!("`{name}` is shortened");
            sink.add(
                MANGLED.found(message).kind(kind).help(
                    "format the column as text in the spreadsheet, fill it again, and save it",
                ),
            );
        }
        if let Some((tag, description)) = merge_tags::in_value(cell) {
            let message = format!("`{name}` contains `{tag}`, {description}: readers would see it");
            let help = "empty the cell, or write the value: cells are not templates";
            let kind = format!("`{name}` contains a merge tag");
            sink.add(IN_VALUE.found(message).kind(kind).help(help));
        }
    }
}

fn is_null(cell: &str) -> bool {
    match cell {
        "" => false,
        // These count only as a whole and in this case: a person may be called Null, but nobody is called null.
        "null" | "NULL" | "(null)" | "<null>" | "nil" | "NaN" | "nan" | "None" | "undefined"
        | "N/A" | "n/a" | "NaT" | "#N/A" | "#REF!" | "#VALUE!" | "#NAME?" | "#DIV/0!" | "#NUM!"
        | "#NULL!" | "#N/D" | "#ADR!" | "#ARG!" | "#NAZWA?" | "#DZIEL/0!" | "#LICZBA!"
        | "#ZERO!" | "#NV" | "#BEZUG!" | "#WERT!" | "#VALEUR!" | "#NOM?" | "#VALOR!"
        | "#VALORE!" => true,
        // Longer texts are prose.
        _ if cell.len() > 40 => false,
        _ => {
            let mut words = cell.split_ascii_whitespace();
            cell.contains(OBJECT)
                || (words.any(|word| NULL_WORDS.contains(&word))
                    && cell.split_ascii_whitespace().count() <= MOST_WORDS)
        }
    }
}

fn is_shortened(cell: &str) -> bool {
    // At least "1E+09", with a sign near the end.
    let bytes = cell.as_bytes();
    bytes.len() >= 5 && bytes[bytes.len() - 3] == b'+' && SHORTENED.is_match(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_null_values() {
        let texts = "null|NULL|NaN|nan|None|undefined|N/A|#N/A|#REF!|#ARG!|[object Object]|null null|\
            Ann null|Hello [object Object]";
        for cell in texts.split('|') {
            assert!(is_null(cell), "{cell}");
        }
        let texts = "|Null|Nan|Nil|Ann|Jan Null|none|nobody|a pointer may be null|#1|NA|\
            Undefined Ltd|Nulla";
        for cell in texts.split('|') {
            assert!(!is_null(cell), "{cell}");
        }
    }

    #[test]
    fn recognizes_shortened_numbers() {
        for cell in ["1,23E+09", "4.8123E+11", "1E+10", "-2,5E+12"] {
            assert!(is_shortened(cell), "{cell}");
        }
        let texts = "1234|E+09|AE+09|C++|1.5e+09|12E+05|+48 12 345|1,23E-09|ł+12";
        for cell in texts.split('|') {
            assert!(!is_shortened(cell), "{cell}");
        }
    }
}
