//! A message's HTML made into a page that can be shown in a frame, whatever is in it.
//!
//! Three things keep it from doing anything, and each would do alone: the frame is sandboxed, by its
//! element and by its own answer's headers; the policy in those headers lets it load nothing but
//! images, and those from the page itself unless they are asked for; and what acts is taken out
//! here. The last is also for what no policy sees, such as a name that is looked up for
//! `<link rel=preconnect>`.
//!
//! The HTML is parsed as a browser without scripts parses it, and written anew. Nothing in it is
//! left that is parsed by other rules than HTML's (SVG, MathML, raw text but `<style>`), so that
//! what a browser reads is what was written.

mod look;
mod tree;
mod write;

pub use look::Look;
pub(crate) use tree::parse;

use html2text::{Comment, Document, Element, Handle};
use html5ever::{Attribute, QualName, local_name, ns};
use url::Url;

use crate::clock::Clock;

/// What the frame's `sandbox` attribute says, and its policy too: links open a window of their own,
/// which is a page as any other; nothing else may be done.
pub const SANDBOX: &str = "allow-popups allow-popups-to-escape-sandbox";

/// The most bytes of inline images that are put into a page: one image can be shown many times.
const MAX_INLINED: usize = 32 << 20;

/// What stands at the end of a page that was cut.
const CUT: &str = "<hr><p>The HTML is cut here: it is too large or too deep to be shown.</p>";

/// Elements that go with all that is in them: they load, run, post, or are parsed in a way of their own.
const DROPPED: [&str; 21] = [
    "script",
    "noscript",
    "template",
    "link",
    "base",
    "iframe",
    "frame",
    "frameset",
    "noframes",
    "object",
    "embed",
    "applet",
    "param",
    "noembed",
    "xmp",
    "plaintext",
    "audio",
    "video",
    "track",
    "portal",
    "fencedframe",
];
/// The `<meta>`s that stay: they are about how the page looks.
const METAS: [&str; 3] = ["viewport", "color-scheme", "supported-color-schemes"];
/// Those of them that say whether the message has dark colours.
const SCHEMES_OF_COLOURS: [&str; 2] = ["color-scheme", "supported-color-schemes"];
/// Attributes that go, beside those that begin with `on`: they act, tell where the reader is, or
/// take the keyboard.
const ACTS: [&str; 14] = [
    "action",
    "formaction",
    "srcdoc",
    "ping",
    "target",
    "rel",
    "download",
    "referrerpolicy",
    "autofocus",
    "accesskey",
    "attributionsrc",
    "manifest",
    "nonce",
    "popover",
];
/// Attributes that name an image.
const IMAGES: [&str; 3] = ["src", "background", "poster"];
/// Where a link may lead.
const SCHEMES: [&str; 5] = ["http", "https", "mailto", "tel", "sms"];

/// The headers of the frame's answer. `images` lets it load images from anywhere.
pub fn headers(images: bool) -> [(&'static str, String); 6] {
    let remote = if images { " http: https:" } else { "" };
    let policy = format!(
        "sandbox {SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src data:{remote}; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
    );
    [
        ("content-type", "text/html; charset=utf-8".to_owned()),
        ("content-security-policy", policy),
        ("referrer-policy", "no-referrer".to_owned()),
        // With another, a browser would not open a sandboxed page in a tab of its own.
        ("cross-origin-opener-policy", "unsafe-none".to_owned()),
        // Names of links would be looked up.
        ("x-dns-prefetch-control", "off".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ]
}

/// The page that shows a message's HTML. `inline` gives the URL of the image that `cid:ID` means,
/// such as a `data:` URL; it is given the ID as it is written. HTML that takes too long to be worked
/// on is cut, which the page says.
pub fn page(html: &str, inline: &dyn Fn(&str) -> Option<String>, clock: &Clock) -> String {
    written(html, inline, Look::Own, clock, &[])
}

/// The same in certain colours.
pub fn page_as(
    html: &str,
    inline: &dyn Fn(&str) -> Option<String>,
    look: Look,
    clock: &Clock,
) -> String {
    written(html, inline, look, clock, &[])
}

/// The same as a file to be opened from the disk, where no header tells a browser what it may do:
/// its policy stands in it. Nothing is loaded from anywhere.
pub fn file(html: &str, inline: &dyn Fn(&str) -> Option<String>, clock: &Clock) -> String {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; \
                  base-uri 'none'";
    let metas = [
        vec![("charset", "utf-8")],
        vec![
            ("http-equiv", "Content-Security-Policy"),
            ("content", policy),
        ],
        vec![("http-equiv", "x-dns-prefetch-control"), ("content", "off")],
        vec![("name", "referrer"), ("content", "no-referrer")],
    ];
    written(html, inline, Look::Own, clock, &metas)
}

/// `metas` are put first into the head, each by its attributes.
fn written(
    html: &str,
    inline: &dyn Fn(&str) -> Option<String>,
    look: Look,
    clock: &Clock,
    metas: &[Vec<(&str, &str)>],
) -> String {
    let (dom, read) = tree::parse(html, clock);
    let mut images = Images {
        inline,
        left: MAX_INLINED,
    };
    let mut dark = false;
    let mut nodes = vec![dom.document.clone()];
    while let Some(node) = nodes.pop() {
        node.children.borrow_mut().retain(stays);
        if let Element { name, attrs, .. } = &node.data {
            amend(name, &mut attrs.borrow_mut(), &mut images);
            dark |= colour(name, &mut attrs.borrow_mut(), look);
        }
        nodes.extend(node.children.borrow().iter().cloned());
    }
    tree::put_into_head(&dom, metas);
    let (mut page, wrote) = write::page(&dom, clock);
    if look != Look::Own {
        page = look.in_sheets(&page, &mut dark);
        // After the end of the body it still counts, and nothing in the message comes after it.
        page.push_str(&format!("<style>{}</style>", look.sheet(dark)));
    }
    if !(read && wrote) {
        page.push_str(CUT);
    }
    page
}

/// Answers what an element's attributes ask about the reader's colours. True if they say that the
/// message has dark ones.
fn colour(name: &QualName, attributes: &mut [Attribute], look: Look) -> bool {
    let mut dark = false;
    let named = attributes
        .iter()
        .find(|attribute| attribute.name.local == local_name!("name"));
    let schemes = name.local == local_name!("meta")
        && named.is_some_and(|named| is_one_of(&SCHEMES_OF_COLOURS, &named.value));
    for attribute in attributes.iter_mut() {
        match &*attribute.name.local {
            "media" => {
                if let Some(answered) = look.answered(&attribute.value) {
                    attribute.value = answered.into();
                }
            }
            "content" if schemes => {
                dark |= attribute.value.to_ascii_lowercase().contains("dark");
            }
            "style" => dark |= look::is_for_dark(&attribute.value),
            _ => {}
        }
    }
    dark
}

fn stays(node: &Handle) -> bool {
    match &node.data {
        Element { name, .. } if name.ns != ns!(html) => false,
        Element { name, attrs, .. } if name.local == local_name!("meta") => {
            let attrs = attrs.borrow();
            let has = |wanted: &str| attrs.iter().find(|attr| &*attr.name.local == wanted);
            let named = has("name").is_some_and(|attr| is_one_of(&METAS, &attr.value));
            named && has("http-equiv").is_none()
        }
        Element { name, .. } => !DROPPED.contains(&&*name.local),
        Comment { .. } | Document => false,
        _ => true,
    }
}

fn is_one_of(names: &[&str], text: &str) -> bool {
    names
        .iter()
        .any(|name| name.eq_ignore_ascii_case(text.trim()))
}

fn amend(name: &QualName, attributes: &mut Vec<Attribute>, images: &mut Images<'_>) {
    attributes.retain(|attribute| {
        let name = &*attribute.name.local;
        !name.starts_with("on") && !ACTS.contains(&name)
    });
    for attribute in attributes.iter_mut() {
        if IMAGES.contains(&&*attribute.name.local) {
            images.put_into(attribute);
        }
    }
    if matches!(name.local, local_name!("a") | local_name!("area")) {
        link(attributes);
    }
}

/// A link opens a window of its own, which knows nothing of this one; one that leads nowhere a
/// message can mean is none.
fn link(attributes: &mut Vec<Attribute>) {
    attributes.retain(|attribute| {
        &*attribute.name.local != "href"
            || leads_out(&attribute.value)
            || is_within(&attribute.value)
    });
    let out = attributes
        .iter()
        .any(|attribute| &*attribute.name.local == "href" && leads_out(&attribute.value));
    if out {
        let rel = "noopener noreferrer nofollow";
        attributes.push(attribute(local_name!("target"), "_blank"));
        attributes.push(attribute(local_name!("rel"), rel));
    }
}

fn is_within(link: &str) -> bool {
    link.trim_start().starts_with('#')
}

fn leads_out(link: &str) -> bool {
    Url::parse(link).is_ok_and(|url| SCHEMES.contains(&url.scheme()))
}

fn attribute(local: html5ever::LocalName, value: &str) -> Attribute {
    Attribute {
        name: QualName::new(None, ns!(), local),
        value: value.into(),
    }
}

/// The inline images, as far as there is room for them.
struct Images<'a> {
    inline: &'a dyn Fn(&str) -> Option<String>,
    left: usize,
}

impl Images<'_> {
    /// Puts the image into an attribute that names one by its ID.
    fn put_into(&mut self, attribute: &mut Attribute) {
        let scheme = attribute.value.trim_start().get(..4);
        if !scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("cid:")) {
            return;
        }
        let found = match self.left {
            0 => None,
            _ => (self.inline)(&attribute.value.trim()[4..]),
        };
        let image = found.unwrap_or_default();
        let fits = image.len() <= self.left;
        // After one that does not fit none is read: to read each again and again takes time.
        self.left = self.left.saturating_sub(image.len());
        attribute.value = if fits { image.into() } else { "".into() };
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn page(html: &str, inline: &dyn Fn(&str) -> Option<String>) -> String {
        super::page(html, inline, &Clock::system())
    }

    fn body(html: &str) -> String {
        let page = page(html, &|id| Some(format!("data:{id}")));
        let body = page.split_once("<body>").expect("a body").1;
        body.replace("</body></html>", "")
    }

    #[test]
    fn leaves_what_only_shows() {
        let html = "<p style=\"color:red\" class=\"a\">Zażółć <b>&lt;b&gt;</b> &amp; co<br>\
                    <img src=\"https://acme.example/a.png\" alt=\"a\"></p>";
        assert_eq!(body(html), html);
        let head = "<!DOCTYPE html><html lang=\"pl\"><head><title>T</title>\
                    <meta name=\"viewport\" content=\"width=device-width\"><style>a > b{}</style></head>\
                    <body>x</body></html>";
        assert_eq!(page(head, &|_| None), head);
    }

    #[test]
    fn takes_out_what_acts() {
        for html in [
            "<script>1</script>",
            "<noscript><link rel=preconnect href=//x.example></noscript>",
            "<svg><style><p><link rel=preconnect href=//x.example></style></svg>",
            "<svg><a href=javascript:1>x</a></svg>",
            "<math><mtext></form><form><mglyph><style></math><img src onerror=1>",
            "<iframe srcdoc='<script>1</script>'></iframe>",
            "<object data=x></object><embed src=x><base href=//x.example>",
            "<meta http-equiv=refresh content='0;url=//x.example'>",
            "<meta name=referrer content=unsafe-url><meta name=viewport http-equiv=refresh content=0>",
            "<template><script>1</script></template><xmp><script>1</script></xmp>",
            "<!-- <script>1</script> --><plaintext><script>1",
        ] {
            let page = page(html, &|_| None);
            for word in [
                "<script",
                "<link",
                "<base",
                "<meta",
                "<svg",
                "<iframe",
                "onerror",
                "javascript",
            ] {
                assert!(!page.contains(word), "{word} is in {page}");
            }
        }
    }

    #[test]
    fn takes_out_attributes_that_act() {
        let html = "<form action=//x.example onsubmit=1><button formaction=//x.example>x</button></form>\
                    <img src=x onerror=1 referrerpolicy=unsafe-url><a ping=//x.example id=i>x</a>";
        let bare = "<form><button>x</button></form><img src=\"x\"><a id=\"i\">x</a>";
        assert_eq!(body(html), bare);
    }

    #[test]
    fn links_lead_out_or_nowhere() {
        let out = " target=\"_blank\" rel=\"noopener noreferrer nofollow\"";
        for link in ["https://acme.example/", "mailto:a@acme.example", "tel:+48"] {
            let html = format!("<a href=\"{link}\"");
            assert_eq!(
                body(&format!("{html} target=_top>x</a>")),
                format!("{html}{out}>x</a>")
            );
        }
        assert_eq!(body("<a href=\"#part\">x</a>"), "<a href=\"#part\">x</a>");
        for link in [
            "javascript:1",
            " java\tscript:1",
            "data:text/html,x",
            "/inbox/",
            "//x.example",
            "blob:x",
            "x",
        ] {
            assert_eq!(
                body(&format!("<a href=\"{link}\">x</a>")),
                "<a>x</a>",
                "{link}"
            );
        }
    }

    #[test]
    fn inline_images_are_put_in_as_long_as_there_is_room() {
        let html = "<img src=\"cid:a.png\"><table background=\" CID:b\"></table>";
        assert_eq!(
            body(html),
            "<img src=\"data:a.png\"><table background=\"data:b\"></table>"
        );
        let large = "x".repeat(MAX_INLINED / 2);
        let read = Cell::new(0);
        let page = page(&"<img src=cid:a>".repeat(10), &|_| {
            read.set(read.get() + 1);
            Some(large.clone())
        });
        assert_eq!(page.matches("src=\"\"").count(), 8);
        assert!(read.get() <= 3, "it was read {} times", read.get());
        assert!(page.len() < MAX_INLINED + 1000);
    }

    #[test]
    fn colours_are_those_that_are_asked_for() {
        let html = "<html><head><meta name=color-scheme content=\"light dark\"><style media=\"(prefers-color-scheme:dark)\">p{}</style>\
                    <style>@media (prefers-color-scheme: dark){p{color:red}}</style></head><body><p>x</p></body></html>";
        let as_look = |look| page_as(html, &|_| None, look, &Clock::system());
        assert_eq!(as_look(Look::Own), page(html, &|_| None));
        let dark = as_look(Look::Dark);
        assert_eq!(dark.matches("(min-width:0px)").count(), 2, "{dark}");
        assert!(dark.ends_with("<style>:root{color-scheme:dark!important}</style>"));
        let light = as_look(Look::Light);
        assert_eq!(light.matches("(max-width:0px)").count(), 2, "{light}");
        assert!(light.ends_with("<style>:root{color-scheme:light!important}</style>"));
        let none = page_as("<p>x", &|_| None, Look::Dark, &Clock::system());
        assert!(
            none.ends_with("<style>:root{color-scheme:light!important}</style>"),
            "{none}"
        );
        assert!(as_look(Look::Inverted).contains("invert(1)"));
    }

    #[test]
    fn a_file_has_its_policy_in_it_before_all_else() {
        for html in [
            "<p>x",
            "<!DOCTYPE html><html><head class=a><title>T</title></head><body>x",
            "<frameset><frame src=//x.example></frameset>",
            "",
        ] {
            let file = file(html, &|_| None, &Clock::system());
            let head = file.split_once("<head").expect("a head").1;
            let first = head.split_once('>').expect("its end").1;
            let begin = "<meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" \
                         content=\"default-src 'none';";
            assert!(first.starts_with(begin), "{file}");
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        let page = page(&"<br>".repeat(300_000), &|_| None);
        assert!(page.ends_with(CUT));
        assert!(!body("x").contains("cut here"));
    }
}
