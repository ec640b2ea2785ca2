//! Mojibake: UTF-8 that a program decoded as a Windows code page.

use encoding_rs::{Encoding, WINDOWS_1250, WINDOWS_1252};

use crate::check::context::{CampaignContext, RowContext};
use crate::check::family::RuleTotals;
use crate::check::rule::Rule;
use crate::check::rules::campaign_file;
use crate::check::sink::FindingSink;
use crate::finding::{Finding, Place};
use crate::report::counted;

pub(super) const GARBLED: Rule = Rule::warning("text-garbled")
    .finds("text in UTF-8 that a program read as Windows-1252 or Windows-1250")
    .why("Readers see “Ã³” where “ó” should be. At least two letters of a template or a column are affected.")
    .fix("Go back to the file in which the text was still right, and open it as UTF-8 there.")
    .source("the same bytes, read as UTF-8")
    .example("“ZaÅ¼Ã³Å‚Ä‡” instead of “Zażółć”");

/// Fewer letters may be a coincidence, such as a quotation mark after a capital letter.
const FEWEST: usize = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Garbled {
    /// The first garbled word.
    shown: String,
    /// The same word as it was meant.
    meant: String,
    /// The number of garbled letters in the whole text.
    letters: usize,
}

fn garbled(text: &str) -> Option<Garbled> {
    if text.is_ascii() {
        return None;
    }
    let mut found: Option<Garbled> = None;
    for word in text.split_ascii_whitespace().filter(|it| !it.is_ascii()) {
        let Some((meant, letters)) = repaired(word) else {
            continue;
        };
        let found = found.get_or_insert_with(|| Garbled {
            shown: word.to_owned(),
            meant,
            letters: 0,
        });
        found.letters += letters;
    }
    found
}

/// A word as it was meant, and the number of its garbled letters.
fn repaired(word: &str) -> Option<(String, usize)> {
    [WINDOWS_1252, WINDOWS_1250]
        .into_iter()
        .find_map(|encoding| repaired_from(word, encoding))
}

fn repaired_from(word: &str, encoding: &'static Encoding) -> Option<(String, usize)> {
    let mut repaired = String::new();
    let mut letters = 0;
    let mut rest = word;
    while let Some(begin) = rest.find(|c: char| !c.is_ascii()) {
        repaired.push_str(&rest[..begin]);
        let end = rest[begin..].find(|c: char| c.is_ascii());
        let end = end.map_or(rest.len(), |length| begin + length);
        let run = &rest[begin..end];
        let (bytes, _, unmappable) = encoding.encode(run);
        let decoded = std::str::from_utf8(&bytes).ok().filter(|_| !unmappable);
        match decoded.filter(|decoded| decoded.chars().all(is_likely)) {
            Some(decoded) => {
                letters += decoded.chars().count();
                repaired.push_str(decoded);
            }
            None => repaired.push_str(run),
        }
        rest = &rest[end..];
    }
    repaired.push_str(rest);
    (letters > 0).then_some((repaired, letters))
}

/// Whether people write a character: European letters, punctuation, emoji.
fn is_likely(c: char) -> bool {
    matches!(c, '\u{a0}'..='\u{17f}' | '\u{391}'..='\u{3c9}' | '\u{410}'..='\u{44f}' | '\u{2010}'..='\u{2026}' | '€' | '™' | '\u{1f300}'..='\u{1faff}')
}

fn finding(what: &str, found: &Garbled, place: Place) -> Finding {
    let message = format!(
        "{what} is garbled: “{}” should be “{}”",
        found.shown, found.meant
    );
    GARBLED.at(place, message).help(
        "a program read UTF-8 as a Windows code page: go back to the file in which the text was right, and open it as UTF-8",
    )
}

/// Checks the templates and the strings of `[message]`.
pub(super) fn campaign(shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
    let many = |text: &str| garbled(text).filter(|found| found.letters >= FEWEST);
    for (name, text) in shared.engine.templates() {
        if let Some(found) = many(text) {
            let finding = finding(&format!("text in {name}"), &found, Place::default());
            sink.add(shared.locator.at_text(finding, &found.shown, 0));
        }
    }
    let message = &shared.campaign.message;
    let strings = [Some(&message.subject), message.from_name.as_ref()];
    for string in strings.into_iter().flatten() {
        if let Some(found) = many(string.get_ref()) {
            let finding = finding("text of the message", &found, Place::default());
            sink.add(campaign_file::at_text(shared, finding, string));
        }
    }
}

/// Garbled cells by the index of the column among those that the templates use.
#[derive(Debug, Default)]
pub(super) struct MojibakeTotals {
    columns: Vec<Option<GarbledColumn>>,
}

#[derive(Debug)]
struct GarbledColumn {
    /// The first garbled cell, and its row.
    first: (u32, Garbled),
    rows: u64,
    letters: usize,
}

impl MojibakeTotals {
    fn add(&mut self, index: usize, more: GarbledColumn) {
        if self.columns.len() <= index {
            self.columns.resize_with(index + 1, || None);
        }
        match &mut self.columns[index] {
            Some(known) => {
                known.rows += more.rows;
                known.letters += more.letters;
                if more.first.0 < known.first.0 {
                    known.first = more.first;
                }
            }
            empty => *empty = Some(more),
        }
    }
}

impl RuleTotals for MojibakeTotals {
    fn row(&mut self, context: &RowContext<'_>) {
        for (index, (place, _)) in context.shared.used_columns().enumerate() {
            let cell = context.row.cells.get(place).map_or("", String::as_str);
            if let Some(found) = garbled(cell) {
                let letters = found.letters;
                self.add(
                    index,
                    GarbledColumn {
                        first: (context.row.number, found),
                        rows: 1,
                        letters,
                    },
                );
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (index, column) in other.columns.into_iter().enumerate() {
            if let Some(column) = column {
                self.add(index, column);
            }
        }
    }

    fn finish(self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        for ((_, name), column) in shared.used_columns().zip(self.columns) {
            let Some(column) = column.filter(|column| column.letters >= FEWEST) else {
                continue;
            };
            let (row, found) = &column.first;
            let what = format!(
                "text in the column `{name}`, in {}, first in row {row},",
                counted(column.rows, "row")
            );
            sink.add(finding(&what, found, Place::file(shared.recipients)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repairs_garbled_text() {
        for (shown, meant, letters) in [
            ("ZaÅ¼Ã³Å‚Ä‡", "Zażółć", 4),
            ("ZaĹĽĂłĹ‚Ä‡", "Zażółć", 4),
            ("ZoÃ«", "Zoë", 1),
            ("donâ€™t", "don’t", 1),
            ("ÐŸÑ€", "Пр", 2),
            ("ðŸ˜€", "😀", 1),
        ] {
            assert_eq!(
                repaired(shown),
                Some((meant.to_owned(), letters)),
                "{shown}"
            );
        }
    }

    #[test]
    fn leaves_correct_text_alone() {
        let texts = "Zażółć gęślą jaźń|SPÓŁKA ŁÓDŹ PÓŁROCZE MÓŻDŻEK|« CAFÉ» IRMÃ NÃO À l’été|\
            Grüße aus „KÖLN“ – ÄÖÜß|Příliš žluťoučký kůň, ŘÍČ|Привет, Ελλάδα, 秋の手紙 🎉|\
            10 °C ± 2 µm © 2026 ™";
        for text in texts.split('|') {
            assert_eq!(garbled(text), None, "{text}");
        }
    }
}
