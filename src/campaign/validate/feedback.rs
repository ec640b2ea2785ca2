//! `[feedback]`, validated.

use std::num::NonZeroU32;

use toml::Spanned;

use super::Validator;
use crate::campaign::{FeedbackSettings, file};
use crate::list_name::{ListName, ListNameError};

const SOFT_BOUNCES: NonZeroU32 = NonZeroU32::new(3).unwrap();

impl Validator<'_> {
    /// `lists` are the kept lists in `suppress`.
    pub(super) fn feedback(
        &mut self,
        feedback: file::FeedbackTable,
        lists: &[Spanned<ListName>],
    ) -> FeedbackSettings {
        let list = match feedback.list {
            Some(text) => self.fed_list(&text, lists),
            None => self.only_list(lists),
        };
        let soft_bounces = feedback.soft_bounces.map_or(SOFT_BOUNCES, |number| {
            NonZeroU32::new(*number.get_ref()).unwrap_or_else(|| {
                let help = "write how many messages in a row may bounce, such as 3";
                self.bad_value(number.span(), "`soft_bounces` must be at least 1", help);
                SOFT_BOUNCES
            })
        });
        FeedbackSettings { list, soft_bounces }
    }

    fn fed_list(&mut self, text: &file::Text, lists: &[Spanned<ListName>]) -> Option<ListName> {
        let name: ListName = match text.get_ref().parse() {
            Ok(name) => name,
            Err(error) => {
                self.bad_value(text.span(), format!("{error}"), ListNameError::HELP);
                return None;
            }
        };
        if !lists.iter().any(|list| *list.get_ref() == name) {
            let message = format!("{name} is not in `suppress`, so nobody on it would be left out");
            let help = format!("add “{name}” to `suppress` in [recipients]");
            self.bad_value(text.span(), message, &help);
        }
        Some(name)
    }

    fn only_list(&mut self, lists: &[Spanned<ListName>]) -> Option<ListName> {
        let first = lists.first()?;
        if let Some(second) = lists.iter().find(|list| list.get_ref() != first.get_ref()) {
            let help = format!(
                "write for example `list = \"{}\"` in [feedback]",
                first.get_ref()
            );
            let message = "`suppress` has several lists, and it is not clear which one gets bounces, complaints and unsubscribes";
            self.bad_value(second.span(), message, &help);
        }
        Some(first.get_ref().clone())
    }
}
