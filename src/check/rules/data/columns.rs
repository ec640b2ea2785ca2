//! The columns: which are used, and how full they are.

use super::super::super::facts::{Facts, RowSheet};
use super::super::super::out::Out;
use super::super::super::rule::Rule;
use super::super::add_up;
use crate::finding::{Place, Severity};
use crate::render::Row;
use crate::report::grouped;

pub(super) const UNUSED: Rule = Rule {
    code: "column-unused",
    severity: Severity::Note,
    finds: "columns of the recipients that are in no template",
    source: "the templates, with all that they include, and every string of `[message]`",
    example: "a column `city`, and no `{{ city }}` anywhere",
};

pub(super) const GAPS: Rule = Rule {
    code: "column-gaps",
    severity: Severity::Note,
    finds: "a column that is empty in some rows, though no `{% if … %}` reckons with that; or in all",
    source: "the recipients",
    example: "`{{ city }}`, and rows without a city",
};

pub(super) const SPARSE: Rule = Rule {
    code: "column-sparse",
    severity: Severity::Warning,
    finds: "a column that is empty in most rows, though no `{% if … %}` reckons with that",
    source: "the recipients",
    example: "`{{ city }}`, and 80 % of the rows without a city",
};

/// Tells of the columns that no template uses.
pub(super) fn unused(facts: &Facts<'_>, out: &mut Out<'_>) {
    let used = |place: usize| facts.used().any(|(used, _)| used == place);
    let columns = facts.header.iter().enumerate();
    let unused: Vec<String> = columns
        .filter(|(place, name)| *place != facts.email && !name.is_empty() && !used(*place))
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    if unused.is_empty() {
        return;
    }
    let columns = match unused.len() {
        1 => "the column",
        _ => "the columns",
    };
    let is = if unused.len() == 1 { "is" } else { "are" };
    let message = format!("{columns} {} {is} in no template", unused.join(", "));
    let finding = UNUSED.at(Place::file(facts.recipients), message);
    out.add(finding.help(
        "nothing is wrong if it is not meant for the message; what nobody needs is better left out \
         of the file: every run keeps a copy of it",
    ));
}

/// How full the columns are that templates use.
#[derive(Debug, Default)]
pub(in super::super) struct Tally {
    rows: u64,
    /// How many cells are blank, by the column's place.
    blank: Vec<u64>,
    /// The first row.
    pub(in super::super) first: Option<Row>,
}

impl Tally {
    pub(in super::super) fn row(&mut self, row: &RowSheet<'_>) {
        self.rows += 1;
        self.blank.resize(row.facts.header.len(), 0);
        for (place, _) in row.facts.used() {
            self.blank[place] += u64::from(is_blank(row.row, place));
        }
        // A thread sees rows in their order.
        if self.first.is_none() {
            self.first = Some(row.row.clone());
        }
    }

    pub(in super::super) fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        add_up(&mut self.blank, &other.blank);
        let rows = [self.first.take(), other.first].into_iter().flatten();
        self.first = rows.min_by_key(|row| row.number);
    }

    /// Whether a column that is used is filled in every row.
    pub(in super::super) fn is_full(&self, place: usize) -> bool {
        self.blank.get(place) == Some(&0)
    }

    pub(in super::super) fn finish(self, facts: &Facts<'_>, out: &mut Out<'_>) {
        for (place, name) in facts.used() {
            let blank = self.blank.get(place).copied().unwrap_or_default();
            let expected = blank < self.rows && facts.engine.asks_for(name);
            if blank > 0 && !expected {
                self.empty(name, blank, facts, out);
            }
        }
    }

    fn empty(&self, name: &str, blank: u64, facts: &Facts<'_>, out: &mut Out<'_>) {
        let asked_for = facts.engine.asks_for(name);
        let rule = if blank * 2 > self.rows && !asked_for {
            SPARSE
        } else {
            GAPS
        };
        let message = if blank == self.rows {
            format!("`{name}` is empty in every row, and the templates use it")
        } else {
            let (rows, all) = (grouped(blank), grouped(self.rows));
            let share = share(blank, self.rows);
            format!("`{name}` is empty in {rows} of {all} rows ({share})")
        };
        let finding = rule.at(Place::file(facts.recipients), message);
        out.add(finding.help(if asked_for {
            "check that the file was exported with it"
        } else {
            "fill it, or say in the templates what is to stand there without it: {% if … %}"
        }));
    }
}

/// Whether a row has nothing in a column.
pub(in super::super) fn is_blank(row: &Row, place: usize) -> bool {
    row.cells
        .get(place)
        .is_none_or(|cell| cell.trim().is_empty())
}

/// A part of a whole in per cent; never 0 or 100, for it is neither none nor all.
fn share(part: u64, whole: u64) -> String {
    match part * 100 / whole.max(1) {
        0 => "under 1 %".to_owned(),
        per_cent => format!("{per_cent} %"),
    }
}
