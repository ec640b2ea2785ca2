//! No value reaches a terminal with its control characters.

use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::Signal;

use crate::support::campaign::Campaign;
use crate::support::http::Site;
use crate::support::run::Run;
use crate::support::screen::Screen;

/// Writes to the clipboard (OSC 52), changes colours (C1), and reverses the text (bidi).
const HOSTILE: &str = "a\u{1b}]52;c;SEVMTE8=\u{7}b\u{9b}31mc\u{202e}d";
const CONTROLS: [&str; 4] = ["\u{1b}]", "\u{7}", "\u{9b}", "\u{202e}"];

fn campaign() -> Campaign {
    Campaign::new()
        .recipients(format!(
            "email,first_name\nann@one.example,{HOSTILE}\nx\u{1b}]x@,{HOSTILE}\n"
        ))
        .set("message.subject", "x")
}

/// A hostile value in each place where one can stand.
fn campaigns() -> Vec<(&'static str, Campaign)> {
    let html = |text: &str| campaign().template("newsletter.html", text);
    let attaching = |path: &str| {
        let mut table = toml::Table::new();
        table.insert("path".into(), path.into());
        campaign().set("message.attachments", vec![toml::Value::from(table)])
    };
    vec![
        (
            "a body and a subject",
            html("<p>{{ first_name }}").set("message.subject", "{{ first_name }}"),
        ),
        ("a filter's error", html("{{ first_name | int }}")),
        ("a date", html("{{ first_name | date }}")),
        ("throw", html("{{ throw(message=first_name) }}")),
        (
            "an address",
            campaign().set("message.reply_to", "{{ first_name }}"),
        ),
        (
            "an excerpt",
            html(&format!("<p>{HOSTILE} {{{{ typo }}}} {HOSTILE}")),
        ),
        ("a syntax error", html_with_error()),
        ("an account", campaign().set("api.smtp_account", HOSTILE)),
        ("a sender", campaign().set("message.from_name", HOSTILE)),
        ("a key", campaign().set(&format!("vars.{HOSTILE}"), "x")),
        (
            "a column",
            campaign().recipients(format!("email,{HOSTILE},{HOSTILE}\na@b.example,1,2\n")),
        ),
        (
            "a template's name",
            campaign().template(&format!("{HOSTILE}.html"), "{% if %}"),
        ),
        (
            "an attachment's name",
            attaching("{{ first_name }}").file(HOSTILE, "x"),
        ),
        (
            "a missing attachment",
            attaching("files/{{ first_name }}.pdf"),
        ),
        (
            "a missing template",
            campaign().set("message.html", HOSTILE),
        ),
        ("a list's name", campaign().set("recipients.file", HOSTILE)),
        (
            "a suppression list",
            campaign().set("recipients.suppress", vec![HOSTILE]),
        ),
        ("a URL", campaign().set("api.url", HOSTILE)),
    ]
}

#[track_caller]
fn assert_harmless(printed: &str, place: &str) {
    for control in CONTROLS {
        assert!(
            !printed.contains(control),
            "{control:?} of {place} is in {printed:?}"
        );
    }
}

fn commands(campaign: &Path) -> Vec<(Run, &'static str)> {
    let run = |command: &str| Run::new(command).arg(campaign);
    let out = campaign.join("out");
    vec![
        (run("check"), ""),
        (run("check").args(["--format", "json"]), ""),
        (run("check").args(["--format", "github"]), ""),
        (run("preview").args(["--row", "1"]), ""),
        (run("preview").arg("--out").arg(out), ""),
        (run("preview"), "q"),
        (run("send").arg("--dry-run"), ""),
        (run("send").args(["--limit", "1"]).keys(), "n\n"),
        (run("send").args(["--local", "--skip-invalid"]), ""),
        (
            run("send").args([
                "--local",
                "--skip-invalid",
                "--again",
                "--log-format",
                "json",
            ]),
            "",
        ),
        (
            run("send").args(["--local", "--skip-invalid", "--again", "-vv"]),
            "",
        ),
        (run("status"), ""),
        (run("status").args(["--format", "json"]), ""),
        (run("results").args(["--out", "-"]), ""),
        (run("results").arg("--raw"), ""),
        (run("resume"), ""),
        (run("retry"), ""),
        (run("resolve").args(["--how", "resend"]), "n\n"),
    ]
}

#[test]
fn no_command_prints_control_characters() {
    std::thread::scope(|scope| {
        for (place, campaign) in campaigns() {
            scope.spawn(move || {
                for (run, keys) in commands(campaign.path()) {
                    assert_harmless(&run.on_terminal(keys), place);
                }
            });
        }
    });
}

#[test]
fn names_of_folders_have_no_control_characters_on_a_terminal() {
    let campaign = Campaign::new();
    let folder = campaign.path().join(HOSTILE);
    assert_harmless(&Run::new("init").arg(&folder).on_terminal("\n"), "a folder");
    for (run, keys) in commands(&folder) {
        assert_harmless(&run.on_terminal(keys), "a folder");
    }
    // A program gets the path as it is.
    let ran = Run::new("send").arg(&folder).arg("--local").run();
    assert!(ran.run_dir().starts_with(&folder));
}

#[test]
fn no_server_prints_control_characters() {
    let campaign = campaign()
        .template("newsletter.html", "<p>{{ first_name }}")
        .set("message.subject", "{{ first_name }}");
    let sending = Run::new("send").arg(campaign.path());
    let sent = sending.args(["--local", "--skip-invalid"]).run();
    let broken = html_with_error();
    let data = campaign.path().join(HOSTILE);
    std::fs::create_dir(&data).expect("a folder");
    // The gateway warns about it by its name.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&data, open).expect("a mode");
    let listen = ["--listen", "127.0.0.1:0"];
    let servers = [
        Run::new("inbox")
            .arg(sent.run_dir())
            .args(listen)
            .arg("-vv"),
        Run::new("preview").arg(campaign.path()).arg("--web"),
        Run::new("preview").arg(broken.path()).arg("--web"),
        Run::new("gateway")
            .args(listen)
            .arg("-vv")
            .arg("--data")
            .arg(data),
    ];
    for server in servers {
        let mut screen = Screen::start(server, 50, 250);
        screen.until("http://127.0.0.1:");
        let shown = screen.contents();
        let url = shown
            .split_whitespace()
            .find(|it| it.starts_with("http://"));
        let site = Site::of(url.expect("a URL"));
        for path in [
            "/%1b%5d52;c;SEVMTE8=%07%c2%9b31m%e2%80%ae",
            "/\u{1b}]52;c;x\u{7}",
        ] {
            let agent = "User-Agent: a\u{202e}b";
            // Some requests are refused, and their connection ends.
            let _ = site
                .send(&format!("GET {path}"), &[agent], b"")
                .read(&mut [0; 100]);
        }
        screen.signal(Signal::INT).end();
        assert_harmless(&screen.written(), "a server");
    }
}

fn html_with_error() -> Campaign {
    campaign().template(
        "newsletter.html",
        &format!("<p>{HOSTILE} {{% if %}} {HOSTILE}"),
    )
}
