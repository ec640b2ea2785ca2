//! The parts of a row's message, each from its slot of the campaign.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::attachments::Wanted as WantedFile;
use super::super::look::LookedHtml;
use super::super::mould::FoundHtml;
use super::super::recorder::{Recorder, Rendered};
use super::super::skeleton::{Bodies, Need};
use super::super::slots::Slot;
use super::super::text::HtmlError;
use super::super::values::View;
use super::{Engine, Row};
use crate::address::{Address, Mailbox};
use crate::api::MAX_NAME;
use crate::finding::{Finding, Place};
use crate::message::{Attachments, Message};

/// What marks the subject of a test.
const TEST_MARK: &str = "[TEST] ";

impl Engine {
    pub(super) fn render(
        &self,
        row: &Row,
        need: Need,
    ) -> Result<(Message, Option<LookedHtml>), Box<Finding>> {
        let view = self.columns.view(&row.cells);
        let line = |slot: &Slot| self.line(slot, &view);
        let optional = |slot: &Option<Slot>| {
            slot.as_ref()
                .map_or(Ok(None), |slot| line(slot).map(not_blank))
        };
        let (html, encoded, made, looked) = match self.html(&view, need)? {
            Some(bodies) => (bodies.html, bodies.encoded, bodies.text, bodies.looked),
            None => (None, None, None, None),
        };
        let text = match &self.slots.text {
            Some(slot) => Some(self.template(&self.line(slot, &view)?, &view)?),
            None => made,
        };
        let testing = self.test_to.is_some();
        let copy = |address: &Option<Slot>, name: &Option<Slot>| match address {
            Some(slot) if !testing => self.mailbox(slot, optional(name)?, &view),
            _ => Ok(None),
        };
        let message = Message {
            from: self.sender(optional(&self.slots.from_name)?, &view)?,
            subject: self.subject(line(&self.slots.subject)?),
            html,
            encoded_html: encoded,
            text,
            reply_to: match &self.slots.reply_to {
                Some(slot) => self
                    .mailbox(slot, None, &view)?
                    .map(|mailbox| mailbox.address),
                None => None,
            },
            cc: copy(&self.slots.cc, &self.slots.cc_name)?,
            bcc: copy(&self.slots.bcc, &self.slots.bcc_name)?,
            headers: self.headers(&view)?,
            tags: self.tags(&view)?,
            attachments: self.attachments(row, &view)?,
        };
        Ok((message, looked))
    }

    fn line(&self, slot: &Slot, view: &View<'_>) -> Result<String, Box<Finding>> {
        match &slot.constant {
            Some(value) => Ok(value.clone()),
            None => self.template(&slot.name, view).map(Arc::unwrap_or_clone),
        }
    }

    fn template(&self, name: &str, view: &View<'_>) -> Result<Arc<String>, Box<Finding>> {
        self.moulds.text(name, view, || {
            let rendered = self.tera.render(name, view.context());
            rendered.map_err(|error| Box::new(self.sources.explain(name, &error)))
        })
    }

    /// The HTML body, and the text part made from it, if there is no template for that.
    fn html(&self, view: &View<'_>, need: Need) -> Result<Option<Bodies>, Box<Finding>> {
        let Some(slot) = &self.slots.html else {
            return Ok(None);
        };
        let bodies = self.bodies(&self.line(slot, view)?, view, need)?;
        bodies.map(Some).map_err(|error| {
            let place = Place::file(&self.sources.campaign().path);
            Box::new(Finding::error("html", place, error.to_string()))
        })
    }

    fn bodies(
        &self,
        name: &str,
        view: &View<'_>,
        need: Need,
    ) -> Result<Result<Bodies, HtmlError>, Box<Finding>> {
        let new = match self.moulds.html(name, view) {
            FoundHtml::Cast(cast) => return Ok(self.maker.cast(cast, need)),
            FoundHtml::New(new) => Some(new),
            FoundHtml::Own => None,
        };
        let mut recorder = Recorder::default();
        let rendered = self
            .html_tera
            .render_to(name, view.context(), &mut recorder);
        rendered.map_err(|error| Box::new(self.sources.explain(name, &error)))?;
        let rendered = match recorder.finish() {
            Ok(rendered) => rendered,
            Err(error) => return Ok(Err(error.into())),
        };
        let family = |rendered: &Rendered| self.maker.family(rendered);
        match new.and_then(|new| new.make(view, &rendered, family)) {
            Some(cast) => Ok(self.maker.cast(cast, need)),
            None => Ok(self.maker.make(rendered, need)),
        }
    }

    fn subject(&self, subject: String) -> String {
        if self.test_to.is_none() {
            return subject;
        }
        TEST_MARK
            .chars()
            .chain(subject.chars())
            .take(MAX_NAME.max(subject.chars().count()))
            .collect()
    }

    fn mailbox(
        &self,
        slot: &Slot,
        name: Option<String>,
        view: &View<'_>,
    ) -> Result<Option<Mailbox>, Box<Finding>> {
        if let Some(address) = slot.address.clone() {
            return Ok(Some(Mailbox { name, address }));
        }
        let value = self.line(slot, view)?;
        if value.trim().is_empty() {
            return Ok(None);
        }
        let address = Address::parse(&value).map_err(|error| {
            Box::new(self.sources.finding(
                &slot.name,
                "bad-address",
                format!("{}: {error}: “{value}”", slot.name),
            ))
        })?;
        Ok(Some(Mailbox { name, address }))
    }

    pub(super) fn sender(
        &self,
        name: Option<String>,
        view: &View<'_>,
    ) -> Result<Mailbox, Box<Finding>> {
        self.mailbox(&self.slots.from, name, view)?
            .ok_or_else(|| self.no_sender())
    }

    fn no_sender(&self) -> Box<Finding> {
        Box::new(self.sources.finding(
            &self.slots.from.name,
            "bad-address",
            "the sender's address is empty".to_owned(),
        ))
    }

    fn headers(&self, view: &View<'_>) -> Result<Vec<(String, String)>, Box<Finding>> {
        let mut headers = Vec::with_capacity(self.slots.headers.len());
        for (name, slot) in &self.slots.headers {
            if let Some(value) = not_blank(self.line(slot, view)?) {
                headers.push((name.clone(), value));
            }
        }
        Ok(headers)
    }

    fn tags(&self, view: &View<'_>) -> Result<Vec<String>, Box<Finding>> {
        let tags = self
            .slots
            .tags
            .iter()
            .map(|slot| self.line(slot, view).map(not_blank));
        Ok(tags
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    pub(super) fn attachment_paths(
        &self,
        view: &View<'_>,
    ) -> Result<Vec<WantedFile>, Box<Finding>> {
        let mut wanted = Vec::with_capacity(self.slots.attachments.len());
        for (position, (slot, inline)) in self.slots.attachments.iter().enumerate() {
            if let Some(path) = not_blank(self.line(slot, view)?) {
                let own = slot.constant.is_none();
                wanted.push(WantedFile {
                    position,
                    path: PathBuf::from(path),
                    inline: *inline,
                    own,
                });
            }
        }
        Ok(wanted)
    }

    fn attachments(&self, row: &Row, view: &View<'_>) -> Result<Arc<Attachments>, Box<Finding>> {
        if self.slots.attachments.is_empty() {
            return Ok(self.shelf.none());
        }
        self.shelf.get(&self.attachment_paths(view)?, &row.recorded)
    }
}

fn not_blank(value: String) -> Option<String> {
    (!value.trim().is_empty()).then_some(value)
}
