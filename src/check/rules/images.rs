//! Images that are not shown, or not as intended.

use url::Url;

use super::urls::{UrlRules, has_placeholder, with_letters};
use crate::check::context::{MessageContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::marks::is_marked;
use crate::html::{Element, ImageSource, Page, Style, image_sources, srcset};

const EMPTY: Rule = Rule::error("image-empty")
    .finds("an image without a `src`")
    .why("Readers see an empty frame or nothing at all.")
    .fix("Add the address, or leave out the image if the row has no URL for it: `{% if … %}`.")
    .source("HTML 4.8.3")
    .example("`<img src=\"\">`");

const RELATIVE: Rule = Rule::error("image-relative")
    .finds("an image whose address has no `https://`")
    .why("A message has no page that the address could be relative to, so the image does not load.")
    .fix("Write the whole address, with `https://` and the host.")
    .source("RFC 3986 5.1, RFC 2557 5")
    .example("`<img src=\"images/logo.png\">`, `background: url(images/autumn.png)`");

const LEFTOVER: Rule = Rule::error("image-leftover")
    .finds("an image address with a placeholder that nothing replaced")
    .why("The image does not load.")
    .fix("Write columns as `{{ column }}`, and look for placeholders in the recipients' cells too.")
    .source("the tags of Tera and of Mailchimp (`*|…|*`)")
    .example("`<img src=\"*|IMAGE:LOGO|*\">`");

const BROKEN: Rule = Rule::error("image-broken")
    .finds("an image whose `src` is not a valid address, or not one that mail clients load")
    .why("The image does not load.")
    .fix("Write `https://host/path`.")
    .source("WHATWG URL 4.4")
    .example("`<img src=\"https://\">`, `<img src=\"blob:…\">`");

const LOCAL: Rule = Rule::error("image-local")
    .finds("an image on the author's own computer: `file:`, `C:\\`, `localhost`")
    .why("You see the image, but nobody else does.")
    .fix("Put the image on the web, or attach it with `inline = true`.")
    .source("RFC 8089, RFC 6761 6.3")
    .example("`<img src=\"file:///home/me/logo.png\">`");

const PRIVATE: Rule = Rule::warning("image-private")
    .finds("an image on a host that only one network can reach")
    .why("The image does not load for readers outside that network.")
    .fix("Put the image on a host that all readers can reach.")
    .source("RFC 1918, RFC 6762, RFC 8375")
    .example("`<img src=\"https://10.0.0.5/logo.png\">`");

const HTTP: Rule = Rule::warning("image-http")
    .finds("an image that is loaded without encryption")
    .why("Mail clients on the web may block it, because their own pages are encrypted.")
    .fix("Write `https://` if the host supports it.")
    .source("W3C Mixed Content 4")
    .example("`<img src=\"http://acme.example/logo.png\">`");

const DATA: Rule = Rule::warning("image-data")
    .finds("an image that is embedded in the HTML (`data:`)")
    .why("Gmail and Outlook don't show embedded images.")
    .fix("Attach the image with `inline = true`, or put it on the web.")
    .source("caniemail.com/features/image-base64")
    .example("`<img src=\"data:image/png;base64,…\">`");

const ALT: Rule = Rule::warning("image-alt")
    .finds("an image without an `alt` text")
    .why("Many readers have images turned off, and others use a screen reader. They get the `alt` text instead.")
    .fix("Say in `alt` what the image says. Write `alt=\"\"` for decoration.")
    .source("WCAG 1.1.1")
    .example("`<img src=\"https://acme.example/logo.png\" width=\"120\">`");

const WIDTH: Rule = Rule::note("image-width")
    .finds("an image without a width")
    .why("Outlook shows the image as wide as its file is, whatever the CSS says.")
    .fix("Add a `width` attribute in pixels.")
    .source("caniemail.com/features/css-max-width: Outlook for Windows does not support it")
    .example("`<img src=\"https://acme.example/logo.png\" alt=\"Acme\">`");

const RULES: &[Rule] = &[
    EMPTY, RELATIVE, LEFTOVER, BROKEN, LOCAL, PRIVATE, HTTP, DATA, ALT, WIDTH,
];

const URL_RULES: UrlRules = UrlRules {
    noun: "image",
    empty: EMPTY,
    leftover: LEFTOVER,
    relative: RELATIVE,
    broken: BROKEN,
    local: LOCAL,
    private: PRIVATE,
    http: HTTP,
    special,
    alternative: ", or attach the file with `inline = true` and write cid: and its name",
};

pub(in crate::check) struct Images;

impl Family for Images {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    /// Checks the images on hosts that are the same for all rows, including those for Outlook.
    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let locator = &context.shared.locator;
        for page in context.pages() {
            for (index, source) in image_sources(page) {
                if let Some(finding) = check_source(context, &source) {
                    sink.add(locator.at_image(finding, page, index, &source));
                }
            }
            for (index, image) in page.named("img").filter(|(_, it)| !is_spacer(it)) {
                let findings = [
                    (!has_alt(page, index, image)).then(no_alt),
                    (!has_size(image)).then(no_width),
                ];
                for finding in findings.into_iter().flatten() {
                    sink.add(locator.at_element(finding, page, index, Some("src")));
                }
            }
        }
    }

    /// Checks the images whose address contains values of the row.
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(html) = context.html else { return };
        let may_have_placeholder = context.values.iter().any(|value| has_placeholder(value));
        for attribute in html.dynamic_attributes() {
            let element = attribute.element.as_str();
            let addresses = match attribute.attribute.as_str() {
                "src" if element == "img" || element.starts_with("v:") => {
                    vec![attribute.value.as_str()]
                }
                "background" => vec![attribute.value.as_str()],
                "srcset" => srcset(&attribute.value),
                _ => continue,
            };
            for address in addresses.into_iter().filter(|it| is_marked(it)) {
                sink.extend(URL_RULES.check_row(context, address, may_have_placeholder));
            }
        }
    }
}

fn check_source(context: &MessageContext<'_>, source: &ImageSource<'_>) -> Option<Finding> {
    let name = match source.attribute {
        "src" | "srcset" => "an image",
        _ => "a background image",
    };
    URL_RULES.check(&with_letters(source.address, context)?, name)
}

fn special(url: &Url, _address: &str, name: &str) -> Option<Finding> {
    match url.scheme() {
        "http" | "https" | "file" | "cid" | "localhost" => None,
        "data" => Some(
            DATA.found(format!(
                "{name} is inside the HTML (data:), which Gmail and Outlook do not show"
            ))
            .help("attach it with `inline = true`, or publish it on the web"),
        ),
        drive if drive.len() == 1 => Some(URL_RULES.local(name)),
        host if host.contains('.') => None,
        scheme => Some(URL_RULES.broken(name, &format!("mail clients do not load {scheme}:"))),
    }
}

fn no_alt() -> Finding {
    ALT.found("an image has no `alt`, so nothing replaces it when images are off")
        .help("describe the image in a few words, or write alt=\"\" if it is decoration")
}

fn no_width() -> Finding {
    WIDTH
        .found("an image has no width, so Outlook shows it at the size of its file")
        .help("write width=\"…\", in pixels")
}

fn has_alt(page: &Page, index: usize, image: &Element) -> bool {
    let is_decoration = |element: &Element| {
        element.get("aria-hidden") == Some("true")
            || matches!(element.get("role"), Some("presentation" | "none")) && element.name == "img"
    };
    let mut ancestors = page.ancestors(index);
    image.has("alt") || is_decoration(image) || ancestors.any(|(_, it)| is_decoration(it))
}

/// Whether an image has a width or a height, which determines its width.
fn has_size(image: &Element) -> bool {
    let style = image.get("style").map(Style::parse).unwrap_or_default();
    ["width", "height"]
        .into_iter()
        .any(|name| image.has(name) || style.get(name).is_some_and(|value| value != "auto"))
}

/// Whether an image counts openings or takes up space.
fn is_spacer(element: &Element) -> bool {
    let is_tiny = |name: &str| {
        let size = element.get(name).map(|value| value.trim_end_matches("px"));
        size.and_then(|size| size.trim().parse().ok())
            .is_some_and(|size: u32| size <= 2)
    };
    is_tiny("width") || is_tiny("height")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_bad_image_addresses() {
        for (src, expected) in [
            ("", "image-empty"),
            ("images/logo.png", "image-relative"),
            ("//acme.example/logo.png", "image-relative"),
            ("acme.example:80/logo.png", "image-relative"),
            ("*|IMAGE|*", "image-leftover"),
            ("https://", "image-broken"),
            ("https://https://acme.example/a.png", "image-broken"),
            ("blob:https://x/1", "image-broken"),
            ("file:///tmp/a.png", "image-local"),
            ("C:\\a.png", "image-local"),
            ("http://localhost/a.png", "image-local"),
            ("https://10.0.0.1/a.png", "image-private"),
            ("http://acme.example/a.png", "image-http"),
            ("data:image/gif;base64,R0lG", "image-data"),
        ] {
            let code = URL_RULES.check(src, "an image").map(|finding| finding.code);
            assert_eq!(code, Some(expected), "{src}");
        }
        for src in ["https://acme.example/a b.png", "cid:logo.png"] {
            assert!(URL_RULES.check(src, "an image").is_none(), "{src}");
        }
    }
}
