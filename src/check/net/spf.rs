//! What a record of SPF says (RFC 7208), as far as it can be told without a message.

use crate::transport::lookup::Dns;

/// How many lookups a receiver makes at most (RFC 7208 4.6.4).
pub(super) const LOOKUPS: usize = 10;

/// Whether a text is a record of SPF.
pub(super) fn is_spf(text: &str) -> bool {
    let version = text.split(' ').next().unwrap_or_default();
    version.eq_ignore_ascii_case("v=spf1")
}

/// Whether everybody may send for the domain.
pub(super) fn passes_all(record: &str) -> bool {
    let mut terms = record.split_whitespace();
    terms.any(|term| term.eq_ignore_ascii_case("+all") || term.eq_ignore_ascii_case("all"))
}

/// A term for which a receiver has to ask the DNS.
#[derive(Debug, PartialEq, Eq)]
struct Asks<'a> {
    /// The domain whose record counts as well.
    next: Option<&'a str>,
}

fn asks(term: &str) -> Option<Asks<'_>> {
    let term = term.trim_start_matches(['+', '-', '~', '?']);
    let end = term.find([':', '=', '/']).unwrap_or(term.len());
    let (name, rest) = term.split_at(end);
    let next = match name.to_ascii_lowercase().as_str() {
        "include" => rest.strip_prefix(':'),
        "redirect" => rest.strip_prefix('='),
        "a" | "mx" | "ptr" | "exists" => None,
        _ => return None,
    };
    // A macro means something only of a message.
    let next = next.filter(|domain| !domain.is_empty() && !domain.contains('%'));
    Some(Asks { next })
}

/// How many lookups a record costs, with those that it includes; no further than is allowed.
pub(super) async fn lookups(record: &str, dns: &Dns) -> usize {
    let mut records = vec![record.to_owned()];
    let mut count = 0;
    while let Some(record) = records.pop() {
        for asks in record.split_whitespace().filter_map(asks) {
            count += 1;
            if count > LOOKUPS {
                return count;
            }
            if let Some(next) = asks.next {
                let texts = dns.texts(next).await.unwrap_or_default();
                records.extend(texts.into_iter().find(|text| is_spf(text)));
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_ask_are_known() {
        let next = |term| asks(term).map(|asks| asks.next);
        assert_eq!(next("include:_spf.a.example"), Some(Some("_spf.a.example")));
        assert_eq!(next("?INCLUDE:b.example"), Some(Some("b.example")));
        assert_eq!(next("redirect=c.example"), Some(Some("c.example")));
        for term in [
            "a",
            "+mx",
            "a/24",
            "mx:d.example",
            "ptr",
            "exists:%{i}.e.example",
            "include:%{d}",
        ] {
            assert_eq!(next(term), Some(None), "{term}");
        }
        for term in [
            "v=spf1",
            "ip4:1.2.3.0/24",
            "ip6:::1",
            "-all",
            "exp=f.example",
            "all",
        ] {
            assert_eq!(next(term), None, "{term}");
        }
    }

    #[test]
    fn records_are_told_from_other_texts() {
        for text in ["v=spf1", "v=spf1 -all", "V=SPF1 mx"] {
            assert!(is_spf(text), "{text}");
        }
        for text in ["v=spf10 -all", "spf1", "google-site-verification=x", ""] {
            assert!(!is_spf(text), "{text}");
        }
        assert!(passes_all("v=spf1 mx +all") && passes_all("v=spf1 all"));
        assert!(!passes_all("v=spf1 -all") && !passes_all("v=spf1 ~all include:all.example"));
    }
}
