//! A row's message, as it is in the outbox.

use std::path::{Path, PathBuf};

use crate::support::campaign::Campaign;
use crate::support::findings::check_without_style_rules as check;
use crate::support::mail::{Mail, outbox};
use crate::support::results::Results;
use crate::support::run::{Ran, Run};

const ONE: &str = "email,first_name\nann@one.example,Ann\n";

fn send(campaign: &Campaign) -> Ran {
    Run::new("send").arg(campaign.path()).arg("--local").run()
}

fn sent(run: &Path) -> Vec<Mail> {
    outbox(run.join("outbox"))
}

/// The messages of a campaign, by the address.
#[track_caller]
fn messages(campaign: &Campaign) -> Vec<Mail> {
    let ran = send(campaign);
    ran.code(0);
    let mut mails = sent(&ran.run_dir());
    mails.sort_by(|a, b| a.to.cmp(&b.to));
    mails
}

/// The message of a campaign with one row.
#[track_caller]
fn message(campaign: &Campaign) -> Mail {
    let mut mails = messages(campaign);
    assert_eq!(mails.len(), 1);
    mails.remove(0)
}

/// The text of a one-line template, rendered for one row.
#[track_caller]
fn rendered(template: &str, csv: &str) -> String {
    let mail = message(&text_only(template).recipients(csv));
    mail.text.expect("a text").trim_end().to_owned()
}

fn text_only(template: &str) -> Campaign {
    Campaign::new()
        .unset("message.html")
        .set("message.subject", "x")
        .set("message.text", "letter.txt")
        .template("letter.txt", template)
}

#[test]
fn templates_inherit_and_include() {
    let campaign = Campaign::new()
        .recipients(ONE)
        .template(
            "base.html",
            "<i>{% block body %}empty{% endblock %}</i>{% include \"parts/end.html\" %}",
        )
        .template("parts/end.html", "<hr>{{ first_name }}")
        .template(
            "newsletter.html",
            "{% extends \"base.html\" %}{% block body %}Hi {{ first_name }}{% endblock %}",
        )
        .set("message.inline_css", false);
    let html = message(&campaign).html.expect("HTML");
    assert_eq!(html.trim_end(), "<i>Hi Ann</i><hr>Ann");
    let campaign = campaign.template("newsletter.html", "{% include \"gone.html\" %}");
    let report = check(&campaign);
    assert!(report.only().message.contains("gone.html"), "{report:#?}");
}

#[test]
fn html_is_escaped_and_text_and_headers_are_not() {
    let campaign = Campaign::new()
        .recipients("email,first_name\nann@one.example,<b>Ann</b> & 'Co'\n")
        .set("message.text", "letter.txt")
        .set("message.headers.X-Name", "{{ first_name }}")
        .template("letter.txt", "Hi {{ first_name }}")
        .template("newsletter.html", "<p>Hi {{ first_name }}</p>");
    let mail = message(&campaign);
    assert_eq!(mail.subject, "Hello <b>Ann</b> & 'Co'");
    assert_eq!(mail.header("x-name"), "<b>Ann</b> & 'Co'");
    assert_eq!(
        mail.text.as_deref().map(str::trim_end),
        Some("Hi <b>Ann</b> & 'Co'")
    );
    let html = mail.html.expect("HTML");
    assert!(
        html.contains("&lt;b&gt;Ann") && !html.contains("<b>"),
        "{html}"
    );
    assert!(html.contains("&amp; "), "{html}");
}

#[test]
fn line_breaks_of_a_cell_become_br_and_its_html_is_escaped() {
    let csv = "email,first_name\nann@one.example,\"Chess <b>& go\nTuesdays\r\nroom 4\"\n";
    let campaign = Campaign::new()
        .recipients(csv)
        .set("message.subject", "x")
        .template(
            "newsletter.html",
            "<p>{{ first_name | newlines_to_br }}</p>",
        );
    let mail = message(&campaign);
    let html = mail.html.expect("HTML");
    let lines = "<p>Chess &lt;b&gt;&amp; go<br>Tuesdays<br>room 4</p>";
    assert!(html.contains(lines), "{html}");
    assert_eq!(
        mail.text.as_deref().map(str::trim_end),
        Some("Chess <b>& go\nTuesdays\nroom 4")
    );
    // What was right before this filter escaped its value stays right.
    let longer = "<p>{{ first_name | escape | newlines_to_br | safe }}</p>";
    let html = message(&campaign.template("newsletter.html", longer)).html;
    assert!(html.expect("HTML").contains(lines));
}

#[test]
fn a_value_is_escaped_once() {
    let campaign = Campaign::new()
        .recipients("email,first_name\nann@one.example,A & B\n")
        .template("newsletter.html", "<p>{{ first_name | escape_html }}</p>");
    let html = message(&campaign).html.expect("HTML");
    assert!(html.contains("<p>A &amp; B</p>"), "{html}");
}

#[test]
fn lines_of_text_end_with_crlf() {
    let campaign = Campaign::new()
        .recipients(ONE)
        .set("message.text", "letter.txt")
        .template("letter.txt", "one\ntwo \rthree\r\n\nfour = 4\n")
        .template("newsletter.html", "<p>one</p>\n<p>two</p>\n");
    let raw = source(&campaign);
    assert!(!raw.contains("=0A") && !raw.contains("=0D"), "{raw}");
    let text = "\r\n\r\none\r\ntwo=20\r\nthree\r\n\r\nfour =3D 4\r\n";
    assert!(raw.contains(text), "{raw}");
    assert!(raw.contains("<p>one</p>\r\n<p>two</p>"), "{raw}");
}

#[test]
fn what_is_put_into_json_is_read_back_as_it_was() {
    let name = "Ann \\ \"Co\" & O'Brien </script> \t ł";
    let csv = format!(
        "email,name\nann@one.example,\"{}\"\n",
        name.replace('"', "\"\"")
    );
    let json = "{\"name\":\"Order of {{ name | escape_json }}\"}";
    let read = |text: &str| -> serde_json::Value { serde_json::from_str(text).expect("JSON") };
    let wanted = serde_json::json!({ "name": format!("Order of {name}") });
    assert_eq!(read(&rendered(json, &csv)), wanted);
    let script = format!("<p>Hi</p><script type=\"application/ld+json\">{json}</script>");
    let campaign = Campaign::new().set("message.subject", "x").recipients(csv);
    let html = message(&campaign.template("newsletter.html", &script)).html;
    let html = html.expect("HTML");
    let text = html.split_once("json\">").expect("the script").1;
    assert_eq!(
        read(text.split_once("</script>").expect("its end").0),
        wanted
    );
}

#[test]
fn what_is_escaped_goes_by_the_body_and_not_by_the_names_of_files() {
    let campaign = Campaign::new()
        .recipients("email,first_name\nann@one.example,<b>&\n")
        .set("message.html", "letter.tera")
        .set("message.text", "letter.txt")
        .template("letter.tera", "<p>{{ first_name }}</p>{% include 'part' %}")
        .template("part", "<i>{{ first_name }}</i>")
        .template("letter.txt", "{{ first_name }} {% include 'part.html' %}")
        .template("part.html", "{{ first_name }}");
    let mail = message(&campaign);
    let html = mail.html.expect("an HTML body");
    assert_eq!(html.trim(), "<p>&lt;b&gt;&amp;</p><i>&lt;b&gt;&amp;</i>");
    assert_eq!(mail.text.expect("a text").trim(), "<b>& <b>&");
}

#[test]
fn an_undefined_variable_is_told_with_its_place_and_what_there_is() {
    let campaign = Campaign::new()
        .set("vars.issue", 42)
        .template("newsletter.html", "<p>\n  Hi {{ fist_name }}\n</p>");
    check(&campaign)
        .only()
        .is("undefined-variable", "`fist_name`")
        .at("templates/newsletter.html", 2, 9)
        .helps("did you mean `first_name`?")
        .helps("email, first_name; [vars] has: issue");
    let ran = send(&campaign);
    ran.code(1).stderr_has("newsletter.html:2:9");
    assert!(campaign.runs().is_empty());
}

#[test]
fn undefined_variables_are_found_where_tera_is_silent() {
    for template in [
        "{% if typo %}x{% endif %}",
        "{% if first_name and not typo %}x{% endif %}",
        "{% for x in typo %}x{% endfor %}",
        "{% include \"part.txt\" %}",
        "{% if row.typo %}x{% endif %}",
    ] {
        let campaign = text_only(template).template("part.txt", "{% if typo %}x{% endif %}");
        check(&campaign).only().is("undefined-variable", "`typo`");
    }
    check(&text_only("x").set("message.from_name", "{% if typo %}x{% endif %}"))
        .only()
        .is("undefined-variable", "`typo`");
}

#[test]
fn variables_that_a_template_guards_may_be_undefined() {
    assert_eq!(rendered("{{ x | default(value=\"y\") }}", ONE), "y");
    assert_eq!(
        rendered("{% if x is defined %}a{% else %}b{% endif %}", ONE),
        "b"
    );
    assert_eq!(rendered("{{ row.x | default(value=\"y\") }}", ONE), "y");
    assert_eq!(
        rendered("{% if \"x\" in row %}{{ row.x }}{% endif %}y", ONE),
        "y"
    );
    assert_eq!(rendered("{% set x = 1 %}{{ x }}", ONE), "1");
    assert_eq!(
        rendered("{% for x in [1, 2] %}{{ x }}{% endfor %}", ONE),
        "12"
    );
}

#[test]
fn columns_with_any_name_can_be_used() {
    let csv = "email,kwota (PLN),in\nann@one.example,\"12,50\",x\n";
    assert_eq!(
        rendered("{{ row[\"kwota (PLN)\"] }} {{ row['in'] }}", csv),
        "12,50 x"
    );
    let campaign = text_only("\n{{ row[\"kwota\"] }}").recipients(csv);
    check(&campaign)
        .only()
        .is("undefined-variable", "`kwota`")
        .at("templates/letter.txt", 2, 4)
        .helps("kwota (PLN)");
}

#[test]
fn syntax_errors_have_a_line() {
    let report = check(&text_only("Dear all,\n\n{{#each items}}x{{/each}}\n"));
    report.only().is("template-syntax", "");
    assert_eq!(report.only().line, Some(3), "{report:#?}");
    let campaign = Campaign::new().set("message.subject", "Hi {{ first_name ");
    let report = check(&campaign);
    report.only().is("template-syntax", "");
    assert!(
        report
            .only()
            .file
            .as_deref()
            .is_some_and(|file| file.ends_with("campaign.toml"))
    );
}

#[test]
fn syntax_of_other_engines_gets_a_hint() {
    let csv = "email,first_name,First Name,last-name\nann@one.example,Ann,Ann,x\n";
    for (template, help) in [
        ("{{#if x}}a{{/if}}", "{% if x %}…{% endif %}"),
        (
            "{{#each xs}}a{{/each}}",
            "{% for item in xs %}…{% endfor %}",
        ),
        ("a{{/each}}", "{% endfor %}"),
        ("{{> foot}}", "{% include \"foot.html\" %}"),
        ("Hi {{ First Name }}", "row[\"First Name\"]"),
        ("Hi {{ first name | upper }}", "row[\"First Name\"]"),
        ("{% if First Name %}a{% endif %}", "row[\"First Name\"]"),
        ("Hi {{ last name }}", "names can't contain spaces"),
        (
            "Hi {{ first_name | default('you') }}",
            "default(value='you')",
        ),
        ("<p>Hi {{ first_name</p>\n", "close the tag with `}}`"),
        (
            "{% if first_name %}a{% elsif x %}b{% endif %}",
            "{% elif x %}",
        ),
        (
            "{% if first_name %}a{% else if x %}b{% endif %}",
            "{% elif … %}",
        ),
        ("{% unless first_name %}a", "{% if not first_name %}"),
        ("a{% endif %}", "there is no {% if … %} before it"),
        (
            "{% for x in [1] %}{% if x %}b{% endfor %}",
            "{% if x %} in line 1 is still open: close it with {% endif %} first",
        ),
        ("{% if first_name && email %}a{% endif %}", "write `and`"),
    ] {
        let report = check(&text_only(template).recipients(csv));
        report.only().is("template-syntax", "").helps(help);
    }
    let report = check(&text_only("{{ last-name }}").recipients(csv));
    report
        .about("variable `last`")
        .is("undefined-variable", "")
        .helps("row[\"last-name\"]");
}

#[test]
fn a_tag_that_is_never_closed_has_a_place() {
    let report = check(&text_only(
        "Dear all,\n{% if email %}{% for x in [1] %}a{% endfor %}\n",
    ));
    report
        .only()
        .is("template-syntax", "{% if email %} is never closed")
        .at("templates/letter.txt", 2, 1)
        .helps("write {% endif %}");
}

#[test]
fn a_line_break_in_a_header_names_the_column() {
    let campaign = Campaign::new().recipients("email,first_name\nann@one.example,\"An\nna\"\n");
    check(&campaign)
        .only()
        .is("over-limit", "the subject contains a line break")
        .helps("`first_name`");
}

#[test]
fn unknown_filters_and_functions_have_places() {
    let campaign = text_only("żółć {{ first_name | shout }}\n{{ moon() }}\n");
    let report = check(&campaign);
    let shout = report.about("`shout`");
    shout
        .is("template-error", "Unknown filter")
        .at("templates/letter.txt", 1, 22);
    report.about("`moon`").at("templates/letter.txt", 2, 4);
    check(&Campaign::new().set("message.subject", "{{ first_name | shout }}"))
        .only()
        .is("template-error", "Unknown filter `shout`");
}

#[test]
fn data_is_never_parsed_as_a_template() {
    let file = "tests/fixtures/recipients/19_template_injection.csv";
    let csv = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a fixture");
    let campaign = Campaign::new()
        .recipients(&csv)
        .set("message.text", "letter.txt")
        .set("message.subject", "{{ name }}")
        .set("message.headers.X-Name", "{{ name }}")
        .template("letter.txt", "{{ name }}")
        .template("newsletter.html", "<p>{{ name }}</p>");
    let mails = messages(&campaign);
    let mut rows = csv::Reader::from_reader(csv.as_slice());
    let mut count = 0;
    for row in rows.records() {
        let row = row.expect("good CSV");
        let mail = mails
            .iter()
            .find(|mail| mail.to == [&row[0]])
            .expect("it was sent");
        let text = mail.text.as_deref().expect("a text");
        assert_eq!(text.trim_end(), &row[1]);
        assert_eq!(
            (mail.subject.as_str(), mail.header("x-name")),
            (&row[1], &row[1])
        );
        assert!(!mail.html.as_deref().expect("HTML").contains("49"));
        count += 1;
    }
    assert_eq!((count, mails.len()), (20, 20));
}

#[test]
fn vars_have_every_type_of_toml() {
    let vars: toml::Table = "
        text = 'a'
        int = 42
        float = 1.5
        yes = true
        day = 2026-11-24
        list = ['x', 'y']
        table = { key = 'v' }
        [[coffees]]
        name = 'Nyeri'
        price = 62
        [[coffees]]
        name = 'Hearth'
        price = 42
    "
    .parse()
    .expect("TOML");
    let template = "{{ text }} {{ int + 1 }} {{ float }} {% if yes %}yes{% endif %} {{ day }} \
                    {{ list | join(sep=\"-\") }} {{ table.key }}\
                    {% for coffee in coffees %} {{ coffee.name }}={{ coffee.price }}{% endfor %}";
    let mail = message(&text_only(template).recipients(ONE).set("vars", vars));
    let text = mail.text.expect("a text");
    assert_eq!(
        text.trim_end(),
        "a 43 1.5 yes 2026-11-24 x-y v Nyeri=62 Hearth=42"
    );
}

#[test]
fn a_column_must_not_hide_a_variable() {
    check(&Campaign::new().set("vars.first_name", "x"))
        .only()
        .is("name-clash", "`first_name`");
}

#[test]
fn a_row_can_choose_its_template() {
    let campaign = Campaign::new()
        .set("message.html", "{{ lang }}.html")
        .set("message.subject", "x")
        .set("message.inline_css", false)
        .template("pl.html", "<p>Cześć</p>")
        .template("en.html", "<p>Hello</p>")
        .recipients("email,lang,first_name\na@one.example,pl,\nb@one.example,en,\n");
    let mails = messages(&campaign);
    let html: Vec<_> = mails
        .iter()
        .filter_map(|mail| mail.html.as_deref())
        .map(str::trim_end)
        .collect();
    assert_eq!(html, ["<p>Cześć</p>", "<p>Hello</p>"]);
    let campaign = campaign.recipients("email,lang,first_name\na@one.example,de,\n");
    let report = check(&campaign);
    report.only().is("no-template", "de.html").helps("en.html");
    assert_eq!(report.only().rows, [1]);
}

#[test]
fn the_text_is_made_from_the_html() {
    let campaign = Campaign::new().recipients(ONE).template(
        "newsletter.html",
        "<html><head><title>Title</title><style>.x { color: red }</style></head><body>\
         <div style=\"display:none\">Preheader</div>\
         <h1>Hi {{ first_name }} &amp; all</h1><p>Read <a href=\"https://one.example/more\">more</a>.</p>\
         </body></html>",
    );
    let text = message(&campaign).text.expect("a text");
    for there in ["Hi Ann & all", "[more][1]", "[1]: https://one.example/more"] {
        assert!(text.contains(there), "{there}: {text}");
    }
    for hidden in ["Preheader", "color", "<"] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
}

#[test]
fn css_that_matches_no_element_stays() {
    const DOCTYPE: &str = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">";
    const STAY: [&str; 7] = [
        "p:hover",
        "[data-ogsc] p",
        "u + .body p",
        "input:checked ~ p",
        "#outlook a",
        "a[x-apple-data-detectors]",
        "b:hover",
    ];
    let rules = STAY.map(|selector| {
        let first = if selector == "b:hover" { "b, " } else { "" };
        format!("{first}{selector} {{ display: none }} ")
    });
    let html = format!(
        "\n{DOCTYPE}<html><head><style>p {{ color: red }} {}</style></head><body><p>Hi</p></body></html>",
        rules.concat()
    );
    let campaign = Campaign::new()
        .recipients(ONE)
        .template("newsletter.html", &html);
    let message = message(&campaign);
    let html = message.html.expect("HTML");
    assert!(html.starts_with(&format!("{DOCTYPE}<html>")), "{html}");
    assert_eq!(html.matches("<!").count(), 1, "{html}");
    assert!(html.contains("<p style=\"color: red;\">"), "{html}");
    for selector in STAY {
        assert!(html.contains(selector), "{selector}: {html}");
    }
    assert!(
        !html.contains("color: red }"),
        "inlined rules are removed: {html}"
    );
    assert_eq!(message.text.expect("a text").trim(), "Hi");
}

#[test]
fn css_is_inlined_unless_turned_off() {
    let campaign = Campaign::new().recipients(ONE).template(
        "newsletter.html",
        "<html><head><style>p { color: red } @media (max-width: 9px) { p { color: blue } }</style>\
         </head><body><p>Hi</p></body></html>",
    );
    let html = message(&campaign).html.expect("HTML");
    assert!(html.contains("<p style=\"color: red;\">"), "{html}");
    assert!(html.contains("@media (max-width: 9px)"), "{html}");
    let campaign = campaign.set("message.inline_css", false).set("name", "off");
    let html = message(&campaign).html.expect("HTML");
    assert!(
        html.contains("<p>Hi</p>") && html.contains("p { color: red }"),
        "{html}"
    );
}

#[test]
fn fields_that_render_to_nothing_are_left_out() {
    let campaign = Campaign::new()
        .set("message.headers.X-Test", "{{ first_name }}")
        .set("message.reply_to", "{{ first_name }}")
        .set("message.cc", "{{ first_name }}")
        .recipients("email,first_name\nann@one.example,\n");
    let mail = message(&campaign);
    assert!(!mail.headers.contains_key("x-test"), "{:?}", mail.headers);
    assert!(mail.reply_to.is_empty() && mail.cc.is_empty());
}

#[test]
fn data_never_adds_a_header() {
    let evil = "email,first_name\nann@one.example,Ann\n\
                bob@two.example,\"Bob\r\nBcc: eve@evil.example\"\n\
                cleo@one.example,\"Cleo\nX: y\"\n";
    for key in [
        "message.subject",
        "message.headers.X-Name",
        "message.from_name",
    ] {
        let campaign = Campaign::new()
            .recipients(evil)
            .set("message.subject", "x")
            .set(key, "{{ first_name }}");
        let ran = send(&campaign);
        ran.code(1).stderr_has("recipients.csv");
        assert!(campaign.runs().is_empty());

        let ran = Run::new("send")
            .arg(campaign.path())
            .args(["--local", "--skip-invalid"])
            .run();
        ran.code(3);
        let results = Results::of(ran.run_dir());
        let statuses: Vec<_> = results
            .rows
            .iter()
            .map(|row| row["status"].as_str())
            .collect();
        assert_eq!(statuses, ["accepted", "invalid", "invalid"], "{key}");
        let mails = sent(&ran.run_dir());
        assert_eq!(mails.len(), 1);
        assert_eq!(mails[0].to, ["ann@one.example"]);
        assert!(!results.rows[1]["error"].contains('\n'));
    }
}

#[test]
fn a_message_over_a_limit_reports_limit_and_length() {
    let campaign = Campaign::new()
        .set("message.subject", "{{ first_name }}")
        .recipients(format!(
            "email,first_name\nann@one.example,{}\n",
            "ż".repeat(129)
        ));
    let report = check(&campaign);
    report
        .only()
        .is("over-limit", "129")
        .is("over-limit", "128");
    let at_most = format!("email,first_name\nann@one.example,{}\n", "ż".repeat(128));
    assert_eq!(
        message(&campaign.recipients(at_most)).subject,
        "ż".repeat(128)
    );

    let file = "tests/fixtures/recipients/45_long_header_values.csv";
    let csv = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a fixture");
    let campaign = Campaign::new()
        .recipients(csv)
        .set("message.subject", "{{ name }}")
        .template("newsletter.html", "x");
    check(&campaign).only().is("over-limit", "128");
}

/// Adds attachments to a campaign: paths, and whether they are inline.
fn attaching(campaign: Campaign, paths: &[(&str, bool)]) -> Campaign {
    let list = paths.iter().map(|(path, inline)| {
        let mut table = toml::Table::new();
        table.insert("path".into(), (*path).into());
        table.insert("inline".into(), (*inline).into());
        toml::Value::from(table)
    });
    campaign.set("message.attachments", list.collect::<Vec<_>>())
}

fn own_files() -> Campaign {
    attaching(Campaign::new(), &[("files/{{ first_name }}.txt", false)])
        .file("files/Ann.txt", "for Ann")
        .file("files/Bob.txt", "for Bob")
        .file("files/Cleo.txt", "for Cleo")
}

#[test]
fn files_are_attached_as_they_are() {
    let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let list = [("logo.png", true), ("doc/list.pdf", false)];
    let campaign = attaching(Campaign::new(), &list)
        .recipients(ONE)
        .file("logo.png", &bytes[..256])
        .file("doc/list.pdf", &bytes);
    let mail = message(&campaign);
    let logo = mail.attachment("logo.png");
    assert_eq!((logo.mime.as_str(), logo.inline), ("image/png", true));
    assert_eq!(logo.content_id.as_deref(), Some("logo.png"));
    assert_eq!(logo.bytes, bytes[..256]);
    let pdf = mail.attachment("list.pdf");
    assert_eq!((pdf.mime.as_str(), pdf.inline), ("application/pdf", false));
    assert_eq!(pdf.bytes, bytes);
}

/// The only file in the outbox of a campaign.
#[track_caller]
fn source(campaign: &Campaign) -> String {
    let ran = send(campaign);
    let folder = ran.code(0).run_dir().join("outbox/new");
    let mut files = std::fs::read_dir(folder).expect("the outbox");
    let file = files.next().expect("a message").expect("a file").path();
    std::fs::read_to_string(file).expect("a message")
}

#[test]
fn an_attachment_has_the_type_of_the_campaign() {
    let attachment: toml::Table = "path = 'invite.ics'\ntype = 'text/calendar; method=REQUEST'"
        .parse()
        .expect("TOML");
    let list: Vec<toml::Value> = vec![attachment.into()];
    let campaign = Campaign::new()
        .recipients(ONE)
        .set("message.attachments", list)
        .file("invite.ics", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n");
    let source = source(&campaign);
    let header = "Content-Type: text/calendar; method=REQUEST\r\n";
    assert!(source.contains(header), "{source}");
}

#[test]
fn an_inline_image_has_an_id_that_needs_no_encoding() {
    let list = [
        ("logo small.png", true),
        ("żółw.png", true),
        ("a=b@c.png", true),
    ];
    let campaign = list.iter().fold(
        attaching(Campaign::new(), &list).recipients(ONE),
        |campaign, (name, _)| campaign.file(name, *name),
    );
    let html = "<img src=\"cid:logo%20small.png\"><img src='cid:żółw.png'>\
                <img src=\"cid:%C5%BC%C3%B3%C5%82w.png\"><img src=\"cid:a=b@c.png\">";
    let mail = message(&campaign.template("newsletter.html", html));
    let html = mail.html.as_deref().expect("HTML");
    let ids = mail.attachments.iter().map(|file| {
        let id = file.content_id.as_deref().expect("an ID");
        assert!(html.contains(&format!("\"cid:{id}\"")), "{id}: {html}");
        assert!(!id.contains('%'), "{id}");
        id
    });
    assert_eq!(
        ids.collect::<Vec<_>>(),
        ["logo=20small.png", "=C5=BC=C3=B3=C5=82w.png", "a=b@c.png"]
    );
    assert_eq!(html.matches("cid:=C5=BC=C3=B3=C5=82w.png").count(), 2);
}

#[test]
fn each_header_is_encoded_by_its_own_grammar() {
    let uri = "<https://acme.example/u?city={{ first_name }}&t=1>";
    let campaign = Campaign::new()
        .recipients("email,first_name\nann@one.example,Łódź\n")
        .set("message.headers.List-Unsubscribe", uri)
        .set("message.headers.List-Id", "Żółw, sklep <news.acme.example>")
        .set(
            "message.headers.Disposition-Notification-To",
            "Żaneta <z@acme.example>",
        )
        .set("message.headers.X-Note", "<ż>");
    let mail = message(&campaign);
    assert_eq!(
        mail.header("List-Unsubscribe"),
        "<https://acme.example/u?city=%C5%81%C3%B3d%C5%BA&t=1>"
    );
    assert_eq!(
        mail.header("List-Id"),
        "=?utf-8?B?xbvDs8WCdywgc2tsZXA=?= <news.acme.example>"
    );
    assert_eq!(
        mail.header("Disposition-Notification-To"),
        "=?utf-8?B?xbthbmV0YQ==?= <z@acme.example>"
    );
    assert_eq!(mail.header("X-Note"), "=?utf-8?B?PMW8Pg==?=");
}

#[test]
fn several_files_in_a_cell_are_several_attachments() {
    let csv = "email,files\nann@one.example,a.txt;b.txt\nbob@two.example,a.txt\ncid@two.example,\n";
    let campaign = Campaign::new()
        .set("message.subject", "x")
        .template("newsletter.html", "<p>x</p>")
        .recipients(csv)
        .file("a.txt", "a")
        .file("b.txt", "b");
    let campaign = attaching(campaign, &[("{{ files }}", false)]);
    let report = check(&campaign);
    let finding = report.about("a.txt;b.txt");
    let path = r#"{{ files | split(pat=";") | nth(n=0) }}"#;
    finding.is("attachment", "can't open").helps(path);
    let folders = "email,files\nann@one.example,a.txt;b.txt\nbob@two.example,x\\a.txt\n";
    let report = check(&campaign.recipients(folders));
    report
        .about("x\\")
        .is("attachment", "a.txt")
        .helps("write /");
    let campaign = Campaign::new()
        .set("message.subject", "x")
        .template("newsletter.html", "<p>x</p>")
        .recipients(csv)
        .file("a.txt", "a")
        .file("b.txt", "b");
    let second = path.replace("n=0", "n=1");
    let mails = messages(&attaching(campaign, &[(path, false), (&second, false)]));
    let counts: Vec<_> = mails.iter().map(|mail| mail.attachments.len()).collect();
    assert_eq!(counts, [2, 1, 0]);
}

#[test]
fn a_row_can_have_a_file_of_its_own() {
    let mails = messages(&own_files());
    let files: Vec<_> = mails
        .iter()
        .map(|mail| (mail.to[0].as_str(), mail.attachments[0].bytes.as_slice()))
        .collect();
    assert_eq!(
        files,
        [
            ("ann@one.example", &b"for Ann"[..]),
            ("bob@two.example", b"for Bob"),
            ("cleo@one.example", b"for Cleo"),
        ]
    );
}

#[test]
fn a_rows_file_that_has_changed_since_the_plan_is_not_sent() {
    let campaign = own_files();
    let args = ["--local", "--limit", "1"];
    let run = Run::new("send")
        .arg(campaign.path())
        .args(args)
        .run()
        .code(5)
        .run_dir();
    let campaign = campaign.file("files/Bob.txt", "for Rob");
    Run::new("resume").arg(campaign.path()).run().code(3);
    let results = Results::of(&run);
    assert_eq!(results.row("bob@two.example")["status"], "invalid");
    assert!(results.row("bob@two.example")["error"].contains("files/Bob.txt"));
    assert_eq!(results.row("cleo@one.example")["status"], "accepted");
    let to: Vec<_> = sent(&run).into_iter().flat_map(|mail| mail.to).collect();
    assert!(
        to.len() == 2 && !to.contains(&"bob@two.example".into()),
        "{to:?}"
    );
}

#[test]
fn templates_and_shared_files_are_frozen_with_the_plan() {
    let campaign = attaching(Campaign::new(), &[("all.txt", false)]).file("all.txt", "before");
    let args = ["--local", "--limit", "1"];
    let run = Run::new("send")
        .arg(campaign.path())
        .args(args)
        .run()
        .code(5)
        .run_dir();
    let campaign = campaign
        .file("all.txt", "after")
        .template("newsletter.html", "<p>after</p>")
        .set("message.subject", "after");
    Run::new("resume").arg(campaign.path()).run().code(0);
    let mails = sent(&run);
    assert_eq!(mails.len(), 3);
    for mail in mails {
        assert!(mail.subject.starts_with("Hello "), "{}", mail.subject);
        assert!(!mail.html.expect("HTML").contains("after"));
        assert_eq!(mail.attachments[0].bytes, b"before");
    }
}

#[test]
fn data_never_leaves_the_folder() {
    let outside = tempfile::NamedTempFile::new().expect("a file");
    let absolute: PathBuf = outside.path().canonicalize().expect("it exists");
    let root = "../".repeat(16);
    let paths = [
        absolute.display().to_string(),
        format!("{root}{}", absolute.display()),
    ];
    for path in &paths {
        let csv = format!("email,first_name\nann@one.example,Ann\nbob@two.example,{path}\n");
        let campaign = attaching(Campaign::new(), &[("{{ first_name }}", false)])
            .set("message.subject", "x")
            .file("Ann", "for Ann")
            .recipients(csv);
        let report = check(&campaign);
        report.about("outside");
        assert_eq!(report.findings[0].rows, [2]);
        send(&campaign).code(1).stderr_has("outside");
        let ran = Run::new("send")
            .arg(campaign.path())
            .args(["--local", "--skip-invalid"])
            .run();
        let results = Results::of(ran.code(3).run_dir());
        assert_eq!(results.row("bob@two.example")["status"], "invalid");
    }
}

#[test]
fn the_time_is_the_start_of_the_run_on_every_row() {
    let campaign = text_only("{{ now() }}").rows(300);
    let args = ["--local", "--limit", "100"];
    let run = Run::new("send")
        .arg(campaign.path())
        .args(args)
        .run()
        .code(5)
        .run_dir();
    std::thread::sleep(std::time::Duration::from_millis(5));
    Run::new("resume").arg(&run).run().code(0);
    let mails = sent(&run);
    assert_eq!(mails.len(), 300);
    let first = mails[0].text.clone().expect("a text");
    assert!(first.starts_with("20"), "{first}");
    assert!(mails.iter().all(|mail| mail.text.as_ref() == Some(&first)));
}
