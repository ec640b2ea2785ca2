//! Every fault on the wire: what happens to the rows that it hits, and to the run.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::path::Path;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::faults::Then::{Again, Alone, Counted, On, Stops};
use crate::support::faults::{Act, Fault, LATE, faults, late, serve};
use crate::support::parallel::each;
use crate::support::promises::Promises;
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{newsletter, send};

/// One line of the table, in one dialect, with this many rows per request.
struct Case {
    fault: &'static Fault,
    dialect: &'static str,
    batch: usize,
}

#[test]
fn every_fault_ends_in_the_right_status() {
    let mut cases = Vec::new();
    for (dialect, batch) in [("sendmail", 1), ("new_sendmail", 3), ("v2", 1), ("v2", 3)] {
        for fault in faults(dialect) {
            cases.push(Case {
                fault,
                dialect,
                batch,
            });
        }
    }
    each(&cases, ToString::to_string, Case::play);
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self {
            fault,
            dialect,
            batch,
        } = self;
        write!(f, "{} ({dialect}, batch of {batch})", fault.name)
    }
}

impl Case {
    /// Posts three requests, the second of which is hit.
    fn play(&self) {
        let act = self.fault.act;
        let api = serve(move |n| match n {
            1 => act(true),
            _ => late(Reply::Take),
        });
        let campaign = self.campaign(&api);
        let ran = send(&campaign).run();
        let run = ran.code(self.exit()).run_dir();
        let results = Results::of(&run);
        for (at, row) in results.rows.iter().enumerate() {
            self.check(at / self.batch, row);
        }
        let stops = self.fault.then == Stops;
        let promises = Promises::of(self.to_string(), &campaign, &run, &api);
        if stops {
            ran.stderr_has(self.fault.words);
            promises.not_ended().hold();
        } else {
            promises.hold();
        }
        let posted = match self.fault.then {
            Alone if self.batch > 1 => 3 + self.batch,
            On | Alone => 3,
            Again | Counted => 4,
            Stops => 2,
        };
        assert_eq!(api.seen(), posted, "requests");
        let hit = api
            .taken()
            .iter()
            .filter(|taken| taken.request == 1)
            .count();
        if let Some(takes) = self.fault.takes {
            let has = if takes { self.batch } else { 0 };

            assert_eq!(hit, has, "taken by the server");
        }
        self.resume(&campaign, &run, &api);
    }

    fn campaign(&self, api: &FakeApi) -> Campaign {
        let campaign = newsletter(api)
            .rows(3 * self.batch)
            .set("api.dialect", self.dialect)
            .set("pace.concurrency", 1)
            .set("pace.batch", self.batch as i64)
            .set("breaker.share", 1.0);
        let campaign = if self.fault.words == LATE {
            campaign.set("api.timeout", "2s")
        } else {
            campaign
        };
        match (self.fault.act)(true) {
            // So that the client notices that the connection is closed before it uses it again.
            Act::Late(Reply::TakeAndClose | Reply::TakeAndRepeat) => {
                campaign.set("pace.rate", vec!["5/s"])
            }
            Act::UnderBody(_) => {
                let path = toml::Table::from_iter([("path".to_owned(), "long.bin".into())]);
                campaign
                    .file("long.bin", vec![0; LONG])
                    .set("message.attachments", vec![path])
            }
            _ => campaign,
        }
    }

    /// Whether each recipient of the request that is hit gets a second one, which succeeds.
    fn is_split(&self) -> bool {
        self.fault.then == Alone && self.batch > 1
    }

    fn exit(&self) -> i32 {
        match (self.fault.then, self.fault.status) {
            _ if self.is_split() => 0,
            (Stops, _) => 5,
            (_, "unknown") => 4,
            (_, "rejected") => 3,
            _ => 0,
        }
    }

    /// Checks a row of the request before the one that is hit (0), of that one, or of the one after it.
    fn check(&self, request: usize, row: &BTreeMap<String, String>) {
        let fault = self.fault;
        let (status, code, words, attempts) = match (request, fault.then) {
            (1, Alone) if self.is_split() => ("accepted", "200", "", "1"),
            (1, then) => {
                let attempts = match then {
                    Counted => "2",
                    Stops if fault.status == "pending" => "0",
                    _ => "1",
                };
                (fault.status, fault.code, fault.words, attempts)
            }
            (2, Stops) => ("pending", "", "", "0"),
            _ => ("accepted", "200", "", "1"),
        };
        assert_eq!(
            (&*row["status"], &*row["code"], &*row["attempts"]),
            (status, code, attempts),
            "{row:?}"
        );
        assert!(row["error"].contains(words), "{words:?}: {row:?}");
    }

    /// Checks that `resume` posts what was certainly not taken, and nothing else.
    fn resume(&self, campaign: &Campaign, run: &Path, api: &FakeApi) {
        let before = api.seen();
        let (exit, posted) = match (self.fault.then, self.fault.status) {
            (Stops, "pending") => (0, 2),
            (Stops, _) => (4, 1),
            _ => (self.exit(), 0),
        };
        Run::on("resume", run).run().code(exit);
        assert_eq!(api.seen() - before, posted, "requests of the resume");
        Promises::of(self.to_string(), campaign, run, api).hold();
    }
}

/// More than the buffers of a connection to the fake API hold.
const LONG: usize = 4_000_000;
