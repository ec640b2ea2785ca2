//! The engine: templates compiled once, a message rendered a row.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tera::Tera;

use super::attachments::{Recorded, Shelf};
use super::bodies::Maker;
use super::explain::Sources;
use super::look::{Looked, LookedHtml};
use super::mould::{FoundHtml, Moulds};
use super::over::over_limit;
use super::recorder::{Recorder, Rendered};
use super::skeleton::{Bodies, Need, Wanted};
use super::slots::{Gather, Slot, Slots, gather_slots};
use super::templates::load_templates;
use super::text::HtmlError;
use super::values::{self, Columns, View};
use super::variables;
use crate::address::{Address, Mailbox};
use crate::api::{Dialect, MAX_NAME};
use crate::campaign::{Campaign, TEMPLATES};
use crate::finding::{Finding, Place};
use crate::message::{Attachments, Envelope, Message, Recipient};

/// What marks the subject of a test.
const TEST_MARK: &str = "[TEST] ";

/// What an engine is made from.
pub struct Inputs<'a> {
    /// The campaign.
    pub campaign: &'a Campaign,
    /// The folder with the templates and the attachments of all rows.
    pub dir: &'a Path,
    /// The folder with the rows' own attachments.
    pub own_dir: &'a Path,
    /// The names of the recipients' columns.
    pub header: &'a [String],
    /// The run's start: what templates see as the time.
    pub started: Timestamp,
    /// What message IDs of the run begin with, where the sender chooses them.
    pub id_prefix: &'a str,
    /// The one recipient of all messages, if this is a test.
    pub test_to: Option<&'a Address>,
}

/// A recipient's row, as the engine needs it.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number, from 1.
    pub number: u32,
    /// The address and the display name.
    pub mailbox: Mailbox,
    /// The cells, in the order of the header.
    pub cells: Vec<String>,
    /// How often it was sent again by hand.
    pub resends: u32,
    /// What was recorded of its own attachments when the run was planned.
    pub recorded: Vec<Recorded>,
}

/// A row's message and recipient, within all limits of the API.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The message.
    pub message: Message,
    /// Whom it is for.
    pub recipient: Recipient,
}

/// Renders messages. Made once a run; used by several threads.
pub struct Engine {
    /// For text, in which nothing is escaped.
    tera: Tera,
    /// For the HTML body, in which every value is.
    html_tera: Tera,
    sources: Sources,
    columns: Columns,
    slots: Slots,
    shelf: Shelf,
    moulds: Moulds,
    maker: Maker,
    dialect: Dialect,
    smtp_account: Arc<str>,
    id_prefix: String,
    test_to: Option<Address>,
    used_columns: Vec<(usize, String)>,
}

impl Engine {
    /// Compiles the templates and looks for what no row could render.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(inputs: &Inputs<'_>) -> Result<Self, Vec<Finding>> {
        let campaign = inputs.campaign;
        let mut findings = Vec::new();
        let mut sources = Sources::new(&campaign.source, inputs.header, &campaign.vars);
        let mut tera = values::new_tera(inputs.started);
        tera.autoescape_on(Vec::<&str>::new());
        findings.extend(values::insert_vars(&mut tera, campaign, inputs.header));
        load_templates(
            &mut tera,
            &mut sources,
            &inputs.dir.join(TEMPLATES),
            &mut findings,
        );
        if !findings.is_empty() {
            return Err(findings);
        }
        let mut gather = Gather {
            tera: &mut tera,
            sources: &mut sources,
            findings: &mut findings,
        };
        let slots = gather_slots(&mut gather, campaign);
        if !findings.is_empty() {
            return Err(findings);
        }
        let used = variables::used(&tera, &slots.roots(&tera));
        findings.extend(variables::unknown(&sources, &used, inputs.header, campaign));
        if !findings.is_empty() {
            return Err(findings);
        }
        // What is escaped goes by where it stands in the message, not by the name of its file.
        let mut html_tera = tera.clone();
        html_tera.autoescape_on([""]);
        Ok(Self {
            html_tera,
            columns: Columns::new(inputs.header, &used),
            used_columns: variables::used_columns(&sources, &used, inputs.header),
            shelf: Shelf::new(inputs.dir, inputs.own_dir),
            moulds: Moulds::new(&tera, &sources.all().collect::<Vec<_>>(), inputs.header),
            maker: Maker::new(Wanted {
                inline_css: campaign.message.inline_css,
                text: slots.html.is_some() && slots.text.is_none(),
            }),
            dialect: campaign.api.dialect,
            smtp_account: campaign.api.smtp_account.as_str().into(),
            id_prefix: inputs.id_prefix.to_owned(),
            test_to: inputs.test_to.cloned(),
            tera,
            sources,
            slots,
        })
    }

    /// Renders a row's message and holds it against the API's limits.
    ///
    /// # Errors
    /// Why there is no message for this row: a template's error with its place, an address that is
    /// none, a file that is not there, or every limit that the message is over.
    pub fn prepare(&self, row: &Row) -> Result<Prepared, Box<Finding>> {
        self.prepare_for(row, Need::Whole)
    }

    /// The same, to post it: where the HTML percent-encoded is known from other rows, that alone is there.
    ///
    /// # Errors
    /// The same.
    pub fn prepare_to_post(&self, row: &Row) -> Result<Prepared, Box<Finding>> {
        self.prepare_for(row, Need::Form)
    }

    /// The same, for those who look for what is wrong with it: in the place of the HTML there is
    /// what is known of it.
    ///
    /// # Errors
    /// The same.
    pub fn look(&self, row: &Row) -> Result<Looked, Box<Finding>> {
        let (prepared, html) = self.prepare_with(row, Need::Look)?;
        Ok(Looked { prepared, html })
    }

    /// The files in `templates/` that the messages may be made of, by name and text; that of the
    /// HTML comes first.
    pub fn templates(&self) -> Vec<(&str, &str)> {
        let html = self.slots.html.as_ref();
        let first = html.and_then(|slot| slot.constant.as_deref());
        let mut files: Vec<_> = self.sources.files().collect();
        files.sort_by_key(|(name, _)| Some(*name) != first);
        files
    }

    /// The columns that the templates use, by place and name; all of them, where one is looked up
    /// by a name that only a row tells.
    pub fn used_columns(&self) -> &[(usize, String)] {
        &self.used_columns
    }

    /// Whether the templates reckon with a column that is empty: some condition asks for it.
    pub fn asks_for(&self, column: &str) -> bool {
        self.sources.asks_for(column)
    }

    fn prepare_for(&self, row: &Row, need: Need) -> Result<Prepared, Box<Finding>> {
        self.prepare_with(row, need).map(|(prepared, _)| prepared)
    }

    fn prepare_with(
        &self,
        row: &Row,
        need: Need,
    ) -> Result<(Prepared, Option<LookedHtml>), Box<Finding>> {
        let (message, looked) = self.render(row, need)?;
        let recipient = self.recipient(row, &message);
        let envelope = self.envelope(vec![recipient]);
        let violations = message.whole_request(&envelope).violations(self.dialect);
        if !violations.is_empty() {
            return Err(Box::new(over_limit(&violations, row, &self.used_columns)));
        }
        let recipient = envelope
            .to
            .into_iter()
            .next()
            .expect("the envelope holds the recipient put into it");
        Ok((Prepared { message, recipient }, looked))
    }

    /// An envelope of the campaign's account.
    pub fn envelope(&self, to: Vec<Recipient>) -> Envelope {
        Envelope {
            smtp_account: Arc::clone(&self.smtp_account),
            to,
        }
    }

    /// The message ID that a row is posted with, where the sender chooses it (`new_sendmail`).
    ///
    /// # Errors
    /// When the sender's address does not render.
    pub fn message_id(&self, row: &Row) -> Result<String, Box<Finding>> {
        let from = self.sender(None, &self.columns.view(&row.cells))?;
        Ok(message_id(&self.id_prefix, row, &from))
    }

    /// Whether rows have attachments of their own, so that each must be recorded at the plan.
    pub fn has_own_attachments(&self) -> bool {
        self.slots
            .attachments
            .iter()
            .any(|(slot, _)| slot.constant.is_none())
    }

    /// What is to be recorded of a row's own attachments.
    ///
    /// # Errors
    /// When a path does not render, or a file can't be attached.
    pub fn record_attachments(&self, row: &Row) -> Result<Vec<Recorded>, Box<Finding>> {
        let view = self.columns.view(&row.cells);
        self.shelf.record(&self.attachment_paths(&view)?)
    }

    fn recipient(&self, row: &Row, message: &Message) -> Recipient {
        let mailbox = match &self.test_to {
            Some(address) => Mailbox {
                name: None,
                address: address.clone(),
            },
            None => row.mailbox.clone(),
        };
        let message_id = (self.dialect == Dialect::NewSendmail)
            .then(|| message_id(&self.id_prefix, row, &message.from));
        Recipient {
            row: row.number,
            mailbox,
            message_id,
        }
    }

    fn render(&self, row: &Row, need: Need) -> Result<(Message, Option<LookedHtml>), Box<Finding>> {
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

    fn sender(&self, name: Option<String>, view: &View<'_>) -> Result<Mailbox, Box<Finding>> {
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

    fn attachment_paths(
        &self,
        view: &View<'_>,
    ) -> Result<Vec<super::attachments::Wanted>, Box<Finding>> {
        let mut wanted = Vec::with_capacity(self.slots.attachments.len());
        for (position, (slot, inline)) in self.slots.attachments.iter().enumerate() {
            if let Some(path) = not_blank(self.line(slot, view)?) {
                let own = slot.constant.is_none();
                wanted.push(super::attachments::Wanted {
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

/// The message ID of a row: the same on every attempt, another after a resend.
fn message_id(prefix: &str, row: &Row, from: &Mailbox) -> String {
    let domain = from.address.ascii_domain();
    match row.resends {
        0 => format!("{prefix}.{}@{domain}", row.number),
        resends => format!("{prefix}.{}.{}@{domain}", row.number, resends + 1),
    }
}
