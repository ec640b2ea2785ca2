//! Going through the messages on a terminal: what each key does, and what is on the screen. Pure but
//! for the rows' temporary file; reading keys and writing to the screen is up to who uses it.

use std::io;

use console::truncate_str;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::body;
use super::card;
use super::footer::{self, Footer};
use super::look::{Look, wrapped};
use super::rows::{Found, Rows, Search};
use super::store::Kept;
use super::told::Told;
use crate::render::Prepared;
use crate::report::grouped;

/// How many rows are read at a time while nobody types.
const AT_ONCE: usize = 2000;

const HELP: [(&str, &str); 11] = [
    ("n  →", "the next message"),
    ("p  ←", "the one before"),
    ("j k  ↓ ↑", "a line down, up"),
    ("space b", "a page down, up (also PgDn, PgUp)"),
    ("g G", "to the top, to the end"),
    (
        "h t s",
        "the HTML as text, the text part, the HTML's source",
    ),
    ("d", "the data of the row"),
    ("f", "the findings"),
    ("/", "search in all cells; Enter alone searches on"),
    ("?", "this help"),
    ("q", "quit (also Esc and Ctrl-C)"),
];

/// What a message is made into for the screen.
pub struct Page {
    /// The message, unless the row gets none.
    pub prepared: Option<Prepared>,
    /// What is wrong with it.
    pub told: Told,
}

/// What there is to do after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Draw.
    Stay,
    /// End.
    Quit,
    /// End as after a signal.
    Interrupt,
}

/// What is shown of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Html,
    Text,
    Source,
    Data,
    Help,
}

/// The messages, one of which is on the screen.
pub struct Browser<'a> {
    rows: Rows,
    header: &'a [String],
    look: Look,
    make: &'a dyn Fn(&Kept, usize) -> Page,
    at: usize,
    part: Part,
    scroll: usize,
    /// The findings are to be seen when it is drawn.
    to_findings: bool,
    height: usize,
    /// What is being typed to search for.
    typed: Option<String>,
    searched: String,
    /// The search that goes on while nobody types.
    searching: Option<Search>,
    notice: String,
    drawn: Option<Drawn>,
}

/// A message as lines.
struct Drawn {
    at: usize,
    part: Part,
    width: usize,
    lines: Vec<String>,
    /// The first line of the findings.
    findings: usize,
    /// What the footer says of it.
    about: String,
}

impl<'a> Browser<'a> {
    /// Starts at the first row. `make` makes a row's message, with findings for so many columns.
    pub fn new(
        rows: Rows,
        header: &'a [String],
        look: Look,
        make: &'a dyn Fn(&Kept, usize) -> Page,
    ) -> Self {
        Self {
            rows,
            header,
            look,
            make,
            at: 0,
            part: Part::Html,
            scroll: 0,
            to_findings: false,
            height: 0,
            typed: None,
            searched: String::new(),
            searching: None,
            notice: String::new(),
            drawn: None,
        }
    }

    /// The rows.
    pub fn into_rows(self) -> Rows {
        self.rows
    }

    /// Searches and reads on while nobody types. False when there is no more to do.
    ///
    /// # Errors
    /// When the rows can't be kept.
    pub fn idle(&mut self) -> io::Result<bool> {
        if self.searching.is_some() {
            self.look_on()?;
        } else if !self.rows.done() {
            self.rows.read_on(AT_ONCE)?;
        }
        Ok(self.searching.is_some() || !self.rows.done())
    }

    /// Does what a key means.
    ///
    /// # Errors
    /// When the rows can't be kept.
    pub fn press(&mut self, key: KeyEvent) -> io::Result<Step> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return Ok(self.control(key.code));
        }
        if key.modifiers.contains(KeyModifiers::ALT) {
            return Ok(Step::Stay);
        }
        // A key is more than what it was to come to.
        if self.searching.take().is_some() && key.code == KeyCode::Esc {
            return Ok(Step::Stay);
        }
        if let Some(typed) = self.typed.take() {
            self.type_on(typed, key.code)?;
            return Ok(Step::Stay);
        }
        self.notice.clear();
        let page = self.height.saturating_sub(2).max(1);
        match key.code {
            KeyCode::Char('q') => return Ok(Step::Quit),
            KeyCode::Esc if self.part == Part::Help => self.show(Part::Html),
            KeyCode::Esc => return Ok(Step::Quit),
            KeyCode::Char('n') | KeyCode::Right => self.go_on()?,
            KeyCode::Char('p') | KeyCode::Left => self.go_back(),
            KeyCode::Char('j') | KeyCode::Down | KeyCode::Enter => self.scroll += 1,
            KeyCode::Char('k') | KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Char(' ') | KeyCode::PageDown => self.scroll += page,
            KeyCode::Char('b') | KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(page),
            KeyCode::Char('g') | KeyCode::Home => self.scroll = 0,
            // Drawing brings it back to the last page.
            KeyCode::Char('G') | KeyCode::End => self.scroll = usize::MAX,
            KeyCode::Char('h') => self.show(Part::Html),
            KeyCode::Char('t') => self.show(Part::Text),
            KeyCode::Char('s') => self.show(Part::Source),
            KeyCode::Char('d') => self.show(Part::Data),
            KeyCode::Char('?') => self.show(Part::Help),
            KeyCode::Char('f') => self.go_to_findings(),
            KeyCode::Char('/') => self.typed = Some(String::new()),
            _ => {}
        }
        Ok(Step::Stay)
    }

    fn control(&mut self, key: KeyCode) -> Step {
        match key {
            KeyCode::Char('c') => return Step::Interrupt,
            // Draws all of it again.
            KeyCode::Char('l') => self.drawn = None,
            _ => {}
        }
        Step::Stay
    }

    /// They are below the message, whatever part of it is seen.
    fn go_to_findings(&mut self) {
        if matches!(self.part, Part::Data | Part::Help) {
            self.part = Part::Html;
        }
        self.to_findings = true;
    }

    fn show(&mut self, part: Part) {
        // The same key again leads back.
        self.part = match self.part == part {
            true => Part::Html,
            false => part,
        };
        self.scroll = 0;
    }

    fn go_on(&mut self) -> io::Result<()> {
        if self.rows.get(self.at + 1)?.is_some() {
            self.go_to(self.at + 1);
        } else {
            self.notice = "this is the last one".to_owned();
        }
        Ok(())
    }

    fn go_back(&mut self) {
        match self.at.checked_sub(1) {
            Some(before) => self.go_to(before),
            None => self.notice = "this is the first one".to_owned(),
        }
    }

    fn go_to(&mut self, at: usize) {
        self.at = at;
        self.scroll = 0;
        if self.part == Part::Help {
            self.part = Part::Html;
        }
    }

    fn type_on(&mut self, mut typed: String, key: KeyCode) -> io::Result<()> {
        match key {
            KeyCode::Enter => return self.search(typed),
            KeyCode::Esc => return Ok(()),
            KeyCode::Backspace if typed.pop().is_none() => return Ok(()),
            KeyCode::Char(c) => typed.push(c),
            _ => {}
        }
        self.typed = Some(typed);
        Ok(())
    }

    fn search(&mut self, typed: String) -> io::Result<()> {
        if !typed.is_empty() {
            self.searched = typed;
        }
        if self.searched.is_empty() {
            return Ok(());
        }
        self.searching = Some(Search::new(&self.searched, self.at));
        self.look_on()
    }

    /// Looks at some more rows for what is searched for.
    fn look_on(&mut self) -> io::Result<()> {
        let Some(mut search) = self.searching.take() else {
            return Ok(());
        };
        match self.rows.look_on(&mut search, AT_ONCE)? {
            Found::At(at) if at == self.at => self.notice = "there is no other".to_owned(),
            Found::At(at) => self.go_to(at),
            Found::Nowhere => self.notice = format!("no row has “{}”", self.searched),
            Found::NotYet => self.searching = Some(search),
        }
        Ok(())
    }

    /// The screen: `height` lines of at most `width` columns, the last of which is the footer.
    ///
    /// # Errors
    /// When the rows can't be read.
    pub fn draw(&mut self, width: usize, height: usize) -> io::Result<Vec<String>> {
        self.height = height;
        self.look.width = width;
        let drawn = match self.drawn.take() {
            Some(drawn) if (drawn.at, drawn.part, drawn.width) == (self.at, self.part, width) => {
                drawn
            }
            _ => self.lines(width)?,
        };
        let room = height.saturating_sub(1);
        if std::mem::take(&mut self.to_findings) {
            self.scroll = drawn.findings;
        }
        self.scroll = self.scroll.min(drawn.lines.len().saturating_sub(room));
        let seen = drawn.lines.iter().skip(self.scroll).take(room);
        let mut screen: Vec<String> = seen
            .map(|line| truncate_str(line, width, "…").into_owned())
            .collect();
        screen.resize(room, String::new());
        let below = drawn.lines.len().saturating_sub(self.scroll + room);
        screen.push(self.footer(&drawn.about, below, width));
        self.drawn = Some(drawn);
        Ok(screen)
    }

    fn lines(&mut self, width: usize) -> io::Result<Drawn> {
        let mut drawn = Drawn {
            at: self.at,
            part: self.part,
            width,
            lines: Vec::new(),
            findings: 0,
            about: String::new(),
        };
        let Some(row) = self.rows.get(self.at)? else {
            drawn.lines.extend(self.nobody());
            return Ok(drawn);
        };
        let page = (self.make)(&row, width);
        if let Some(prepared) = &page.prepared {
            drawn.about = card::size(&prepared.message);
        }
        match self.part {
            Part::Help => drawn.lines.extend(self.help()),
            Part::Data => drawn.lines.extend(self.data(&row)),
            _ => self.message(&row, &page, &mut drawn),
        }
        if !page.told.counts.is_empty() {
            let separator = if drawn.about.is_empty() { "" } else { " · " };
            drawn.about = format!("{}{separator}{}", drawn.about, page.told.counts);
        }
        Ok(drawn)
    }

    fn nobody(&self) -> Vec<String> {
        match self.rows.error() {
            Some(error) => wrapped(&error.to_string(), self.look.width),
            None => vec!["There is no recipient.".to_owned()],
        }
    }

    fn message(&self, row: &Kept, page: &Page, drawn: &mut Drawn) {
        let look = &self.look;
        let Some(prepared) = &page.prepared else {
            drawn.lines = card::not_shown(row.number, &page.told, look);
            return;
        };
        drawn.lines.extend(card::in_inbox(prepared, look));
        drawn.lines.extend(card::headers(prepared, look));
        drawn.lines.push(String::new());
        drawn.lines.extend(self.body(prepared));
        drawn.lines.push(String::new());
        drawn.findings = drawn.lines.len();
        drawn.lines.extend(card::found(&page.told, look));
    }

    fn body(&self, prepared: &Prepared) -> Vec<String> {
        let (html, text) = (&prepared.message.html, &prepared.message.text);
        let look = &self.look;
        match (self.part, html, text) {
            (Part::Source, Some(html), _) => body::source(html, look),
            (Part::Source, None, _) => vec![look.dim("(there is no HTML)")],
            (Part::Text, _, None) => vec![look.dim("(there is no text part)")],
            (Part::Html, Some(html), _) => body::html(html, look),
            (_, _, Some(text)) => body::text(text, look),
            _ => Vec::new(),
        }
    }

    fn data(&self, row: &Kept) -> Vec<String> {
        let look = &self.look;
        let mut lines = card::labelled("row", &row.number.to_string(), look);
        lines.extend(card::labelled("line", &row.line.to_string(), look));
        lines.push(String::new());
        let unnamed = "(no column)".to_owned();
        for (index, cell) in row.cells.iter().enumerate() {
            let name = self.header.get(index).unwrap_or(&unnamed);
            lines.extend(card::labelled(name, cell, look));
        }
        lines
    }

    fn help(&self) -> Vec<String> {
        let keys = HELP.iter();
        keys.map(|(keys, does)| format!("{keys:>10}  {does}"))
            .collect()
    }

    fn footer(&self, about: &str, below: usize, width: usize) -> String {
        if let Some(typed) = &self.typed {
            return footer::painted(&format!(" /{typed}▏"), width, &self.look);
        }
        let searching = self.searching.as_ref().map(|search| {
            let looked = grouped(search.looked as u64);
            format!("searching, {looked} rows looked at; Esc ends it")
        });
        let footer = Footer {
            at: (self.at + 1).min(self.rows.known()),
            known: self.rows.known(),
            more: match (self.rows.done(), self.rows.error()) {
                (_, Some(_)) => " (the file can't be read on)",
                (true, None) => "",
                (false, None) => "+",
            },
            about,
            part: self.part.name(),
            below,
            notice: searching.as_deref().unwrap_or(&self.notice),
        };
        footer::painted(&footer.line(width), width, &self.look)
    }
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Html => "",
            Self::Text => "text part",
            Self::Source => "source",
            Self::Data => "data",
            Self::Help => "help",
        }
    }
}
