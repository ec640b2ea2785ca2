//! The engine: compiles the templates once, and renders a message for each row.

mod message;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tera::Tera;

use super::attachments::{AttachmentCache, OwnFiles, Recorded};
use super::body_cache::{BodyCache, RowBodies};
use super::body_template::Processing;
use super::constants::Names;
use super::context::{self, Columns, RECIPIENT, ROW, ROWS, UNSUBSCRIBE_URL};
use super::explain::Sources;
use super::filters::new_tera;
use super::inspection::{InspectedHtml, InspectedMessage};
use super::layout::{BUILT_IN, FROZEN_LAYOUT, LAYOUT_VARIABLES, without_letter};
use super::limits::over_limit;
use super::message_fields::{FieldCompiler, MessageFields};
use super::mjml::CompiledMjml;
use super::renderer::{Constants, Renderer};
use super::row::{Prepared, Row};
use super::templates::load_templates;
use super::variables;
use super::verp::Verp;
use crate::address::{Address, Mailbox};
use crate::api::WireFormat;
use crate::campaign::{Campaign, SameAddress, Text, is_template};
use crate::file_name::composed;
use crate::finding::{Finding, Place};
use crate::language::Language;
use crate::message::{Envelope, Message, Recipient};
use crate::unsubscribe::{FeedbackKeys, UnsubscribeLinks};

/// What an engine is made from.
pub struct Inputs<'a> {
    pub campaign: &'a Campaign,
    /// The folder with the templates, and with the attachments that all rows share.
    pub dir: &'a Path,
    /// Whether `dir` is the copy of a run that began before, maybe with another version.
    pub is_frozen: bool,
    /// The folder with the attachments whose path depends on the row.
    pub own_dir: &'a Path,
    /// The names of the recipients' columns.
    pub header: &'a [String],
    /// The start of the run: the time that templates see.
    pub started: Timestamp,
    /// The start of the run's message IDs, for dialects in which the sender chooses them.
    pub id_prefix: &'a str,
    /// The key that signs return paths with `{{ verp }}`.
    pub verp_key: [u8; 32],
    /// The one recipient of all messages, in a test.
    pub test_to: Option<&'a Address>,
    /// The keys that make links to unsubscribe. `None` makes test links, which unsubscribe nobody.
    pub feedback_keys: Option<FeedbackKeys>,
}

/// Renders messages. Each run has one, shared by its threads.
pub struct Engine {
    renderer: Renderer,
    sources: Sources,
    columns: Columns,
    fields: MessageFields,
    attachments: AttachmentCache,
    bodies: BodyCache,
    constant_bodies: Constants<RowBodies>,
    format: &'static dyn WireFormat,
    smtp_account: Arc<str>,
    id_prefix: String,
    verp: Verp,
    test_to: Option<Address>,
    used_columns: Vec<(usize, String)>,
}

impl Engine {
    /// Compiles the templates.
    ///
    /// # Errors
    /// Everything that no row could be rendered with: syntax errors, unknown variables, missing files.
    pub fn new(inputs: &Inputs<'_>) -> Result<Self, Vec<Finding>> {
        let campaign = inputs.campaign;
        let mut findings = Vec::new();
        let mut sources = Sources::new(&campaign.source, inputs.header, &campaign.vars);
        let locale = campaign.message.locale.as_ref();
        // Validated with the campaign.
        let language = locale.and_then(|tag| Language::parse(tag.get_ref()).ok());
        let mut tera = new_tera(inputs.started, language.as_ref());
        tera.autoescape_on(Vec::<&str>::new());
        findings.extend(context::insert_vars(&mut tera, campaign, inputs.header));
        let is_mjml = |name: &str, text: &str| is_mjml_letter(campaign, name, text);
        load_templates(&mut tera, &mut sources, inputs.dir, &is_mjml, &mut findings);
        if !findings.is_empty() {
            return Err(findings);
        }
        let built_in = built_in_layout(inputs).map_err(|finding| vec![*finding])?;
        let compiler = FieldCompiler {
            built_in_layout: &built_in,
            tera: &mut tera,
            sources: &mut sources,
            findings: &mut findings,
        };
        let mut fields = compiler.compile(campaign);
        if !findings.is_empty() {
            return Err(findings);
        }
        // An argument that an earlier version ignored does not stop its runs.
        if !inputs.is_frozen {
            findings.extend(sources.unknown_arguments());
        }
        let mut used = variables::used(&tera, &fields.roots(&tera));
        used.extend(used_by_layout(&tera, &fields));
        let mut own = vec![ROW, RECIPIENT];
        if campaign.message.markdown.is_some() {
            own.extend(LAYOUT_VARIABLES);
        }
        let groups = campaign.recipients.same_address == SameAddress::Group;
        own.extend(groups.then_some(ROWS));
        own.extend(campaign.feedback.url.is_some().then_some(UNSUBSCRIBE_URL));
        let unknown = variables::unknown(&sources, &used, inputs.header, campaign, &own);
        findings.extend(unknown);
        if !findings.is_empty() {
            return Err(findings);
        }
        // A variable in `[vars]` comes first.
        used.retain(|name| !campaign.vars.iter().any(|(var, _)| var.get_ref() == name));
        let has_markdown = fields.markdown.is_some();
        let made: &[&str] = if has_markdown { &LAYOUT_VARIABLES } else { &[] };
        let names = Names::new(&sources, inputs.header, made);
        if let Some(names) = &names {
            fields.fold_constants(&tera, names);
        }
        let layout = fields.markdown.as_ref();
        let layout = layout.and_then(|it| it.layout.constant.as_deref());
        let without = layout.and_then(|it| without_letter(&tera, &sources, &composed(it)));
        if let Some(finding) = without {
            return Err(vec![finding]);
        }
        Ok(Self {
            renderer: Renderer::new(&tera, &sources, names.as_ref(), has_markdown),
            constant_bodies: Constants::new(&tera, &sources, names.as_ref()),
            columns: Columns::new(
                inputs.header,
                &campaign.recipients.settings,
                &used,
                unsubscribe_links(inputs),
            ),
            used_columns: variables::used_columns(&sources, &used, inputs.header),
            attachments: AttachmentCache::new(
                inputs.dir,
                OwnFiles::new(inputs.own_dir, campaign),
                campaign.format(),
            ),
            bodies: BodyCache::new(Processing {
                inline_css: campaign.message.inline_css,
                text: fields.text.is_none(),
            }),
            format: campaign.format(),
            smtp_account: campaign.smtp_account().into(),
            id_prefix: inputs.id_prefix.to_owned(),
            verp: Verp::new(inputs.verp_key, inputs.id_prefix),
            test_to: inputs.test_to.cloned(),
            sources,
            fields,
        })
    }

    /// Renders a row's message and checks it against the API's limits.
    ///
    /// # Errors
    /// Why the row has no message: an error in a template, an invalid address, a missing attachment, or all
    /// the limits that the message exceeds.
    pub fn prepare(&self, row: &Row) -> Result<Prepared, Box<Finding>> {
        let (message, _) = self.message(row, false)?;
        self.check_limits(row, message)
    }

    /// Does the same as [`prepare`](Self::prepare), and says what the HTML shares with that of other rows.
    ///
    /// # Errors
    /// The same.
    pub fn inspect(&self, row: &Row) -> Result<InspectedMessage, Box<Finding>> {
        let (message, bodies) = self.message(row, true)?;
        let prepared = self.check_limits(row, message)?;
        Ok(InspectedMessage {
            prepared,
            html: bodies.map(InspectedHtml::new),
        })
    }

    fn check_limits(&self, row: &Row, message: Message) -> Result<Prepared, Box<Finding>> {
        let recipient = self.recipient(row, &message);
        let envelope = self.envelope(vec![recipient]);
        let violations = self.format.violations(&message.whole_request(&envelope));
        if !violations.is_empty() {
            return Err(Box::new(over_limit(&violations, row, &self.used_columns)));
        }
        let recipient = envelope
            .to
            .into_iter()
            .next()
            .expect("the envelope holds the recipient put into it");
        Ok(Prepared { message, recipient })
    }

    /// The name and the text of the files in `templates/`. The one for the HTML or with the Markdown comes first.
    pub fn templates(&self) -> Vec<(&str, &str)> {
        let letter = self.fields.markdown.as_ref().map(|it| &it.letter);
        let html = self.fields.html.as_ref().or(letter);
        let first = html.and_then(|field| field.constant.as_deref());
        let mut files: Vec<_> = self.sources.files().collect();
        files.sort_by_key(|(name, _)| Some(*name) != first);
        files
    }

    /// A compiled file with MJML.
    pub(crate) fn compiled(&self, template: &str) -> Option<&CompiledMjml> {
        self.sources.compiled(template)
    }

    /// Whether the letter is written in Markdown.
    pub(crate) fn has_markdown(&self) -> bool {
        self.fields.markdown.is_some()
    }

    /// The index and the name of each column that the templates use. If a template looks a column up by a
    /// name that depends on the row, all columns count as used.
    pub fn used_columns(&self) -> &[(usize, String)] {
        &self.used_columns
    }

    /// Whether the templates handle an empty cell of a column: it stands in some condition.
    pub fn asks_for(&self, column: &str) -> bool {
        self.sources.asks_for(column)
    }

    pub(crate) fn smtp_account(&self) -> Arc<str> {
        Arc::clone(&self.smtp_account)
    }

    pub fn envelope(&self, to: Vec<Recipient>) -> Envelope {
        Envelope {
            smtp_account: Arc::clone(&self.smtp_account),
            to,
        }
    }

    /// The message ID that a row is posted with, if the sender chooses it.
    ///
    /// # Errors
    /// If the sender's address does not render.
    pub fn message_id(&self, row: &Row) -> Result<String, Box<Finding>> {
        let from = self.sender(None, &self.columns.of_row(row))?;
        Ok(message_id(&self.id_prefix, row, &from))
    }

    /// Whether rows have attachments of their own, which must be recorded when the run is planned.
    pub fn has_own_attachments(&self) -> bool {
        self.fields
            .attachments
            .iter()
            .any(|field| field.path.constant.is_none())
    }

    /// Describes the row's own attachments.
    ///
    /// # Errors
    /// If a path does not render, or a file can't be attached.
    pub fn record_attachments(&self, row: &Row) -> Result<Vec<Recorded>, Box<Finding>> {
        let variables = self.columns.of_row(row);
        self.attachments.record(&self.attachment_paths(&variables)?)
    }

    /// Sets the number under which the first attachment is recorded.
    pub(super) fn number_attachments_from(&mut self, first: u32) {
        self.attachments.first = first;
    }

    fn recipient(&self, row: &Row, message: &Message) -> Recipient {
        let mailbox = match &self.test_to {
            Some(address) => Mailbox {
                name: None,
                address: address.clone(),
            },
            None => row.mailbox.clone(),
        };
        let message_id = self
            .format
            .chooses_message_ids()
            .then(|| message_id(&self.id_prefix, row, &message.from));
        Recipient {
            row: row.number,
            mailbox,
            message_id,
        }
    }
}

/// Whether a file in `templates/` is a letter in MJML, by its name or its beginning. If the file depends on the row, it
/// may be any whole MJML.
fn is_mjml_letter(campaign: &Campaign, name: &str, text: &str) -> bool {
    let html = campaign.message.html.as_ref().map(Text::get_ref);
    let is_letter = |html: &String| match is_template(html) {
        true => text.contains("<mjml"),
        false => composed(html) == name,
    };
    let is_mjml =
        name.to_ascii_lowercase().ends_with(".mjml") || text.trim_start().starts_with("<mjml");
    is_mjml && html.is_some_and(is_letter)
}

/// The default layout. A run keeps the one that it began with.
fn built_in_layout(inputs: &Inputs<'_>) -> Result<Cow<'static, str>, Box<Finding>> {
    let file = inputs.dir.join(FROZEN_LAYOUT);
    match fs::read_to_string(&file) {
        _ if !inputs.is_frozen => Ok(BUILT_IN.into()),
        Ok(layout) => Ok(layout.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BUILT_IN.into()),
        Err(error) => {
            let place = Place::file(file);
            Err(Box::new(Finding::error(
                "no-file",
                place,
                error.to_string(),
            )))
        }
    }
}

/// The variables that the layout uses, except `content` and `subject`, which no row has.
fn used_by_layout(tera: &Tera, fields: &MessageFields) -> BTreeSet<String> {
    let layouts = fields.layouts(tera);
    let mut used = variables::used(tera, &layouts);
    used.retain(|name| !LAYOUT_VARIABLES.contains(&name.as_str()));
    used
}

fn unsubscribe_links(inputs: &Inputs<'_>) -> Option<UnsubscribeLinks> {
    let feedback = &inputs.campaign.feedback;
    let (url, list) = (feedback.url.as_ref()?, feedback.list.as_ref()?);
    let keys = inputs.feedback_keys.clone();
    Some(UnsubscribeLinks::new(
        url.as_str(),
        list,
        inputs.id_prefix,
        keys,
    ))
}

/// The message ID of a row: the same on every attempt, another one after a resend.
fn message_id(prefix: &str, row: &Row, from: &Mailbox) -> String {
    let domain = from.address.ascii_domain();
    match row.resends {
        0 => format!("{prefix}.{}@{domain}", row.number),
        resends => format!("{prefix}.{}.{}@{domain}", row.number, resends + 1),
    }
}
