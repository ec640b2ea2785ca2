//! Rows are inspected as they are prepared, and prepared the same by every engine.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Engine, Inputs, Row};
use crate::address::Mailbox;
use crate::api::MAX_SIZE;
use crate::campaign::Campaign;
use crate::finding::Finding;
use crate::html::normalized;
use crate::message::Message;

const CAMPAIGN: &str = r#"name = "limits"
[api]
url = "https://api.emaillabs.net.pl/api/"
smtp_account = "1.a.smtp"
[message]
from = "{{ from }}"
subject = "{{ subject }}"
html = "{% if html == 'none' %}none.html{% else %}a.html{% endif %}"
tags = ["{{ tag }}"]
[message.headers]
X-Tag = "{{ tag }}"
[[message.attachments]]
path = "large.bin"
[recipients]
file = "recipients.csv"
"#;
const HTML: &str = "<style>p{color:red}</style><p>{{ html }}</p>{% if html == 'broken' %}{{ 1 / subject }}{% endif %}";
const HEADER: [&str; 5] = ["email", "from", "subject", "html", "tag"];
/// How many bytes the attachment leaves for the bodies.
const LEFT: usize = 1200;

fn engine() -> (tempfile::TempDir, Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, content: &[u8]| {
        fs::write(dir.path().join(name), content).expect("a file");
    };
    fs::create_dir(dir.path().join("templates")).expect("a folder");
    write("templates/a.html", HTML.as_bytes());
    write("templates/none.html", b"");
    write("large.bin", &vec![0; (MAX_SIZE - LEFT) / 4 * 3]);
    let engine = engine_in(dir.path(), CAMPAIGN, &HEADER);
    (dir, engine)
}

fn engine_in(dir: &Path, campaign: &str, header: &[&str]) -> Engine {
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    fs::write(dir.join("campaign.toml"), campaign).expect("a file");
    fs::write(dir.join("recipients.csv"), header.join(",")).expect("a file");
    let campaign = Campaign::load(dir).expect("a campaign");
    let engine = Engine::new(&Inputs {
        campaign: &campaign,
        dir,
        is_frozen: false,
        own_dir: dir,
        header: &header,
        started: Timestamp::UNIX_EPOCH,
        id_prefix: "00",
        verp_key: [0; 32],
        test_to: None,
        feedback_keys: None,
    });
    engine.expect("an engine")
}

fn row(from: &str, subject: &str, html: &str, tag: &str) -> Row {
    let cells = ["a@b.example", from, subject, html, tag];
    Row {
        number: 1,
        mailbox: Mailbox::parse(cells[0]).expect("an address"),
        cells: cells.map(str::to_owned).to_vec(),
        json: Vec::new(),
        variant: None,
        resends: 0,
        others: Vec::new(),
        recorded: Vec::new(),
    }
}

/// The finding about a row, which is the same for `prepare` and `inspect`.
fn finding(engine: &Engine, row: &Row) -> Option<(&'static str, String)> {
    let described = |finding: Box<Finding>| (finding.code, format!("{finding:?}"));
    let prepared = engine.prepare(row).err().map(described);
    assert_eq!(
        engine.inspect(row).err().map(described),
        prepared,
        "{row:?}"
    );
    prepared
}

fn one_of(values: &'static [&'static str], long: usize) -> impl Strategy<Value = String> {
    let any = prop::sample::select(values).prop_map(str::to_owned);
    prop_oneof![3 => any, 2 => (1..long).prop_map(|length| "ż".repeat(length))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]
    #[test]
    fn a_row_is_inspected_as_it_is_prepared(
        rows in prop::collection::vec(
            (
                one_of(&["a@b.example", "a@b.example", "a@b.example", "", "no address"], 2),
                one_of(&["News", "", "two\nlines"], 200),
                one_of(&["", " ", "none", "broken", "<b>"], LEFT),
                one_of(&["a", "", "two\r\nlines"], 200),
            ),
            1..20,
        ),
    ) {
        let (_dir, engine) = engine();
        for (from, subject, html, tag) in rows {
            finding(&engine, &row(&from, &subject, &html, &tag));
        }
    }
}

#[test]
fn a_message_is_too_large_from_the_first_byte_over_the_limit() {
    let (_dir, engine) = engine();
    let with = |length: usize| {
        finding(
            &engine,
            &row("a@b.example", "News", &"x".repeat(length), "a"),
        )
    };
    let prepared = |length: usize| {
        let row = row("a@b.example", "News", &"x".repeat(length), "a");
        engine.prepare(&row).expect("a message").message
    };
    let message = prepared(1);
    let size = |text: Option<&str>| text.map_or(0, str::len);
    let fixed = size(message.html()) + message.attachments.base64_len() - 1;
    // The text part contains the value as well, with line breaks.
    let most = (0..LEFT)
        .take_while(|length| with(*length).is_none())
        .last();
    let most = most.expect("a short one is not too large");
    let text = size(prepared(most).text());
    assert!(fixed + most + text <= MAX_SIZE, "{most}");
    let (code, words) = with(most + 1).expect("too large");
    assert_eq!(code, "over-limit");
    assert!(words.contains("the maximum is 15000000"), "{words}");
}

const NEWSLETTER: &str = r#"name = "newsletter"
[api]
url = "https://api.emaillabs.net.pl/api/"
smtp_account = "1.a.smtp"
[message]
from = "{{ shop.from }}"
from_name = "Shop {{ issue }}"
subject = "{% if name %}{{ name }}, {% endif %}letter {{ issue }}"
html = "{% if segment == 'plain' %}plain.html{% else %}letter.html{% endif %}"
tags = ["letter-{{ issue }}", "{{ segment }}"]
[message.headers]
X-Issue = "{{ issue }}"
[recipients]
file = "recipients.csv"
[vars]
issue = 42
site = "https://shop.example"
[vars.shop]
from = "shop@shop.example"
[[vars.products]]
name = "Tea & cake"
slug = "tea"
price = 9.5
[[vars.products]]
name = "Hat <blue>"
slug = "hat"
price = 20
"#;

/// The body of `letter.html`, in the ways that newsletters are written.
const LETTERS: [&str; 8] = [
    "{% if name %}<h1>Hi {{ name }}</h1>{% else %}<h1>Hi</h1>{% endif %}{% for p in products %}<a href=\"{{ site }}/{{ p.slug }}?u={{ token }}\">{{ p.name }}</a> {{ p.price }}{% endfor %}",
    "{% if segment == 'cafe' %}<p class=cafe>For cafés</p>{% elif points %}<p>You have {{ points }} points</p>{% endif %}<p>{{ name }}</p>",
    "<table><tr><td>{{ html | safe }}</td><td><table><tr><td class=\"{{ segment }}\">{{ name }}</td></tr></table></td></tr></table>",
    "<!--[if mso]><table width=600><tr><td><![endif]--><div>{{ name }}</div><!--[if mso]><v:rect href=\"{{ site }}/{{ token }}\">{{ points }}</v:rect></td></tr></table><![endif]-->",
    "{% for item in html | split(pat=',') %}<li>{{ item }}{% if loop.last %}.{% endif %}</li>{% endfor %}{% include 'footer.html' %}",
    "{% set greeting = name | default(value='you', boolean=true) %}<p style=\"color: {{ segment }}\">Dear {{ greeting }}</p>{% filter upper %}{{ issue }}{{ points }}{% endfilter %}",
    "<p id={{ token }}>{{ name }}</p><a href='{{ html }}'>{{ html | truncate(length=5) }}</a><!-- {{ token }} --><img alt=\"{{ name }}\" src=\"{{ site }}/{{ token }}.png\">",
    "{%- if points and segment != 'cafe' -%} <p>{{ points | int * 2 }}</p> {%- endif -%}{{ row['First name'] }}<p>{{ site }}</p>",
];

fn newsletter_row(cells: Vec<String>) -> Row {
    Row {
        cells,
        json: Vec::new(),
        ..row("", "", "", "")
    }
}

/// The parts of a message that a cache could change, apart from how lines break.
fn comparable(engine: &Engine, row: &Row) -> Result<Message, String> {
    let prepared = engine
        .prepare(row)
        .map_err(|finding| format!("{finding:?}"))?;
    let mut message = prepared.message;
    let html = message.html().map(normalized);
    let text = message.text().map(|text| text.split_whitespace().collect());
    message.html = html.map(Into::into);
    message.text = text.map(|text: String| text.into());
    Ok(message)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn an_engine_prepares_a_row_as_a_new_engine_does(
        rows in prop::collection::vec(
            (
                one_of(&["Ann", "", "<b>Bob</b>", "O'Neil & co"], 3),
                one_of(&["cafe", "plain", "", "red", "a b"], 3),
                one_of(&["", "0", "12", "7"], 2),
                one_of(&["<p>Hi</p>", "a,b", "", "<style>p{color:red}</style>", "https://x/?a=1&b=2"], 9),
            ),
            2..6,
        ),
    ) {
        let header = ["email", "name", "segment", "points", "html", "token", "First name"];
        let dir = tempfile::tempdir().expect("a folder");
        let templates = dir.path().join("templates");
        fs::create_dir(&templates).expect("a folder");
        let write = |name: &str, content: &str| {
            fs::write(templates.join(name), content).expect("a file");
        };
        write("plain.html", "<p>The same for all, {{ issue }}</p>");
        write("footer.html", "<hr><a href=\"{{ site }}/u/{{ token }}\">{{ issue }}</a>");
        for letter in LETTERS {
            write(
                "letter.html",
                &format!("<style>p{{color:#222}} .cafe{{color:red}} #x{{color:blue}}</style>{letter}"),
            );
            let shared = engine_in(dir.path(), NEWSLETTER, &header);
            for (number, (name, segment, points, html)) in rows.iter().enumerate() {
                let token = format!("t{number}");
                let cells = ["a@b.example", name, segment, points, html, &token, name];
                let row = newsletter_row(cells.map(str::to_owned).to_vec());
                let new = engine_in(dir.path(), NEWSLETTER, &header);
                prop_assert_eq!(comparable(&shared, &row), comparable(&new, &row), "{}", letter);
                let inspected = shared.inspect(&row).map(|it| it.prepared.message);
                let prepared = shared.prepare(&row).map(|it| it.message);
                let (inspected, prepared) = (inspected.ok(), prepared.ok());
                prop_assert_eq!(inspected, prepared, "{}", letter);
            }
        }
    }
}
