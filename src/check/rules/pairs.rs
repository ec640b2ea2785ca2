//! Two parts of a message that are held against each other: what is in the HTML is known once for all
//! rows of a shape, and what it is compared with may be each row's own.

use super::super::facts::{RowSheet, Sheet};
use super::super::out::Out;
use super::{json, spam, subject, text};
use crate::finding::Finding;

/// A text of the HTML that a row's subject may not go with.
#[derive(Debug)]
pub(super) struct Pair {
    /// The text, with marks for the row's values.
    pub(super) text: String,
    /// Whether all rows of the shape have the same text and the same subject.
    pub(super) is_fixed: bool,
    /// Whether they don't go together.
    pub(super) is_wrong: fn(&str, &RowSheet<'_>) -> bool,
    /// What is said of that.
    pub(super) finding: Finding,
}

/// What the HTML of a shape has that is held against each of its rows.
#[derive(Debug)]
pub(in super::super) struct Pairs {
    subject: Vec<Pair>,
    text: Option<text::Shown>,
    json: json::Scripts,
}

impl Pairs {
    /// What a shape has of that. What is the same for all of its rows is told at once.
    pub(in super::super) fn of(sheet: &Sheet<'_>, out: &mut Out<'_>) -> Self {
        let pairs = [spam::title(sheet), subject::opening(sheet)];
        let wanted = pairs.into_iter().flatten();
        let wanted = wanted.filter(|pair| out.wants_finding(&pair.finding));
        let (fixed, own): (Vec<_>, Vec<_>) = wanted.partition(|pair| pair.is_fixed);
        let text = text::Shown::of(sheet, out);
        let json = json::Scripts::of(sheet, out);
        let row = sheet.as_row();
        fixed.iter().for_each(|pair| pair.row(&row, out));
        Self {
            subject: own,
            text,
            json,
        }
    }

    /// Holds a row against it.
    pub(in super::super) fn row(&self, row: &RowSheet<'_>, out: &mut Out<'_>) {
        self.subject.iter().for_each(|pair| pair.row(row, out));
        if let Some(text) = &self.text {
            text.row(row, out);
        }
        self.json.row(row, out);
    }
}

impl Pair {
    fn row(&self, row: &RowSheet<'_>, out: &mut Out<'_>) {
        if (self.is_wrong)(&self.text, row) {
            out.add(self.finding.clone());
        }
    }
}
