//! `[check.off]`: rules that a campaign turns off, each with a reason.

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::findings::{Off, check};
use crate::support::run::Run;

fn without_links() -> Campaign {
    Campaign::good().html_with("href=\"https://sender.example/u/{{ token }}\"", "href=\"\"")
}

fn off(code: &str, reason: &str) -> Campaign {
    without_links().set(&format!("check.off.{code}"), reason)
}

#[test]
fn a_rule_that_is_off_reports_nothing() {
    assert!(check(&without_links()).errors > 0);
    let campaign = off("link-empty", "the page is not up yet");
    let report = check(&campaign);
    report.is_clean();
    let reason = "the page is not up yet".to_owned();
    let code = "link-empty".to_owned();
    assert_eq!(report.off, [Off { code, reason }]);
    let ran = Run::new("check").arg(campaign.path()).run();
    ran.code(0)
        .stdout_is("off: link-empty: the page is not up yet\n3 rows, 0 errors, 0 warnings\n");
}

#[test]
fn a_rule_that_is_off_does_not_stop_send() {
    let api = FakeApi::taking_all();
    let refused = Run::send(without_links().api(&api.url()).path()).run();
    refused.code(1).stderr_has("link-empty");
    assert_eq!(api.requests().len(), 0);
    let campaign = off("link-empty", "known").api(&api.url());
    Run::send(campaign.path())
        .run()
        .code(0)
        .stderr_lacks("link-empty");
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn no_other_rule_is_off() {
    let another = mailrun::check::rules().find(|rule| rule.code != "link-empty");
    let Some(another) = another else { return };
    check(&off(another.code, "a test")).about("leads nowhere");
}

#[test]
fn an_unknown_rule_is_an_error() {
    let report = check(&off("link-emty", "a slip"));
    let finding = report.only();
    finding.is("bad-value", "`link-emty`").helps("`link-empty`");
    assert!(finding.line.is_some() && finding.column.is_some());
    check(&off("zzz", "what")).only().helps("in brackets");
}

#[test]
fn other_codes_can_not_be_turned_off() {
    for code in ["bad-address", "unknown-key", "over-limit", "duplicate"] {
        let report = check(&off(code, "please"));
        report.only().is("bad-value", "can't be turned off");
    }
}

#[test]
fn a_reason_is_required() {
    for reason in ["", " \t"] {
        let report = check(&off("link-empty", reason));
        report
            .only()
            .is("bad-value", "without a reason")
            .helps("why");
    }
    Run::send(off("link-empty", "").path()).run().code(1);
}

#[test]
fn the_codes_of_rules_and_of_other_findings_differ() {
    for code in mailrun::check::codes() {
        assert!(mailrun::check::rules().all(|rule| rule.code != code.code));
    }
}
