//! The contact sheet: a page of all messages beside their files, to be opened from the disk. Nothing
//! in it runs or is loaded from elsewhere: each message is in a sandboxed frame, as a copy that can do
//! nothing, and the page's own policy says the same.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tera::{Context, Tera};

use super::card::{mailbox, size};
use super::folder;
use super::preheader::preheader;
use super::told::Told;
use crate::check::Findings;
use crate::clock::Clock;
use crate::finding::{Finding, Severity};
use crate::frame;
use crate::message::Message;
use crate::render::Prepared;
use crate::report::{grouped, printable_line};

const PAGE: &str = include_str!("../../templates/preview/sheet.html");
const STYLE: &str = include_str!("../../templates/preview/sheet.css");
/// How many messages are on the sheet: more would be too much for a browser.
const MOST: usize = 500;

/// A sheet that can't be made.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// A file in this folder can't be written.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// The folder has a file that no preview has made, and that would be written over.
    #[error("{} is not of a preview: name another folder, or an empty one", .0.display())]
    NotOurs(PathBuf),
    /// Its template does not render.
    #[error("can't make the contact sheet: {0}")]
    Template(#[from] tera::Error),
}

/// The files of messages, and the sheet of them.
pub struct Sheet {
    dir: PathBuf,
    name: String,
    date: Timestamp,
    clock: Clock,
    cards: Vec<Card>,
    count: u64,
    /// How many rows get no message.
    without: u64,
}

/// What stands on the sheet of a row.
#[derive(Default, Serialize)]
struct Card {
    row: u32,
    /// The name of its files, without their endings.
    file: String,
    from: String,
    to: String,
    subject: String,
    preheader: String,
    size: String,
    html: bool,
    text: bool,
    /// The text part, if there is no HTML.
    body: String,
    /// Whether the row gets no message; the findings say why.
    without: bool,
    counts: String,
    worst: Option<Severity>,
    findings: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    severity: Severity,
    code: &'static str,
    message: String,
    help: String,
}

impl Sheet {
    /// A sheet in a folder, of the campaign of this name; messages go out at `date`. What an older
    /// preview left there is removed.
    ///
    /// # Errors
    /// When the folder has files that are not of a preview, or can't be written to.
    pub fn new(dir: &Path, name: &str, date: Timestamp, clock: Clock) -> Result<Self, SheetError> {
        folder::clear(dir)?;
        let sheet = Self {
            dir: dir.to_owned(),
            name: name.to_owned(),
            date,
            clock,
            cards: Vec::new(),
            count: 0,
            without: 0,
        };
        // By it the folder is known, should the files be broken off.
        sheet.write()?;
        Ok(sheet)
    }

    /// Whether the next row will be on the sheet, so that its findings are wanted.
    pub fn has_room(&self) -> bool {
        self.cards.len() < MOST
    }

    /// How many rows get no message.
    pub fn without(&self) -> u64 {
        self.without
    }

    /// Writes a message's files, and puts it onto the sheet if there is room. Gives the path of its
    /// `.eml`.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn add(&mut self, prepared: &Prepared, findings: &Findings) -> Result<PathBuf, SheetError> {
        let failed = |error| SheetError::Io(self.dir.clone(), error);
        let eml = super::write(&self.dir, prepared, self.date).map_err(failed)?;
        self.count += 1;
        if self.has_room() {
            let card = Card::new(prepared, findings);
            if let Some(html) = &prepared.message.html {
                let page = frame::file(html, &|id| inline(&prepared.message, id), &self.clock);
                let path = self.dir.join(format!("{}.preview.html", card.file));
                fs::write(path, page).map_err(failed)?;
            }
            self.cards.push(card);
        }
        Ok(eml)
    }

    /// Puts a row that gets no message onto the sheet if there is room: whose it is, and why.
    pub fn add_without(&mut self, row: u32, to: &str, findings: &Findings) {
        self.without += 1;
        if self.has_room() {
            self.cards.push(Card {
                row,
                to: printable_line(to),
                without: true,
                findings: Found::all(findings),
                ..Card::default()
            });
        }
    }

    /// Writes `index.html`, the sheet itself, and gives its path.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(self) -> Result<PathBuf, SheetError> {
        self.write()
    }

    fn write(&self) -> Result<PathBuf, SheetError> {
        let style = format!("'sha256-{}'", STANDARD.encode(Sha256::digest(STYLE)));
        let mut context = Context::new();
        context.insert("name", &self.name);
        context.insert("style", STYLE);
        context.insert("style_hash", &style);
        context.insert("cards", &self.cards);
        context.insert("count", &grouped(self.count));
        context.insert("one", &(self.count == 1));
        context.insert(
            "without",
            &(self.without > 0).then(|| grouped(self.without)),
        );
        context.insert("one_without", &(self.without == 1));
        let rows = self.count + self.without;
        context.insert("left_out", &(rows > self.cards.len() as u64));
        let mut tera = Tera::default();
        tera.autoescape_on(vec![".html"]);
        tera.add_raw_template("sheet.html", PAGE)?;
        let page = tera.render("sheet.html", &context)?;
        let path = self.dir.join(folder::INDEX);
        let written = fs::create_dir_all(&self.dir).and_then(|()| fs::write(&path, page));
        written.map_err(|error| SheetError::Io(self.dir.clone(), error))?;
        Ok(path)
    }
}

impl Card {
    fn new(prepared: &Prepared, findings: &Findings) -> Self {
        let message = &prepared.message;
        let told = Told::new(findings, Vec::new());
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
            counts: told.counts,
            worst: told.worst,
            findings: Found::all(findings),
        }
    }
}

impl Found {
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

/// The image that `cid:ID` means, as a `data:` URL.
fn inline(message: &Message, id: &str) -> Option<String> {
    let name = percent_decode_str(id).decode_utf8().ok()?;
    let files = &message.attachments.files;
    let file = files.iter().find(|file| file.inline && file.name == name)?;
    let image = file.mime.starts_with("image/");
    image.then(|| format!("data:{};base64,{}", file.mime, file.base64))
}
