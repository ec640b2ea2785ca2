//! Errors of `check` stop `send` before the first request, unless their rows are skipped.

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::findings::check;
use crate::support::results::Results;
use crate::support::run::Run;

/// Five rows. Rows 2 and 4 have an empty link, and row 5 has no address.
fn with_empty_links(api: &FakeApi) -> Campaign {
    Campaign::good()
        .api(&api.url())
        .html_with("https://sender.example/u/{{ token }}", "{{ page }}")
        .recipients(
            "email,first_name,token,page\n\
             ann@one.example,Ann,a1,https://sender.example/1\n\
             bob@two.example,Bob,b2,\n\
             cleo@one.example,Cleo,c3,https://sender.example/3\n\
             dan@one.example,Dan,d4,\n\
             nobody,Eve,e5,https://sender.example/5\n",
        )
}

/// Every row has the same empty link.
fn with_an_empty_link(api: &FakeApi) -> Campaign {
    Campaign::good()
        .api(&api.url())
        .html_with("https://sender.example/u/{{ token }}", "")
}

#[test]
fn an_error_in_a_message_stops_send() {
    let api = FakeApi::taking_all();
    for campaign in [with_an_empty_link(&api), with_empty_links(&api)] {
        assert!(check(&campaign).errors > 0);
        let ran = Run::send(campaign.path()).run();
        ran.code(1)
            .stdout_is("")
            .stderr_has("link-empty")
            .stderr_has("leads nowhere");
        assert!(campaign.runs().is_empty());
    }
    assert_eq!(api.requests().len(), 0);
}

#[test]
fn rows_with_errors_can_be_skipped() {
    let api = FakeApi::taking_all();
    let campaign = with_empty_links(&api);
    let ran = Run::send(campaign.path()).arg("--skip-invalid").run();
    let results = Results::of(ran.code(3).run_dir());
    let codes: Vec<_> = results.rows.iter().map(|row| &*row["code"]).collect();
    assert_eq!(
        codes,
        ["200", "link-empty", "200", "link-empty", "bad-address"]
    );
    for row in [1, 3] {
        let row = &results.rows[row];
        assert_eq!((&*row["status"], &*row["attempts"]), ("invalid", "0"));
        assert!(row["error"].contains("leads nowhere"), "{row:?}");
    }
    assert_eq!(
        api.taken_addresses(),
        ["ann@one.example", "cleo@one.example"]
    );
}

#[test]
fn if_all_rows_have_errors_nothing_is_sent() {
    let api = FakeApi::taking_all();
    let campaign = with_an_empty_link(&api);
    let ran = Run::send(campaign.path()).arg("--skip-invalid").run();
    let results = Results::of(ran.code(3).run_dir());
    assert_eq!(results.counts(), [("invalid", 3)].into());
    assert_eq!(api.requests().len(), 0);
}

#[test]
fn without_the_preflight_no_row_is_checked() {
    let api = FakeApi::taking_all();
    let campaign = with_empty_links(&api);
    let ran = Run::send(campaign.path()).arg("--no-preflight").run();
    let results = Results::of(ran.code(3).stderr_lacks("link-empty").run_dir());
    assert_eq!(results.counts(), [("accepted", 4), ("invalid", 1)].into());
}

#[test]
fn warnings_and_notes_stop_nothing() {
    let api = FakeApi::taking_all();
    let campaign = Campaign::new().api(&api.url());
    let report = check(&campaign);
    assert_eq!(report.errors, 0, "{report:#?}");
    let ran = Run::send(campaign.path()).run();
    for finding in &report.findings {
        ran.stderr_lacks(&format!("[{}]", finding.code));
    }
    ran.code(0);
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn the_summary_lists_invalid_rows_by_code() {
    let api = FakeApi::taking_all();
    let campaign = with_empty_links(&api);
    let ran = Run::send(campaign.path()).arg("--skip-invalid").run();
    let folder = campaign.path().canonicalize().expect("the folder");
    ran.stderr_has("3  invalid: 2 link-empty (rows 2, 4), 1 bad-address (row 5)\n")
        .stderr_has(&format!(
            "next:    mailrun check {}   # explains the invalid rows\n",
            folder.display()
        ));
    let clean = Campaign::good().api(&api.url());
    let ran = Run::send(clean.path()).run();
    ran.code(0).stderr_lacks("mailrun check");
}

#[test]
fn only_the_first_of_many_rows_are_listed() {
    let api = FakeApi::taking_all();
    let rows = "nobody,N,t\n".repeat(1200);
    let campaign = Campaign::good().api(&api.url()).recipients(format!(
        "email,first_name,token\nann@one.example,Ann,a\n{rows}"
    ));
    Run::send(campaign.path())
        .run()
        .code(3)
        .stderr_has("1,200  invalid: 1,200 bad-address (rows 2, 3, 4, 5, 6 …)\n");
}
