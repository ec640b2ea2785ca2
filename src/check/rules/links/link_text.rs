//! Links whose text is an address of another site.

use url::Url;

use super::TEXT;
use crate::check::rules::sites::{is_domain, site};
use crate::finding::Finding;

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
