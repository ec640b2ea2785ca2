use std::fmt::Write;

use super::Case;
use crate::support::campaign::Campaign;

const LIST: &str = "message.headers.List-Unsubscribe";
const POST: &str = "message.headers.List-Unsubscribe-Post";

/// The link to unsubscribe in the good campaign.
const LINK: &str = "<a href=\"https://sender.example/u/{{ token }}\">Unsubscribe</a>";
const HIDDEN: &str = "<a style=\"display:none\" href=\"https://sender.example/u/";

/// The campaign with links that mailrun makes.
fn with_url(good: Campaign, url: &str) -> Campaign {
    good.unset(LIST)
        .unset(POST)
        .kept_list("@acme")
        .set("feedback.url", url)
        .html_with(
            "https://sender.example/u/{{ token }}",
            "{{ unsubscribe_url }}",
        )
}

fn with_page(good: Campaign, key: &str, colour: &str) -> Campaign {
    with_url(good, "https://news.sender.example").set(&format!("feedback.page.{key}"), colour)
}

/// The campaign with 100 recipients.
fn to_many(good: Campaign) -> Campaign {
    let mut csv = String::from("email,first_name,token\n");
    for n in 1..=100 {
        writeln!(csv, "r{n}@one.example,Ann,t{n}").expect("a string takes all");
    }
    good.recipients(csv)
}

pub(super) const CASES: &[Case] = &[
    Case::new("unsubscribe-missing", |good| {
        to_many(good.unset(LIST).unset(POST))
    }),
    Case::new("unsubscribe-missing", |good| {
        to_many(good.set(
            LIST,
            "{% if token != 't5' %}<https://sender.example/{{ token }}>{% endif %}",
        ))
    })
    .rows(&[5]),
    Case::new("unsubscribe-value", |good| {
        good.set(LIST, "https://sender.example/u/{{ token }}")
    })
    .at("campaign.toml:14:20")
    .rows(&[1, 2, 3]),
    Case::new("unsubscribe-value", |good| {
        good.set(LIST, "leave@sender.example")
    }),
    Case::new("unsubscribe-value", |good| {
        good.set(LIST, "<https://sender.example/u?n=Ann {{ token }}>")
    })
    .rows(&[1, 2, 3]),
    Case::new("unsubscribe-https", |good| {
        to_many(good.set(LIST, "<mailto:leave@sender.example>").unset(POST))
    }),
    Case::new("unsubscribe-https", |good| {
        good.set(LIST, "<http://sender.example/u/{{ token }}>")
            .unset(POST)
    }),
    Case::new("unsubscribe-several", |good| {
        good.set(
            LIST,
            "<https://sender.example/{{ token }}>, <https://sender.example/all>",
        )
    }),
    Case::new("unsubscribe-post", |good| good.unset(POST)),
    Case::new("unsubscribe-post", |good| good.set(POST, "One-Click")),
    Case::new("unsubscribe-post", |good| good.unset(LIST)),
    Case::new("unsubscribe-shared", |good| {
        good.set(LIST, "<https://sender.example/leave>")
    })
    .at("campaign.toml:14:20"),
    Case::new("unsubscribe-shared", |good| {
        good.set(
            LIST,
            "<https://sender.example/u/{% if token == 'c3' %}a1{% else %}{{ token }}{% endif %}>",
        )
    })
    .rows(&[3]),
    Case::new("unsubscribe-link", |good| good.html_with(LINK, "")),
    Case::new("unsubscribe-link", |good| {
        good.html_with(LINK, "You can unsubscribe.")
    }),
    // Without the header, from 100 recipients on.
    Case::new("unsubscribe-link", |good| {
        to_many(good.unset(LIST).unset(POST).html_with(LINK, ""))
    }),
    Case::new("unsubscribe-link", |good| {
        good.html_with("<a href=\"https://sender.example/u/", HIDDEN)
    })
    .at("templates/newsletter.html:9:45"),
    Case::new("unsubscribe-link", |good| {
        good.html_with(LINK, "{% if token != 'b2' %}<a href=\"https://sender.example/u/{{ token }}\">Unsubscribe</a>{% endif %}")
    }),
    Case::new("unsubscribe-copies", |good| {
        with_url(good, "https://news.sender.example").set("message.bcc", "copy@sender.example")
    }),
    Case::new("unsubscribe-copies", |good| {
        with_url(good, "https://news.sender.example").set("message.cc", "copy@sender.example")
    }),
    Case::new("unsubscribe-local", |good| {
        with_url(good, "http://127.0.0.1:8026").unset("api.url")
    }),
    Case::new("unsubscribe-page-contrast", |good| {
        with_page(good, "foreground", "#999")
    }),
    Case::new("unsubscribe-page-contrast", |good| {
        with_page(good, "background", "#111")
    }),
    Case::new("unsubscribe-page-contrast", |good| {
        with_page(good, "accent", "#eee")
    }),
    // Only the text part is left.
    Case::new("unsubscribe-link", |good| {
        good.unset("message.html")
            .set("message.text", "newsletter.txt")
            .template("newsletter.txt", "The autumn letter is here.")
    }),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("unsubscribe-missing", |good| good.unset(LIST).unset(POST)),
    Case::new("unsubscribe-missing", to_many),
    Case::new("unsubscribe-shared", to_many),
    Case::new("unsubscribe-https", |good| {
        good.set(LIST, "<mailto:leave@sender.example>").unset(POST)
    }),
    Case::new("unsubscribe-value", |good| {
        good.set(
            LIST,
            "<mailto:leave@sender.example>, <https://sender.example/u/{{ token }}>",
        )
    }),
    Case::new("unsubscribe-several", |good| {
        good.set(
            LIST,
            "<mailto:leave@sender.example>, <https://sender.example/u/{{ token }}>",
        )
    }),
    Case::new("unsubscribe-shared", |good| {
        good.set(LIST, "<mailto:leave@sender.example>").unset(POST)
    }),
    // A few recipients, without the header.
    Case::new("unsubscribe-link", |good| {
        good.unset(LIST).unset(POST).html_with(LINK, "")
    }),
    Case::new("unsubscribe-missing", |good| {
        to_many(with_url(good, "https://news.sender.example"))
    }),
    Case::new("unsubscribe-shared", |good| {
        with_url(good, "https://news.sender.example")
    }),
    Case::new("unsubscribe-shared", |good| {
        with_url(good, "https://news.sender.example")
            .set(LIST, "<{{ unsubscribe_url }}>")
            .set(POST, "List-Unsubscribe=One-Click")
    }),
    Case::new("unsubscribe-local", |good| {
        with_url(good, "http://127.0.0.1:8026")
    }),
    Case::new("link-local", |good| with_url(good, "http://127.0.0.1:8026")),
    Case::new("unsubscribe-copies", |good| {
        good.set("message.bcc", "copy@sender.example")
    }),
    Case::new("unsubscribe-page-contrast", |good| {
        with_page(good, "accent", "#2457a6")
    }),
    // The link of mailrun, by its address.
    Case::new("unsubscribe-link", |good| {
        with_url(good, "http://127.0.0.1:8026").html_with("Unsubscribe</a>", "Goodbye</a>")
    }),
    // By its text.
    Case::new("unsubscribe-link", |good| {
        good.html_with(LINK, "<a href=\"https://sender.example/x\">Wypisz się</a>")
    }),
    // By its address.
    Case::new("unsubscribe-link", |good| {
        good.html_with(
            LINK,
            "<a href=\"https://sender.example/opt-out/{{ token }}\">Goodbye</a>",
        )
    }),
    // By the address of the header.
    Case::new("unsubscribe-link", |good| {
        good.html_with("Unsubscribe</a>", "Goodbye</a>")
    }),
    // By the text around it.
    Case::new("unsubscribe-link", |good| {
        good.html_with(
            LINK,
            "To unsubscribe, <a href=\"https://sender.example/x\">write to us</a>.",
        )
    }),
    // By the text that stands for its image.
    Case::new("unsubscribe-link", |good| {
        good.html_with(
            LINK,
            "<a href=\"https://sender.example/x\"><img src=\"https://sender.example/a.png\" alt=\"Unsubscribe\" width=\"9\"></a>",
        )
    }),
    Case::new("unsubscribe-link", |good| {
        good.unset("message.html")
            .set("message.text", "newsletter.txt")
            .template(
                "newsletter.txt",
                "The autumn letter is here. Goodbye: https://sender.example/u/{{ token }}",
            )
    }),
];
