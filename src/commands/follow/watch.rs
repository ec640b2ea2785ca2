//! `mailrun follow --watch`.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::state_lines;
use crate::commands::failure::Failure;
use crate::commands::open_run::OpenRun;
use crate::commands::screen::{Keys, Screen, draw, is_screen};
use crate::feedback::{EventStore, EventsError, Round};
use crate::ledger::{Ledger, Status};
use crate::report::{counted, duration};

const INTERVAL: Duration = Duration::from_secs(1);

/// # Errors
/// Standard output is no terminal.
pub(super) fn require_terminal() -> Result<(), Failure> {
    if is_screen() {
        return Ok(());
    }
    Err(Failure::with_help(
        "usage",
        "`--watch` needs a terminal",
        "without it, `mailrun follow` writes a line after each round",
    )
    .usage())
}

/// The delivery states on the screen of the terminal, drawn again every second until this is dropped.
pub(super) struct View {
    rounds: Arc<Mutex<Rounds>>,
    stop: Option<Sender<()>>,
    drawing: Option<JoinHandle<()>>,
    _screen: Screen,
}

/// What is known of the rounds.
#[derive(Default)]
struct Rounds {
    /// When the next one begins; `None` during one.
    next: Option<Instant>,
    /// What the last one found.
    last: Vec<String>,
}

impl View {
    /// # Errors
    /// The ledger or the events can't be read, or the terminal is gone.
    pub(super) fn enter(opened: &OpenRun, events: &dyn EventStore) -> Result<Self, Failure> {
        let (ledger, events) = (opened.ledger.reopen()?, events.reopen()?);
        let name = opened.home.name();
        let rounds = Arc::new(Mutex::new(Rounds::default()));
        let shared = Arc::clone(&rounds);
        let failed =
            |error: io::Error| Failure::new("io", format!("can't show the states: {error}"));
        let screen = Screen::enter_without_signals(Keys::Ignored).map_err(failed)?;
        let (stop, stopped) = mpsc::channel();
        let drawing = std::thread::spawn(move || {
            loop {
                let text = text(&name, &*ledger, &*events, &shared);
                let text = text.unwrap_or_else(|error| format!("{name}\n{error}"));
                if draw(&text).is_err() {
                    return;
                }
                match stopped.recv_timeout(INTERVAL) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return,
                }
            }
        });
        Ok(Self {
            rounds,
            stop: Some(stop),
            drawing: Some(drawing),
            _screen: screen,
        })
    }

    /// Shows what a round found, and that the next one begins after `wait`.
    pub(super) fn after_round(&self, round: &Round, wait: Option<Duration>) {
        let mut rounds = lock(&self.rounds);
        rounds.next = wait.map(|wait| Instant::now() + wait);
        rounds.last = vec![format!(
            "last round: {}",
            counted(round.new_events, "new event")
        )];
        if let Some(bounces) = &round.bounces {
            let mails = counted(bounces.total(), "mail");
            rounds.last.push(format!("in the mailbox: {mails}"));
        }
        if let Some(reason) = &round.unanswered {
            rounds.last.push(format!("the API said: {reason}"));
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(drawing) = self.drawing.take() {
            // It has only drawn.
            let _ = drawing.join();
        }
    }
}

fn lock(rounds: &Mutex<Rounds>) -> MutexGuard<'_, Rounds> {
    rounds.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(
    name: &str,
    ledger: &dyn Ledger,
    events: &dyn EventStore,
    rounds: &Mutex<Rounds>,
) -> Result<String, EventsError> {
    let accepted = ledger.counts()?.of(Status::Accepted);
    let mut lines = vec![name.to_owned()];
    lines.extend(state_lines(&events.counts()?, accepted));
    let rounds = lock(rounds);
    let left = rounds
        .next
        .map(|next| next.saturating_duration_since(Instant::now()));
    lines.push(match left {
        Some(left) if left > Duration::ZERO => format!("next round in {}", duration(left)),
        _ => "a round is running".to_owned(),
    });
    lines.extend(rounds.last.iter().cloned());
    lines.push("Ctrl-C ends it; everything that was found is kept.".to_owned());
    Ok(lines.join("\n"))
}
