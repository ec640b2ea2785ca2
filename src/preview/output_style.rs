//! The width and colours of printed messages.

use console::{Style, strip_ansi_codes};

use crate::clock::Clock;
use crate::terminal_text::{printable, printable_line};

/// How messages are printed.
#[derive(Clone)]
pub(crate) struct OutputStyle {
    /// Whether the output is a terminal; otherwise it is plain text for a pipe or a file.
    pub(crate) terminal: bool,
    /// In columns.
    pub(crate) width: usize,
    /// Whether to use colours and other control sequences.
    pub(crate) colour: bool,
    pub(crate) clock: Clock,
}

impl OutputStyle {
    /// Styles untrusted text, as one line.
    pub(super) fn paint(&self, style: &Style, text: &str) -> String {
        let style = style.clone().force_styling(self.colour);
        style.apply_to(printable_line(text)).to_string()
    }

    pub(super) fn dim(&self, text: &str) -> String {
        self.paint(&Style::new().dim(), text)
    }

    /// Text that may already have colours; removes them if the output has none.
    pub(super) fn finding_text(&self, text: &str) -> String {
        match self.colour {
            true => text.to_owned(),
            false => printable(&strip_ansi_codes(text)).into_owned(),
        }
    }
}

/// Wraps untrusted text to lines of at most `width` columns.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let options = textwrap::Options::new(width.max(1))
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let text = printable(text).replace('\t', "    ");
    let lines = text.trim_end().lines();
    lines
        .flat_map(|line| textwrap::wrap(line, &options))
        .map(std::borrow::Cow::into_owned)
        .collect()
}
