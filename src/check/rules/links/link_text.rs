//! Links whose text is an address of another site.

use url::Url;

use super::TEXT;
use crate::finding::Finding;

/// Top-level domains that are rarely the ends of file names or brands.
const DOMAINS: [&str; 33] = [
    "com", "net", "org", "edu", "gov", "info", "biz", "eu", "uk", "de", "fr", "pl", "es", "it",
    "nl", "be", "cz", "sk", "at", "ch", "se", "no", "dk", "fi", "pt", "ie", "us", "ca", "au", "nz",
    "br", "jp", "ua",
];

pub(super) fn differs(text: &str, href: &str) -> Option<Finding> {
    let text = text.trim().trim_end_matches(['.', ',', ':', '!']);
    if text.contains(char::is_whitespace) {
        return None;
    }
    let start = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    let shown = if start.starts_with("https://") || start.starts_with("http://") {
        Url::parse(text)
    } else if start.starts_with("www.") || is_domain(text) {
        Url::parse(&format!("https://{text}"))
    } else {
        return None;
    };
    let (shown, href) = (shown.ok()?, Url::parse(href.trim()).ok()?);
    let (shown, linked) = (shown.host_str()?, href.host_str()?);
    (site(shown) != site(linked)).then(|| {
        TEXT.found(format!(
            "a link shows {shown} but leads to {linked}, which looks like phishing"
        ))
        .help("use words as its text, or the address that it leads to")
    })
}

/// Whether a text is a domain with or without a path. File names and brands have dots, too, so the top-level
/// domain must be a common one.
fn is_domain(text: &str) -> bool {
    let host = text.split(['/', '?', '#']).next().unwrap_or_default();
    let is_label = |label: &str| {
        let is_part = |c: char| c.is_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(is_part)
    };
    let end = host.rsplit_once('.').map(|(_, end)| end);
    end.is_some_and(|end| DOMAINS.contains(&end)) && host.split('.').all(is_label)
}

/// The registrable domain of a host, approximately: without the public suffix list.
fn site(host: &str) -> &str {
    let dots: Vec<usize> = host.rmatch_indices('.').map(|(at, _)| at).collect();
    let label = |from: usize, to: usize| &host[from + 1..to];
    // example.co.uk, example.com.pl
    let is_long = match dots[..] {
        [last, second, ..] => host.len() - last == 3 && label(second, last).len() <= 3,
        _ => false,
    };
    match dots.get(if is_long { 2 } else { 1 }) {
        Some(at) => &host[at + 1..],
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_sites() {
        let href = "https://links.acme.example/1";
        for text in [
            "https://www.acme.example/",
            "www.acme.example",
            "acme.other",
            "Read https://b.example now",
            "ASP.NET",
            "terms.pdf",
            "us@acme.com",
            "acme.com {{ x }}",
            "..com",
        ] {
            assert!(differs(text, href).is_none(), "{text}");
        }
        for text in [
            "https://b.example",
            "www.acme.other",
            "HTTP://acme.com",
            "paypal.com",
            "PayPal.com/login",
            "acme.com.",
        ] {
            assert!(differs(text, href).is_some(), "{text}");
        }
        assert!(differs("Booking.com", "https://click.booking.com/1").is_none());
        assert!(differs("acme.com", "mailto:us@other.example").is_none());
        assert!(differs("https://a.co.uk", "https://b.co.uk").is_some());
        assert!(differs("https://www.a.com.pl", "https://a.com.pl/x").is_none());
    }
}
