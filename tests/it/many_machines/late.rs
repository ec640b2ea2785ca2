//! Answers that arrive after the others have ended a worker, because it was stopped for too long.

use rustix::process::Signal;

use super::{Gate, Ledger, holding, is_available, until};
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply, Verdict};
use crate::support::run::Running;

/// A worker that is stopped, with four requests in flight whose answers have arrived. Another one has sent the
/// other 36 rows.
struct Late {
    ledger: Ledger<'static>,
    api: FakeApi,
    campaign: Campaign,
    worker: Running,
    run: String,
}

impl Late {
    fn new(answer: fn() -> Reply) -> Self {
        let (ledger, gate) = (Ledger::new(), Gate::default());
        let api = holding(10, 4, &gate, answer);
        let campaign = ledger.campaign(&api, 40);
        let (worker, run) = ledger.send(&campaign);
        until("four are in flight", || api.in_flight() == 4);
        let other = ledger.join(&run);
        worker.signal(Signal::STOP);
        other.wait().code(4).stderr_has("4  unknown");
        gate.open();
        until("they are answered", || api.in_flight() == 0);
        Self {
            ledger,
            api,
            campaign,
            worker,
            run,
        }
    }

    /// Lets the worker continue, until it has ended.
    fn wake(self) -> (Ledger<'static>, FakeApi, Campaign, String) {
        self.worker.signal(Signal::CONT);
        let ran = self.worker.wait();
        ran.code(5).stderr_has("was ended by the others");
        (self.ledger, self.api, self.campaign, self.run)
    }
}

fn refuse() -> Reply {
    Reply::PerRecipient(Box::new(|_| Verdict::Refuse("no such user".to_owned())))
}

#[test]
fn they_settle_unknown_rows() {
    if !is_available() {
        return;
    }
    let (ledger, api, campaign, run) = Late::new(|| Reply::Take).wake();
    assert_eq!(ledger.hold(&campaign, &run, &api).count("accepted"), 40);
    let (ledger, api, campaign, run) = Late::new(refuse).wake();
    assert_eq!(
        ledger.hold(&campaign, &run, &api).counts(),
        [("accepted", 36), ("rejected", 4)].into()
    );
    let (ledger, api, campaign, run) = Late::new(|| Reply::too_many(None)).wake();
    assert_eq!(
        ledger.hold(&campaign, &run, &api).counts(),
        [("accepted", 36), ("failed", 4)].into()
    );
    ledger.command("retry", &run).run().code(0);
    ledger.command("resume", &run).run().code(0);
    assert_eq!(ledger.hold(&campaign, &run, &api).count("accepted"), 40);
}

#[test]
fn they_change_nothing_after_resolve() {
    if !is_available() {
        return;
    }
    for how in ["accepted", "resend"] {
        let late = Late::new(refuse);
        let resolve = late.ledger.command("resolve", &late.run);
        resolve.args(["--how", how, "--yes"]).run().code(0);
        let before = late.ledger.results(&late.run).rows;
        let (ledger, api, _, run) = late.wake();
        assert_eq!(ledger.results(&run).rows, before, "{how}");
        assert_eq!(api.taken().len(), 36);
    }
}

#[test]
fn they_are_not_the_answers_of_a_second_request() {
    if !is_available() {
        return;
    }
    let late = Late::new(|| Reply::Take);
    let resolve = late.ledger.command("resolve", &late.run);
    resolve.args(["--how", "resend", "--yes"]).run().code(0);
    late.ledger.command("resume", &late.run).run().code(0);
    let second: Vec<_> = late.api.taken().split_off(40);
    assert_eq!(second.len(), 4);
    let (ledger, api, _, run) = late.wake();
    let results = ledger.results(&run);
    assert_eq!(results.count("accepted"), 40);
    for taken in second {
        let row = results.row(&taken.address);
        assert_eq!(row["message_id"], taken.message_id);
        assert_eq!(row["possible_duplicate"], "true");
    }
    assert_eq!(api.taken().len(), 44);
}
