//! `mailrun check`: findings are reported once, and the exit code tells scripts the result.

use crate::support::campaign::Campaign;
use crate::support::findings::check_without_style_rules as check;
use crate::support::run::Run;

fn text(campaign: &Campaign) -> Run {
    Run::new("check").arg(campaign.path())
}

/// A campaign with a row that has one cell too many.
fn warned() -> Campaign {
    Campaign::good()
        .recipients("email,first_name,token\nann@one.example,Ann,a1\nbob@two.example,Bob,b2,x\n")
}

#[test]
fn a_correct_campaign_has_no_findings() {
    let campaign = Campaign::good();
    let ran = text(&campaign).run();
    ran.code(0)
        .stdout_is("3 rows, 0 errors, 0 warnings\n")
        .stderr_is("");
    assert_eq!(check(&campaign).is_clean().rows, Some(3));
    assert!(campaign.runs().is_empty());
}

#[test]
fn warnings_alone_are_an_error_only_when_strict() {
    let campaign = warned();
    text(&campaign)
        .run()
        .code(0)
        .stdout_has("2 rows, 0 errors, 1 warning\n");
    text(&campaign).arg("--strict").run().code(1);
    text(&Campaign::good()).arg("--strict").run().code(0);
}

#[test]
fn an_error_is_exit_code_1_and_shows_the_line() {
    let campaign = Campaign::new().template("newsletter.html", "<p>\nHi {{ firstname }}</p>");
    let ran = text(&campaign).run();
    ran.code(1)
        .stdout_has("templates/newsletter.html:2:7")
        .stdout_has("Hi {{ firstname }}</p>")
        .stdout_has("did you mean `first_name`?");
}

#[test]
fn only_a_part_of_a_very_long_line_is_shown() {
    let filler = "<!-- ą -->".repeat(9_000);
    let campaign = Campaign::new()
        .set("check.off.html-clipped", "it is meant to be long")
        .template(
            "newsletter.html",
            &format!("{filler}Hi {{{{ firstname }}}}{filler}"),
        );
    let ran = text(&campaign).run();
    ran.code(1)
        .stdout_has("templates/newsletter.html:1:")
        .stdout_has("Hi {{ firstname }}")
        .stdout_has("did you mean `first_name`?");
    assert!(ran.stdout.len() < 2000, "{}", ran.stdout);
}

#[test]
fn invalid_rows_have_their_row_and_line() {
    let campaign = Campaign::new().recipients(
        "email,first_name\n\nann@one.example,Ann\nbob at two.example,Bob\ncleo@one.example\n",
    );
    let report = check(&campaign);
    assert_eq!(
        (report.rows, report.errors, report.warnings),
        (Some(3), 0, 2)
    );
    let address = report.findings.iter().find(|it| it.code == "bad-address");
    let address = address.expect("the bad address");
    assert_eq!((address.line, address.rows.as_slice()), (Some(4), &[2][..]));
    assert_eq!((address.severity.as_str(), address.count), ("warning", 1));
    assert!(
        address
            .file
            .as_ref()
            .is_some_and(|file| file.ends_with("recipients.csv"))
    );
    let fields = report.findings.iter().find(|it| it.code == "field-count");
    let fields = fields.expect("the short row");
    assert_eq!((fields.line, fields.rows.as_slice()), (Some(5), &[3][..]));
}

#[test]
fn rows_that_do_not_render_have_the_line_of_the_template() {
    let campaign = Campaign::new()
        .template("newsletter.html", "<p>\n{{ first_name | int }}</p>")
        .recipients("email,first_name\nann@one.example,1\nbob@two.example,Bob\n");
    let report = check(&campaign);
    let finding = report.only();
    finding
        .is("template-error", "")
        .at("templates/newsletter.html", 2, 17);
    assert_eq!(finding.rows, [2]);
}

#[test]
fn a_finding_of_many_rows_is_reported_once() {
    let mut csv = String::from("email,first_name\n");
    for n in 1..=3000 {
        csv.push_str(&format!("r{n}@one.example,{}\n", "x".repeat(130)));
    }
    let report = check(&Campaign::new().recipients(csv));
    let finding = report.only();
    finding.is("over-limit", "128");
    assert_eq!((finding.count, report.errors), (3000, 3000));
    assert_eq!(finding.rows, (1..=10).collect::<Vec<_>>());
    assert_eq!(finding.line, Some(2));
}

#[test]
fn errors_and_warnings_are_reported_together() {
    let campaign = Campaign::new()
        .set("message.subject", "{{ first_name }}")
        .recipients(format!(
            "email,first_name\nann@one.example,{}\nbob,Bob\n",
            "x".repeat(129)
        ));
    let report = check(&campaign);
    assert_eq!((report.errors, report.warnings), (1, 1), "{report:#?}");
    assert_eq!(report.findings[0].severity, "error");
}
