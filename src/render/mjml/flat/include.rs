//! Reads what `<mj-include>` names.

use super::start_tag::StartTag;
use super::{MAX_SIZE, Reader};
use crate::file_name::composed;

impl Reader<'_, '_> {
    /// Reads an included file, and returns the end of `<mj-include>`.
    pub(super) fn include(&mut self, tag: &StartTag<'_>, text: &str) -> Option<usize> {
        let end = match tag.is_empty {
            true => tag.span.end,
            false => {
                let close = text[tag.span.end..].find("</mj-include>")?;
                tag.span.end + close + "</mj-include>".len()
            }
        };
        let value = |wanted: &str| {
            let mut attributes = tag.attributes.iter();
            let (_, span) = attributes.find(|(name, _)| *name == wanted)?;
            Some(span.clone())
        };
        let Some(path) = value("path") else {
            let help = "write <mj-include path=\"header.mjml\" />";
            self.error(
                tag.span.clone(),
                "<mj-include> has no attribute `path`",
                help,
            );
            return Some(end);
        };
        let folder = self.files.last().map_or("", String::as_str);
        let Some(name) = resolved(folder, &text[path.clone()]) else {
            let help = "mailrun reads only files in templates/. Write a path relative to this file, such as \"parts/header.mjml\"";
            self.error(path, "the path leads out of templates/", help);
            return Some(end);
        };
        let Some(included) = (self.read)(&name) else {
            let message = format!("there is no file templates/{name}");
            self.error(path, message, "write a path relative to this file");
            return Some(end);
        };
        if self.files.contains(&name) {
            let message = format!("{name} includes itself");
            self.error(path, message, "remove one of the <mj-include>");
            return Some(end);
        }
        let kind = value("type").map_or("mjml", |span| &text[span]);
        let element = match kind {
            "mjml" => {
                // The errors of a file are reported once.
                if self.errors.iter().any(|error| error.place.file == name) {
                    return Some(end);
                }
                self.size += included.len();
                match self.size > MAX_SIZE {
                    true => {
                        let message = format!("the letter includes more than {MAX_SIZE} bytes");
                        let help = "include fewer files, or each of them fewer times";
                        self.error(path, message, help);
                    }
                    false => self.file(&name),
                }
                // Beyond the limit, nothing more is read.
                return (self.size <= MAX_SIZE).then_some(end);
            }
            "css" => "mj-style",
            "html" => "mj-raw",
            _ => {
                let span = value("type").unwrap_or(path);
                self.error(span, "the type is unknown", "write mjml, html or css");
                return Some(end);
            }
        };
        if self.is_misplaced(element, &tag.span) {
            return Some(end);
        }
        let include = format!("{{% include {name:?} %}}");
        let kept = self.kept_as(include, tag.span.clone());
        match self.is_comment(element) {
            true => self.push_comment(&kept),
            false => self.push(&format!("<{element}>{kept}</{element}>")),
        }
        Some(end)
    }
}

/// The name of a file in `templates/` that a path in another file leads to. `None` if it leads out of it.
fn resolved(from: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains(['\\', ':']) {
        return None;
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(composed(&parts.join("/")).into_owned())
}
