//! Waits in the foreground until the schedule of a run allows requests. Nothing is claimed meanwhile.

use std::time::Duration;

use jiff::Timestamp;

use super::console::Console;
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::run_home::RunHome;
use super::session::PlannedRun;
use super::suppressed_since::skip_suppressed_since;
use crate::clock::Clock;
use crate::delivery::Ending;
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger, LedgerError};
use crate::pace::LaneNumbers;
use crate::report;
use crate::schedule::{Opening, Schedule};

/// The longest sleep, since the clock may be set meanwhile, or the machine may sleep.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// Returns when requests may begin, or how the run ended. After a wait, it skips those who are on a suppression list now.
///
/// # Errors
/// The ledger or a suppression list can't be read.
pub(super) fn wait_for_opening(
    planned: &PlannedRun<'_>,
    clock: &Clock,
    interrupt: &Interrupt,
    console: &Console,
) -> Result<Option<Ending>, Failure> {
    let Some(schedule) = &planned.schedule else {
        return Ok(None);
    };
    let ledger = open(planned.home)?;
    let by_lane = ledger.pending_by_lane()?;
    let numbers = LaneNumbers::new(planned.campaign.pace.per_domain.len());
    let zones: Vec<usize> = numbers
        .by_zone(&by_lane)
        .iter()
        .map(|(zone, _)| *zone)
        .collect();
    if zones.is_empty() {
        return Ok(None);
    }
    let opening = || schedule.first_opening(zones.iter().copied(), clock.now());
    match opening() {
        Opening::Open(_) => return Ok(None),
        Opening::Over => return Ok(Some(over(planned, schedule))),
        Opening::Closed(until) => {
            let shown = schedule.show(until);
            console.print(&format!("Waiting until {shown}. Nothing is sent before."));
        }
    }
    let ending = loop {
        match opening() {
            Opening::Open(_) => break None,
            Opening::Over => break Some(over(planned, schedule)),
            Opening::Closed(until) => {
                let left = left_until(until, clock);
                let shown = schedule.show(until);
                let _countdown = report::waiting(console.progress, shown, left);
                if is_interrupted(left.min(MAX_SLEEP), interrupt) {
                    break Some(Ending::Interrupted);
                }
            }
        }
    };
    if ending.is_none() {
        skip_suppressed_since(planned, &*ledger, console)?;
    }
    Ok(ending)
}

fn open(home: &RunHome) -> Result<Box<dyn Ledger>, LedgerError> {
    Ok(match home {
        RunHome::Folder(folder) => Box::new(SqliteLedger::open(&folder.ledger())?),
        RunHome::Database(ledger) => ledger.clone(),
    })
}

fn left_until(time: Timestamp, clock: &Clock) -> Duration {
    let left = time.duration_since(clock.now());
    Duration::try_from(left).unwrap_or_default()
}

/// Waits for this time; true if an interrupt came.
fn is_interrupted(time: Duration, interrupt: &Interrupt) -> bool {
    let mut interrupted = interrupt.interrupted.clone();
    interrupt.runtime.block_on(async {
        let interrupt = interrupted.wait_for(|interrupted| *interrupted);
        tokio::time::timeout(time, interrupt).await.is_ok()
    })
}

fn over(planned: &PlannedRun<'_>, schedule: &Schedule) -> Ending {
    let when = match schedule.until {
        Some(until) => format!("the schedule ended at {}", schedule.show(until)),
        None => "the window of the schedule does not open any more".to_owned(),
    };
    Ending::Stopped(format!(
        "{when}. To send the pending rows all the same: `mailrun resume {} --ignore-schedule`",
        planned.home.name()
    ))
}
