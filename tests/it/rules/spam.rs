use super::Case;
use crate::support::campaign::Campaign;

/// A campaign whose HTML has so many bytes, an image among them.
fn with_image(good: Campaign, bytes: usize) -> Campaign {
    let image =
        "<p>Autumn</p><img src=\"https://sender.example/a.png\" alt=\"\" width=\"600\"><!--";
    let html = format!("{image}{}-->", "x".repeat(bytes - image.len() - 3));
    good.template("newsletter.html", &html)
}

pub(super) const CASES: &[Case] = &[
    Case::new("spam-image-only", |good| with_image(good, 2800))
        .at("templates/newsletter.html:1:14"),
    Case::new("spam-title", |good| {
        good.html_with(
            "<title>Autumn news for {{ first_name }}",
            &format!("<title>{}", "News ".repeat(30)),
        )
    })
    .at("templates/newsletter.html:3:29"),
    // Whatever the first row has.
    Case::new("spam-title", |good| {
        good.set(
            "message.subject",
            "{% if token == 'a1' %}What the autumn brings{% else %}Hi{% endif %}",
        )
    })
    .rows(&[2, 3]),
    Case::new("spam-title", |good| {
        good.set(
            "message.subject",
            "{% if token == 'a1' %}Hi{% else %}What the autumn brings{% endif %}",
        )
    })
    .rows(&[1]),
    Case::new("spam-dear", |good| {
        good.html_with(
            "Hello {{ first_name }}",
            "Dear {% if token == 'c3' %}Friend{% else %}{{ first_name }}{% endif %}",
        )
    })
    .rows(&[3]),
    Case::new("spam-dear", |good| {
        good.html_with("Hello {{ first_name }}", "Dear Sir or Madam")
    })
    .at("templates/newsletter.html:6:23"),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("spam-image-only", |good| with_image(good, 2801)),
    Case::new("spam-title", |good| {
        good.html_with(
            "<title>Autumn news for {{ first_name }}",
            &format!("<title>{}", "News ".repeat(20)),
        )
    }),
    Case::new("spam-dear", |good| {
        good.html_with("Hello {{ first_name }}", "Dear {{ first_name }}")
    }),
];
