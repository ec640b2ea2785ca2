//! Who gets which variant.

use super::{halves, is_in_sample, subjects, variant_of, variants};
use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::send;

const SHARES: [(&str, i64); 3] = [("A", 90), ("B", 9), ("C", 1)];

/// The number behind a text in the output of a dry run.
fn number_after(text: &str, before: &str) -> usize {
    let rest = text.split(before).nth(1).expect("the text is there");
    let digits = rest.chars().take_while(|c| c.is_ascii_digit() || *c == ',');
    let digits: String = digits.filter(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

#[test]
fn a_dry_run_has_the_shares() {
    let mut csv = String::from("email,first_name\n");
    let addresses: Vec<String> = (0..4_000)
        .map(|n| format!("reader{n}@list{}.example", n % 7))
        .collect();
    for address in &addresses {
        csv += &format!("{address},Ann\n");
    }
    let campaign = Campaign::new()
        .recipients(csv)
        .set("variants", variants(&SHARES));
    let dry_run = |options: &[&str]| {
        let run = Run::send(campaign.path()).args(["--dry-run", "--no-preflight"]);
        run.args(options).run().code(0).stdout.clone()
    };
    let shown = dry_run(&[]);
    for (name, share) in SHARES {
        let rows = number_after(&shown, &format!("{name} "));
        let expected = addresses
            .iter()
            .filter(|address| variant_of(address, &SHARES) == name);
        assert_eq!(rows, expected.count(), "{name}");
        // Five standard deviations.
        let part = share as f64 / 100.0;
        let deviation = (4_000.0 * part * (1.0 - part)).sqrt() * 5.0;
        let difference = (rows as f64 - 4_000.0 * part).abs();
        assert!(difference < deviation, "{name} has {rows} rows");
    }
    let shown = dry_run(&["--variant-sample", "10%"]);
    let in_sample: Vec<_> = addresses
        .iter()
        .filter(|address| is_in_sample(address, 10))
        .collect();
    assert!((300..500).contains(&in_sample.len()), "{shown}");
    assert_eq!(number_after(&shown, "would send: "), in_sample.len());
    assert_eq!(
        number_after(&shown, "held back:  "),
        4_000 - in_sample.len()
    );
    for (name, _) in SHARES {
        let rows = in_sample
            .iter()
            .filter(|address| variant_of(address, &SHARES) == name);
        assert_eq!(number_after(&shown, &format!("{name} ")), rows.count());
    }
}

/// Computed with `printf 'mailrun variant\0test\0ADDRESS' | sha256sum`.
#[test]
fn the_variant_of_an_address_never_changes() {
    let api = FakeApi::taking_all();
    let addresses = [
        "ann@one.example",
        "bob@two.example",
        "cleo@one.example",
        "dan@four.example",
    ];
    let list = |addresses: &[&str]| {
        let rows = addresses.iter().map(|address| format!("{address},Ann\n"));
        format!("email,first_name\n{}", rows.collect::<String>())
    };
    let campaign = halves(&api, 1).recipients(list(&addresses));
    let sent = send(&campaign).run();
    let results = Results::of(sent.code(0).run_dir());
    let of = |address: &str| results.row(address)["variant"].clone();
    assert_eq!(addresses.map(of), ["B", "B", "B", "A"]);
}

#[test]
fn neither_the_order_nor_other_rows_matter_and_case_makes_no_difference() {
    let api = FakeApi::taking_all();
    let first = halves(&api, 60);
    send(&first).run().code(0);
    let before = subjects(&api);
    let mut csv = String::from("first_name,email\n");
    for n in (1..=90).rev() {
        let domain = ["ONE", "two", "Three"][n % 3];
        csv += &format!("Name,R{n}@{domain}.example\n");
    }
    let api = FakeApi::taking_all();
    let second = halves(&api, 1).recipients(csv);
    send(&second).run().code(0);
    let after = subjects(&api);
    let after = |address: &str| {
        let mut same = after
            .iter()
            .filter(|(it, _)| it.eq_ignore_ascii_case(address));
        same.next().expect("it got a message").1.clone()
    };
    assert_eq!(before.len(), 60);
    for (address, subject) in before {
        assert_eq!(after(&address), subject, "{address}");
    }
}
