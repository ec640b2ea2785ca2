use std::fmt::Write;

use super::Case;
use crate::support::campaign::Campaign;
use crate::support::findings::check;

/// The good campaign at these rates, with a number of rows for each domain.
fn paced(good: Campaign, rates: &[&str], rows: &[(&str, usize)]) -> Campaign {
    let mut csv = String::from("email,first_name,token\n");
    for (domain, count) in rows {
        for n in 0..*count {
            writeln!(csv, "r{n}@{domain},Ann,{domain}-{n}").expect("a string takes all");
        }
    }
    good.set("pace.rate", rates.to_vec()).recipients(csv)
}

const ONE: &str = "one.example";

pub(super) const CASES: &[Case] = &[
    Case::new("no-recipients", |good| {
        good.recipients("email,first_name,token\n")
    })
    .at("/recipients.csv:0:0"),
    Case::new("no-recipients", |good| {
        good.recipients("email,first_name,token\nann,Ann,a1\n")
    }),
    Case::new("plan-long", |good| paced(good, &["1/min"], &[(ONE, 61)])),
    Case::new("plan-days", |good| {
        paced(good, &["100/s", "20/day"], &[(ONE, 41)])
    }),
    Case::new("plan-domain", |good| {
        paced(good, &["100/s"], &[(ONE, 10), ("two.example", 61)])
            .set("pace.per_domain", toml::toml! { "two.example" = "1/min" })
    }),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("no-recipients", |good| {
        good.recipients("email,first_name,token\nann,Ann,a1\nbob@one.example,Bob,b2\n")
    }),
    Case::new("plan-long", |good| paced(good, &["1/min"], &[(ONE, 50)])),
    // `plan-days` reports this.
    Case::new("plan-long", |good| paced(good, &["20/day"], &[(ONE, 41)])),
    Case::new("plan-days", |good| paced(good, &["20/day"], &[(ONE, 20)])),
    Case::new("plan-domain", |good| {
        paced(good, &["1/min"], &[(ONE, 61), ("two.example", 61)])
            .set("pace.per_domain", toml::toml! { "two.example" = "1/min" })
    }),
    Case::new("plan-domain", |good| {
        paced(good, &["100/s"], &[(ONE, 100), ("sub.two.example", 61)])
            .set("pace.per_domain", toml::toml! { "two.example" = "1/min" })
    }),
];

#[test]
fn the_number_of_days_and_the_end_are_reported() {
    let report = check(&paced(Campaign::good(), &["20/day"], &[(ONE, 41)]));
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48);
    let finding = report.only();
    finding.is(
        "plan-days",
        "with 20/day, sending takes 3 days: 20 messages today, the last ones in 2d, on ",
    );
    let near = |minutes| {
        let end = end - jiff::SignedDuration::from_mins(minutes);
        finding
            .message
            .contains(&end.strftime("%Y-%m-%d %H:%M UTC").to_string())
    };
    assert!(near(0) || near(1), "{finding:#?}");
    assert_eq!(finding.severity, "warning");
}

#[test]
fn the_time_for_a_domain_is_reported() {
    let campaign = paced(
        Campaign::good(),
        &["1/s"],
        &[(ONE, 59), ("two.example", 70)],
    )
    .set("pace.per_domain", toml::toml! { "two.example" = "1/min" });
    check(&campaign)
        .only()
        .is(
            "plan-domain",
            "the limit of two.example, 1/min, delays its 70 messages: the last ones go in 1h 10m",
        )
        .is("plan-domain", "all others take 2m");
}
