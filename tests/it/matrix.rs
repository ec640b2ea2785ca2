//! Whole runs against a server that does anything to any request, drawn from a seed.
//!
//! `MAILRUN_TESTS_SEEDS` sets the number of seeds. Each is played in every dialect, with and without
//! batches.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply, Verdict};
use crate::support::faults::{Act, Fault, faults, serve};
use crate::support::parallel::each;
use crate::support::promises::Promises;
use crate::support::results::Results;
use crate::support::run::Run;
use crate::support::send::{newsletter, send};

/// The default number of seeds.
const SEEDS: u64 = 3;
const DIALECTS: [&str; 3] = ["sendmail", "new_sendmail", "v2"];
/// How many requests a deck is for; then it starts over.
const DECK: usize = 240;
/// How many requests of a deck are answered recipient by recipient.
const MIXED: usize = 20;
/// How many faults of a deck come more often, and how often.
const FAVOURITES: (usize, usize) = (4, 8);
/// How many faults of a deck stop the run or make it wait; the others come with the next decks.
const HOLD_UPS: usize = 5;
/// How often a run may be resumed.
const RESUMES: usize = 40;

/// One run.
struct Case {
    seed: u64,
    /// Its number.
    number: usize,
    /// Its number among those with the same faults.
    turn: usize,
    dialect: &'static str,
    batch: i64,
    rows: usize,
}

/// What happens to a request.
#[derive(Clone, Copy)]
enum Card {
    Good,
    Mixed,
    Fault(&'static Fault),
}

impl Card {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Mixed => "recipient by recipient",
            Self::Fault(fault) => fault.name,
        }
    }

    /// What happens to the `n`th request.
    fn act(self, seed: u64, n: usize) -> Act {
        match self {
            Self::Good => Act::Late(Reply::Take),
            Self::Mixed => Act::Late(Reply::PerRecipient(Box::new(move |to| {
                verdict(chance((seed, n, to)), to)
            }))),
            Self::Fault(fault) => (fault.act)(chance((seed, n)).is_multiple_of(2)),
        }
    }
}

/// The same number for the same things.
fn chance(things: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    things.hash(&mut hasher);
    hasher.finish()
}

fn verdict(chance: u64, to: &str) -> Verdict {
    match chance % 10 {
        0 => Verdict::Refuse(format!("{to} is incorrect. Address has white sign.")),
        1 => Verdict::TakeAs(format!("{chance:x}@own.example")),
        2 => Verdict::Omit { take: true },
        3 => Verdict::Omit { take: false },
        4 => Verdict::Blank { take: true },
        5 => Verdict::Blank { take: false },
        _ => Verdict::Take,
    }
}

/// What happens to the requests of a run, in order.
fn deck(case: &Case) -> Vec<Card> {
    let mut rng = StdRng::seed_from_u64(chance((case.seed, case.number)));
    let faults = faults(case.dialect).into_iter();
    let (hold_ups, others): (Vec<_>, Vec<_>) = faults.partition(|fault| fault.holds_up());
    let (favourites, times) = FAVOURITES;
    let favourites = others.sample(&mut rng, favourites);
    let favourites: Vec<_> = favourites.flat_map(|fault| vec![*fault; times]).collect();
    let turn = hold_ups.iter().cycle().skip(HOLD_UPS * case.turn);
    let faults = turn.take(HOLD_UPS).chain(&others).chain(&favourites);
    let mut deck: Vec<_> = faults.map(|fault| Card::Fault(fault)).collect();
    deck.extend([Card::Mixed; MIXED]);
    deck.resize(DECK, Card::Good);
    deck.shuffle(&mut rng);
    deck
}

#[test]
fn whatever_the_server_does_nobody_gets_it_twice_and_nobody_is_left_out() {
    let seeds = std::env::var("MAILRUN_TESTS_SEEDS");
    let seeds = seeds.map_or(SEEDS, |seeds| seeds.parse().expect("a number of seeds"));
    let mut cases = Vec::new();
    for seed in 1..=seeds {
        for dialect in DIALECTS {
            // The forms share their faults.
            let turn = match dialect {
                "sendmail" => 2 * (seed - 1),
                "new_sendmail" => 2 * (seed - 1) + 1,
                _ => seed - 1,
            };
            for (batch, rows) in [(1, 300), (200, 4_000)] {
                cases.push(Case {
                    seed,
                    number: cases.len(),
                    turn: turn as usize,
                    dialect,
                    batch,
                    rows,
                });
            }
        }
    }
    let told = Mutex::new(Told::default());
    each(&cases, ToString::to_string, |case| play(case, &told));
    let told = told.into_inner().expect("no panic while locked");
    println!("{} runs: {told:#?}", cases.len());
    let done = |fault: &&Fault| !told.done.contains_key(fault.name);
    let all = DIALECTS.into_iter().flat_map(faults);
    let never: Vec<_> = all.filter(done).map(|fault| fault.name).collect();
    assert!(never.is_empty(), "never happened: {never:?}");
    for status in ["accepted", "rejected", "failed", "unknown"] {
        assert!(told.rows[status] > 0, "no row ended as {status}");
    }
}

/// What happened in all runs.
#[derive(Debug, Default)]
struct Told {
    /// How often each thing happened to a request.
    done: BTreeMap<&'static str, usize>,
    /// How many rows ended in each status.
    rows: BTreeMap<String, usize>,
    taken: usize,
    resumes: usize,
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self {
            seed,
            dialect,
            batch,
            ..
        } = self;
        write!(f, "seed {seed}, {dialect}, batch of {batch}")
    }
}

fn play(case: &Case, told: &Mutex<Told>) {
    let deck = Arc::new(deck(case));
    let (dealt, seed) = (Arc::clone(&deck), case.seed);
    let api = serve(move |n| dealt[n % DECK].act(seed, n));
    let campaign = newsletter(&api)
        .rows(case.rows)
        .set("api.dialect", case.dialect)
        .set("api.timeout", "400ms")
        .set("retry.attempts", 1 + (case.seed % 2) as i64)
        .set("pace.batch", case.batch)
        .set("breaker.share", 1.0);
    let (run, resumes) = to_the_end(&campaign, &api);
    let fault = |n: usize| deck[n % DECK].name().to_owned();
    let promises = Promises::of(case.to_string(), &campaign, &run, &api).with_faults(&fault);
    promises.hold();

    let mut told = told.lock().expect("no panic while locked");
    for n in 0..api.seen() {
        *told.done.entry(deck[n % DECK].name()).or_default() += 1;
    }
    for (status, rows) in promises.counts.expect("the counts") {
        *told.rows.entry(status).or_default() += rows;
    }
    told.taken += promises.taken.len();
    told.resumes += resumes;
}

/// Sends and resumes until all is done. Returns the run and how often it was resumed.
fn to_the_end(campaign: &Campaign, api: &FakeApi) -> (PathBuf, usize) {
    let mut ran = send(campaign).run();
    let run = ran.run_dir();
    for resumes in 0..RESUMES {
        let results = Results::of(&run);
        let ended = results.count("pending") == 0;
        // It may also have been stopped by the answer to its last request.
        if !(ended && ran.exit() == Some(5)) {
            ran.code(exit(&results));
        }
        if ended {
            return (run, resumes);
        }
        ran = Run::on("resume", &run).run();
    }
    panic!(
        "not done after {RESUMES} resumes and {} requests",
        api.seen()
    );
}

/// The exit code that the rows require.
fn exit(results: &Results) -> i32 {
    let count = |status| results.count(status);
    if count("pending") > 0 {
        5
    } else if count("unknown") > 0 {
        4
    } else if count("rejected") + count("failed") > 0 {
        3
    } else {
        0
    }
}
