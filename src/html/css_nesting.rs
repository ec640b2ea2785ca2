//! How deep brackets are nested in CSS (CSS Syntax 3).

use super::limits::MAX_CSS_DEPTH;

/// Counts open brackets. It may count some that are text, in unusual CSS, but never fewer than a parser does.
#[derive(Debug, Default)]
pub(super) struct CssNesting {
    open: Vec<u8>,
    state: State,
    /// The last bytes of text outside strings, comments and URLs.
    last: [u8; 3],
    /// Whether there is an escape in the identifier before this byte.
    has_escape: bool,
    /// Whether a function's name had an escape. It may be `url`, so what a bracket closes is no longer known.
    is_uncertain: bool,
    is_too_deep: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Css,
    /// After a backslash in CSS.
    Escape,
    /// In a string that began with this quote; the flag is set after a backslash.
    String(u8, bool),
    /// The flag is set after an asterisk.
    Comment(bool),
    /// After `url(`.
    BeforeUrl,
    /// In a URL without quotes; the flag is set after a backslash.
    Url(bool),
}

impl CssNesting {
    /// Begins a style sheet or a `style` attribute.
    pub(super) fn start(&mut self) {
        *self = Self {
            is_too_deep: self.is_too_deep,
            ..Self::default()
        };
    }

    pub(super) fn add(&mut self, css: &str) {
        css.bytes().for_each(|byte| self.byte(byte));
    }

    pub(super) fn is_too_deep(&self) -> bool {
        self.is_too_deep
    }

    fn byte(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Css, _) => self.css(byte),
            (State::Escape, _) => State::Css,
            (State::String(quote, true), _) => State::String(quote, false),
            (State::String(quote, _), b'\\') => State::String(quote, true),
            (State::String(quote, _), _) if byte == quote => State::Css,
            // A string ends with its line.
            (State::String(..), b'\n' | b'\r' | b'\x0c') => State::Css,
            (State::Comment(true), b'/') => State::Css,
            (State::Comment(_), _) => State::Comment(byte == b'*'),
            (State::BeforeUrl, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c') => State::BeforeUrl,
            (State::BeforeUrl, b'"' | b'\'') => self.css(byte),
            (State::BeforeUrl, b'\\') => State::Url(true),
            (State::BeforeUrl | State::Url(false), b')') => self.css(byte),
            (State::Url(false), b'\\') => State::Url(true),
            (State::BeforeUrl | State::Url(_), _) => State::Url(false),
            (state @ State::String(..), _) => state,
        };
        if self.is_uncertain && matches!(self.state, State::String(..) | State::Comment(_)) {
            self.state = State::Css;
        }
    }

    fn css(&mut self, byte: u8) -> State {
        let last = self.last;
        self.last = [last[1], last[2], byte];
        // White space may end an escape.
        let ends_identifier = byte.is_ascii_punctuation() && !b"-_\\(".contains(&byte);
        self.has_escape &= !ends_identifier;
        match byte {
            b'\\' => {
                self.has_escape = true;
                return State::Escape;
            }
            b'(' if self.has_escape => {
                self.is_uncertain = true;
                self.open(byte);
            }
            b'(' if last.eq_ignore_ascii_case(b"url") => {
                self.open(byte);
                return State::BeforeUrl;
            }
            b'(' | b'[' | b'{' => self.open(byte),
            b')' => self.close(b'('),
            b']' => self.close(b'['),
            b'}' => self.close(b'{'),
            b'"' | b'\'' => return State::String(byte, false),
            b'*' if last[2] == b'/' => return State::Comment(false),
            _ => {}
        }
        State::Css
    }

    fn open(&mut self, bracket: u8) {
        self.open.push(bracket);
        self.is_too_deep |= self.open.len() > MAX_CSS_DEPTH;
    }

    fn close(&mut self, bracket: u8) {
        if !self.is_uncertain && self.open.last() == Some(&bracket) {
            self.open.pop();
        }
    }
}
