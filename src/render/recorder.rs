//! Rendered HTML that knows where a row's own values stand in it.

use std::io::{self, Write};
use std::ops::Range;

/// HTML as the templates wrote it.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    html: String,
    /// Where the escaped values stand, in order; those that are blank are not among them.
    values: Vec<Range<usize>>,
}

impl Rendered {
    /// The HTML.
    pub(super) fn html(&self) -> &str {
        &self.html
    }

    /// The HTML alone.
    pub(super) fn into_html(self) -> String {
        self.html
    }

    /// The values, escaped as they stand there.
    pub(super) fn values(&self) -> impl ExactSizeIterator<Item = &str> {
        self.values.iter().map(|range| &self.html[range.clone()])
    }

    /// What stands before, between and after the values: one text more than there are values.
    pub(super) fn fixed(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.values.iter().map(|range| range.end));
        let ends = self.values.iter().map(|range| range.start);
        let ends = ends.chain(std::iter::once(self.html.len()));
        starts.zip(ends).map(|(start, end)| &self.html[start..end])
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
        let html = String::from_utf8(self.bytes)?;
        let mut values = self.values;
        values.retain(|range| !html[range.clone()].trim().is_empty());
        Ok(Rendered { html, values })
    }
}

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let here = self.bytes.len();
        match self.begun.take() {
            None => self.begun = Some(here),
            Some(begun) => self.values.push(begun..here),
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
            if *is_value {
                escape(text, &mut recorder).expect("memory takes all");
            } else {
                recorder
                    .write_all(text.as_bytes())
                    .expect("memory takes all");
            }
        }
        recorder.finish().expect("UTF-8")
    }

    #[test]
    fn values_are_escaped_and_found() {
        let rendered = rendered(&[("<p>", false), ("a<b", true), ("&", true), ("</p>", false)]);
        assert_eq!(rendered.html(), "<p>a&lt;b&amp;</p>");
        assert_eq!(rendered.values().collect::<Vec<_>>(), ["a&lt;b", "&amp;"]);
        assert_eq!(rendered.fixed().collect::<Vec<_>>(), ["<p>", "", "</p>"]);
    }

    #[test]
    fn what_is_blank_is_part_of_the_fixed_text() {
        let rendered = rendered(&[("<p>", false), ("", true), (" \n", true), ("</p>", false)]);
        assert_eq!(rendered.values().len(), 0);
        assert_eq!(rendered.fixed().collect::<Vec<_>>(), ["<p> \n</p>"]);
    }
}
