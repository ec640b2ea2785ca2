use std::fmt::Write;

use super::Case;
use crate::support::campaign::Campaign;

const LIST: &str = "message.headers.List-Unsubscribe";
const POST: &str = "message.headers.List-Unsubscribe-Post";

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
];
