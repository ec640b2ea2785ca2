//! How wide a message is shown, and whether in colours.

use console::{Style, strip_ansi_codes};

use crate::clock::Clock;
use crate::report::{printable, printable_line};

/// Where a message is shown.
#[derive(Clone)]
pub struct Look {
    /// Whether people look at it on a terminal; else it is plain text for whatever reads it.
    pub terminal: bool,
    /// The width in columns.
    pub width: usize,
    /// Whether there are colours, and whatever else takes a control sequence.
    pub colour: bool,
    /// The clock.
    pub clock: Clock,
}

impl Look {
    /// Text from data in a style, in one line.
    pub(super) fn paint(&self, style: &Style, text: &str) -> String {
        let style = style.clone().force_styling(self.colour);
        style.apply_to(printable_line(text)).to_string()
    }

    /// Text that stands back.
    pub(super) fn dim(&self, text: &str) -> String {
        self.paint(&Style::new().dim(), text)
    }

    /// What others made of data and colours, without the latter if there are to be none.
    pub(super) fn told(&self, text: &str) -> String {
        match self.colour {
            true => text.to_owned(),
            false => printable(&strip_ansi_codes(text)).into_owned(),
        }
    }
}

/// Text from data in lines of at most this many columns.
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
