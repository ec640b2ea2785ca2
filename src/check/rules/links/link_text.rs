//! A link that shows an address, and leads to another.

use url::Url;

use super::TEXT;
use crate::finding::Finding;

/// The ends of names that are those of sites, and hardly ever those of files or brands.
const ENDS: [&str; 33] = [
    "com", "net", "org", "edu", "gov", "info", "biz", "eu", "uk", "de", "fr", "pl", "es", "it",
    "nl", "be", "cz", "sk", "at", "ch", "se", "no", "dk", "fi", "pt", "ie", "us", "ca", "au", "nz",
    "br", "jp", "ua",
];

/// A link whose text is the address of another site.
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
    let (shown, leads) = (shown.host_str()?, href.host_str()?);
    (!same_site(shown, leads)).then(|| {
        TEXT.found(format!(
            "a link shows {shown}, but leads to {leads}: mail programs take it for phishing"
        ))
        .help("give it words for a text, or the address that it leads to")
    })
}

/// Whether a text is the name of a site, with a path or without: names of files and brands have
/// dots, too, so that the end must be a well-known one.
fn is_domain(text: &str) -> bool {
    let host = text.split(['/', '?', '#']).next().unwrap_or_default();
    let is_label = |label: &str| {
        let is_part = |c: char| c.is_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(is_part)
    };
    let end = host.rsplit_once('.').map(|(_, end)| end);
    end.is_some_and(|end| ENDS.contains(&end)) && host.split('.').all(is_label)
}

fn same_site(one: &str, other: &str) -> bool {
    let (one, other) = (site(one), site(other));
    one == other
}

/// The part of a host's name that is somebody's, as nearly as it can be told without a list.
fn site(host: &str) -> &str {
    let dots: Vec<usize> = host.rmatch_indices('.').map(|(at, _)| at).collect();
    let label = |from: usize, to: usize| &host[from + 1..to];
    // As in example.co.uk and example.com.pl.
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
    fn a_text_that_is_an_address_is_of_the_same_site() {
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
