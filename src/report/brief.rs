//! A report in a few lines, for a terminal.

use std::fmt::Write as _;

use super::figures::{RunFigures, Tracking};
use super::format::grouped;
use super::rates::{MEASURES, Rate, percent, variants, verdicts};
use crate::ledger::{Status, Target};
use crate::terminal_text::printable_line;

/// The most important numbers of a run.
pub(crate) fn brief(figures: &RunFigures) -> String {
    let run = &figures.run;
    let mut text = format!(
        "{} ({}), started {}\n",
        printable_line(&run.name),
        run.target.as_str(),
        run.started.strftime("%Y-%m-%d %H:%M UTC")
    );
    let rows = figures.statuses.total();
    let accepted = Rate {
        count: figures.statuses.of(Status::Accepted),
        of: rows,
    };
    let mut line = |count: u64, name: &str, share: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{}",
            format!("{:>12}  {name:<12}  {share}", grouped(count)).trim_end()
        );
    };
    let (name, whole) = match figures.members {
        0 => ("rows".to_owned(), "rows"),
        _ => (
            format!("messages, with {} rows", grouped(figures.rows())),
            "messages",
        ),
    };
    line(rows, &name, "");
    line(
        accepted.count,
        "sent",
        &format!("{} of {whole}", accepted.percent()),
    );
    match figures.known_delivery() {
        Some(delivery) => {
            for measure in &MEASURES {
                let Some(rate) = measure.rate(&delivery.counts, figures.tracking) else {
                    continue;
                };
                let of = match measure.of(figures.tracking) {
                    "accepted" => "sent",
                    of => of,
                };
                line(
                    rate.count,
                    measure.key,
                    &format!("{} of {of}", rate.percent()),
                );
            }
        }
        // There is nobody to ask.
        None if run.target == Target::Local => {}
        None => {
            let home = printable_line(&figures.home);
            let (follow, whom) = match figures.tracking {
                Tracking::Api => (format!("mailrun follow {home}"), "asks the API"),
                Tracking::Mail => (
                    format!("mailrun follow {home} --bounces MAILBOX"),
                    "reads the bounces",
                ),
            };
            let _ = writeln!(
                text,
                "What became of the messages is not known. `{follow}` {whom}."
            );
        }
    }
    let variants = variants(figures);
    for group in &variants {
        let rates = MEASURES.iter().filter_map(|measure| {
            let rate = group.rate(measure)?;
            let is_shown =
                ["delivered", "opened", "clicked", "unsubscribed"].contains(&measure.key);
            let interval = rate.interval();
            let (low, high) = (percent(interval.low), percent(interval.high));
            (is_shown && rate.of > 0)
                .then(|| format!("{} {} ({low} to {high})", measure.key, rate.percent()))
        });
        let rates: Vec<String> = rates.collect();
        let (sent, name) = (grouped(group.sent), printable_line(&group.name));
        let _ = writeln!(
            text,
            "{sent:>12}  sent as variant {name}  {}",
            rates.join(", ")
        );
    }
    for verdict in verdicts(&variants) {
        let _ = writeln!(text, "{verdict}");
    }
    text.truncate(text.trim_end().len());
    text
}
