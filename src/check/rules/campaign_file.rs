//! What rules need from `campaign.toml`.

use crate::campaign::Text;
use crate::check::context::CampaignContext;
use crate::finding::{Finding, Place};

/// Places a finding at a value of `campaign.toml`.
pub(super) fn at_text(shared: &CampaignContext<'_>, mut finding: Finding, text: &Text) -> Finding {
    let source = &shared.campaign.source;
    finding.place = Place::file(&source.path);
    finding.excerpt(source.excerpt(text.span()))
}

/// Places a finding at `campaign.toml` as a whole.
pub(super) fn in_file(shared: &CampaignContext<'_>, mut finding: Finding) -> Finding {
    finding.place = Place::file(&shared.campaign.source.path);
    finding
}

/// Whether a value is a template, so that it may differ between rows.
pub(super) fn varies(text: &Text) -> bool {
    text.get_ref().contains('{')
}

pub(super) fn header<'a>(shared: &CampaignContext<'a>, name: &str) -> Option<&'a Text> {
    let headers = &shared.campaign.message.headers;
    let is_it = |(other, _): &(&Text, &Text)| other.get_ref().eq_ignore_ascii_case(name);
    headers.iter().find(is_it).map(|(_, value)| value)
}
