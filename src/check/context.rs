//! What rules see of a campaign, of a message and of a row.

use std::borrow::Cow;
use std::path::Path;

use super::clients::Clients;
use super::locate::Locator;
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::finding::Severity;
use crate::html::Page;
use crate::message::Message;
use crate::recipients::LineNumbers;
use crate::render::{Engine, InspectedHtml, InspectedMessage, Row};

/// What is the same for all messages.
pub(super) struct CampaignContext<'a> {
    pub(super) campaign: &'a Campaign,
    pub(super) engine: &'a Engine,
    /// The names of the recipients' columns.
    pub(super) header: &'a [String],
    /// The index of the address column.
    pub(super) email: usize,
    /// The recipients' file, as the user names it.
    pub(super) recipients: &'a Path,
    /// The number of rows to send to.
    pub(super) rows: u64,
    /// Findings below this severity need not be gathered.
    pub(super) least: Severity,
    /// The rows left out because an earlier row has their address.
    pub(super) duplicates: LineNumbers,
    pub(super) locator: Locator,
    pub(super) clock: Clock,
    /// The mail clients that the campaign supports.
    pub(super) clients: Clients,
    /// Whether links and domains are inspected up later.
    pub(super) net: bool,
}

impl CampaignContext<'_> {
    pub(super) fn message_context<'b>(
        &'b self,
        row: &'b Row,
        inspected: &'b InspectedMessage,
        values: &'b [Cow<'b, str>],
    ) -> MessageContext<'b> {
        let page = self.page(inspected);
        let outlook = page.as_ref().map(|page| page.outlook_pages(&self.clock));
        MessageContext {
            shared: self,
            row,
            message: &inspected.prepared.message,
            html: inspected.html.as_ref(),
            page,
            outlook: outlook.unwrap_or_default(),
            values,
        }
    }

    /// The HTML of a message, with marks in place of the row's values.
    pub(super) fn page(&self, inspected: &InspectedMessage) -> Option<Page> {
        let html = inspected.html.as_ref()?;
        Some(Page::parse(html.marked(), &self.clock))
    }

    pub(super) fn row_context<'b>(
        &'b self,
        row: &'b Row,
        inspected: &'b InspectedMessage,
        values: &'b [Cow<'b, str>],
    ) -> RowContext<'b> {
        RowContext {
            shared: self,
            row,
            message: &inspected.prepared.message,
            html: inspected.html.as_ref(),
            values,
        }
    }

    /// The index and name of each column that the templates use, except the address.
    pub(super) fn used_columns(&self) -> impl Iterator<Item = (usize, &str)> {
        let used = self.engine.used_columns().iter();
        used.map(|(index, name)| (*index, name.as_str()))
            .filter(|(index, _)| *index != self.email)
    }
}

/// A message that stands for all rows whose HTML has the same shape. In `page`, marks
/// ([`render::is_marked`]) replace the values of the row; the checks of rows look at those.
pub(super) struct MessageContext<'a> {
    pub(super) shared: &'a CampaignContext<'a>,
    /// One of the rows.
    pub(super) row: &'a Row,
    /// Without its HTML, which is in `html` and `page`.
    pub(super) message: &'a Message,
    pub(super) html: Option<&'a InspectedHtml>,
    pub(super) page: Option<Page>,
    /// The parts of the HTML that only Outlook shows.
    pub(super) outlook: Vec<Page>,
    /// The values of `row`.
    pub(super) values: &'a [Cow<'a, str>],
}

impl MessageContext<'_> {
    /// The page, and its parts for Outlook.
    pub(super) fn pages(&self) -> impl Iterator<Item = &Page> {
        self.page.iter().chain(&self.outlook)
    }

    pub(super) fn as_row(&self) -> RowContext<'_> {
        RowContext {
            shared: self.shared,
            row: self.row,
            message: self.message,
            html: self.html,
            values: self.values,
        }
    }
}

/// One row and its message.
pub(super) struct RowContext<'a> {
    pub(super) shared: &'a CampaignContext<'a>,
    pub(super) row: &'a Row,
    pub(super) message: &'a Message,
    pub(super) html: Option<&'a InspectedHtml>,
    /// The values of the row in the HTML, unescaped.
    pub(super) values: &'a [Cow<'a, str>],
}
