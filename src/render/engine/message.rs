//! Renders the fields of `[message]` for a row.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::HtmlError;
use super::super::attachments::AttachmentPath;
use super::super::body_cache::RowBodies;
use super::super::context::RowVariables;
use super::super::layout::Letter;
use super::super::message_fields::{MarkdownFields, MessageField};
use super::super::value_spans::RenderedHtml;
use super::{Engine, Row};
use crate::address::{Address, Mailbox};
use crate::api::MAX_NAME;
use crate::file_name::composed;
use crate::finding::Finding;
use crate::message::{Attachments, Message};
use crate::unsubscribe::{LIST_UNSUBSCRIBE, LIST_UNSUBSCRIBE_POST, ONE_CLICK};

/// What the subject of a test begins with.
const TEST_PREFIX: &str = "[TEST] ";
const LIST_HELP: &str = "for a column whose value is a list, write {{ column | join(sep=', ') }}";

impl Engine {
    /// Renders a row's message. The template of the bodies may be missing unless it is `wanted`.
    pub(super) fn message(
        &self,
        row: &Row,
        wanted: bool,
    ) -> Result<(Message, Option<RowBodies>), Box<Finding>> {
        let variables = self.columns.of_row(row);
        let line = |field: &MessageField| self.line(field, &variables);
        let optional = |field: &Option<MessageField>| {
            field
                .as_ref()
                .map_or(Ok(None), |field| line(field).map(not_blank))
        };
        let bodies = self.html(&variables, wanted)?;
        let text = match (&self.fields.text, &bodies) {
            (Some(field), _) => Some(self.text(&composed(&line(field)?), &variables)?),
            (None, Some(made)) => made.bodies.text.clone(),
            (None, None) => None,
        };
        let testing = self.test_to.is_some();
        let copies = |fields: &[MessageField], name: &Option<MessageField>| {
            if testing || fields.is_empty() {
                return Ok::<_, Box<Finding>>(Vec::new());
            }
            let mut copies = self.mailboxes(fields, &variables)?;
            if let [copy] = copies.as_mut_slice()
                && copy.name.is_none()
            {
                copy.name = optional(name)?;
            }
            Ok(copies)
        };
        let address = |field: &Option<MessageField>| match field {
            Some(field) => {
                let mailbox = self.mailbox(field, None, &variables)?;
                Ok(mailbox.map(|mailbox| mailbox.address))
            }
            None => Ok::<_, Box<Finding>>(None),
        };
        let message = Message {
            from: self.sender(optional(&self.fields.from_name)?, &variables)?,
            subject: self.subject(line(&self.fields.subject)?),
            html: bodies.as_ref().map(|made| Arc::clone(&made.bodies.html)),
            text,
            reply_to: self.reply_to(&variables)?,
            return_path: address(&self.fields.return_path)?
                .map(|address| self.verp.address(address, row)),
            cc: copies(&self.fields.cc, &self.fields.cc_name)?,
            bcc: copies(&self.fields.bcc, &self.fields.bcc_name)?,
            headers: self.headers(&variables)?,
            tags: self.tags(&variables)?,
            attachments: self.attachments(row, &variables)?,
        };
        Ok((message, bodies))
    }

    fn line(
        &self,
        field: &MessageField,
        variables: &RowVariables<'_>,
    ) -> Result<String, Box<Finding>> {
        match &field.constant {
            Some(value) => Ok(value.clone()),
            None => self
                .renderer
                .line(&field.name, variables)
                .map_err(|error| self.explain(&field.name, &error)),
        }
    }

    fn text(
        &self,
        template: &str,
        variables: &RowVariables<'_>,
    ) -> Result<Arc<String>, Box<Finding>> {
        let rendered = self.renderer.text(template, variables);
        rendered.map_err(|error| self.explain(template, &error))
    }

    /// The HTML body, and the text part if it is made from the HTML.
    fn html(
        &self,
        variables: &RowVariables<'_>,
        wanted: bool,
    ) -> Result<Option<RowBodies>, Box<Finding>> {
        if let Some(fields) = &self.fields.markdown {
            return self.html_of_markdown(fields, variables, wanted).map(Some);
        }
        let Some(field) = &self.fields.html else {
            return Ok(None);
        };
        let template = self.line(field, variables)?;
        let template = &*composed(&template);
        let wanted = wanted || self.constant_bodies.contain(template);
        let bodies = self.constant_bodies.get_or_make(template, || {
            let rendered = self.renderer.html(template, variables);
            let rendered = rendered.map_err(|error| self.explain(template, &error))?;
            self.bodies(rendered, template, wanted)
        });
        bodies.map(Some)
    }

    fn html_of_markdown(
        &self,
        fields: &MarkdownFields,
        variables: &RowVariables<'_>,
        wanted: bool,
    ) -> Result<RowBodies, Box<Finding>> {
        let template = self.line(&fields.letter, variables)?;
        let template = &*composed(&template);
        let markdown = self.renderer.markdown(template, variables);
        let markdown = markdown.map_err(|error| self.explain(template, &error))?;
        let content = markdown.to_html();
        let content = &content.map_err(|error| self.bad_html(template, &error))?;
        let subject = &self.line(&self.fields.subject, variables)?;
        let layout = self.line(&fields.layout, variables)?;
        let layout = &*composed(&layout);
        // A layout that is the same for all rows was looked at before.
        if fields.layout.constant.is_none()
            && let Some(finding) = self.renderer.without_letter(&self.sources, layout)
        {
            return Err(Box::new(finding));
        }
        let rendered = self
            .renderer
            .layout(layout, &Letter { content, subject }, variables);
        let rendered = rendered.map_err(|error| self.explain(layout, &error))?;
        self.bodies(rendered, template, wanted)
    }

    /// `template` is the letter that the HTML was made from.
    fn bodies(
        &self,
        rendered: RenderedHtml,
        template: &str,
        wanted: bool,
    ) -> Result<RowBodies, Box<Finding>> {
        let bodies = self.bodies.bodies(rendered, wanted);
        bodies.map_err(|error| self.bad_html(template, &error))
    }

    fn bad_html(&self, template: &str, error: &HtmlError) -> Box<Finding> {
        Box::new(self.sources.at_file("html", template, &error.to_string()))
    }

    fn explain(&self, template: &str, error: &tera::Error) -> Box<Finding> {
        Box::new(self.sources.explain(template, error))
    }

    fn subject(&self, subject: String) -> String {
        if self.test_to.is_none() {
            return subject;
        }
        TEST_PREFIX
            .chars()
            .chain(subject.chars())
            .take(MAX_NAME.max(subject.chars().count()))
            .collect()
    }

    fn mailbox(
        &self,
        field: &MessageField,
        name: Option<String>,
        variables: &RowVariables<'_>,
    ) -> Result<Option<Mailbox>, Box<Finding>> {
        if let Some(address) = field.address.clone() {
            return Ok(Some(Mailbox { name, address }));
        }
        let value = self.line(field, variables)?;
        if value.trim().is_empty() {
            return Ok(None);
        }
        let address = Address::parse(&value).map_err(|error| {
            let message = format!("{}: {error}: “{value}”", field.name);
            let finding = self.sources.finding(&field.name, "bad-address", message);
            Box::new(finding.kind("not an address"))
        })?;
        Ok(Some(Mailbox { name, address }))
    }

    /// The mailboxes of a list, each address once.
    fn mailboxes(
        &self,
        fields: &[MessageField],
        variables: &RowVariables<'_>,
    ) -> Result<Vec<Mailbox>, Box<Finding>> {
        let mut all: Vec<Mailbox> = Vec::new();
        for field in fields {
            let value = self.line(field, variables)?;
            let mailboxes = Mailbox::parse_list(&value).map_err(|error| {
                let message = format!("{}: {error}", field.name);
                let finding = self.sources.finding(&field.name, "bad-address", message);
                let finding = finding.kind("not an address");
                let is_list = value.trim_start().starts_with('[');
                Box::new(if is_list {
                    finding.help(LIST_HELP)
                } else {
                    finding
                })
            })?;
            for mailbox in mailboxes {
                let normalized = mailbox.address.normalized();
                if all
                    .iter()
                    .all(|it| !it.address.is_normalized_as(&normalized))
                {
                    all.push(mailbox);
                }
            }
        }
        Ok(all)
    }

    fn reply_to(&self, variables: &RowVariables<'_>) -> Result<Vec<Address>, Box<Finding>> {
        let mailboxes = self.mailboxes(&self.fields.reply_to, variables)?;
        Ok(mailboxes.into_iter().map(|it| it.address).collect())
    }

    pub(super) fn sender(
        &self,
        name: Option<String>,
        variables: &RowVariables<'_>,
    ) -> Result<Mailbox, Box<Finding>> {
        self.mailbox(&self.fields.from, name, variables)?
            .ok_or_else(|| {
                Box::new(self.sources.finding(
                    &self.fields.from.name,
                    "bad-address",
                    "the sender's address is empty".to_owned(),
                ))
            })
    }

    fn headers(&self, variables: &RowVariables<'_>) -> Result<Vec<(String, String)>, Box<Finding>> {
        let mut headers = Vec::with_capacity(self.fields.headers.len());
        for (name, field) in &self.fields.headers {
            if let Some(value) = not_blank(self.line(field, variables)?) {
                headers.push((name.clone(), value));
            }
        }
        self.add_unsubscribe_headers(&mut headers, variables);
        Ok(headers)
    }

    /// RFC 8058, unless the campaign has headers of its own.
    fn add_unsubscribe_headers(
        &self,
        headers: &mut Vec<(String, String)>,
        variables: &RowVariables<'_>,
    ) {
        let is_own = |name: &str| {
            let mut fields = self.fields.headers.iter();
            fields.any(|(other, _)| other.eq_ignore_ascii_case(name))
        };
        let Some(link) = variables.unsubscribe_url() else {
            return;
        };
        if is_own(LIST_UNSUBSCRIBE) {
            return;
        }
        headers.push((LIST_UNSUBSCRIBE.to_owned(), format!("<{link}>")));
        if !is_own(LIST_UNSUBSCRIBE_POST) {
            headers.push((LIST_UNSUBSCRIBE_POST.to_owned(), ONE_CLICK.to_owned()));
        }
    }

    fn tags(&self, variables: &RowVariables<'_>) -> Result<Vec<String>, Box<Finding>> {
        let mut tags = Vec::with_capacity(self.fields.tags.len());
        for field in &self.fields.tags {
            tags.extend(not_blank(self.line(field, variables)?));
        }
        Ok(tags)
    }

    pub(super) fn attachment_paths(
        &self,
        variables: &RowVariables<'_>,
    ) -> Result<Vec<AttachmentPath>, Box<Finding>> {
        let mut paths = Vec::with_capacity(self.fields.attachments.len());
        for (position, field) in self.fields.attachments.iter().enumerate() {
            if let Some(path) = not_blank(self.line(&field.path, variables)?) {
                let is_own = field.path.constant.is_none();
                paths.push(AttachmentPath {
                    position,
                    path: PathBuf::from(path),
                    inline: field.inline,
                    media_type: field.media_type.clone(),
                    own_folder: is_own.then(|| field.folder.clone()),
                });
            }
        }
        Ok(paths)
    }

    fn attachments(
        &self,
        row: &Row,
        variables: &RowVariables<'_>,
    ) -> Result<Arc<Attachments>, Box<Finding>> {
        if self.fields.attachments.is_empty() {
            return Ok(self.attachments.none());
        }
        let paths = self.attachment_paths(variables)?;
        self.attachments.get(&paths, &row.recorded)
    }
}

fn not_blank(value: String) -> Option<String> {
    (!value.trim().is_empty()).then_some(value)
}
