use super::Case;
use crate::support::campaign::{Campaign, GOOD_RECIPIENTS};
use crate::support::findings::check;

/// The good campaign with another row.
fn with_row(good: Campaign, row: &str) -> Campaign {
    good.recipients(format!("{GOOD_RECIPIENTS}{row}\n"))
}

/// The good campaign with a column `city`, shown without a word on its being empty.
fn with_cities(good: Campaign, cities: [&str; 4]) -> Campaign {
    let mut csv = String::from("email,first_name,token,city\n");
    for (n, city) in cities.iter().enumerate() {
        csv.push_str(&format!("r{n}@one.example,Ann,t{n},{city}\n"));
    }
    good.html_with(
        "with three new coffees",
        "in {{ city }} too, with three new coffees",
    )
    .recipients(csv)
}

pub(super) const CASES: &[Case] = &[
    Case::new("address-duplicate", |good| {
        with_row(good, "Ann@ONE.example,Anna,d4\nbob@two.example,Bob,e5")
    }),
    Case::new("duplicate-differs", |good| {
        with_row(good, "Ann@ONE.example,Anna,a1\nbob@two.example,Bob,e5")
    }),
    Case::new("variable-hidden", |good| {
        good.recipients("email,first_name,token,recipient\nann@one.example,Ann,a1,x\n")
    }),
    Case::new("variable-hidden", |good| {
        good.kept_list("@acme")
            .set("feedback.url", "https://news.sender.example")
            .set("vars.unsubscribe_url", "https://sender.example/")
    }),
    Case::new("column-unused", |good| {
        good.recipients("email,first_name,token,city\nann@one.example,Ann,a1,Oslo\n")
    }),
    Case::new("value-lines", |good| {
        with_cities(good, ["Oslo", "\"Long Street 1\nAnytown\"", "Rome", "Bern"])
    })
    .rows(&[2]),
    Case::new("column-gaps", |good| {
        with_cities(good, ["Oslo", "", "Rome", "Bern"])
    }),
    Case::new("column-gaps", |good| {
        good.recipients("email,first_name,token\nann@one.example,,a1\n")
    }),
    Case::new("column-sparse", |good| {
        with_cities(good, ["Oslo", "", " ", ""])
    }),
    Case::new("text-garbled", |good| {
        good.html_with(
            "with three new coffees",
            "with three new ZaÅ¼Ã³Å‚Ä‡ coffees",
        )
    })
    .at("templates/newsletter.html:7:46"),
    Case::new("text-garbled", |good| {
        good.set("message.subject", "ZaĹĽĂłĹ‚Ä‡ is here, {{ first_name }}")
    }),
    Case::new("text-garbled", |good| {
        with_row(good, "zoe@one.example,ZoÃ«,d4\nrene@one.example,RenÃ©,e5")
    }),
    Case::new("address-slip", |good| {
        with_row(good, "dan@gmial.com,Dan,d4")
    })
    .rows(&[4]),
    Case::new("address-slip", |good| with_row(good, "dan@WP.lp,Dan,d4")).rows(&[4]),
    Case::new("address-role", |good| {
        with_row(good, "No-Reply@shop.example,Dan,d4")
    })
    .rows(&[4]),
    Case::new("address-role", |good| {
        with_row(good, "abuse+x@shop.example,Dan,d4")
    })
    .rows(&[4]),
    Case::new("address-shared", |good| {
        with_row(good, "info@shop.example,Dan,d4")
    })
    .rows(&[4]),
    Case::new("address-disposable", |good| {
        with_row(good, "x7@a.mailinator.com,Dan,d4")
    })
    .rows(&[4]),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("text-garbled", |good| {
        with_row(
            good,
            "zoe@one.example,Zoë,d4\ndan@one.example,SPÓŁKA « CAFÉ»,e5",
        )
        .html_with(
            "with three new coffees",
            "with three new coffees of “PÓŁNOC”",
        )
    }),
    // One may be chance.
    Case::new("text-garbled", |good| {
        with_row(good, "zoe@one.example,ZoÃ«,d4\nrene@one.example,René,e5")
    }),
    // Looked up by its name, by any name, in a header, in a template that is included.
    Case::new("column-unused", |good| {
        good.recipients("email,first_name,token,Home town\nann@one.example,Ann,a1,Oslo\n")
            .html_with("with three new coffees", "in {{ row[\"Home town\"] }}")
    }),
    Case::new("column-unused", |good| {
        good.recipients("email,first_name,token,a,b\nann@one.example,Ann,a1,Oslo,b\n")
            .html_with(
                "with three new coffees",
                "in {{ row[first_name | lower] | default(value=1) }}",
            )
    }),
    Case::new("column-unused", |good| {
        good.recipients("email,first_name,token,city\nann@one.example,Ann,a1,Oslo\n")
            .set("message.headers.X-City", "{{ city }}")
    }),
    Case::new("column-unused", |good| {
        good.recipients("email,first_name,token,city\nann@one.example,Ann,a1,Oslo\n")
            .html_with("with three new coffees", "in {% include 'city.html' %}")
            .template("city.html", "{{ city }}")
    }),
    Case::new("column-unused", |good| {
        good.recipients("email,first_name,token,city,tz\nann@one.example,Ann,a1,Oslo,Europe/Oslo\n")
            .set("recipients.where", "city == 'Oslo'")
            .set("schedule.timezone_column", "tz")
            .set("schedule.window", "Mon-Fri 09:00-17:00")
    }),
    Case::new("column-unused", |good| {
        good.recipients("E-Mail,first_name,token\nann@one.example,Ann,a1\n")
    }),
    // A template that asks for it reckons with its being empty.
    Case::new("column-gaps", |good| with_row(good, "dan@one.example,,d4")),
    Case::new("column-gaps", |good| {
        good.recipients(
            "email,first_name,token,Home town\na@one.example,Ann,a1,Oslo\nb@one.example,Bob,b2,\n",
        )
        .html_with(
            "with three new coffees",
            "{% if row[\"Home town\"] %}in {{ row[\"Home town\"] }}{% endif %}",
        )
    }),
    Case::new("value-lines", |good| {
        with_cities(good, ["Oslo", "\"Long Street 1\nAnytown\"", "Rome", "Bern"]).html_with(
            "in {{ city }} too",
            "in {{ city | escape | newlines_to_br | safe }} too",
        )
    }),
    Case::new("column-gaps", |good| {
        with_cities(good, ["Oslo", "", "Rome", "Bern"]).html_with(
            "with three new coffees",
            "{% set x = city %}{% if x %}in {{ city }}{% endif %}",
        )
    }),
    Case::new("column-sparse", |good| {
        good.recipients(
            "email,first_name,token\na@one.example,Ann,a1\nb@one.example,,a2\nc@one.example,,a3\n",
        )
    }),
    Case::new("column-sparse", |good| {
        with_cities(good, ["Oslo", "", "", "Bern"])
    }),
    Case::new("address-slip", |good| {
        with_row(
            good,
            "a@mail.com,A,1\nb@wp.eu,B,2\nc@ymail.com,C,3\nd@op.pl,D,4\ne@levi.com,E,5",
        )
    }),
    Case::new("address-role", |good| {
        with_row(
            good,
            "webmasters@shop.example,D,4\nroot.ann@one.example,E,5",
        )
    }),
    Case::new("address-shared", |good| {
        with_row(good, "informant@shop.example,D,4")
    }),
    Case::new("address-disposable", |good| {
        with_row(good, "x@notmailinator.com,D,4")
    }),
];

#[test]
fn typing_errors_of_one_kind_are_reported_once() {
    let rows: String = (1..=30)
        .map(|n| format!("r{n}@gmial.com,Ann,t{n}\nr{n}@onte.pl,Ann,u{n}\n"))
        .collect();
    let report = check(&Campaign::good().recipients(format!("email,first_name,token\n{rows}")));
    assert_eq!(report.findings.len(), 2, "{report:#?}");
    let gmail = report.about("“gmial.com” looks like a typing error for gmail.com");
    assert_eq!((gmail.count, &gmail.rows[..3]), (30, &[1, 3, 5][..]));
    assert_eq!(report.about("for onet.pl").count, 30);
}

#[test]
fn duplicate_rows_are_counted() {
    let report = check(&with_row(
        Campaign::good(),
        "Ann@ONE.example,Ann,a1\nbob@two.example,Bob,b2",
    ));
    report.only().is(
        "address-duplicate",
        "2 rows are left out, because earlier rows have their addresses (lines 5, 6)",
    );
}

#[test]
fn the_share_of_empty_cells_is_reported() {
    let report = check(&with_cities(Campaign::good(), ["Oslo", "", "Rome", "Bern"]));
    report.about("`city` is empty in 1 of 4 rows (25 %)");
    let report = check(&with_cities(Campaign::good(), ["", "", "", ""]));
    report.about("`city` is empty in every row");
}

#[test]
fn several_addresses_in_a_cell_are_told_with_a_way_out() {
    for cell in [
        "a@one.example, b@two.example",
        "a@one.example;b@two.example",
        "a@one.example / b@two.example",
    ] {
        let campaign = with_row(Campaign::good(), &format!("\"{cell}\",Dan,d4"));
        let report = check(&campaign);
        let finding = report.only();
        finding.is(
            "bad-address",
            "more than one address: give each address a row of its own",
        );
        assert_eq!(finding.rows, [4], "{cell}");
    }
}

#[test]
fn a_variable_without_a_column_is_found_in_what_is_included_and_inherited() {
    let campaign = Campaign::good()
        .template("base.html", "<p>{% block a %}{% endblock %}</p>\n<p>{{ townn }}</p>")
        .template("footer.html", "\n\n {{ tokn }}")
        .template(
            "newsletter.html",
            "{% extends \"base.html\" %}{% block a %}{{ first_nam }}{% include \"footer.html\" %}{% endblock %}",
        );
    let report = check(&campaign);
    assert_eq!(report.errors, 3, "{report:#?}");
    report
        .about("`townn`")
        .is("undefined-variable", "")
        .at("templates/base.html", 2, 7);
    report
        .about("`tokn`")
        .at("templates/footer.html", 3, 5)
        .helps("did you mean `token`?");
    report
        .about("`first_nam`")
        .at("templates/newsletter.html", 1, 42)
        .helps("`first_name`");
}
