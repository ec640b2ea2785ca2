//! What is known before any row is looked at, and what rules see of a row.

use std::borrow::Cow;
use std::path::Path;

use super::locate::Locator;
use super::page::Page;
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::finding::Severity;
use crate::message::Message;
use crate::render::{self, Engine, Hole, LookedHtml, Row};

/// What is known before any row is looked at.
pub(super) struct Facts<'a> {
    pub(super) campaign: &'a Campaign,
    pub(super) engine: &'a Engine,
    /// The names of the recipients' columns.
    pub(super) header: &'a [String],
    /// The file of the recipients, as the user would name it.
    pub(super) recipients: &'a Path,
    /// How many rows are to be sent to.
    pub(super) rows: u64,
    /// The least that is looked for: what is less need not be gathered.
    pub(super) least: Severity,
    /// Finds what is in a message in the templates.
    pub(super) locator: Locator,
    pub(super) clock: Clock,
}

/// A message whose HTML is that of all rows of its shape: looked at once for all of them. In `page`
/// marks stand for the rows' own values ([`render::is_marked`]); rules of rows look at those.
pub(super) struct Sheet<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) message: &'a Message,
    /// The HTML as it is sent.
    pub(super) page: Option<Page>,
    /// The values of one of the rows.
    pub(super) values: &'a [Cow<'a, str>],
}

impl Sheet<'_> {
    /// A text of the page, with the values of one of the rows.
    pub(super) fn fill<'b>(&self, text: &'b str) -> Cow<'b, str> {
        render::fill(text, self.values)
    }
}

/// What rules see of every row. They have a microsecond.
pub(super) struct RowSheet<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) row: &'a Row,
    pub(super) message: &'a Message,
    pub(super) html: Option<&'a LookedHtml>,
    /// The row's own values in the HTML, not escaped.
    pub(super) values: &'a [Cow<'a, str>],
}

impl RowSheet<'_> {
    /// The attributes of the HTML that have values of the row, filled in.
    pub(super) fn holes(&self) -> impl Iterator<Item = (&Hole, Cow<'_, str>)> {
        let holes = self.html.map_or(&[][..], LookedHtml::holes);
        holes
            .iter()
            .map(|hole| (hole, render::fill(&hole.value, self.values)))
    }
}
