//! The page of `mailrun preview --web` follows saves, wherever the files are.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::campaign::Campaign;
use crate::support::http::Site;
use crate::support::preview::Preview;
use crate::support::run::Run;

fn write(campaign: &Campaign, name: &str, text: &str) {
    fs::write(campaign.path().join(name), text).expect("room");
}

fn subject(preview: &Preview) -> String {
    preview.json("/preview/m/1")["message"]["subject"].to_string()
}

#[test]
fn saves_are_followed_when_the_campaign_is_given_as_a_file_name() {
    let campaign = Campaign::new();
    let running = Run::new("preview")
        .cwd(campaign.path())
        .args(["campaign.toml", "--web"])
        .spawn();
    let preview = Preview {
        site: Site::of(&running.first_line()),
        running,
    };
    preview.saved(|| write(&campaign, "templates/newsletter.html", "<p>Good day"));
    assert!(
        preview
            .html("/preview/m/1/html")
            .text()
            .contains("Good day")
    );
}

#[test]
fn saves_are_followed_of_recipients_elsewhere_that_were_invalid_or_missing() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let list = elsewhere.path().join("list.csv");
    let campaign = Campaign::new().set("recipients.file", list.display().to_string());
    for broken in [Some("email,first_name\n\"zoe@six.example,Zoe\n"), None] {
        match broken {
            Some(text) => fs::write(&list, text).expect("room"),
            None => fs::remove_file(&list).expect("it exists"),
        }
        let preview = Preview::start(campaign.path());
        assert_ne!(
            preview.json("/preview/about")["broken"],
            serde_json::json!([])
        );
        preview.saved(|| {
            fs::write(&list, "email,first_name\nzoe@six.example,Zoe\n").expect("room");
        });
        assert_eq!(subject(&preview), "\"Hello Zoe\"");
    }
}

#[test]
fn saves_are_followed_through_symbolic_links() {
    let campaign = Campaign::new();
    let elsewhere = campaign.path().join("elsewhere");
    let templates = campaign.path().join("templates");
    let html = elsewhere.join("newsletter.html");
    fs::rename(&templates, &elsewhere).expect("it exists");
    std::os::unix::fs::symlink(&elsewhere, &templates).expect("a link");
    // A link to a parent folder.
    std::os::unix::fs::symlink(".", elsewhere.join("again")).expect("a link");
    fs::remove_file(elsewhere.join("again")).expect("it exists");
    std::os::unix::fs::symlink(campaign.path(), campaign.path().join("again")).expect("a link");
    let preview = Preview::start(campaign.path());
    preview.saved(|| fs::write(&html, "<p>Good day").expect("room"));
    assert!(
        preview
            .html("/preview/m/1/html")
            .text()
            .contains("Good day")
    );
}

#[test]
fn a_signal_ends_the_preview_while_it_loads() {
    for signal in [Signal::INT, Signal::TERM] {
        let campaign = Campaign::new();
        let preview = Preview::start(campaign.path());
        // To load it takes minutes.
        let large = "<p>{{ first_name | upper }}</p>\n".repeat(200_000);
        write(&campaign, "templates/newsletter.html", &large);
        std::thread::sleep(Duration::from_millis(500));
        preview.running.signal(signal);
        preview.running.wait().code(0);
    }
}
