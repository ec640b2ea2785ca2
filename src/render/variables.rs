//! Finds variables that no row has. Tera reports an undefined variable only where it is printed:
//! `{% if typo %}` is silently false.

use std::collections::BTreeSet;

use tera::Tera;

use super::context::uses_rows;
use super::explain::Sources;
use crate::campaign::{Campaign, is_identifier};
use crate::finding::Finding;

/// The variables of the `roots` and of the templates that they include or extend.
pub(super) fn used(tera: &Tera, roots: &[&str]) -> BTreeSet<String> {
    roots
        .iter()
        .filter_map(|name| tera.get_template_variables(name).ok())
        .flatten()
        .map(str::to_owned)
        .collect()
}

/// The index and the name of each column that the templates use.
pub(super) fn used_columns(
    sources: &Sources,
    used: &BTreeSet<String>,
    header: &[String],
) -> Vec<(usize, String)> {
    let in_row: BTreeSet<String> = sources
        .row_lookups()
        .into_iter()
        .map(|(_, _, name)| name)
        .collect();
    // The columns of `rows` that a template uses are not known.
    let all = sources.looks_up_any() || uses_rows(used, header);
    let is_used =
        |name: &str| all || in_row.contains(name) || (is_identifier(name) && used.contains(name));
    let columns = header.iter().enumerate();
    let columns = columns.filter(|(_, name)| !name.is_empty() && is_used(name));
    columns.map(|(index, name)| (index, name.clone())).collect()
}

/// A finding for each variable that is neither a column nor in `[vars]`, and for each missing column that is
/// looked up in `row`. Names are skipped if the templates handle that they are undefined. `own` are the variables that
/// mailrun defines.
pub(super) fn unknown(
    sources: &Sources,
    used: &BTreeSet<String>,
    header: &[String],
    campaign: &Campaign,
    own: &[&str],
) -> Vec<Finding> {
    let vars: Vec<&str> = campaign
        .vars
        .iter()
        .map(|(name, _)| name.get_ref().as_str())
        .collect();
    let is_column = |name: &str| header.iter().any(|column| column == name);
    let is_defined = |name: &str| {
        (is_identifier(name) && is_column(name)) || vars.contains(&name) || own.contains(&name)
    };
    let mut findings: Vec<Finding> = used
        .iter()
        .filter(|name| !is_defined(name) && !sources.sets(name))
        .filter_map(|name| sources.place_of_unguarded(name).map(|place| (name, place)))
        .map(|(name, (template, span))| sources.undefined(&template, span, name))
        .collect();
    for (template, span, name) in sources.row_lookups() {
        if !is_column(&name) && !sources.is_guarded(&name) {
            findings.push(sources.undefined(&template, span, &name));
        }
    }
    findings
}
