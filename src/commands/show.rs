//! What is printed on standard error: findings, progress, the log.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};

use miette::{GraphicalReportHandler, GraphicalTheme};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::cropped::Cropped;
use super::failure::Failure;
use crate::check::{Findings, Group};
use crate::cli::{Cli, Command, Format, Global};
use crate::finding::Severity;
use crate::report::{Face, counted, grouped, printable};

/// How wide findings with an excerpt are.
const WIDTH: usize = 100;

/// How things are shown.
pub(super) struct Shown {
    pub(super) face: Face,
    pub(super) quiet: bool,
    handler: GraphicalReportHandler,
}

impl Shown {
    pub(super) fn new(global: &Global) -> Self {
        let terminal = io::stderr().is_terminal();
        let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let face = match (global.quiet, global.log_format) {
            (true, _) => Face::Quiet,
            (false, Format::Json) => Face::Log,
            (false, Format::Text) if terminal => Face::Bars,
            (false, Format::Text) => Face::Lines,
        };
        let theme = if colour {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(WIDTH)
            .with_wrap_lines(true);
        Self {
            face,
            quiet: global.quiet,
            handler,
        }
    }

    pub(super) fn start_log(&self, cli: &Cli) {
        let global = &cli.global;
        // Of a server the log is what there is to see.
        let serves = matches!(cli.command, Command::Gateway(_));
        let mailrun = |level| Targets::new().with_target("mailrun", level);
        let targets = match global.verbose {
            0 if self.face == Face::Log || serves && !self.quiet => mailrun(LevelFilter::INFO),
            0 => mailrun(LevelFilter::WARN),
            1 => mailrun(LevelFilter::INFO),
            _ => mailrun(LevelFilter::DEBUG)
                .with_target("reqwest", LevelFilter::DEBUG)
                .with_target("hyper_util", LevelFilter::DEBUG),
        };
        let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
        let layer = match global.log_format {
            Format::Json => layer.json().boxed(),
            Format::Text => layer
                .with_ansi(io::stderr().is_terminal())
                .with_target(false)
                .boxed(),
        };
        tracing_subscriber::registry()
            .with(layer.with_filter(targets))
            .init();
    }

    /// A line for people.
    pub(super) fn say(&self, line: &str) {
        if self.face == Face::Log {
            tracing::info!("{line}");
        } else if !self.quiet {
            eprintln!("{line}");
        }
    }

    pub(super) fn failure(&self, failure: &Failure) {
        self.findings(&failure.findings);
    }

    /// All findings; warnings are left out when quiet.
    pub(super) fn findings(&self, findings: &Findings) {
        for group in findings.groups() {
            if !(self.quiet && group.finding.severity < Severity::Error) {
                self.group(group);
            }
        }
        if findings.beyond > 0 {
            eprintln!(
                "and {} of other kinds",
                counted(findings.beyond, "more finding")
            );
        }
    }

    fn group(&self, group: &Group) {
        if self.face == Face::Log {
            let finding = &group.finding;
            let place = finding.place.to_string();
            return match finding.severity {
                Severity::Error => tracing::error!(
                    code = finding.code,
                    place,
                    rows = group.count,
                    "{}",
                    finding.message
                ),
                Severity::Note => tracing::info!(
                    code = finding.code,
                    place,
                    rows = group.count,
                    "{}",
                    finding.message
                ),
                Severity::Warning => tracing::warn!(
                    code = finding.code,
                    place,
                    rows = group.count,
                    "{}",
                    finding.message
                ),
            };
        }
        eprintln!("{}", self.text(group));
    }

    /// A group of findings as text.
    pub(super) fn text(&self, group: &Group) -> String {
        match group.finding.excerpt {
            None => printable(&line(group)).into_owned(),
            Some(_) => with_excerpt(&self.handler, group),
        }
    }

    /// The same in so many columns, if that is fewer.
    pub(super) fn text_within(&self, group: &Group, width: usize) -> String {
        let width = width.clamp(20, WIDTH);
        match group.finding.excerpt {
            None => {
                let options = textwrap::Options::new(width).subsequent_indent("  ");
                textwrap::fill(&printable(&line(group)), options)
            }
            Some(_) => with_excerpt(&self.handler.clone().with_width(width), group),
        }
    }
}

fn with_excerpt(handler: &GraphicalReportHandler, group: &Group) -> String {
    let mut finding = group.finding.clone();
    finding.message = with_place(group);
    let mut text = String::new();
    let shown = Cropped::of(&finding).map(|shown| handler.render_report(&mut text, &shown));
    if !matches!(shown, Some(Ok(()))) {
        let _ = write!(text, "{}", finding.message);
    }
    printable_but_colours(&text)
}

/// A finding that has no text to show, in a line or two.
fn line(group: &Group) -> String {
    let finding = &group.finding;
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let help = finding
        .help
        .as_ref()
        .map(|help| format!("\n  help: {help}"))
        .unwrap_or_default();
    format!("{severity}: {} [{}]{help}", with_place(group), finding.code)
}

/// The message, with its place in front unless the excerpt shows that, and the rows that have it.
fn with_place(group: &Group) -> String {
    let finding = &group.finding;
    let place = finding.place.to_string();
    let mut message = match &finding.excerpt {
        None if !place.is_empty() && !finding.message.contains(&place) => {
            format!("{place}: {}", finding.message)
        }
        Some(_) if finding.place.row.is_some() => format!(
            "row {}: {}",
            finding.place.row.unwrap_or_default(),
            finding.message
        ),
        _ => finding.message.clone(),
    };
    if group.count > 1 {
        let _ = write!(
            message,
            " ({} rows: {})",
            grouped(group.count),
            group.named_rows()
        );
    }
    message
}

/// What data may have put in is made harmless; the colours of the theme stay.
fn printable_but_colours(text: &str) -> String {
    text.split('\u{1b}')
        .map(|part| printable(part).into_owned())
        .collect::<Vec<_>>()
        .join("\u{1b}")
}
