//! Runs and lists in PostgreSQL.

use serde_json::json;

use super::links::token_of;
use super::server::{SECRET, Server, entries, proof};
use super::{with_key, with_link};
use crate::postgres;
use crate::support::fake_api::FakeApi;
use crate::support::postgres::{Cluster, USER};
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{campaign, send};

#[test]
fn clicks_undos_and_webhooks_reach_runs_and_lists_in_a_ledger() {
    if !postgres::is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let url = cluster.url_of(USER, &cluster.database());
    postgres::init(&url).run().code(0);
    let api = FakeApi::taking_all();
    let campaign = with_link(campaign(&api).set("ledger.url", url.as_str()))
        .set("api.dialect", "new_sendmail")
        .set("pace.concurrency", 1);
    let name = with_key(send(&campaign)).run().code(0).stdout.clone();
    let name = name.lines().next().expect("the name of the run");
    let requests = api.requests();
    let token = token_of(&requests[0]);
    let deliveries = || {
        let ran = Run::new("results").args([name, "--ledger", &url, "--out", "-"]);
        let results = Results::parse(&ran.run().code(0).stdout);
        let all = results.rows.iter();
        all.map(|row| row["delivery"].clone()).collect::<Vec<_>>()
    };
    let server = Server::with(&[&campaign], |run| {
        run.env("MAILRUN_WEBHOOK_SECRET", SECRET)
    });
    let click = proof(&server.click(&token).code(200));
    server.wait_until_applied(&campaign);
    assert_eq!(entries(&campaign), ["ann@one.example unsubscribe"]);
    assert_eq!(deliveries(), ["unsubscribed", "", ""]);
    let to = |request: usize| {
        let request = &requests[request];
        json!({"email": request.addresses()[0], "messageId": request.message_id(0)})
    };
    let events = json!([
        {"to": to(0), "status": "open", "statusTime": 1_796_000_000},
        {"to": to(1), "status": "hardbounce", "statusTime": 1_796_000_000},
    ]);
    server.webhook("r1", &events).code(200);
    server.undo(&token, &click).code(200);
    server.wait_until_applied(&campaign);
    assert_eq!(entries(&campaign), ["bob@two.example hard-bounce"]);
    assert_eq!(deliveries(), ["opened", "hard-bounce", ""]);
    server.stop().code(0);
}
