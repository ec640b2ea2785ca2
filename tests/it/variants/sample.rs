//! `--variant-sample`, and the choice of a variant for the rows that are held back.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::{column, halves, is_in_sample, subjects, variant_of, variants};
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply, Verdict};
use crate::support::results::Results;
use crate::support::run::{Ran, Run};
use crate::support::send::{hangs_in_the_middle, of_thirty, send, status};

const SHARES: [(&str, i64); 2] = [("A", 50), ("B", 50)];

fn send_sample(campaign: &Campaign, percent: &str) -> Ran {
    send(campaign).args(["--variant-sample", percent]).run()
}

fn choose(run: &Path, name: &str) -> Ran {
    Run::on("resume", run).args(["--variant", name]).run()
}

/// The subject that an address must get when B is chosen after a sample of `percent`.
fn expected(address: &str, percent: u128) -> String {
    let variant = match is_in_sample(address, percent) {
        true => variant_of(address, &SHARES),
        false => "B",
    };
    format!("Subject {variant}")
}

#[test]
fn the_test_is_sent_and_then_the_others_get_the_one_that_is_chosen() {
    let api = FakeApi::taking_all();
    let campaign = halves(&api, 100);
    let sent = send_sample(&campaign, "20%");
    let run = sent.code(5).run_dir();
    let sample = subjects(&api);
    for n in 1..=100 {
        let address = format!("r{n}@{}.example", ["one", "two", "three"][n % 3]);
        let is_sent = sample.contains_key(&address);
        assert_eq!(is_sent, is_in_sample(&address, 20), "{address}");
    }
    for (address, subject) in &sample {
        let own = variant_of(address, &SHARES);
        assert_eq!(*subject, format!("Subject {own}"), "{address}");
    }
    let held_back = 100 - sample.len();
    sent.stderr_has(&format!(
        "{held_back}  pending: {held_back} held back until a variant is chosen"
    ))
    .stderr_has(&format!("mailrun resume {} --variant NAME ", run.display()))
    .stderr_has("held back: A, B")
    .stderr_lacks("sends the pending rows");
    let results = Results::of(&run);
    for row in results.with_status("pending") {
        assert_eq!(row["variant"], "");
        assert_eq!(row["attempts"], "0");
    }
    let json = &status(&run)["variants"];
    assert_eq!(json["held_back"], held_back);
    assert_eq!(json["rows"].as_array().expect("rows").len(), 2);
    let shown = Run::new("status").arg(&run).run();
    shown.stdout_has(&format!(
        "{held_back}  held back until a variant is chosen: {held_back} pending"
    ));

    let chosen = choose(&run, "B");
    chosen.code(0).stderr_has(&format!(
        "{held_back} rows that were held back get the variant B"
    ));
    let all = subjects(&api);
    assert_eq!(all.len(), 100);
    for (address, subject) in &all {
        assert_eq!(*subject, expected(address, 20), "{address}");
    }
    for (address, variant) in column(&Results::of(&run)) {
        assert_eq!(all[&address], format!("Subject {variant}"));
    }
    let json = &status(&run)["variants"];
    assert_eq!(json["chosen"], "B");
    assert_eq!(json["held_back"], 0);
    let by_choice = json["rows"].as_array().expect("rows").last().expect("rows");
    assert_eq!(by_choice["variant"], "B");
    assert_eq!(by_choice["chosen"], true);
    assert_eq!(by_choice["counts"]["accepted"], held_back);
}

#[test]
fn a_plain_resume_refuses_until_a_variant_is_chosen() {
    let api = FakeApi::taking_all();
    let campaign = halves(&api, 40);
    let run = send_sample(&campaign, "10%").code(5).run_dir();
    let taken = api.taken().len();
    let held_back = 40 - taken;
    for _ in 0..2 {
        Run::on("resume", &run)
            .run()
            .code(1)
            .stderr_has(&format!(
                "{held_back} rows are held back until a variant is chosen"
            ))
            .stderr_has("--variant NAME`, with one of these names: A, B");
    }
    // With nothing to do for the sample, the others stay held back.
    Run::on("resume", &run)
        .arg("--variant-sample")
        .run()
        .code(5);
    Run::on("retry", &run).arg("--rejected").run().code(5);
    choose(&run, "C")
        .code(2)
        .stderr_has("its variants are: A, B");
    Run::on("resume", &run)
        .args(["--variant", "A", "--variant-sample"])
        .run()
        .code(2);
    assert_eq!(api.taken().len(), taken);
    assert_eq!(status(&run)["variants"]["held_back"], held_back);
}

#[test]
fn the_choice_is_fixed() {
    let api = FakeApi::taking_all();
    let campaign = halves(&api, 40);
    let run = send_sample(&campaign, "10%").code(5).run_dir();
    let taken = api.taken().len();
    let first = Run::on("resume", &run).args(["--variant", "B", "--limit", "5"]);
    first.run().code(5).stderr_has("# sends the pending rows");
    assert_eq!(api.taken().len(), taken + 5);
    let other = choose(&run, "A");
    other
        .code(1)
        .stderr_has("the variant B was chosen for this run before");
    assert_eq!(api.taken().len(), taken + 5);
    // Neither the name again nor a plain resume changes anything.
    let again = Run::on("resume", &run).args(["--variant", "B", "--limit", "5"]);
    again.run().code(5).stderr_lacks("that were held back");
    Run::on("resume", &run).run().code(0);
    for (address, subject) in subjects(&api) {
        assert_eq!(subject, expected(&address, 10), "{address}");
    }
    assert_eq!(api.taken().len(), 40);
    choose(&run, "B").code(0);
    choose(&run, "A").code(1);
    assert_eq!(api.taken().len(), 40);
}

#[test]
fn there_is_nothing_to_choose_in_a_run_without_a_sample() {
    let api = FakeApi::taking_all();
    let campaign = halves(&api, 6);
    let run = send(&campaign)
        .args(["--limit", "2"])
        .run()
        .code(5)
        .run_dir();
    choose(&run, "B")
        .code(1)
        .stderr_has("no rows of this run are held back");
    Run::on("resume", &run).run().code(0);
    assert_eq!(api.taken().len(), 6);
}

#[test]
fn the_sample_continues_with_its_own_variants() {
    let api = FakeApi::start(|n, request| {
        let first = request.addresses()[0].len() % 2 == 0;
        match first && n < 8 {
            true => Reply::PerRecipient(Box::new(|_| Verdict::Refuse("no such user".to_owned()))),
            false => Reply::Take,
        }
    });
    let campaign = halves(&api, 60).set("pace.concurrency", 1);
    let sent = send(&campaign)
        .args(["--variant-sample", "50%", "--limit", "8"])
        .run();
    let run = sent.code(5).run_dir();
    assert_eq!(
        api.requests().len(),
        8,
        "`--limit` counts no row that is held back"
    );
    sent.stderr_has(&format!(
        "mailrun resume {} --variant-sample   # sends the pending rows of the sample",
        run.display()
    ));
    let retried = Run::on("retry", &run).arg("--rejected").run();
    retried.code(5);
    Run::on("resume", &run)
        .arg("--variant-sample")
        .run()
        .code(5);
    for request in api.requests() {
        let address = request.addresses()[0];
        assert!(is_in_sample(address, 50), "{address}");
        assert_eq!(
            request.field("subject").expect("a subject"),
            expected(address, 50)
        );
    }
    let results = Results::of(&run);
    let sample = results
        .rows
        .iter()
        .filter(|row| is_in_sample(&row["email"], 50));
    assert!(sample.clone().count() > 8);
    assert!(sample.into_iter().all(|row| row["status"] == "accepted"));
    choose(&run, "B").code(0);
    assert_eq!(api.taken().len(), 60);
}

#[test]
fn rows_that_are_held_back_can_still_be_left_out() {
    let api = FakeApi::taking_all();
    let campaign = halves(&api, 40)
        .file("gone.csv", "email\n")
        .set("recipients.suppress", vec!["gone.csv"]);
    let run = send_sample(&campaign, "10%").code(5).run_dir();
    let gone = (1..=40)
        .map(|n| format!("r{n}@{}.example", ["one", "two", "three"][n % 3]))
        .find(|address| !is_in_sample(address, 10))
        .expect("a row that is held back");
    let campaign = campaign.file("gone.csv", format!("email\n{gone}\n"));
    choose(&run, "B").code(0).stderr_has("1 row skipped");
    assert_eq!(api.taken().len(), 39);
    assert!(!subjects(&api).contains_key(&gone));
    let results = Results::of(&run);
    drop(campaign);
    let row = results.row(&gone);
    assert_eq!((&*row["status"], &*row["code"]), ("skipped", "suppressed"));
}

#[test]
fn domains_with_their_own_limit_are_held_back_too() {
    let api = FakeApi::taking_all();
    let mut limits = toml::Table::new();
    limits.insert("two.example".into(), "1000/s".into());
    let campaign = halves(&api, 60).set("pace.per_domain", limits);
    let run = send_sample(&campaign, "10%").code(5).run_dir();
    assert!(
        subjects(&api)
            .keys()
            .all(|address| is_in_sample(address, 10))
    );
    choose(&run, "B").code(0);
    let all = subjects(&api);
    assert_eq!(all.len(), 60);
    for (address, subject) in all {
        assert_eq!(subject, expected(&address, 10), "{address}");
    }
}

#[test]
fn a_sample_of_nobody_is_fine() {
    let api = FakeApi::taking_all();
    let campaign = halves(&api, 5);
    let run = send_sample(&campaign, "0.0001%").code(5).run_dir();
    assert_eq!(api.requests().len(), 0);
    choose(&run, "A").code(0);
    assert_eq!(api.taken().len(), 5);
}

#[test]
fn a_sample_is_a_percentage() {
    let api = FakeApi::taking_all();
    let campaign = halves(&api, 5);
    for share in ["0%", "100%", "10", "ten"] {
        send_sample(&campaign, share)
            .code(2)
            .stderr_has("between 0% and 100%");
    }
    assert_eq!(campaign.runs().len(), 0);
}

#[test]
fn a_kill_while_the_sample_is_sent_loses_nothing() {
    let api = hangs_in_the_middle();
    let campaign = of_thirty(&api)
        .rows(60)
        .set("variants", variants(&SHARES))
        .set("pace.concurrency", 4);
    let running = send(&campaign).args(["--variant-sample", "70%"]).spawn();
    running.wait_until("fourteen messages taken", |_| api.taken().len() == 14);
    let run = running.kill().run_dir();
    Run::on("resume", &run).run().code(1);
    Run::on("resume", &run)
        .arg("--variant-sample")
        .run()
        .code(5);
    assert!(
        subjects(&api)
            .keys()
            .all(|address| is_in_sample(address, 70))
    );
    choose(&run, "B").code(4);
    for (address, subject) in subjects(&api) {
        assert_eq!(subject, expected(&address, 70), "{address}");
    }
    assert_eq!(subjects(&api).len(), 60);
}

/// How many rows of a run have each variant and status.
fn state(run: &Path) -> BTreeMap<(String, String), usize> {
    let mut state = BTreeMap::new();
    for row in Results::now(run).rows {
        *state
            .entry((row["variant"].clone(), row["status"].clone()))
            .or_default() += 1;
    }
    state
}

#[test]
fn the_choice_is_made_for_all_rows_or_for_none() {
    let (mut before, mut after) = (0, 0);
    for step in 0..9 {
        let api = FakeApi::taking_all();
        let campaign = halves(&api, 1200);
        let run = send_sample(&campaign, "2%").code(5).run_dir();
        let held_back = 1200 - api.taken().len();
        let mut choosing = Run::on("resume", &run)
            .args(["--variant", "B", "--limit", "1"])
            .spawn();
        match step {
            8 => drop(choosing.wait_until("the choice", |running| {
                running.stderr().contains("get the variant B")
            })),
            _ => std::thread::sleep(Duration::from_millis(step * 13)),
        }
        let ended = choosing.has_ended();
        choosing.kill();
        let state = state(&run);
        let of = |variant: &str| state.get(&(variant.to_owned(), "pending".to_owned()));
        match of("") {
            Some(rows) => {
                assert_eq!(*rows, held_back, "{state:?}");
                assert_eq!(of("B"), None, "{state:?}");
                assert!(!ended);
                Run::on("resume", &run).run().code(1);
                before += 1;
            }
            None => {
                assert!(
                    of("B").is_some_and(|rows| *rows >= held_back - 1),
                    "{state:?}"
                );
                choose(&run, "A").code(1);
                after += 1;
            }
        }
        let resumed = Run::on("resume", &run).args(["--variant", "B", "--limit", "10"]);
        resumed.run().code(5);
    }
    println!("{before} kills before the choice, {after} after it");
    assert!(before > 0 && after > 0, "{before} before, {after} after");
}
