//! `mailrun follow` brings bounces and complaints to the list.

use super::{both, entries, suppress, with_list};
use crate::support::campaign::Campaign;
use crate::support::run::{Ran, Run};
use crate::support::send::campaign;
use crate::support::vendor::Vendor;

/// A campaign of the rows r1@one.example, r2@one.example and so on.
fn of(vendor: &Vendor, rows: usize) -> Campaign {
    let mut list = String::from("email,first_name\n");
    for row in 1..=rows {
        list += &format!("r{row}@one.example,Nr {row}\n");
    }
    let campaign = with_list(campaign(&vendor.api));
    campaign.recipients(list).set("api.dialect", "new_sendmail")
}

fn send(campaign: &Campaign, options: &[&str]) -> Ran {
    let run = Run::new("send").arg(campaign.path()).arg("--yes").keys();
    run.args(options).run()
}

/// `mailrun follow`, once. The outcome of some rows may stay open.
fn follow(campaign: &Campaign) -> Ran {
    let run = Run::new("follow").arg(campaign.path()).keys();
    let run = run.args(["--rate", "500/s", "--interval", "100ms", "--for", "1ms"]);
    run.run()
}

#[test]
fn hard_bounces_and_complaints_are_added_and_others_are_not() {
    both(|home| {
        let vendor = Vendor::start();
        let campaign = home.place(of(&vendor, 7));
        suppress(&campaign, "add").run().code(0);
        send(&campaign, &[]).code(0);
        let events = [
            "hardbounce",
            "feedback",
            "softbounce",
            "spambounce",
            "dropped",
            "open",
        ];
        for (row, status) in (1..).zip(events) {
            vendor.event(&format!("r{row}@one.example"), status, "01:00:00");
        }
        follow(&campaign)
            .code(4)
            .stderr_has("2 addresses were added to the list @acme.");
        let expected = [
            "r1@one.example hard-bounce follow hardbounce of r1@one.example",
            "r2@one.example complaint follow feedback of r2@one.example",
        ];
        assert_eq!(entries(&campaign), expected);
        follow(&campaign)
            .code(4)
            .stderr_has("0 addresses were added to the list @acme.");
        assert_eq!(entries(&campaign), expected);

        let before = vendor.api.taken().len();
        send(&campaign, &["--again"]).code(0);
        assert_eq!(vendor.api.taken().len() - before, 5);
    });
}

#[test]
fn soft_bounces_count_over_runs_until_a_message_arrives() {
    both(|home| {
        let vendor = Vendor::start();
        let campaign = home.place(of(&vendor, 2));
        suppress(&campaign, "add").run().code(0);
        for run in 1..=4 {
            send(&campaign, &["--again"]).code(0);
            let time = format!("0{run}:00:00");
            vendor.event("r1@one.example", "softbounce", &time);
            let status = if run == 2 { "ok" } else { "softbounce" };
            vendor.event("r2@one.example", status, &time);
            follow(&campaign).code(0);
            // Again and again, the same bounces are no others.
            follow(&campaign).code(0);
            let expected: &[&str] = match run {
                1 | 2 => &[],
                _ => &["r1@one.example soft-bounces follow 3 in a row"],
            };
            assert_eq!(entries(&campaign), expected, "run {run}");
        }
    });
}

#[test]
fn the_number_of_soft_bounces_can_be_set() {
    let vendor = Vendor::start();
    let campaign = of(&vendor, 1).set("feedback.soft_bounces", 1);
    suppress(&campaign, "add").run().code(0);
    send(&campaign, &[]).code(0);
    vendor.event("r1@one.example", "softbounce", "01:00:00");
    follow(&campaign)
        .code(0)
        .stderr_has("1 address was added to the list @acme.");
    assert_eq!(
        entries(&campaign),
        ["r1@one.example soft-bounces follow 1 in a row"]
    );
}

#[test]
fn a_removed_address_does_not_come_back_with_the_same_event() {
    both(|home| {
        let vendor = Vendor::start();
        let campaign = home.place(of(&vendor, 1));
        suppress(&campaign, "add").run().code(0);
        send(&campaign, &[]).code(0);
        vendor.event("r1@one.example", "hardbounce", "00:00:01");
        follow(&campaign).code(0);
        assert_eq!(entries(&campaign).len(), 1);
        suppress(&campaign, "remove")
            .arg("r1@one.example")
            .run()
            .code(0);
        follow(&campaign).code(0);
        assert!(entries(&campaign).is_empty());
    });
}

#[test]
fn events_that_were_stored_before_a_crash_reach_the_list() {
    let vendor = Vendor::start();
    let campaign = of(&vendor, 1);
    suppress(&campaign, "add").run().code(0);
    let list = campaign.path().join("lists/acme.db");
    let before = std::fs::read(&list).expect("the list");
    send(&campaign, &[]).code(0);
    vendor.event("r1@one.example", "hardbounce", "01:00:00");
    follow(&campaign).code(0);
    assert_eq!(entries(&campaign).len(), 1);
    // As if the process had died between the two.
    for end in ["-wal", "-shm"] {
        // They may not exist.
        let _ = std::fs::remove_file(format!("{}{end}", list.display()));
    }
    std::fs::write(&list, before).expect("the list");
    assert!(entries(&campaign).is_empty());
    follow(&campaign).code(0);
    assert_eq!(entries(&campaign).len(), 1);
}

#[test]
fn a_test_run_adds_nobody() {
    let vendor = Vendor::start();
    let campaign = of(&vendor, 1);
    suppress(&campaign, "add").run().code(0);
    send(&campaign, &["--test-to", "me@sender.example"]).code(0);
    vendor.event("me@sender.example", "hardbounce", "01:00:00");
    let run = Run::new("follow").arg(campaign.only_run()).keys();
    let run = run.args(["--rate", "500/s", "--for", "1ms"]).run();
    run.code(0)
        .stderr_has("1  hard-bounce")
        .stderr_lacks("added to the list");
    assert!(entries(&campaign).is_empty());
}

#[test]
fn a_list_that_was_deleted_stops_follow() {
    let vendor = Vendor::start();
    let campaign = of(&vendor, 1);
    suppress(&campaign, "add").run().code(0);
    send(&campaign, &[]).code(0);
    std::fs::remove_dir_all(campaign.path().join("lists")).expect("the folder");
    // The help names the campaign, not the copy in the run folder.
    follow(&campaign)
        .code(1)
        .stderr_has("@acme does not exist")
        .stderr_lacks("frozen`");
}

#[test]
fn bounces_by_mail_reach_the_list() {
    let vendor = Vendor::start();
    let campaign = of(&vendor, 2);
    suppress(&campaign, "add").run().code(0);
    send(&campaign, &[]).code(0);
    let mailbox = tempfile::tempdir().expect("a folder");
    for folder in ["new", "cur", "tmp"] {
        std::fs::create_dir(mailbox.path().join(folder)).expect("a folder");
    }
    let id = vendor.id("r2@one.example");
    let report = format!(
        "From: MAILER-DAEMON@one.example\r\nTo: news@sender.example\r\nSubject: Undelivered\r\n\
         MIME-Version: 1.0\r\nDate: {}\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nNo such user.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.one.example\r\n\r\n\
         Final-Recipient: rfc822; r2@one.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{id}>\r\nTo: r2@one.example\r\n\r\n--b--\r\n",
        jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000")
    );
    std::fs::write(mailbox.path().join("new/1.eml"), report).expect("a mail");
    let run = Run::new("follow").arg(campaign.path()).keys();
    let run = run.args(["--rate", "500/s", "--for", "1ms", "--bounces"]);
    run.arg(mailbox.path())
        .run()
        .stderr_has("1 address was added to the list @acme.");
    let entries = entries(&campaign);
    assert_eq!(entries.len(), 1);
    assert!(
        entries[0].starts_with("r2@one.example hard-bounce follow"),
        "{entries:?}"
    );
}
