//! `mailrun follow --bounces`: bounces and complaints in a mailbox, and mails that only look like some.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::postgres;
use crate::support::campaign::Campaign;
use crate::support::postgres::{Cluster, USER};
use crate::support::results::Results;
use crate::support::run::{Ran, Run};
use crate::support::screen::Screen;
use crate::support::smtp::FakeSmtp;
use crate::support::vendor::Vendor;

/// What each fixture says about the address `NAME@dest.example`; nothing if it is no bounce. `{{id}}` in a fixture is the
/// ID of the message to this address, and `{{return_path}}` its return path.
const FIXTURES: [(&str, &str); 50] = [
    ("amazon-ses", "hard-bounce"),
    ("arf-aol-redacted", "complaint"),
    ("arf-comcast", "complaint"),
    ("arf-not-spam", ""),
    ("arf-outlook-jmrp", "complaint"),
    ("arf-yahoo", "complaint"),
    ("autoreply-challenge", ""),
    ("autoreply-outlook", ""),
    ("autoreply-postmaster", ""),
    ("autoreply-vacation-quoted", ""),
    ("courier", "hard-bounce"),
    ("delivered-report", "delivered"),
    ("domino", "hard-bounce"),
    ("exchange-5.5-text", "hard-bounce"),
    ("exchange-user-unknown", "hard-bounce"),
    ("exim-delay-warning", "deferred"),
    ("exim-dsn", "soft-bounce"),
    ("exim-text", "hard-bounce"),
    ("folded-message-id", "hard-bounce"),
    ("french-8bit", "hard-bounce"),
    ("global-delivery-status", "hard-bounce"),
    ("gmail-delay", "deferred"),
    ("gmail-spam", "spam-bounce"),
    ("gmail-text", "soft-bounce"),
    ("gmail-user-unknown", "hard-bounce"),
    ("gmx-text", "hard-bounce"),
    ("headers-with-8bit-junk", "hard-bounce"),
    ("icloud", "hard-bounce"),
    ("japanese-dsn", "hard-bounce"),
    ("mdaemon", "hard-bounce"),
    ("mdn-deleted", ""),
    ("mdn-displayed", ""),
    ("message-global-base64", "soft-bounce"),
    ("office365-blocked", "spam-bounce"),
    ("office365-expired", "soft-bounce"),
    ("polish-mailer-daemon", "hard-bounce"),
    ("postfix-delayed", "deferred"),
    ("postfix-expired", "soft-bounce"),
    ("postfix-user-unknown", "hard-bounce"),
    ("protonmail", "hard-bounce"),
    ("qmail", "hard-bounce"),
    ("qmail-two-recipients", "soft-bounce"),
    ("sendmail", "hard-bounce"),
    ("sendmail-text", "hard-bounce"),
    ("several-recipients", "spam-bounce"),
    ("truncated", "hard-bounce"),
    ("webde-german", "soft-bounce"),
    ("yahoo-dsn", "hard-bounce"),
    ("yahoo-text", "hard-bounce"),
    ("zimbra-quota", "soft-bounce"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bounces")
}

/// A campaign by SMTP to these addresses, with signed return paths.
fn campaign(server: &FakeSmtp, addresses: &[String]) -> Campaign {
    unsigned_campaign(server, addresses)
        .set("message.return_path", "bounces+{{ verp }}@sender.example")
}

fn unsigned_campaign(server: &FakeSmtp, addresses: &[String]) -> Campaign {
    Campaign::new()
        .unset("api")
        .set("smtp.url", server.url())
        .set("smtp.tls", "none")
        .recipients(format!("email,first_name\n{}", rows(addresses)))
}

fn rows(addresses: &[String]) -> String {
    addresses.iter().map(|to| format!("{to},N\n")).collect()
}

/// A run that was sent.
struct Sent {
    _campaign: Campaign,
    run: PathBuf,
    /// The message ID and the return path of each address.
    messages: BTreeMap<String, (String, String)>,
}

fn sent(server: &FakeSmtp, campaign: Campaign) -> Sent {
    let run = Run::send(campaign.path()).run().code(0).run_dir();
    let ids = Results::of(&run);
    let messages = server.taken().into_iter().map(|taken| {
        let to = taken.to[0].clone();
        let id = ids.row(&to)["message_id"].clone();
        (to, (id, taken.from))
    });
    Sent {
        messages: messages.collect(),
        _campaign: campaign,
        run,
    }
}

impl Sent {
    fn follow(&self, mailbox: &Path) -> Ran {
        let follow = Run::on("follow", &self.run).arg("--bounces");
        follow.arg(mailbox).run()
    }

    fn state(&self, address: &str) -> String {
        Results::of(&self.run).row(address)["delivery"].clone()
    }

    /// A bounce of Postfix for an address, with the ID and the return path of the messages to two others.
    fn bounce(&self, address: &str, id_of: &str, return_path_of: Option<&str>) -> Vec<u8> {
        let id = &self.messages[id_of].0;
        let to = return_path_of.map_or("bounces@sender.example", |of| &self.messages[of].1);
        bounce(address, id, to)
    }
}

fn bounce(address: &str, id: &str, to: &str) -> Vec<u8> {
    let fixture = fs::read(folder().join("postfix-user-unknown.eml")).expect("a fixture");
    let fixture = String::from_utf8(fixture).expect("text");
    fixture
        .replace("postfix-user-unknown@dest.example", address)
        .replace("{{id}}", id)
        .replace("{{return_path}}", to)
        .into_bytes()
}

fn maildir(mails: &[Vec<u8>]) -> TempDir {
    let dir = TempDir::new().expect("a folder");
    for name in ["cur", "new", "tmp"] {
        fs::create_dir(dir.path().join(name)).expect("a folder");
    }
    for (number, mail) in mails.iter().enumerate() {
        let folder = if number % 2 == 0 { "new" } else { "cur:" };
        let folder = folder.trim_end_matches(':');
        let path = dir.path().join(folder).join(format!("{number}.host"));
        fs::write(path, mail).expect("a mail");
    }
    dir
}

fn replace(mail: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut replaced = Vec::new();
    let mut rest = mail;
    while let Some(at) = memchr::memmem::find(rest, from.as_bytes()) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

#[test]
fn bounces_of_many_servers_are_read() {
    let mut names: Vec<_> = fs::read_dir(folder())
        .expect("fixtures")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().trim_end_matches(".eml").to_owned())
        .collect();
    names.sort();
    assert_eq!(names, FIXTURES.map(|(name, _)| name));

    // A bounce that names the message ID counts in a run without signed return paths; one to a signed return path counts
    // in a run that has them.
    let unsigned = found_in(unsigned_campaign);
    let signed = found_in(campaign);
    for (name, state) in FIXTURES {
        let found = [&unsigned[name], &signed[name]];
        let expected = found.iter().all(|it| it.is_empty() || *it == state);
        assert!(expected, "{name}: {found:?}");
        assert!(found.iter().any(|it| *it == state), "{name}: {found:?}");
        let mail = fs::read_to_string(folder().join(format!("{name}.eml"))).unwrap_or_default();
        if mail.to_lowercase().contains("{{return_path}}") {
            assert_eq!(signed[name], state, "{name}");
        }
    }
}

/// The states that the fixtures lead to in a run.
fn found_in(campaign: fn(&FakeSmtp, &[String]) -> Campaign) -> BTreeMap<&'static str, String> {
    let addresses = FIXTURES.map(|(name, _)| format!("{name}@dest.example"));
    let server = FakeSmtp::start();
    let sent = sent(&server, campaign(&server, &addresses));
    let mut mails = Vec::new();
    for (name, _) in FIXTURES {
        let mail = fs::read(folder().join(format!("{name}.eml"))).expect("a fixture");
        let (id, return_path) = &sent.messages[&format!("{name}@dest.example")];
        let mail = replace(&mail, "{{id}}", id);
        let mail = replace(&mail, "{{ID}}", &id.to_uppercase());
        let mail = replace(&mail, "{{return_path}}", return_path);
        mails.push(replace(
            &mail,
            "{{RETURN_PATH}}",
            &return_path.to_uppercase(),
        ));
    }
    let mailbox = maildir(&mails);
    let ran = sent.follow(mailbox.path());
    let results = Results::of(&sent.run);
    let state_of = |name: &str| results.row(&format!("{name}@dest.example"))["delivery"].clone();
    let found = FIXTURES.map(|(name, _)| (name, state_of(name)));
    let found: BTreeMap<_, _> = found.into();
    let matched = found.values().filter(|state| !state.is_empty()).count();
    let bounces = FIXTURES.iter().filter(|(_, state)| !state.is_empty());
    let bounces = bounces.count();
    ran.code(0).stderr_has(&format!(
        "In the mailbox: {matched} bounces matched, {} for other messages, {} other mails ignored.",
        bounces - matched,
        FIXTURES.len() - bounces
    ));

    // The descriptions are the servers' words.
    let events = fs::read_to_string(sent.run.join("events.csv")).expect("events");
    for (name, words) in [
        (
            "postfix-user-unknown",
            "550 5.1.1 <postfix-user-unknown@dest.example>: Recipient address rejected: User unknown in virtual mailbox table",
        ),
        ("qmail", "Sorry, no mailbox here by that name. (#5.1.1)"),
    ] {
        let found = found[name].is_empty() || events.contains(words);
        assert!(found, "{words} in {events}");
    }

    // Reading it again adds nothing, and the mailbox is as it was.
    sent.follow(mailbox.path()).code(0);
    let again = fs::read_to_string(sent.run.join("events.csv")).expect("events");
    assert_eq!(again, events);
    let files = |name: &str| {
        fs::read_dir(mailbox.path().join(name))
            .expect("a folder")
            .count()
    };
    assert_eq!(files("new") + files("cur"), FIXTURES.len());
    found
}

#[test]
fn an_mbox_and_a_folder_of_mails_are_read_too() {
    let addresses = ["a@dest.example", "b@dest.example"].map(str::to_owned);
    let server = FakeSmtp::start();
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("bounces");
    let mut mbox = Vec::new();
    for _ in 0..2 {
        let sent = sent(&server, campaign(&server, &addresses).set("name", "again"));
        mbox.extend_from_slice(b"From MAILER-DAEMON Tue Oct 14 09:12:31 2025\n");
        mbox.extend(sent.bounce("a@dest.example", "a@dest.example", Some("a@dest.example")));
        mbox.extend_from_slice(b"\n\n");
        fs::write(&path, &mbox).expect("a file");
        sent.follow(&path).code(0).stderr_has("1 bounce matched");
        assert_eq!(sent.state("a@dest.example"), "hard-bounce");
    }
    let sent = sent(&server, campaign(&server, &addresses));
    fs::remove_file(&path).expect("a file");
    sent.follow(&path)
        .code(1)
        .stderr_has("bounces")
        .stderr_has("name a Maildir");
    sent.follow(dir.path())
        .code(0)
        .stderr_has("There are no mails in");
    fs::write(dir.path().join("x.txt"), "Subject: x\n").expect("a file");
    let not_a_mailbox = dir.path().join("x.txt");
    sent.follow(&not_a_mailbox)
        .code(1)
        .stderr_has("is no mailbox");
    let mail = sent.bounce("b@dest.example", "a@dest.example", Some("b@dest.example"));
    fs::write(dir.path().join("1.eml"), mail).expect("a file");
    fs::write(dir.path().join("2.eml"), "").expect("a file");
    sent.follow(dir.path())
        .code(0)
        .stderr_has("1 bounce matched, 0 for other messages, 0 other mails ignored, 1 unreadable");
    assert_eq!(sent.state("b@dest.example"), "hard-bounce");
    let status = crate::support::send::status(&sent.run);
    assert!(status["delivery"]["followed_at"].is_string());
}

#[test]
fn a_forged_bounce_changes_nothing() {
    let addresses = ["a@dest.example", "b@dest.example", "c@dest.example"].map(str::to_owned);
    let server = FakeSmtp::start();
    let sent = sent(&server, campaign(&server, &addresses));
    let return_path = &sent.messages["a@dest.example"].1;
    let (token, domain) = return_path.split_once('@').expect("an address");
    let (named, mac) = token.rsplit_once('-').expect("a MAC");
    let (run, _) = named.rsplit_once('-').expect("a row");
    let forged = [
        // The right address and the right ID, which can be guessed, but no token.
        sent.bounce("a@dest.example", "a@dest.example", None),
        // The right address, and the wrong ID.
        bounce(
            "a@dest.example",
            "other@sender.example",
            "bounces@sender.example",
        ),
        // The right ID of another address.
        sent.bounce("b@dest.example", "a@dest.example", None),
        // Tokens that nobody has signed: of another row, with another MAC, a part of one.
        bounce(
            "x@dest.example",
            "x@y.example",
            &format!("{run}-2-{mac}@{domain}"),
        ),
        bounce(
            "a@dest.example",
            "x@y.example",
            &format!("{named}-{}@{domain}", "0".repeat(mac.len())),
        ),
        bounce(
            "a@dest.example",
            "x@y.example",
            &format!("{named}-{}@{domain}", &mac[..8]),
        ),
        bounce(
            "a@dest.example",
            "x@y.example",
            &format!("{named}@{domain}"),
        ),
    ];
    let mailbox = maildir(&forged);
    let ran = sent.follow(mailbox.path());
    ran.code(0)
        .stderr_has("0 bounces matched, 7 for other messages, 0 other mails ignored.");
    for address in &addresses {
        assert_eq!(sent.state(address), "", "{address}");
    }
    // Those of other runs don't count either.
    let other = self::sent(&server, campaign(&server, &addresses).set("name", "other"));
    let theirs = [
        other.bounce("a@dest.example", "a@dest.example", Some("a@dest.example")),
        other.bounce("b@dest.example", "b@dest.example", Some("b@dest.example")),
    ];
    let mailbox = maildir(&theirs);
    sent.follow(mailbox.path())
        .code(0)
        .stderr_has("0 bounces matched, 2 for other messages");
    other
        .follow(mailbox.path())
        .code(0)
        .stderr_has("2 bounces matched");
}

#[test]
fn a_bounce_by_mail_suppresses_and_a_forged_one_does_not() {
    let addresses = ["a@dest.example", "b@dest.example", "c@dest.example"].map(str::to_owned);
    let server = FakeSmtp::start();
    let campaign = campaign(&server, &addresses).set("recipients.suppress", vec!["@acme"]);
    let path = campaign.path().to_owned();
    let suppress = |command: &str| {
        let suppress = Run::new("suppress").args([command, "@acme", "--campaign"]);
        suppress.arg(&path).run()
    };
    suppress("add").code(0);
    let sent = sent(&server, campaign);
    let mails = [
        sent.bounce("a@dest.example", "a@dest.example", Some("a@dest.example")),
        bounce(
            "b@dest.example",
            "forged@sender.example",
            "bounces@sender.example",
        ),
        sent.bounce("c@dest.example", "a@dest.example", None),
    ];
    sent.follow(maildir(&mails).path())
        .code(0)
        .stderr_has("1 bounce matched, 2 for other messages");
    let list = suppress("export");
    list.code(0)
        .stdout_has("a@dest.example,hard-bounce,bounce mail,")
        .stdout_lacks("b@dest.example")
        .stdout_lacks("c@dest.example");
}

#[test]
fn a_bounce_of_a_copy_is_not_one_of_the_recipient() {
    let addresses = ["a@dest.example", "b@dest.example", "c@dest.example"].map(str::to_owned);
    for has_copy in [false, true] {
        let server = FakeSmtp::start();
        let mut campaign = campaign(&server, &addresses);
        if has_copy {
            campaign = campaign.set("message.cc", "boss@sender.example");
        }
        let sent = sent(&server, campaign);
        let nameless = format!(
            "From: MAILER-DAEMON@dest.example\nTo: {}\nSubject: Returned mail\n\n\
             Your message could not be delivered.\n",
            sent.messages["c@dest.example"].1
        );
        // Forwarded, or a copy.
        let mails = [
            sent.bounce(
                "other@dest.example",
                "a@dest.example",
                Some("a@dest.example"),
            ),
            sent.bounce("b@dest.example", "b@dest.example", Some("b@dest.example")),
            nameless.into_bytes(),
        ];
        sent.follow(maildir(&mails).path()).code(0);
        let expected = if has_copy { "" } else { "hard-bounce" };
        assert_eq!(sent.state("a@dest.example"), expected, "{has_copy}");
        assert_eq!(sent.state("b@dest.example"), "hard-bounce");
        let expected = if has_copy { "" } else { "soft-bounce" };
        assert_eq!(sent.state("c@dest.example"), expected, "{has_copy}");
    }
}

#[test]
fn the_time_of_an_event_is_that_of_the_bounce() {
    let server = FakeSmtp::start();
    let addresses = ["a@dest.example", "b@dest.example"].map(str::to_owned);
    let sent = sent(&server, unsigned_campaign(&server, &addresses));
    let now = jiff::Timestamp::now();
    let at = now
        .saturating_add(jiff::SignedDuration::from_mins(90))
        .expect("a time");
    let date = at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
    let date_of = |mail: &[u8]| {
        replace(
            mail,
            "Tue, 14 Oct 2025 09:12:31 +0200 (CEST)\nFrom",
            &format!("{date}\nFrom"),
        )
    };
    let mails = [
        date_of(&sent.bounce("a@dest.example", "a@dest.example", None)),
        // Long before the run.
        sent.bounce("b@dest.example", "b@dest.example", None),
    ];
    sent.follow(maildir(&mails).path()).code(0);
    let events = fs::read_to_string(sent.run.join("events.csv")).expect("events");
    let expected = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    assert!(events.contains(&expected), "{expected} in {events}");
    assert!(!events.contains("2025-10-14T"), "{events}");
}

#[test]
fn a_run_with_an_api_reads_bounces_besides_asking() {
    let vendor = Vendor::start();
    let campaign = Campaign::new()
        .api(&vendor.api.url())
        .set("api.dialect", "new_sendmail")
        .recipients("email,first_name\na@dest.example,A\nb@dest.example,B\n");
    let run = Run::send(campaign.path()).run().code(0).run_dir();
    vendor.event("a@dest.example", "ok", "01:00:00");
    let mailbox = maildir(&[bounce(
        "b@dest.example",
        &vendor.id("b@dest.example"),
        "bounces@sender.example",
    )]);
    let follow = Run::on("follow", &run).args(["--rate", "500/s", "--bounces"]);
    let ran = follow.arg(mailbox.path()).run();
    ran.code(0).stderr_has("1 bounce matched");
    let results = Results::of(&run);
    assert_eq!(results.row("a@dest.example")["delivery"], "delivered");
    assert_eq!(results.row("b@dest.example")["delivery"], "hard-bounce");
}

#[test]
fn a_run_in_a_database_and_a_test_are_followed() {
    let server = FakeSmtp::start();
    let addresses = ["a@dest.example".to_owned()];
    let campaign = campaign(&server, &addresses);
    let test = Run::send(campaign.path()).args(["--test-to", "me@two.example"]);
    let run = test.run().code(0).run_dir();
    let from = server.taken()[0].from.clone();
    let mailbox = maildir(&[bounce("me@two.example", "x@y.example", &from)]);
    let follow = Run::on("follow", &run).arg("--bounces").arg(mailbox.path());
    follow.run().code(0).stderr_has("1 bounce matched");
    if !postgres::is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let url = cluster.url_of(USER, &cluster.database());
    postgres::init(&url).run().code(0);
    let with = |command: &str| Run::new(command).env("MAILRUN_LEDGER", &url);
    let ran = with("send").arg(campaign.path()).arg("--yes").run();
    let run = ran.code(0).stdout.lines().next().expect("a run").to_owned();
    let from = server.taken()[1].from.clone();
    let mailbox = maildir(&[
        bounce("a@dest.example", "x@y.example", &from),
        bounce("a@dest.example", "x@y.example", &from.replace('-', "--")),
    ]);
    let follow = with("follow")
        .arg(&run)
        .arg("--bounces")
        .arg(mailbox.path());
    follow
        .run()
        .code(0)
        .stderr_has("1 bounce matched, 1 for other messages");
}

#[test]
fn a_mailbox_is_read_again_if_that_is_asked_for() {
    let server = FakeSmtp::start();
    let addresses = ["a@dest.example".to_owned()];
    let sent = sent(&server, campaign(&server, &addresses));
    let mailbox = maildir(&[]);
    let follow = |extra: &[&str]| {
        let follow = Run::on("follow", &sent.run).arg("--bounces");
        follow.arg(mailbox.path()).args(extra)
    };
    let following = follow(&["--interval", "100ms"]).spawn();
    following.wait_until("a round", |it| {
        it.stderr().contains("Reading the mailbox again in")
    });
    let mail = sent.bounce("a@dest.example", "a@dest.example", Some("a@dest.example"));
    fs::write(mailbox.path().join("new/1"), mail).expect("a mail");
    let events = sent.run.join("events.csv");
    following.wait_until("the bounce", |_| {
        fs::read_to_string(&events).is_ok_and(|text| text.contains("hard-bounce"))
    });
    following.signal(rustix::process::Signal::INT);
    following.wait().code(130).stderr_has("1  hard-bounce");
    follow(&["--interval", "100ms", "--for", "300ms"])
        .run()
        .code(0);
}

#[test]
fn watch_shows_the_states_and_the_next_round() {
    let vendor = Vendor::start();
    let campaign = Campaign::new()
        .api(&vendor.api.url())
        .set("api.dialect", "new_sendmail");
    let run = Run::send(campaign.path()).run().code(0).run_dir();
    vendor.event("ann@one.example", "ok", "01:00:00");
    let follow = |interval: &str| {
        let follow = Run::on("follow", &run).args(["--rate", "500/s", "--watch"]);
        follow.args(["--interval", interval])
    };
    follow("1s")
        .run()
        .code(2)
        .stdout_is("")
        .stderr_has("`--watch` needs a terminal")
        .stderr_has("writes a line after each round");
    let mut screen = Screen::start(follow("500s"), 12, 100);
    screen
        .until("1  delivered")
        .until("2  accepted, no news")
        .until("next round in 8m");
    assert!(screen.is_own());
    screen.signal(rustix::process::Signal::INT);
    assert_eq!(screen.end(), Some(130));
    assert!(screen.is_restored());
    assert!(screen.contents().contains("1  delivered"));

    let mut screen = Screen::start(follow("100ms"), 12, 100);
    screen.until("2  accepted, no news");
    for to in ["bob@two.example", "cleo@one.example"] {
        vendor.event(to, "hardbounce", "02:00:00");
    }
    assert_eq!(screen.end(), Some(0));
    assert!(screen.is_restored());
    screen.until("2  hard-bounce");
}
