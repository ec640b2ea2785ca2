use super::Case;
use crate::support::campaign::Campaign;

/// The campaign with more HTML before its last paragraph.
fn with(good: Campaign, html: &str) -> Campaign {
    good.html_with("<p>The Sender", &format!("{html}\n<p>The Sender"))
}

pub(super) const CASES: &[Case] = &[
    Case::new("text-hidden", |good| {
        with(good, "<p style=\"display:none\">coffee tea</p>")
    })
    .at("templates/newsletter.html:9:1"),
    Case::new("text-hidden", |good| with(good, "<p hidden>coffee tea</p>"))
        .at("templates/newsletter.html:9:1"),
    Case::new("text-hidden", |good| {
        with(good, "<p style=\"visibility:hidden\">coffee tea</p>")
    }),
    Case::new("text-hidden", |good| {
        with(good, "<div style=\"font-size:1px\"><b>coffee tea</b></div>")
    })
    .at("templates/newsletter.html:9:1"),
    Case::new("text-hidden", |good| {
        with(good, "<p style=\"color:#FFFFFF\">coffee tea</p>")
    })
    .at("templates/newsletter.html:9:1"),
    Case::new("text-hidden", |good| {
        with(good, "<p style=\"height:0;overflow:hidden\">coffee tea</p>")
    }),
    Case::new("text-hidden", |good| {
        with(good, "<p style=\"opacity:0\">coffee tea</p>")
    }),
    Case::new("text-hidden", |good| {
        with(
            good,
            "<p style=\"display:none\">{% if token == 'b2' %}tea{% endif %}</p>",
        )
    }),
    // Too long for a preheader.
    Case::new("text-hidden", |good| {
        good.html_with("What the new season brings", &"coffee ".repeat(90))
    })
    .at("templates/newsletter.html:5:1"),
    // Inlined from a rule.
    Case::new("text-hidden", |good| {
        with(
            good.set("message.inline_css", true),
            "<style>.x { display: none }</style><p class=\"x\">coffee tea</p>",
        )
    }),
];

pub(super) const SILENT: &[Case] = &[
    // A preheader with padding.
    Case::new("text-hidden", |good| {
        good.html_with(
            "in two minutes.",
            &format!("in two minutes.{}", "&#847;&zwnj;&nbsp;&#8199;".repeat(200)),
        )
    }),
    Case::new("text-hidden", |good| {
        good.html_with(
            "display:none",
            "display:none;font-size:1px;color:#ffffff;line-height:1px;max-height:0px;max-width:0px;opacity:0;overflow:hidden;mso-hide:all",
        )
    }),
    // For phones and dark mode.
    Case::new("text-hidden", |good| {
        with(
            good,
            "<style>@media (max-width: 480px) { .phone { display: block !important } }</style>\
             <p class=\"phone\" style=\"display:none\">coffee tea</p>",
        )
    }),
    Case::new("text-hidden", |good| {
        with(
            good,
            "<style>@media (prefers-color-scheme: dark) { .dark { display: block !important; max-height: none !important } }</style>\
             <div class=\"dark\" style=\"display:none;max-height:0;overflow:hidden\"><p>coffee tea</p></div>",
        )
    }),
    // For all but Outlook.
    Case::new("text-hidden", |good| {
        with(
            good,
            "<a style=\"mso-hide:all\" href=\"https://sender.example/1\">coffee tea</a>",
        )
    }),
    Case::new("text-hidden", |good| {
        with(
            good,
            "<div style=\"font-size:0\"><p style=\"font-size:14px\">tea</p></div>",
        )
    }),
    Case::new("text-hidden", |good| {
        with(good, "<p style=\"display:none\">&nbsp;</p>")
    }),
];
