//! The contact sheet: an HTML file with a card for each message, opened from the disk. It runs no script
//! and loads nothing from the network: each message is a sanitized copy in a sandboxed frame, and the
//! page has a content security policy.

mod output_folder;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tera::{Context, Tera};

use super::finding_summary::FindingSummary;
use super::inline_image;
use super::message_text::{mailbox, size};
use super::preheader::preheader;
use crate::check::Findings;
use crate::clock::Clock;
use crate::finding::{Finding, Severity};
use crate::frame;
use crate::render::Prepared;
use crate::report::counted;
use crate::terminal_text::printable_line;

const PAGE: &str = include_str!("../../templates/preview/contact_sheet.html");
const STYLE: &str = include_str!("../../templates/preview/contact_sheet.css");
/// The most cards: a browser can't handle many more.
const MAX_CARDS: usize = 500;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ContactSheetError {
    /// A file in this folder can't be written or removed.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// No preview wrote this file, and this one would overwrite it.
    #[error("{} was not written by a preview. Choose an empty folder, or a new one", .0.display())]
    NotOurs(PathBuf),
    #[error("can't render the contact sheet: {0}")]
    Template(#[from] tera::Error),
}

/// Writes the files of messages, and a contact sheet of them.
pub(crate) struct ContactSheet {
    dir: PathBuf,
    name: String,
    date: Timestamp,
    clock: Clock,
    cards: Vec<Card>,
    messages: u64,
    rows_without_message: u64,
}

/// The card of a row, as the template reads it.
#[derive(Default, Serialize)]
struct Card {
    row: u32,
    /// The name of the message's files, without the extension.
    file: String,
    from: String,
    to: String,
    subject: String,
    preheader: String,
    size: String,
    html: bool,
    text: bool,
    /// The beginning of the text part, if there is no HTML.
    body: String,
    /// The row gets no message; the findings say why.
    without: bool,
    counts: String,
    worst: Option<Severity>,
    findings: Vec<CardFinding>,
}

#[derive(Serialize)]
struct CardFinding {
    severity: Severity,
    code: &'static str,
    message: String,
    help: String,
}

impl ContactSheet {
    /// Removes the files of an earlier preview from `dir`, and writes an empty contact sheet. `name` is
    /// the campaign's; `date` is the date of the messages.
    ///
    /// # Errors
    /// When the folder has files that a preview did not write, or on I/O errors.
    pub(crate) fn new(
        dir: &Path,
        name: &str,
        date: Timestamp,
        clock: Clock,
    ) -> Result<Self, ContactSheetError> {
        output_folder::clear(dir)?;
        let sheet = Self {
            dir: dir.to_owned(),
            name: name.to_owned(),
            date,
            clock,
            cards: Vec::new(),
            messages: 0,
            rows_without_message: 0,
        };
        // It marks the folder as a preview's, even if the process ends before all files are written.
        sheet.write()?;
        Ok(sheet)
    }

    /// Whether the next row gets a card, and so needs its findings.
    pub(crate) fn has_room(&self) -> bool {
        self.cards.len() < MAX_CARDS
    }

    pub(crate) fn rows_without_message(&self) -> u64 {
        self.rows_without_message
    }

    /// Writes a message's files, and adds a card if there is room. Returns the path of the `.eml`.
    pub(crate) fn add(
        &mut self,
        prepared: &Prepared,
        findings: &Findings,
    ) -> Result<PathBuf, ContactSheetError> {
        let failed = |error| ContactSheetError::Io(self.dir.clone(), error);
        let eml = super::write(&self.dir, prepared, self.date).map_err(failed)?;
        self.messages += 1;
        if self.has_room() {
            let card = Card::new(prepared, findings);
            if let Some(html) = &prepared.message.html {
                let page =
                    frame::file(html, &|id| inline_image(&prepared.message, id), &self.clock);
                // A browser would run the scripts of the message's own file. As text, it shows them.
                for (extension, content) in [("preview.html", &*page), ("html.txt", html)] {
                    let path = self.dir.join(format!("{}.{extension}", card.file));
                    fs::write(path, content).map_err(failed)?;
                }
            }
            self.cards.push(card);
        }
        Ok(eml)
    }

    /// Adds a card for a row that gets no message, if there is room.
    pub(crate) fn add_without_message(&mut self, row: u32, to: &str, findings: &Findings) {
        self.rows_without_message += 1;
        if self.has_room() {
            self.cards.push(Card {
                row,
                to: printable_line(to),
                without: true,
                findings: CardFinding::all(findings),
                ..Card::default()
            });
        }
    }

    /// Writes `index.html`, and returns its path.
    pub(crate) fn finish(self) -> Result<PathBuf, ContactSheetError> {
        self.write()
    }

    fn write(&self) -> Result<PathBuf, ContactSheetError> {
        let style = format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE)));
        let mut context = Context::new();
        context.insert("name", &self.name);
        context.insert("style", STYLE);
        context.insert("style_hash", &style);
        context.insert("cards", &self.cards);
        let without = self.rows_without_message;
        context.insert("messages", &counted(self.messages, "message"));
        context.insert(
            "rows_without_message",
            &(without > 0).then(|| counted(without, "row")),
        );
        let rows = self.messages + without;
        context.insert("is_cut", &(rows > self.cards.len() as u64));
        let mut tera = Tera::default();
        tera.autoescape_on(vec![".html"]);
        tera.add_raw_template("contact_sheet.html", PAGE)?;
        let page = tera.render("contact_sheet.html", &context)?;
        let path = self.dir.join(output_folder::INDEX);
        let written = fs::create_dir_all(&self.dir).and_then(|()| fs::write(&path, page));
        written.map_err(|error| ContactSheetError::Io(self.dir.clone(), error))?;
        Ok(path)
    }
}

impl Card {
    fn new(prepared: &Prepared, findings: &Findings) -> Self {
        let message = &prepared.message;
        let summary = FindingSummary::new(findings, Vec::new());
        let body = match (&message.html, &message.text) {
            (None, Some(text)) => text.chars().take(2000).collect(),
            _ => String::new(),
        };
        Self {
            row: prepared.recipient.row,
            file: super::file_name(prepared),
            from: printable_line(&mailbox(&message.from)),
            to: printable_line(&mailbox(&prepared.recipient.mailbox)),
            subject: printable_line(&message.subject),
            preheader: printable_line(&preheader(message)),
            size: size(message),
            html: message.html.is_some(),
            text: message.text.is_some(),
            body,
            without: false,
            counts: summary.counts,
            worst: summary.worst,
            findings: CardFinding::all(findings),
        }
    }
}

impl CardFinding {
    fn all(findings: &Findings) -> Vec<Self> {
        let groups = findings.groups().into_iter();
        groups.map(|group| Self::new(&group.finding)).collect()
    }

    fn new(finding: &Finding) -> Self {
        Self {
            severity: finding.severity,
            code: finding.code,
            message: printable_line(&finding.message),
            help: printable_line(finding.help.as_deref().unwrap_or_default()),
        }
    }
}
