//! `cargo bench --bench soak -- [--kills N] [--seed N] [--dialect D]`: kills campaigns with `kill -9` and resumes
//! them until it has made N kills, and counts both ends after each campaign. It fails on the first
//! broken guarantee, with the seed that reproduces it.

#[path = "../tests/it/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the tests use more of the shared set-up"
)]
mod support;

use std::any::Any;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

use support::kill::{Scenario, Story};

const KILLS: usize = 300;
/// The most kills of one run.
const KILLS_A_RUN: usize = 8;

fn main() -> ExitCode {
    let kills = argument("--kills").map_or(KILLS, |kills| kills as usize);
    // A dialect of the API, or "smtp".
    let dialect = text("--dialect");
    let first: u64 = argument("--seed").unwrap_or_else(rand::random);
    println!("seed {first}");
    let start = Instant::now();
    let (mut all, mut runs) = (Story::default(), 0);
    while all.kills() < kills && all.broken.is_empty() {
        let left = kills - all.kills();
        let scenario = Scenario::random(first.wrapping_add(runs), left.min(KILLS_A_RUN));
        if dialect
            .as_ref()
            .is_some_and(|dialect| dialect != scenario.dialect)
        {
            runs += 1;
            continue;
        }
        let story = play(&scenario);
        for broken in &story.broken {
            eprintln!("BROKEN: {broken}\n  in {scenario:?}");
        }
        all.add(story);
        runs += 1;
        if runs % 50 == 0 {
            eprintln!(
                "{} kills in {:.0} s",
                all.kills(),
                start.elapsed().as_secs_f64()
            );
        }
    }
    print_totals(&all, runs, first);
    println!("took            {:>9.0} s", start.elapsed().as_secs_f64());
    if all.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The text after this argument.
fn text(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}

/// The number after this argument.
fn argument(name: &str) -> Option<u64> {
    let value = text(name)?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} {value}: not a number")))
}

/// Plays a scenario. A panic counts as a broken guarantee.
fn play(scenario: &Scenario) -> Story {
    catch_unwind(|| scenario.play()).unwrap_or_else(|stopped| Story {
        broken: vec![panic_message(&*stopped)],
        ..Story::default()
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    text.unwrap_or_else(|| "panic without a message".to_owned())
}

fn print_totals(all: &Story, runs: u64, seed: u64) {
    println!("kills           {:>9}", all.kills());
    for (moment, kills) in &all.moments {
        println!("  {moment:<17}{kills:>6}");
    }
    for (name, number) in [
        ("runs", runs as usize),
        ("rows", all.rows),
        ("taken", all.taken),
        ("accepted", all.accepted),
        ("unknown", all.unknown),
        ("  at most", all.bound),
        ("broken", all.broken.len()),
    ] {
        println!("{name:<16}{number:>9}");
    }
    println!("seed {seed}");
}
