//! What travels with a run to a machine that has only the name of the run.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustix::process::Signal;

use super::{Gate, Ledger, gated, is_available, until};
use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::smtp::{Act, FakeSmtp, Stage};

/// A campaign in which each row has its own attachment.
fn with_attachments(campaign: Campaign, people: &[(&str, &[u8])]) -> Campaign {
    let attachment: toml::Table = "path = 'files/{{ first_name }}.txt'".parse().expect("TOML");
    let rows = people
        .iter()
        .map(|(name, _)| format!("{name}@one.example,{name}\n"));
    let csv = std::iter::once("email,first_name\n".to_owned()).chain(rows);
    let campaign = campaign
        .recipients(csv.collect::<String>())
        .set("message.attachments", vec![attachment]);
    people.iter().fold(campaign, |campaign, (name, content)| {
        campaign.file(&format!("files/{name}.txt"), content)
    })
}

#[test]
fn attachments_of_rows_travel_with_the_run() {
    if !is_available() {
        return;
    }
    let (ledger, api) = (Ledger::new(), FakeApi::taking_all());
    let people: [(&str, &[u8]); 3] = [("ann", b"for Ann"), ("bob", b"\x00\xff"), ("cleo", b"")];
    let campaign = with_attachments(ledger.campaign(&api, 1), &people);
    let ran = Run::send(campaign.path()).args(["--limit", "1"]).run();
    let run = ran.code(5).stdout.trim().to_owned();
    // The other machine has no campaign.
    drop(campaign);
    ledger.command("resume", &run).run().code(0);
    let requests = api.requests();
    assert_eq!(requests.len(), 3);
    for (request, (name, content)) in requests.iter().zip(people) {
        let field = |part: &str| request.field(&format!("files[0][{part}]"));
        assert_eq!(field("name"), Some(format!("{name}.txt")));
        assert_eq!(field("content"), Some(BASE64_STANDARD.encode(content)));
    }
}

#[test]
fn more_than_64_mib_of_attachments_are_refused() {
    if !is_available() {
        return;
    }
    let (ledger, api) = (Ledger::new(), FakeApi::taking_all());
    let content = vec![b'x'; 10 << 20];
    let people: Vec<(&str, &[u8])> = ["a", "b", "c", "d", "e", "f", "g"]
        .iter()
        .map(|name| (*name, content.as_slice()))
        .collect();
    let campaign = with_attachments(ledger.campaign(&api, 1), &people);
    let ran = Run::send(campaign.path()).arg("--no-preflight").run();
    ran.code(1)
        .stdout_is("")
        .stderr_has("more than 64 MiB")
        .stderr_has("[attachments]");
    assert_eq!(ledger.sql("SELECT count(*) FROM mailrun.run"), "0");
    assert_eq!(api.seen(), 0);
}

#[test]
fn signatures_are_the_same_on_every_machine() {
    if !is_available() {
        return;
    }
    let ledger = Ledger::new();
    // The first message is read, and its connection ends without a reply.
    let server = FakeSmtp::with(|moment| match (moment.stage, moment.times) {
        (Stage::Dot, 0) => Act::Close,
        _ => Act::Go,
    });
    let keys = tempfile::tempdir().expect("a folder");
    let key = keys.path().join("key.pem");
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    std::fs::write(&key, pair.serialize_pem()).expect("a file");
    let campaign = ledger
        .keep(Campaign::new().rows(4))
        .unset("api")
        .set("smtp.url", server.url())
        .set("smtp.tls", "none")
        .set("smtp.dkim.domain", "sender.example")
        .set("smtp.dkim.selector", "s1")
        .set("smtp.dkim.key", key.to_str().expect("UTF-8"))
        .set("message.return_path", "bounces+{{ verp }}@sender.example")
        .set("pace.concurrency", 1);
    let ran = Run::send(campaign.path()).args(["--limit", "2"]).run();
    let run = ran.code(5).stdout.trim().to_owned();
    drop(campaign);
    let resolve = ledger.command("resolve", &run);
    resolve.args(["--how", "resend", "--yes"]).run().code(0);
    ledger.command("resume", &run).run().code(0);
    assert_eq!(ledger.results(&run).count("accepted"), 4);
    let taken = server.taken();
    assert_eq!(taken.len(), 5, "the first row twice");
    assert!(
        taken
            .iter()
            .all(|it| it.header("DKIM-Signature").contains("d=sender.example"))
    );
    let twice: Vec<_> = taken.iter().filter(|it| it.to == taken[0].to).collect();
    let [first, second] = twice[..] else {
        panic!("{taken:?}")
    };
    assert_eq!(first.from, second.from, "signed with the key of the run");
    assert_ne!(first.from, taken[1].from);
}

#[test]
fn a_run_moves_to_a_folder_and_back() {
    if !is_available() {
        return;
    }
    let (ledger, gate) = (Ledger::new(), Gate::default());
    let api = gated(&gate);
    let people: [(&str, &[u8]); 4] = [("ann", b"1"), ("bob", b"2"), ("cleo", b"3"), ("dan", b"4")];
    let campaign = with_attachments(ledger.campaign(&api, 1), &people).set("pace.concurrency", 1);
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("copy");
    let copy = |arguments: &[&str]| {
        let command = Run::new("ledger").arg("copy").args(arguments);
        command.args(["--ledger", &ledger.url]).run()
    };
    let path = folder.to_str().expect("UTF-8");
    let (worker, run) = ledger.send(&campaign);
    until("a request", || api.in_flight() == 1);
    copy(&[&run, "--to", path])
        .code(1)
        .stderr_has("is sending the run");
    worker.signal(Signal::TERM);
    worker.wait_until("it has seen the signal", |it| !it.stderr().is_empty());
    gate.open();
    worker.wait().code(130);
    drop(campaign);

    copy(&[&run, "--to", path])
        .code(0)
        .stderr_has("Copied and compared 4 rows");
    for command in ["resume", "retry"] {
        let refused = ledger.command(command, &run).run();
        refused
            .code(1)
            .stderr_has("continues there")
            .stderr_has(path);
    }
    Run::on("resume", &folder)
        .args(["--limit", "1"])
        .run()
        .code(5);
    assert_eq!(Results::of(&folder).count("accepted"), 2);

    copy(&[path]).code(0).stdout_has(&run);
    let runs = Run::new("runs").args(["--ledger", &ledger.url]).run();
    runs.code(0)
        .stdout_has(&format!("{run}  not running, 2 accepted, 2 pending"));
    Run::on("resume", &folder).run().code(1).stderr_has(&run);
    ledger.command("resume", &run).run().code(0);
    assert_eq!(ledger.results(&run).count("accepted"), 4);
    let files: Vec<_> = api
        .requests()
        .iter()
        .map(|it| it.field("files[0][content]"))
        .collect();
    let sent = people.map(|(_, content)| Some(BASE64_STANDARD.encode(content)));
    assert_eq!(files, sent, "each once, with its own attachment");
}
