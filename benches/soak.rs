//! `cargo bench --bench soak -- [--kills N] [--seed N] [--dialect D]`: kills campaigns with `kill -9` and resumes
//! them until it has made N kills, and counts both ends after each campaign. It fails on the first
//! broken guarantee, with the seed that reproduces it.
//!
//! With `--workers N`, N processes send each campaign from a ledger in PostgreSQL. `--fault` chooses what happens to
//! them: `kill`; `stop`: SIGSTOP for longer than the lease; `database`: the database crashes and starts again;
//! `cut-database` and `cut-api`: the link to the database or the API is down (network namespaces: Linux, as root).

#[path = "../tests/it/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "the tests use more of the shared set-up"
)]
mod support;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};
use std::time::Instant;

use support::kill::{Fault, Network, Scenario, SharedLedger, SharedScenario, Story};

const KILLS: usize = 300;
/// The most kills of one run.
const KILLS_A_RUN: usize = 8;
/// The most faults of one run that several workers send.
const FAULTS_A_RUN: usize = 20;
/// In the environment of a process that has namespaces of its own.
const INSIDE: &str = "MAILRUN_SOAK_INSIDE";

fn main() -> ExitCode {
    match argument("--workers") {
        Some(workers) => soak_workers(workers as usize),
        None => soak_one_process(),
    }
}

fn soak_workers(workers: usize) -> ExitCode {
    let name = text("--fault").unwrap_or_else(|| Fault::Kill.name().to_owned());
    let Some(fault) = Fault::ALL.into_iter().find(|fault| fault.name() == name) else {
        let names = Fault::ALL.map(Fault::name);
        eprintln!("--fault {name}: use one of {names:?}");
        return ExitCode::FAILURE;
    };
    let network = match fault.link() {
        Some(_) if std::env::var_os(INSIDE).is_none() => return run_in_namespaces(),
        Some(_) => match Network::create(workers) {
            Ok(network) => Some(network),
            Err(error) => {
                eprintln!("no network namespaces: {error}");
                return ExitCode::FAILURE;
            }
        },
        None => None,
    };
    let faults = argument("--kills").map_or(KILLS, |kills| kills as usize);
    let first: u64 = argument("--seed").unwrap_or_else(rand::random);
    println!("seed {first}");
    let start = Instant::now();
    let mut ledger = SharedLedger::create(network);
    let (mut all, mut runs) = (Story::default(), 0);
    while all.kills() < faults && all.broken.is_empty() {
        let left = (faults - all.kills()).min(FAULTS_A_RUN);
        let scenario = SharedScenario::random(first.wrapping_add(runs), left, workers, fault);
        let story = played(|| scenario.play(&mut ledger));
        for broken in &story.broken {
            eprintln!("BROKEN: {broken}\n  in {scenario:?}");
        }
        all.add(story);
        runs += 1;
        if runs % 10 == 0 {
            let seconds = start.elapsed().as_secs_f64();
            eprintln!("{} faults in {seconds:.0} s", all.kills());
        }
    }
    println!(
        "fault {name}, {workers} workers: {} faults {:?} in {runs} runs, {} rows, {} taken, {} accepted, {} unknown (at most {}), {} broken, {:.0} s",
        all.kills(),
        all.moments,
        all.rows,
        all.taken,
        all.accepted,
        all.unknown,
        all.bound,
        all.broken.len(),
        start.elapsed().as_secs_f64()
    );
    exit_code(&all)
}

/// Runs this program again in namespaces of its own, which end with it.
fn run_in_namespaces() -> ExitCode {
    let program = std::env::current_exe().expect("the path of this program");
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--fork", "--kill-child"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => {
            eprintln!("in namespaces of its own, it ended with {status}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("unshare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn exit_code(all: &Story) -> ExitCode {
    match all.broken.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn soak_one_process() -> ExitCode {
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
        let story = played(|| scenario.play());
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
    exit_code(&all)
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
fn played(play: impl FnOnce() -> Story) -> Story {
    catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|stopped| Story {
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
