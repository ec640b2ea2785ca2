use super::Case;
use crate::support::campaign::Campaign;
use crate::support::findings::check;

const LIST: &str = "message.headers.List-Unsubscribe";

/// Recipients whose values have characters with a meaning in URLs.
const RECIPIENTS: &str = "email,first_name,token\nann+shop@one.example,Ann,a1\n\
     bob@two.example,Bob,b2\ncleo@one.example,Cleo,Garden & Home\n";

/// The good campaign for these recipients, with `token` encoded where it is printed.
fn good_for_them(good: Campaign) -> Campaign {
    good.recipients(RECIPIENTS)
        .html_with("{{ token }}", "{{ token | urlencode }}")
        .set(LIST, "<https://sender.example/u/{{ token | urlencode }}>")
}

pub(super) const CASES: &[Case] = &[
    Case::new("url-not-encoded", |good| {
        good_for_them(good).html_with("who={{ token | urlencode }}", "who={{ email }}")
    })
    .at("newsletter.html:8:26")
    .rows(&[1]),
    Case::new("url-not-encoded", |good| {
        good_for_them(good).html_with("who={{ token | urlencode }}", "who={{ token | upper }}")
    })
    .rows(&[3]),
    Case::new("url-not-encoded", |good| {
        good_for_them(good).html_with(
            "<p>The Sender",
            "<img src=\"https://sender.example/{{ token }}.png\" alt=\"\" width=\"9\"><p>The Sender",
        )
    })
    .rows(&[3]),
    Case::new("url-not-encoded", |good| {
        good_for_them(good).set(LIST, "<https://sender.example/u?e={{ email }}>")
    })
    .at("campaign.toml:14:20")
    .rows(&[1]),
    Case::new("url-not-encoded", |good| {
        good_for_them(good)
            .set("message.text", "letter.txt")
            .template(
                "letter.txt",
                "Read it at\nhttps://sender.example/u?l={{ token }} today.\n",
            )
    })
    .at("letter.txt:2:1")
    .rows(&[3]),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("url-not-encoded", good_for_them),
    // The whole URL comes from a column.
    Case::new("url-not-encoded", |good| {
        good.recipients(
            "email,first_name,token\nann+shop@one.example,Ann,https://one.example/?e=ann+shop@one.example&b=2\n",
        )
        .html_with("https://sender.example/autumn?who={{ token }}", "{{ token }}")
        .html_with("https://sender.example/u/{{ token }}", "https://sender.example/u/1")
        .set("message.text", "letter.txt")
        .template("letter.txt", "Dear {{ email }}, read it at {{ token }} today.\n")
        .set(LIST, "<{{ token }}>")
    }),
    // These characters are harmless in a path.
    Case::new("url-not-encoded", |good| {
        good_for_them(good).html_with("autumn?who={{ token | urlencode }}", "autumn/{{ email }}")
    }),
];

#[test]
fn values_at_one_place_are_one_finding() {
    let campaign =
        good_for_them(Campaign::good()).html_with("who={{ token | urlencode }}", "who={{ email }}");
    let mut csv = String::from("email,first_name,token\n");
    for n in 1..=2000 {
        csv.push_str(&format!("r+{n}@one.example,Ann,t{n}\n"));
    }
    let report = check(&campaign.recipients(csv));
    let finding = report.about("without encoding");
    finding
        .is("url-not-encoded", "“r+1@one.example”")
        .helps("{{ email | urlencode }}");
    assert_eq!(finding.count, 2000);
    report.only();
}
