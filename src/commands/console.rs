//! Standard error: findings, messages, progress and the log.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};

use miette::{GraphicalReportHandler, GraphicalTheme};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::diagnostic::diagnostic;
use super::failure::Failure;
use super::output;
use crate::check::{FindingGroup, Findings};
use crate::cli::{Cli, Command, Global, OutputFormat};
use crate::finding::Severity;
use crate::report::{ProgressStyle, counted, grouped};
use crate::terminal_text::{Printable, PrintableWriter, printable};

/// The width of findings with an excerpt, in columns.
const WIDTH: usize = 100;

pub(super) struct Console {
    pub(super) progress: ProgressStyle,
    quiet: bool,
    handler: GraphicalReportHandler,
}

impl Console {
    pub(super) fn new(global: &Global) -> Self {
        let terminal = io::stderr().is_terminal();
        let progress = match (global.quiet, global.log_format) {
            (true, _) => ProgressStyle::Quiet,
            (false, OutputFormat::Json) => ProgressStyle::Log,
            (false, OutputFormat::Text) if terminal => ProgressStyle::Bars,
            (false, OutputFormat::Text) => ProgressStyle::Lines,
        };
        let theme = if terminal && !no_color() {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(WIDTH)
            .with_wrap_lines(true);
        Self {
            progress,
            quiet: global.quiet,
            handler,
        }
    }

    pub(super) fn start_log(&self, cli: &Cli) {
        let global = &cli.global;
        // A server prints nothing else while it runs.
        let is_server = matches!(cli.command, Command::Gateway(_) | Command::Feedback(_));
        let mailrun = |level| Targets::new().with_target("mailrun", level);
        let targets = match global.verbose {
            0 if self.progress == ProgressStyle::Log || is_server && !self.quiet => {
                mailrun(LevelFilter::INFO)
            }
            0 => mailrun(LevelFilter::WARN),
            1 => mailrun(LevelFilter::INFO),
            _ => mailrun(LevelFilter::DEBUG)
                .with_target("reqwest", LevelFilter::DEBUG)
                .with_target("hyper_util", LevelFilter::DEBUG),
        };
        let (json, colours) = (
            global.log_format == OutputFormat::Json,
            io::stderr().is_terminal(),
        );
        let how = match (json, colours) {
            (true, _) => Printable::Json,
            (false, true) => Printable::Coloured,
            (false, false) => Printable::Text,
        };
        let writer = move || PrintableWriter::new(io::stderr(), how);
        let layer = tracing_subscriber::fmt::layer().with_writer(writer);
        let layer = match global.log_format {
            OutputFormat::Json => layer.json().boxed(),
            OutputFormat::Text => layer.with_ansi(colours).with_target(false).boxed(),
        };
        tracing_subscriber::registry()
            .with(layer.with_filter(targets))
            .init();
    }

    /// Prints a message, or logs it with `--log-format json`.
    pub(super) fn print(&self, message: &str) {
        if self.progress == ProgressStyle::Log {
            tracing::info!("{message}");
        } else if !self.quiet {
            output::error_line(message);
        }
    }

    pub(super) fn print_failure(&self, failure: &Failure) {
        self.print_findings(&failure.findings);
    }

    /// Prints all findings; only errors with `--quiet`.
    pub(super) fn print_findings(&self, findings: &Findings) {
        for group in findings.groups() {
            if self.progress == ProgressStyle::Log {
                log_group(group);
            } else if !self.quiet || group.finding.severity == Severity::Error {
                output::coloured_error_line(self.format(group));
            }
        }
        if let Some(line) = more_kinds(findings) {
            output::error_line(line);
        }
    }

    pub(super) fn format(&self, group: &FindingGroup) -> String {
        match group.finding.excerpt {
            None => printable(&line(group)).into_owned(),
            Some(_) => with_excerpt(&self.handler, group),
        }
    }

    /// Formats a group to a width of at most `width` columns.
    pub(super) fn format_within(&self, group: &FindingGroup, width: usize) -> String {
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

/// Whether the user turned colors off (<https://no-color.org>).
pub(super) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// A line about the findings that were dropped because there were too many kinds.
pub(super) fn more_kinds(findings: &Findings) -> Option<String> {
    (findings.beyond > 0).then(|| {
        format!(
            "and {} of other kinds",
            counted(findings.beyond, "more finding")
        )
    })
}

fn log_group(group: &FindingGroup) {
    let finding = &group.finding;
    let (code, rows, message) = (finding.code, group.count, &finding.message);
    let place = finding.place.to_string();
    match finding.severity {
        Severity::Error => tracing::error!(code, place, rows, "{message}"),
        Severity::Warning => tracing::warn!(code, place, rows, "{message}"),
        Severity::Note => tracing::info!(code, place, rows, "{message}"),
    }
}

fn with_excerpt(handler: &GraphicalReportHandler, group: &FindingGroup) -> String {
    let message = printable(&with_place(group)).into_owned();
    let mut text = String::new();
    let diagnostic = diagnostic(&group.finding, message.clone());
    let rendered = diagnostic.map(|report| handler.render_report(&mut text, report.as_ref()));
    if !matches!(rendered, Some(Ok(()))) {
        text = message;
    }
    text
}

/// A finding without an excerpt, on one or two lines.
fn line(group: &FindingGroup) -> String {
    let finding = &group.finding;
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let mut line = format!("{severity}: {} [{}]", with_place(group), finding.code);
    if let Some(help) = &finding.help {
        let _ = write!(line, "\n  help: {help}");
    }
    line
}

/// The message with the rows it applies to, and its place unless the excerpt shows it.
fn with_place(group: &FindingGroup) -> String {
    let finding = &group.finding;
    let place = finding.place.to_string();
    let mut message = match (&finding.excerpt, finding.place.row) {
        (None, _) if !place.is_empty() && !finding.message.contains(&place) => {
            format!("{place}: {}", finding.message)
        }
        (Some(_), Some(row)) => format!("row {row}: {}", finding.message),
        _ => finding.message.clone(),
    };
    if group.count > 1 {
        let rows = grouped(group.count);
        let _ = write!(message, " ({rows} rows: {})", group.named_rows());
    }
    message
}
