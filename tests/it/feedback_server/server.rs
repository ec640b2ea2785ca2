//! Runs `mailrun feedback`, and speaks to it as mail clients and the vendor do.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;
use sha1::Sha1;

use super::KEY;
use crate::support::campaign::Campaign;
use crate::support::http::{Reply, Site};
use crate::support::run::{Ran, Run, Running};

pub(super) const SECRET: &str = "webhook-secret";
/// The body of RFC 8058.
pub(super) const ONE_CLICK: &[u8] = b"List-Unsubscribe=One-Click";

pub(super) struct Server {
    running: Option<Running>,
    pub(super) site: Site,
}

impl Server {
    pub(super) fn start(campaigns: &[&Campaign]) -> Self {
        Self::with(campaigns, |run| run.env("MAILRUN_WEBHOOK_SECRET", SECRET))
    }

    /// A server whose command `change` changes.
    pub(super) fn with(campaigns: &[&Campaign], change: impl FnOnce(Run) -> Run) -> Self {
        let paths = campaigns.iter().map(|campaign| campaign.path());
        let run = Run::new("feedback")
            .args(paths)
            .env("MAILRUN_FEEDBACK_KEY", KEY);
        let running = change(run.args(["--listen", "127.0.0.1:0"])).spawn();
        let site = Site::of(&running.first_line());
        Self {
            running: Some(running),
            site,
        }
    }

    pub(super) fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    pub(super) fn kill(mut self) {
        self.running.take().expect("it runs").kill();
    }

    pub(super) fn stop(mut self) -> Ran {
        let running = self.running.take().expect("it runs");
        running.signal(Signal::TERM);
        running.wait()
    }

    pub(super) fn get(&self, token: &str) -> Reply {
        self.site.get(&format!("/u/{token}"))
    }

    /// As a mail client does.
    pub(super) fn click(&self, token: &str) -> Reply {
        self.site.ask(&format!("POST /u/{token}"), &[], ONE_CLICK)
    }

    pub(super) fn undo(&self, token: &str, proof: &str) -> Reply {
        let body = format!("proof={proof}");
        self.site
            .ask(&format!("POST /u/{token}/undo"), &[], body.as_bytes())
    }

    /// A request of the new panel.
    pub(super) fn webhook(&self, id: &str, events: &Value) -> Reply {
        self.webhook_with(id, events.to_string().as_bytes(), SECRET, &[])
    }

    pub(super) fn webhook_with(&self, id: &str, body: &[u8], secret: &str, more: &[&str]) -> Reply {
        self.site
            .ask("POST /webhook/v2", &v2_headers(id, secret, more), body)
    }

    /// A request of the old panel.
    pub(super) fn old_webhook(&self, mt: &str, events: &Value, secret: &str) -> Reply {
        let ts = mt.split('.').next().unwrap_or_default();
        let id = Md5::digest(format!("{ts}|{mt}|acme panel|{secret}"));
        let headers = [
            "X-EMAILLABS-EV: NEW_EVENTS".to_owned(),
            format!("X-EMAILLABS-TS: {ts}"),
            format!("X-EMAILLABS-MT: {mt}"),
            format!("X-EMAILLABS-ID: {}", hex(&id)),
            "Content-Type: application/x-www-form-urlencoded".to_owned(),
        ];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("p", &STANDARD.encode(events.to_string()));
        self.site
            .ask("POST /webhook/events", &headers, form.finish().as_bytes())
    }
}

fn v2_headers<'a>(id: &str, secret: &str, more: &[&'a str]) -> Vec<&'a str> {
    let date = jiff::Timestamp::now().to_string();
    let checksum = hex(&Sha1::digest(format!("{secret}|{date}|{id}")));
    let headers = [
        format!("X-Webhook-Date: {date}"),
        format!("Request-Id: {id}"),
        format!("X-Webhook-Checksum: {checksum}"),
        "Content-Type: application/json".to_owned(),
    ];
    let headers = headers
        .into_iter()
        .map(|it| &*Box::leak(it.into_boxed_str()));
    headers.chain(more.iter().copied()).collect()
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The proof in the form of the page that confirms a click.
pub(super) fn proof(reply: &Reply) -> String {
    let page = reply.text();
    let (_, rest) = page.split_once("name=\"proof\" value=\"").expect("a form");
    rest.split('"').next().unwrap_or_default().to_owned()
}

/// Address and reason of the entries of the campaign's list, sorted.
pub(super) fn entries(campaign: &Campaign) -> Vec<String> {
    let list = Run::new("suppress").args(["export", "@acme", "--campaign"]);
    let ran = list.arg(campaign.path()).run();
    let lines = ran.code(0).stdout.lines().skip(1);
    let mut entries: Vec<_> = lines
        .map(|line| line.split(',').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    entries.sort();
    entries
}

/// Row and kind of the events of a run, sorted.
pub(super) fn events(run: &Path) -> Vec<(u32, String)> {
    let Ok(events) = Connection::open(run.join("events.db")) else {
        return Vec::new();
    };
    let Ok(mut select) = events.prepare("SELECT row, kind FROM event ORDER BY row, kind") else {
        return Vec::new();
    };
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.expect("events")
        .map(|row| row.expect("an event"))
        .collect()
}

/// A number of the journal.
pub(super) fn journal(campaign: &Campaign, sql: &str) -> i64 {
    let journal = Connection::open(campaign.path().join("feedback.db")).expect("a journal");
    journal
        .query_row(sql, [], |row| row.get(0))
        .expect("a number")
}

impl Server {
    /// Waits until everything is applied.
    pub(super) fn wait_for(&self, what: &str, mut done: impl FnMut() -> bool) {
        self.running().wait_until(what, |_| done());
    }

    pub(super) fn wait_until_applied(&self, campaign: &Campaign) {
        let waiting =
            "SELECT (SELECT count(*) FROM click) + (SELECT count(*) FROM event WHERE NOT parked)";
        self.wait_for("everything applied", || journal(campaign, waiting) == 0);
    }
}
