//! The last line of the terminal preview: the position, the message, and what the last key did.

use console::{Style, measure_text_width, truncate_str};

use super::output_style::OutputStyle;
use crate::report::grouped;
use crate::terminal_text::printable_line;

pub(super) struct Footer<'a> {
    /// The position of the row, from 1.
    pub(super) at: usize,
    /// How many rows have been read.
    pub(super) known: usize,
    /// Follows the count: whether there are more rows.
    pub(super) more: &'static str,
    /// The size of the message, and the number of its findings.
    pub(super) about: &'a str,
    /// The name of the view.
    pub(super) view: &'static str,
    /// How many lines are below the screen.
    pub(super) below: usize,
    /// The result of the last key; may be empty.
    pub(super) notice: &'a str,
}

impl Footer<'_> {
    /// The line, padded to `width` columns if it fits.
    pub(super) fn line(&self, width: usize) -> String {
        let left = self.left();
        let right = match self.notice {
            "" => "n next  p previous  / search  ? help  q quit ".to_owned(),
            notice => format!("{} ", printable_line(notice)),
        };
        let gap = width.saturating_sub(measure_text_width(&left) + measure_text_width(&right));
        match (gap, self.notice.is_empty()) {
            (0..=1, true) => format!("{left:width$}"),
            // If there is no room for both, the notice wins.
            (0..=1, false) => format!(" {right}"),
            _ => format!("{left}{:gap$}{right}", ""),
        }
    }

    fn left(&self) -> String {
        let number = |number: usize| grouped(number as u64);
        let mut left = format!(" {}/{}{}", number(self.at), number(self.known), self.more);
        for part in [self.about, self.view] {
            if !part.is_empty() {
                left.push_str(" · ");
                left.push_str(part);
            }
        }
        if self.below > 0 {
            left.push_str(&format!(" · {} more below", number(self.below)));
        }
        left
    }
}

/// Styles the footer, and cuts it to `width` columns.
pub(super) fn painted(line: &str, width: usize, output: &OutputStyle) -> String {
    let line = output.paint(&Style::new().reverse(), line);
    truncate_str(&line, width, "…").into_owned()
}
