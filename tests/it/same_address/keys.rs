//! `row_key`: which rows of an address were sent before.

use super::{INVOICES, column, column_of, invoices, local, subjects};
use crate::home::both;
use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::run::Run;
use crate::support::send::{campaign, send};

#[test]
fn except_sent_compares_the_key() {
    let api = FakeApi::taking_all();
    let campaign = invoices(campaign(&api));
    send(&campaign).run().code(0);
    let ran = send(&campaign).arg("--except-sent").run();
    ran.code(2)
        .stderr_has("`--except-sent` can't tell")
        .stderr_has("row_key");
    // A run without keys can't be compared.
    let campaign = campaign.set("recipients.row_key", "number");
    let ran = send(&campaign).arg("--except-sent").run();
    ran.code(1).stderr_has("planned without `row_key`");
    assert_eq!(api.taken().len(), 3);

    let api = FakeApi::taking_all();
    let keyed = || {
        invoices(self::campaign(&api))
            .set("recipients.row_key", "number")
            .file("invoices/1004.txt", "1004")
    };
    let campaign = keyed();
    send(&campaign).args(["--limit", "2"]).run().code(5);
    let campaign = campaign.recipients(format!(
        "{INVOICES}ann@one.example,Ann,1004\nANN@one.example,Ann, 1001\n"
    ));
    let run = send(&campaign).arg("--except-sent").run().code(0).run_dir();
    let expected = ["already-sent", "already-sent", "200", "200", "duplicate"];
    assert_eq!(column(&run, "code"), expected);
    // The keys of two columns can't be compared.
    let other = campaign.set("recipients.row_key", "name");
    let ran = send(&other).arg("--except-sent").run();
    ran.code(1).stderr_has("its `row_key` was \"number\"");
    assert_eq!(api.taken().len(), 4);
    let campaign = other.set("recipients.row_key", "number");
    // The first run leaves out what the second one sent.
    let first = campaign.runs()[0].clone();
    Run::on("resume", &first).run().code(0);
    assert_eq!(column(&first, "code"), ["200", "200", "already-sent"]);
    let subjects: Vec<_> = api
        .requests()
        .iter()
        .map(|it| it.field("subject"))
        .collect();
    assert_eq!(subjects.len(), 4);
}

#[test]
fn a_key_must_be_there() {
    let campaign = invoices(Campaign::new()).set("recipients.row_key", "numbr");
    let ran = local(&campaign);
    ran.code(1)
        .stderr_has("no column “numbr”")
        .stderr_has("did you mean “number”?");
    let campaign = campaign
        .set("recipients.row_key", "number")
        .recipients("email,name,number\nann@one.example,Ann,1001\nann@one.example,Ann, \n");
    let ran = local(&campaign);
    ran.code(3);
    assert_eq!(column(&ran.run_dir(), "code"), ["200", "no-row-key"]);
    for mode in ["skip", "group"] {
        let campaign = invoices(Campaign::new())
            .set("recipients.row_key", "number")
            .set("recipients.same_address", mode);
        local(&campaign)
            .code(1)
            .stderr_has("`row_key` tells the messages");
    }
    let ran = local(&invoices(Campaign::new()).set("recipients.same_address", "both"));
    ran.code(1).stderr_has("\"skip\" or \"send\" or \"group\"");
}

#[test]
fn keys_are_compared_in_a_database() {
    both(|home| {
        let api = FakeApi::taking_all();
        let campaign = || invoices(campaign(&api)).set("pace.concurrency", 1);
        let send = |campaign: &Campaign, options: &[&str]| {
            let ran = home.command("send").arg(campaign.path()).arg("--yes");
            ran.args(options).run()
        };
        let keyed = campaign().set("recipients.row_key", "number");
        let first = send(&keyed, &["--limit", "1"]);
        let first = first.stdout.lines().next().unwrap_or_default().to_owned();
        let second = send(&keyed, &["--except-sent"]);
        second.code(0);
        let second = second.stdout.lines().next().unwrap_or_default().to_owned();
        assert_eq!(
            subjects(&api),
            ["Invoice 1001", "Invoice 1002", "Invoice 1003"]
        );
        let codes = column_of(&home.results(&second), "code");
        assert_eq!(codes, ["already-sent", "200", "200"]);
        home.command("resume").arg(&first).run().code(0);
        assert_eq!(subjects(&api).len(), 3);
        let codes = column_of(&home.results(&first), "code");
        assert_eq!(codes, ["200", "already-sent", "already-sent"]);
        let unkeyed = campaign().set("name", "other");
        send(&unkeyed, &[]).code(0);
        let unkeyed = unkeyed.set("recipients.row_key", "number");
        send(&unkeyed, &["--except-sent"])
            .code(1)
            .stderr_has("planned without `row_key`");
    });
}

#[test]
fn a_run_is_not_resumed_if_a_later_one_has_keys_of_another_column() {
    both(|home| {
        let api = FakeApi::taking_all();
        let send = |campaign: &Campaign, options: &[&str]| {
            let ran = home.command("send").arg(campaign.path()).arg("--yes");
            let ran = ran.args(options).run();
            ran.stdout.lines().next().unwrap_or_default().to_owned()
        };
        let by_number = invoices(campaign(&api)).set("recipients.row_key", "number");
        let first = send(&by_number, &["--limit", "1"]);
        let by_name = by_number.set("recipients.row_key", "name");
        let later = send(&by_name, &["--again", "--limit", "1"]);
        let ran = home.command("resume").arg(&first).run();
        ran.code(1)
            .stderr_has(&format!("the later run {later}"))
            .stderr_has("its `row_key` is \"name\", and that of this run is \"number\"");
        assert_eq!(subjects(&api), ["Invoice 1001", "Invoice 1001"]);
        let codes = column_of(&home.results(&first), "code");
        assert_eq!(codes, ["200", "", ""]);
        // The later run can be resumed.
        home.command("resume").arg(&later).run().code(0);
        assert_eq!(subjects(&api).len(), 3);
    });
}
