//! Images: those that don't show, or not as they should.

use url::Url;

use super::urls::{
    Reach, fault_of_host, has_leftover, is_no_scheme, is_settled, look_at_site, named, reach,
    settled, with_scheme,
};
use crate::check::context::{MessageContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::marks::{fill, is_marked};
use crate::html::{Element, ImageSource, Page, image_sources, srcset};

const EMPTY: Rule = Rule::error("image-empty")
    .finds("an image without a `src`")
    .why("Readers see an empty frame or nothing at all.")
    .fix("Add the address, or leave the image out where there is none: `{% if … %}`.")
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
    .finds("an image whose `src` is not a valid address, or not one that mail programs load")
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

const PLAIN: Rule = Rule::warning("image-http")
    .finds("an image that is loaded without encryption")
    .why("Mail programs on the web may block it, because their own pages are encrypted.")
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
    EMPTY, RELATIVE, LEFTOVER, BROKEN, LOCAL, PRIVATE, PLAIN, DATA, ALT, WIDTH,
];

pub(in crate::check) struct Images;

impl Family for Images {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    /// The images whose host is the same for all rows of the shape, those for Outlook among them.
    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        let locator = &context.shared.locator;
        for page in context.pages() {
            for (index, source) in image_sources(page) {
                if let Some(finding) = address(context, &source) {
                    sink.add(locator.at_image(finding, page, index, &source));
                }
            }
            for (index, element) in page.named("img") {
                if is_spacer(element) {
                    continue;
                }
                let found = [
                    (!has_alt(page, index, element)).then(alt),
                    (!has_width(element)).then(width),
                ];
                for finding in found.into_iter().flatten() {
                    sink.add(locator.at_element(finding, page, index, Some("src")));
                }
            }
        }
    }

    /// The images whose address is the row's own.
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(html) = context.html else { return };
        let odd = context.values.iter().any(|value| has_leftover(value));
        for hole in html.dynamic_attributes() {
            let is_image = hole.element == "img" || hole.element.starts_with("v:");
            match hole.attribute.as_str() {
                "src" if is_image => own(context, &hole.value, odd, sink),
                "background" => own(context, &hole.value, odd, sink),
                "srcset" => {
                    let addresses = srcset(&hole.value).into_iter();
                    let marked = addresses.filter(|address| is_marked(address));
                    marked.for_each(|address| own(context, address, odd, sink));
                }
                _ => {}
            }
        }
    }
}

/// An address that has a row's values; they are `odd` if one may be left over.
fn own(context: &RowContext<'_>, address: &str, odd: bool, sink: &mut FindingSink<'_>) {
    let is_settled = is_settled(address);
    if is_settled && !odd {
        return;
    }
    let src = fill(address, context.values);
    let what = || named("image", address);
    let found = if is_settled {
        has_leftover(&src).then(|| leftover(&what()))
    } else {
        look_at_site(&src, || look(&src, &what()))
    };
    found.into_iter().for_each(|finding| sink.add(finding));
}

fn address(context: &MessageContext<'_>, source: &ImageSource<'_>) -> Option<Finding> {
    let what = match source.attribute {
        "src" | "srcset" => "an image",
        _ => "a background image",
    };
    look(&settled(source.address, context)?, what)
}

/// What is wrong with the address of an image, which is named `what`.
fn look(src: &str, what: &str) -> Option<Finding> {
    let src = src.trim();
    if src.is_empty() {
        return Some(
            EMPTY
                .found(format!("{what} has no `src`"))
                .help("give it an address, or take it away where there is none: {% if … %}"),
        );
    }
    if has_leftover(src) {
        return Some(leftover(what));
    }
    match Url::parse(src) {
        Err(url::ParseError::RelativeUrlWithoutBase) => Some(relative(src, what)),
        Err(error) => Some(broken(what, &error.to_string())),
        Ok(url) if url.scheme().len() == 1 => Some(local(what)),
        Ok(url) if is_no_scheme(url.scheme()) => Some(relative(src, what)),
        Ok(url) => match url.scheme() {
            "http" | "https" => web(&url, what),
            "file" => Some(local(what)),
            "data" => Some(
                DATA.found(format!(
                    "{what} is inside the HTML (data:), which Gmail and Outlook don't show"
                ))
                .help("attach it with `inline = true`, or put it on the web"),
            ),
            "cid" => None,
            scheme => Some(broken(what, &format!("no mail program loads {scheme}:"))),
        },
    }
}

fn web(url: &Url, what: &str) -> Option<Finding> {
    if let Some(why) = fault_of_host(url) {
        return Some(broken(what, &why));
    }
    match reach(url) {
        Reach::Loopback => return Some(local(what)),
        Reach::Private => {
            let finding = PRIVATE.found(format!("{what} is on a host of a private network"));
            return Some(
                finding.help("put it where readers can reach it, if they are not all inside"),
            );
        }
        Reach::Public => {}
    }
    (url.scheme() == "http").then(|| {
        PLAIN
            .found(format!("{what} begins with http://"))
            .help("write https://")
    })
}

fn leftover(what: &str) -> Finding {
    LEFTOVER
        .found(format!("{what} has a placeholder that nothing filled"))
        .help("write {{ column }}, and look for placeholders in the recipients' cells as well")
}

fn relative(src: &str, what: &str) -> Finding {
    RELATIVE
        .found(format!("{what} is relative: no reader has the file"))
        .help(format!(
            "{}, or attach the file with `inline = true` and write cid: and its name",
            with_scheme(src)
        ))
}

fn broken(what: &str, why: &str) -> Finding {
    BROKEN
        .found(format!("{what} can't be loaded: {why}"))
        .help("write its address as https://host/path")
}

fn local(what: &str) -> Finding {
    LOCAL
        .found(format!("{what} is on the writer's own machine"))
        .help("put it on the web, or attach it with `inline = true` and write cid: and its name")
}

fn alt() -> Finding {
    ALT.found("an image has no `alt`: where images are off nothing stands for it")
        .help("say in a few words what it shows, or write alt=\"\" if it is decoration")
}

fn width() -> Finding {
    WIDTH
        .found("an image has no width: Outlook shows it as wide as its file is")
        .help("write width=\"…\", in pixels")
}

fn has_alt(page: &Page, index: usize, element: &Element) -> bool {
    let hidden = |element: &Element| {
        element.get("aria-hidden") == Some("true")
            || matches!(element.get("role"), Some("presentation" | "none")) && element.name == "img"
    };
    element.has("alt") || hidden(element) || page.ancestors(index).any(|(_, it)| hidden(it))
}

fn has_width(element: &Element) -> bool {
    let named = |name: &str| {
        let style = element.get("style").unwrap_or_default();
        let mut properties = style.split(';').filter_map(|one| one.split_once(':'));
        properties.any(|(own, value)| {
            own.trim().eq_ignore_ascii_case(name) && !value.trim().eq_ignore_ascii_case("auto")
        })
    };
    // One that has a height is as wide as that makes it.
    element.has("width") || element.has("height") || named("width") || named("height")
}

/// An image that counts openings or makes room.
fn is_spacer(element: &Element) -> bool {
    let tiny = |name: &str| {
        let size = element.get(name).map(|value| value.trim_end_matches("px"));
        size.and_then(|size| size.trim().parse().ok())
            .is_some_and(|size: u32| size <= 2)
    };
    tiny("width") || tiny("height")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_image_is_told() {
        for (src, wanted) in [
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
            let found = look(src, "an image").map(|finding| finding.code);
            assert_eq!(found, Some(wanted), "{src}");
        }
        for src in ["https://acme.example/a b.png", "cid:logo.png"] {
            assert!(look(src, "an image").is_none(), "{src}");
        }
    }
}
