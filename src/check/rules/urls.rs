//! The addresses of links and images: what both kinds have in common.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;

use url::{Host, ParseError, Url};

use crate::check::context::{MessageContext, RowContext};
use crate::check::rule::Rule;
use crate::finding::Finding;
use crate::html::marks::{before_marks, fill, is_marked};

/// The rules for one kind of address.
pub(super) struct UrlRules {
    /// What has the address: `link` or `image`.
    pub(super) noun: &'static str,
    pub(super) empty: Rule,
    pub(super) leftover: Rule,
    pub(super) relative: Rule,
    pub(super) broken: Rule,
    pub(super) local: Rule,
    pub(super) private: Rule,
    pub(super) http: Rule,
    /// Checks what is special about this kind of address. The common checks follow if it finds nothing.
    pub(super) special: fn(&Url, address: &str, name: &str) -> Option<Finding>,
    /// What else can be done, for the help.
    pub(super) alternative: &'static str,
}

impl UrlRules {
    /// Checks an address. The finding calls it `name`.
    pub(super) fn check(&self, address: &str, name: &str) -> Option<Finding> {
        let address = address.trim();
        if address.is_empty() {
            let message = format!("{name} leads nowhere: its address is empty");
            let help = "write the address, or leave the element out with {% if … %}";
            return Some(self.empty.found(message).help(help));
        }
        if has_placeholder(address) {
            return Some(self.leftover(name));
        }
        let url = match Url::parse(address) {
            Err(ParseError::RelativeUrlWithoutBase) => return Some(self.relative(address, name)),
            Err(error) => return Some(self.broken(name, &error.to_string())),
            Ok(url) => url,
        };
        if let Some(finding) = (self.special)(&url, address, name) {
            return Some(finding);
        }
        match url.scheme() {
            scheme if is_not_a_scheme(scheme) => Some(self.relative(address, name)),
            "http" | "https" => self.web(&url, name),
            "file" => Some(self.local(name)),
            _ => None,
        }
    }

    /// Checks an address that contains values of the row. `may_have_placeholder` says whether one of the
    /// values has one.
    pub(super) fn check_row(
        &self,
        context: &RowContext<'_>,
        address: &str,
        may_have_placeholder: bool,
    ) -> Option<Finding> {
        let is_checked = has_fixed_site(address);
        if is_checked && !may_have_placeholder {
            return None;
        }
        let filled = fill(address, context.values);
        let name = || {
            let fixed = before_marks(address).trim();
            match fixed.is_empty() {
                true => format!("a {}", self.noun),
                false => format!("the {} “{fixed}…”", self.noun),
            }
        };
        if is_checked {
            return has_placeholder(&filled).then(|| self.leftover(&name()));
        }
        let finding = once_per_site(&filled, || self.check(&filled, &name()))?;
        Some(finding.kind(name()))
    }

    fn leftover(&self, name: &str) -> Finding {
        let message = format!("{name} contains a placeholder that was not replaced");
        let help = "write {{ column }}, and look for placeholders in the recipients' cells, too";
        self.leftover.found(message).help(help)
    }

    fn relative(&self, address: &str, name: &str) -> Finding {
        let message = format!("{name} is relative, but a message has no base address");
        let help = format!("{}{}", with_scheme(address), self.alternative);
        self.relative.found(message).help(help)
    }

    pub(super) fn broken(&self, name: &str, why: &str) -> Finding {
        let message = format!("{name} has an invalid address: {why}");
        self.broken
            .found(message)
            .help("write it as https://host/path")
    }

    pub(super) fn local(&self, name: &str) -> Finding {
        let message = format!("{name} leads to your own machine, which readers cannot reach");
        let help = format!("use its public address{}", self.alternative);
        self.local.found(message).help(help)
    }

    fn web(&self, url: &Url, name: &str) -> Option<Finding> {
        if let Some(why) = host_error(url) {
            return Some(self.broken(name, &why));
        }
        match reach(url) {
            Reach::Loopback => return Some(self.local(name)),
            Reach::Private => {
                let message = format!("{name} leads to a private network");
                let help = "use an address that all readers can reach";
                return Some(self.private.found(message).help(help));
            }
            Reach::Public => {}
        }
        (url.scheme() == "http").then(|| {
            let message = format!("{name} uses http://, which is not encrypted");
            let help = "use https:// if the server supports it";
            self.http.found(message).help(help)
        })
    }
}

/// Whether an element with this name is a link if it has an address.
pub(in crate::check) fn is_link(element: &str) -> bool {
    // Buttons for Outlook are VML shapes.
    element == "a" || element == "area" || element.starts_with("v:")
}

/// From where an address can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    /// From one network only.
    Private,
    /// From the same machine only.
    Loopback,
}

/// Domains that are not public (RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`, and common unregistered
/// ones).
const PRIVATE_DOMAINS: [&str; 9] = [
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

fn reach(url: &Url) -> Reach {
    let private_if = |is_private| match is_private {
        true => Reach::Private,
        false => Reach::Public,
    };
    match url.host() {
        Some(Host::Ipv4(ip)) if ip.is_loopback() || ip.is_unspecified() => Reach::Loopback,
        Some(Host::Ipv4(ip)) => private_if(ip.is_private() || ip.is_link_local()),
        Some(Host::Ipv6(ip)) if ip.is_loopback() || ip.is_unspecified() => Reach::Loopback,
        Some(Host::Ipv6(ip)) => private_if(ip.is_unique_local() || ip.is_unicast_link_local()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            if name == "localhost" || name.ends_with(".localhost") {
                return Reach::Loopback;
            }
            let is_private = PRIVATE_DOMAINS.iter().any(|domain| name.ends_with(domain));
            private_if(is_private || !name.contains('.'))
        }
        None => Reach::Public,
    }
}

/// Whether a text contains a placeholder of Tera or of another mailer.
pub(super) fn has_placeholder(text: &str) -> bool {
    memchr::memchr3(b'{', b'*', b'%', text.as_bytes()).is_some()
        && (["{{", "{%", "*|"].iter().any(|it| text.contains(it))
            || text.to_ascii_lowercase().contains("%7b%7b"))
}

/// Whether an address has the same scheme and host, or neither, for all rows: their values come later.
fn has_fixed_site(address: &str) -> bool {
    if !is_marked(address) {
        return true;
    }
    let fixed = before_marks(address);
    let ends = ['/', '?', '#'];
    let Some((_, rest)) = fixed.split_once("//") else {
        // Another `/` may follow a `/`.
        let path = fixed.find(ends).filter(|at| !fixed[..*at].contains(':'));
        return path.is_some() && fixed.trim() != "/";
    };
    rest.contains(ends)
}

/// A text with letters in place of the values. `None` if it is an address whose host differs from row to
/// row.
pub(super) fn with_letters<'a>(
    text: &'a str,
    context: &MessageContext<'_>,
) -> Option<Cow<'a, str>> {
    let letters = || vec![Cow::Borrowed("x"); context.values.len()];
    has_fixed_site(text).then(|| match is_marked(text) {
        true => fill(text, &letters()),
        false => Cow::Borrowed(text),
    })
}

thread_local! {
    /// Sites without findings. Findings depend on the site only, and rows have few.
    static GOOD_SITES: RefCell<HashSet<String>> = RefCell::default();
}
/// The most sites to remember.
const MAX_SITES: usize = 256;

/// Checks an address, unless its site was good before and it contains no placeholder.
fn once_per_site(address: &str, check: impl FnOnce() -> Option<Finding>) -> Option<Finding> {
    let site = site(address).filter(|_| !has_placeholder(address));
    let is_good = |site| GOOD_SITES.with_borrow(|sites| sites.contains(site));
    if site.is_some_and(is_good) {
        return None;
    }
    let finding = check();
    if let (Some(site), None) = (site, &finding) {
        GOOD_SITES.with_borrow_mut(|sites| {
            if sites.len() < MAX_SITES {
                sites.insert(site.to_owned());
            }
        });
    }
    finding
}

/// The scheme and host of an https address, if something follows them.
fn site(address: &str) -> Option<&str> {
    let scheme = "https://";
    let rest = address.strip_prefix(scheme)?;
    let end = rest.find(['/', '?', '#']).filter(|end| *end > 0)?;
    Some(&address[..scheme.len() + end])
}

/// What is wrong with a host that URLs may have but websites do not.
fn host_error(url: &Url) -> Option<String> {
    let host = url.domain()?;
    if matches!(host, "http" | "https") {
        return Some("it has two schemes".to_owned());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_label = |label: &str| (1..64).contains(&label.len()) && label.chars().all(is_part);
    let is_name = name.split('.').all(is_label);
    (!is_name).then(|| format!("“{host}” is not a host name"))
}

/// How to write an address that has no scheme.
fn with_scheme(address: &str) -> String {
    if address.contains('@') && !address.contains('/') {
        return "write mailto: before an email address".to_owned();
    }
    let host = address.trim_start_matches('/');
    match address.starts_with("//") || address.starts_with("www.") {
        true => format!("write https://{host}"),
        false => "write the whole address, with https://".to_owned(),
    }
}

/// Whether the text before the first colon is a host name or a drive: `example.com:80/`, `C:\logo.png`.
fn is_not_a_scheme(scheme: &str) -> bool {
    scheme.len() == 1 || scheme.contains('.') || scheme == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_from_where_hosts_can_be_reached() {
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
    fn recognizes_placeholders() {
        for text in [
            "https://x/{{ token }}",
            "https://x/%7b%7Btoken%7D%7D",
            "*|UNSUB|*",
            "{% url %}",
        ] {
            assert!(has_placeholder(text), "{text}");
        }
        for text in [
            "https://x/?q=%7B1%7D",
            "https://x/*/a",
            "https://x/{id}",
            "100%",
        ] {
            assert!(!has_placeholder(text), "{text}");
        }
    }

    #[test]
    fn checks_good_sites_once() {
        let checks = std::cell::Cell::new(0);
        let check = |address: &str, is_bad: bool| {
            once_per_site(address, || {
                checks.set(checks.get() + 1);
                is_bad.then(|| Finding::error("x", crate::finding::Place::default(), "x"))
            })
            .is_some()
        };
        for address in [
            "https://a.example/1",
            "https://a.example/2",
            "https://a.example?3",
        ] {
            assert!(!check(address, false), "{address}");
        }
        assert_eq!(checks.get(), 1);
        // Any host may follow an empty host.
        assert!(!check("https:////a.example/", false));
        assert!(check("https://#000/", true));
        checks.set(1);
        // Another host, another scheme, a longer name, no path, and a placeholder.
        for address in [
            "https://b.example/1",
            "http://a.example/1",
            "https://a.example.internal/",
            "https://a.example",
            "https://a.example/{{ token }}",
        ] {
            assert!(check(address, true), "{address}");
            assert!(check(address, true), "{address}: again");
        }
    }

    #[test]
    fn a_site_is_fixed_if_values_come_later() {
        assert!(has_fixed_site("anything"));
        assert!(has_fixed_site("https://x.example/\u{fdd0}0\u{fdd1}"));
        assert!(!has_fixed_site("https://x.example\u{fdd0}0\u{fdd1}"));
        assert!(!has_fixed_site("\u{fdd0}0\u{fdd1}/a"));
        assert!(has_fixed_site("/v?t=\u{fdd0}0\u{fdd1}"));
        assert!(has_fixed_site("images/\u{fdd0}0\u{fdd1}"));
        assert!(!has_fixed_site("/\u{fdd0}0\u{fdd1}"));
        assert!(!has_fixed_site("//\u{fdd0}0\u{fdd1}"));
        assert!(!has_fixed_site("mailto:\u{fdd0}0\u{fdd1}?x"));
        assert!(!has_fixed_site("www\u{fdd0}0\u{fdd1}"));
    }
}
