//! The size of the HTML that is sent.

use crate::check::context::{CampaignContext, RowContext};
use crate::check::family::{AnyTotals, Family, RuleTotals};
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;
use crate::render::InspectedHtml;
use crate::report::counted;

const CLIPPED: Rule = Rule::warning("html-clipped")
    .finds("HTML of more than 102 KB")
    .why("Gmail shows only the beginning of such a message, with a link to the rest. What counts is often at the end, such as the link to unsubscribe.")
    .fix("Remove blocks, styles and comments.")
    .source("github.com/hteumeuleu/email-bugs/issues/41")
    .example("a row with 130 KB if all its blocks are filled");

const RULES: &[Rule] = &[CLIPPED];

pub(in crate::check) struct Size;

impl Family for Size {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    fn totals(&self) -> Vec<Box<dyn AnyTotals>> {
        vec![Box::new(SizeTotals::default())]
    }
}

/// In bytes.
const GMAIL_LIMIT: usize = 102 * 1024;

#[derive(Debug, Default)]
struct SizeTotals {
    /// The size and the row of the largest HTML.
    largest: (usize, u32),
    /// The number of rows over the limit.
    over: u64,
}

impl SizeTotals {
    /// Keeps the first row of the largest size.
    fn add(&mut self, size: usize, row: u32) {
        let (largest, of) = self.largest;
        if size > largest || size == largest && row < of {
            self.largest = (size, row);
        }
    }
}

impl RuleTotals for SizeTotals {
    fn row(&mut self, context: &RowContext<'_>) {
        let size = context.html.map_or(0, InspectedHtml::size);
        self.add(size, context.row.number);
        self.over += u64::from(size > GMAIL_LIMIT);
    }

    fn merge(&mut self, other: Self) {
        let (size, row) = other.largest;
        self.add(size, row);
        self.over += other.over;
    }

    fn finish(self, shared: &CampaignContext<'_>, sink: &mut FindingSink<'_>) {
        let (size, row) = self.largest;
        if size <= GMAIL_LIMIT {
            return;
        }
        let over = if self.over == 1 {
            "it is the only one over 102 KB, where Gmail cuts messages off".to_owned()
        } else {
            format!(
                "{} are over 102 KB, where Gmail cuts messages off",
                counted(self.over, "row")
            )
        };
        let message = format!(
            "the largest HTML, of row {row}, has {} KB; {over}",
            size.div_ceil(1024)
        );
        let finding = CLIPPED.found(message).help(
            "use fewer blocks, styles and comments; the size is that of the HTML as posted, and tracking links add to it",
        );
        let mut finding = shared.locator.somewhere(finding);
        finding.place.row = Some(row);
        sink.add(finding);
    }
}
