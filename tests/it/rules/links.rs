use super::Case;

pub(super) const CASES: &[Case] = &[
    Case::new("link-empty", |good| {
        good.html_with("href=\"https://sender.example/u/{{ token }}\"", "href=\"\"")
    })
    .at("templates/newsletter.html:9:45"),
    Case::new("link-empty", |good| {
        good.html_with(
            "https://sender.example/u/{{ token }}",
            "{% if first_name != 'Bob' %}https://sender.example/{% endif %}",
        )
    })
    .rows(&[2]),
];

pub(super) const SILENT: &[Case] = &[];
