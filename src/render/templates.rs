//! Reads the files in `templates/`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;

use encoding_rs::Encoding;
use jiff::Timestamp;
use tera::Tera;

use super::explain::Sources;
use super::filters::new_tera;
use super::tags::{TagKind, literal};
use crate::campaign::{TEMPLATES, template_files};
use crate::file_name::composed;
use crate::finding::{Finding, Place};
use crate::message::PathError;
use crate::text_encoding::likely;

/// The largest template, in bytes. A message may have 15,000,000.
const MAX_SIZE: u64 = 16 << 20;

/// Reads and compiles the templates of a campaign. `is_mjml` says whether a name and a text are those of a letter in
/// MJML. Errors are added to `findings`.
pub(super) fn load_templates(
    tera: &mut Tera,
    sources: &mut Sources,
    dir: &Path,
    is_mjml: &dyn Fn(&str, &str) -> bool,
    findings: &mut Vec<Finding>,
) {
    let mut files = TemplateFiles::default();
    if let Err(error) = files.read(dir, findings) {
        let place = Place::file(dir.join(TEMPLATES));
        let finding = Finding::error("no-file", place, error.to_string());
        findings.push(match error {
            PathError::Outside(_) => finding.help(
                "put the file itself into templates/: mailrun reads only files inside the campaign's folder",
            ),
            _ => finding,
        });
        return;
    }
    let TemplateFiles { templates, binary } = files;
    for (name, content) in &templates {
        sources.add_file(name, content);
    }
    sources.add_binary(binary);
    let names = templates.iter().map(|(name, _)| name);
    let too_deep: Vec<_> = names
        .filter_map(|name| sources.too_many_branches(name))
        .collect();
    if !too_deep.is_empty() {
        findings.extend(too_deep);
        return;
    }
    // Each file is compiled alone first, so that all syntax errors are reported and not only the first.
    for (name, content) in &templates {
        if let Err(error) = new_tera(Timestamp::UNIX_EPOCH, None).add_raw_template(name, content)
            && matches!(error.kind(), tera::ErrorKind::SyntaxError(_))
        {
            findings.push(sources.explain(name, &error));
        }
    }
    if !findings.is_empty() {
        return;
    }
    let letters = templates.iter();
    let letters = letters.filter(|(name, content)| is_mjml(name, content));
    findings.extend(letters.flat_map(|(name, _)| sources.compile_mjml(name)));
    if !findings.is_empty() {
        return;
    }
    if let Some(finding) = sources.too_deep() {
        findings.push(finding);
        return;
    }
    let names = templates.iter().map(|(name, _)| name);
    let compiled = names.filter_map(|name| Some((name, sources.text(name)?)));
    if let Err(error) = tera.add_raw_templates(compiled) {
        for finding in sources.explain_all("", &error) {
            // A file that a letter in MJML includes is compiled with it, and by itself.
            if !findings.iter().any(|known| known.is_like(&finding)) {
                findings.push(finding);
            }
        }
    }
    findings.extend(included_mjml(sources));
}

/// A finding for each tag that includes MJML, which would get into the message as it is written.
fn included_mjml(sources: &Sources) -> Vec<Finding> {
    let is_mjml = |name: &str| name.to_ascii_lowercase().ends_with(".mjml");
    let mut findings = Vec::new();
    for (name, text, tags) in sources.all() {
        if is_mjml(name) && sources.compiled(name).is_none() {
            continue;
        }
        for tag in tags.iter().filter(|tag| tag.kind == TagKind::Statement) {
            let words = tag.words(text);
            let includes = matches!(words.first(), Some(&("include" | "extends")));
            let mut names = words.iter().filter_map(|word| literal(word));
            if includes && names.any(is_mjml) {
                let message = "a template can't include MJML";
                let finding = sources.at("mjml", name, tag.span.clone(), message);
                let help = "name the letter in `html`; in MJML, include a part with <mj-include>";
                findings.push(finding.help(help));
            }
        }
    }
    findings
}

/// What is in `templates/`.
#[derive(Default)]
struct TemplateFiles {
    /// The name and the text of each template.
    templates: Vec<(String, String)>,
    /// The names of files that are not text, such as images. Templates can't use them.
    binary: Vec<String>,
}

impl TemplateFiles {
    /// Collects the templates in a campaign's folder, with composed names. A file that is text but not UTF-8, or
    /// that is too large, is a finding.
    fn read(&mut self, dir: &Path, findings: &mut Vec<Finding>) -> Result<(), PathError> {
        for file in template_files(dir)? {
            let path = dir.join(TEMPLATES).join(&file.name);
            let unreadable = |error| PathError::Missing(path.clone(), error);
            let name = composed(&file.name).into_owned();
            let size = file.path.metadata().map_err(unreadable)?.len();
            if size > MAX_SIZE {
                match is_text(&file.path).map_err(unreadable)? {
                    true => findings.push(too_large(&path, size)),
                    false => self.binary.push(name),
                }
                continue;
            }
            match String::from_utf8(std::fs::read(&file.path).map_err(unreadable)?) {
                Ok(text) => {
                    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
                    self.templates.push((name, text));
                }
                Err(error) if is_binary(error.as_bytes()) => self.binary.push(name),
                Err(error) => findings.push(not_utf8(&path, &error)),
            }
        }
        self.templates.sort();
        Ok(())
    }
}

/// Whether a file begins like a text in UTF-8.
fn is_text(path: &Path) -> std::io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(4096).read_to_end(&mut start)?;
    let invalid = std::str::from_utf8(&start).err();
    Ok(!start.contains(&0) && invalid.is_none_or(|error| error.error_len().is_none()))
}

fn too_large(path: &Path, size: u64) -> Finding {
    let message = format!(
        "{} has {size} bytes; a template may have {MAX_SIZE}",
        path.display()
    );
    Finding::error("template-error", Place::file(path), message)
}

/// Whether a file that is not UTF-8 is no text in any encoding: it contains NULs, and is not UTF-16.
fn is_binary(bytes: &[u8]) -> bool {
    bytes.contains(&0) && Encoding::for_bom(bytes).is_none()
}

fn not_utf8(path: &Path, error: &FromUtf8Error) -> Finding {
    let bytes = error.as_bytes();
    let before = &bytes[..error.utf8_error().valid_up_to()];
    let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let file = path.display();
    let place = Place::file(path).at_line(line);
    let (message, help) = match likely(bytes) {
        Some(encoding) => {
            let encoding = encoding.name();
            let new = PathBuf::from(format!("{file}.utf8"));
            let (from, to) = (quoted(path), quoted(&new));
            (
                format!("the file is not UTF-8 but probably {encoding}"),
                format!("convert it: iconv -f {encoding} -t UTF-8 {from} > {to} && mv {to} {from}"),
            )
        }
        None => (
            "the file has invalid UTF-8".to_owned(),
            "write the characters there again, and save the file as UTF-8".to_owned(),
        ),
    };
    Finding::error("template-encoding", place, message).help(help)
}

/// A path for a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,@%".contains(c);
    if path.chars().all(is_plain) {
        return path;
    }
    format!("'{}'", path.replace('\'', "'\\''"))
}
