//! The last line of the screen: where one is, and what the last key came to.

use console::{Style, measure_text_width, truncate_str};

use super::look::Look;
use crate::report::{grouped, printable_line};

/// What the line says.
pub(super) struct Footer<'a> {
    /// The number of the row, and how many are known.
    pub(super) at: usize,
    pub(super) known: usize,
    /// Whether there are more than that.
    pub(super) more: &'static str,
    /// What is known of the message.
    pub(super) about: &'a str,
    /// The part of it that is seen.
    pub(super) part: &'static str,
    /// How many lines are below those that are seen.
    pub(super) below: usize,
    /// What the last key came to; empty if nothing is to be said.
    pub(super) notice: &'a str,
}

impl Footer<'_> {
    /// The line, in so many columns if that can be.
    pub(super) fn line(&self, width: usize) -> String {
        let left = self.left();
        let right = match self.notice {
            "" => "n next  p previous  / search  ? help  q quit ".to_owned(),
            notice => format!("{} ", printable_line(notice)),
        };
        let gap = width.saturating_sub(measure_text_width(&left) + measure_text_width(&right));
        match (gap, self.notice.is_empty()) {
            (0..=1, true) => format!("{left:width$}"),
            // What a key came to is more than where it was pressed.
            (0..=1, false) => format!(" {right}"),
            _ => format!("{left}{:gap$}{right}", ""),
        }
    }

    fn left(&self) -> String {
        let number = |number: usize| grouped(number as u64);
        let mut left = format!(" {}/{}{}", number(self.at), number(self.known), self.more);
        for part in [self.about, self.part] {
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

/// The line as it is seen.
pub(super) fn painted(line: &str, width: usize, look: &Look) -> String {
    let line = look.paint(&Style::new().reverse(), line);
    truncate_str(&line, width, "…").into_owned()
}
