//! A message's HTML as a page that is safe to show in a frame.
//!
//! Three layers keep the page from acting, and each is enough by itself: the frame is sandboxed, by its
//! element and by its own response headers; the policy in those headers lets it load nothing but inline
//! images, and remote ones on request; and the HTML is sanitized. Sanitizing also stops what no policy
//! covers, such as the name lookup of `<link rel=preconnect>`.
//!
//! The HTML is parsed as a browser without scripts parses it, and serialized again. The result has nothing
//! that is parsed by rules other than those of HTML (SVG, MathML, raw text except `<style>`), so a browser
//! reads exactly what was written.

mod colour_scheme;
mod sanitize;
mod write;

pub use colour_scheme::ColourScheme;

use self::sanitize::Sanitizer;
use crate::clock::Clock;
use crate::html;

/// The value of the frame's `sandbox` attribute, also in its policy. Links open an ordinary window of
/// their own; nothing else is allowed.
const SANDBOX: &str = "allow-popups allow-popups-to-escape-sandbox";

/// The end of a page that was cut off.
const CUT: &str = "<hr><p>The HTML is cut here: it is too large or too deep to be shown.</p>";

/// The headers of the frame's response. With `images`, it may load images from anywhere.
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
        // With any other value, browsers do not open a sandboxed page in a tab of its own.
        ("cross-origin-opener-policy", "unsafe-none".to_owned()),
        // Browsers would look up the host names of links.
        ("x-dns-prefetch-control", "off".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ]
}

/// The page that shows a message's HTML. `inline` returns the URL for the image `cid:ID`, such as a `data:`
/// URL, given the ID as it is written. HTML that takes too long is cut off, and the page says so.
pub fn page(html: &str, inline: &dyn Fn(&str) -> Option<String>, clock: &Clock) -> String {
    build(html, inline, None, clock, &[])
}

/// The same page in a colour scheme.
pub fn page_as(
    html: &str,
    inline: &dyn Fn(&str) -> Option<String>,
    scheme: ColourScheme,
    clock: &Clock,
) -> String {
    build(html, inline, Some(scheme), clock, &[])
}

/// The same page as a file to open from disk. There are no headers, so the policy is in the page. It loads
/// nothing.
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
    build(html, inline, None, clock, &metas)
}

/// `metas` are inserted at the beginning of the head, each given by its attributes.
fn build(
    html: &str,
    inline: &dyn Fn(&str) -> Option<String>,
    scheme: Option<ColourScheme>,
    clock: &Clock,
    metas: &[Vec<(&str, &str)>],
) -> String {
    let (dom, is_parsed) = html::parse(html, clock);
    let mut sanitizer = Sanitizer::new(inline, scheme);
    sanitizer.sanitize(&dom.document);
    html::prepend_to_head(&dom, metas);
    let (mut page, is_written) = write::page(&dom, clock);
    if let Some(scheme) = scheme {
        let mut has_dark = sanitizer.has_dark;
        page = scheme.apply_to_stylesheets(&page, &mut has_dark);
        // A style after the end of the body still applies, and nothing of the message follows it.
        page.push_str(&format!("<style>{}</style>", scheme.stylesheet(has_dark)));
    }
    if !(is_parsed && is_written) {
        page.push_str(CUT);
    }
    page
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
    fn keeps_harmless_elements() {
        let html = "<p style=\"color:red\" class=\"a\">Zażółć <b>&lt;b&gt;</b> &amp; co<br>\
                    <img src=\"https://acme.example/a.png\" alt=\"a\"></p>";
        assert_eq!(body(html), html);
        let head = "<!DOCTYPE html><html lang=\"pl\"><head><title>T</title>\
                    <meta name=\"viewport\" content=\"width=device-width\"><style>a > b{}</style></head>\
                    <body>x</body></html>";
        assert_eq!(page(head, &|_| None), head);
    }

    #[test]
    fn removes_elements_that_act() {
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
    fn removes_attributes_that_act() {
        let html = "<form action=//x.example onsubmit=1><button formaction=//x.example>x</button></form>\
                    <img src=x onerror=1 referrerpolicy=unsafe-url><a ping=//x.example id=i>x</a>";
        let bare = "<form><button>x</button></form><img src=\"x\"><a id=\"i\">x</a>";
        assert_eq!(body(html), bare);
    }

    #[test]
    fn links_open_a_window_or_lead_nowhere() {
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
    fn inline_images_have_a_size_limit() {
        let html = "<img src=\"cid:a.png\"><table background=\" CID:b\"></table>";
        assert_eq!(
            body(html),
            "<img src=\"data:a.png\"><table background=\"data:b\"></table>"
        );
        let large = "x".repeat(sanitize::MAX_INLINED / 2);
        let read = Cell::new(0);
        let page = page(&"<img src=cid:a>".repeat(10), &|_| {
            read.set(read.get() + 1);
            Some(large.clone())
        });
        assert_eq!(page.matches("src=\"\"").count(), 8);
        assert!(read.get() <= 3, "it was read {} times", read.get());
        assert!(page.len() < sanitize::MAX_INLINED + 1000);
    }

    #[test]
    fn a_colour_scheme_replaces_the_readers() {
        let html = "<html><head><meta name=color-scheme content=\"light dark\"><style media=\"(prefers-color-scheme:dark)\">p{}</style>\
                    <style>@media (prefers-color-scheme: dark){p{color:red}}</style></head><body><p>x</p></body></html>";
        assert!(page(html, &|_| None).contains("(prefers-color-scheme: dark)"));
        let in_scheme = |scheme| page_as(html, &|_| None, scheme, &Clock::system());
        let dark = in_scheme(ColourScheme::Dark);
        assert_eq!(dark.matches("(min-width:0px)").count(), 2, "{dark}");
        assert!(dark.ends_with("<style>:root{color-scheme:dark!important}</style>"));
        let light = in_scheme(ColourScheme::Light);
        assert_eq!(light.matches("(max-width:0px)").count(), 2, "{light}");
        assert!(light.ends_with("<style>:root{color-scheme:light!important}</style>"));
        let none = page_as("<p>x", &|_| None, ColourScheme::Dark, &Clock::system());
        assert!(
            none.ends_with("<style>:root{color-scheme:light!important}</style>"),
            "{none}"
        );
        assert!(in_scheme(ColourScheme::Inverted).contains("invert(1)"));
    }

    #[test]
    fn the_policy_of_a_file_comes_first() {
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
    fn a_page_that_was_cut_off_says_so() {
        let page = page(&"<br>".repeat(300_000), &|_| None);
        assert!(page.ends_with(CUT));
        assert!(!body("x").contains("cut here"));
    }
}
