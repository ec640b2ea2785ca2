use super::Case;

const LIST: &str = "message.headers.List-Unsubscribe";

pub(super) const CASES: &[Case] = &[
    Case::new("list-uri", |good| {
        good.set(LIST, "<https://sender.example/u?city=Łódź&t={{ token }}>")
    })
    .at("campaign.toml:14:20")
    .rows(&[1, 2, 3]),
    Case::new("list-uri", |good| {
        good.set(
            "message.headers.List-Help",
            "<https://sender.example/pomóc>",
        )
    })
    .at("campaign.toml:14:13"),
    Case::new("list-uri", |good| {
        good.set(
            LIST,
            format!(
                "<https://sender.example/u/{{{{ token }}}}?x={}>",
                "x".repeat(900)
            ),
        )
    })
    .rows(&[1, 2, 3]),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("list-uri", |good| {
        good.set("message.headers.List-Id", "Żółw <news.sender.example>")
    }),
    Case::new("list-uri", |good| {
        good.set(
            LIST,
            "<https://sender.example/u?city={{ 'Łódź' | urlencode }}&t={{ token }}>",
        )
    }),
    // Names in comments are encoded.
    Case::new("list-uri", |good| {
        good.set(LIST, "<https://sender.example/u/{{ token }}> (wypisz się)")
    }),
];
