//! Each row gets the message of its own variant, however it is sent.

use super::{column, halves, subjects, variant_of, variants};
use crate::support::fake_api::{FakeApi, Reply, Verdict};
use crate::support::mail::outbox;
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{campaign, newsletter, send, send_first, status};

const SHARES: [(&str, i64); 2] = [("A", 50), ("B", 50)];

#[track_caller]
fn each_got_its_own(api: &FakeApi, rows: usize) {
    let subjects = subjects(api);
    assert_eq!(subjects.len(), rows);
    for (address, subject) in subjects {
        let variant = variant_of(&address, &SHARES);
        assert_eq!(subject, format!("Subject {variant}"), "{address}");
    }
}

#[test]
fn results_and_status_name_the_variants() {
    let api = FakeApi::taking_all();
    let campaign = halves(&api, 30).file("gone.csv", "email\nr4@two.example\n");
    let campaign = campaign.set("recipients.suppress", vec!["gone.csv"]);
    let run = send(&campaign).run().code(0).run_dir();
    each_got_its_own(&api, 29);
    let results = Results::of(&run);
    for (address, variant) in column(&results) {
        let expected = match address.starts_with("r4@") {
            true => "",
            false => variant_of(&address, &SHARES),
        };
        assert_eq!(variant, expected, "{address}");
    }
    let header = std::fs::read_to_string(run.join("results.csv")).expect("results");
    assert!(
        header.starts_with(
            "row,email,status,message_id,code,error,attempts,possible_duplicate,finished_at,delivery,variant,input.email,"
        ),
        "{header}"
    );
    let json = &status(&run)["variants"];
    assert_eq!(json["names"], serde_json::json!(["A", "B"]));
    assert_eq!(json["chosen"], serde_json::Value::Null);
    assert_eq!(json["held_back"], 0);
    let rows = json["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["variant"], "A");
    assert_eq!(rows[0]["chosen"], false);
    let of_a = column(&results).values().filter(|it| *it == "A").count();
    assert_eq!(rows[0]["counts"]["accepted"], of_a);
    assert_eq!(rows[1]["rows"], 29 - of_a);
    let text = Run::new("status").arg(&run).run();
    text.code(0)
        .stdout_has(&format!("  variant A: {of_a} accepted\n"))
        .stdout_lacks("held back");
}

#[test]
fn without_variants_the_column_is_empty_and_the_status_null() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let run = send(&campaign).run().code(0).run_dir();
    assert!(column(&Results::of(&run)).values().all(String::is_empty));
    assert_eq!(status(&run)["variants"], serde_json::Value::Null);
    Run::on("resume", &run)
        .args(["--variant", "A"])
        .run()
        .code(2)
        .stderr_has("this run has none");
    send(&campaign)
        .args(["--variant-sample", "10%"])
        .run()
        .code(2)
        .stderr_has("this campaign has none");
}

#[test]
fn batches_never_mix_variants_but_are_full() {
    let api = FakeApi::taking_all();
    // The variants have the same message.
    let mut same = variants(&SHARES);
    for variant in &mut same {
        variant.as_table_mut().expect("a table").remove("subject");
    }
    let campaign = newsletter(&api)
        .rows(200)
        .set("pace.batch", 50)
        .set("variants", same);
    send(&campaign).run().code(0);
    let requests = api.requests();
    for request in &requests {
        let mut variants = request
            .addresses()
            .into_iter()
            .map(|it| variant_of(it, &SHARES));
        let first = variants.next();
        assert!(variants.all(|variant| Some(variant) == first));
    }
    assert_eq!(api.taken().len(), 200);
    assert!(requests.len() <= 6, "{} requests", requests.len());
}

#[test]
fn resume_retry_and_resolve_keep_the_variants() {
    let api = FakeApi::start(|n, request| {
        let is = |name: &str| request.addresses()[0].starts_with(name);
        match n {
            0..30 if is("r2@") => Reply::CloseAfterReading { take: false },
            0..30 if is("r3@") => {
                Reply::PerRecipient(Box::new(|_| Verdict::Refuse("not now".to_owned())))
            }
            _ => Reply::Take,
        }
    });
    let campaign = halves(&api, 30).set("pace.concurrency", 1);
    let run = send_first(&campaign, 20);
    // The run has a copy of the variants.
    let campaign = campaign.set("variants", variants(&[("A", 1), ("C", 1)]));
    Run::on("resume", &run).run().code(4);
    Run::on("resolve", &run)
        .args(["--how", "resend", "--yes"])
        .run()
        .code(0)
        .stderr_has(&format!("`mailrun resume {}`", run.display()));
    Run::on("resume", &run).run().code(3);
    Run::on("retry", &run).arg("--rejected").run().code(0);
    drop(campaign);
    for request in api.requests() {
        let address = request.addresses()[0];
        let subject = request.field("subject").expect("a subject");
        let variant = variant_of(address, &SHARES);
        assert_eq!(subject, format!("Subject {variant}"), "{address}");
    }
    assert_eq!(api.taken().len(), 30);
}

#[test]
fn a_later_run_gives_everybody_the_same_variant() {
    let api = FakeApi::taking_all();
    let campaign = halves(&api, 30);
    send_first(&campaign, 12);
    send(&campaign).arg("--except-sent").run().code(0);
    each_got_its_own(&api, 30);
}

#[test]
fn tests_and_local_runs_have_the_variants_of_their_rows() {
    let api = FakeApi::taking_all();
    let campaign = halves(&api, 10);
    send(&campaign)
        .args(["--test-to", "me@test.example", "--limit", "10"])
        .run()
        .code(0);
    let mut subjects: Vec<_> = api
        .requests()
        .iter()
        .map(|request| request.field("subject").expect("a subject"))
        .collect();
    subjects.sort();
    let mut expected: Vec<_> = (1..=10)
        .map(|n| format!("r{n}@{}.example", ["one", "two", "three"][n % 3]))
        .map(|address| format!("[TEST] Subject {}", variant_of(&address, &SHARES)))
        .collect();
    expected.sort();
    assert_eq!(subjects, expected);
    send(&campaign)
        .args(["--test-to", "me@test.example", "--variant-sample", "10%"])
        .run()
        .code(2);
    let local = Run::new("send").arg(campaign.path()).arg("--local").run();
    let mails = outbox(local.code(0).run_dir().join("outbox"));
    assert_eq!(mails.len(), 10);
    for mail in mails {
        let variant = variant_of(&mail.to[0], &SHARES);
        assert_eq!(mail.subject, format!("Subject {variant}"));
    }
}

#[test]
fn domains_with_their_own_limit_have_variants() {
    let api = FakeApi::taking_all();
    let campaign = halves(&api, 30);
    let mut limits = toml::Table::new();
    limits.insert("two.example".into(), "1000/s".into());
    let campaign = campaign.set("pace.per_domain", limits);
    send(&campaign).run().code(0);
    each_got_its_own(&api, 30);
}

#[test]
fn attachments_of_all_variants_are_in_the_run() {
    let api = FakeApi::taking_all();
    let mut variants = variants(&SHARES);
    for (variant, (name, _)) in variants.iter_mut().zip(SHARES) {
        let file = |path: String| {
            toml::Value::from(toml::Table::from_iter([("path".to_owned(), path.into())]))
        };
        let both = vec![
            file(format!("{name}.txt")),
            file(format!("{name}/{{{{ first_name }}}}.txt")),
        ];
        variant
            .as_table_mut()
            .expect("a table")
            .insert("attachments".into(), both.into());
    }
    let mut campaign = campaign(&api).rows(12).set("variants", variants);
    for (name, _) in SHARES {
        campaign = campaign.file(&format!("{name}.txt"), format!("all of {name}"));
        for n in 1..=12 {
            campaign = campaign.file(&format!("{name}/Name {n}.txt"), format!("{name} {n}"));
        }
    }
    let sent = send(&campaign).args(["--variant-sample", "30%"]).run();
    let run = sent.code(5).run_dir();
    let campaign = campaign.file("A.txt", "changed").file("B.txt", "changed");
    Run::on("resume", &run)
        .args(["--variant", "B"])
        .run()
        .code(0);
    drop(campaign);
    let mut chosen = 0;
    for request in api.requests() {
        let variant = request
            .field("subject")
            .expect("a subject")
            .replace("Subject ", "");
        let own = variant_of(request.addresses()[0], &SHARES);
        chosen += usize::from(variant != own);
        let content = |n: usize| {
            request
                .field(&format!("files[{n}][content]"))
                .expect("a file")
        };
        let number = request.addresses()[0]
            .trim_start_matches('r')
            .split('@')
            .next()
            .expect("a number")
            .to_owned();
        let encoded = |text: &str| {
            use base64::Engine as _;
            base64::prelude::BASE64_STANDARD.encode(text)
        };
        assert_eq!(content(0), encoded(&format!("all of {variant}")));
        assert_eq!(content(1), encoded(&format!("{variant} {number}")));
    }
    assert_eq!(api.taken().len(), 12);
    assert!(chosen > 0, "somebody who would be A got B");
}
