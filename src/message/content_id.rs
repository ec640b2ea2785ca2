//! The IDs of inline files, by which `<img src="cid:…">` shows them (RFC 2392).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::transfer_encoding::percent_encoded;

/// Whether a file's name can be an ID that means the same in a Content-ID and, without encoding, in a `cid:` URL.
pub(crate) fn is_content_id(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!$&'*+-._=~@".contains(&byte))
}

/// The ID of a file: its name if possible. Some readers decode `%` in URLs and others don't, so other names get an ID
/// without it.
pub(super) fn content_id(name: &str) -> String {
    match is_content_id(name) {
        true => name.to_owned(),
        false => percent_encoded(name).replace('%', "="),
    }
}

/// HTML whose `cid:` URLs have the IDs of these files in place of their names, percent-encoded or not.
pub(super) fn with_content_ids<'a>(html: &'a str, names: &[&str]) -> Cow<'a, str> {
    let renamed: Vec<_> = names.iter().filter(|name| !is_content_id(name)).collect();
    if renamed.is_empty() {
        return Cow::Borrowed(html);
    }
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find("cid:") {
        let (before, url) = rest.split_at(at);
        let (scheme, url) = url.split_at("cid:".len());
        out.push_str(before);
        out.push_str(scheme);
        let end = match before.chars().next_back() {
            Some(quote @ ('"' | '\'')) => url.find(quote),
            Some('(') => url.find(')'),
            Some('=') => url.find(|c: char| c.is_ascii_whitespace() || c == '>'),
            _ => None,
        };
        let (shown, after) = url.split_at(end.unwrap_or(0));
        let name = shown.replace("&amp;", "&");
        let decoded = percent_decode_str(&name).decode_utf8_lossy();
        let mut renamed = renamed.iter();
        match renamed.find(|renamed| name == ***renamed || decoded == ***renamed) {
            Some(renamed) => out.push_str(&content_id(renamed)),
            None => out.push_str(shown),
        }
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_encoding_get_an_id_without_it() {
        for (name, id) in [
            ("logo.png", "logo.png"),
            ("image001.png@01DB", "image001.png@01DB"),
            ("logo small.png", "logo=20small.png"),
            ("ż.png", "=C5=BC.png"),
            ("a#b.png", "a=23b.png"),
            ("100%.png", "100=25.png"),
        ] {
            assert_eq!(content_id(name), id);
        }
    }

    #[test]
    fn urls_get_the_ids() {
        let names = ["logo small.png", "ż.png", "a.png", "100%.png"];
        for (html, expected) in [
            (
                "<img src=\"cid:logo small.png\">",
                "<img src=\"cid:logo=20small.png\">",
            ),
            (
                "<img src='cid:logo%20small.png'>",
                "<img src='cid:logo=20small.png'>",
            ),
            ("<img src=cid:%C5%BC.png>", "<img src=cid:=C5=BC.png>"),
            (
                "<p style=\"background:url(cid:ż.png)\">",
                "<p style=\"background:url(cid:=C5=BC.png)\">",
            ),
            ("<img src=\"cid:100%.png\">", "<img src=\"cid:100=25.png\">"),
            (
                "<img src=\"cid:a.png\">cid:ż.png",
                "<img src=\"cid:a.png\">cid:ż.png",
            ),
            ("<img src=\"cid:", "<img src=\"cid:"),
        ] {
            assert_eq!(with_content_ids(html, &names), expected, "{html}");
        }
    }
}
