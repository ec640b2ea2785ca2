//! `mailrun init`: a campaign that can be tried at once.

use crate::support::campaign::Campaign;
use crate::support::findings::check_folder;
use crate::support::mail::outbox;
use crate::support::results::Results;
use crate::support::run::Run;

#[test]
fn the_new_campaign_is_clean_and_can_be_sent() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("first");
    Run::new("init")
        .arg(&folder)
        .run()
        .code(0)
        .stdout_has("--local");
    check_folder(&folder).is_clean();
    let ran = Run::new("send").arg(&folder).arg("--local").run();
    ran.code(0);
    let results = Results::of(ran.run_dir());
    assert_eq!(results.count("accepted"), results.rows.len());
    assert_eq!(
        outbox(ran.run_dir().join("outbox")).len(),
        results.rows.len()
    );
    assert!(!results.rows.is_empty());
}

#[test]
fn the_letter_of_a_new_campaign_can_be_in_mjml() {
    for way in [&[][..], &["--feedback", "https://news.acme.example"]] {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("first");
        let init = Run::new("init").arg(&folder).arg("--mjml").args(way);
        init.run().code(0);
        check_folder(&folder).is_clean();
        let ran = Run::new("send").arg(&folder).arg("--local").run();
        let mails = outbox(ran.code(0).run_dir().join("outbox"));
        let mut mails = mails.iter().filter_map(|it| it.html.as_deref());
        let html = mails.find(|html| html.contains("Hello Ada,</h1>"));
        let html = html.expect("the message of Ada");
        assert!(html.contains("Greetings to London!"), "{html}");
        assert_eq!(html.matches(">Unsubscribe</a>").count(), 1, "{html}");
    }
    let ran = Run::new("init").args(["x", "--mjml", "--markdown"]).run();
    ran.code(2);
}

#[test]
fn the_letter_of_a_new_campaign_can_be_in_markdown() {
    for way in [
        &[][..],
        &["--feedback", "https://news.acme.example"],
        &["--smtp"],
    ] {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("first");
        let init = Run::new("init").arg(&folder).arg("--markdown").args(way);
        init.run().code(0);
        check_folder(&folder).is_clean();
        let strict = Run::new("check").arg(&folder).arg("--strict");
        strict.run().code(0);
        let ran = Run::new("send").arg(&folder).arg("--local").run();
        let mails = outbox(ran.code(0).run_dir().join("outbox"));
        let mail = mails.iter().find(|it| it.to == ["ada@mail.example"]);
        let mail = mail.expect("the message of Ada");
        let html = mail.html.as_deref().unwrap_or_default();
        assert!(html.contains("Hello Ada,</h1>"), "{html}");
        assert_eq!(html.matches(">Unsubscribe</a>").count(), 1, "{html}");
        let text = mail.text.as_deref().unwrap_or_default();
        assert!(text.contains("Monday | We write the letter."), "{text}");
        assert!(!folder.join("templates/newsletter.html").exists());
    }
}

#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let campaign = Campaign::new();
    let before = std::fs::read(campaign.path().join("campaign.toml")).expect("a file");
    let ran = Run::new("init").arg(campaign.path()).run();
    ran.code(1).stderr_has("not empty");
    let after = std::fs::read(campaign.path().join("campaign.toml")).expect("a file");
    assert_eq!(before, after);
    assert!(!campaign.path().join("unsubscribed.csv").exists());

    let empty = tempfile::tempdir().expect("a folder");
    Run::new("init").arg(empty.path()).run().code(0);
}

#[test]
fn the_starter_fits_the_way_of_sending() {
    for (arguments, line) in [
        (vec!["--smtp"], "url = \"smtps://letter%40yourname.example@"),
        (
            vec!["--dialect", "v2"],
            "url = \"https://api.emaillabs.io/v2.1/\"",
        ),
        (
            vec!["--dialect", "new_sendmail"],
            "dialect = \"new_sendmail\"",
        ),
    ] {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("first");
        let init = Run::new("init").arg(&folder).args(&arguments);
        init.run().code(0);
        let toml = std::fs::read_to_string(folder.join("campaign.toml")).expect("a file");
        assert!(toml.contains(line), "{toml}");
        check_folder(&folder).is_clean();
        let ran = Run::new("send").arg(&folder).arg("--local").run();
        let results = Results::of(ran.code(0).run_dir());
        assert_eq!(results.count("accepted"), results.rows.len());
    }
    let ran = Run::new("init").args(["x", "--dialect", "v3"]).run();
    ran.code(2).stderr_has("use sendmail, new_sendmail or v2");
}

#[test]
fn on_a_terminal_it_asks_for_the_account() {
    for (answer, line) in [
        ("\n", "dialect = \"sendmail\""),
        ("2\n", "dialect = \"v2\""),
        ("3\n", "[smtp]"),
    ] {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("first");
        let screen = Run::new("init").arg(&folder).on_terminal(answer);
        assert!(screen.contains("Which account do you have?"), "{screen}");
        let toml = std::fs::read_to_string(folder.join("campaign.toml")).expect("a file");
        assert!(toml.contains(line), "{toml}");
    }
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("first");
    let screen = Run::new("init").arg(&folder).on_terminal("x\n");
    assert!(screen.contains("the answer must be 1, 2 or 3"), "{screen}");
    assert!(!folder.exists());
    let screen = Run::new("init").arg(&folder).arg("--smtp").on_terminal("");
    assert!(!screen.contains("Which account"), "{screen}");
}

#[test]
fn with_feedback_the_campaign_has_links_a_list_and_a_private_key() {
    use std::os::unix::fs::PermissionsExt as _;

    for way in [&[][..], &["--smtp"], &["--dialect", "v2"]] {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("My News");
        let init = Run::new("init").arg(&folder).args(way);
        let ran = init.args(["--feedback", "https://news.acme.example"]).run();
        ran.code(0).stdout_has("feedback.env");
        check_folder(&folder).is_clean();
        let toml = std::fs::read_to_string(folder.join("campaign.toml")).expect("a file");
        assert!(toml.contains("suppress = [\"@my-news\"]"), "{toml}");
        assert!(folder.join("lists/my-news.db").is_file());
        let env = folder.join("feedback.env");
        let mode = env.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let ignored = std::fs::read_to_string(folder.join(".gitignore")).expect("a file");
        assert!(ignored.lines().any(|line| line == "feedback.env"));
        let ran = Run::new("send").arg(&folder).arg("--local").run();
        let mails = outbox(ran.code(0).run_dir().join("outbox"));
        assert_eq!(
            mails[0].header("List-Unsubscribe"),
            "<https://news.acme.example/u/test>"
        );
        let html = mails[0].html.as_deref().unwrap_or_default();
        assert!(html.contains("https://news.acme.example/u/test"), "{html}");
    }
    for url in [
        "http://news.acme.example",
        "news",
        "https://a@news.acme.example",
    ] {
        let ran = Run::new("init").args(["x", "--feedback", url]).run();
        ran.code(2);
    }
}
