//! The XML of a workbook, as a stream of events.

use std::io::{self, BufReader, Read};

use quick_xml::XmlVersion;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::archive::Part;
use crate::recipients::error::Problem;

const BUFFER: usize = 64 * 1024;
/// The most bytes of an event, so that a text without an end can't fill the memory. A cell has at most 32,767
/// characters.
const MAX_EVENT: u64 = 16 * 1024 * 1024;
const TOO_LONG: &str = "a cell is longer than 16 MiB";

pub(super) struct XmlReader {
    reader: Reader<BufReader<LimitedPart>>,
    buffer: Vec<u8>,
}

impl XmlReader {
    pub(super) fn new(part: Part) -> Self {
        let part = LimitedPart {
            part,
            left: MAX_EVENT,
        };
        let mut reader = Reader::from_reader(BufReader::with_capacity(BUFFER, part));
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = false;
        Self {
            reader,
            buffer: Vec::new(),
        }
    }

    /// The next event; an element without content has a start and an end. The end of the part is
    /// [`Event::Eof`].
    pub(super) fn next(&mut self) -> Result<Event<'_>, Problem> {
        self.reader.get_mut().get_mut().left = MAX_EVENT;
        self.buffer.clear();
        let event = self.reader.read_event_into(&mut self.buffer);
        event.map_err(|error| match error {
            quick_xml::Error::Io(error) => Problem::Workbook(error.to_string()),
            error => Problem::Workbook(format!("its XML is damaged: {error}")),
        })
    }
}

struct LimitedPart {
    part: Part,
    left: u64,
}

impl Read for LimitedPart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.part.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(TOO_LONG))?;
        Ok(read)
    }
}

/// The value of an attribute, whatever its prefix; as it is written if it has an unknown entity.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    attributes.with_checks(false);
    let attribute = attributes
        .filter_map(Result::ok)
        .find(|it| it.key.local_name().as_ref() == name)?;
    Some(normalized(&attribute).unwrap_or_else(|_| attribute.value.to_string()))
}

/// # Errors
/// The value has an unknown entity.
pub(super) fn normalized(attribute: &Attribute<'_>) -> Result<String, quick_xml::Error> {
    let value = attribute.normalized_value(XmlVersion::Implicit1_0)?;
    Ok(value.into_owned())
}

pub(super) fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true" | "on")
}

/// Whether the text of several events is not too long.
pub(super) fn check_length(text: &str) -> Result<(), Problem> {
    match text.len() as u64 > MAX_EVENT {
        true => Err(Problem::Workbook(TOO_LONG.to_owned())),
        false => Ok(()),
    }
}

/// A name such as `&nbsp;` that XML doesn't have.
#[derive(Debug, thiserror::Error)]
#[error("the unknown entity &{0};")]
pub(super) struct UnknownEntity(String);

impl UnknownEntity {
    /// The problem of a workbook that has it in this cell.
    pub(super) fn in_cell(&self, sheet: &str, cell: &str) -> Problem {
        Problem::Workbook(format!("cell {cell} of the sheet “{sheet}” has {self}"))
    }
}

/// Appends the text of an event.
///
/// # Errors
/// It is an unknown entity.
pub(super) fn push_text(event: &Event<'_>, out: &mut String) -> Result<(), UnknownEntity> {
    match event {
        Event::Text(text) => out.push_str(&text.xml10_content()),
        Event::CData(text) => out.push_str(&text.xml10_content()),
        Event::GeneralRef(reference) => return push_reference(reference, out),
        _ => {}
    }
    Ok(())
}

fn push_reference(reference: &BytesRef<'_>, out: &mut String) -> Result<(), UnknownEntity> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        out.push(character);
        return Ok(());
    }
    let name: &str = reference;
    let text = quick_xml::escape::resolve_xml_entity(name);
    out.push_str(text.ok_or_else(|| UnknownEntity(name.to_owned()))?);
    Ok(())
}
