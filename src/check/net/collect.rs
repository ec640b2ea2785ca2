//! Collects the URLs and senders to look up. URLs that may identify a recipient are never requested, because
//! that could confirm, count or unsubscribe someone.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::check::context::MessageContext;
use crate::check::locate::has_site;
use crate::check::rules::urls::is_link;
use crate::finding::{Excerpt, Finding, Place};
use crate::html::image_sources;
use crate::html::marks::is_marked;

/// The most URLs that are looked up.
const MAX_URLS: usize = 100;
/// The most sender domains that are looked up.
const MAX_SENDERS: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TargetKind {
    Link,
    Image,
}

/// A URL in the messages.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) kind: TargetKind,
    pub(super) url: Url,
    /// Whether it is requested. Otherwise only its host is resolved.
    pub(super) fetch: bool,
    place: Place,
    excerpt: Option<Excerpt>,
}

impl Target {
    pub(super) fn place(&self, finding: Finding) -> Finding {
        Finding {
            place: self.place.clone(),
            excerpt: self.excerpt.clone(),
            ..finding
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Targets {
    pub(super) urls: BTreeMap<(TargetKind, String), Target>,
    /// Whether there are more URLs than are looked up.
    pub(super) is_truncated: bool,
    /// The domains of the senders.
    pub(super) senders: BTreeSet<String>,
}

impl Targets {
    /// Adds the URLs and the sender of a message.
    pub(super) fn add(&mut self, context: &MessageContext<'_>) {
        if self.senders.len() < MAX_SENDERS {
            let domain = context.message.from.address.ascii_domain();
            self.senders.insert(domain.to_lowercase());
        }
        let unsubscribe = list_unsubscribe(&context.message.headers);
        let locator = &context.shared.locator;
        let to_look_up = |address: &str| {
            let address = address.trim();
            let site = site(address)?;
            // Some values have no marks, so a host that is not in the files may belong to a recipient.
            let campaign = &context.shared.campaign.source.text;
            if !locator.has_site(site) && !has_site(campaign, site) {
                return None;
            }
            let is_literal = !is_marked(address) && locator.has_address(address);
            url_to_look_up(address, is_literal, &unsubscribe)
        };
        let unknown = || super::UNKNOWN.found("");
        for page in context.pages() {
            for (index, element) in page.elements() {
                let href = element.get("href").filter(|_| is_link(&element.name));
                if let Some((url, fetch)) = href.and_then(to_look_up) {
                    let located = || locator.at_element(unknown(), page, index, Some("href"));
                    self.insert(TargetKind::Link, url, fetch, located);
                }
            }
            for (index, source) in image_sources(page) {
                if let Some((url, fetch)) = to_look_up(source.address) {
                    let located = || locator.at_image(unknown(), page, index, &source);
                    self.insert(TargetKind::Image, url, fetch, located);
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn target(kind: TargetKind, url: &str, fetch: bool) -> Target {
        Target {
            kind,
            url: url.parse().expect("a URL"),
            fetch,
            place: Place::default(),
            excerpt: None,
        }
    }

    fn insert(&mut self, kind: TargetKind, url: Url, fetch: bool, located: impl Fn() -> Finding) {
        let key = (kind, url.as_str().to_owned());
        if self.urls.contains_key(&key) {
            return;
        }
        if self.urls.len() >= MAX_URLS {
            self.is_truncated = true;
            return;
        }
        let located = located();
        let target = Target {
            kind,
            url,
            fetch,
            place: located.place,
            excerpt: located.excerpt,
        };
        self.urls.insert(key, target);
    }
}

/// The scheme and host of an address, as written.
fn site(address: &str) -> Option<&str> {
    let (scheme, rest) = address.split_once("://")?;
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    address.get(..scheme.len() + 3 + host)
}

/// The URL to look up, and whether to request it. A URL is requested if a template contains it literally, so
/// that it is the same for all recipients, and if it cannot unsubscribe anyone. Of other URLs, only the host is
/// resolved.
fn url_to_look_up(value: &str, is_literal: bool, unsubscribe: &[Url]) -> Option<(Url, bool)> {
    let mut url = Url::parse(value).ok()?;
    // A host with a mark in it does not parse.
    if !["http", "https"].contains(&url.scheme()) || url.host().is_none() {
        return None;
    }
    url.set_fragment(None);
    let fetch = is_literal && !may_unsubscribe(&url, unsubscribe);
    if !fetch {
        url.set_path("/");
        url.set_query(None);
    }
    Some((url, fetch))
}

/// Whether a URL may unsubscribe someone: by its words, or because it resembles one of the header.
fn may_unsubscribe(url: &Url, header: &[Url]) -> bool {
    let text = url.as_str().to_ascii_lowercase();
    let words = [
        "unsub",
        "optout",
        "opt-out",
        "opt_out",
        "wypis",
        "abmeld",
        "desinscri",
        "remove",
    ];
    let is_similar = |known: &Url| {
        let is_prefix = url.path() != "/" && known.as_str().starts_with(url.as_str());
        is_prefix || (known.host() == url.host() && known.path() == url.path())
    };
    words.iter().any(|word| text.contains(word)) || header.iter().any(is_similar)
}

/// The URLs of `List-Unsubscribe` (RFC 2369).
fn list_unsubscribe(headers: &[(String, String)]) -> Vec<Url> {
    let header = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("List-Unsubscribe"));
    header
        .flat_map(|(_, value)| value.split('<').skip(1))
        .filter_map(|rest| Url::parse(rest.split('>').next()?.trim()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(value: &str, is_literal: bool) -> Option<(String, bool)> {
        let header = [(
            "list-unsubscribe".to_owned(),
            "<mailto:u@s.example>, <https://s.example/u/t0ken?x=1>".to_owned(),
        )];
        let (url, fetch) = url_to_look_up(value, is_literal, &list_unsubscribe(&header))?;
        Some((url.to_string(), fetch))
    }

    #[test]
    fn requests_only_literal_urls() {
        let fetched = |url: &str| Some((url.to_owned(), true));
        let resolved = |url: &str| Some((url.to_owned(), false));
        assert_eq!(
            look_up("https://s.example/a?b=1#c", true),
            fetched("https://s.example/a?b=1")
        );
        for value in [
            "https://s.example/a?who=t0ken",
            "https://s.example/\u{fdd0}0\u{fdd1}",
        ] {
            assert_eq!(
                look_up(value, false),
                resolved("https://s.example/"),
                "{value}"
            );
        }
        for value in [
            "mailto:a@s.example",
            "#top",
            "tel:1",
            "cid:logo",
            "/a",
            "https://\u{fdd0}0\u{fdd1}.example/a",
        ] {
            assert_eq!(look_up(value, false), None, "{value}");
        }
    }

    #[test]
    fn nobody_is_unsubscribed() {
        for value in [
            "https://s.example/u/t0ken?x=1",
            "https://s.example/u/t0ken",
            "https://s.example/u/",
            "https://s.example/Unsubscribe?all",
            "https://other.example/opt-out",
        ] {
            let (_, fetch) = look_up(value, true).expect("a host");
            assert!(!fetch, "{value}");
        }
        assert_eq!(
            look_up("https://s.example/", true).map(|it| it.1),
            Some(true)
        );
    }
}
