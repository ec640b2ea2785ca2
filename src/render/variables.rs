//! Which variables the templates use, and which of them no row has. Tera finds an undefined one
//! only where it is printed: `{% if typo %}` is silently false.

use std::collections::BTreeSet;

use tera::Tera;

use super::explain::Sources;
use super::values::ROW;
use crate::campaign::{Campaign, is_identifier};
use crate::finding::Finding;

/// The variables of the templates that `roots` render, with those they include and inherit from.
pub(super) fn used(tera: &Tera, roots: &[&str]) -> BTreeSet<String> {
    roots
        .iter()
        .filter_map(|name| tera.get_template_variables(name).ok())
        .flatten()
        .map(str::to_owned)
        .collect()
}

/// The columns that the templates use, by place and name.
pub(super) fn used_columns(
    sources: &Sources,
    used: &BTreeSet<String>,
    header: &[String],
) -> Vec<(usize, String)> {
    let looked_up: BTreeSet<String> = sources
        .row_lookups()
        .into_iter()
        .map(|(_, _, name)| name)
        .collect();
    let all = sources.looks_up_any();
    let is_used = |name: &str| {
        all || looked_up.contains(name) || (is_identifier(name) && used.contains(name))
    };
    let columns = header.iter().enumerate();
    let columns = columns.filter(|(_, name)| !name.is_empty() && is_used(name));
    columns.map(|(index, name)| (index, name.clone())).collect()
}

/// A finding for each variable that is neither a column nor one of `[vars]`, and for each column looked
/// up in `row` that there is not; but for those of which the templates say that they may be missing.
pub(super) fn unknown(
    sources: &Sources,
    used: &BTreeSet<String>,
    header: &[String],
    campaign: &Campaign,
) -> Vec<Finding> {
    let vars: Vec<&str> = campaign
        .vars
        .iter()
        .map(|(name, _)| name.get_ref().as_str())
        .collect();
    let column = |name: &str| header.iter().any(|column| column == name);
    let known =
        |name: &str| (is_identifier(name) && column(name)) || vars.contains(&name) || name == ROW;
    let mut findings: Vec<Finding> = used
        .iter()
        .filter(|name| !known(name) && !sources.sets(name))
        .filter_map(|name| sources.place_of_unguarded(name).map(|place| (name, place)))
        .map(|(name, (template, span))| sources.undefined(&template, span, name))
        .collect();
    for (template, span, name) in sources.row_lookups() {
        if !column(&name) && !sources.is_guarded(&name) {
            findings.push(sources.undefined(&template, span, &name));
        }
    }
    findings
}
