//! Places in `campaign.toml`.

use super::super::facts::Facts;
use crate::campaign::Text;
use crate::finding::{Finding, Place};

/// A finding with its place in `campaign.toml`.
pub(super) fn at_text(facts: &Facts<'_>, mut finding: Finding, text: &Text) -> Finding {
    let source = &facts.campaign.source;
    finding.place = Place::file(&source.path);
    finding.excerpt(source.excerpt(text.span()))
}

/// A finding about the whole of `campaign.toml`.
pub(super) fn in_file(facts: &Facts<'_>, mut finding: Finding) -> Finding {
    finding.place = Place::file(&facts.campaign.source.path);
    finding
}

/// Whether a text is a template, so that it may be another one for each row.
pub(super) fn varies(text: &Text) -> bool {
    text.get_ref().contains('{')
}

/// The value of a header in the campaign.
pub(super) fn header<'a>(facts: &Facts<'a>, name: &str) -> Option<&'a Text> {
    let headers = &facts.campaign.message.headers;
    let is_it = |(own, _): &&(String, Text)| own.eq_ignore_ascii_case(name);
    headers.iter().find(is_it).map(|(_, value)| value)
}
