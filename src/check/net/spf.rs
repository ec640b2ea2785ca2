//! Reads SPF records (RFC 7208).

use crate::transport::lookup::Dns;

/// The most lookups that receivers make (RFC 7208 4.6.4).
pub(super) const MAX_LOOKUPS: usize = 10;

pub(super) fn is_spf(text: &str) -> bool {
    let version = text.split(' ').next().unwrap_or_default();
    version.eq_ignore_ascii_case("v=spf1")
}

/// Whether anyone may send for the domain.
pub(super) fn passes_all(record: &str) -> bool {
    let mut terms = record.split_whitespace();
    terms.any(|term| term.eq_ignore_ascii_case("+all") || term.eq_ignore_ascii_case("all"))
}

/// A term that costs a DNS lookup.
#[derive(Debug, PartialEq, Eq)]
struct LookupTerm<'a> {
    /// The domain whose record it includes.
    included: Option<&'a str>,
}

fn lookup_term(term: &str) -> Option<LookupTerm<'_>> {
    let term = term.trim_start_matches(['+', '-', '~', '?']);
    let end = term.find([':', '=', '/']).unwrap_or(term.len());
    let (name, rest) = term.split_at(end);
    let included = match name.to_ascii_lowercase().as_str() {
        "include" => rest.strip_prefix(':'),
        "redirect" => rest.strip_prefix('='),
        "a" | "mx" | "ptr" | "exists" => None,
        _ => return None,
    };
    // Macros depend on the message.
    let included = included.filter(|domain| !domain.is_empty() && !domain.contains('%'));
    Some(LookupTerm { included })
}

/// Counts the lookups for a record and those it includes, up to one more than allowed.
pub(super) async fn count_lookups(record: &str, dns: &Dns) -> usize {
    let mut records = vec![record.to_owned()];
    let mut count = 0;
    while let Some(record) = records.pop() {
        for term in record.split_whitespace().filter_map(lookup_term) {
            count += 1;
            if count > MAX_LOOKUPS {
                return count;
            }
            if let Some(domain) = term.included {
                let texts = dns.texts(domain).await.unwrap_or_default();
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
    fn finds_terms_with_lookups() {
        let included = |term| lookup_term(term).map(|term| term.included);
        assert_eq!(
            included("include:_spf.a.example"),
            Some(Some("_spf.a.example"))
        );
        assert_eq!(included("?INCLUDE:b.example"), Some(Some("b.example")));
        assert_eq!(included("redirect=c.example"), Some(Some("c.example")));
        for term in [
            "a",
            "+mx",
            "a/24",
            "mx:d.example",
            "ptr",
            "exists:%{i}.e.example",
            "include:%{d}",
        ] {
            assert_eq!(included(term), Some(None), "{term}");
        }
        for term in [
            "v=spf1",
            "ip4:1.2.3.0/24",
            "ip6:::1",
            "-all",
            "exp=f.example",
            "all",
        ] {
            assert_eq!(included(term), None, "{term}");
        }
    }

    #[test]
    fn recognizes_records() {
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
