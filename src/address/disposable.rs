//! Which domains give addresses to anybody for a while: a few of the best known, no more.

/// The domains, with everything below them.
const DOMAINS: [&str; 24] = [
    "10minutemail.com",
    "10minutemail.net",
    "discard.email",
    "dispostable.com",
    "emailondeck.com",
    "fakeinbox.com",
    "getnada.com",
    "grr.la",
    "guerrillamail.com",
    "guerrillamail.net",
    "guerrillamail.org",
    "mail.tm",
    "maildrop.cc",
    "mailinator.com",
    "mailnesia.com",
    "mintemail.com",
    "mohmal.com",
    "sharklasers.com",
    "temp-mail.org",
    "tempmail.com",
    "throwawaymail.com",
    "trash-mail.com",
    "trashmail.com",
    "yopmail.com",
];

/// Whether a domain, as lower-case A-labels, is one of them.
pub(super) fn is_disposable(domain: &str) -> bool {
    DOMAINS.iter().any(|known| {
        domain
            .strip_suffix(known)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_domain_and_what_is_below_it() {
        assert!(is_disposable("mailinator.com"));
        assert!(is_disposable("x.yopmail.com"));
        assert!(!is_disposable("notyopmail.com"));
        assert!(!is_disposable("example.com"));
    }
}
