//! Measures `mailrun report` on a run with events.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::campaigns::Campaign;
use crate::process::{peak, send};
use crate::sink::Sink;
use crate::{ROUNDS, median, scaled, show};

/// Gives every row a domain, and a state with its events: 95% are delivered, a third of them is opened and a tenth of these
/// clicked. The others come back for reasons with numbers and addresses in them.
const EVENTS: &str = "
    ATTACH DATABASE 'LEDGER' AS ledger;
    UPDATE ledger.recipient SET address = replace(address, 'list.example',
      CASE row % 10 WHEN 0 THEN 'd' || (row * 7919 % 20000) || '.example' WHEN 1 THEN 'd' || (row % 30) || '.example'
        WHEN 2 THEN 'second.example' WHEN 3 THEN 'second.example' ELSE 'first.example' END);
    CREATE TEMP TABLE chance AS SELECT row, at, row * 2654435761 % 1000 AS n FROM ledger.delivery WHERE status = 'accepted';
    INSERT INTO event SELECT row, 'delivered', at + 1000, '250 2.0.0 OK queued as ' || row FROM chance WHERE n < 950;
    INSERT INTO event SELECT row, 'opened', at + 1000 * (row * 40503 % 90000), '' FROM chance WHERE n < 320;
    INSERT INTO event SELECT row, 'clicked', at + 1000 * (60 + row * 40503 % 90000),
      'https://shop.acme.example/page-' || (row % 40) || '?u=' || row FROM chance WHERE n < 32;
    INSERT INTO event SELECT row, CASE row % 3 WHEN 0 THEN 'soft-bounce' ELSE 'hard-bounce' END, at + 2000,
      '550 5.1.' || (row % 9) || ' <reader' || row || '@first.example>: User unknown; id ' || row FROM chance WHERE n >= 950 AND n < 998;
    INSERT INTO delivery_state SELECT row, CASE WHEN n < 32 THEN 'clicked' WHEN n < 320 THEN 'opened' WHEN n < 950 THEN 'delivered'
      WHEN row % 3 = 0 THEN 'soft-bounce' ELSE 'hard-bounce' END FROM chance WHERE n < 998;";

pub(crate) fn report(scale: f64) {
    let sink = Sink::start(Duration::ZERO);
    let mut peaks = Vec::new();
    for rows in [10_000, scaled(1_000_000, scale)] {
        let campaign = Campaign::newsletter(&sink.url, rows, 64);
        show(&send(campaign.path()), rows);
        let run = run_of(campaign.path());
        add_events(&run);
        let (mut times, mut most) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let (took, peak_kib) = measured(&run);
            times.push(took.as_secs_f64());
            most = most.max(peak_kib);
        }
        let page = fs::metadata(run.join("report.html")).expect("a page");
        println!(
            "report of {rows} rows: median {:.2} s, peak memory {:.1} MiB, {} KiB of HTML",
            median(times),
            most as f64 / 1024.0,
            page.len() / 1024
        );
        peaks.push(most as f64);
    }
    println!(
        "peak memory: {:.2} of that of 10000 rows",
        peaks[1] / peaks[0]
    );
}

/// The one run of a campaign.
fn run_of(campaign: &Path) -> PathBuf {
    let entries = fs::read_dir(campaign.join("runs")).expect("runs").flatten();
    let mut folders = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    folders.next().expect("a run")
}

fn mailrun(command: &str, run: &Path) -> Command {
    let mut mailrun = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    mailrun
        .args([command, "--quiet"])
        .arg(run)
        .env("EMAILLABS_APP_KEY", "key")
        .env("EMAILLABS_SECRET_KEY", "secret")
        .stdout(Stdio::null());
    mailrun
}

fn add_events(run: &Path) {
    // The sink answers no questions, but the file is there then.
    let mut follow = mailrun("follow", run);
    let _ = follow.args(["--for", "1ms"]).stderr(Stdio::null()).status();
    let events = Connection::open(run.join("events.db")).expect("events");
    let ledger = run.join("ledger.db").display().to_string();
    let sql = EVENTS.replace("LEDGER", &ledger);
    events.execute_batch(&sql).expect("events");
    let now = jiff::Timestamp::now().as_millisecond();
    let followed = events.execute("UPDATE follow SET followed_at = ?", [now]);
    assert_eq!(followed.expect("a time"), 1);
}

/// The time and the peak memory of a report, in KiB.
fn measured(run: &Path) -> (Duration, u64) {
    let began = Instant::now();
    let mut child = mailrun("report", run).spawn().expect("mailrun runs");
    let proc = format!("/proc/{}", child.id());
    let mut most = 0;
    loop {
        most = peak(&proc).unwrap_or(most);
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "{status}");
            return (began.elapsed(), most);
        }
        thread::sleep(Duration::from_millis(2));
    }
}
