//! Several workers send the sample of an A/B test, and then the variant that is chosen.

use std::collections::BTreeMap;

use super::{Gate, Ledger, gated, is_available, until};
use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::run::{Run, Running};

fn with_variants(campaign: Campaign) -> Campaign {
    let variant = |name: &str| {
        let keys = [("name", name), ("subject", name)];
        let keys = keys.map(|(key, value)| (key.to_owned(), value.into()));
        let mut table = toml::Table::from_iter(keys);
        table.insert("share".to_owned(), 1.into());
        toml::Value::from(table)
    };
    campaign.set("variants", vec![variant("A"), variant("B")])
}

fn send_sample(ledger: &Ledger<'_>, campaign: &Campaign) -> (Running, String) {
    let command = Run::send(campaign.path()).args(["--variant-sample", "30%"]);
    let running = command.spawn();
    let name = running.first_line();
    ledger.wait_for(&running);
    (running, name)
}

/// The subject that each address got. Nobody got two.
fn subjects(api: &FakeApi) -> BTreeMap<String, String> {
    let mut subjects = BTreeMap::new();
    for request in api.requests() {
        let subject = request.field("subject").expect("a subject");
        let address = request.addresses()[0].to_owned();
        assert_eq!(subjects.insert(address, subject), None);
    }
    subjects
}

#[test]
fn workers_share_the_sample_and_then_the_variant_that_was_chosen() {
    if !is_available() {
        return;
    }
    let (ledger, gate) = (Ledger::new(), Gate::default());
    let api = gated(&gate);
    let campaign = with_variants(ledger.campaign(&api, 600));
    let (first, run) = send_sample(&ledger, &campaign);
    let plain = ledger.command("resume", &run).run();
    plain
        .code(1)
        .stderr_has("held back until a variant is chosen");
    let second = ledger
        .command("resume", &run)
        .arg("--variant-sample")
        .spawn();
    ledger.wait_for(&second);
    let choose = |name: &str| ledger.command("resume", &run).args(["--variant", name]);
    choose("B").run().code(1).stderr_has("is sending the run");
    until("both have sent a request", || api.in_flight() == 2);
    gate.open();
    first
        .wait()
        .code(5)
        .stderr_has("held back until a variant is chosen");
    second.wait().code(5);
    let sample = subjects(&api);
    assert!((120..240).contains(&sample.len()), "{}", sample.len());
    assert!(sample.values().any(|subject| subject == "A"));
    let of_sample = "SELECT count(DISTINCT worker) FROM mailrun.delivery WHERE status = 'accepted'";
    assert_eq!(ledger.sql(of_sample), "2");

    let chosen = choose("B").args(["--limit", "100"]).run();
    chosen
        .code(5)
        .stderr_has("rows that were held back get the variant B");
    choose("A")
        .run()
        .code(1)
        .stderr_has("the variant B was chosen");
    let last = ledger.command("resume", &run).spawn();
    let again = choose("B").spawn();
    last.wait().code(0);
    again.wait().code(0);
    let all = subjects(&api);
    for (address, subject) in &all {
        let expected = sample.get(address).map_or("B", String::as_str);
        assert_eq!(subject, expected, "{address}");
    }
    assert_eq!(ledger.hold(&campaign, &run, &api).count("accepted"), 600);
}

#[test]
fn the_database_refuses_to_claim_what_is_held_back() {
    if !is_available() {
        return;
    }
    let ledger = Ledger::new();
    let api = FakeApi::taking_all();
    let campaign = with_variants(ledger.campaign(&api, 40));
    let (sent, _) = send_sample(&ledger, &campaign);
    sent.wait().code(5);
    ledger.sql(
        "CREATE FUNCTION claim() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
           UPDATE mailrun.delivery SET status = 'sending' WHERE lane < 0;
           RETURN 'claimed';
         EXCEPTION WHEN check_violation THEN RETURN 'refused';
         END $$",
    );
    assert_eq!(ledger.sql("SELECT claim()"), "refused");
    let ranges = "SELECT count(*) FROM mailrun.range WHERE lane < 0";
    assert_eq!(ledger.sql(ranges), "0");
}

#[test]
fn a_copy_has_what_is_held_back_and_the_choice() {
    if !is_available() {
        return;
    }
    let ledger = Ledger::new();
    let api = FakeApi::taking_all();
    let campaign = with_variants(ledger.campaign(&api, 40));
    let (sent, run) = send_sample(&ledger, &campaign);
    sent.wait().code(5);
    let sample = subjects(&api);
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("copy");
    let copy = |arguments: &[&str]| {
        let command = Run::new("ledger").arg("copy").args(arguments);
        command.args(["--ledger", &ledger.url]).run()
    };
    let path = folder.to_str().expect("UTF-8");
    copy(&[&run, "--to", path]).code(0);
    Run::on("resume", &folder)
        .run()
        .code(1)
        .stderr_has("held back");
    let chosen = Run::on("resume", &folder).args(["--variant", "B", "--limit", "3"]);
    chosen.run().code(5);
    copy(&[path]).code(0);
    let other = ledger.command("resume", &run).args(["--variant", "A"]);
    other.run().code(1).stderr_has("the variant B was chosen");
    ledger.command("resume", &run).run().code(0);
    for (address, subject) in subjects(&api) {
        let expected = sample.get(&address).map_or("B", String::as_str);
        assert_eq!(subject, expected, "{address}");
    }
    assert_eq!(api.taken().len(), 40);
}
