//! What cells that are empty leave in a message: told by what is not there when they are filled.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::gap::{self, Gap, Gaps, Part};
use crate::campaign::is_identifier;
use crate::check::columns::is_blank;
use crate::check::context::{CampaignContext, MessageContext, RowContext};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::message::Message;
use crate::render::{Looked, Row};

pub(super) const GAP: Rule = Rule::warning("gap")
    .finds("a hole that an empty value leaves: a greeting without a name, a space before a comma, two spaces")
    .why("Readers see at once that a value is missing.")
    .fix("Write what to say without the value: `{% if first_name %}Hello {{ first_name }},{% else %}Hello,{% endif %}`.")
    .source("the message, compared with the same message when all values are there")
    .example("`Hello {{ first_name }},` that reads “Hello ,”");

/// What stands in a cell that is filled to see what then is gone; it is also a number.
const FILLER: &str = "1";
/// How many cells of a row are filled one by one.
const MOST_CELLS: usize = 8;
/// How many verdicts are remembered.
const MOST_KNOWN: usize = 10_000;

/// What is known of gaps in subjects and text parts: rows with the same cells empty are alike.
#[derive(Debug, Default)]
pub(super) struct Verdicts(Mutex<HashMap<Key, Option<Finding>>>);

/// The cells that are empty, and the gap with how often it is there.
type Key = (Vec<usize>, Part, Gap, usize);

/// The gaps in the HTML of a shape, and in all of a message that has no empty cells.
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
                Part::Html,
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

/// The gaps in the subject and the text part of a row with empty cells.
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
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = known().get(&key) {
            return verdict.clone();
        }
        let verdict = judge();
        let mut known = known();
        if known.len() < MOST_KNOWN {
            known.insert(key, verdict.clone());
        }
        verdict
    }
}

/// The columns that the templates use and this row has nothing in.
fn empty_columns(shared: &CampaignContext<'_>, row: &Row) -> Vec<usize> {
    let used = shared.used_columns().map(|(place, _)| place);
    used.filter(|place| is_blank(row, *place)).collect()
}

/// The gaps in the subject, and in the text part if it has a template of its own.
fn texts(shared: &CampaignContext<'_>, message: &Message) -> impl Iterator<Item = (Part, Gaps)> {
    let own = shared.campaign.message.text.is_some();
    let text = message.text().filter(|_| own);
    let text = text.map(|text| (Part::Text, gap::in_text(text)));
    std::iter::once((Part::Subject, gap::in_subject(&message.subject))).chain(text)
}

/// What is wrong with a gap: nothing, if it is there as well when all cells are filled, unless that
/// is plain to see.
fn judge(
    shared: &CampaignContext<'_>,
    row: &Row,
    empty: &[usize],
    part: Part,
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
        return greets_nobody.then(|| fixed(shared, part, gap));
    }
    let alone = empty.iter().copied().take(MOST_CELLS);
    let mut guilty: Vec<usize> = match empty.len() {
        1 => empty.to_vec(),
        _ => alone
            .filter(|place| more(&[*place]) == Some(true))
            .collect(),
    };
    if guilty.is_empty() {
        guilty = empty.to_vec();
    }
    let names: Vec<&str> = guilty
        .iter()
        .map(|at| shared.header[*at].as_str())
        .collect();
    Some(left(shared, part, gap, &names))
}

/// A row with these cells filled.
fn fill(row: &Row, places: &[usize]) -> Row {
    let mut row = row.clone();
    for place in places {
        if let Some(cell) = row.cells.get_mut(*place) {
            FILLER.clone_into(cell);
        }
    }
    row
}

fn gaps_of(shared: &CampaignContext<'_>, row: &Row, part: Part) -> Option<Gaps> {
    let looked: Looked = shared.engine.look(row).ok()?;
    let message = &looked.prepared.message;
    match part {
        Part::Subject => Some(gap::in_subject(&message.subject)),
        Part::Text => message.text().map(gap::in_text),
        Part::Html => shared.page(&looked).as_ref().map(gap::in_page),
    }
}

/// A gap that empty cells leave.
fn left(shared: &CampaignContext<'_>, part: Part, gap: &Gap, names: &[&str]) -> Finding {
    let message = format!("{}{gap} in {part}", leaves(names));
    let finding = GAP.found(message).help(format!(
        "say what is to stand there without it, such as {}",
        guard(names[0])
    ));
    place(shared, finding, part, gap, names)
}

/// How the message about a gap begins. Findings about columns that are never empty quote the rest.
pub(super) fn leaves(names: &[&str]) -> String {
    let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("an empty {} leaves ", listed.join(" or "))
}

/// A gap that is there whatever the row has.
fn fixed(shared: &CampaignContext<'_>, part: Part, gap: &Gap) -> Finding {
    let finding = GAP.found(format!("{gap} in {part} greets nobody"));
    let finding = finding.help("put a name there, or take the space away");
    place(shared, finding, part, gap, &[])
}

fn guard(name: &str) -> String {
    let value = expression(name);
    format!("{{% if {value} %}}Hello {{{{ {value} }}}},{{% else %}}Hello,{{% endif %}}")
}

/// A column as templates name it.
pub(super) fn expression(name: &str) -> String {
    if is_identifier(name) {
        name.to_owned()
    } else {
        format!("row[\"{name}\"]")
    }
}

fn place(
    shared: &CampaignContext<'_>,
    finding: Finding,
    part: Part,
    gap: &Gap,
    names: &[&str],
) -> Finding {
    if part == Part::Subject {
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

/// The beginnings of a tag that prints a value.
fn printed(value: &str) -> [String; 3] {
    [
        format!("{{{{ {value}"),
        format!("{{{{{value}"),
        format!("{{{{- {value}"),
    ]
}

/// A finding where the templates print a column.
pub(super) fn where_printed(shared: &CampaignContext<'_>, finding: Finding, name: &str) -> Finding {
    let value = expression(name);
    let subject = &shared.campaign.message.subject;
    let texts = printed(&value);
    let found = first_of(shared, finding, &texts);
    if found.excerpt.is_none() && texts.iter().any(|text| subject.get_ref().contains(text)) {
        return place(shared, found, Part::Subject, &Gap::Doubled, &[]);
    }
    found
}

/// A finding where the first of these texts that is in the templates stands.
fn first_of(shared: &CampaignContext<'_>, finding: Finding, texts: &[String]) -> Finding {
    let mut found = texts
        .iter()
        .map(|text| shared.locator.at_text(finding.clone(), text, 0));
    found
        .find(|found| found.excerpt.is_some())
        .unwrap_or_else(|| shared.locator.somewhere(finding))
}
