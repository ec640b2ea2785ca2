//! `mailrun forget` and `mailrun prune`: nothing of a person is left, and whoever got the message still does not get it again.

use std::collections::BTreeMap;

use crate::forget_files::nothing_of;
use crate::home::{Home, both};
use crate::postgres;
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply, Verdict};
use crate::support::postgres::{Cluster, USER};
use crate::support::results::Results;
use crate::support::run::{Ran, Run};
use crate::support::send::{campaign, hangs_in_the_middle, send};
use crate::support::vendor::Vendor;

pub(crate) const ANN: &str = "ann@one.example";
pub(crate) const BOB: &str = "bob@one.example";
/// What the rows say about Ann.
pub(crate) const SECRETS: [&str; 4] = [ANN, "Ann@One.example", "Anneliese", "Zlatopolsky"];
const LIST: &str = "email,first_name,last_name\n\
    bob@one.example,Bob,Bloggs\n\
    Ann@One.example,Anneliese,Zlatopolsky\n\
    carl@one.example,Carl,Cook\n";

impl Home {
    /// `mailrun send CAMPAIGN --yes OPTIONS`. Returns what commands call the run.
    fn send(&self, campaign: &Campaign, options: &[&str]) -> String {
        let ran = self.command("send").arg(campaign.path()).arg("--yes");
        let ran = ran.args(options).run();
        let name = ran.stdout.lines().next().unwrap_or_default().to_owned();
        assert!(!name.is_empty(), "{}", ran.stderr);
        name
    }

    fn forget(&self, address: &str, place: impl AsRef<std::ffi::OsStr>) -> Ran {
        self.command("forget").arg(address).arg(place).run()
    }

    /// Prunes everything.
    fn prune(&self, campaign: &Campaign) -> Ran {
        let prune = self.command("prune").arg(campaign.path());
        prune.args(["--older-than", "1ms", "--yes"]).run()
    }
}

pub(crate) fn of_three(api: &FakeApi) -> Campaign {
    campaign(api).recipients(LIST)
}

/// The columns that stay, of each row.
pub(crate) fn kept(results: &Results) -> Vec<BTreeMap<&str, &str>> {
    let kept = [
        "row",
        "status",
        "message_id",
        "attempts",
        "finished_at",
        "delivery",
    ];
    let rows = results.rows.iter();
    rows.map(|row| kept.iter().map(|name| (*name, &*row[*name])).collect())
        .collect()
}

/// An API that rejects Ann with a text that names her.
pub(crate) fn rejects_ann() -> FakeApi {
    FakeApi::start(|_, _| {
        Reply::PerRecipient(Box::new(|address| match address.to_lowercase() == ANN {
            true => Verdict::Refuse("<ann@one.example>: no Zlatopolsky here".to_owned()),
            false => Verdict::Take,
        }))
    })
}

#[test]
fn a_forgotten_person_is_gone_and_still_left_out() {
    both(|home| {
        let api = FakeApi::taking_all();
        let campaign = of_three(&api);
        let run = home.send(&campaign, &[]);
        let before = home.results(&run);
        let status = home.status(&run);
        home.forget("ANN@one.example", campaign.path())
            .code(0)
            .stdout_is(&format!("{run}  1 row\n"))
            .stderr_has("recipients.csv:3 still has the address");
        let after = home.results(&run);
        assert_eq!(kept(&after), kept(&before));
        let forgotten = &after.rows[1];
        assert_eq!(forgotten["email"], "(forgotten)");
        assert_eq!(
            (&*forgotten["input.email"], &*forgotten["last_name"]),
            ("", "")
        );
        assert_eq!(after.rows[0], before.rows[0]);
        assert_eq!(home.status(&run)["counts"], status["counts"]);

        let next = home.send(&campaign, &["--except-sent"]);
        assert_eq!(api.taken().len(), 3, "nobody got a second message");
        let results = home.results(&next);
        assert_eq!(results.row("Ann@One.example")["code"], "already-sent");
        // Again, with the new run.
        home.forget(ANN, campaign.path())
            .code(0)
            .stdout_has(&format!("{run}  was forgotten already\n"))
            .stdout_has(&format!("{next}  1 row\n"));
        let third = home.send(&campaign, &["--except-sent"]);
        assert_eq!(api.taken().len(), 3);
        assert_eq!(home.results(&third).count("skipped"), 3);
        home.forget("ann@one.exampl", campaign.path())
            .code(1)
            .stdout_is("")
            .stderr_has("is in none of 3 runs");
    });
}

#[test]
fn a_pruned_run_has_nobody_and_everybody_is_still_left_out() {
    both(|home| {
        let api = rejects_ann();
        let campaign = of_three(&api);
        let run = home.send(&campaign, &[]);
        let before = home.results(&run);
        assert_eq!(before.row("Ann@One.example")["status"], "rejected");
        let prune = || home.command("prune").arg(campaign.path());
        prune()
            .args(["--older-than", "1d", "--yes"])
            .run()
            .code(0)
            .stdout_is("")
            .stderr_has("nothing to prune");
        let dry = prune().args(["--older-than", "1ms", "--dry-run"]).run();
        dry.code(0)
            .stdout_is(&format!("{run}  3 rows\n"))
            .stderr_has("Nothing was changed");
        let asks = prune().args(["--older-than", "1ms"]).run();
        asks.code(1).stderr_has("--yes").stderr_has("--dry-run");
        assert_eq!(home.results(&run).rows, before.rows);

        home.prune(&campaign)
            .code(0)
            .stdout_is(&format!("{run}  3 rows\n"));
        let after = home.results(&run);
        assert_eq!(kept(&after), kept(&before));
        for row in &after.rows {
            assert_eq!(
                (&*row["email"], &*row["first_name"], &*row["error"]),
                ("(forgotten)", "", "")
            );
        }
        home.prune(&campaign).code(0).stderr_has("nothing to prune");
        // A person is found by the hash.
        home.forget(BOB, &run).code(0).stdout_has("already");

        let sent = api.taken().len();
        home.send(&campaign, &["--except-sent"]);
        let requests = api.requests();
        let to: Vec<_> = requests.iter().skip(3).map(|it| it.addresses()).collect();
        assert_eq!(to, [["Ann@One.example"]], "only she has not got it");
        assert_eq!(api.taken().len(), sent);
        // Nobody can be sent anything again in a pruned run.
        let retried = home.command("retry").arg(&run).arg("--rejected").run();
        assert_ne!(retried.exit(), Some(0));
        assert_eq!(api.requests().len(), 4);
    });
}

#[test]
fn nothing_that_waits_is_sent_to_a_forgotten_person() {
    both(|home| {
        let api = FakeApi::taking_all();
        let campaign = of_three(&api);
        let run = home.send(&campaign, &["--limit", "1"]);
        home.forget(ANN, &run).code(0);
        let results = home.results(&run);
        assert_eq!(results.rows[1]["status"], "skipped");
        assert_eq!(results.rows[1]["code"], "forgotten");
        assert_eq!(home.status(&run)["counts"]["skipped"], 1);
        home.command("resume").arg(&run).run().code(0);
        let to: Vec<_> = api.taken().into_iter().map(|it| it.address).collect();
        assert_eq!(to, [BOB, "carl@one.example"]);
    });
}

#[test]
fn failed_and_rejected_rows_are_not_tried_again() {
    both(|home| {
        let api = FakeApi::start(|_, request| match request.addresses()[0].to_lowercase() {
            address if address == ANN => Reply::error(408, "too slow").into(),
            _ => Reply::PerRecipient(Box::new(|address| match address == BOB {
                true => Verdict::Refuse(format!("{BOB} is not {ANN}.")),
                false => Verdict::Take,
            })),
        });
        let campaign = of_three(&api).set("retry.attempts", 1);
        let run = home.send(&campaign, &[]);
        let before = home.results(&run);
        assert_eq!(before.rows[1]["status"], "failed");
        assert!(before.rows[0]["error"].contains(ANN), "{before:?}");
        home.forget(ANN, &run)
            .code(0)
            .stdout_has("1 row, 1 error text");
        let results = home.results(&run);
        assert_eq!(
            (&*results.rows[1]["status"], &*results.rows[1]["code"]),
            ("skipped", "forgotten")
        );
        assert_eq!(
            results.rows[0]["error"],
            before.rows[0]["error"].replace(ANN, "(forgotten)")
        );
        home.forget(BOB, &run).code(0);
        assert_eq!(home.results(&run).rows[0]["status"], "rejected");
        let requests = api.requests().len();
        home.command("retry").arg(&run).arg("--rejected").run();
        assert_eq!(api.requests().len(), requests);
    });
}

#[test]
fn an_unknown_row_stays_unknown_and_is_not_sent_again() {
    both(|home| {
        let api = FakeApi::start(
            |_, request| match request.addresses()[0].to_lowercase() == ANN {
                true => Reply::CloseAfterReading { take: true },
                false => Reply::Take,
            },
        );
        let campaign = of_three(&api).set("api.dialect", "new_sendmail");
        let run = home.send(&campaign, &[]);
        home.prune(&campaign)
            .code(0)
            .stdout_is("")
            .stderr_has("1 unknown row")
            .stderr_has("nothing to prune");
        home.forget(ANN, &run).code(0);
        let row = &home.results(&run).rows[1];
        assert_eq!(
            (&*row["status"], &*row["email"]),
            ("unknown", "(forgotten)")
        );
        for how in ["resend", "reconcile"] {
            home.command("resolve")
                .arg(&run)
                .args(["--how", how, "--yes"])
                .run();
            home.command("resume").arg(&run).run().code(4);
        }
        assert_eq!(api.taken().len(), 3);
        home.send(&campaign, &["--except-sent"]);
        assert_eq!(api.taken().len(), 3, "she may have got it");
        home.command("resolve")
            .arg(&run)
            .args(["--how", "accepted"])
            .run()
            .code(0);
        assert_eq!(home.results(&run).count("accepted"), 3);
    });
}

#[test]
fn an_invalid_row_with_the_address_is_emptied() {
    both(|home| {
        let api = FakeApi::taking_all();
        let list = format!("{LIST}\"{ANN}, x@one.example\",Anneliese,Zlatopolsky\n");
        let campaign = campaign(&api).recipients(list);
        let run = home.send(&campaign, &["--skip-invalid"]);
        assert_eq!(home.results(&run).count("invalid"), 1);
        home.forget(ANN, &run).code(0).stdout_has("2 rows");
        let row = &home.results(&run).rows[3];
        assert_eq!(
            (&*row["status"], &*row["email"], &*row["last_name"]),
            ("invalid", "(forgotten)", "")
        );
        home.forget(ANN, &run).code(0).stdout_has("already");
    });
}

#[test]
fn without_its_key_nobody_is_sent_to_by_mistake() {
    both(|home| {
        let api = FakeApi::taking_all();
        let campaign = of_three(&api);
        let run = home.send(&campaign, &[]);
        home.forget(ANN, &run).code(0);
        let key = campaign.path().join("runs/forget.key");
        let again = || {
            let send = home.command("send").arg(campaign.path());
            send.args(["--yes", "--except-sent"]).run()
        };
        match &home.0 {
            None => {
                let mode = std::os::unix::fs::PermissionsExt::mode(
                    &std::fs::metadata(&key).expect("a key").permissions(),
                );
                assert_eq!(mode & 0o777, 0o600);
                let kept = std::fs::read(&key).expect("a key");
                std::fs::remove_file(&key).expect("it is there");
                again().code(1).stderr_has("forget.key");
                // Another key does not help.
                let other: String = "7".repeat(64);
                std::fs::write(&key, other).expect("a file");
                again().code(1).stderr_has("key of their hashes is missing");
                std::fs::write(&key, "no key").expect("a file");
                again().code(1).stderr_has("it is damaged");
                std::fs::write(&key, kept).expect("a file");
            }
            Some(url) => {
                assert!(!key.exists());
                let (_, database) = url.rsplit_once('/').expect("a database");
                let cluster = Cluster::shared();
                let sql = "ALTER TABLE mailrun.forget_key RENAME TO kept;
                     CREATE TABLE mailrun.forget_key (LIKE mailrun.kept)";
                cluster.psql_in(database, sql);
                again().code(1).stderr_has("key of their hashes is missing");
                let sql = "INSERT INTO mailrun.forget_key SELECT * FROM mailrun.kept";
                cluster.psql_in(database, sql);
            }
        }
        assert_eq!(api.taken().len(), 3);
        again().code(0);
        assert_eq!(api.taken().len(), 3);
    });
}

#[test]
fn a_run_that_is_being_sent_is_refused() {
    both(|home| {
        let api = hangs_in_the_middle();
        let campaign = campaign(&api).rows(30).set("pace.concurrency", 4);
        let send = home.command("send").arg(campaign.path()).arg("--yes");
        let running = send.spawn();
        running.wait_until("fourteen messages taken", |_| api.taken().len() == 14);
        let run = running.first_line();
        let address = api.taken()[0].address.clone();
        home.forget(&address, campaign.path())
            .code(1)
            .stdout_is("")
            .stderr_has(if home.0.is_some() {
                "is sending the run"
            } else {
                "in use"
            });
        home.prune(&campaign)
            .code(0)
            .stdout_is("")
            .stderr_has("a process works on it");
        assert_eq!(home.results(&run).row(&address)["status"], "accepted");
        running.kill();
    });
}

#[test]
fn the_recipient_of_a_test_can_be_forgotten() {
    both(|home| {
        let api = FakeApi::taking_all();
        let campaign = of_three(&api);
        let tester = "tester@acme.example";
        let run = home.send(&campaign, &["--test-to", tester, "--limit", "1"]);
        home.forget(tester, &run)
            .code(0)
            .stdout_has("recipient of the test");
        home.forget(tester, &run).code(0).stdout_has("already");
        let sent = api.taken().len();
        home.command("resume").arg(&run).run();
        home.command("follow")
            .arg(&run)
            .run()
            .code(1)
            .stderr_has("was forgotten");
        assert_eq!(api.taken().len(), sent);
    });
}

#[test]
fn events_lose_their_words_and_no_new_ones_come() {
    both(|home| {
        let vendor = Vendor::start();
        let campaign = of_three(&vendor.api).set("api.dialect", "new_sendmail");
        let run = home.send(&campaign, &[]);
        vendor.event("Ann@One.example", "hardbounce", "01:00:00");
        vendor.event(BOB, "ok", "01:00:00");
        let out = campaign.path().join("events.out");
        let follow = || {
            let follow = home
                .command("follow")
                .arg(&run)
                .args(["--for", "1ms", "--rate", "500/s"]);
            let ran = follow.arg("--out").arg(&out).run();
            (ran.exit(), std::fs::read_to_string(&out).expect("events"))
        };
        let (_, before) = follow();
        assert!(before.contains("Ann@One.example"), "{before}");
        home.forget(ANN, &run).code(0).stdout_has("1 row, 1 event");
        vendor.event("Ann@One.example", "feedback", "05:00:00");
        let (exit, after) = follow();
        assert_eq!(
            exit,
            Some(4),
            "it is not known what became of Carl's message: {after}"
        );
        std::fs::remove_file(&out).expect("it is there");
        follow();
        let after = std::fs::read_to_string(&out).expect("events");
        assert!(!after.to_lowercase().contains(ANN), "{after}");
        assert!(
            after.contains("2,(forgotten),") && after.contains(",hard-bounce,"),
            "{after}"
        );
        assert!(!after.contains("complaint"), "{after}");
        assert_eq!(home.results(&run).rows[1]["delivery"], "hard-bounce");
        let select = home
            .command("results")
            .arg(&run)
            .args(["--delivery", "bounced"])
            .run();
        assert_eq!(
            select.code(0).stdout.lines().count(),
            1,
            "nobody to write to"
        );
        vendor.event("carl@one.example", "ok", "06:00:00");
        assert_eq!(follow().0, Some(0));
    });
}

#[test]
fn a_suppression_file_stays_as_it_is() {
    let api = FakeApi::taking_all();
    let suppressed = format!("email\n{ANN}\n");
    let campaign = of_three(&api)
        .file("suppressed.csv", &suppressed)
        .set("recipients.suppress", vec!["suppressed.csv"]);
    send(&campaign).run().code(0);
    Run::new("forget")
        .arg(ANN)
        .cwd(campaign.path())
        .run()
        .code(0)
        .stdout_has("1 row")
        .stderr_has("suppressed.csv was left as it is");
    let run = send(&campaign).arg("--again").run().code(0).run_dir();
    assert_eq!(
        Results::of(run).row("Ann@One.example")["code"],
        "suppressed"
    );
    assert!(api.taken().iter().all(|it| it.address != "Ann@One.example"));
}

#[test]
fn a_list_keeps_a_hash_and_the_person_stays_suppressed() {
    both(|home| {
        let api = FakeApi::taking_all();
        let campaign = of_three(&api)
            .set("recipients.suppress", vec!["@acme"])
            .set("feedback.list", "@acme");
        let campaign = match &home.0 {
            Some(url) => campaign.set("ledger.url", url.as_str()),
            None => campaign,
        };
        let suppress = |arguments: &[&str]| {
            let suppress = home.command("suppress").args(arguments);
            suppress.arg("--campaign").arg(campaign.path()).run()
        };
        suppress(&["add", "@acme", "Ann@One.example"]).code(0);
        let listed = |ran: &Ran| ran.stdout.to_lowercase().contains(ANN);
        assert!(listed(&suppress(&["export", "@acme"])));
        home.forget(ANN, campaign.path())
            .code(0)
            .stdout_is("")
            .stderr_has("list @acme has only a hash");
        home.forget(ANN, campaign.path()).code(0);
        assert!(!listed(&suppress(&["export", "@acme"])));
        let lists = campaign.path().join("lists");
        assert_eq!(lists.is_dir(), home.0.is_none());
        if lists.is_dir() {
            nothing_of(&[ANN], &lists);
        }
        let run = home.send(&campaign, &[]);
        assert_eq!(
            home.results(&run).row("Ann@One.example")["code"],
            "suppressed"
        );
        assert_eq!(api.taken().len(), 2);
    });
}

#[test]
fn without_a_campaign_here_it_asks_for_one() {
    Run::new("forget")
        .arg(ANN)
        .run()
        .code(2)
        .stderr_has("no campaign in the current folder");
    Run::new("forget").arg("ann").run().code(2);
}

#[test]
fn a_copy_between_a_ledger_and_a_folder_knows_whom_it_forgot() {
    if !postgres::is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let url = cluster.url_of(USER, &cluster.database());
    postgres::init(&url).run().code(0);
    let home = Home(Some(url));
    let api = FakeApi::taking_all();
    let campaign = of_three(&api);
    let folder = send(&campaign).run().code(0).run_dir();
    Run::new("forget").arg(ANN).arg(&folder).run().code(0);
    home.command("ledger")
        .arg("copy")
        .arg(&folder)
        .run()
        .code(0);
    std::fs::remove_dir_all(campaign.path().join("runs")).expect("it is there");
    home.send(&campaign, &["--except-sent"]);
    assert_eq!(api.taken().len(), 3, "the database knows the key");
    let name = folder
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    home.forget(BOB, &name).code(0);
    let to = campaign.path().join("runs").join(&name);
    home.command("ledger")
        .arg("copy")
        .arg(&name)
        .arg("--to")
        .arg(&to)
        .run()
        .code(0);
    nothing_of(&SECRETS, &to);
    send(&campaign).arg("--except-sent").run().code(0);
    assert_eq!(api.taken().len(), 3, "the folder knows the key");
}

#[test]
fn a_person_forgotten_in_a_later_run_is_left_out_by_resume() {
    both(|home| {
        let api = FakeApi::taking_all();
        let campaign = of_three(&api);
        let first = home.send(&campaign, &["--limit", "1"]);
        let second = home.send(&campaign, &["--except-sent"]);
        assert_eq!(api.taken().len(), 3);
        home.forget(ANN, &second).code(0);
        home.command("resume").arg(&first).run().code(0);
        assert_eq!(api.taken().len(), 3);
        assert_eq!(
            home.results(&first).row("Ann@One.example")["code"],
            "already-sent"
        );
    });
}
