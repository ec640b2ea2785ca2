use super::Case;
use crate::support::campaign::Campaign;
use crate::support::findings::check;

const HELLO: &str = "{% if first_name %}Hello {{ first_name }},{% else %}Hello,{% endif %}";

/// Four rows, the third without a first name.
const ONE_EMPTY: &str = "email,first_name,token\nann@one.example,Ann,a1\nbob@one.example,Bob,b2\n\
                         cleo@one.example,,c3\ndan@one.example,Dan,d4\n";

/// The good campaign with this greeting, and a row without a first name.
fn greeting(good: Campaign, text: &str) -> Campaign {
    good.html_with(HELLO, text).recipients(ONE_EMPTY)
}

/// The good campaign with this subject, and a row without a first name.
fn subject(good: Campaign, text: &str) -> Campaign {
    good.set("message.subject", text).recipients(ONE_EMPTY)
}

/// The good campaign with a text part of its own, and a row without a first name.
fn text(good: Campaign, text: &str) -> Campaign {
    good.set("message.text", "newsletter.txt")
        .template("newsletter.txt", text)
        .recipients(ONE_EMPTY)
}

/// The good campaign with this first name in the second row.
fn named(good: Campaign, name: &str) -> Campaign {
    good.recipients(format!(
        "email,first_name,token\nann@one.example,Ann,a1\nbob@one.example,\"{name}\",b2\n"
    ))
}

pub(super) const CASES: &[Case] = &[
    Case::new("gap", |good| greeting(good, "Hello {{ first_name }},"))
        .at("templates/newsletter.html:6:4")
        .rows(&[3]),
    Case::new("gap", |good| {
        greeting(good, "<b>Cześć {{ first_name }}</b>!")
    })
    .rows(&[3]),
    Case::new("gap", |good| greeting(good, "Chère {{ first_name }},")).rows(&[3]),
    Case::new("gap", |good| greeting(good, "Dear {{ first_name }}")).rows(&[3]),
    Case::new("gap", |good| {
        greeting(good, "Today, {{ first_name }}, it is here")
    })
    .rows(&[3]),
    Case::new("gap", |good| greeting(good, "{{ first_name }}, it is here")).rows(&[3]),
    Case::new("gap", |good| {
        greeting(good, "For you ({{ first_name }}) it is here")
    })
    .rows(&[3]),
    // Typed so, whoever gets it.
    Case::new("gap", |good| good.html_with(HELLO, "Hello ,")).at("templates/newsletter.html:6:4"),
    Case::new("gap", |good| {
        subject(good, "Hello {{ first_name }}, it is here")
    })
    .rows(&[3]),
    Case::new("gap", |good| {
        subject(good, "{{ first_name }}, the autumn letter is here")
    })
    .rows(&[3]),
    Case::new("gap", |good| {
        subject(good, "The letter for {{ first_name }} is here")
    })
    .rows(&[3]),
    Case::new("gap", |good| {
        subject(good, "The letter is here, {{ first_name }}")
    })
    .rows(&[3]),
    Case::new("gap", |good| {
        subject(good, "Bonjour {{ first_name }} , bonjour")
    })
    .rows(&[3]),
    Case::new("gap", |good| text(good, "Hi {{ first_name }}!\n"))
        .at("templates/newsletter.txt:1:1")
        .rows(&[3]),
    Case::new("gap", |good| text(good, "See you, {{ first_name }} Smith")).rows(&[3]),
    Case::new("gap-blanked", |good| {
        good.html_with(HELLO, "Hello {{ first_name }},")
    })
    .at("templates/newsletter.html:6:4"),
    Case::new("gap-blanked", |good| {
        good.html_with("/u/{{ token }}\">", "/u/{{ token | int }}\">")
            .recipients("email,first_name,token\nann@one.example,Ann,1\n")
    }),
    // What other families find then is told as well.
    Case::new("gap-blanked", |good| {
        good.html_with(
            "href=\"https://sender.example/u/{{ token }}\"",
            "href=\"{{ token }}\"",
        )
    })
    .at("templates/newsletter.html:9:45"),
    Case::new("tag-left", |good| good.html_with(HELLO, "Hello *|FNAME|*,"))
        .at("templates/newsletter.html:6:10"),
    Case::new("tag-left", |good| {
        good.html_with(HELLO, "Hello <b>[[first]]</b>,")
    })
    .at("templates/newsletter.html:6:13"),
    Case::new("tag-left", |good| {
        good.html_with(HELLO, "Hello {first_name},")
    })
    .at("templates/newsletter.html:6:10"),
    Case::new("tag-left", |good| {
        good.html_with(HELLO, "Hello {% raw %}{{ first_name }}{% endraw %},")
    }),
    Case::new("tag-left", |good| {
        good.html_with(HELLO, "<!--[if mso]>Hello ${first}<![endif]-->")
    }),
    Case::new("tag-left", |good| {
        good.html_with(
            "href=\"https://sender.example/u/{{ token }}\"",
            "href=\"https://sender.example/u/%%token%%\"",
        )
    })
    .at("templates/newsletter.html:9:45"),
    Case::new("tag-left", |good| {
        good.set("message.subject", "Your letter, %FIRSTNAME%")
    }),
    Case::new("tag-left", |good| {
        good.set(
            "message.subject",
            "Your letter, {% raw %}{{ a }}{% endraw %}",
        )
    }),
    Case::new("tag-left", |good| {
        good.set("message.from_name", "<%= name %>")
    }),
    Case::new("tag-left", |good| {
        text(good, "Hello,\nyour code is ${code}")
    })
    .at("templates/newsletter.txt:2:14"),
    Case::new("tag-left", |good| {
        good.set("vars.motto", "Best of {{ first_name }}")
            .html_with(HELLO, "{{ motto }}")
    }),
    Case::new("tag-in-value", |good| named(good, "*|FNAME|*")).rows(&[2]),
    Case::new("tag-in-value", |good| named(good, "{{ 7 * 7 }}")).rows(&[2]),
    Case::new("value-null", |good| named(good, "null")).rows(&[2]),
    Case::new("value-null", |good| named(good, "#N/A")).rows(&[2]),
    Case::new("value-null", |good| named(good, "[object Object]")).rows(&[2]),
    Case::new("value-mangled", |good| named(good, "1,23E+09")).rows(&[2]),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("gap", |good| good.recipients(ONE_EMPTY)),
    Case::new("gap", |good| {
        greeting(
            good,
            "Hello{% if first_name %} {{ first_name }}{% endif %},",
        )
    }),
    // The space is there with a name as well.
    Case::new("gap", |good| {
        greeting(
            good,
            "{{ first_name }}<br>Bonjour ! Ça va ? En avant , alors",
        )
    }),
    Case::new("gap", |good| {
        subject(
            good,
            "Bonjour{% if first_name %} {{ first_name }}{% endif %} !",
        )
    }),
    Case::new("gap", |good| {
        text(
            good,
            "{{ first_name }}\n\n  Coffee   12.00  EUR\nHow are you ?\n",
        )
    }),
    Case::new("gap", |good| {
        greeting(
            good,
            "{% if first_name %}Hi {{ first_name }}!{% else %}Hi there!{% endif %} :)",
        )
    }),
    Case::new("gap-blanked", |good| good),
    // It is empty in a row, and that is told.
    Case::new("gap-blanked", |good| {
        greeting(good, "Hello {{ first_name }},")
    }),
    Case::new("tag-left", |good| {
        good.html_with(
            HELLO,
            "50% off, 100 % of [1] {a} $5 <code>${HOME} %PATH%X%</code> {{ '%' }}",
        )
    }),
    Case::new("tag-left", |good| {
        good.html_with(
            "<meta charset",
            "<style>@media all{p{color:red}}</style><meta charset",
        )
    }),
    Case::new("tag-left", |good| {
        good.html_with(
            "/autumn?who={{ token }}",
            "/%C5%81%C3%93D%C5%BB?x[token]={{ token }}",
        )
    }),
    Case::new("tag-left", |good| {
        good.set("message.subject", "{{ first_name ~ '%%' }} of %")
    }),
    Case::new("tag-left", |good| named(good, "*|FNAME|*")),
    // A filter changes the tag of a cell, but it still comes from the cell, also in the row that stands for all.
    Case::new("tag-left", |good| {
        good.html_with(HELLO, "Hello {{ first_name | upper }}, welcome.")
            .recipients(
                "email,first_name,token\nann@one.example,*|fname|*,a1\nbob@two.example,Bob,b2\n",
            )
    }),
    Case::new("tag-left", |good| {
        text(named(good, "[[x]]"), "For {{ first_name }}")
    }),
    Case::new("tag-in-value", |good| named(good, "50 % {x} [a]")),
    // A column that no template uses.
    Case::new("value-null", |good| {
        good.recipients("email,first_name,token,x\nann@one.example,Ann,a1,null\n")
    }),
    Case::new("value-null", |good| named(good, "Null")),
    Case::new("value-null", |good| named(good, "Christopher Null")),
    Case::new("value-mangled", |good| named(good, "Ward E+09")),
];

#[test]
fn the_empty_column_is_named() {
    let campaign = Campaign::good()
        .html_with(
            HELLO,
            "Hello {{ first_name }}, is {{ city }} nice, {{ street }}?",
        )
        .recipients(
            "email,first_name,token,city,street\nann@one.example,Ann,a1,Oslo,x\n\
             bob@one.example,,b2,,y\ncleo@one.example,,c3,,z\n",
        );
    let report = check(&campaign);
    let hello = report.about("an empty `first_name` leaves “Hello ,” in the HTML");
    assert_eq!(hello.rows, [2, 3]);
    hello.helps("{% if first_name %}");
    report
        .about("if it were, it would leave a space before a “?” in the HTML")
        .is("gap-blanked", "the column `street` is never empty here");
    assert!(
        !report
            .findings
            .iter()
            .any(|it| it.message.contains("`city` is never"))
    );
}

#[test]
fn the_help_writes_columns_as_templates_do() {
    let campaign = Campaign::good()
        .html_with(HELLO, "Dzień dobry, {{ row[\"imię\"] }}!")
        .set("message.subject", "The autumn letter is here")
        .recipients("email,imię,token,first_name\nann@one.example,,a1,Ann\n");
    check(&campaign)
        .about("an empty `imię` leaves a space before a “!” in the HTML")
        .at("templates/newsletter.html", 6, 17)
        .helps("{{ row[\"imię\"] }}");
}

#[test]
fn errors_without_a_value_are_reported() {
    let campaign = Campaign::good()
        .html_with(HELLO, "{{ first_name | int }}")
        .recipients("email,first_name,token\nann@one.example,1,a1\n");
    check(&campaign)
        .about("the column `first_name` is never empty here; if it were, `check` would report: “");
}

#[test]
fn tags_in_cells_are_reported_for_the_cell() {
    let campaign = Campaign::good()
        .set("message.subject", "For {{ first_name }}")
        .recipients(
            "email,first_name,token\nann@one.example,*|FNAME|*,a1\nbob@one.example,*|FNAME|*,b2\n",
        );
    let report = check(&campaign);
    assert_eq!(report.errors, 0, "{report:#?}");
    let finding = report.about("`first_name` contains `*|FNAME|*`, a merge tag of Mailchimp");
    assert_eq!((finding.rows.as_slice(), finding.count), (&[1, 2][..], 2));
}
