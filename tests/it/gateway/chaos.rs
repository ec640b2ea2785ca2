//! Campaigns sent to a gateway that injects faults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::support::campaign::Campaign;
use crate::support::gateway::{Gateway, form};
use crate::support::results::Results;
use crate::support::run::{Ran, Run};

/// A campaign with one request for each address and short timeouts.
fn campaign(gateway: &Gateway, addresses: &[&str]) -> Campaign {
    let rows: String = addresses.iter().map(|to| format!("{to},Ann\n")).collect();
    Campaign::new()
        .recipients(format!("email,first_name\n{rows}"))
        .api(&gateway.api())
        .set("api.dialect", "new_sendmail")
        .set("api.timeout", "1s")
        .set("pace.batch", 1)
        .set("pace.concurrency", 4)
        .set("retry.attempts", 3)
}

/// The result of a sent campaign.
struct SentCampaign {
    ran: Ran,
    run: PathBuf,
    /// The status of each row, by the address before its `@`.
    statuses: BTreeMap<String, String>,
    results: Results,
    /// The recipient and the message ID of each stored message.
    stored: BTreeMap<String, String>,
}

/// Sends the campaign, stops the gateway, and collects the results of both.
fn send(gateway: &mut Gateway, campaign: &Campaign) -> SentCampaign {
    let ran = Run::send(campaign.path()).run();
    let run = ran.run_dir();
    gateway.stop().code(0);
    let stored = gateway.stored_messages();
    let count = stored.len();
    let stored: BTreeMap<_, _> = stored.into_iter().collect();
    assert_eq!(stored.len(), count, "a message is stored twice");
    let results = Results::of(&run);
    let statuses = results.rows.iter().map(|row| {
        let (local, _) = row["email"].split_once('@').expect("an address");
        (local.to_owned(), row["status"].clone())
    });
    SentCampaign {
        statuses: statuses.collect(),
        stored,
        ran,
        run,
        results,
    }
}

impl SentCampaign {
    fn assert(&self, local: &str, status: &str) {
        assert_eq!(
            self.statuses[local],
            status,
            "{local}: {:?}",
            self.row(local)
        );
    }

    fn row(&self, local: &str) -> &BTreeMap<String, String> {
        let mut rows = self.results.rows.iter();
        let row = rows.find(|row| row["email"].starts_with(&format!("{local}@")));
        row.unwrap_or_else(|| panic!("no row of {local}"))
    }

    fn is_stored(&self, local: &str) -> bool {
        self.stored.contains_key(&self.row(local)["email"])
    }
}

#[test]
fn recipient_names_script_their_outcome() {
    let mut gateway = Gateway::with("", &["--chaos", "magic"]);
    let names = [
        "ann@one.example",
        "tempfail@one.example",
        "ratelimit@one.example",
        "timeout@one.example",
        "reject@one.example",
        "reject-request@one.example",
        "reject-too-large@one.example",
        "reset@one.example",
        "hang@one.example",
        "taken-no-answer@one.example",
        "slow@one.example",
        "softbounce@one.example",
        "hardbounce@one.example",
        "spam@one.example",
        "complaint@one.example",
        "hang+more@one.example",
        "hangar@one.example",
    ];
    let campaign = campaign(&gateway, &names).set("api.timeout", "6s");
    let sent = send(&mut gateway, &campaign);
    for (local, status, stored) in [
        ("ann", "accepted", true),
        // Refused once, then accepted.
        ("tempfail", "accepted", true),
        ("ratelimit", "accepted", true),
        ("timeout", "failed", false),
        ("reject", "rejected", false),
        ("reject-request", "rejected", false),
        ("reject-too-large", "rejected", false),
        ("reset", "unknown", false),
        ("hang", "unknown", false),
        ("hang+more", "unknown", false),
        ("taken-no-answer", "unknown", true),
        ("slow", "accepted", true),
        ("softbounce", "accepted", true),
        ("hardbounce", "accepted", true),
        ("spam", "accepted", true),
        ("complaint", "accepted", true),
        ("hangar", "accepted", true),
    ] {
        sent.assert(local, status);
        assert_eq!(sent.is_stored(local), stored, "{local}");
    }
    sent.ran.code(4);
    assert!(sent.row("reject")["error"].contains("because its name says so"));
    assert!(sent.row("reject-too-large")["error"].contains("Email size exceeds"));
    assert_eq!(sent.row("timeout")["attempts"], "3");
    let events = events(&gateway);
    for (local, expected) in [
        ("ann", &["injected", "ok"][..]),
        ("softbounce", &["injected", "softbounce"]),
        ("hardbounce", &["injected", "hardbounce"]),
        ("spam", &["injected", "spambounce"]),
    ] {
        assert_eq!(events[&format!("{local}@one.example")], expected, "{local}");
    }
}

/// The events of every message in the store, by its recipient.
fn events(gateway: &Gateway) -> BTreeMap<String, Vec<String>> {
    let store = gateway.store();
    let mut select = store
        .prepare(
            "SELECT m.to_address, e.kind FROM event e JOIN message m ON m.id = e.message ORDER BY e.id",
        )
        .expect("tables");
    let rows = select
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
        .expect("events");
    let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let (address, kind) = row.expect("an event");
        events.entry(address).or_default().push(kind);
    }
    events
}

#[test]
fn a_lost_response_is_reconciled() {
    let mut gateway = Gateway::with("", &["--chaos", "magic"]);
    let campaign = campaign(
        &gateway,
        &["ann@one.example", "taken-no-answer@one.example"],
    );
    let run = Run::send(campaign.path()).run().code(4).run_dir();
    Run::on("resolve", &run)
        .args(["--how", "reconcile"])
        .run()
        .code(0);
    gateway.stop().code(0);
    assert_eq!(Results::of(&run).count("accepted"), 2);
}

#[test]
fn names_of_faults_have_no_effect_without_chaos() {
    let mut gateway = Gateway::start();
    let names = [
        "hang@one.example",
        "reset@one.example",
        "reject@one.example",
        "tempfail@one.example",
    ];
    let campaign = campaign(&gateway, &names);
    let sent = send(&mut gateway, &campaign);
    sent.ran.code(0);
    assert_eq!(sent.stored.len(), 4);
    assert!(
        events(&gateway)
            .values()
            .all(|events| events == &["injected", "ok"])
    );
    let local = Run::send(campaign.path())
        .args(["--local", "--again"])
        .run();
    local.code(0);
    assert_eq!(Results::of(local.run_dir()).count("accepted"), 4);
}

#[test]
fn a_scripted_fault_affects_the_request_and_a_rejection_one_recipient() {
    let mut gateway = Gateway::with("", &["--chaos", "magic"]);
    let spoilt = gateway.post(&["ann@one.example", "reject-too-large@one.example"]);
    assert_eq!(spoilt.status, 413);
    let refused = gateway.post(&["ann@one.example", "reject@one.example"]);
    assert_eq!(refused.status, 200);
    let values = refused.values();
    assert_eq!(
        values[1],
        "The address is rejected because its name says so."
    );
    gateway.stop().code(0);
    assert_eq!(gateway.message_ids(), values[..1]);
}

#[test]
fn every_random_fault_gives_the_documented_status() {
    for (spec, status, stored) in [
        ("500=100%", "rejected", false),
        ("502=100%", "unknown", false),
        ("408=100%", "failed", false),
        ("reset=100%", "unknown", false),
        ("hang=100%", "unknown", false),
        ("drop=100%", "unknown", true),
        ("slow=100ms", "accepted", true),
    ] {
        let mut gateway = Gateway::with("", &["--chaos", spec]);
        let campaign = campaign(&gateway, &["ann@one.example", "bob@one.example"]);
        let sent = send(&mut gateway, &campaign);
        for local in ["ann", "bob"] {
            sent.assert(local, status);
            assert_eq!(sent.is_stored(local), stored, "{spec}: {local}");
        }
    }
}

#[test]
fn a_run_with_all_faults_accounts_for_every_row() {
    let spec = "429=2%,503=2%,500=10%,502=5%,reset=5%,drop=10%,hang=1%,slow=1ms,seed=7";
    let mut gateway = Gateway::with("", &["--chaos", spec]);
    let campaign = campaign(&gateway, &[]).rows(120);
    let sent = send(&mut gateway, &campaign);
    sent.ran.code(4);
    let counts = sent.results.counts();
    assert_eq!(counts.values().sum::<usize>(), 120);
    for status in ["accepted", "rejected", "unknown"] {
        assert!(counts[status] > 0, "{counts:?}");
    }
    for row in &sent.results.rows {
        let stored = sent.stored.get(&row["email"]);
        match &*row["status"] {
            "accepted" => assert_eq!(stored, Some(&row["message_id"]), "{row:?}"),
            "unknown" => {}
            _ => assert_eq!(stored, None, "{row:?}"),
        }
    }
    assert!(sent.run.is_dir());
}

#[test]
fn a_seed_repeats_the_faults() {
    let answers = |seed: &str| {
        let spec = format!("429=20%,500=20%,drop=20%,seed={seed}");
        let gateway = Gateway::with("", &["--chaos", &spec]);
        let answers: Vec<_> = (0..40)
            .map(|n| {
                let mut wire = gateway.connect();
                let body = form(&[&format!("r{n}@one.example")]);
                wire.send(&gateway.request("POST /api/sendmail", &[], &body));
                wire.try_reply().map(|reply| reply.status)
            })
            .collect();
        answers
    };
    let first = answers("1");
    for wanted in [Some(200), Some(429), Some(500), None] {
        assert!(first.contains(&wanted), "{first:?}");
    }
    assert_eq!(first, answers("1"));
    assert_ne!(first, answers("2"));
}

#[test]
fn a_reset_resets_the_connection_and_pages_have_no_faults() {
    let gateway = Gateway::with("", &["--chaos", "reset=100%"]);
    let mut wire = gateway.connect();
    wire.send(&gateway.request("POST /api/sendmail", &[], &form(&["a@example.com"])));
    assert!(wire.ends_by_reset());
    assert_eq!(gateway.ask("GET /healthz", &[], "").status, 200);
    let metrics = gateway.ask("GET /metrics", &[], "").body;
    assert!(
        metrics.contains("\nmailrun_gateway_faults_total 1\n"),
        "{metrics}"
    );
    let dropping = Gateway::with("", &["--chaos", "drop=100%"]);
    let mut wire = dropping.connect();
    wire.send(&dropping.request("POST /api/sendmail", &[], &form(&["a@example.com"])));
    assert!(!wire.ends_by_reset());
}

#[test]
fn a_hanging_request_does_not_delay_the_shutdown() {
    let mut gateway = Gateway::with("", &["--chaos", "hang=100%"]);
    let mut wire = gateway.connect();
    wire.send(&gateway.request("POST /api/sendmail", &[], &form(&["a@example.com"])));
    gateway.running().wait_until("a request that hangs", |_| {
        let metrics = gateway.ask("GET /metrics", &[], "").body;
        metrics.contains("\nmailrun_gateway_faults_total 1\n")
    });
    let ran = gateway.stop();
    ran.code(0).stderr_lacks("cut");
    assert_eq!(wire.end(), b"");
}

#[test]
fn chaos_is_refused_with_accounts_that_relay() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("gateway.toml");
    let account = "[accounts.\"1.acme.smtp\"]\nrelay = \"smtp://127.0.0.1:1\"\n";
    std::fs::write(&config, account).expect("a file");
    let ran = Run::new("gateway").args(["--chaos", "magic", "--config"]);
    let ran = ran.arg(config).run();
    ran.code(1)
        .stderr_has("accounts")
        .stderr_has("rehearsals")
        .stdout_is("");
}

#[test]
fn an_invalid_spec_says_what_to_write() {
    for (spec, words) in [
        ("rest=1%", "did you mean “reset”?"),
        ("429=5", "Write “429=5%”"),
        ("200=5%", "400 to 599"),
        ("429=60%,500=60%", "at most 100%"),
    ] {
        let ran = Run::new("gateway").args(["--chaos", spec]).run();
        ran.code(2).stderr_has(words).stdout_is("");
    }
}
