//! `mailrun suppress`.

use super::{both, entries, suppress, with_list};
use crate::support::campaign::Campaign;
use crate::support::run::Run;

#[test]
fn addresses_are_added_checked_and_removed() {
    both(|home| {
        let campaign = home.place(Campaign::new());
        suppress(&campaign, "add")
            .args(["ann@one.example", "Bob@two.example"])
            .run()
            .code(0)
            .stdout_is("")
            .stderr_has("Created the list @acme")
            .stderr_has("Added 2 entries to @acme: 2 manual.");
        suppress(&campaign, "add")
            .args(["ANN@one.example", "--reason", "complaint"])
            .run()
            .code(0)
            .stderr_lacks("Created")
            .stderr_has("Added 1 entry to @acme: 1 complaint.");
        suppress(&campaign, "add")
            .arg("ann@one.example")
            .run()
            .code(0)
            .stderr_has("Added 0 entries to @acme. 1 was there already.");
        assert_eq!(
            entries(&campaign),
            [
                "ann@one.example complaint command line",
                "ann@one.example manual command line",
                "bob@two.example manual command line",
            ]
        );
        suppress(&campaign, "check")
            .args(["ann@one.example", "eve@one.example"])
            .run()
            .code(0)
            .stdout_has("ann@one.example: complaint (command line, ")
            .stdout_has("ann@one.example: manual (command line, ")
            .stdout_has("eve@one.example: not on the list\n");
        suppress(&campaign, "check")
            .arg("eve@one.example")
            .run()
            .code(1);

        // One reason goes, the other one stays.
        suppress(&campaign, "remove")
            .args(["ann@one.example", "--reason", "manual"])
            .run()
            .code(0)
            .stdout_has("ann@one.example: removed manual")
            .stdout_has("ann@one.example: still on the list: complaint");
        suppress(&campaign, "check")
            .arg("ann@one.example")
            .run()
            .code(0);
        suppress(&campaign, "remove")
            .args(["ann@one.example", "bob@two.example", "eve@one.example"])
            .run()
            .code(0)
            .stdout_has("ann@one.example: removed complaint")
            .stdout_has("bob@two.example: removed manual")
            .stdout_has("eve@one.example: not on the list");
        assert!(entries(&campaign).is_empty());
    });
}

#[test]
fn a_list_is_named_by_the_campaign_the_ledger_or_its_file() {
    let campaign = Campaign::new();
    let here = |command: &str, list: &str| {
        let run = Run::new("suppress").args([command, list]);
        run.cwd(campaign.path())
    };
    here("add", "@acme").arg("ann@one.example").run().code(0);
    let ignored = std::fs::read_to_string(campaign.path().join("lists/.gitignore"));
    assert_eq!(ignored.expect("git ignores it"), "*\n");
    let path = campaign.path().join("lists/acme.db");
    let path = path.to_str().expect("UTF-8");
    here("check", path).arg("ann@one.example").run().code(0);
    // The campaign has no table [ledger], so its list is in the folder, as for `send --ledger`.
    let ledger = "postgres://news@localhost/none";
    here("check", "@acme")
        .args(["ann@one.example", "--campaign", ".", "--ledger", ledger])
        .run()
        .code(0);
    let elsewhere = |args: &[&str]| Run::new("suppress").args(args).run();
    elsewhere(&["check", "@acme", "ann@one.example"])
        .code(2)
        .stderr_has("not clear where the list @acme is")
        .stderr_has("--campaign DIR");
    elsewhere(&["add", "acme", "ann@one.example"])
        .code(2)
        .stderr_has("neither the name of a list nor the file of one");
    elsewhere(&["add", "@No", "ann@one.example"]).code(2);
    here("export", "@other")
        .run()
        .code(1)
        .stderr_has("@other does not exist");
    // For scripts, an error differs from an address that is not on the list.
    here("check", "@other").arg("ann@one.example").run().code(2);
    here("remove", "@other")
        .arg("ann@one.example")
        .run()
        .code(1);
    assert!(!campaign.path().join("lists/other.db").exists());
}

#[test]
fn a_list_in_a_ledger_needs_no_campaign() {
    both(|home| {
        let Some(url) = &home.0 else { return };
        let at = |command: &str| Run::new("suppress").args([command, "@acme", "--ledger", url]);
        at("add").arg("ann@one.example").run().code(0);
        at("check").arg("ann@one.example").run().code(0);
        let campaign = home.place(with_list(Campaign::new()));
        assert_eq!(entries(&campaign), ["ann@one.example manual command line"]);
    });
}

#[test]
fn files_are_imported_like_suppression_files() {
    both(|home| {
        let campaign = home
            .place(Campaign::new())
            .file(
                "excel.csv",
                b"E-Mail;Grund\nann@one.example;K\xfcndigung, m\xf6glich\n",
            )
            .file(
                "lines.txt",
                "# gone\nBob <bob@two.example>\nmailto:cleo@one.example\n",
            )
            .file("bad.txt", "ann@one.example\nbob(at)two.example\n");
        let import = |file: &str, options: &[&str]| {
            let run = suppress(&campaign, "import");
            run.arg(campaign.path().join(file)).args(options).run()
        };
        import("bad.txt", &[]).code(1).stderr_has("bad.txt:2");
        suppress(&campaign, "export").run().code(1);
        import("excel.csv", &[])
            .code(1)
            .stderr_has("`--encoding \"windows-1252\"`");
        import("excel.csv", &["--encoding", "windows-1252"])
            .code(0)
            .stderr_has("Created the list @acme")
            .stderr_has("Added 1 entry to @acme: 1 imported.");
        import("lines.txt", &[]).code(0);
        assert_eq!(
            entries(&campaign),
            [
                "ann@one.example imported file excel.csv",
                "bob@two.example imported file lines.txt",
                "cleo@one.example imported file lines.txt",
            ]
        );
    });
}

#[test]
fn an_exported_list_is_imported_with_its_reasons_and_times() {
    both(|home| {
        let exported = "email,reason,source,at,note\r\n\
            +ann@one.example,hard-bounce,follow,2026-01-02T03:04:05Z,'=550 no such user\r\n\
            bob@two.example,complaint,webhook,2026-02-02T03:04:05.678Z,\r\n\
            bob@two.example,unsubscribe,one-click,2026-02-02T03:04:05Z,\r\n";
        let campaign = home.place(Campaign::new()).file("list.csv", exported);
        let file = campaign.path().join("list.csv");
        suppress(&campaign, "import")
            .arg(&file)
            .run()
            .code(0)
            .stderr_has("Added 3 entries to @acme: 1 complaint, 1 unsubscribe, 1 hard-bounce.");
        let out = campaign.path().join("again.csv");
        suppress(&campaign, "export")
            .arg("--out")
            .arg(&out)
            .run()
            .code(0)
            .stderr_has("3 entries written");
        let lines = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let again = std::fs::read_to_string(out).expect("a file");
        assert_eq!(lines(&again), lines(exported));
        let broken = exported.replace("complaint", "whatever");
        let campaign = campaign.file("list.csv", broken);
        suppress(&campaign, "import")
            .arg(&file)
            .run()
            .code(1)
            .stderr_has("list.csv:3: “whatever” is not a reason");
    });
}

#[test]
fn several_processes_add_at_the_same_time() {
    both(|home| {
        let campaign = home.place(Campaign::new());
        let running: Vec<_> = (0..6)
            .map(|n| {
                let run = suppress(&campaign, "add");
                run.args([format!("a{n}@one.example"), "all@one.example".to_owned()])
                    .spawn()
            })
            .collect();
        for one in running {
            one.wait().code(0);
        }
        assert_eq!(entries(&campaign).len(), 7);
    });
}
