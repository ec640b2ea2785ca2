//! The rules, a file a family.

mod accessibility;
mod attachments;
mod bulk;
mod clients;
mod contrast;
mod data;
mod gaps;
mod images;
mod inline;
mod json;
mod links;
mod pairs;
mod plan;
mod size;
mod spam;
mod styles;
mod subject;
mod targets;
mod text;
mod unsubscribe;
mod written;

pub(super) use gaps::Known as KnownGaps;
pub(super) use links::is_link;
pub(super) use pairs::Pairs;
pub use plan::nobody;

use super::facts::{Facts, RowSheet, Sheet};
use super::net;
use super::out::Out;
use super::rule::Rule;
use crate::finding::Finding;
use crate::render::Row;

/// All rules.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    let families = [
        accessibility::RULES,
        attachments::RULES,
        bulk::RULES,
        clients::RULES,
        contrast::RULES,
        data::RULES,
        gaps::RULES,
        images::RULES,
        inline::RULES,
        json::RULES,
        links::RULES,
        plan::RULES,
        size::RULES,
        spam::RULES,
        styles::RULES,
        subject::RULES,
        text::RULES,
        unsubscribe::RULES,
        net::RULES,
    ];
    families.into_iter().flatten()
}

/// Holds the campaign against the rules that need no row.
pub(super) fn campaign(facts: &Facts<'_>, out: &mut Out<'_>) {
    bulk::campaign(facts, out);
    data::campaign(facts, out);
    gaps::campaign(facts, out);
    plan::campaign(facts, out);
}

/// Holds a message of a shape against the rules that look at what all of the shape have.
pub(super) fn sheet(sheet: &Sheet<'_>, out: &mut Out<'_>) {
    accessibility::sheet(sheet, out);
    attachments::sheet(sheet, out);
    clients::sheet(sheet, out);
    contrast::sheet(sheet, out);
    gaps::sheet(sheet, out);
    images::sheet(sheet, out);
    links::sheet(sheet, out);
    spam::sheet(sheet, out);
    styles::sheet(sheet, out);
    subject::sheet(sheet, out);
    text::sheet(sheet, out);
}

/// Holds a row's message against the rules that look at its own values.
pub(super) fn row(row: &RowSheet<'_>, out: &mut Out<'_>) {
    attachments::row(row, out);
    bulk::row(row, out);
    data::row(row, out);
    gaps::row(row, out);
    images::row(row, out);
    links::row(row, out);
    styles::row(row, out);
    subject::row(row, out);
    text::row(row, out);
}

/// Adds a row to what is known of all.
pub(super) fn tally(row: &RowSheet<'_>, tally: &mut Tally) {
    tally.row(row);
}

/// Holds all rows together against the rules that look at those.
pub(super) fn finish(tally: Tally, facts: &Facts<'_>, out: &mut Out<'_>) {
    tally.finish(facts, out);
}

/// Everything that the rules say of the message of one row.
///
/// # Errors
/// Why there is no message.
pub(super) fn message(facts: &Facts<'_>, one: &Row, out: &mut Out<'_>) -> Result<(), Box<Finding>> {
    let looked = facts.engine.look(one)?;
    let values = looked.values();
    let shape = facts.sheet(one, &looked, &values);
    let own = shape.as_row();
    sheet(&shape, out);
    Pairs::of(&shape, out).row(&own, out);
    row(&own, out);
    Ok(())
}

/// Adds counts to counts, place by place.
fn add_up(counts: &mut Vec<u64>, more: &[u64]) {
    counts.resize(counts.len().max(more.len()), 0);
    for (count, more) in counts.iter_mut().zip(more) {
        *count += more;
    }
}

/// What is known of all rows together.
#[derive(Debug, Default)]
pub(super) struct Tally {
    data: data::Tally,
    twice: data::Twice,
    plan: plan::Tally,
    size: size::Tally,
    subject: subject::Tally,
    unsubscribe: unsubscribe::Tally,
}

impl Tally {
    fn row(&mut self, row: &RowSheet<'_>) {
        self.data.row(row);
        self.twice.row(row);
        self.plan.row(row);
        self.size.row(row);
        self.subject.row(row);
        self.unsubscribe.row(row);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.data.merge(other.data);
        self.twice.merge(other.twice);
        self.plan.merge(&other.plan);
        self.size.merge(other.size);
        self.subject.merge(other.subject);
        self.unsubscribe.merge(other.unsubscribe);
    }

    fn finish(self, facts: &Facts<'_>, out: &mut Out<'_>) {
        gaps::finish(&self.data, facts, out);
        self.data.finish(facts, out);
        self.twice.finish(facts, out);
        self.plan.finish(facts, out);
        self.size.finish(facts, out);
        self.subject.finish(facts, out);
        self.unsubscribe.finish(facts, out);
    }
}
