//! Groups in a ledger of either kind.

use super::{MACHINES, column_of, grouped, subjects};
use crate::home::both;
use crate::support::fake_api::FakeApi;
use crate::support::results::Results;
use crate::support::send::campaign;

#[test]
fn groups_are_the_same_in_a_database() {
    both(|home| {
        let api = FakeApi::taking_all();
        let campaign = grouped(campaign(&api))
            .set("pace.concurrency", 1)
            .recipients(format!(
                "{MACHINES}cleo@one.example,Cleo,x\ncleo@one.example,Cleo,saw,1 May\n"
            ));
        let send = |options: &[&str]| {
            let ran = home.command("send").arg(campaign.path()).arg("--yes");
            let ran = ran.args(options).run();
            ran.stdout.lines().next().unwrap_or_default().to_owned()
        };
        let run = send(&["--limit", "1"]);
        home.command("resume").arg(&run).run().code(3);
        assert_eq!(subjects(&api), ["1 for Bob", "3 for Ann"]);
        let results = home.results(&run);
        let of = |name: &str| column_of(&results, name);
        let statuses = [
            "accepted", "accepted", "accepted", "accepted", "invalid", "invalid",
        ];
        assert_eq!(of("status"), statuses);
        assert_eq!(
            of("machine"),
            ["drill-01", "drill-02", "saw-07", "lathe-03", "x", "saw"]
        );
        assert_eq!(of("message_id")[0], of("message_id")[3]);
        let status = home.status(&run);
        assert_eq!(
            (
                status["rows"].as_u64(),
                status["counts"]["accepted"].as_u64()
            ),
            (Some(6), Some(2))
        );
        let second = send(&["--except-sent"]);
        let codes = column_of(&home.results(&second), "code");
        let sent = "already-sent";
        assert_eq!(
            codes,
            [sent, sent, sent, sent, "field-count", "field-count"]
        );
        home.command("forget")
            .arg("ann@one.example")
            .arg(campaign.path())
            .run()
            .code(0);
        let machines = column_of(&home.results(&run), "machine");
        assert_eq!(machines, ["", "", "saw-07", "", "x", "saw"]);
        send(&["--except-sent"]);
        assert_eq!(subjects(&api).len(), 2);
        // To the other kind of ledger and back.
        if home.0.is_some() {
            let folder = tempfile::TempDir::new().expect("a folder");
            let copy = folder.path().join("copy");
            let ran = home.command("ledger").arg("copy").arg(&run);
            ran.arg("--to")
                .arg(&copy)
                .run()
                .code(0)
                .stderr_has("6 rows");
            let machines = column_of(&Results::now(&copy), "machine");
            assert_eq!(machines, ["", "", "saw-07", "", "x", "saw"]);
            home.command("ledger")
                .arg("copy")
                .arg(&copy)
                .run()
                .code(0)
                .stderr_has("6 rows");
            assert_eq!(home.results(&run).rows.len(), 6);
        }
    });
}

#[test]
fn large_groups_in_a_database_are_read_in_pages() {
    both(|home| {
        let api = FakeApi::taking_all();
        let mut rows = String::from("email,name,machine,due date\n");
        for n in 0..24_000 {
            rows.push_str(&format!("p{}@one.example,P,m{n},x\n", n % 4));
        }
        let campaign = grouped(campaign(&api))
            .template("newsletter.html", "<p>{{ rows | length }}</p>")
            .recipients(rows);
        let ran = home.command("send").arg(campaign.path()).arg("--yes");
        let ran = ran.args(["--limit", "3"]).run();
        ran.code(5);
        assert_eq!(subjects(&api), ["6000 for P"; 3]);
        let run = ran.stdout.lines().next().unwrap_or_default();
        home.command("resume").arg(run).run().code(0);
        assert_eq!(subjects(&api), ["6000 for P"; 4]);
        assert_eq!(home.results(run).count("accepted"), 24_000);
    });
}
