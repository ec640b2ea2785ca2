//! The files that mailrun writes: private, and safe in a spreadsheet.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::campaign::Campaign;
use crate::support::run::{Run, program};

/// The files and folders below a folder that others can read.
fn open_to_others(folder: &Path) -> Vec<String> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let metadata = path.symlink_metadata().expect("a file");
        let mode = metadata.permissions().mode() & 0o7777;
        let private = if metadata.is_dir() { 0o700 } else { 0o600 };
        if mode & !private != 0 {
            open.push(format!("{} {mode:o}", path.display()));
        }
        if metadata.is_dir() {
            open.extend(open_to_others(&path));
        }
    }
    open
}

#[test]
fn files_about_recipients_are_private_whatever_the_umask() {
    let campaign = Campaign::new();
    let out = campaign.path().join("out");
    let run = |arguments: &str| {
        let script = format!("umask 000; exec {} {arguments}", program());
        let status = Command::new("sh")
            .arg("-c")
            .arg(script)
            .current_dir(campaign.path())
            .output();
        let output = status.expect("a shell");
        assert!(output.status.success(), "{output:?}");
    };
    run("send . --local");
    run("preview . --out out");
    run("results . --out copy.csv");
    assert_eq!(
        open_to_others(&campaign.path().join("runs")),
        Vec::<String>::new()
    );
    assert_eq!(open_to_others(&out), Vec::<String>::new());
    let mode = |path: &str| {
        let metadata = campaign.path().join(path).metadata().expect("it is there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("runs"), 0o700);
    assert_eq!(mode("out"), 0o700);
    assert_eq!(mode("copy.csv"), 0o600);
}

#[test]
fn raw_results_go_to_standard_output_and_leave_the_guarded_file() {
    let campaign = Campaign::new()
        .set("message.subject", "x")
        .recipients("email,first_name\nann@one.example,=1+1;=2\n");
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    let results = ran.run_dir().join("results.csv");
    let guarded = std::fs::read_to_string(&results).expect("results");
    assert!(guarded.contains(",'=1+1;'=2"), "{guarded}");
    let raw = Run::new("results").arg(campaign.path()).arg("--raw").run();
    raw.code(0).stdout_has(",=1+1;=2");
    assert_eq!(std::fs::read_to_string(&results).expect("results"), guarded);
}

#[test]
fn the_inbox_reads_only_regular_files_of_the_outbox() {
    let campaign = Campaign::new().recipients("email,first_name\nann@one.example,Ann\n");
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    let new = ran.run_dir().join("outbox/new");
    let secret = campaign.path().join("secret.eml");
    std::fs::write(&secret, "Subject: hush\r\nFrom: a@b.example\r\n\r\nx").expect("a file");
    symlink(&secret, new.join("1.M1.link")).expect("a link");
    let fifo = new.join("2.M2.fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .expect("mkfifo")
            .success()
    );
    let inbox = Run::new("inbox").arg(campaign.path()).spawn();
    inbox.wait_until("the skipped files", |it| {
        it.stderr().contains("1.M1.link") && it.stderr().contains("2.M2.fifo")
    });
    let url = inbox.first_line();
    let list = Command::new("curl")
        .args(["-s", &format!("{url}inbox/messages")])
        .output();
    if let Ok(list) = list {
        assert!(!String::from_utf8_lossy(&list.stdout).contains("hush"));
    }
}

#[test]
fn a_data_folder_that_others_can_read_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let set = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(), mode).expect("a mode");
    };
    let gateway = || {
        let run = Run::new("gateway").args(["--listen", "127.0.0.1:0", "--data"]);
        let running = run.arg(folder.path()).spawn();
        running.first_line();
        running.kill()
    };
    set(0o755);
    gateway().stderr_has("(mode 0755)").stderr_has("chmod 700");
    set(0o700);
    gateway().stderr_lacks("chmod 700");
}
