//! Numbers, money, dates and plurals in the language of the reader.

use crate::support::campaign::Campaign;
use crate::support::findings::check_without_style_rules as check;
use crate::support::mail::{Mail, outbox};
use crate::support::results::Results;
use crate::support::run::Run;

fn with_text(template: &str, csv: &str) -> Campaign {
    Campaign::new()
        .unset("message.html")
        .set("message.subject", "x")
        .set("message.text", "letter.txt")
        .template("letter.txt", template)
        .recipients(csv)
}

/// The messages, by the address.
#[track_caller]
fn messages(campaign: &Campaign) -> Vec<Mail> {
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    ran.code(0);
    let mut mails = outbox(ran.run_dir().join("outbox"));
    mails.sort_by(|a, b| a.to.cmp(&b.to));
    mails
}

#[track_caller]
fn texts(campaign: &Campaign) -> Vec<String> {
    let texts = messages(campaign)
        .into_iter()
        .map(|mail| mail.text.expect("a text"));
    texts.map(|text| text.trim_end().to_owned()).collect()
}

#[test]
fn a_fee_and_a_day_are_written_for_people() {
    let campaign = Campaign::new()
        .recipients("email,name,zip,fee,day\nann@one.example,Ann,02110,34.3,2026-05-01\nbob@two.example,Bob,00501,1234.5,2026-06-12\n")
        .template(
            "newsletter.html",
            "<p>Hello {{ name }} in {{ zip }}, your plot fee is {{ fee | money(currency=\"USD\") }} and the meeting is on {{ day | date(format=\"%A, %-d %B %Y\") }}.</p>",
        )
        .set("message.subject", "Your plot")
        .set("message.inline_css", false);
    let mails = messages(&campaign);
    for (mail, expected) in std::iter::zip(
        mails,
        [
            "Hello Ann in 02110, your plot fee is $34.30 and the meeting is on Friday, 1 May 2026.",
            "Hello Bob in 00501, your plot fee is $1,234.50 and the meeting is on Friday, 12 June 2026.",
        ],
    ) {
        assert!(mail.html.expect("HTML").contains(expected));
        let text = mail.text.expect("a text").replace("\r\n", " ");
        assert_eq!(text.trim_end(), expected);
    }
}

#[test]
fn the_campaign_has_a_language_and_a_row_can_have_another() {
    const TEMPLATE: &str = "{{ fee | money(currency=\"EUR\") }}; {{ fee | number(decimals=0) }}; {{ day | date }}; {{ day | date(format=\"%B\") }}; {{ 2 | plural(one=\"#\", few=\"# few\", other=\"# other\") }}; {{ day | date(format=\"%d.%m.%Y\") }}";
    const CSV: &str = "email,fee,day,lang\nann@one.example,1234.5,2026-01-05,de\nbob@two.example,7,2026-12-24,en-GB\n";
    let campaign = with_text(TEMPLATE, CSV);
    assert_eq!(
        texts(&campaign),
        [
            "€1,234.50; 1,235; 2026-01-05; January; 2 other; 05.01.2026",
            "€7.00; 7; 2026-12-24; December; 2 other; 24.12.2026",
        ]
    );
    let campaign = campaign.set("message.locale", "pl");
    assert_eq!(
        texts(&campaign),
        [
            "1\u{a0}234,50\u{a0}€; 1\u{a0}235; 5 stycznia 2026; styczeń; 2 few; 05.01.2026",
            "7,00\u{a0}€; 7; 24 grudnia 2026; grudzień; 2 few; 24.12.2026",
        ]
    );
    let of_row =
        with_text("{{ fee | number(decimals=1, locale=lang) }}", CSV).set("message.locale", "pl");
    assert_eq!(texts(&of_row), ["1.234,5", "7.0"]);
}

#[test]
fn the_language_of_a_campaign_must_exist() {
    for (locale, message) in [
        ("polish", "“polish” is not a language tag"),
        ("cz", "there is no language “cz”"),
        ("", "the language is empty"),
        ("{{ lang }}", "`locale` can't be a template"),
    ] {
        let report = check(&Campaign::new().set("message.locale", locale));
        let finding = report.only();
        finding.is("bad-value", message);
        assert!(
            finding.help.is_some() && finding.line.is_some(),
            "{finding:#?}"
        );
    }
}

#[test]
fn a_variant_has_its_own_language() {
    let variants: toml::Table = "[[variants]]\nname = \"a\"\nshare = 1\nlocale = \"de\"\n[[variants]]\nname = \"b\"\nshare = 1\n"
        .parse()
        .expect("TOML");
    let rows: String = (0..40).map(|row| format!("a{row}@one.example\n")).collect();
    let campaign = with_text("{{ 1234.5 | number }}", &format!("email\n{rows}"))
        .set("message.locale", "pl")
        .set("variants", variants["variants"].clone());
    let mut texts = texts(&campaign);
    texts.sort();
    texts.dedup();
    assert_eq!(texts, ["1.234,5", "1\u{a0}234,5"]);
}

#[test]
fn what_can_be_read_in_two_ways_is_an_error_of_its_row() {
    let campaign = with_text(
        "Fee:\n {{ fee | trim | money(currency=\"PLN\") }}\n",
        "email,fee\nann@one.example,\"1 234,50\"\nbob@two.example,\"1,234\"\ncid@three.example,\ndan@four.example,12 zł\neve@five.example,\"1,23E+09\"\n",
    );
    let report = check(&campaign);
    assert_eq!(report.errors, 4, "{report:#?}");
    for (row, message, help) in [
        (
            2,
            "`fee`: “1,234” may be 1234 or 1.234",
            "decimal=\".\" reads 1234",
        ),
        (
            3,
            "`fee`: the cell is empty",
            "default(value=0, boolean=true)",
        ),
        (4, "`fee`: “12 zł” is not a number", "without a currency"),
        (
            5,
            "`fee`: “1,23E+09” is a rounded number",
            "format the column",
        ),
    ] {
        let finding = report.about(message);
        finding
            .is("template-error", message)
            .at("templates/letter.txt", 2, 18)
            .helps(help);
        assert_eq!(finding.rows, [row]);
    }
    let ran = Run::new("send")
        .arg(campaign.path())
        .args(["--local", "--skip-invalid"])
        .run();
    let results = Results::of(ran.run_dir());
    assert_eq!(results.row("ann@one.example")["status"], "accepted");
    assert_eq!(results.row("bob@two.example")["status"], "invalid");
}

#[test]
fn an_ambiguous_day_needs_input() {
    let csv = "email,day\nann@one.example,5/1/2026\nbob@two.example,13/1/2026\ncid@three.example,01/02/26\n";
    let report = check(&with_text("{{ day | date }}", csv));
    let finding = report.about("“5/1/2026” may be a day and a month");
    finding.helps("date(input=\"d/M/y\")");
    report
        .about("“01/02/26” has a year with two digits")
        .helps("date(input=\"d/M/yy\")");
    assert_eq!(report.errors, 2, "{report:#?}");
    let csv = "email,day\nann@one.example,5/1/2026\nbob@two.example,13/1/2026\n";
    assert_eq!(
        texts(&with_text("{{ day | date(input=\"d/M/y\") }}", csv)),
        ["2026-01-05", "2026-01-13"]
    );
}

#[test]
fn unknown_names_and_arguments_come_with_those_that_exist() {
    for (template, message, help) in [
        (
            "{{ fee | format }}",
            "Unknown filter `format`",
            "`number(decimals=2)`",
        ),
        (
            "{{ fee | mony }}",
            "Unknown filter `mony`",
            "did you mean `money`?",
        ),
        (
            "{{ fee | xyz }}",
            "Unknown filter `xyz`",
            "the filters are: abs, capitalize, date",
        ),
        (
            "{{ today() }}",
            "Unknown function `today`",
            "the functions are: now, range, throw",
        ),
        (
            "{{ fee is beforee }}",
            "Unknown test `beforee`",
            "did you mean `before`?",
        ),
        (
            "{{ fee | number(decimal_places=2) }}",
            "`number` has no argument `decimal_places`",
            "did you mean `decimal",
        ),
        (
            "{{ fee | join(separator=\", \") }}",
            "`join` has no argument `separator`",
            "`sep`",
        ),
        (
            "{{ fee | number(2) }}",
            "expected identifier",
            "number(decimals=2)",
        ),
        (
            "{{ fee | plural(one=\"#\") }}",
            "`plural` needs the argument `other`",
            "other=\"# files\"",
        ),
        (
            "{{ fee | money }}",
            "`money` needs a currency",
            "money(currency=\"PLN\")",
        ),
        (
            "{{ fee | number(locale=\"us\") }}",
            "locale: there is no language “us”",
            "\"en-GB\"",
        ),
        (
            "{{ fee | number(decimals=99) }}",
            "decimals: 99 is not possible",
            "from 0 to 20",
        ),
    ] {
        let report = check(&with_text(template, "email,fee\nann@one.example,5\n"));
        report.about(message).helps(help);
        assert_eq!(report.errors, 1, "{template}: {report:#?}");
    }
}
