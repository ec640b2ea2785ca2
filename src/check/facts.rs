//! What is known before any row is looked at, and what rules see of a row.

use std::borrow::Cow;
use std::path::Path;

use super::clients::Clients;
use super::locate::Locator;
use super::page::Page;
use super::rules;
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::finding::Severity;
use crate::message::Message;
use crate::recipients::Lines;
use crate::render::{Engine, Looked, LookedHtml, Row};

/// What is known before any row is looked at.
pub(super) struct Facts<'a> {
    pub(super) campaign: &'a Campaign,
    pub(super) engine: &'a Engine,
    /// The names of the recipients' columns.
    pub(super) header: &'a [String],
    /// The place of the address column.
    pub(super) email: usize,
    /// The file of the recipients, as the user would name it.
    pub(super) recipients: &'a Path,
    /// How many rows are to be sent to.
    pub(super) rows: u64,
    /// The least that is looked for: what is less need not be gathered.
    pub(super) least: Severity,
    /// The rows that are left out because an earlier one has their address.
    pub(super) duplicates: Lines,
    /// Finds what is in a message in the templates.
    pub(super) locator: Locator,
    pub(super) clock: Clock,
    /// The mail clients to care about.
    pub(super) clients: Clients,
    /// What empty cells do to messages, as far as it is known.
    pub(super) known_gaps: rules::KnownGaps,
}

impl Facts<'_> {
    /// A row's message as rules of shapes see it.
    pub(super) fn sheet<'b>(
        &'b self,
        row: &'b Row,
        looked: &'b Looked,
        values: &'b [Cow<'b, str>],
    ) -> Sheet<'b> {
        let page = self.page(looked);
        let outlook = page.as_ref().map(|page| page.for_outlook(&self.clock));
        Sheet {
            facts: self,
            row,
            message: &looked.prepared.message,
            html: looked.html.as_ref(),
            page,
            outlook: outlook.unwrap_or_default(),
            values,
        }
    }

    /// The HTML of a row's message, with marks for its values.
    pub(super) fn page(&self, looked: &Looked) -> Option<Page> {
        let html = looked.html.as_ref()?;
        Some(Page::parse(html.marked(), &self.clock))
    }

    /// A row's message as rules of rows see it.
    pub(super) fn row_sheet<'b>(
        &'b self,
        row: &'b Row,
        looked: &'b Looked,
        values: &'b [Cow<'b, str>],
    ) -> RowSheet<'b> {
        RowSheet {
            facts: self,
            row,
            message: &looked.prepared.message,
            html: looked.html.as_ref(),
            values,
        }
    }

    /// The columns that the templates use, by place and name, but for the address.
    pub(super) fn used(&self) -> impl Iterator<Item = (usize, &str)> {
        let used = self.engine.used_columns().iter();
        used.map(|(place, name)| (*place, name.as_str()))
            .filter(|(place, _)| *place != self.email)
    }
}

/// A message whose HTML is that of all rows of its shape: looked at once for all of them. In `page`
/// marks stand for the rows' own values ([`render::is_marked`]); rules of rows look at those.
pub(super) struct Sheet<'a> {
    pub(super) facts: &'a Facts<'a>,
    /// One of the rows.
    pub(super) row: &'a Row,
    /// The message; its HTML is in `html` and `page`.
    pub(super) message: &'a Message,
    pub(super) html: Option<&'a LookedHtml>,
    /// The HTML as it is sent.
    pub(super) page: Option<Page>,
    /// What is in it for Outlook alone.
    pub(super) outlook: Vec<Page>,
    /// The values of that row.
    pub(super) values: &'a [Cow<'a, str>],
}

impl Sheet<'_> {
    /// The page, and what is in it for Outlook alone.
    pub(super) fn pages(&self) -> impl Iterator<Item = &Page> {
        self.page.iter().chain(&self.outlook)
    }

    /// The same row, as rules of rows see it.
    pub(super) fn as_row(&self) -> RowSheet<'_> {
        RowSheet {
            facts: self.facts,
            row: self.row,
            message: self.message,
            html: self.html,
            values: self.values,
        }
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
