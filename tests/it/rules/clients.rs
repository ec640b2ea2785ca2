use super::Case;
use crate::support::campaign::Campaign;
use crate::support::findings::check;

const FLEX: &str = "<div style=\"display: flex\">{% if first_name %}Hello";

pub(super) const CASES: &[Case] = &[
    Case::new("client-css", |good| {
        good.html_with("<p>{% if first_name %}Hello", FLEX)
    })
    .at("newsletter.html:6:13"),
    // It is put into the elements, and found where it is written.
    Case::new("client-css", |good| {
        good.html_with(
            "</head>",
            "<style>\np { margin: 0; padding: 0 1.5rem }</style></head>",
        )
    })
    .at("newsletter.html:4:16"),
    // Or stays where it is.
    Case::new("client-css", |good| {
        good.set("message.inline_css", false)
            .html_with("</head>", "<style>\np { display:grid }</style></head>")
    })
    .at("newsletter.html:4:5"),
    Case::new("client-css", |good| {
        good.html_with(
            "Hello",
            "{% if first_name == 'Bob' %}<b style=\"width: calc(1px + 1%)\">Hello</b>{% endif %}",
        )
    })
    .rows(&[2]),
    Case::new("client-css-minor", |good| {
        good.html_with(
            "<p>{% if first_name %}Hello",
            "<p style=\"background-image: url(https://x.example/a.png)\">{% if first_name %}Hello",
        )
    })
    .at("newsletter.html:6:11"),
    // Supported in part by those who are cared about.
    Case::new("client-css-minor", |good| {
        good.set("check.clients", vec!["gmail"])
            .html_with("<p>{% if first_name %}Hello", FLEX)
    }),
    Case::new("client-html", |good| {
        good.html_with(
            "<p>{% if first_name %}Hello",
            "<form action=\"https://x.example\"></form><p>{% if first_name %}Hello",
        )
    })
    .at("newsletter.html:6:1"),
    Case::new("client-html-minor", |good| {
        good.html_with(
            "<p>{% if first_name %}Hello",
            "<p><a href=\"#end\">The dates</a> {% if first_name %}Hello",
        )
        .html_with("<p>The Sender", "<p id=\"end\">The Sender")
    }),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("client-css", |good| {
        good.set("check.clients", vec!["apple-mail", "gmail"])
            .html_with("<p>{% if first_name %}Hello", FLEX)
    }),
    Case::new("client-css", |good| {
        good.html_with(
            "</head>",
            "<style>p { border-radius: 4px } @media (min-width: 600px) { p { display: flex } }</style></head>",
        )
    }),
    Case::new("client-css", |good| {
        good.html_with(
            "<p>{% if first_name %}Hello",
            "<!--[if !mso]><!--><div style=\"display: flex\"></div><!--<![endif]--><p>{% if first_name %}Hello",
        )
    }),
    Case::new("client-css-minor", |good| {
        good.html_with(
            "<p>{% if first_name %}Hello",
            "<p style=\"background: #eee url(https://x.example/a.png); border-radius: 4px\">{% if first_name %}Hello",
        )
    }),
    Case::new("client-html", |good| {
        good.html_with(
            "<p>{% if first_name %}Hello",
            "<video src=\"a.mp4\"><a href=\"https://x.example/film\">The film</a></video><p>{% if first_name %}Hello",
        )
    }),
];

#[test]
fn clients_that_lack_it_are_named() {
    let report = check(&Campaign::good().html_with("<p>{% if first_name %}Hello", FLEX));
    let finding = report.only();
    finding
        .is(
            "client-css",
            "display: flex is not supported by Outlook (Windows)",
        )
        .helps("https://www.caniemail.com/features/css-display-flex/");
    assert_eq!((finding.severity.as_str(), finding.count), ("warning", 3));
}

#[test]
fn a_family_that_does_not_exist_is_an_error() {
    let campaign = Campaign::good().set("check.clients", vec!["gmail", "outlok"]);
    let report = check(&campaign);
    let finding = report.only();
    finding
        .is("bad-value", "`outlok`")
        .helps("did you mean `outlook`?");
    assert_eq!(finding.severity, "error");
}
