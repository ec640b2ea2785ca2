//! Places in `campaign.toml`.

use crate::campaign::Text;
use crate::check::context::CampaignContext;
use crate::finding::{Finding, Place};

/// A finding with its place in `campaign.toml`.
pub(super) fn at_text(shared: &CampaignContext<'_>, mut finding: Finding, text: &Text) -> Finding {
    let source = &shared.campaign.source;
    finding.place = Place::file(&source.path);
    finding.excerpt(source.excerpt(text.span()))
}

/// A finding about the whole of `campaign.toml`.
pub(super) fn in_file(shared: &CampaignContext<'_>, mut finding: Finding) -> Finding {
    finding.place = Place::file(&shared.campaign.source.path);
    finding
}

/// Whether a text is a template, so that it may be another one for each row.
pub(super) fn varies(text: &Text) -> bool {
    text.get_ref().contains('{')
}

/// The value of a header in the campaign.
pub(super) fn header<'a>(shared: &CampaignContext<'a>, name: &str) -> Option<&'a Text> {
    let headers = &shared.campaign.message.headers;
    let is_it = |(own, _): &(&Text, &Text)| own.get_ref().eq_ignore_ascii_case(name);
    headers.iter().find(is_it).map(|(_, value)| value)
}
