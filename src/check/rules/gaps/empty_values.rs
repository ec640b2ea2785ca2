//! Finds the gaps that empty cells leave in a message: those that disappear when the cells are filled.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::gap::{self, Gap, Gaps, MessagePart};
use crate::campaign::expression;
use crate::check::columns::is_blank;
use crate::check::context::{CampaignContext, MessageContext, RowContext};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::message::Message;
use crate::render::{InspectedMessage, Row};

pub(super) const GAP: Rule = Rule::warning("gap")
    .finds("a hole that an empty value leaves: a greeting without a name, a space before a comma, two spaces")
    .why("Readers see at once that a value is missing.")
    .fix("Write what to say without the value: `{% if first_name %}Hello {{ first_name }},{% else %}Hello,{% endif %}`.")
    .source("the message, compared with the same message when all values are there")
    .example("`Hello {{ first_name }},` that reads “Hello ,”");

/// The value in a cell that is filled to see which gaps disappear. Filters for numbers accept it.
const FILLER: &str = "1";
/// How many cells of a row are filled one by one.
const MOST_CELLS: usize = 8;
/// How many verdicts are cached.
const MOST_VERDICTS: usize = 10_000;

/// A cache of verdicts on gaps in subjects and text parts. Rows with the same empty cells share a verdict.
#[derive(Debug, Default)]
pub(super) struct Verdicts(Mutex<HashMap<Key, Option<Finding>>>);

/// The empty columns, and the gap with its number of occurrences.
type Key = (Vec<usize>, MessagePart, Gap, usize);

/// Checks the HTML of a shape, and subject and text part too if the row has no empty cells.
pub(super) fn message(context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
    if !sink.wants(&GAP) {
        return;
    }
    let empty = empty_columns(context.shared, context.row);
    if let Some(page) = &context.page {
        let gaps = gap::in_page(page);
        for gap in gaps.keys() {
            sink.extend(judge(
                context.shared,
                context.row,
                &empty,
                MessagePart::Html,
                &gaps,
                gap,
            ));
        }
    }
    if empty.is_empty() {
        for (part, gaps) in texts(context.shared, context.message) {
            for gap in gaps.keys() {
                sink.extend(judge(context.shared, context.row, &empty, part, &gaps, gap));
            }
        }
    }
}

/// Checks the subject and the text part of a row with empty cells.
pub(super) fn row(context: &RowContext<'_>, verdicts: &Verdicts, sink: &mut FindingSink<'_>) {
    let empty = empty_columns(context.shared, context.row);
    if empty.is_empty() || !sink.wants(&GAP) {
        return;
    }
    for (part, gaps) in texts(context.shared, context.message) {
        for (gap, count) in &gaps {
            let key = (empty.clone(), part, gap.clone(), *count);
            sink.extend(verdicts.get(key, || {
                judge(context.shared, context.row, &empty, part, &gaps, gap)
            }));
        }
    }
}

impl Verdicts {
    fn get(&self, key: Key, judge: impl FnOnce() -> Option<Finding>) -> Option<Finding> {
        let verdicts = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = verdicts().get(&key) {
            return verdict.clone();
        }
        let verdict = judge();
        let mut verdicts = verdicts();
        if verdicts.len() < MOST_VERDICTS {
            verdicts.insert(key, verdict.clone());
        }
        verdict
    }
}

/// The columns that the templates use and in which this row is empty.
fn empty_columns(shared: &CampaignContext<'_>, row: &Row) -> Vec<usize> {
    let used = shared.used_columns().map(|(place, _)| place);
    used.filter(|place| is_blank(row, *place)).collect()
}

/// The gaps in the subject, and in a text part from a template.
fn texts(
    shared: &CampaignContext<'_>,
    message: &Message,
) -> impl Iterator<Item = (MessagePart, Gaps)> {
    let has_template = shared.campaign.message.text.is_some();
    let text = message.text().filter(|_| has_template);
    let text = text.map(|text| (MessagePart::Text, gap::in_text(text)));
    std::iter::once((MessagePart::Subject, gap::in_subject(&message.subject))).chain(text)
}

/// The finding about a gap, if it disappears when the empty cells are filled, or if it is a greeting without a name.
fn judge(
    shared: &CampaignContext<'_>,
    row: &Row,
    empty: &[usize],
    part: MessagePart,
    gaps: &Gaps,
    gap: &Gap,
) -> Option<Finding> {
    let more = |filled: &[usize]| {
        let others = gaps_of(shared, &fill(row, filled), part)?;
        Some(gap::more_than(gaps, &others).contains_key(gap))
    };
    let is_greeting = matches!(gap, Gap::Greeting(_));
    if empty.is_empty() || !more(empty).unwrap_or(is_greeting) {
        let greets_nobody = matches!(gap, Gap::Greeting(text) if text.ends_with([',', '!']));
        return greets_nobody.then(|| without_cause(shared, part, gap));
    }
    let alone = empty.iter().copied().take(MOST_CELLS);
    let mut causes: Vec<usize> = match empty.len() {
        1 => empty.to_vec(),
        _ => alone
            .filter(|place| more(&[*place]) == Some(true))
            .collect(),
    };
    if causes.is_empty() {
        causes = empty.to_vec();
    }
    let names: Vec<&str> = causes
        .iter()
        .map(|at| shared.header[*at].as_str())
        .collect();
    Some(from_empty_cells(shared, part, gap, &names))
}

fn fill(row: &Row, places: &[usize]) -> Row {
    let mut row = row.clone();
    for place in places {
        if let Some(cell) = row.cells.get_mut(*place) {
            FILLER.clone_into(cell);
        }
    }
    row
}

fn gaps_of(shared: &CampaignContext<'_>, row: &Row, part: MessagePart) -> Option<Gaps> {
    let inspected: InspectedMessage = shared.engine.inspect(row).ok()?;
    let message = &inspected.prepared.message;
    match part {
        MessagePart::Subject => Some(gap::in_subject(&message.subject)),
        MessagePart::Text => message.text().map(gap::in_text),
        MessagePart::Html => inspected
            .html
            .as_ref()
            .map(|html| gap::in_page(&shared.page(html))),
    }
}

/// The finding about a gap that empty cells leave.
fn from_empty_cells(
    shared: &CampaignContext<'_>,
    part: MessagePart,
    gap: &Gap,
    names: &[&str],
) -> Finding {
    let message = format!("{}{gap} in {part}", leaves(names));
    let finding = GAP.found(message).help(format!(
        "write what to say without it, such as {}",
        guard(names[0])
    ));
    place(shared, finding, part, gap, names)
}

/// How the message about a gap begins. Findings about columns that are never empty quote the rest.
pub(super) fn leaves(names: &[&str]) -> String {
    let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("an empty {} leaves ", listed.join(" or "))
}

/// The finding about a gap that does not depend on the row.
fn without_cause(shared: &CampaignContext<'_>, part: MessagePart, gap: &Gap) -> Finding {
    let finding = GAP.found(format!("{gap} in {part} greets nobody"));
    let finding = finding.help("add a name, or remove the space");
    place(shared, finding, part, gap, &[])
}

fn guard(name: &str) -> String {
    let value = expression(name);
    format!("{{% if {value} %}}Hello {{{{ {value} }}}},{{% else %}}Hello,{{% endif %}}")
}

fn place(
    shared: &CampaignContext<'_>,
    finding: Finding,
    part: MessagePart,
    gap: &Gap,
    names: &[&str],
) -> Finding {
    if part == MessagePart::Subject {
        let source = &shared.campaign.source;
        let mut finding = finding;
        finding.place = crate::finding::Place::file(&source.path);
        return finding.excerpt(source.excerpt(shared.campaign.message.subject.span()));
    }
    let mut texts = Vec::new();
    for name in names {
        let value = expression(name);
        if let Gap::Greeting(text) = gap {
            let words = text.trim_end_matches([',', '!']).trim_end();
            texts.extend([
                format!("{words} {{{{ {value}"),
                format!("{words} {{{{{value}"),
            ]);
        }
        texts.extend(printed(&value));
    }
    if let Gap::Greeting(text) = gap {
        texts.push(text.clone());
    }
    first_of(shared, finding, &texts)
}

/// The beginnings of a template tag that prints a value.
fn printed(value: &str) -> [String; 3] {
    [
        format!("{{{{ {value}"),
        format!("{{{{{value}"),
        format!("{{{{- {value}"),
    ]
}

/// Places a finding where the templates print a column.
pub(super) fn where_printed(shared: &CampaignContext<'_>, finding: Finding, name: &str) -> Finding {
    let value = expression(name);
    let subject = &shared.campaign.message.subject;
    let texts = printed(&value);
    let found = first_of(shared, finding, &texts);
    if found.excerpt.is_none() && texts.iter().any(|text| subject.get_ref().contains(text)) {
        return place(shared, found, MessagePart::Subject, &Gap::Doubled, &[]);
    }
    found
}

/// Places a finding at the first of these texts that the templates contain.
fn first_of(shared: &CampaignContext<'_>, finding: Finding, texts: &[String]) -> Finding {
    let mut found = texts
        .iter()
        .map(|text| shared.locator.at_text(finding.clone(), text, 0));
    found
        .find(|found| found.excerpt.is_some())
        .unwrap_or_else(|| shared.locator.somewhere(finding))
}
