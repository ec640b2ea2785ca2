//! Many cases of one test, some at a time: most of their time they wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// How many cases are played at a time.
const AT_A_TIME: usize = 8;

/// Plays every case, and then panics with the names and the failures of those that failed.
pub fn each<C: Sync>(cases: &[C], name: impl Fn(&C) -> String + Sync, play: impl Fn(&C) + Sync) {
    let left = Mutex::new(cases.iter().enumerate());
    let failures = Mutex::new(Vec::new());
    let next = || left.lock().expect("no panic while locked").next();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((index, case)) = next() {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| play(case))) {
                        let words = panic.downcast_ref::<String>().cloned();
                        let words = words.or_else(|| Some((*panic.downcast_ref::<&str>()?).into()));
                        let failure = format!("{}: {}", name(case), words.unwrap_or_default());
                        let mut failures = failures.lock().expect("no panic while locked");
                        failures.push((index, failure));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no panic while locked");
    failures.sort();
    let failures: Vec<_> = failures.into_iter().map(|(_, failure)| failure).collect();
    let (failed, of) = (failures.len(), cases.len());
    assert!(
        failures.is_empty(),
        "{failed} of {of} cases failed:\n{}",
        failures.join("\n\n")
    );
}
