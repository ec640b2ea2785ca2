//! `[feedback]`, validated.

use std::num::NonZeroU32;

use toml::Spanned;
use url::Url;

use super::Validator;
use super::api::is_loopback;
use crate::campaign::file::Text;
use crate::campaign::{FeedbackSettings, PageColour, PageSettings, file};
use crate::html::Colour;
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
        if let Some(url) = &feedback.url
            && list.is_none()
            && lists.is_empty()
        {
            let help = "add for example `suppress = [\"@acme\"]` to [recipients]; `mailrun suppress add @acme` creates the list";
            self.bad_value(
                url.span(),
                "there is no list for those who unsubscribe",
                help,
            );
        }
        FeedbackSettings {
            url: feedback.url.as_ref().and_then(|url| self.public_url(url)),
            list,
            soft_bounces,
            panel: feedback.panel.map(Spanned::into_inner),
            page: self.page(feedback.page),
        }
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

    fn public_url(&mut self, text: &Text) -> Option<Url> {
        let mut url = match Url::parse(text.get_ref()) {
            Ok(url) => url,
            Err(error) => {
                self.bad_value(
                    text.span(),
                    format!("not a URL: {error}"),
                    "write the public address of `mailrun feedback`, such as \"https://news.acme.example\"",
                );
                return None;
            }
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            _ => self.bad_value(
                text.span(),
                "mail clients unsubscribe over https: only",
                "use https:, or a loopback address to try it on this machine",
            ),
        }
        if !url.username().is_empty() || url.password().is_some() {
            self.bad_value(
                text.span(),
                "everybody would see the login in this URL",
                "remove it",
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            self.bad_value(
                text.span(),
                "the URL has a `?` or a `#`",
                "remove it and what follows",
            );
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Some(url)
    }

    fn page(&mut self, page: file::PageTable) -> PageSettings {
        PageSettings {
            lang: page.lang.and_then(|lang| self.language(&lang)),
            title: page.title,
            text: page.text,
            button: page.button,
            done: page.done,
            done_text: page.done_text,
            undo: page.undo,
            undone: page.undone,
            undone_text: page.undone_text,
            background: self.page_colour(page.background),
            foreground: self.page_colour(page.foreground),
            accent: self.page_colour(page.accent),
        }
    }

    /// A language tag (BCP 47), at least by its shape.
    fn language(&mut self, text: &Text) -> Option<String> {
        let tag = text.get_ref();
        let is_part = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let is_tag = tag.split('-').all(is_part) && tag.len() <= 35;
        if !is_tag {
            let message = format!("“{tag}” is not a language");
            self.bad_value(text.span(), message, "write for example “pl” or “pt-BR”");
        }
        is_tag.then(|| tag.clone())
    }

    fn page_colour(&mut self, text: Option<Text>) -> Option<PageColour> {
        let text = text?;
        let colour = Colour::from_css(text.get_ref()).filter(|colour| colour.is_opaque());
        if colour.is_none() {
            self.bad_value(
                text.span(),
                format!("“{}” is not a colour", text.get_ref()),
                "write for example “#2457a6”",
            );
        }
        colour.map(|colour| PageColour { colour, text })
    }
}
