//! Workers that are killed or stopped, and a database that crashes, at random moments.

use super::is_available;
use crate::support::kill::{Fault, SharedLedger, SharedScenario, Story};

/// Plays scenarios of three workers, and returns what happened.
fn play(fault: Fault, seeds: std::ops::RangeInclusive<u64>, faults: usize) -> Story {
    let mut ledger = SharedLedger::create(None);
    let mut all = Story::default();
    for seed in seeds {
        let scenario = SharedScenario::random(seed, faults, 3, fault);
        let story = scenario.play(&mut ledger);
        assert!(story.broken.is_empty(), "{scenario:?}: {story:#?}");
        all.add(story);
    }
    println!("{all:?}");
    all
}

#[test]
fn after_kills_both_ends_agree() {
    if !is_available() {
        return;
    }
    let story = play(Fault::Kill, 1..=2, 5);
    assert!(story.kills() >= 6, "{story:?}");
}

#[test]
fn after_stops_for_longer_than_the_lease_both_ends_agree() {
    if !is_available() {
        return;
    }
    let story = play(Fault::Stop, 1..=2, 5);
    assert!(story.kills() >= 4, "{story:?}");
}

#[test]
fn after_crashes_of_the_database_both_ends_agree_and_nobody_is_ended() {
    if !is_available() {
        return;
    }
    let story = play(Fault::Database, 1..=1, 6);
    assert!(story.kills() >= 3, "{story:?}");
    assert_eq!(story.unknown, 0, "{story:?}");
}
