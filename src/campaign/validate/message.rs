//! `[message]`, validated.

use std::ops::Range;
use std::path::Path;

use super::Validator;
use crate::address::{Address, Mailbox};
use crate::api;
use crate::campaign::template_syntax::is_template;
use crate::campaign::{MessageTemplate, TEMPLATES, Text};
use crate::file_name::on_disk;
use crate::language::{Language, LanguageError};
use crate::message::mime::is_media_type_of_file;

impl Validator<'_> {
    pub(super) fn check_message(&mut self, message: &MessageTemplate) {
        self.check_message_of(message, message.subject.span());
    }

    /// `place` is reported if the message has no body.
    pub(super) fn check_message_of(&mut self, message: &MessageTemplate, place: Range<usize>) {
        let bodies = [&message.html, &message.markdown, &message.text];
        if bodies.iter().all(|body| body.is_none()) {
            self.bad_value(
                place,
                "the message has none of `html`, `markdown` and `text`",
                "name a file in templates/ under [message], for example html = \"newsletter.html\"",
            );
        }
        if let (Some(_), Some(markdown)) = (&message.html, &message.markdown) {
            self.bad_value(
                markdown.span(),
                "the message has both `html` and `markdown`",
                "delete one of them: the HTML is made from the Markdown",
            );
        }
        if let (Some(layout), None) = (&message.layout, &message.markdown) {
            self.bad_value(
                layout.span(),
                "`layout` is the HTML around the Markdown, but the message has no `markdown`",
                "add markdown = \"letter.md\", or delete `layout`: an HTML template names its layout itself, with {% extends %}",
            );
        }
        let others = [&message.markdown, &message.layout, &message.text];
        for text in others.into_iter().flatten() {
            if text.get_ref().to_ascii_lowercase().ends_with(".mjml") {
                self.bad_value(
                    text.span(),
                    "only `html` can be MJML",
                    "write html = \"letter.mjml\", or name a file here that is not MJML",
                );
            }
        }
        for body in bodies.into_iter().chain([&message.layout]).flatten() {
            self.check_template_exists(body);
        }
        if let Some(locale) = &message.locale {
            self.check_locale(locale);
        }
        self.check_address(&message.from);
        message
            .return_path
            .iter()
            .for_each(|path| self.check_address(path));
        for list in [&message.reply_to, &message.cc, &message.bcc] {
            list.iter().for_each(|text| self.check_mailboxes(text));
        }
        let names = [
            (&message.cc, &message.cc_name, "cc"),
            (&message.bcc, &message.bcc_name, "bcc"),
        ];
        for (list, name, key) in names {
            let addresses: usize = list.iter().map(addresses_in).sum();
            if let Some(name) = name.as_ref().filter(|_| addresses > 1) {
                self.bad_value(
                    name.span(),
                    format!("`{key}_name` is for a single address, and `{key}` has {addresses}"),
                    "write the names in the list, such as \"Mo <mo@example.com>\"",
                );
            }
        }
        for name in message.headers.keys() {
            if let Err(error) = api::check_header_name(name.get_ref()) {
                self.bad_value(name.span(), error.to_string(), "");
            }
        }
        for attachment in &message.attachments {
            self.check_attachment_exists(&attachment.path);
            if let Some(media_type) = &attachment.r#type {
                self.check_media_type(media_type);
            }
        }
    }

    fn check_address(&mut self, text: &Text) {
        if is_template(text.get_ref()) {
            return;
        }
        if let Err(error) = Address::parse(text.get_ref()) {
            self.bad_value(
                text.span(),
                format!("{error}: “{}”", text.get_ref()),
                "write the address alone; the display name goes into `from_name`",
            );
        }
    }

    fn check_mailboxes(&mut self, text: &Text) {
        if is_template(text.get_ref()) {
            return;
        }
        if let Err(error) = Mailbox::parse_list(text.get_ref()) {
            self.bad_value(
                text.span(),
                error.to_string(),
                "write an address, such as \"mo@example.com\" or \"Mo <mo@example.com>\"",
            );
        }
    }

    fn check_locale(&mut self, text: &Text) {
        if is_template(text.get_ref()) {
            self.bad_value(
                text.span(),
                "`locale` can't be a template",
                "for the language of a row, write the column in the filters: number(locale=lang)",
            );
        } else if let Err(error) = Language::parse(text.get_ref()) {
            self.bad_value(text.span(), error.to_string(), LanguageError::HELP);
        }
    }

    fn check_template_exists(&mut self, name: &Text) {
        let templates = self.dir.join(TEMPLATES);
        if is_template(name.get_ref()) || on_disk(&templates, Path::new(name.get_ref())).is_file() {
            return;
        }
        let message = format!("the file {TEMPLATES}/{} does not exist", name.get_ref());
        let help = match file_names(&templates).as_slice() {
            [] => {
                format!("put the template into the folder {TEMPLATES}/, which is empty or missing")
            }
            names => format!("the files in {TEMPLATES}/ are: {}", names.join(", ")),
        };
        self.no_file(name.span(), message, &help);
    }

    fn check_media_type(&mut self, text: &Text) {
        if !is_media_type_of_file(text.get_ref()) {
            self.bad_value(
                text.span(),
                format!("“{}” is not the media type of a file", text.get_ref()),
                "write a type with its parameters, such as \"application/pdf\" or \"text/calendar; method=REQUEST\"",
            );
        }
    }

    fn check_attachment_exists(&mut self, path: &Text) {
        if is_template(path.get_ref()) {
            return;
        }
        let file = Path::new(path.get_ref());
        match crate::message::inside(self.dir, file) {
            Err(error) => {
                let help = "name a file inside the campaign folder";
                self.no_file(path.span(), error.to_string(), help);
            }
            Ok(full) => {
                if let Err(error) = crate::message::check_size(&full, file) {
                    let help = "link to the file instead, or make it smaller";
                    self.add("over-limit", path.span(), error.to_string(), help);
                }
            }
        }
    }
}

fn file_names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// How many addresses a text of a list has; one if it is a template or invalid.
fn addresses_in(text: &Text) -> usize {
    match is_template(text.get_ref()) {
        true => 1,
        false => Mailbox::parse_list(text.get_ref()).map_or(1, |list| list.len()),
    }
}
