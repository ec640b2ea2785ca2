//! Domains in texts, and the site that a host belongs to.

/// Top-level domains that are rarely the ends of file names or brands.
const DOMAINS: [&str; 33] = [
    "com", "net", "org", "edu", "gov", "info", "biz", "eu", "uk", "de", "fr", "pl", "es", "it",
    "nl", "be", "cz", "sk", "at", "ch", "se", "no", "dk", "fi", "pt", "ie", "us", "ca", "au", "nz",
    "br", "jp", "ua",
];

/// Whether a text is a domain with or without a path. File names and brands have dots, too, so the top-level
/// domain must be a common one.
pub(super) fn is_domain(text: &str) -> bool {
    let host = text.split(['/', '?', '#']).next().unwrap_or_default();
    let is_label = |label: &str| {
        let is_part = |c: char| c.is_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(is_part)
    };
    let end = host.rsplit_once('.').map(|(_, end)| end);
    end.is_some_and(|end| DOMAINS.contains(&end)) && host.split('.').all(is_label)
}

/// The registrable domain of a host, approximately: without the public suffix list.
pub(super) fn site(host: &str) -> &str {
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
