//! The best-known providers of temporary addresses.

const DOMAINS: &str = include_str!("disposable_domains.txt");

/// Whether a domain, as lower-case A-labels, is one of [`DOMAINS`] or a subdomain.
pub(super) fn is_disposable(domain: &str) -> bool {
    DOMAINS.lines().any(|known| {
        domain
            .strip_suffix(known)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_and_its_subdomains_are_disposable() {
        assert!(is_disposable("mailinator.com"));
        assert!(is_disposable("x.yopmail.com"));
        assert!(!is_disposable("notyopmail.com"));
        assert!(!is_disposable("example.com"));
    }
}
