use super::Case;
use crate::support::campaign::Campaign;
use crate::support::findings::check;

pub(super) const CASES: &[Case] = &[
    Case::new("contrast-low", |good| {
        good.html_with("<p>The Sender", "<p style=\"color: #999999\">The Sender")
    })
    .at("newsletter.html:9:1"),
    // Links are blue unless they are given a colour.
    Case::new("contrast-low", |good| {
        good.html_with("background-color: #ffffff; color: #222222", "background: #123; color: #fff")
    })
    .at("newsletter.html:8:26"),
    Case::new("contrast-low", |good| {
        good.html_with("</head>", "<style>p { color: #aaa }</style></head>")
    }),
    Case::new("contrast-low", |good| {
        good.html_with(
            "<p>{% if first_name %}Hello",
            "<table role=\"presentation\" bgcolor=\"#eeeeee\"><tr><td><font color=\"gray\">Offer</font></td></tr></table><p>{% if first_name %}Hello",
        )
    })
    .at("newsletter.html:6:54"),
    // MJML gives columns a font size of zero, and the text in them its own.
    Case::new("contrast-low", |good| {
        good.html_with(
            "<p>The Sender",
            "<div style=\"font-size:0px\"><p style=\"font-size:13px;color:#cccccc\">The Sender</p></div><p>The Sender",
        )
    })
    .at("newsletter.html:9:28"),
    Case::new("contrast-image", |good| {
        good.html_with(
            "<p>The Sender",
            "<p style=\"background: url(https://x.example/a.png); color: #fff\">The Sender",
        )
    })
    .at("newsletter.html:9:1"),
    Case::new("contrast-image", |good| {
        good.html_with(
            "<p>The Sender",
            "<p style=\"background: linear-gradient(#123, #345); color: #fff\">The Sender",
        )
    }),
    Case::new("contrast-image", |good| {
        good.html_with(
            "<p>The Sender",
            "<p style=\"background: #eeeeee url(https://x.example/a.png); color: #fff\">The Sender",
        )
    }),
    // Rules for some clients alone, whose elements are not there, decide nothing.
    Case::new("contrast-low", |good| {
        good.html_with(
            "</head>",
            "<style>p { color: #aaa } a[x-apple-data-detectors] { color: inherit } [data-ogsc] p { color: #fff } \
             u + .body p { color: #eee } #outlook a { background: #000 } a p, .x { color: red } \
             a:visited, p:hover { color: #000 }</style></head>",
        )
    }),
];

pub(super) const SILENT: &[Case] = &[
    // Large text need not have as much.
    Case::new("contrast-low", |good| {
        good.html_with(
            "<p>The Sender",
            "<p style=\"font-size: 24px; color: #888888\">The Sender",
        )
    }),
    Case::new("contrast-low", |good| {
        good.html_with(
            "<p>The Sender",
            "<p style=\"background: url(https://x.example/a.png); color: #fff\">The Sender",
        )
    }),
    Case::new("contrast-image", |good| {
        good.html_with(
            "<p>The Sender",
            "<p style=\"background: #112233 url(https://x.example/a.png); color: #fff\">Autumn</p><p>The Sender",
        )
    }),
    Case::new("contrast-image", |good| {
        good.html_with(
            "<p>The Sender",
            "<p style=\"background-color: #112233; background: linear-gradient(#123, #345); color: #fff\">Autumn</p><p>The Sender",
        )
    }),
    Case::new("contrast-image", |good| {
        good.html_with(
            "<p>The Sender",
            "<p style=\"background: url(https://x.example/a.png)\">The Sender",
        )
    }),
    Case::new("contrast-low", |good| {
        good.html_with("display:none", "display:none;color:#ffffff")
    }),
    Case::new("contrast-low", |good| {
        good.html_with("display:none", "font-size:1px;color:#ffffff")
    }),
    Case::new("contrast-low", |good| {
        good.html_with(
            "<p>The Sender",
            "<p><span style=\"color: #dddddd\">|</span> The Sender",
        )
    }),
    Case::new("contrast-low", |good| {
        good.html_with(
            "<p>The Sender",
            "<p style=\"color: #{{ token }}\">The Sender",
        )
    }),
    // With rules in a <style>, the colours are not known.
    Case::new("contrast-low", |good| {
        good.set("message.inline_css", false)
            .html_with(
                "</head>",
                "<style>body { background: black !important }</style></head>",
            )
            .html_with("<p>The Sender", "<p style=\"color: #999999\">The Sender")
    }),
];

#[test]
fn a_pair_of_colours_is_told_once() {
    let grey = "<p style=\"color: #999\">The Sender";
    let campaign = Campaign::good().html_with("<p>The Sender", &format!("{grey} team</p>{grey}"));
    let report = check(&campaign);
    report
        .only()
        .is(
            "contrast-low",
            "text in #999999 on #ffffff is hard to read: its contrast is 2.8:1, below 4.5:1",
        )
        .helps("has enough contrast");
}
