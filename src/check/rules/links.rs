//! Links that lead nowhere, or not where they seem to.

mod link_text;

use percent_encoding::percent_decode_str;
use url::Url;

use self::link_text::differs;
use super::unsubscribe::is_made_by_mailrun;
use super::urls::{UrlRules, has_placeholder, is_link, with_letters};
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
    .fix("Add the address, or leave out the link if the row has no URL for it: `{% if … %}`.")
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
    .why("Mail clients remove such links for safety.")
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

const HTTP: Rule = Rule::note("link-http")
    .finds("a link without encryption")
    .why("Browsers warn about such pages, and anybody on the way can read or change them.")
    .fix("Write `https://` if the site supports it.")
    .source("RFC 9110 4.2.2")
    .example("`<a href=\"http://acme.example/\">`");

const TEXT: Rule = Rule::warning("link-text")
    .finds("a link whose text is the address of another site than the one it leads to")
    .why("Phishing works like this, so mail clients warn about it or block the link.")
    .fix("Write words as the text of the link, or the address that it leads to.")
    .source("SpamAssassin HTTPS_HTTP_MISMATCH (0.1)")
    .example("`<a href=\"https://track.example/1\">https://acme.example</a>`");

const MAILTO: Rule = Rule::warning("link-mailto")
    .finds("a `mailto:` link without a valid address")
    .why("Mail clients open an empty message, or nothing.")
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
    HTTP,
    TEXT,
    MAILTO,
];

const URL_RULES: UrlRules = UrlRules {
    noun: "link",
    empty: EMPTY,
    leftover: LEFTOVER,
    relative: RELATIVE,
    broken: BROKEN,
    local: LOCAL,
    private: PRIVATE,
    http: HTTP,
    special,
    alternative: "",
};

pub(in crate::check) struct Links;

impl Family for Links {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    /// Checks the links to sites that are the same for all rows, including those for Outlook.
    fn message(&self, context: &MessageContext<'_>, sink: &mut FindingSink<'_>) {
        for page in context.pages() {
            for (index, link) in page.elements().filter(|(_, it)| is_link(&it.name)) {
                let href = link.get("href");
                let Some(href) = href.and_then(|href| with_letters(href, context)) else {
                    continue;
                };
                let text = page.text(index);
                let text = || differs(&with_letters(&text, context)?, &href);
                if let Some(finding) = check(&href, "a link").or_else(text) {
                    let locator = &context.shared.locator;
                    sink.add(locator.at_element(finding, page, index, Some("href")));
                }
            }
        }
    }

    /// Checks the links to a site of the row's own, and those whose values may contain placeholders.
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let Some(html) = context.html else { return };
        let may_have_placeholder = context.values.iter().any(|value| has_placeholder(value));
        for attribute in html.dynamic_attributes() {
            if is_link(&attribute.element) && attribute.attribute == "href" {
                let address = &attribute.value;
                // It may lead to this machine, which is a finding of its own.
                if is_made_by_mailrun(context.shared.campaign, &fill(address, context.values)) {
                    continue;
                }
                sink.extend(URL_RULES.check_row(context, address, may_have_placeholder));
            }
        }
    }
}

fn check(href: &str, name: &str) -> Option<Finding> {
    match href.trim() {
        "#" => {
            let finding = PLACEHOLDER.found(format!("{name} leads to `#`, which is nowhere"));
            Some(finding.help("write the address, or remove the link"))
        }
        fragment if fragment.starts_with('#') => None,
        href => URL_RULES.check(href, name),
    }
}

fn special(url: &Url, href: &str, name: &str) -> Option<Finding> {
    match url.scheme() {
        scheme @ ("http" | "https") => {
            let rest = href.get(scheme.len() + 1..);
            let has_slashes = rest.is_some_and(|rest| rest.starts_with("//"));
            (!has_slashes).then(|| URL_RULES.broken(name, "there is no :// after the scheme"))
        }
        "mailto" => mailto(url, name),
        "javascript" | "vbscript" | "data" => {
            let finding = SCRIPT.found(format!("{name} contains a script or a page"));
            Some(finding.help("link to a page on the web: mail clients remove such links"))
        }
        scheme => {
            let is_typo = |name| strsim::damerau_levenshtein(scheme, name) == 1;
            (is_typo("http") || is_typo("https"))
                .then(|| URL_RULES.broken(name, &format!("its scheme is “{scheme}”, not “https”")))
        }
    }
}

fn mailto(url: &Url, name: &str) -> Option<Finding> {
    let addresses = percent_decode_str(url.path()).decode_utf8_lossy();
    let why = if addresses.trim().is_empty() {
        // With a query, readers fill in the address to forward something.
        url.query().is_none().then(|| "has no address".to_owned())
    } else {
        let error = addresses.split(',').find_map(|it| Address::parse(it).err());
        error.map(|error| format!("has an invalid address: {error}"))
    };
    why.map(|why| {
        let finding = MAILTO.found(format!("{name} is a mailto: link and {why}"));
        finding.help("write mailto:name@example.com")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(href: &str) -> Option<&'static str> {
        check(href, "a link").map(|finding| finding.code)
    }

    #[test]
    fn finds_bad_links() {
        for (href, expected) in [
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
            assert_eq!(code(href), Some(expected), "{href}");
        }
    }

    #[test]
    fn accepts_good_links() {
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
