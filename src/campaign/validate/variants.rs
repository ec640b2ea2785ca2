//! `[[variants]]`, validated.

use std::num::NonZeroU32;

use super::Validator;
use crate::campaign::file::VariantTable;
use crate::campaign::{MessageTemplate, Text, Variant};

/// The most characters of a name.
const NAME_MAX: usize = 32;
/// The most variants. Each compiles all templates.
const MOST: usize = 20;
const MAX_SHARE: u32 = 1_000_000;

impl Validator<'_> {
    /// Also checks the message of each variant; without variants, that of the campaign.
    pub(super) fn variants(
        &mut self,
        tables: Vec<VariantTable>,
        message: &MessageTemplate,
    ) -> Vec<Variant> {
        if let [only] = tables.as_slice() {
            self.bad_value(
                only.name.span(),
                "there is only one variant, so there is nothing to compare",
                "add another [[variants]], or move its keys to [message]",
            );
        }
        if let Some(first_extra) = tables.get(MOST) {
            let message = format!("there are more than {MOST} variants");
            self.bad_value(first_extra.name.span(), message, "remove the others");
        }
        if tables.is_empty() {
            self.check_message(message);
        }
        let mut variants: Vec<Variant> = Vec::new();
        for table in tables {
            self.variant_name(&table.name, &variants);
            let share = u32::try_from(*table.share.get_ref()).ok();
            let share = share
                .filter(|share| *share <= MAX_SHARE)
                .and_then(NonZeroU32::new);
            if share.is_none() {
                self.bad_value(
                    table.share.span(),
                    format!("a share is a whole number from 1 to {MAX_SHARE}"),
                    "shares are weights, such as 1 and 1, or 90 and 10: they need not add up to 100",
                );
            }
            let (name, name_span) = (table.name.get_ref().clone(), table.name.span());
            let message = table.message(message);
            self.check_variant_message(&message, name_span);
            variants.push(Variant {
                name,
                share: share.unwrap_or(NonZeroU32::MIN),
                message,
            });
        }
        variants
    }

    /// The mistakes in what all variants share are reported once.
    fn check_variant_message(&mut self, message: &MessageTemplate, name: std::ops::Range<usize>) {
        let known = self.findings.len();
        self.check_message_of(message, name);
        let new = self.findings.split_off(known);
        for finding in new {
            if !self.findings.iter().any(|other| other.is_like(&finding)) {
                self.findings.push(finding);
            }
        }
    }

    /// A name that can be written in a shell and in a spreadsheet without quotes.
    fn variant_name(&mut self, name: &Text, others: &[Variant]) {
        let value = name.get_ref();
        let is_allowed = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
        let is_valid = value.chars().all(is_allowed)
            && value.starts_with(char::is_alphanumeric)
            && !value.ends_with(' ')
            && value.chars().count() <= NAME_MAX;
        if !is_valid {
            self.bad_value(
                name.span(),
                format!("“{value}” can't be the name of a variant"),
                "write a short name, such as \"A\" or \"short subject\": at most 32 letters, digits, spaces, dots, hyphens and underscores",
            );
        } else if others
            .iter()
            .any(|other| other.name.to_lowercase() == value.to_lowercase())
        {
            self.bad_value(
                name.span(),
                format!("there are two variants “{value}”"),
                "give each variant a name of its own; upper and lower case make no difference",
            );
        }
    }
}
