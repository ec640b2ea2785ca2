//! Reads the files in `templates/`.

use std::path::Path;

use jiff::Timestamp;
use tera::Tera;

use super::explain::Sources;
use super::filters::new_tera;
use crate::finding::{Finding, Place};

/// Reads and compiles the templates of a campaign. Errors are added to `findings`.
pub(super) fn load_templates(
    tera: &mut Tera,
    sources: &mut Sources,
    dir: &Path,
    findings: &mut Vec<Finding>,
) {
    let mut files = Vec::new();
    if let Err(error) = read_templates(dir, dir, &mut files) {
        findings.push(Finding::error(
            "no-file",
            Place::file(dir),
            format!("can't read {}: {error}", dir.display()),
        ));
        return;
    }
    for (name, content) in &files {
        sources.add_file(name, content);
    }
    // Each file is compiled alone first, so that all syntax errors are reported and not only the first.
    for (name, content) in &files {
        if let Err(error) = new_tera(Timestamp::UNIX_EPOCH).add_raw_template(name, content)
            && matches!(error.kind(), tera::ErrorKind::SyntaxError(_))
        {
            findings.push(sources.explain(name, &error));
        }
    }
    if findings.is_empty()
        && let Err(error) =
            tera.add_raw_templates(files.iter().map(|(name, content)| (name, content)))
    {
        findings.extend(sources.explain_all("", &error));
    }
}

/// Collects the templates below `dir`, named by their path in `root` with `/`. Files that are not UTF-8,
/// such as images, are skipped.
fn read_templates(
    root: &Path,
    dir: &Path,
    files: &mut Vec<(String, String)>,
) -> std::io::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            read_templates(root, &path, files)?;
        } else if let Ok(content) = String::from_utf8(std::fs::read(&path)?) {
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .replace('\\', "/");
            files.push((name, content));
        }
    }
    files.sort();
    Ok(())
}
