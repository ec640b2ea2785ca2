//! Rendered HTML that knows where a row's own values stand in it.

use std::io::{self, Write};
use std::ops::Range;

/// The values of a row's HTML, escaped as they stand in it, in order; those that are blank are not
/// among them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    /// A text that they are parts of.
    text: String,
    ranges: Vec<Range<usize>>,
}

impl Values {
    /// The values.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.ranges.iter().map(|range| &self.text[range.clone()])
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

    /// The HTML alone.
    pub(super) fn into_html(self) -> String {
        self.values.text
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

/// What a [`Recorder`] took.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The fixed text that was expected, with these values.
    AsExpected(Values),
    /// Something else.
    Other(Rendered),
}

/// Takes what the template engine writes. [`escape`] tells it by flushing where a value begins and
/// ends: nothing that is written could be mistaken for that.
///
/// Most rows have their fixed text in common. It is compared as it comes, and is not kept then.
#[derive(Debug, Default)]
pub(super) struct Recorder<'a> {
    /// The fixed text that is expected, as long as nothing else came.
    expected: Option<Expected<'a>>,
    /// All that was written; of what is expected, the values alone.
    bytes: Vec<u8>,
    begun: Option<usize>,
    values: Vec<Range<usize>>,
}

/// The fixed text that another row has.
#[derive(Debug)]
struct Expected<'a> {
    fixed: &'a [String],
    /// The place of the text that is being written.
    at: usize,
    /// What has not come of it.
    left: &'a [u8],
}

impl Expected<'_> {
    /// Whether that is what comes next.
    fn text(&mut self, bytes: &[u8]) -> bool {
        let rest = self.left.strip_prefix(bytes);
        self.left = rest.unwrap_or(self.left);
        rest.is_some()
    }

    /// Whether a value comes next.
    fn value(&mut self) -> bool {
        let next = self.fixed.get(self.at + 1);
        match next {
            Some(next) if self.left.is_empty() => {
                self.at += 1;
                self.left = next.as_bytes();
                true
            }
            _ => false,
        }
    }

    fn is_complete(&self) -> bool {
        self.left.is_empty() && self.at + 1 == self.fixed.len()
    }
}

impl<'a> Recorder<'a> {
    /// A recorder that expects this fixed text, if any.
    pub(super) fn expecting(fixed: Option<&'a [String]>) -> Self {
        let expected = |fixed: &'a [String]| {
            let left = fixed.first()?.as_bytes();
            Some(Expected { fixed, at: 0, left })
        };
        Self {
            expected: fixed.and_then(expected),
            ..Self::default()
        }
    }

    /// What was written.
    ///
    /// # Errors
    /// When that is not UTF-8, which the template engine never writes.
    pub(super) fn finish(mut self) -> Result<Written, std::string::FromUtf8Error> {
        let as_expected = self.expected.as_ref().is_some_and(Expected::is_complete);
        if !as_expected {
            self.expect_no_more();
        }
        let text = String::from_utf8(self.bytes)?;
        let mut ranges = self.values;
        if as_expected {
            return Ok(Written::AsExpected(Values { text, ranges }));
        }
        ranges.retain(|range| !text[range.clone()].trim().is_empty());
        let values = Values { text, ranges };
        Ok(Written::Other(Rendered { values }))
    }

    fn text(&mut self, bytes: &[u8]) {
        match &mut self.expected {
            Some(expected) if self.begun.is_none() => {
                if !expected.text(bytes) {
                    self.expect_no_more();
                    self.bytes.extend_from_slice(bytes);
                }
            }
            _ => self.bytes.extend_from_slice(bytes),
        }
    }

    fn value(&mut self, begun: usize) {
        let Some(expected) = &mut self.expected else {
            return self.values.push(begun..self.bytes.len());
        };
        let value = &self.bytes[begun..];
        // A blank one is part of the fixed text.
        let blank = std::str::from_utf8(value).is_ok_and(|value| value.trim().is_empty());
        match blank {
            true if expected.text(value) => self.bytes.truncate(begun),
            false if expected.value() => self.values.push(begun..self.bytes.len()),
            _ => {
                let value = self.bytes.split_off(begun);
                self.expect_no_more();
                let begun = self.bytes.len();
                self.bytes.extend_from_slice(&value);
                self.values.push(begun..self.bytes.len());
            }
        }
    }

    /// Keeps all from now on, and what came as expected until now.
    fn expect_no_more(&mut self) {
        let Some(expected) = self.expected.take() else {
            return;
        };
        let (values, ranges) = (
            std::mem::take(&mut self.bytes),
            std::mem::take(&mut self.values),
        );
        for (fixed, range) in expected.fixed.iter().zip(ranges) {
            self.bytes.extend_from_slice(fixed.as_bytes());
            let begun = self.bytes.len();
            self.bytes.extend_from_slice(&values[range]);
            self.values.push(begun..self.bytes.len());
        }
        let last = expected.fixed[expected.at].as_bytes();
        let came = last.len() - expected.left.len();
        self.bytes.extend_from_slice(&last[..came]);
    }
}

impl Write for Recorder<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text(bytes);
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.text(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.begun.take() {
            None => self.begun = Some(self.bytes.len()),
            Some(begun) => self.value(begun),
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

    type Pieces<'a> = &'a [(&'a str, bool)];

    fn write(pieces: Pieces<'_>, mut recorder: Recorder<'_>) -> Written {
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

    fn rendered(pieces: Pieces<'_>) -> Rendered {
        match write(pieces, Recorder::default()) {
            Written::Other(rendered) => rendered,
            Written::AsExpected(_) => panic!("nothing was expected"),
        }
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

    /// What one row wrote, expected of another.
    fn expected(first: Pieces<'_>, second: Pieces<'_>) -> bool {
        let fixed: Vec<String> = rendered(first).fixed().map(str::to_owned).collect();
        let alone = rendered(second);
        let written = write(second, Recorder::expecting(Some(&fixed)));
        let same = alone.fixed().eq(fixed.iter().map(String::as_str));
        match written {
            Written::AsExpected(values) => {
                assert!(values.iter().eq(alone.values().iter()), "{values:?}");
                assert_eq!(Rendered::of(&fixed, &values), alone);
                assert!(same, "{second:?} is not {first:?}");
                true
            }
            Written::Other(rendered) => {
                assert_eq!(rendered, alone);
                assert!(!same, "{second:?} is {first:?}");
                false
            }
        }
    }

    #[test]
    fn rows_with_the_same_fixed_text_are_as_expected() {
        let first: Pieces<'_> = &[("<p>", false), ("a", true), (" b", false), ("c", true)];
        assert!(expected(first, first));
        let parts: Pieces<'_> = &[
            ("<", false),
            ("p>", false),
            ("&x", true),
            (" ", true),
            ("b", false),
            ("y", true),
            ("", true),
        ];
        assert!(expected(first, parts));
        let others: [Pieces<'_>; 7] = [
            &[],
            &[("<p>", false), ("a", true), (" b", false)],
            &[("<p>", false), ("a", true), ("\u{a0}b", false), ("c", true)],
            &[("<p>", false), ("", true), (" b", false), ("c", true)],
            &[("<p", false), ("a", true), (" b", false), ("c", true)],
            &[
                ("<p>", false),
                ("\u{2003}", true),
                (" b", false),
                ("c", true),
            ],
            &[
                ("<p>", false),
                ("a", true),
                (" b", false),
                ("c", true),
                ("d", true),
            ],
        ];
        for other in others {
            assert!(!expected(first, other), "{other:?}");
        }
        let blank: Pieces<'_> = &[("<p>", false), ("\u{2003}", true), ("b", false)];
        assert!(expected(blank, blank));
    }
}
