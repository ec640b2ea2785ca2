//! Progress on standard error while a run is planned and sent.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tokio::sync::watch;

use super::format::{duration, grouped};
use crate::delivery::WaitReason;
use crate::ledger::{LiveCounts, Status, StatusCounts};
use crate::run::PlanProgress;
use crate::terminal_text::printable;

/// How often a bar is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);
/// How often a line is written if there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// After this many intervals without news, a line is written all the same.
const MAX_SILENT: u32 = 24;

/// How progress is shown, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgressStyle {
    /// Bars, on a terminal.
    Bars,
    /// A line now and then.
    Lines,
    /// Events in the log.
    Log,
    Quiet,
}

/// Progress that is shown until this is dropped.
pub(crate) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

struct Frame {
    done: u64,
    of: u64,
    text: String,
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            // A thread that could not draw has nothing to report.
            let _ = thread.join();
        }
    }
}

pub(crate) fn planning(style: ProgressStyle, progress: &Arc<PlanProgress>) -> Progress {
    let progress = Arc::clone(progress);
    show(style, move || {
        let planned = progress.planned.load(Ordering::Relaxed);
        let rendered = progress.rendered.load(Ordering::Relaxed);
        let of = progress.to_render.load(Ordering::Relaxed);
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

/// Shows the counts, the rate, the time left, and what the delivery waits for. `held_back` pending rows are not sent.
pub(crate) fn sending(
    style: ProgressStyle,
    counts: &Arc<LiveCounts>,
    held_back: u64,
    waiting: watch::Receiver<WaitReason>,
) -> Progress {
    let counts = Arc::clone(counts);
    let before = settled(&counts.get());
    let started = Instant::now();
    show(style, move || {
        let counts = counts.get();
        let done = settled(&counts);
        let left = counts.of(Status::Pending) + counts.of(Status::Sending);
        let left = left.saturating_sub(held_back);
        let rate = (done - before.min(done)) as f64 / started.elapsed().as_secs_f64().max(0.001);
        Frame {
            done,
            of: done + left,
            text: text(&counts, left, rate, &waiting.borrow()),
        }
    })
}

/// Counts down the time that is left until sending begins. Only a bar shows it.
pub(crate) fn waiting(style: ProgressStyle, until: String, left: Duration) -> Progress {
    if style != ProgressStyle::Bars {
        return Progress(None);
    }
    let started = Instant::now();
    let (stop, stopped) = channel::<()>();
    let thread = std::thread::spawn(move || {
        let bar = ProgressBar::new_spinner();
        loop {
            let left = left.saturating_sub(started.elapsed());
            bar.set_message(format!("{} left until {until}", duration(left)));
            bar.tick();
            if stopped.recv_timeout(DRAW_INTERVAL) != Err(RecvTimeoutError::Timeout) {
                return bar.finish_and_clear();
            }
        }
    });
    Progress(Some((stop, thread)))
}

/// `left` rows are left, at `rate` rows per second.
fn text(counts: &StatusCounts, left: u64, rate: f64, reason: &WaitReason) -> String {
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
    // The rate says nothing about the end of a long pause.
    let is_pause = matches!(reason, WaitReason::DailyLimit(_) | WaitReason::Opening(_));
    if rate >= 0.05 && left > 0 && !is_pause {
        words.push(format!(
            "{rate:.1}/s, {} left",
            duration(Duration::from_secs_f64(left as f64 / rate))
        ));
    }
    words.extend(waits(reason));
    words.join(", ")
}

fn settled(counts: &StatusCounts) -> u64 {
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

fn waits(reason: &WaitReason) -> Option<String> {
    match reason {
        WaitReason::Pace => None,
        WaitReason::Server { until, reason } => {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            let (left, reason) = (duration(left), printable(reason));
            Some(format!("waiting {left} for the server ({reason})"))
        }
        WaitReason::DailyLimit(until) => Some(format!(
            "the day's limit is reached: waiting until {}",
            until.strftime("%Y-%m-%d %H:%M UTC")
        )),
        WaitReason::Opening(until) => Some(format!("outside of the window: waiting until {until}")),
    }
}

fn show(style: ProgressStyle, frame: impl FnMut() -> Frame + Send + 'static) -> Progress {
    if style == ProgressStyle::Quiet {
        return Progress(None);
    }
    let (stop, stopped) = channel::<()>();
    let thread = std::thread::spawn(move || {
        let wait = |time| stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        match style {
            ProgressStyle::Bars => draw(frame, &wait),
            _ => write(style, frame, &wait),
        }
    });
    Progress(Some((stop, thread)))
}

/// Draws a bar until `wait` returns false, and clears it.
fn draw(mut frame: impl FnMut() -> Frame, wait: &dyn Fn(Duration) -> bool) {
    let bar = ProgressBar::no_length();
    let style = indicatif::ProgressStyle::with_template(
        "{spinner} {bar:28.cyan/blue} {human_pos}/{human_len} {wide_msg}",
    );
    bar.set_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()));
    loop {
        let now = frame();
        bar.set_length(now.of);
        bar.set_position(now.done);
        bar.set_message(now.text);
        bar.tick();
        if !wait(DRAW_INTERVAL) {
            return bar.finish_and_clear();
        }
    }
}

/// Writes a line now and then if there is news, until `wait` returns false.
fn write(style: ProgressStyle, mut frame: impl FnMut() -> Frame, wait: &dyn Fn(Duration) -> bool) {
    let mut last = (0, String::new());
    let mut silent = 0;
    while wait(LINE_INTERVAL) {
        let now = frame();
        // While the delivery only waits, nothing but the time left changes.
        let news = (now.done, letters(&now.text));
        silent += 1;
        if news != last || silent >= MAX_SILENT {
            silent = 0;
            match style {
                ProgressStyle::Log => tracing::info!(done = now.done, of = now.of, "{}", now.text),
                _ => eprintln!(
                    "{}/{}: {}",
                    grouped(now.done),
                    grouped(now.of),
                    printable(&now.text)
                ),
            }
        }
        last = news;
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphabetic()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_not_shown_in_a_long_pause() {
        let mut counts = StatusCounts::default();
        counts.count(Status::Accepted);
        let text = |reason| text(&counts, 60, 0.5, &reason);
        assert_eq!(text(WaitReason::Pace), "1 accepted, 0.5/s, 2m left");
        let until = jiff::Timestamp::UNIX_EPOCH;
        assert_eq!(
            text(WaitReason::DailyLimit(until)),
            "1 accepted, the day's limit is reached: waiting until 1970-01-01 00:00 UTC"
        );
        assert_eq!(
            text(WaitReason::Opening("9:00".to_owned())),
            "1 accepted, outside of the window: waiting until 9:00"
        );
    }
}
