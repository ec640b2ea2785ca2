use super::Case;
use crate::support::campaign::Campaign;

/// The good campaign with CSS in its head, and a paragraph with a style of its own.
fn with(good: Campaign, css: &str) -> Campaign {
    good.html_with("</head>", &format!("<style>{css}</style></head>"))
        .html_with(
            "</body>",
            "<p class=\"own\" style=\"padding: 4px\">Own</p></body>",
        )
}

/// CSS of this many bytes, more or less, that no element uses.
fn long(bytes: usize) -> String {
    (0..bytes / 20)
        .map(|number| format!(".unused-{number:05}{{top:0}}"))
        .collect()
}

pub(super) const CASES: &[Case] = &[
    Case::new("style-too-long", |good| with(good, &long(17_000))).at("newsletter.html:3:76"),
    Case::new("style-nested-at-rule", |good| {
        with(
            good,
            "@media screen { @font-face { font-family: x; src: url(https://sender.example/x.woff) } }",
        )
    }),
    Case::new("style-never-applies", |good| {
        with(
            good,
            "@media (max-width: 480px) { .own { padding: 8px; margin: 0 } }",
        )
    })
    .at("newsletter.html:3:76"),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("style-too-long", |good| with(good, &long(12_000))),
    Case::new("style-nested-at-rule", |good| {
        with(
            good,
            "@media screen { p { margin: 0 } } @font-face { font-family: x; src: url(https://sender.example/x.woff) }",
        )
    }),
    Case::new("style-never-applies", |good| {
        with(
            good,
            "@media (max-width: 480px) { .own { padding: 8px !important; margin: 0 } p { padding: 8px } }",
        )
    }),
    // Inlining makes the rule important.
    Case::new("style-never-applies", |good| {
        with(
            good,
            "p { margin: 4px } @media (max-width: 480px) { p { margin: 8px } }",
        )
    }),
];
