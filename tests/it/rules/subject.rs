use super::Case;

const LONG: &str = "The autumn letter is here, with three coffees, for {{ first_name }}";

pub(super) const CASES: &[Case] = &[
    Case::new("subject-empty", |good| {
        good.set("message.subject", "{% if token == 'b2' %}News{% endif %} ")
    })
    .rows(&[1, 3]),
    Case::new("subject-long", |good| good.set("message.subject", LONG)).rows(&[3]),
    Case::new("subject-long", |good| {
        good.set(
            "message.subject",
            "The autumn letter is here, and with it three coffees",
        )
    }),
    Case::new("subject-capitals", |good| {
        good.set(
            "message.subject",
            "{% if token == 'b2' %}AUTUMN IS HERE{% else %}News{% endif %}",
        )
    })
    .rows(&[2]),
    Case::new("subject-capitals", |good| {
        good.set("message.subject", "AUTUMN IS HERE")
    }),
    Case::new("subject-reply", |good| {
        good.set("message.subject", "Re: the autumn letter")
    })
    .at("campaign.toml:11:11"),
    Case::new("subject-reply", |good| {
        good.set(
            "message.subject",
            "{% if token == 'b2' %}FWD: {% endif %}the autumn letter",
        )
    })
    .rows(&[2]),
    Case::new("subject-reply", |good| {
        good.set("message.subject", "Odp: the autumn letter")
            .set("message.headers.References", " ")
    }),
    Case::new("preheader-missing", |good| {
        good.template(
            "newsletter.html",
            "<img src=\"https://sender.example/a.png\" alt=\"Autumn\" width=\"600\">",
        )
    }),
    Case::new("preheader-link", |good| {
        good.html_with(
            "What the new season brings, in two minutes.",
            "&zwnj;<a href=\"https://sender.example/1\"><b>In the browser</b></a>",
        )
    })
    .at("templates/newsletter.html:5:33"),
    Case::new("preheader-subject", |good| {
        good.html_with(
            "What the new season brings, in two minutes.",
            "The autumn letter is here, <b>{{ first_name }}</b>",
        )
    })
    .at("templates/newsletter.html:5:1"),
    // The first row does not matter.
    Case::new("preheader-subject", |good| {
        good.set(
            "message.subject",
            "{% if token == 'a1' %}The letter{% else %}What the new season{% endif %}",
        )
    })
    .rows(&[2, 3]),
    Case::new("preheader-subject", |good| {
        good.html_with("What the new season brings", "{{ token }} brings")
            .set(
                "message.subject",
                "{% if token == 'a1' %}A1{% else %}News{% endif %} brings",
            )
    })
    .rows(&[1]),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("subject-long", |good| {
        good.set(
            "message.subject",
            "Żółty liść, śnieg i źdźbło: ćwiczenia na późną ję",
        )
    }),
    Case::new("subject-capitals", |good| {
        good.set("message.subject", "NEWS of {{ first_name }}")
    }),
    Case::new("subject-reply", |good| {
        good.set("message.subject", "Re: the autumn letter")
            .set("message.headers.In-Reply-To", "<a1@sender.example>")
    }),
    Case::new("subject-reply", |good| {
        good.set("message.subject", "Aw: the autumn letter")
            .set("message.headers.references", "<{{ token }}@sender.example>")
    }),
    Case::new("subject-reply", |good| {
        good.set("message.subject", "Recap: the autumn of {{ first_name }}")
    }),
    Case::new("preheader-link", |good| {
        good.html_with(
            "What the new season brings, in two minutes.",
            "Autumn. <a href=\"https://sender.example/1\">In the browser</a>",
        )
    }),
    Case::new("preheader-subject", |good| {
        good.html_with("What the new season brings", "The autumn letter is in")
    }),
];
