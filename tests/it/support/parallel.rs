//! Runs the cases of a test in parallel. Most cases spend their time waiting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

const THREADS: usize = 8;

/// Runs every case, and then panics with the names and messages of those that failed, in their order.
pub fn each<C: Sync>(cases: &[C], name: impl Fn(&C) -> String + Sync, run: impl Fn(&C) + Sync) {
    let left = Mutex::new(cases.iter().enumerate());
    let failures = Mutex::new(Vec::new());
    let next = || left.lock().expect("no panic while locked").next();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((index, case)) = next() {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(case))) {
                        let text = panic.downcast_ref::<String>().cloned();
                        let text = text.or_else(|| Some((*panic.downcast_ref::<&str>()?).into()));
                        let failure = format!("{}: {}", name(case), text.unwrap_or_default());
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
