//! Progress on standard error, while a run is planned and sent.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use super::face::{Face, duration, grouped, printable};
use crate::delivery::Waiting;
use crate::ledger::{Counts, LiveCounts, Status};
use crate::run::Stages;

/// How often a bar is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(5);
/// After so many lines that would say nothing new, one is written all the same.
const SELDOM: u32 = 24;

/// Progress that is shown until this is dropped.
pub struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What is shown at a moment.
struct Frame {
    done: u64,
    of: u64,
    text: String,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A thread that could not draw has nothing to say.
            let _ = thread.join();
        }
    }
}

/// Shows how far planning and preflight are.
pub fn planning(face: Face, stages: &Arc<Stages>) -> Progress {
    let stages = Arc::clone(stages);
    show(face, move || {
        let planned = stages.planned.load(Ordering::Relaxed);
        let rendered = stages.rendered.load(Ordering::Relaxed);
        let of = stages.to_render.load(Ordering::Relaxed);
        let text = if of == 0 {
            format!("{} planned", grouped(planned))
        } else {
            format!(
                "{} planned, {} of {} rendered",
                grouped(planned),
                grouped(rendered),
                grouped(of)
            )
        };
        Frame {
            done: rendered,
            of,
            text,
        }
    })
}

/// Shows how far sending is: the counts, the rate, the time left, and what is waited for.
pub fn sending(
    face: Face,
    counts: &Arc<LiveCounts>,
    waiting: watch::Receiver<Waiting>,
) -> Progress {
    let counts = Arc::clone(counts);
    let before = settled(&counts.get());
    let started = Instant::now();
    show(face, move || {
        let counts = counts.get();
        let done = settled(&counts);
        let left = counts.of(Status::Pending) + counts.of(Status::Sending);
        let rate = (done - before.min(done)) as f64 / started.elapsed().as_secs_f64().max(0.001);
        let mut words = vec![format!("{} accepted", grouped(counts.of(Status::Accepted)))];
        let refused = counts.of(Status::Rejected) + counts.of(Status::Failed);
        for (rows, word) in [
            (refused, "refused"),
            (counts.of(Status::Unknown), "unknown"),
            (counts.of(Status::Sending), "in flight"),
        ] {
            if rows > 0 {
                words.push(format!("{} {word}", grouped(rows)));
            }
        }
        if rate >= 0.05 && left > 0 {
            words.push(format!(
                "{rate:.1}/s, {} left",
                duration(Duration::from_secs_f64(left as f64 / rate))
            ));
        }
        words.extend(waits_for(&waiting.borrow()));
        Frame {
            done,
            of: done + left,
            text: words.join(", "),
        }
    })
}

fn settled(counts: &Counts) -> u64 {
    [
        Status::Accepted,
        Status::Rejected,
        Status::Failed,
        Status::Unknown,
    ]
    .map(|status| counts.of(status))
    .iter()
    .sum()
}

fn waits_for(waiting: &Waiting) -> Option<String> {
    match waiting {
        Waiting::Going => None,
        Waiting::Server { until, reason } => {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            Some(format!(
                "waiting {} for the server ({})",
                duration(left),
                printable(reason)
            ))
        }
        Waiting::Day(until) => Some(format!(
            "the day's limit is reached: waiting until {}",
            until.strftime("%Y-%m-%d %H:%M UTC")
        )),
    }
}

fn show(face: Face, frame: impl FnMut() -> Frame + Send + 'static) -> Progress {
    if face == Face::Quiet {
        return Progress {
            stop: None,
            thread: None,
        };
    }
    let (stop, stopped) = channel::<()>();
    let thread = std::thread::spawn(move || match face {
        Face::Bars => draw(frame, &|time| {
            stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
        }),
        _ => write(face, frame, &|time| {
            stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout)
        }),
    });
    Progress {
        stop: Some(stop),
        thread: Some(thread),
    }
}

/// Draws a bar until `wait` says that it is over; leaves nothing behind.
fn draw(mut frame: impl FnMut() -> Frame, wait: &dyn Fn(Duration) -> bool) {
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template(
        "{spinner} {bar:28.cyan/blue} {human_pos}/{human_len} {wide_msg}",
    );
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    loop {
        let now = frame();
        bar.set_length(now.of);
        bar.set_position(now.done);
        bar.set_message(now.text);
        bar.tick();
        if !wait(FRAME) {
            return bar.finish_and_clear();
        }
    }
}

/// Writes a line now and then, if there is anything new.
fn write(face: Face, mut frame: impl FnMut() -> Frame, wait: &dyn Fn(Duration) -> bool) {
    let mut last = (0, String::new());
    let mut quiet = 0;
    while wait(LINE) {
        let now = frame();
        // While nothing is done but waiting, only the time that is left changes.
        let news = (now.done, words(&now.text));
        quiet += 1;
        if news != last || quiet >= SELDOM {
            quiet = 0;
            match face {
                Face::Log => tracing::info!(done = now.done, of = now.of, "{}", now.text),
                _ => eprintln!("{}/{}: {}", grouped(now.done), grouped(now.of), now.text),
            }
        }
        last = news;
    }
}

fn words(text: &str) -> String {
    text.chars().filter(|c| c.is_alphabetic()).collect()
}
