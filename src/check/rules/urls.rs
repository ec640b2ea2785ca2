//! Where an address in a message leads: what links and images have in common.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;

use url::{Host, Url};

use crate::check::context::MessageContext;
use crate::finding::Finding;
use crate::html::marks::{before_marks, fill, is_marked};

/// From where an address can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// From everywhere, as far as the name tells.
    Public,
    /// From one network only.
    Private,
    /// From the machine of whoever reads it, which is another one.
    Loopback,
}

/// Names that no public server has (RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`, and what
/// networks use without asking).
const PRIVATE: [&str; 9] = [
    ".local",
    ".lan",
    ".internal",
    ".intranet",
    ".corp",
    ".home",
    ".home.arpa",
    ".localdomain",
    ".test",
];

/// From where the host of an address can be reached.
pub(super) fn reach(url: &Url) -> Reach {
    let private = |is: bool| if is { Reach::Private } else { Reach::Public };
    match url.host() {
        Some(Host::Ipv4(ip)) if ip.is_loopback() || ip.is_unspecified() => Reach::Loopback,
        Some(Host::Ipv4(ip)) => private(ip.is_private() || ip.is_link_local()),
        Some(Host::Ipv6(ip)) if ip.is_loopback() || ip.is_unspecified() => Reach::Loopback,
        Some(Host::Ipv6(ip)) => private(ip.is_unique_local() || ip.is_unicast_link_local()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            if name == "localhost" || name.ends_with(".localhost") {
                return Reach::Loopback;
            }
            let private_name = PRIVATE.iter().any(|end| name.ends_with(end));
            private(private_name || !name.contains('.'))
        }
        None => Reach::Public,
    }
}

/// Whether a text has a placeholder of a template, of ours or of another mailer, that nothing filled.
pub(super) fn has_leftover(text: &str) -> bool {
    memchr::memchr3(b'{', b'*', b'%', text.as_bytes()).is_some()
        && (["{{", "{%", "*|"].iter().any(|begin| text.contains(begin))
            || text.to_ascii_lowercase().contains("%7b%7b"))
}

/// Whether an address is for all rows of a shape of the same scheme and host, or has neither: their
/// values come after those.
pub(super) fn is_settled(address: &str) -> bool {
    if !is_marked(address) {
        return true;
    }
    let fixed = before_marks(address);
    let ends = ['/', '?', '#'];
    let Some((_, rest)) = fixed.split_once("//") else {
        // A `/` may be followed by another.
        let path = fixed.find(ends).filter(|at| !fixed[..*at].contains(':'));
        return path.is_some() && fixed.trim() != "/";
    };
    rest.contains(ends)
}

/// A settled address with letters in the place of the values.
pub(super) fn settled<'a>(address: &'a str, context: &MessageContext<'_>) -> Option<Cow<'a, str>> {
    let letters = || vec![Cow::Borrowed("x"); context.values.len()];
    is_settled(address).then(|| {
        if is_marked(address) {
            fill(address, &letters())
        } else {
            Cow::Borrowed(address)
        }
    })
}

thread_local! {
    /// Sites about which nothing is wrong. What is wrong goes by the name alone, and rows have few.
    static GOOD_SITES: RefCell<HashSet<String>> = RefCell::default();
}
/// How many sites are remembered.
const MOST_SITES: usize = 256;

/// What is wrong with a row's own address: `look` tells, unless nothing is wrong with its site and
/// nothing is left over in it.
pub(super) fn look_at_site(
    address: &str,
    look: impl FnOnce() -> Option<Finding>,
) -> Option<Finding> {
    let site = site(address).filter(|_| !has_leftover(address));
    let is_good = |site| GOOD_SITES.with_borrow(|sites| sites.contains(site));
    if site.is_some_and(is_good) {
        return None;
    }
    let found = look();
    if let (Some(site), None) = (site, &found) {
        GOOD_SITES.with_borrow_mut(|sites| {
            if sites.len() < MOST_SITES {
                sites.insert(site.to_owned());
            }
        });
    }
    found
}

/// The scheme and the host of a web address, if something comes after them.
fn site(address: &str) -> Option<&str> {
    let begin = "https://";
    let rest = address.strip_prefix(begin)?;
    let end = rest.find(['/', '?', '#']).filter(|end| *end > 0)?;
    Some(&address[..begin.len() + end])
}

/// How a row's address is named for all rows that have it: by what is the same for them.
pub(super) fn named(what: &str, address: &str) -> String {
    let fixed = before_marks(address).trim();
    if fixed.is_empty() {
        format!("a {what}")
    } else {
        format!("the {what} “{fixed}…”")
    }
}

/// What is wrong with the host of a web address, which URLs may have and sites don't.
pub(super) fn fault_of_host(url: &Url) -> Option<String> {
    let host = url.domain()?;
    if matches!(host, "http" | "https") {
        return Some("its scheme is there twice".to_owned());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_label = |label: &str| (1..64).contains(&label.len()) && label.chars().all(is_part);
    let is_name = name.split('.').all(is_label);
    (!is_name).then(|| format!("“{host}” is not the name of a host"))
}

/// What is wrong with a scheme, if it is another one by a slip.
pub(super) fn near_https(scheme: &str) -> Option<String> {
    let near = |known: &str| strsim::damerau_levenshtein(scheme, known) == 1;
    let is_slip = near("http") || near("https");
    is_slip.then(|| format!("its scheme is “{scheme}” and not “https”"))
}

/// What an address is that has no scheme: with the way to write it.
pub(super) fn with_scheme(address: &str) -> String {
    if address.contains('@') && !address.contains('/') {
        return "for an e-mail address write mailto: before it".to_owned();
    }
    let host = address.trim_start_matches('/');
    let is_host = address.starts_with("//") || address.starts_with("www.");
    if is_host {
        return format!("write https://{host}");
    }
    "a message has no page that it could be relative to: write the whole address, with https://"
        .to_owned()
}

/// Whether what is written before the first colon is no scheme but the name of a host, a drive or
/// nothing known: `example.com:80/`, `C:\logo.png`.
pub(super) fn is_no_scheme(scheme: &str) -> bool {
    scheme.len() == 1 || scheme.contains('.') || scheme == "localhost"
}

/// Whether an element of this name is a link where it has an address.
pub(in crate::check) fn is_link(element: &str) -> bool {
    // Shapes of VML are the buttons of Outlook.
    element == "a" || element == "area" || element.starts_with("v:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_reached_from_where_they_are() {
        let reached = |url: &str| reach(&url.parse().expect("a URL"));
        for url in [
            "https://acme.example/x",
            "https://8.8.8.8/",
            "https://local.example/",
        ] {
            assert_eq!(reached(url), Reach::Public, "{url}");
        }
        for url in [
            "https://intranet/x",
            "https://10.1.2.3/",
            "https://192.168.0.1/",
            "https://wiki.corp/",
            "https://[fd00::1]/",
        ] {
            assert_eq!(reached(url), Reach::Private, "{url}");
        }
        for url in [
            "http://localhost:8000/",
            "http://127.0.0.1/",
            "http://[::1]/",
        ] {
            assert_eq!(reached(url), Reach::Loopback, "{url}");
        }
    }

    #[test]
    fn placeholders_are_told_from_addresses() {
        for text in [
            "https://x/{{ token }}",
            "https://x/%7b%7Btoken%7D%7D",
            "*|UNSUB|*",
            "{% url %}",
        ] {
            assert!(has_leftover(text), "{text}");
        }
        for text in [
            "https://x/?q=%7B1%7D",
            "https://x/*/a",
            "https://x/{id}",
            "100%",
        ] {
            assert!(!has_leftover(text), "{text}");
        }
    }

    #[test]
    fn a_site_is_looked_at_once_until_something_is_wrong_with_the_address() {
        let looks = std::cell::Cell::new(0);
        let look = |address: &str, found: bool| {
            look_at_site(address, || {
                looks.set(looks.get() + 1);
                found.then(|| Finding::error("x", crate::finding::Place::default(), "x"))
            })
            .is_some()
        };
        for address in [
            "https://a.example/1",
            "https://a.example/2",
            "https://a.example?3",
        ] {
            assert!(!look(address, false), "{address}");
        }
        assert_eq!(looks.get(), 1);
        // No host at all may have any after it.
        assert!(!look("https:////a.example/", false));
        assert!(look("https://#000/", true));
        looks.set(1);
        // Another host, another scheme, a name that goes on, and what was left over.
        for address in [
            "https://b.example/1",
            "http://a.example/1",
            "https://a.example.internal/",
            "https://a.example",
            "https://a.example/{{ token }}",
        ] {
            assert!(look(address, true), "{address}");
            assert!(look(address, true), "{address}: again");
        }
    }

    #[test]
    fn an_address_is_settled_when_values_come_after_its_host() {
        assert!(is_settled("anything"));
        assert!(is_settled("https://x.example/\u{fdd0}0\u{fdd1}"));
        assert!(!is_settled("https://x.example\u{fdd0}0\u{fdd1}"));
        assert!(!is_settled("\u{fdd0}0\u{fdd1}/a"));
        assert!(is_settled("/v?t=\u{fdd0}0\u{fdd1}"));
        assert!(is_settled("images/\u{fdd0}0\u{fdd1}"));
        assert!(!is_settled("/\u{fdd0}0\u{fdd1}"));
        assert!(!is_settled("//\u{fdd0}0\u{fdd1}"));
        assert!(!is_settled("mailto:\u{fdd0}0\u{fdd1}?x"));
        assert!(!is_settled("www\u{fdd0}0\u{fdd1}"));
    }
}
