//! `check`, the preflight and `preview` of a campaign with variants.

use super::{variant_of, variants};
use crate::support::campaign::Campaign;
use crate::support::findings::check_without_style_rules;
use crate::support::run::Run;

fn campaign() -> Campaign {
    Campaign::new()
        .rows(20)
        .set("variants", variants(&[("A", 50), ("B", 50)]))
}

fn with_body_of_b(html: &str) -> Campaign {
    let mut variants = variants(&[("A", 50), ("B", 50)]);
    let b = variants[1].as_table_mut().expect("a table");
    b.insert("html".into(), "b.html".into());
    Campaign::new()
        .rows(20)
        .template("b.html", html)
        .set("variants", variants)
}

#[test]
fn a_problem_of_all_variants_is_reported_once() {
    let campaign = campaign().template("newsletter.html", "<p>{{ nothing }}</p>");
    let report = check_without_style_rules(&campaign);
    let finding = report.only();
    finding.is("undefined-variable", "nothing");
    assert!(!finding.message.contains("variant"), "{}", finding.message);
}

#[test]
fn a_problem_of_one_variant_names_it() {
    let campaign = with_body_of_b("<p>{{ nothing }}</p>");
    let report = check_without_style_rules(&campaign);
    report.only().is("undefined-variable", "variant B: ");
}

#[test]
fn a_problem_in_rows_names_the_variant_of_the_rows() {
    let campaign = with_body_of_b("<p>{{ throw(message='no price') }}</p>");
    let report = check_without_style_rules(&campaign);
    let finding = report.only();
    finding.is("template-error", "variant B: ");
    let of_b = (1..=20).filter(|n| {
        let domain = ["one", "two", "three"][n % 3];
        variant_of(&format!("r{n}@{domain}.example"), &[("A", 50), ("B", 50)]) == "B"
    });
    assert_eq!(finding.count, of_b.count() as u64);
    let campaign = self::campaign().template("newsletter.html", "{{ throw(message='no price') }}");
    let report = check_without_style_rules(&campaign);
    let finding = report.only();
    finding.is("template-error", "no price");
    assert!(!finding.message.contains("variant"), "{}", finding.message);
    assert_eq!(finding.count, 20);
}

#[test]
fn a_column_that_another_variant_uses_is_used() {
    let report = crate::support::findings::check(&with_body_of_b("<p>Hello</p>"));
    let unused = report
        .findings
        .iter()
        .filter(|it| it.code == "column-unused");
    assert_eq!(unused.count(), 0);
}

#[test]
fn with_a_sample_the_rows_that_are_held_back_are_rendered_as_each_variant() {
    // Only the row of one address has no price, and it is held back.
    let held_back = (1..=20)
        .map(|n| format!("r{n}@{}.example", ["one", "two", "three"][n % 3]))
        .find(|address| {
            !super::is_in_sample(address, 10) && variant_of(address, &[("A", 50), ("B", 50)]) == "A"
        })
        .expect("a row that would be A");
    let campaign = with_body_of_b(&format!(
        "{{% if email == '{held_back}' %}}{{{{ throw(message='no price') }}}}{{% endif %}}<p>Hello</p>"
    ));
    check_without_style_rules(&campaign).is_clean();
    let sent = Run::send(campaign.path())
        .args(["--variant-sample", "10%"])
        .run();
    sent.code(1)
        .stderr_has("variant B: ")
        .stderr_has("no price");
}

#[test]
fn preview_shows_the_variant_of_the_row_or_another_one() {
    let campaign = campaign();
    let preview = |options: &[&str]| {
        let run = Run::new("preview").arg(campaign.path()).args(options);
        run.run().code(0).stdout.clone()
    };
    for n in 1..=6 {
        let domain = ["one", "two", "three"][n % 3];
        let own = variant_of(&format!("r{n}@{domain}.example"), &[("A", 50), ("B", 50)]);
        let row = n.to_string();
        assert!(preview(&["--row", &row]).contains(&format!("Subject {own}")));
        for name in ["A", "B"] {
            let shown = preview(&["--row", &row, "--variant", name]);
            assert!(shown.contains(&format!("Subject {name}")), "{shown}");
        }
    }
    let run = Run::new("preview")
        .arg(campaign.path())
        .args(["--variant", "C"]);
    run.run()
        .code(2)
        .stderr_has("no variant “C”")
        .stderr_has("its variants are: A, B");
    let without = Campaign::new();
    let run = Run::new("preview")
        .arg(without.path())
        .args(["--variant", "C"]);
    run.run().code(2).stderr_has("it has no [[variants]]");
}

#[test]
fn a_dry_run_says_how_many_rows_get_which_variant() {
    let campaign = campaign();
    let dry_run = |options: &[&str]| {
        let run = Run::send(campaign.path()).arg("--dry-run").args(options);
        run.run().code(0).stdout.clone()
    };
    let shown = dry_run(&[]);
    assert!(
        shown.contains("would send: 20 messages\nvariants:   A "),
        "{shown}"
    );
    assert!(!shown.contains("held back"), "{shown}");
    let shown = dry_run(&["--variant-sample", "20%"]);
    assert!(shown.contains("\nheld back:  "), "{shown}");
}
