//! What rules see of a campaign, of a message and of a row.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Deref;
use std::path::Path;

use scraper::Html;

use super::clients::Clients;
use super::locate::Locator;
use crate::campaign::Campaign;
use crate::clock::Clock;
use crate::finding::Severity;
use crate::html::{Elements, Page, parse_document};
use crate::message::Message;
use crate::recipients::LineNumbers;
use crate::render::{Engine, InspectedHtml, InspectedMessage, Row};
use crate::run::DifferingDuplicates;

/// What a [`Checker`](super::Checker) is made from.
#[derive(Clone)]
pub struct CheckerInputs<'a> {
    pub campaign: &'a Campaign,
    pub engine: &'a Engine,
    /// The names of the recipients' columns.
    pub header: &'a [String],
    /// The index of the address column.
    pub email: usize,
    /// The recipients' file, as the user names it.
    pub recipients: &'a Path,
    /// The indexes of the columns that this variant of the message or another one uses.
    pub used_by_variants: Vec<usize>,
    /// The number of rows to send to.
    pub rows: u64,
    /// The rows left out because an earlier row has their address.
    pub duplicates: LineNumbers,
    /// The duplicates that differ from the row that is sent.
    pub differing: DifferingDuplicates,
    /// The lowest severity to report.
    pub least: Severity,
    /// Whether links and domains are looked up later.
    pub net: bool,
    pub clock: Clock,
}

/// What is the same for all messages.
pub(super) struct CampaignContext<'a> {
    pub(super) inputs: CheckerInputs<'a>,
    pub(super) locator: Locator,
    /// The mail clients that the campaign supports.
    pub(super) clients: Clients,
}

impl<'a> Deref for CampaignContext<'a> {
    type Target = CheckerInputs<'a>;

    fn deref(&self) -> &CheckerInputs<'a> {
        &self.inputs
    }
}

impl CampaignContext<'_> {
    /// The HTML of a message, with marks in place of the row's values.
    pub(super) fn page(&self, html: &InspectedHtml) -> Page {
        Page::parse(html.marked(), &self.clock)
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

/// A message that stands for all rows whose HTML has the same shape, with one of these rows. In `page`, marks
/// (`html::marks`) replace the values of the row; the checks of rows look at those.
pub(super) struct MessageContext<'a> {
    row_context: RowContext<'a>,
    pub(super) page: Option<Page>,
    /// The page again, as the library that matches selectors needs it.
    document: OnceCell<Html>,
    /// The parts of the HTML that only Outlook shows.
    pub(super) outlook: Vec<Page>,
}

impl<'a> MessageContext<'a> {
    pub(super) fn new(row_context: RowContext<'a>) -> Self {
        let shared = row_context.shared;
        let page = row_context.html.map(|html| shared.page(html));
        let outlook = page.as_ref().map(|it| it.outlook_pages(&shared.clock));
        Self {
            row_context,
            page,
            document: OnceCell::new(),
            outlook: outlook.unwrap_or_default(),
        }
    }

    /// The page, and its parts for Outlook.
    pub(super) fn pages(&self) -> impl Iterator<Item = &Page> {
        self.page.iter().chain(&self.outlook)
    }

    pub(super) fn document(&self) -> &Html {
        let html = self.html.map_or("", InspectedHtml::marked);
        self.document.get_or_init(|| parse_document(html))
    }

    /// The elements of the page, to find those that selectors match.
    pub(super) fn elements(&self) -> Elements<'_> {
        Elements::of(self.document())
    }
}

impl<'a> Deref for MessageContext<'a> {
    type Target = RowContext<'a>;

    fn deref(&self) -> &RowContext<'a> {
        &self.row_context
    }
}

/// One row and its message.
#[derive(Clone, Copy)]
pub(super) struct RowContext<'a> {
    pub(super) shared: &'a CampaignContext<'a>,
    pub(super) row: &'a Row,
    /// Without its HTML, which is in `html`.
    pub(super) message: &'a Message,
    pub(super) html: Option<&'a InspectedHtml>,
    /// The values of the row in the HTML, unescaped.
    pub(super) values: &'a [Cow<'a, str>],
}
