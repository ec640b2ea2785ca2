use super::Case;
use crate::support::campaign::Campaign;

/// The good campaign with more HTML, for rows with and without a share and a colour.
fn with(good: Campaign, html: &str) -> Campaign {
    good.html_with("</body>", &format!("{html}</body>"))
        .recipients(
            "email,first_name,token,share,shade\nann@one.example,Ann,a1,50,#225577\n\
             bob@two.example,Bob,b2,,\ncleo@one.example,Cleo,c3,70,crimsn\ndan@one.example,Dan,d4,80,#12345\n",
        )
}

pub(super) const CASES: &[Case] = &[
    Case::new("style-broken", |good| {
        with(good, "<p style=\"width: {{ share }}%\">x</p>")
    })
    .at("newsletter.html:10:1")
    .rows(&[2]),
    // One finding a place, whatever the values are.
    Case::new("style-broken", |good| {
        with(good, "<p style=\"background-color: {{ shade }}\">x</p>")
    })
    .rows(&[3, 4]),
    Case::new("style-broken", |good| {
        with(
            good,
            "<table role=presentation><tr><td bgcolor=\"{{ shade }}\">x</td></tr></table>",
        )
    })
    .rows(&[2, 3, 4]),
    Case::new("style-broken", |good| {
        with(
            good,
            "<!--[if mso]><table role=presentation><tr><td width=\"{{ share }}\">x</td></tr></table><![endif]-->",
        )
    })
    .rows(&[2]),
    Case::new("style-broken", |good| {
        with(
            good,
            "<!--[if mso]><table role=presentation bgcolor=\"{{ shade }}\"><tr><td>x</td></tr></table><![endif]-->",
        )
    })
    .at("newsletter.html:10:39")
    .rows(&[3, 4]),
    Case::new("style-broken", |good| {
        with(
            good,
            "<!--[if mso]><v:rect style=\"width:{{ token }} px\"></v:rect><![endif]-->",
        )
    })
    .at("newsletter.html:10:22")
    .rows(&[1, 2, 3, 4]),
    // Two faults of one element are two.
    Case::new("style-broken", |good| with(good, BOTH)).rows(&[2]),
    Case::new("style-broken", |good| with(good, BOTH)).rows(&[3, 4]),
    Case::new("style-broken", |good| {
        with(
            good,
            "<table role=\"presentation\" width=\"600\"><tr><td>x</td></tr></table>\n\
             <!--[if mso]><table role=\"presentation\" width=\"{{ token }}\"><tr><td>x</td></tr></table><![endif]-->",
        )
    })
    .at("newsletter.html:11:41"),
    // A cell of a table that is around the comment.
    Case::new("style-broken", |good| {
        with(
            good,
            "<!--[if mso]></td><td style=\"width:{{ share }}px\"><![endif]-->",
        )
    })
    .rows(&[2]),
    Case::new("style-broken", |good| {
        with(
            good.set("message.inline_css", false),
            "<style>p{width:{{ share }}%}</style>",
        )
    })
    .rows(&[2]),
];

const BOTH: &str = "<p style=\"width: {{ share }}px; background-color: {{ shade | default(value='#fff', boolean=true) }}\">x</p>";

pub(super) const SILENT: &[Case] = &[Case::new("style-broken", |good| {
    with(
        good,
        "<p style=\"{% if share %}width: {{ share }}%;{% endif %} background-color: {% if shade is starting_with('#2') %}{{ shade }}{% else %}#fff{% endif %}\">x</p>",
    )
})];
