//! The parts of an .xlsx workbook (ECMA-376): its sheets, its texts and its formats.

use std::collections::HashMap;
use std::sync::Arc;

use quick_xml::events::Event;

use super::archive::Archive;
use super::number_format::CellFormats;
use super::shared_strings::SharedStrings;
use super::xml::{XmlReader, attribute, is_true};
use crate::recipients::error::Problem;

/// A sheet with cells.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub(super) name: String,
    pub(super) is_visible: bool,
    /// Its part, or its index.
    pub(super) part: String,
}

pub(super) struct Workbook {
    pub(super) archive: Archive,
    pub(super) sheets: Vec<Sheet>,
    pub(super) strings: Arc<SharedStrings>,
    pub(super) formats: Arc<CellFormats>,
}

struct Relation {
    kind: String,
    target: String,
}

/// The part with the sheets; `None` if the archive is not a workbook of Excel.
pub(super) fn main_part(archive: &mut Archive) -> Result<Option<String>, Problem> {
    if !archive.has("_rels/.rels") {
        return Ok(None);
    }
    let relations = relations(archive, "_rels/.rels", "")?;
    let main = relations
        .into_values()
        .find(|relation| relation.kind == "officeDocument");
    let main = main.map(|relation| relation.target);
    Ok(main.filter(|part| part.to_lowercase().contains("workbook")))
}

impl Workbook {
    pub(super) fn open(mut archive: Archive, main: &str) -> Result<Self, Problem> {
        let (folder, file) = main.rsplit_once('/').unwrap_or(("", main));
        let of_main = format!("{folder}/_rels/{file}.rels");
        let relations = relations(&mut archive, &of_main, folder)?;
        let (mut sheets, mut is_1904) = (Vec::new(), false);
        let mut xml = XmlReader::new(archive.part(main)?);
        loop {
            match xml.next()? {
                Event::Eof => break,
                Event::Start(start) => match start.local_name().as_ref() {
                    "workbookPr" => {
                        is_1904 = attribute(&start, "date1904").is_some_and(|it| is_true(&it));
                    }
                    "sheet" => {
                        let relation = attribute(&start, "id").and_then(|id| relations.get(&id));
                        // Sheets with a chart alone have no cells.
                        if let Some(relation) = relation.filter(|it| it.kind == "worksheet") {
                            let state = attribute(&start, "state");
                            sheets.push(Sheet {
                                name: attribute(&start, "name").unwrap_or_default(),
                                is_visible: state.is_none_or(|state| state == "visible"),
                                part: relation.target.clone(),
                            });
                        }
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        let of_kind = |kind: &str| {
            let mut relations = relations.values();
            let relation = relations.find(|it| it.kind == kind)?;
            Some(relation.target.clone())
        };
        let mut formats = CellFormats::new(is_1904);
        if let Some(part) = of_kind("styles").filter(|part| archive.has(part)) {
            read_formats(XmlReader::new(archive.part(&part)?), &mut formats)?;
        }
        let strings = match of_kind("sharedStrings").filter(|part| archive.has(part)) {
            Some(part) => SharedStrings::read(archive.part(&part)?)?,
            None => SharedStrings::default(),
        };
        Ok(Self {
            archive,
            sheets,
            strings: Arc::new(strings),
            formats: Arc::new(formats),
        })
    }
}

/// The references in a `.rels` part, by ID. Their targets are relative to `folder`.
fn relations(
    archive: &mut Archive,
    part: &str,
    folder: &str,
) -> Result<HashMap<String, Relation>, Problem> {
    let mut relations = HashMap::new();
    let mut xml = XmlReader::new(archive.part(part)?);
    loop {
        match xml.next()? {
            Event::Eof => return Ok(relations),
            Event::Start(start) if start.local_name().as_ref() == "Relationship" => {
                let (Some(id), Some(kind), Some(target)) = (
                    attribute(&start, "Id"),
                    attribute(&start, "Type"),
                    attribute(&start, "Target"),
                ) else {
                    continue;
                };
                let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                let target = resolved(folder, &target);
                relations.insert(id, Relation { kind, target });
            }
            _ => {}
        }
    }
}

/// The name of a part that is referred to from a folder.
fn resolved(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut names: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
    for name in target.split('/') {
        match name {
            "." | "" => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join("/")
}

/// Reads the formats of all styles of cells.
fn read_formats(mut xml: XmlReader, formats: &mut CellFormats) -> Result<(), Problem> {
    let mut codes: HashMap<u32, String> = HashMap::new();
    let mut in_styles = false;
    let number = |text: Option<String>| text.and_then(|text| text.parse::<u32>().ok());
    loop {
        match xml.next()? {
            Event::Eof => return Ok(()),
            Event::Start(start) => match start.local_name().as_ref() {
                "numFmt" => {
                    let id = number(attribute(&start, "numFmtId"));
                    if let (Some(id), Some(code)) = (id, attribute(&start, "formatCode")) {
                        codes.insert(id, code);
                    }
                }
                "cellXfs" => in_styles = true,
                "xf" if in_styles => {
                    let id = number(attribute(&start, "numFmtId")).unwrap_or_default();
                    formats.add(id, codes.get(&id).map(String::as_str));
                }
                _ => {}
            },
            Event::End(end) if end.local_name().as_ref() == "cellXfs" => in_styles = false,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::resolved;

    #[test]
    fn names_of_parts() {
        assert_eq!(
            resolved("xl", "worksheets/sheet1.xml"),
            "xl/worksheets/sheet1.xml"
        );
        assert_eq!(resolved("xl", "/xl/styles.xml"), "xl/styles.xml");
        assert_eq!(resolved("xl/a", "../b.xml"), "xl/b.xml");
        assert_eq!(resolved("", "workbook.xml"), "workbook.xml");
    }
}
