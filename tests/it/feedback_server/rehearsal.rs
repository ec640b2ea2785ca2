//! From `init` to a click in a real browser on one machine, with the gateway in place of the vendor.

use std::fs;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::browser::browser;
use crate::support::gateway::Gateway;
use crate::support::http::Site;
use crate::support::results::Results;
use crate::support::run::Run;

/// The port is not known before the server runs.
const PLACEHOLDER: &str = "http://127.0.0.1:9";

#[test]
fn who_clicks_in_a_message_of_a_new_campaign_gets_no_other_one() {
    let Some(browser) = browser() else { return };
    let dir = TempDir::new().expect("a folder");
    let campaign = dir.path().join("mynews");
    let init = Run::new("init").arg(&campaign);
    init.args(["--feedback", PLACEHOLDER]).run().code(0);
    let key = fs::read_to_string(campaign.join("feedback.env")).expect("a key");
    let key = key
        .lines()
        .find_map(|line| line.strip_prefix("MAILRUN_FEEDBACK_KEY="));
    let key = key.expect("a key");

    let server = Run::new("feedback")
        .arg(&campaign)
        .args(["--listen", "127.0.0.1:0"]);
    let server = server.env("MAILRUN_FEEDBACK_KEY", key).spawn();
    let site = server.first_line();
    let gateway = Gateway::start();
    let file = campaign.join("campaign.toml");
    let text = fs::read_to_string(&file).expect("a campaign");
    let text = text
        .replace(PLACEHOLDER, site.trim_end_matches('/'))
        .replace("https://api.emaillabs.net.pl/api/", &gateway.api());
    fs::write(&file, text).expect("a file");
    let send = || Run::send(&campaign).env("MAILRUN_FEEDBACK_KEY", key);
    let first = Results::of(send().run().code(0).run_dir());
    assert_eq!(first.count("accepted"), 3);

    let link = link_in_message_to(&gateway, "Ada");
    assert!(link.starts_with(&site), "{link}");
    browser.go(&link);
    browser.click("button");
    browser.until("document.querySelector('.quiet')");
    Site::of(&site).get("/healthz").code(200);
    server.signal(Signal::TERM);
    server.wait().code(0);

    let second = Results::of(send().arg("--again").run().code(0).run_dir());
    let ada = second.row("ada@mail.example");
    assert_eq!((&*ada["status"], &*ada["code"]), ("skipped", "suppressed"));
    assert_eq!(second.count("accepted"), 2);
}

/// The link to unsubscribe in the header of the message that greets somebody.
fn link_in_message_to(gateway: &Gateway, name: &str) -> String {
    let store = gateway.store();
    let mut select = store.prepare("SELECT bytes FROM body").expect("bodies");
    let bodies = select.query_map([], |row| row.get::<_, Vec<u8>>(0));
    let mut bodies = bodies
        .expect("bodies")
        .map(|body| String::from_utf8_lossy(&body.expect("a body")).into_owned());
    let subject = format!("Subject: {name},");
    let message = bodies.find(|body| body.contains(&subject));
    let message = message.expect("a message");
    let link = message.split("List-Unsubscribe: <").nth(1);
    let link = link.and_then(|rest| rest.split('>').next());
    link.expect("a header").split_whitespace().collect()
}
