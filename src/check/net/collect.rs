//! What the messages lead to. Nothing is fetched that could mean one recipient: to ask for such a link
//! might confirm, count or unsubscribe someone.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::check::context::MessageContext;
use crate::check::locate::has_site;
use crate::check::rules::urls::is_link;
use crate::finding::{Excerpt, Finding, Place};
use crate::html::image_sources;
use crate::html::marks::is_marked;

/// The most URLs that are looked up.
const MOST: usize = 100;
/// The most domains of senders.
const SENDERS: usize = 5;

/// What a URL is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Link,
    Image,
}

/// A URL in the messages.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) kind: Kind,
    pub(super) url: Url,
    /// Whether it is asked for; else only its host is looked up.
    pub(super) fetch: bool,
    at: Place,
    excerpt: Option<Excerpt>,
}

impl Target {
    /// A finding at its place.
    pub(super) fn place(&self, finding: Finding) -> Finding {
        Finding {
            place: self.at.clone(),
            excerpt: self.excerpt.clone(),
            ..finding
        }
    }
}

/// What is to be looked up.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets {
    pub(super) urls: BTreeMap<(Kind, String), Target>,
    /// Whether there were more.
    pub(super) beyond: bool,
    /// The domains of the senders.
    pub(super) senders: BTreeSet<String>,
}

impl Targets {
    /// Adds what a message of a shape leads to.
    pub(super) fn add(&mut self, context: &MessageContext<'_>) {
        if self.senders.len() < SENDERS {
            let domain = context.message.from.address.ascii_domain();
            self.senders.insert(domain.to_lowercase());
        }
        let unsubscribe = unsubscribe(&context.message.headers);
        let locator = &context.shared.locator;
        let wanted = |address: &str| {
            let address = address.trim();
            let site = site(address)?;
            // Values that shape the HTML have no marks: a host that nobody wrote may be a recipient's.
            let campaign = &context.shared.campaign.source.text;
            if !locator.has_site(site) && !has_site(campaign, site) {
                return None;
            }
            let written = !is_marked(address) && locator.has_address(address);
            wanted(address, written, &unsubscribe)
        };
        let unknown = || super::UNKNOWN.found("");
        for page in context.pages() {
            for (index, element) in page.elements() {
                let href = element.get("href").filter(|_| is_link(&element.name));
                if let Some((url, fetch)) = href.and_then(wanted) {
                    let located = || locator.at_element(unknown(), page, index, Some("href"));
                    self.insert(Kind::Link, url, fetch, located);
                }
            }
            for (index, source) in image_sources(page) {
                if let Some((url, fetch)) = wanted(source.address) {
                    let located = || locator.at_image(unknown(), page, index, &source);
                    self.insert(Kind::Image, url, fetch, located);
                }
            }
        }
    }

    /// One that stands nowhere.
    #[cfg(test)]
    pub(super) fn target(kind: Kind, url: &str, fetch: bool) -> Target {
        Target {
            kind,
            url: url.parse().expect("a URL"),
            fetch,
            at: Place::default(),
            excerpt: None,
        }
    }

    fn insert(&mut self, kind: Kind, url: Url, fetch: bool, located: impl Fn() -> Finding) {
        let key = (kind, url.as_str().to_owned());
        if self.urls.contains_key(&key) {
            return;
        }
        if self.urls.len() >= MOST {
            self.beyond = true;
            return;
        }
        let located = located();
        let target = Target {
            kind,
            url,
            fetch,
            at: located.place,
            excerpt: located.excerpt,
        };
        self.urls.insert(key, target);
    }
}

/// The scheme and the host of an address, as it is written.
fn site(address: &str) -> Option<&str> {
    let (scheme, rest) = address.split_once("://")?;
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    address.get(..scheme.len() + 3 + host)
}

/// The URL to look up, and whether it is asked for: it stands in a template as it is, so that it is the
/// same for all recipients whatever their data, and has nothing to do with unsubscribing. Of others only
/// the host is looked up, if that is the same for all.
fn wanted(value: &str, written: bool, unsubscribe: &[Url]) -> Option<(Url, bool)> {
    let mut url = Url::parse(value).ok()?;
    // A host with a mark in it is none, and does not get here.
    if !["http", "https"].contains(&url.scheme()) || url.host().is_none() {
        return None;
    }
    url.set_fragment(None);
    let fetch = written && !unsubscribes(&url, unsubscribe);
    if !fetch {
        url.set_path("/");
        url.set_query(None);
    }
    Some((url, fetch))
}

/// Whether a URL may be one to unsubscribe: by its words, or because the header's one is like it.
fn unsubscribes(url: &Url, header: &[Url]) -> bool {
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
    let like = |known: &Url| {
        let begins = url.path() != "/" && known.as_str().starts_with(url.as_str());
        let same = known.host() == url.host() && known.path() == url.path();
        begins || same
    };
    words.iter().any(|word| text.contains(word)) || header.iter().any(like)
}

/// The URLs of `List-Unsubscribe` (RFC 2369).
fn unsubscribe(headers: &[(String, String)]) -> Vec<Url> {
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

    fn of(value: &str, written: bool) -> Option<(String, bool)> {
        let header = [(
            "list-unsubscribe".to_owned(),
            "<mailto:u@s.example>, <https://s.example/u/t0ken?x=1>".to_owned(),
        )];
        let (url, fetch) = wanted(value, written, &unsubscribe(&header))?;
        Some((url.to_string(), fetch))
    }

    #[test]
    fn only_what_is_written_in_the_templates_is_fetched() {
        let fetched = |url: &str| Some((url.to_owned(), true));
        let resolved = |url: &str| Some((url.to_owned(), false));
        assert_eq!(
            of("https://s.example/a?b=1#c", true),
            fetched("https://s.example/a?b=1")
        );
        for value in [
            "https://s.example/a?who=t0ken",
            "https://s.example/\u{fdd0}0\u{fdd1}",
        ] {
            assert_eq!(of(value, false), resolved("https://s.example/"), "{value}");
        }
        for value in [
            "mailto:a@s.example",
            "#top",
            "tel:1",
            "cid:logo",
            "/a",
            "https://\u{fdd0}0\u{fdd1}.example/a",
        ] {
            assert_eq!(of(value, false), None, "{value}");
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
            let wanted = of(value, true).expect("a host");
            assert!(!wanted.1, "{value}");
        }
        assert_eq!(of("https://s.example/", true).map(|it| it.1), Some(true));
    }
}
