//! Campaigns that send by SMTP: what each reply of the server means for its rows, and what is sent.

use std::fmt::{Display, Formatter};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::campaign::Campaign;
use crate::support::fake_api;
use crate::support::mail::outbox;
use crate::support::parallel::each;
use crate::support::promises::Promises;
use crate::support::results::Results;
use crate::support::run::{Ran, Run};
use crate::support::smtp::{Act, FakeSmtp, Moment, Stage, Taken};
use crate::support::{has_program, python_with, real_part};

/// A campaign that sends to this server without TLS.
fn campaign(server: &FakeSmtp) -> Campaign {
    Campaign::new()
        .unset("api")
        .set("smtp.url", server.url())
        .set("smtp.tls", "none")
        .set("retry.max_delay", "50ms")
}

fn send(campaign: &Campaign) -> Ran {
    Run::send(campaign.path()).run()
}

/// What the server took, as the promises compare it.
fn taken(server: &FakeSmtp) -> Vec<fake_api::Taken> {
    server.taken().iter().map(Taken::as_api).collect()
}

/// What becomes of the second message.
#[derive(Clone, Copy)]
enum Then {
    /// It is accepted, after this many attempts.
    Accepted(u32),
    Rejected(&'static str),
    /// The server has it, or not.
    Unknown(bool),
    /// The run stops.
    Stops,
}
use Then::{Accepted, Rejected, Stops, Unknown};

struct Fault {
    /// The message that is hit, from 0.
    message: usize,
    stage: Stage,
    act: Act,
    then: Then,
    /// A part of the row's error.
    words: &'static str,
}

const fn fault(stage: Stage, act: Act, then: Then, words: &'static str) -> Fault {
    Fault {
        message: 1,
        stage,
        act,
        then,
        words,
    }
}

const fn first(stage: Stage, act: Act, then: Then, words: &'static str) -> Fault {
    Fault {
        message: 0,
        stage,
        act,
        then,
        words,
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "message {}, {:?}: {:?}",
            self.message, self.stage, self.act
        )
    }
}

const HANG: Act = Act::Late(Duration::from_secs(10));

/// Where | what the server does | what becomes of the row | its error.
#[rustfmt::skip]
const FAULTS: &[Fault] = &[
    // Connecting.
    first(Stage::Greeting, Act::Say("421 4.3.2 try later"), Accepted(1), ""),
    first(Stage::Greeting, Act::SayAndClose("421 4.3.2 try later"), Accepted(1), ""),
    first(Stage::Greeting, Act::Say("554 5.3.2 no mail here"), Stops, "554 5.3.2 no mail here"),
    first(Stage::Greeting, Act::Close, Accepted(1), ""),
    first(Stage::Greeting, Act::SayAndClose("SSH-2.0-x"), Accepted(1), ""),
    first(Stage::Greeting, HANG, Accepted(1), ""),
    first(Stage::Ehlo, Act::Say("502 5.5.1 what is EHLO?"), Accepted(1), ""),
    first(Stage::Ehlo, Act::Say("421 4.3.2 try later"), Accepted(1), ""),
    first(Stage::Ehlo, Act::Say("550 5.7.1 not you"), Stops, "550 5.7.1 not you"),
    first(Stage::Ehlo, Act::Close, Accepted(1), ""),
    first(Stage::Ehlo, HANG, Accepted(1), ""),
    // The sender.
    fault(Stage::Mail, Act::Say("421 4.3.2 closing"), Accepted(1), ""),
    fault(Stage::Mail, Act::SayAndClose("421 4.3.2 closing"), Accepted(1), ""),
    first(Stage::Mail, Act::SayAndClose("421 4.3.2 closing"), Accepted(1), ""),
    fault(Stage::Mail, Act::Say("450 4.2.0 not now"), Accepted(2), ""),
    fault(Stage::Mail, Act::Say("451 4.3.0 trouble"), Accepted(2), ""),
    fault(Stage::Mail, Act::Say("452 4.3.1 disk full"), Accepted(2), ""),
    fault(Stage::Mail, Act::Say("530 5.7.0 log in first"), Stops, "530 5.7.0 log in first"),
    fault(Stage::Mail, Act::Say("550 5.7.1 no such sender"), Rejected("550"), "MAIL FROM: 550 5.7.1 no such sender"),
    fault(Stage::Mail, Act::Say("552 5.3.4 too large"), Rejected("552"), "too large"),
    fault(Stage::Mail, Act::Close, Accepted(1), ""),
    first(Stage::Mail, Act::Close, Accepted(2), ""),
    first(Stage::Mail, Act::SayAndClose("what?"), Accepted(2), ""),
    first(Stage::Mail, HANG, Accepted(2), ""),
    // The recipient.
    fault(Stage::Rcpt, Act::Say("450 4.2.0 greylisted"), Accepted(2), ""),
    fault(Stage::Rcpt, Act::Say("451 4.7.1 greylisted"), Accepted(2), ""),
    fault(Stage::Rcpt, Act::Say("452 4.5.3 too many recipients"), Accepted(2), ""),
    first(Stage::Rcpt, Act::SayAndClose("421 4.3.2 closing"), Accepted(1), ""),
    fault(Stage::Rcpt, Act::SayAndClose("421 4.3.2 closing"), Accepted(1), ""),
    fault(Stage::Rcpt, Act::Say("550 5.1.1 no such user"), Rejected("550"), "RCPT TO: 550 5.1.1 no such user"),
    fault(Stage::Rcpt, Act::Say("550-5.1.1 no such user,\n550 5.1.1 see the help"), Rejected("550"), "no such user, see the help"),
    fault(Stage::Rcpt, Act::Say("553 5.1.3 bad address"), Rejected("553"), "bad address"),
    fault(Stage::Rcpt, Act::Say("554 5.7.1 relay denied"), Rejected("554"), "relay denied"),
    fault(Stage::Rcpt, Act::Close, Accepted(2), ""),
    fault(Stage::Rcpt, HANG, Accepted(2), ""),
    fault(Stage::Rcpt, Act::SayAndClose("550-unfinished"), Accepted(2), ""),
    fault(Stage::Rcpt, Act::SayAndClose("xyz"), Accepted(2), ""),
    // The message.
    fault(Stage::Data, Act::Say("451 4.3.0 not now"), Accepted(2), ""),
    fault(Stage::Data, Act::Say("554 5.5.1 no valid recipients"), Rejected("554"), "DATA: 554"),
    first(Stage::Data, Act::SayAndClose("421 4.3.2 closing"), Accepted(1), ""),
    fault(Stage::Data, Act::SayAndClose("250 2.0.0 fine"), Accepted(2), ""),
    fault(Stage::Data, Act::Close, Accepted(2), ""),
    fault(Stage::Data, HANG, Accepted(2), ""),
    // The final dot.
    fault(Stage::Dot, Act::Late(Duration::from_millis(200)), Accepted(1), ""),
    fault(Stage::Dot, Act::Say("250-2.0.0 taken\n250 2.0.0 as 7"), Accepted(1), ""),
    fault(Stage::Dot, Act::Say("450 4.2.0 not now"), Accepted(2), ""),
    fault(Stage::Dot, Act::Say("451 4.3.0 trouble"), Accepted(2), ""),
    fault(Stage::Dot, Act::Say("452 4.3.1 disk full"), Accepted(2), ""),
    fault(Stage::Dot, Act::Say("421 4.3.2 closing"), Unknown(false), "421 4.3.2 closing"),
    fault(Stage::Dot, Act::Say("550 5.7.1 spam"), Rejected("550"), "the message: 550 5.7.1 spam"),
    fault(Stage::Dot, Act::Say("554-5.7.1 spam,\n554 5.7.1 or so"), Rejected("554"), "spam, or so"),
    fault(Stage::Dot, Act::Close, Unknown(true), "no usable reply to the message"),
    fault(Stage::Dot, HANG, Unknown(true), "no usable reply to the message"),
    fault(Stage::Dot, Act::SayAndClose("250-unfinished"), Unknown(true), "no usable reply"),
    fault(Stage::Dot, Act::SayAndClose("xyz"), Unknown(true), "no usable reply"),
    fault(Stage::Dot, Act::SayAndClose("354 go on"), Unknown(true), "no usable reply"),
];

#[test]
fn every_fault_ends_in_the_right_status() {
    each(FAULTS, ToString::to_string, play);
}

/// Sends three messages, one of which is hit.
fn play(fault: &Fault) {
    let (stage, message, act) = (fault.stage, fault.message, fault.act.clone());
    // A closed connection that has the message, in a reply that says nothing.
    let takes = matches!(fault.then, Unknown(true));
    let server = FakeSmtp::with(move |moment: &Moment| {
        if moment.stage == stage && moment.times == message {
            act.clone()
        } else {
            Act::Go
        }
    });
    let campaign = campaign(&server)
        .set("pace.concurrency", 1)
        .set("smtp.timeout", "1s")
        .set("breaker.share", 1.0);
    let ran = send(&campaign);
    let exit = match fault.then {
        Accepted(_) => 0,
        Rejected(_) => 3,
        Unknown(_) => 4,
        Stops => 5,
    };
    let run = ran.code(exit).run_dir();
    let results = Results::of(&run);
    let row = &results.rows[fault.message];
    let (status, code, attempts) = match fault.then {
        Accepted(attempts) => ("accepted", "200", attempts.to_string()),
        Rejected(code) => ("rejected", code, "1".to_owned()),
        Unknown(_) => ("unknown", "", "1".to_owned()),
        Stops => ("pending", "", "0".to_owned()),
    };
    assert_eq!(
        (&*row["status"], &*row["code"], &*row["attempts"]),
        (status, code, &*attempts),
        "{row:?}"
    );
    assert!(row["error"].contains(fault.words), "{row:?}");
    let hit = taken(&server)
        .iter()
        .filter(|taken| taken.address == row["email"])
        .count();
    match fault.then {
        Accepted(_) => assert_eq!(hit, 1),
        Unknown(_) => assert!(!takes || hit == 1),
        Rejected(_) | Stops => assert_eq!(hit, 0),
    }
    let mut promises = Promises::between(&results, &taken(&server));
    promises.label = fault.to_string();
    if matches!(fault.then, Stops) {
        ran.stderr_has(fault.words);
    } else {
        promises.ended = true;
    }
    promises.hold();
    if matches!(fault.then, Stops) {
        Run::on("resume", &run).run().code(0);
        assert_eq!(taken(&server).len(), 3);
    }
}

#[test]
fn a_message_has_what_the_campaign_says() {
    let server = FakeSmtp::start();
    let file = toml::Table::from_iter([("path".to_owned(), "a.bin".into())]);
    let campaign = campaign(&server)
        .recipients("email,first_name\nAnn Lee <ann@one.example>,Ann\n")
        .set("message.subject", "Zażółć {{ first_name }}")
        .set("message.cc", "cc@one.example")
        .set("message.bcc", "bcc@one.example")
        .set("message.return_path", "bounces@sender.example")
        .set("message.attachments", vec![file])
        .file("a.bin", b".\r\n..\r\n\x00\xff");
    let run = send(&campaign).code(0).run_dir();
    let all = server.taken();
    let [message] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!(message.from, "bounces@sender.example");
    assert_eq!(
        message.to,
        ["ann@one.example", "cc@one.example", "bcc@one.example"]
    );
    assert_eq!(message.header("To"), "\"Ann Lee\" <ann@one.example>");
    assert_eq!(message.header("Cc"), "<cc@one.example>");
    let id = message.header("Message-ID");
    assert_eq!(
        id.trim_matches(['<', '>']),
        Results::of(&run).rows[0]["message_id"]
    );
    assert!(!String::from_utf8_lossy(&message.data).contains("bcc@"));
    let parsed = mail_parser::MessageParser::default()
        .parse(&message.data)
        .expect("a message");
    assert_eq!(parsed.subject(), Some("Zażółć Ann"));
    assert!(parsed.date().is_some());
    let attachment = parsed.attachment(0).expect("an attachment");
    assert_eq!(attachment.contents(), b".\r\n..\r\n\x00\xff");
}

#[test]
fn nothing_is_sent_if_a_copy_is_refused() {
    for (reply, exit, status) in [
        ("550 5.1.1 no", 3, "rejected"),
        ("450 4.2.0 later", 0, "accepted"),
    ] {
        let server = FakeSmtp::with(move |moment| {
            match moment.stage == Stage::Rcpt
                && moment.address.starts_with("cc@")
                && moment.times < 2
            {
                true => Act::Say(reply),
                false => Act::Go,
            }
        });
        let campaign = campaign(&server)
            .recipients("email,first_name\nann@one.example,Ann\n")
            .set("message.cc", "cc@one.example");
        let run = send(&campaign).code(exit).run_dir();
        assert_eq!(Results::of(&run).rows[0]["status"], status);
        let sent = server.taken().len();
        assert_eq!(sent, usize::from(status == "accepted"), "{reply}");
    }
}

#[test]
fn connections_are_kept_and_replaced() {
    let server = FakeSmtp::start();
    let campaign = campaign(&server)
        .rows(40)
        .set("pace.concurrency", 1)
        .set("smtp.messages_per_connection", 10);
    send(&campaign).code(0);
    let connections = server.taken().iter().map(|taken| taken.connection).max();
    assert_eq!(connections, Some(3));
    let commands = server.commands();
    let quits = commands
        .iter()
        .filter(|(_, command)| command == "QUIT")
        .count();
    assert!(quits >= 3, "{quits}");
    // The sender and the recipient go in one packet where the server allows it, but never with DATA.
    assert!(
        commands
            .iter()
            .any(|(_, command)| command.contains(" SIZE="))
    );
}

#[test]
fn a_message_above_the_servers_limit_is_not_sent() {
    let server = FakeSmtp::offering(vec!["SIZE 300"], |_| Act::Go);
    let campaign = campaign(&server);
    let run = send(&campaign).code(3).run_dir();
    let results = Results::of(&run);
    assert_eq!(results.count("rejected"), 3);
    assert!(
        results.rows[0]["error"].contains("the server accepts at most 300"),
        "{results:?}"
    );
    assert!(
        server
            .commands()
            .iter()
            .all(|(_, command)| !command.starts_with("MAIL"))
    );
}

#[test]
fn greylisting_does_not_stop_the_others() {
    let server = FakeSmtp::with(|moment| {
        let is_first =
            moment.stage == Stage::Rcpt && moment.address.starts_with("r1@") && moment.times < 30;
        if is_first {
            Act::Say("450 4.2.0 greylisted")
        } else {
            Act::Go
        }
    });
    let campaign = campaign(&server)
        .rows(40)
        .set("pace.concurrency", 1)
        .set("pace.rate", vec!["1000/s"])
        .set("retry.max_delay", "4s");
    let run = send(&campaign).code(0).run_dir();
    let results = Results::of(&run);
    assert_eq!(results.rows[0]["attempts"], "2");
    let taken = taken(&server);
    let place = (taken.iter()).position(|taken| taken.address == results.rows[0]["email"]);
    assert!(place.expect("it was sent") > 4, "others went first");
}

#[test]
fn the_login_is_checked_before_anything_is_sent() {
    const PASSWORD: &str = "p4ssw0rd-for-smtp";
    let server = |reply: Option<&'static str>| {
        FakeSmtp::offering(vec!["AUTH PLAIN"], move |moment| {
            match (moment.stage, reply) {
                (Stage::Auth, Some(reply)) => Act::Say(reply),
                _ => Act::Go,
            }
        })
    };
    let with_login = |server: &FakeSmtp| {
        let url = server
            .url()
            .replace("smtp://", "smtp://ann%40acme.example@");
        campaign(server).set("smtp.url", url)
    };
    let right = server(None);
    let campaign = with_login(&right);
    let ran = Run::send(campaign.path()).run();
    ran.code(1).stderr_has("MAILRUN_SMTP_PASSWORD is not set");
    let run = |campaign: &Campaign| {
        Run::send(campaign.path())
            .env("MAILRUN_SMTP_PASSWORD", PASSWORD)
            .run()
    };
    run(&campaign).code(0);
    let plain = base64(format!("\0ann@acme.example\0{PASSWORD}"));
    assert!(
        right
            .commands()
            .iter()
            .any(|(_, command)| *command == format!("AUTH PLAIN {plain}"))
    );
    assert_eq!(right.taken().len(), 3);

    let wrong = server(Some("535 5.7.8 no"));
    let campaign = with_login(&wrong);
    let ran = run(&campaign);
    ran.code(5)
        .stderr_has("535 5.7.8 no")
        .stderr_has("check the user name in `url` in [smtp], and the password")
        .stderr_lacks(PASSWORD)
        .stderr_lacks(&plain);
    assert!(wrong.taken().is_empty());

    let none = FakeSmtp::start();
    run(&with_login(&none))
        .code(5)
        .stderr_has("check the user name in `url` in [smtp]");
}

fn base64(text: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn starttls_is_required() {
    let server = FakeSmtp::start();
    let campaign = campaign(&server).unset("smtp.tls");
    let run = send(&campaign)
        .code(5)
        .stderr_has("the server does not offer STARTTLS, which is required")
        .run_dir();
    assert_eq!(Results::of(&run).count("pending"), 3);
}

#[test]
fn settings_are_checked() {
    let server = FakeSmtp::start();
    let base = || campaign(&server);
    let fails = |campaign: Campaign, words: &str| {
        let ran = Run::new("check").arg(campaign.path()).run();
        ran.code(1).stdout_has(words);
    };
    fails(
        base().set("smtp.url", "http://x.example"),
        "`http:` is not supported",
    );
    fails(
        base().set("smtp.url", "smtp://u:p@x.example"),
        "the URL contains a password",
    );
    fails(
        base().set("smtp.url", "smtp://mail.example"),
        "would be sent in the clear",
    );
    fails(base().set("smtp.tls", "maybe"), "`tls` can't be \"maybe\"");
    fails(
        base().set("smtp.password_command", vec!["pass"]),
        "there is a password but no user name",
    );
    fails(base().set("pace.batch", 2), "must be from 1 to 1");
    fails(base().set("message.tags", vec!["t"]), "has no tags");
    fails(
        base().set("api.smtp_account", "1.x.smtp"),
        "there are both [api] and [smtp]",
    );
    fails(
        Campaign::new().unset("api"),
        "there is neither [api] nor [smtp]",
    );
    fails(
        Campaign::new().set("message.return_path", "b@sender.example"),
        "has no return_path",
    );
}

#[test]
fn unknown_rows_cannot_be_looked_up() {
    let server = FakeSmtp::with(|moment| match (moment.stage, moment.times) {
        (Stage::Dot, 1) => Act::Close,
        _ => Act::Go,
    });
    let campaign = campaign(&server).set("pace.concurrency", 1);
    let run = send(&campaign).code(4).run_dir();
    let ran = Run::on("resolve", &run).args(["--how", "reconcile"]).run();
    ran.code(2)
        .stderr_has("this run used SMTP, in which nobody can be asked about a message");
    Run::on("resolve", &run)
        .args(["--how", "accepted"])
        .run()
        .code(0);
    assert_eq!(Results::of(&run).count("accepted"), 3);
}

#[test]
fn a_local_run_goes_over_smtp() {
    let server = FakeSmtp::start();
    let campaign = campaign(&server).rows(30);
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    let run = ran.code(0).run_dir();
    assert_eq!(Results::of(&run).counts(), [("accepted", 30)].into());
    assert_eq!(outbox(run.join("outbox")).len(), 30);
    assert!(server.commands().is_empty());
}

/// Verifies the message on standard input, with the DNS record in the first argument.
const VERIFY: &str = "import dkim, sys
message = sys.stdin.buffer.read()
record = sys.argv[1].encode()
names = []
def dns(name, timeout=5):
    names.append(name.decode() if isinstance(name, bytes) else name)
    return record
print(dkim.verify(message, dnsfunc=dns), names[0])
print(dkim.verify(message.replace(b'Hello', b'Hullo'), dnsfunc=dns))
";

#[test]
fn an_independent_program_verifies_the_dkim_signature() {
    let python = python_with("dkim").filter(|_| has_program("openssl"));
    if !real_part("openssl or Python's dkim", python.is_some()) {
        return;
    }
    let python = python.expect("it is there");
    for (algorithm, tags) in [
        ("RSA", "v=DKIM1; k=rsa; p="),
        ("ED25519", "v=DKIM1; k=ed25519; p="),
    ] {
        let server = FakeSmtp::start();
        let campaign = campaign(&server)
            .set("smtp.dkim.domain", "sender.example")
            .set("smtp.dkim.selector", "s1")
            .set(
                "message.headers.List-Unsubscribe",
                "<https://sender.example/u/{{ first_name }}>",
            );
        let home = tempfile::tempdir().expect("a folder");
        let key = home.path().join("key.pem");
        let key_name = key.to_str().expect("UTF-8").to_owned();
        let campaign = campaign.set("smtp.dkim.key", key_name.as_str());
        command(
            "openssl",
            &["genpkey", "-algorithm", algorithm, "-out", &key_name],
            b"",
        );
        let public = command(
            "openssl",
            &["pkey", "-in", &key_name, "-pubout", "-outform", "DER"],
            b"",
        );
        // The record has the bare Ed25519 key (RFC 8463).
        let public = match algorithm {
            "RSA" => &public[..],
            _ => &public[public.len() - 32..],
        };
        let run = send(&campaign).code(0).run_dir();
        let record = format!("{tags}{}", base64(public));
        for message in server.taken() {
            let signature = message.header("DKIM-Signature");
            assert!(signature.contains("List-Unsubscribe"), "{signature}");
            let said = command(python, &["-c", VERIFY, &record], &message.data);
            let said = String::from_utf8(said).expect("UTF-8");
            assert_eq!(
                said, "True s1._domainkey.sender.example.\nFalse\n",
                "{algorithm}"
            );
        }
        let copies = std::fs::read_dir(run.join("frozen"))
            .expect("a folder")
            .flatten();
        assert!(
            copies
                .into_iter()
                .all(|entry| entry.file_name() != "key.pem")
        );
    }
    let server = FakeSmtp::start();
    let campaign = campaign(&server)
        .set("smtp.dkim.domain", "sender.example")
        .set("smtp.dkim.selector", "s1")
        .set("smtp.dkim.key", "missing.pem");
    Run::send(campaign.path())
        .run()
        .code(1)
        .stderr_has("can't read the DKIM key");
    let campaign = campaign.file("missing.pem", "not a key");
    Run::send(campaign.path())
        .run()
        .code(1)
        .stderr_has("can't use the DKIM key missing.pem: it is not a private key in PEM");
}

/// The standard output of a program.
fn command(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input)
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

#[test]
fn each_message_can_have_a_return_path_of_its_own() {
    let server = FakeSmtp::start();
    let campaign = campaign(&server)
        .set("message.return_path", "bounces+{{ verp }}@sender.example")
        .set("pace.concurrency", 1);
    let run = Run::send(campaign.path())
        .args(["--limit", "2"])
        .run()
        .code(5)
        .run_dir();
    Run::on("resume", &run).run().code(0);
    let results = Results::of(&run);
    let from: Vec<_> = server.taken().into_iter().map(|taken| taken.from).collect();
    for (row, from) in results.rows.iter().zip(&from) {
        let token = from.strip_prefix("bounces+").expect("the prefix");
        let token = token.strip_suffix("@sender.example").expect("the domain");
        let parts: Vec<_> = token.split('-').collect();
        let [run, number, mac] = parts.as_slice() else {
            panic!("{token}")
        };
        assert!(
            row["message_id"].starts_with(&format!("{run}.{number}@")),
            "{row:?}"
        );
        assert_eq!((&row["row"][..], mac.len()), (*number, 16));
    }
    let macs: std::collections::BTreeSet<_> =
        from.iter().map(|from| &from[from.len() - 31..]).collect();
    assert_eq!(macs.len(), 3);
    // The signature depends on the run's key.
    let key = std::fs::read(run.join("verp.key")).expect("the key");
    assert_eq!(key.len(), 32);
    let other = Run::send(campaign.path())
        .arg("--again")
        .run()
        .code(0)
        .run_dir();
    assert_ne!(std::fs::read(other.join("verp.key")).expect("the key"), key);
}
