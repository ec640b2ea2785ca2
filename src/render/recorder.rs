//! Rendered HTML that knows where a row's own values stand in it.

use std::io::{self, Write};
use std::ops::Range;

/// The values of a row's HTML, escaped as they stand in it, in order; those that are blank are not
/// among them. Or those of another text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Values {
    /// A text that they are parts of.
    text: String,
    ranges: Vec<Range<usize>>,
}

impl Values {
    /// Adds a value.
    pub(super) fn push(&mut self, value: &str) {
        let begun = self.text.len();
        self.text.push_str(value);
        self.ranges.push(begun..self.text.len());
    }

    /// Adds a value, escaped.
    ///
    /// # Errors
    /// None: memory takes all.
    pub(super) fn push_escaped(&mut self, value: &str) -> io::Result<()> {
        let begun = self.text.len();
        tera::escape_html(value, &mut Text(&mut self.text))?;
        self.ranges.push(begun..self.text.len());
        Ok(())
    }

    /// No values, with room for so many of some length.
    pub(super) fn with_room(count: usize) -> Self {
        Self {
            text: String::with_capacity(32 * count),
            ranges: Vec::with_capacity(count),
        }
    }

    /// Puts others in the place of the values: each one of them by its number, or a text.
    pub(super) fn rearrange<'a>(&mut self, wanted: impl Iterator<Item = Result<usize, &'a str>>) {
        let ranges = wanted.map(|wanted| match wanted {
            Ok(number) => self.ranges[number].clone(),
            Err(text) => {
                let begun = self.text.len();
                self.text.push_str(text);
                begun..self.text.len()
            }
        });
        self.ranges = ranges.collect();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// One of them, from 0; there must be one.
    pub(super) fn get(&self, number: usize) -> &str {
        &self.text[self.ranges[number].clone()]
    }

    /// The values.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.ranges.iter().map(|range| &self.text[range.clone()])
    }
}

/// Takes text, in whole characters.
struct Text<'a>(&'a mut String);

impl Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.push_str(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// HTML as the templates wrote it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rendered {
    /// The values, as parts of the HTML.
    values: Values,
}

impl Rendered {
    /// The HTML that has this fixed text around these values.
    pub(super) fn of(fixed: &[String], values: &Values) -> Self {
        let mut text = String::new();
        let mut ranges = Vec::with_capacity(values.ranges.len());
        let mut values = values.iter();
        for fixed in fixed {
            text.push_str(fixed);
            if let Some(value) = values.next() {
                ranges.push(text.len()..text.len() + value.len());
                text.push_str(value);
            }
        }
        Self {
            values: Values { text, ranges },
        }
    }

    /// The HTML.
    pub(super) fn html(&self) -> &str {
        &self.values.text
    }

    /// The values alone.
    pub(super) fn into_values(self) -> Values {
        self.values
    }

    /// The values in it.
    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// What stands before, between and after the values: one text more than there are values.
    pub(super) fn fixed(&self) -> impl Iterator<Item = &str> {
        let Values { text, ranges } = &self.values;
        let starts = std::iter::once(0).chain(ranges.iter().map(|range| range.end));
        let ends = ranges.iter().map(|range| range.start);
        let ends = ends.chain(std::iter::once(text.len()));
        starts.zip(ends).map(|(start, end)| &text[start..end])
    }
}

/// Takes what the template engine writes. [`escape`] tells it by flushing where a value begins and
/// ends: nothing that is written could be mistaken for that.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    bytes: Vec<u8>,
    begun: Option<usize>,
    values: Vec<Range<usize>>,
}

impl Recorder {
    /// What was written.
    ///
    /// # Errors
    /// When that is not UTF-8, which the template engine never writes.
    pub(super) fn finish(self) -> Result<Rendered, std::string::FromUtf8Error> {
        let text = String::from_utf8(self.bytes)?;
        let mut ranges = self.values;
        // A blank one is part of the fixed text.
        ranges.retain(|range| !text[range.clone()].trim().is_empty());
        Ok(Rendered {
            values: Values { text, ranges },
        })
    }
}

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let end = self.bytes.len();
        match self.begun.take() {
            None => self.begun = Some(end),
            Some(begun) => self.values.push(begun..end),
        }
        Ok(())
    }
}

/// Escapes a value for HTML, and tells a [`Recorder`] where it stands.
pub(super) fn escape(value: &str, out: &mut dyn Write) -> io::Result<()> {
    out.flush()?;
    tera::escape_html(value, out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(pieces: &[(&str, bool)]) -> Rendered {
        let mut recorder = Recorder::default();
        for (text, is_value) in pieces {
            let written = match is_value {
                true => escape(text, &mut recorder),
                false => recorder.write_all(text.as_bytes()),
            };
            written.expect("memory takes all");
        }
        recorder.finish().expect("UTF-8")
    }

    #[test]
    fn values_are_escaped_and_found() {
        let rendered = rendered(&[("<p>", false), ("a<b", true), ("&", true), ("</p>", false)]);
        assert_eq!(rendered.html(), "<p>a&lt;b&amp;</p>");
        let values: Vec<_> = rendered.values().iter().collect();
        assert_eq!(values, ["a&lt;b", "&amp;"]);
        assert_eq!(rendered.fixed().collect::<Vec<_>>(), ["<p>", "", "</p>"]);
    }

    #[test]
    fn what_is_blank_is_part_of_the_fixed_text() {
        let rendered = rendered(&[("<p>", false), ("", true), (" \n", true), ("</p>", false)]);
        assert_eq!(rendered.values().iter().len(), 0);
        assert_eq!(rendered.fixed().collect::<Vec<_>>(), ["<p> \n</p>"]);
    }

    #[test]
    fn what_was_taken_apart_can_be_put_together() {
        let rendered = rendered(&[("<p>", false), ("a", true), (" b", false), ("c", true)]);
        let fixed: Vec<String> = rendered.fixed().map(str::to_owned).collect();
        assert_eq!(Rendered::of(&fixed, rendered.values()), rendered);
        let values = rendered.values();
        assert_eq!((values.len(), values.get(0), values.get(1)), (2, "a", "c"));
    }
}
