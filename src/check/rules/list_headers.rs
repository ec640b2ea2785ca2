//! The URIs in `List-…` headers (RFC 2369).

use super::campaign_file::{at_text, varies};
use crate::check::context::{CampaignContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;

const URI: Rule = Rule::warning("list-uri")
    .finds("a URI in a `List-…` header with characters outside ASCII, or with more than 900 characters")
    .why("URIs are ASCII, and a header line has at most 998 characters. Servers on the way encode or cut such a header, and mail clients then show no way to unsubscribe.")
    .fix("Encode values: `{{ city | urlencode }}`. Write a shorter address.")
    .source("RFC 3986 2, RFC 2047 5, RFC 5322 2.1.1")
    .example("`List-Unsubscribe = \"<https://acme.example/u?city={{ city }}>\"` for `Łódź`");

const RULES: &[Rule] = &[URI];

pub(in crate::check) struct ListHeaders;

impl Family for ListHeaders {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn campaign(&self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        for (name, value) in &shared.campaign.message.headers {
            if !varies(value)
                && let Some(finding) = check(name.get_ref(), value.get_ref())
            {
                sink.add(at_text(shared, finding, value));
            }
        }
    }

    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        if !sink.wants(&URI) {
            return;
        }
        let shared = context.shared;
        for (name, value) in &shared.campaign.message.headers {
            if !varies(value) {
                continue;
            }
            let name = name.get_ref();
            let mut sent = context.message.headers.iter();
            if let Some((_, sent)) = sent.find(|(other, _)| other == name)
                && let Some(finding) = check(name, sent)
            {
                sink.add(at_text(shared, finding, value));
            }
        }
    }
}

/// The longest URI that fits into a line with the name of its header.
const MAX_LENGTH: usize = 900;

/// Checks the URIs in a header. List-Id has none.
fn check(name: &str, value: &str) -> Option<Finding> {
    let is_list = name
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("list-"));
    if !is_list
        || name.eq_ignore_ascii_case("List-Id")
        || value.is_ascii() && value.len() <= MAX_LENGTH
    {
        return None;
    }
    let uris = value.split('<').skip(1);
    let mut uris = uris.map(|rest| rest.split('>').next().unwrap_or_default());
    uris.find_map(|uri| {
        if let Some(character) = uri.chars().find(|c| !c.is_ascii()) {
            let finding = URI.found(format!(
                "a URI in {name} contains “{character}”, but URIs are ASCII"
            ));
            return Some(
                finding
                    .kind("a URI outside ASCII")
                    .help("encode values: {{ … | urlencode }}"),
            );
        }
        (uri.len() > MAX_LENGTH).then(|| {
            let length = uri.len();
            URI.found(format!(
                "a URI in {name} has {length} characters, which does not fit into a header line"
            ))
            .kind("a long URI")
            .help("write a shorter address, at most 900 characters")
        })
    })
}
