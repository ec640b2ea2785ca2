//! Links and paths: only files of the campaign are read, and a row can't choose any file.

use std::os::unix::fs::symlink;

use crate::support::campaign::Campaign;
use crate::support::results::Results;
use crate::support::run::{Ran, Run};

fn send(campaign: &Campaign) -> Ran {
    Run::new("send").arg(campaign.path()).arg("--local").run()
}

/// A campaign that attaches the file of this path, for one row with this cell.
fn attaching(path: &str, cell: &str) -> Campaign {
    let mut table = toml::Table::new();
    table.insert("path".into(), path.into());
    Campaign::new()
        .set("message.attachments", vec![toml::Value::from(table)])
        .set("message.subject", "x")
        .recipients(format!("email,first_name\nann@one.example,{cell}\n"))
        .file("files/a.csv", "a")
        .file("files/more/b.csv", "b")
        .file("files/.secret.csv", "c")
        .file("runs/old/results.csv", "d")
        .file(".env.csv", "e")
        .file("other.csv", "f")
}

#[test]
fn templates_that_are_links_out_of_the_campaign_are_refused() {
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("secret.html"), "hush").expect("a file");
    for link in ["newsletter.html", "parts/more.html", "parts"] {
        let campaign = Campaign::new().file("templates/x.txt", "x");
        let link = campaign.path().join("templates").join(link);
        let _ = std::fs::remove_file(&link);
        std::fs::create_dir_all(link.parent().expect("a folder")).expect("a folder");
        let to = match link.ends_with("parts") {
            true => outside.path().to_owned(),
            false => outside.path().join("secret.html"),
        };
        symlink(to, &link).expect("a link");
        for command in ["check", "preview", "send"] {
            let run = Run::new(command).arg(campaign.path());
            let run = if command == "send" {
                run.arg("--local")
            } else {
                run
            };
            let ran = run.run();
            ran.code(1);
            let printed = ran.stdout + &ran.stderr;
            assert!(
                printed.contains("outside the campaign's folder"),
                "{printed}"
            );
            assert!(!printed.contains("hush"), "{printed}");
        }
    }
}

#[test]
fn links_inside_the_campaign_are_followed() {
    let campaign = Campaign::new().file("shared/end.html", "<p>{{ first_name }}</p>");
    symlink("../shared", campaign.path().join("templates/shared")).expect("a link");
    symlink(".", campaign.path().join("templates/loop")).expect("a link");
    let campaign = campaign.template("newsletter.html", "{% include \"shared/end.html\" %}");
    send(&campaign).code(0);
}

#[test]
fn a_row_chooses_only_among_the_files_of_the_fixed_folder() {
    for (path, cell) in [
        ("files/{{ first_name }}.csv", "a"),
        ("files/{{ first_name }}.csv", "more/b"),
        ("{{ first_name }}", "other.csv"),
        ("{{ first_name }}", "files/a.csv"),
    ] {
        send(&attaching(path, cell)).code(0);
    }
    for (path, cell) in [
        ("files/{{ first_name }}.csv", "../recipients"),
        ("files/{{ first_name }}.csv", "../other"),
        ("files/{{ first_name }}.csv", "more/../../other"),
        ("files/{{ first_name }}.csv", ".secret"),
        ("files/{{ first_name }}", "/etc/passwd"),
        ("{{ first_name }}", "/etc/passwd"),
        ("{{ first_name }}", "recipients.csv"),
        ("{{ first_name }}", "./recipients.csv"),
        ("{{ first_name }}", "campaign.toml"),
        ("{{ first_name }}", ".env.csv"),
        ("{{ first_name }}", "files/.secret.csv"),
        ("{{ first_name }}", "templates/newsletter.html"),
        ("{{ first_name }}", "runs/old/results.csv"),
        ("runs/{{ first_name }}", "old/results.csv"),
    ] {
        let campaign = attaching(path, cell);
        println!("{path} {cell}");
        send(&campaign).code(1).stderr_has("attachment");
    }
    // A link to the list is the list.
    let campaign = attaching("files/{{ first_name }}.csv", "list");
    symlink("../recipients.csv", campaign.path().join("files/list.csv")).expect("a link");
    send(&campaign)
        .code(1)
        .stderr_has("belongs to the campaign itself");
    // So is a suppression list.
    let campaign = attaching("files/{{ first_name }}.csv", "a")
        .file("files/a.csv", "email\nx@one.example\n")
        .set("recipients.suppress", vec!["files/a.csv"]);
    send(&campaign)
        .code(1)
        .stderr_has("belongs to the campaign itself");
}

#[test]
fn a_row_with_a_wrong_path_is_invalid() {
    let campaign = attaching("files/{{ first_name }}.csv", "a\nbob@one.example,../other");
    let run = Run::new("send").arg(campaign.path());
    let ran = run.args(["--local", "--skip-invalid"]).run();
    ran.code(3);
    let results = Results::of(ran.run_dir());
    assert_eq!(results.row("ann@one.example")["status"], "accepted");
    assert_eq!(results.row("bob@one.example")["status"], "invalid");
}

#[test]
fn the_size_of_an_attachment_is_checked_before_it_is_read() {
    let campaign = attaching("files/{{ first_name }}.bin", "huge");
    let file = std::fs::File::create(campaign.path().join("files/huge.bin")).expect("a file");
    // Sparse: it takes no space, but reading it would take the memory.
    file.set_len(200 << 30).expect("a size");
    send(&campaign)
        .code(1)
        .stderr_has("huge.bin has 214748364800 bytes");
    let campaign = attaching("files/huge.bin", "x");
    let file = std::fs::File::create(campaign.path().join("files/huge.bin")).expect("a file");
    file.set_len(200 << 30).expect("a size");
    send(&campaign)
        .code(1)
        .stderr_has("huge.bin has 214748364800 bytes");
}
