//! How large the HTML is as it is sent.

use super::super::facts::{Facts, RowSheet};
use super::super::out::Out;
use super::super::rule::Rule;
use crate::finding::Severity;
use crate::render::LookedHtml;
use crate::report::counted;

const CLIPPED: Rule = Rule {
    code: "html-clipped",
    severity: Severity::Warning,
    finds: "HTML of more than 102 KB, of which Gmail shows the beginning and a link to the rest",
    source: "measured by many: github.com/hteumeuleu/email-bugs/issues/41",
    example: "a row with 130 KB, when all its blocks are filled",
};

/// The rules.
pub(super) const RULES: &[Rule] = &[CLIPPED];

/// The most bytes that Gmail shows.
const MOST: usize = 102 * 1024;

/// What is known of all rows together.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    /// The largest, with its row.
    largest: (usize, u32),
    /// How many are over the limit.
    over: u64,
}

impl Tally {
    pub(super) fn row(&mut self, row: &RowSheet<'_>) {
        let size = row.html.map_or(0, LookedHtml::size);
        self.take(size, row.row.number);
        self.over += u64::from(size > MOST);
    }

    /// Keeps the first of the largest.
    fn take(&mut self, size: usize, row: u32) {
        let (largest, of) = self.largest;
        if size > largest || size == largest && row < of {
            self.largest = (size, row);
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        let (size, row) = other.largest;
        self.take(size, row);
        self.over += other.over;
    }

    pub(super) fn finish(self, facts: &Facts<'_>, out: &mut Out<'_>) {
        let (size, row) = self.largest;
        if size <= MOST {
            return;
        }
        let over = if self.over == 1 {
            "no other is over the 102 KB that Gmail shows".to_owned()
        } else {
            format!(
                "{} are over the 102 KB that Gmail shows",
                counted(self.over, "row")
            )
        };
        let message = format!(
            "the largest HTML has {} KB, that of row {row}; {over}",
            size.div_ceil(1024)
        );
        let finding = CLIPPED.found(message).help(
            "fewer blocks, styles and comments; what is counted are the HTML's bytes as they are posted, links that are made longer on the way come on top",
        );
        let mut finding = facts.locator.somewhere(finding);
        finding.place.row = Some(row);
        out.add(finding);
    }
}
