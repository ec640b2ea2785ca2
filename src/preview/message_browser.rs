//! The terminal preview: one message on the screen, and what each key does.

use std::io;

use console::truncate_str;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::footer::{self, Footer};
use super::lazy_rows::{LazyRows, Search, SearchOutcome};
use super::message_view::{RenderedRow, View, ViewLines};
use super::output_style::{OutputStyle, wrapped};
use super::row_store::StoredRow;
use crate::report::grouped;

/// How many rows to read or search between two checks for a key.
const BATCH: usize = 2000;

/// What the caller must do after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyAction {
    Redraw,
    Quit,
    /// Quit with the exit code for a signal.
    Interrupt,
}

pub(crate) struct MessageBrowser<'a> {
    rows: LazyRows,
    header: &'a [String],
    output: OutputStyle,
    render: &'a dyn Fn(&StoredRow, usize) -> RenderedRow,
    /// The index of the row on the screen.
    at: usize,
    view: View,
    scroll: usize,
    /// Scroll to the findings at the next draw.
    to_findings: bool,
    height: usize,
    /// The search text that is being typed.
    typed: Option<String>,
    last_search: String,
    /// The search in progress; continued while no key is pressed.
    searching: Option<Search>,
    notice: String,
    /// The lines on the screen, with their row, view and width.
    drawn: Option<((usize, View, usize), ViewLines)>,
    /// Whether it was drawn once.
    is_drawn: bool,
}

impl<'a> MessageBrowser<'a> {
    /// Starts at the first row. `render` renders a row, with findings wrapped to a number of columns.
    pub(crate) fn new(
        rows: LazyRows,
        header: &'a [String],
        output: OutputStyle,
        render: &'a dyn Fn(&StoredRow, usize) -> RenderedRow,
    ) -> Self {
        Self {
            rows,
            header,
            output,
            render,
            at: 0,
            view: View::Html,
            scroll: 0,
            to_findings: false,
            height: 0,
            typed: None,
            last_search: String::new(),
            searching: None,
            notice: String::new(),
            drawn: None,
            is_drawn: false,
        }
    }

    pub(crate) fn into_rows(self) -> LazyRows {
        self.rows
    }

    /// Continues to search or to read rows while no key is pressed. Returns whether there is more to do.
    pub(crate) fn idle(&mut self) -> io::Result<bool> {
        if self.searching.is_some() {
            self.continue_search()?;
        } else if !self.rows.done() {
            self.rows.read_more(BATCH)?;
        }
        Ok(self.searching.is_some() || !self.rows.done())
    }

    pub(crate) fn press(&mut self, key: KeyEvent) -> io::Result<KeyAction> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return Ok(self.control(key.code));
        }
        if key.modifiers.contains(KeyModifiers::ALT) {
            return Ok(KeyAction::Redraw);
        }
        // Any key ends a search.
        if self.searching.take().is_some() && key.code == KeyCode::Esc {
            return Ok(KeyAction::Redraw);
        }
        if let Some(typed) = self.typed.take() {
            self.edit_search(typed, key.code)?;
            return Ok(KeyAction::Redraw);
        }
        self.notice.clear();
        let page = self.height.saturating_sub(2).max(1);
        match key.code {
            KeyCode::Char('q') => return Ok(KeyAction::Quit),
            KeyCode::Esc if self.view == View::Help => self.show(View::Html),
            KeyCode::Esc => return Ok(KeyAction::Quit),
            KeyCode::Char('n') | KeyCode::Right => self.next_message()?,
            KeyCode::Char('p') | KeyCode::Left => self.previous_message()?,
            KeyCode::Char('j') | KeyCode::Down | KeyCode::Enter => self.scroll += 1,
            KeyCode::Char('k') | KeyCode::Up => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::Char(' ') | KeyCode::PageDown => self.scroll += page,
            KeyCode::Char('b') | KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(page),
            KeyCode::Char('g') | KeyCode::Home => self.scroll = 0,
            // `draw` limits it to the last page.
            KeyCode::Char('G') | KeyCode::End => self.scroll = usize::MAX,
            KeyCode::Char('h') => self.show(View::Html),
            KeyCode::Char('t') => self.show(View::Text),
            KeyCode::Char('s') => self.show(View::Source),
            KeyCode::Char('d') => self.show(View::Data),
            KeyCode::Char('?') => self.show(View::Help),
            KeyCode::Char('f') => self.go_to_findings(),
            KeyCode::Char('/') => self.typed = Some(String::new()),
            _ => {}
        }
        Ok(KeyAction::Redraw)
    }

    fn control(&mut self, key: KeyCode) -> KeyAction {
        match key {
            KeyCode::Char('c') => return KeyAction::Interrupt,
            KeyCode::Char('l') => self.drawn = None,
            _ => {}
        }
        KeyAction::Redraw
    }

    fn go_to_findings(&mut self) {
        if matches!(self.view, View::Data | View::Help) {
            self.view = View::Html;
        }
        self.to_findings = true;
    }

    /// Shows a view, or the HTML if that view is already shown.
    fn show(&mut self, view: View) {
        self.view = match self.view == view {
            true => View::Html,
            false => view,
        };
        self.scroll = 0;
    }

    fn next_message(&mut self) -> io::Result<()> {
        match self.first_from(self.at + 1)? {
            Some(next) => self.go_to(next),
            None => self.notice = "this is the last message".to_owned(),
        }
        Ok(())
    }

    fn previous_message(&mut self) -> io::Result<()> {
        for previous in (0..self.at).rev() {
            if self
                .rows
                .get(previous)?
                .is_some_and(|row| !row.is_passed_over())
            {
                self.go_to(previous);
                return Ok(());
            }
        }
        self.notice = "this is the first message".to_owned();
        Ok(())
    }

    /// The first row from an index on that is not passed over.
    fn first_from(&mut self, mut index: usize) -> io::Result<Option<usize>> {
        while let Some(row) = self.rows.get(index)? {
            if !row.is_passed_over() {
                return Ok(Some(index));
            }
            index += 1;
        }
        Ok(None)
    }

    fn go_to(&mut self, at: usize) {
        self.at = at;
        self.scroll = 0;
        if self.view == View::Help {
            self.view = View::Html;
        }
    }

    fn edit_search(&mut self, mut typed: String, key: KeyCode) -> io::Result<()> {
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
            self.last_search = typed;
        }
        if self.last_search.is_empty() {
            return Ok(());
        }
        self.searching = Some(Search::new(&self.last_search, self.at));
        self.continue_search()
    }

    fn continue_search(&mut self) -> io::Result<()> {
        let Some(mut search) = self.searching.take() else {
            return Ok(());
        };
        match self.rows.continue_search(&mut search, BATCH)? {
            SearchOutcome::At(at) if at == self.at => {
                self.notice = "no other row matches".to_owned()
            }
            SearchOutcome::At(at) => self.go_to(at),
            SearchOutcome::NotFound => {
                self.notice = format!("no row contains “{}”", self.last_search)
            }
            SearchOutcome::Unfinished => self.searching = Some(search),
        }
        Ok(())
    }

    /// The screen: `height` lines of at most `width` columns. The last one is the footer.
    pub(crate) fn draw(&mut self, width: usize, height: usize) -> io::Result<Vec<String>> {
        self.height = height;
        self.output.width = width;
        if !std::mem::replace(&mut self.is_drawn, true) {
            self.at = self.first_from(0)?.unwrap_or(0);
        }
        let key = (self.at, self.view, width);
        let drawn = match self.drawn.take() {
            Some((drawn_key, drawn)) if drawn_key == key => drawn,
            _ => self.lines()?,
        };
        let room = height.saturating_sub(1);
        if std::mem::take(&mut self.to_findings) {
            self.scroll = drawn.findings;
        }
        self.scroll = self.scroll.min(drawn.lines.len().saturating_sub(room));
        let visible = drawn.lines.iter().skip(self.scroll).take(room);
        let mut screen: Vec<String> = visible
            .map(|line| truncate_str(line, width, "…").into_owned())
            .collect();
        screen.resize(room, String::new());
        let below = drawn.lines.len().saturating_sub(self.scroll + room);
        screen.push(self.footer(&drawn.about, below, width));
        self.drawn = Some((key, drawn));
        Ok(screen)
    }

    fn lines(&mut self) -> io::Result<ViewLines> {
        match self.rows.get(self.at)? {
            Some(row) => {
                let rendered = (self.render)(&row, self.output.width);
                Ok(self.view.lines(&row, &rendered, self.header, &self.output))
            }
            None => Ok(ViewLines {
                lines: match self.rows.error() {
                    Some(error) => wrapped(&error.to_string(), self.output.width),
                    None => vec!["There are no recipients.".to_owned()],
                },
                ..ViewLines::default()
            }),
        }
    }

    fn footer(&self, about: &str, below: usize, width: usize) -> String {
        if let Some(typed) = &self.typed {
            return footer::painted(&format!(" /{typed}▏"), width, &self.output);
        }
        let searching = self.searching.as_ref().map(|search| {
            let searched = grouped(search.searched as u64);
            format!("searching, {searched} rows so far; Esc cancels")
        });
        let footer = Footer {
            at: (self.at + 1).min(self.rows.known()),
            known: self.rows.known(),
            more: match (self.rows.done(), self.rows.error()) {
                (_, Some(_)) => " (the file can't be read further)",
                (true, None) => "",
                (false, None) => "+",
            },
            about,
            view: self.view.name(),
            below,
            notice: searching.as_deref().unwrap_or(&self.notice),
        };
        footer::painted(&footer.line(width), width, &self.output)
    }
}
