//! Which links were followed, without what tells one recipient from another.

use url::Url;

/// A part of a path that is longer may belong to one recipient.
const MAX_PART: usize = 40;

/// The link in the description of a click: scheme, host and path. Queries and fragments often name the recipient.
pub(super) fn link(description: &str) -> Option<String> {
    let start = ["https://", "http://"]
        .iter()
        .filter_map(|scheme| description.find(scheme))
        .min()?;
    let text = description[start..].split_whitespace().next()?;
    let url = Url::parse(text.trim_end_matches(['>', ')', '"', '\'', ',', ';', '.'])).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let parts = url.path_segments()?.map(|part| match is_personal(part) {
        true => "…",
        false => part,
    });
    let path: Vec<&str> = parts.collect();
    Some(format!(
        "{}://{host}{port}/{}",
        url.scheme(),
        path.join("/")
    ))
}

/// Whether a part of a path looks like an address or a token.
fn is_personal(part: &str) -> bool {
    let is_address = part.contains('@') || part.to_ascii_lowercase().contains("%40");
    // Words of a title have hyphens or underscores between them, and are short.
    let is_token = |word: &str| {
        let has = |of: fn(&char) -> bool| word.chars().any(|c| of(&c));
        word.len() >= 8 && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
            || word.len() >= 20
            || word.len() >= 6 && word.bytes().all(|byte| byte.is_ascii_digit())
    };
    is_address
        || part.len() > MAX_PART && !part.contains('-')
        || part.split(['-', '_', '.', '~']).any(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_no_recipient() {
        for (description, expected) in [
            (
                "clicked https://shop.acme.example/autumn-sale?u=ann%40x.example#top",
                Some("https://shop.acme.example/autumn-sale"),
            ),
            ("https://acme.example", Some("https://acme.example/")),
            (
                "<http://acme.example:8080/a/b.html>",
                Some("http://acme.example:8080/a/b.html"),
            ),
            (
                "https://ann:secret@acme.example/",
                Some("https://acme.example/"),
            ),
            (
                "https://acme.example/u/ann@x.example/off",
                Some("https://acme.example/u/…/off"),
            ),
            (
                "https://acme.example/u/ann%40x.example",
                Some("https://acme.example/u/…"),
            ),
            (
                "https://acme.example/t/7f3a09c2d1",
                Some("https://acme.example/t/…"),
            ),
            (
                "https://acme.example/t/123456",
                Some("https://acme.example/t/…"),
            ),
            (
                "https://acme.example/2026/news-10",
                Some("https://acme.example/2026/news-10"),
            ),
            (
                "https://acme.example/t/c29tZWJvZHlAeC5leGFtcGxl",
                Some("https://acme.example/t/…"),
            ),
            (
                "https://acme.example/<b>\"",
                Some("https://acme.example/%3Cb"),
            ),
            ("https://", None),
            ("javascript:alert(1)", None),
            ("a click", None),
        ] {
            assert_eq!(link(description).as_deref(), expected, "{description}");
        }
    }
}
