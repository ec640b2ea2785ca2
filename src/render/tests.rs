//! That a row is checked as it is prepared.

use std::fs;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{Engine, Inputs, Row};
use crate::address::Mailbox;
use crate::api::MAX_SIZE;
use crate::campaign::Campaign;
use crate::finding::Finding;

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
/// What the attachment leaves of the limit of a message.
const LEFT: usize = 1200;

fn engine() -> (tempfile::TempDir, Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, content: &[u8]| fs::write(dir.path().join(name), content);
    fs::create_dir(dir.path().join("templates")).expect("a folder");
    write("campaign.toml", CAMPAIGN.as_bytes()).expect("a file");
    write("recipients.csv", HEADER.join(",").as_bytes()).expect("a file");
    write("templates/a.html", HTML.as_bytes()).expect("a file");
    write("templates/none.html", b"").expect("a file");
    write("large.bin", &vec![0; (MAX_SIZE - LEFT) / 4 * 3]).expect("a file");
    let campaign = Campaign::load(dir.path()).expect("a campaign");
    let engine = Engine::new(&Inputs {
        campaign: &campaign,
        dir: dir.path(),
        own_dir: dir.path(),
        header: &HEADER.map(str::to_owned),
        started: Timestamp::UNIX_EPOCH,
        id_prefix: "00",
        test_to: None,
    });
    (dir, engine.expect("an engine"))
}

fn row(from: &str, subject: &str, html: &str, tag: &str) -> Row {
    let cells = ["a@b.example", from, subject, html, tag];
    Row {
        number: 1,
        mailbox: Mailbox::parse(cells[0]).expect("an address"),
        cells: cells.map(str::to_owned).to_vec(),
        resends: 0,
        recorded: Vec::new(),
    }
}

/// What is said of a row: the same, whatever its message is needed for.
fn finding(engine: &Engine, row: &Row) -> Option<(&'static str, String)> {
    let said = |finding: Box<Finding>| (finding.code, format!("{finding:?}"));
    let whole = engine.prepare(row).err().map(said);
    assert_eq!(engine.look(row).err().map(said), whole, "{row:?}");
    let post = engine.prepare_to_post(row).err().map(said);
    assert_eq!(post, whole, "{row:?}");
    whole
}

fn one_of(values: &'static [&'static str], long: usize) -> impl Strategy<Value = String> {
    let any = prop::sample::select(values).prop_map(str::to_owned);
    prop_oneof![3 => any, 2 => (1..long).prop_map(|length| "ż".repeat(length))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]
    #[test]
    fn a_row_is_checked_as_it_is_prepared(
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
    let fixed = size(message.html.as_deref()) + message.attachments.base64_len() - 1;
    // The text part has the value as well, and breaks its lines where it likes.
    let most = (0..LEFT)
        .take_while(|length| with(*length).is_none())
        .last();
    let most = most.expect("a short one is not too large");
    let text = size(prepared(most).text());
    assert!(fixed + most + text <= MAX_SIZE, "{most}");
    let (code, words) = with(most + 1).expect("too large");
    assert_eq!(code, "over-limit");
    assert!(words.contains("the most is 15000000"), "{words}");
}
