//! Links: those that lead nowhere, or not where they seem to.

mod link_text;

use percent_encoding::percent_decode_str;
use url::{ParseError, Url};

use self::link_text::differs;
use super::urls::{
    Reach, fault_of_host, has_leftover, is_link, is_no_scheme, is_settled, look_at_site, named,
    near_https, reach, settled, with_scheme,
};
use crate::address::Address;
use crate::check::context::{MessageContext, RowContext};
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::finding::Finding;
use crate::html::marks::fill;

const EMPTY: Rule = Rule::error("link-empty")
    .finds("a link with an empty address")
    .why("Nothing happens when a reader clicks it.")
    .fix("Add the address, or leave the link out where there is none: `{% if … %}`.")
    .source("HTML 4.6.3")
    .example("`<a href=\"\">`");

const PLACEHOLDER: Rule = Rule::warning("link-placeholder")
    .finds("a link to `#`")
    .why("Templates use `#` until somebody fills in the address. In a message it leads nowhere.")
    .fix("Fill in the address, or remove the link.")
    .source("HTML 4.6.3: the top of the page")
    .example("`<a href=\"#\">`");

const RELATIVE: Rule = Rule::error("link-relative")
    .finds("a link without `https://`")
    .why("A message has no page that the address could be relative to, so the link does not work.")
    .fix("Write the whole address, with `https://` and the host.")
    .source("RFC 3986 5.1, RFC 2557 5")
    .example("`<a href=\"/shop\">`, `<a href=\"www.acme.example\">`");

const LEFTOVER: Rule = Rule::error("link-leftover")
    .finds("a link with a placeholder that nothing replaced")
    .why("The link does not work, or leads every reader to the same wrong page.")
    .fix("Write columns as `{{ column }}`, and look for placeholders in the recipients' cells too.")
    .source("the tags of Tera and of Mailchimp (`*|…|*`)")
    .example("`<a href=\"*|UNSUB|*\">`");

const BROKEN: Rule = Rule::error("link-broken")
    .finds("a link that is not a valid address")
    .why("Nothing happens when a reader clicks it, or the browser shows an error.")
    .fix("Write `https://host/path`.")
    .source("WHATWG URL 4.4")
    .example("`<a href=\"https:/acme.example\">`, `<a href=\"htps://acme.example\">`");

const SCRIPT: Rule = Rule::error("link-script")
    .finds("a link that runs a script or contains a page")
    .why("Mail programs remove such links for safety.")
    .fix("Link to a page on the web.")
    .source("RFC 2854 7; what Gmail and Outlook strip")
    .example("`<a href=\"javascript:void(0)\">`");

const LOCAL: Rule = Rule::error("link-local")
    .finds("a link to the reader's own computer: `localhost`, `127.0.0.1`, `file:`")
    .why("It works on the computer of the author only.")
    .fix("Write the address that the page has on the web.")
    .source("RFC 6761 6.3, RFC 1122 3.2.1.3")
    .example("`<a href=\"http://localhost:3000/shop\">`");

const PRIVATE: Rule = Rule::warning("link-private")
    .finds("a link to a host that only one network can reach")
    .why("The link does not work for readers outside that network.")
    .fix("Write an address that all readers can reach. Turn the rule off if they are all inside.")
    .source("RFC 1918, RFC 6762, RFC 8375")
    .example("`<a href=\"https://staging.internal/\">`");

const PLAIN: Rule = Rule::note("link-http")
    .finds("a link without encryption")
    .why("Browsers warn about such pages, and anybody on the way can read or change them.")
    .fix("Write `https://` if the site supports it.")
    .source("RFC 9110 4.2.2")
    .example("`<a href=\"http://acme.example/\">`");

const TEXT: Rule = Rule::warning("link-text")
    .finds("a link whose text is the address of another site than the one it leads to")
    .why("Phishing works like this, so mail programs warn about it or block the link.")
    .fix("Write words as the text of the link, or the address that it leads to.")
    .source("SpamAssassin HTTPS_HTTP_MISMATCH (0.1)")
    .example("`<a href=\"https://track.example/1\">https://acme.example</a>`");

const MAILTO: Rule = Rule::warning("link-mailto")
    .finds("a `mailto:` link without a valid address")
    .why("Mail programs open an empty message, or nothing.")
    .fix("Write `mailto:name@example.com`.")
    .source("RFC 6068 2")
    .example("`<a href=\"mailto:hello at acme.example\">`");

const RULES: &[Rule] = &[
    EMPTY,
    PLACEHOLDER,
    RELATIVE,
    LEFTOVER,
    BROKEN,
    SCRIPT,
    LOCAL,
    PRIVATE,
    PLAIN,
    TEXT,
    MAILTO,
];

pub(in crate::check) struct Links;

impl Family for Links {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    /// The links whose site is the same for all rows of the shape, those for Outlook among them.
    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        for page in context.pages() {
            let links = page.elements();
            let links = links.filter(|(_, element)| is_link(&element.name));
            for (index, link) in links {
                let Some(href) = link.get("href").and_then(|href| settled(href, context)) else {
                    continue;
                };
                let text = page.text(index);
                let differs = || settled(&text, context).and_then(|text| differs(&text, &href));
                if let Some(finding) = look(&href, "a link").or_else(differs) {
                    let locator = &context.shared.locator;
                    sink.add(locator.at_element(finding, page, index, Some("href")));
                }
            }
        }
    }

    /// The links whose site is the row's own, and those that the row's values leave something over in.
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(html) = context.html else { return };
        let odd = context.values.iter().any(|value| has_leftover(value));
        for hole in html.dynamic_attributes() {
            if !is_link(&hole.element) || hole.attribute != "href" {
                continue;
            }
            let is_settled = is_settled(&hole.value);
            if is_settled && !odd {
                continue;
            }
            let href = fill(&hole.value, context.values);
            let found = if is_settled {
                has_leftover(&href).then(|| leftover(&named("link", &hole.value)))
            } else {
                look_at_site(&href, || look(&href, &named("link", &hole.value)))
            };
            found.into_iter().for_each(|finding| sink.add(finding));
        }
    }
}

/// What is wrong with the address of a link, which is named `what`.
fn look(href: &str, what: &str) -> Option<Finding> {
    let href = href.trim();
    if href.is_empty() {
        return Some(
            EMPTY
                .found(format!("{what} leads nowhere: its `href` is empty"))
                .help("give it an address, or take the link away where there is none: {% if … %}"),
        );
    }
    if href.starts_with('#') {
        return (href == "#").then(|| {
            PLACEHOLDER
                .found(format!("{what} leads to `#`, which is nowhere"))
                .help("put the address in, or take the link away")
        });
    }
    if has_leftover(href) {
        return Some(leftover(what));
    }
    match Url::parse(href) {
        Err(ParseError::RelativeUrlWithoutBase) => Some(relative(href, what)),
        Err(error) => Some(broken(what, &error.to_string())),
        Ok(url) if is_no_scheme(url.scheme()) => Some(relative(href, what)),
        Ok(url) => match url.scheme() {
            "http" | "https" => web(&url, href, what),
            "mailto" => mailto(&url, what),
            "javascript" | "vbscript" | "data" => Some(
                SCRIPT
                    .found(format!("{what} runs a script or holds a page"))
                    .help("mail programs take such links out: link to a page on the web"),
            ),
            "file" => Some(local(what)),
            scheme => near_https(scheme).map(|why| broken(what, &why)),
        },
    }
}

fn leftover(what: &str) -> Finding {
    LEFTOVER
        .found(format!("{what} has a placeholder that nothing filled"))
        .help("write {{ column }}, and look for placeholders in the recipients' cells as well")
}

fn relative(href: &str, what: &str) -> Finding {
    RELATIVE
        .found(format!("{what} is relative: it has no https://"))
        .help(with_scheme(href))
}

fn broken(what: &str, why: &str) -> Finding {
    BROKEN
        .found(format!("{what} is no address: {why}"))
        .help("write it as https://host/path")
}

fn local(what: &str) -> Finding {
    LOCAL
        .found(format!("{what} leads to the reader's own machine"))
        .help("write the address that the page has on the web")
}

fn web(url: &Url, href: &str, what: &str) -> Option<Finding> {
    let after = href.get(url.scheme().len() + 1..);
    if !after.is_some_and(|after| after.starts_with("//")) {
        return Some(broken(what, "behind the scheme there must be ://"));
    }
    if let Some(why) = fault_of_host(url) {
        return Some(broken(what, &why));
    }
    match reach(url) {
        Reach::Loopback => return Some(local(what)),
        Reach::Private => {
            let finding = PRIVATE.found(format!("{what} leads to a host of a private network"));
            return Some(
                finding.help("write an address that readers can reach, if they are not all inside"),
            );
        }
        Reach::Public => {}
    }
    (url.scheme() == "http").then(|| {
        PLAIN
            .found(format!("{what} begins with http://"))
            .help("write https:// if the site has it")
    })
}

fn mailto(url: &Url, what: &str) -> Option<Finding> {
    let decoded = percent_decode_str(url.path()).decode_utf8_lossy();
    if decoded.trim().is_empty() {
        // One that leaves the address to the reader, to pass something on.
        return url.query().is_none().then(|| {
            let message = format!("{what} is a mailto: without an address");
            MAILTO.found(message).help("write mailto:name@example.com")
        });
    }
    let wrong = decoded.split(',').find_map(|one| Address::parse(one).err());
    wrong.map(|error| {
        MAILTO
            .found(format!("{what} is a mailto: with a bad address: {error}"))
            .help("write mailto:name@example.com")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(href: &str) -> Option<&'static str> {
        look(href, "a link").map(|finding| finding.code)
    }

    #[test]
    fn what_is_wrong_with_a_link_is_told() {
        for (href, wanted) in [
            (" ", "link-empty"),
            ("#", "link-placeholder"),
            ("/shop", "link-relative"),
            ("//acme.example/", "link-relative"),
            ("www.acme.example", "link-relative"),
            ("acme.example:80/x", "link-relative"),
            ("localhost:80/x", "link-relative"),
            ("hello@acme.example", "link-relative"),
            ("https://acme.example/{{ x }}", "link-leftover"),
            ("https://", "link-broken"),
            ("https:/acme.example", "link-broken"),
            ("https://acme .example/", "link-broken"),
            ("htps://acme.example/", "link-broken"),
            ("htttps://acme.example/", "link-broken"),
            ("https://www.acme,example/x", "link-broken"),
            ("https://www..acme.example/", "link-broken"),
            ("https://https://acme.example/", "link-broken"),
            ("http://https//acme.example/", "link-broken"),
            ("javascript:void(0)", "link-script"),
            ("file:///home/me/a.html", "link-local"),
            ("http://localhost/", "link-local"),
            ("https://192.168.1.7/", "link-private"),
            ("http://acme.example/", "link-http"),
            ("mailto:", "link-mailto"),
            ("mailto:hello", "link-mailto"),
            ("mailto:a@acme.example,b", "link-mailto"),
        ] {
            assert_eq!(code(href), Some(wanted), "{href}");
        }
    }

    #[test]
    fn good_links_are_left_alone() {
        for href in [
            "https://acme.example",
            "https://acme.example/a b?c=%20#d",
            "https://zażółć.example/",
            "#top",
            "tel:+48123456789",
            "sms:+48123456789",
            "mailto:hello@acme.example?subject=Hi",
            "mailto:?body=look",
            "mailto:a%40acme.example",
            "whatsapp://send?text=x",
            "ftp://acme.example/",
            "https://my_site.acme.example./x,y",
        ] {
            assert_eq!(code(href), None, "{href}");
        }
    }
}
