//! The texts of a workbook, which its cells refer to by number.

use std::borrow::Cow;

use quick_xml::events::{BytesEnd, BytesStart, Event};

use super::archive::Part;
use super::xml::{UnknownEntity, XmlReader, check_length, push_text};
use crate::recipients::error::Problem;

/// The most bytes of all texts together, with their ends.
const MAX_TEXT: usize = 1 << 30;

/// All texts in one string: a million rows may have several million of them.
#[derive(Default)]
pub(super) struct SharedStrings {
    text: String,
    /// The end of each text in `text`.
    ends: Vec<u32>,
    /// The texts with an unknown entity, by their number.
    damaged: Vec<(usize, UnknownEntity)>,
}

impl SharedStrings {
    pub(super) fn read(part: Part) -> Result<Self, Problem> {
        let mut xml = XmlReader::new(part);
        let mut strings = Self::default();
        let mut text = TextParts::default();
        loop {
            match xml.next()? {
                Event::Eof => break,
                Event::End(end) if end.local_name().as_ref() == "si" => {
                    strings.push(&text.take())?
                }
                event => {
                    // Reported with the place of a cell that refers to the text.
                    if let Err(entity) = text.add(&event) {
                        strings.damaged.push((strings.ends.len(), entity));
                    }
                    text.check_length()?;
                }
            }
        }
        strings.text.shrink_to_fit();
        strings.ends.shrink_to_fit();
        Ok(strings)
    }

    fn push(&mut self, text: &str) -> Result<(), Problem> {
        self.text.push_str(text);
        if self.text.len() + self.ends.len() * size_of::<u32>() > MAX_TEXT {
            return Err(Problem::Workbook(
                "it has more than 1 GiB of text".to_owned(),
            ));
        }
        // At most `MAX_TEXT`.
        self.ends.push(self.text.len() as u32);
        Ok(())
    }

    pub(super) fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]) as usize;
        self.text.get(start..end)
    }

    pub(super) fn unknown_entity(&self, index: usize) -> Option<&UnknownEntity> {
        let place = self.damaged.binary_search_by_key(&index, |it| it.0);
        Some(&self.damaged[place.ok()?].1)
    }
}

/// Collects a text that may have parts with different fonts. Japanese and Chinese readings are left out.
#[derive(Default)]
pub(super) struct TextParts {
    text: String,
    in_text: bool,
    in_reading: bool,
}

impl TextParts {
    /// # Errors
    /// It is an unknown entity.
    pub(super) fn add(&mut self, event: &Event<'_>) -> Result<(), UnknownEntity> {
        match event {
            Event::Start(start) => self.start(start),
            Event::End(end) => self.end(end),
            event if self.in_text => push_text(event, &mut self.text)?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn start(&mut self, start: &BytesStart<'_>) {
        match start.local_name().as_ref() {
            "t" => self.in_text = !self.in_reading,
            "rPh" => self.in_reading = true,
            _ => {}
        }
    }

    pub(super) fn end(&mut self, end: &BytesEnd<'_>) {
        match end.local_name().as_ref() {
            "t" => self.in_text = false,
            "rPh" => self.in_reading = false,
            _ => {}
        }
    }

    pub(super) fn check_length(&self) -> Result<(), Problem> {
        check_length(&self.text)
    }

    /// The text, after which the next one begins.
    pub(super) fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        match unescaped(&text) {
            Cow::Owned(unescaped) => unescaped,
            Cow::Borrowed(_) => text,
        }
    }
}

/// Characters that XML can't hold are written as `_x000D_` (ECMA-376, 22.4.2.4).
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains("_x") {
        return Cow::Borrowed(text);
    }
    let mut units = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest.strip_prefix("_x").and_then(|escape| {
            let digits = escape.get(..4).filter(|_| escape[4..].starts_with('_'))?;
            u16::from_str_radix(digits, 16).ok()
        });
        match (unit, rest.chars().next()) {
            (Some(unit), _) => {
                units.push(unit);
                rest = &rest["_x0000_".len()..];
            }
            (None, Some(character)) => {
                units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
                rest = &rest[character.len_utf8()..];
            }
            (None, None) => break,
        }
    }
    Cow::Owned(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_characters() {
        for (text, expected) in [
            ("a_x000D_\nb", "a\r\nb"),
            ("_x005F_x000D_", "_x000D_"),
            ("_xD83D__xDCF7_", "📷"),
            ("_x00_x zł_xżżżż_", "_x00_x zł_xżżżż_"),
        ] {
            assert_eq!(unescaped(text), expected);
        }
    }
}
