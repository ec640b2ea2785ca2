//! Rendered HTML with the spans of the values that templates printed into it.

use std::io::{self, Write};
use std::ops::Range;
use std::string::FromUtf8Error;

use super::limited_output;

/// HTML as the templates wrote it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RenderedHtml {
    html: String,
    /// The spans of the values in the HTML, in order. Blank values count as fixed text.
    spans: Vec<Range<usize>>,
}

impl RenderedHtml {
    /// `spans` are those of the values, in order.
    pub(super) fn new(html: String, mut spans: Vec<Range<usize>>) -> Self {
        spans.retain(|span| !html[span.clone()].trim().is_empty());
        Self { html, spans }
    }

    /// The same HTML, in which the values in `content` are values wherever the HTML has `content`.
    pub(super) fn with_content(self, content: &Self) -> Self {
        if content.spans.is_empty() {
            return self;
        }
        let mut spans = Vec::with_capacity(self.spans.len() + content.spans.len());
        let mut values = self.spans.iter();
        let mut at = 0;
        for fixed in self.fixed() {
            for (found, _) in fixed.match_indices(&content.html) {
                let start = at + found;
                let inner = content.spans.iter();
                spans.extend(inner.map(|span| start + span.start..start + span.end));
            }
            if let Some(value) = values.next() {
                spans.push(value.clone());
                at = value.end;
            }
        }
        Self { spans, ..self }
    }

    pub(super) fn html(&self) -> &str {
        &self.html
    }

    pub(super) fn into_html(self) -> String {
        self.html
    }

    /// The number of values.
    pub(super) fn count(&self) -> usize {
        self.spans.len()
    }

    /// A value by its number, from 0, escaped as it stands in the HTML.
    pub(super) fn value(&self, number: usize) -> &str {
        &self.html[self.spans[number].clone()]
    }

    pub(super) fn values(&self) -> impl ExactSizeIterator<Item = &str> {
        self.spans.iter().map(|span| &self.html[span.clone()])
    }

    /// The text before, between and after the values: one part more than there are values.
    pub(super) fn fixed(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.spans.iter().map(|span| span.end));
        let ends = self.spans.iter().map(|span| span.start);
        let ends = ends.chain(std::iter::once(self.html.len()));
        starts.zip(ends).map(|(start, end)| &self.html[start..end])
    }
}

/// Takes what Tera writes and notes where values stand. [`write_value`] flushes before and after each
/// value; nothing that a template contains can be mistaken for that.
#[derive(Debug, Default)]
pub(super) struct ValueSpans {
    bytes: Vec<u8>,
    /// The start of a value whose end has not been seen.
    start: Option<usize>,
    spans: Vec<Range<usize>>,
}

impl ValueSpans {
    /// # Errors
    /// If the output is not UTF-8, which Tera never writes.
    pub(super) fn finish(self) -> Result<RenderedHtml, FromUtf8Error> {
        let (html, spans) = self.into_parts()?;
        Ok(RenderedHtml::new(html, spans))
    }

    /// The output, and the spans of all values in it.
    ///
    /// # Errors
    /// The same.
    pub(super) fn into_parts(self) -> Result<(String, Vec<Range<usize>>), FromUtf8Error> {
        Ok((String::from_utf8(self.bytes)?, self.spans))
    }
}

impl Write for ValueSpans {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        limited_output::check(self.bytes.len() + bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let end = self.bytes.len();
        match self.start.take() {
            None => self.start = Some(end),
            Some(start) => self.spans.push(start..end),
        }
        Ok(())
    }
}

/// Tera's escape function: escapes a value for HTML, and marks its span if `out` is a [`ValueSpans`].
pub(super) fn write_value(value: &str, out: &mut dyn Write) -> io::Result<()> {
    out.flush()?;
    tera::escape_html(value, out)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(parts: &[(&str, bool)]) -> RenderedHtml {
        let mut spans = ValueSpans::default();
        for (text, is_value) in parts {
            let written = match is_value {
                true => write_value(text, &mut spans),
                false => spans.write_all(text.as_bytes()),
            };
            written.expect("writing to memory");
        }
        spans.finish().expect("UTF-8")
    }

    #[test]
    fn values_are_escaped_and_have_spans() {
        let rendered = rendered(&[("<p>", false), ("a<b", true), ("&", true), ("</p>", false)]);
        assert_eq!(rendered.html(), "<p>a&lt;b&amp;</p>");
        let values: Vec<_> = rendered.values().collect();
        assert_eq!(values, ["a&lt;b", "&amp;"]);
        assert_eq!((rendered.count(), rendered.value(1)), (2, "&amp;"));
        assert_eq!(rendered.fixed().collect::<Vec<_>>(), ["<p>", "", "</p>"]);
    }

    #[test]
    fn blank_values_are_fixed_text() {
        let rendered = rendered(&[("<p>", false), ("", true), (" \n", true), ("</p>", false)]);
        assert_eq!(rendered.count(), 0);
        assert_eq!(rendered.fixed().collect::<Vec<_>>(), ["<p> \n</p>"]);
    }
}
