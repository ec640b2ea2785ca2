//! The engine: templates compiled once, a message rendered a row.

mod parts;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tera::Tera;

use super::attachments::{Recorded, Shelf};
use super::bodies::Maker;
use super::explain::Sources;
use super::look::{Looked, LookedHtml};
use super::mould::Moulds;
use super::over::over_limit;
use super::skeleton::{Need, Wanted};
use super::slots::{Gather, Slots, gather_slots};
use super::templates::load_templates;
use super::values::{self, Columns};
use super::variables;
use crate::address::{Address, Mailbox};
use crate::api::Dialect;
use crate::campaign::{Campaign, TEMPLATES};
use crate::finding::Finding;
use crate::message::{Envelope, Message, Recipient};

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
}

/// The message ID of a row: the same on every attempt, another after a resend.
fn message_id(prefix: &str, row: &Row, from: &Mailbox) -> String {
    let domain = from.address.ascii_domain();
    match row.resends {
        0 => format!("{prefix}.{}@{domain}", row.number),
        resends => format!("{prefix}.{}.{}@{domain}", row.number, resends + 1),
    }
}
