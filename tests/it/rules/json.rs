use super::Case;
use crate::support::campaign::Campaign;

/// The good campaign with JSON in its head, for three recipients, the second with an odd name and
/// price.
fn json(good: Campaign, json: &str) -> Campaign {
    let script = format!("<script type=\"application/ld+json\">{json}</script></head>");
    good.html_with("</head>", &script).recipients(
        "email,first_name,token,price\nann@one.example,Ann,a1,5\n\
         bob@two.example,\"Bob \\ \"\"Sons\"\" & O'Brien\",b2,\"7,50\"\ncleo@one.example,Cleo,c3,9\n",
    )
}

pub(super) const CASES: &[Case] = &[
    Case::new("json-broken", |good| {
        json(good, "{\"name\": \"{{ first_name }}\",}")
    })
    .at("newsletter.html:3:76")
    .rows(&[1, 2, 3]),
    Case::new("json-broken", |good| {
        json(good, "{\"price\": {{ price }}}<!-- {{ first_name }} -->")
    }),
    Case::new("json-broken", |good| json(good, "{\"price\": {{ price }}}")).rows(&[2]),
    Case::new("json-broken", |good| {
        json(good, "{\"name\": \"{{ first_name }}\"}")
    })
    .rows(&[2]),
    Case::new("json-escaped", |good| {
        json(good, "{\"name\": \"Order of {{ first_name }}\"}")
    })
    .at("newsletter.html:3:76")
    .rows(&[2]),
    Case::new("json-escaped", |good| {
        json(
            good,
            "{\"url\": \"https://x.example/?a&amp;b={{ token }}\"}",
        )
    }),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("json-broken", |good| {
        json(
            good,
            "{\"name\": \"Order of {{ first_name | escape_json }}\", \"price\": \"{{ price }}\"}",
        )
    }),
    Case::new("json-escaped", |good| {
        json(
            good,
            "{\"name\": \"Order of {{ first_name | escape_json }}\", \"price\": \"{{ price }}\"}",
        )
    }),
    Case::new("json-broken", |good| json(good, " \n ")),
    Case::new("json-broken", |good| {
        good.html_with(
            "</head>",
            "<script type=text/x-template>{ {{ first_name }}</script></head>",
        )
    }),
];
