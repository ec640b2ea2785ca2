use super::Case;

pub(super) const CASES: &[Case] = &[
    Case::new("html-lang", |good| good.html_with(" lang=\"en\"", "")).at("newsletter.html:2:1"),
    Case::new("html-lang", |good| {
        good.html_with("lang=\"en\"", "lang=\"english\"")
    })
    .at("newsletter.html:2:1"),
    Case::new("html-title", |good| {
        good.html_with("<title>Autumn news for {{ first_name }}</title>", "")
    })
    .at("newsletter.html:3:1"),
    Case::new("html-title", |good| {
        good.html_with("Autumn news for {{ first_name }}", " ")
    })
    .at("newsletter.html:3:29"),
    Case::new("zoom-blocked", |good| {
        good.html_with(
            "<title>",
            "<meta name=\"viewport\" content=\"width=device-width,user-scalable=no\"><title>",
        )
    })
    .at("newsletter.html:3:29"),
    Case::new("text-small", |good| {
        good.html_with("<p>The Sender", "<p style=\"font-size: 10px\">The Sender")
    })
    .at("newsletter.html:9:1"),
    // What a row has of its own is text.
    Case::new("text-small", |good| {
        good.html_with(
            "{{ first_name }},",
            "<b style=\"font-size:7pt\">{{ first_name }}</b>",
        )
    })
    .at("newsletter.html:6:29")
    .rows(&[1, 2, 3]),
    Case::new("text-small", |good| {
        good.html_with(
            "<p>The Sender",
            "<div style=\"font-size:0\"><p style=\"font-size: 10px\">The Sender</p></div><p>The Sender",
        )
    }),
    Case::new("link-vague", |good| {
        good.html_with(
            "<p>The Sender",
            "<div style=\"font-size:0\"><p style=\"font-size: 14px\"><a href=\"https://sender.example/\">Click here</a></p></div><p>The Sender",
        )
    }),
    Case::new("table-role", |good| {
        good.html_with(
            "<p>The Sender",
            "<div style=\"font-size:0\"><table><tr><td style=\"font-size:14px\">1</td></tr></table></div><p>The Sender",
        )
    }),
    Case::new("table-role", |good| {
        good.html_with(
            "<p>{% if first_name %}Hello",
            "<table><tr><td>1</td></tr></table>\n<p>{% if first_name %}Hello",
        )
    })
    .at("newsletter.html:6:1"),
    Case::new("link-name", |good| good.html_with(">Unsubscribe<", "> <")),
    Case::new("link-name", |good| {
        good.html_with(
            ">Unsubscribe<",
            ">{% if first_name != 'Bob' %}Unsubscribe{% endif %}<",
        )
    })
    .rows(&[2]),
    Case::new("link-vague", |good| {
        good.html_with("on <a href", "here: <a href")
            .html_with("our page about the autumn", "Kliknij tutaj!")
    })
    .at("newsletter.html:8:29"),
    Case::new("link-no-href", |good| {
        good.html_with(
            "<p>{% if first_name %}Hello",
            "<p><a class=\"x\">Our shop</a> {% if first_name %}Hello",
        )
    })
    .at("newsletter.html:6:4"),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("html-lang", |good| {
        good.html_with(" lang=\"en\"", "")
            .html_with("<body ", "<body lang=\"pt-BR\" ")
    }),
    Case::new("html-lang", |good| {
        good.html_with(
            "lang=\"en\"",
            "lang=\"{% if first_name == 'Bob' %}pl{% else %}en{% endif %}\"",
        )
    }),
    Case::new("text-small", |good| {
        good.html_with("coffees", "coffees<sup style=\"font-size: 10px\">1</sup>")
            .html_with("What the new season", "<i style=\"font-size:9px\">x</i>")
    }),
    Case::new("table-role", |good| {
        good.html_with(
            "<p>{% if first_name %}Hello",
            "<table role=\"presentation\"><tr><td>\
             <table><tr><th>Coffee</th></tr><tr><td>Hearth</td></tr></table>\
             </td></tr></table><p>{% if first_name %}Hello",
        )
    }),
    Case::new("link-name", |good| {
        good.html_with(">Unsubscribe<", ">{{ first_name }}<")
    }),
    Case::new("link-name", |good| {
        good.html_with(
            ">Unsubscribe<",
            "><img src=\"https://x.example/a.png\" alt=\"Unsubscribe\"><",
        )
    }),
    Case::new("link-vague", |good| {
        good.html_with("our page about the autumn", "more coffees here")
    }),
    Case::new("link-no-href", |good| {
        good.html_with(
            "<p>{% if first_name %}Hello",
            "<p><a name=\"top\">{% if first_name %}Hello</a>",
        )
    }),
];
