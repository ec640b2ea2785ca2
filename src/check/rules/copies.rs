//! The display names of copies.

use super::campaign_file::at_text;
use crate::check::context::RowContext;
use crate::check::family::Family;
use crate::check::rule::Rule;
use crate::check::sink::FindingSink;

const NAME: Rule = Rule::warning("copy-name")
    .finds("a `cc_name` or `bcc_name` for copies to several addresses")
    .why("The name belongs to a single address. With several addresses, it is left out.")
    .fix("Write the names in the cell: `Mo <mo@acme.example>; Max <max@acme.example>`. Or remove `cc_name`.")
    .source("RFC 5322 3.4")
    .example("`cc = \"{{ managers }}\"` and `cc_name = \"Your manager\"`, with a cell `mo@acme.example; max@acme.example`");

const RULES: &[Rule] = &[NAME];

pub(in crate::check) struct Copies;

impl Family for Copies {
    fn rules(&self) -> &'static [Rule] {
        RULES
    }

    // Several constant addresses with such a name are an error of campaign.toml.
    fn row(&self, context: &RowContext<'_>, sink: &mut FindingSink<'_>) {
        let (written, sent) = (&context.shared.campaign.message, context.message);
        for (name, copies, key) in [
            (&written.cc_name, &sent.cc, "cc"),
            (&written.bcc_name, &sent.bcc, "bcc"),
        ] {
            let is_dropped = copies.len() > 1 && copies.iter().any(|copy| copy.name.is_none());
            if let Some(name) = name.as_ref().filter(|_| is_dropped) {
                let finding = NAME
                    .found(format!(
                        "`{key}_name` is left out: `{key}` has {} addresses",
                        copies.len()
                    ))
                    .kind("a name for copies to several addresses is left out")
                    .help(
                        "write the names in the cell: Mo <mo@acme.example>; Max <max@acme.example>",
                    );
                sink.add(at_text(context.shared, finding, name));
            }
        }
    }
}
