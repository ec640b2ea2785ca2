//! The output formats of `check` for programs.

mod github;
mod json;
mod sarif;

use std::path::{Component, Path, PathBuf};

pub(crate) use github::github;
pub(crate) use json::json;
pub(crate) use sarif::sarif;

use super::findings::{FindingGroup, Findings};
use super::sink::Off;
use crate::campaign::STANDARD_INPUT;

pub(crate) struct Report<'a> {
    pub(crate) findings: &'a Findings,
    /// The number of recipients, if they could be read.
    pub(crate) rows: Option<u64>,
    pub(crate) off: &'a Off,
    /// Why rows are suppressed, and how many.
    pub(crate) suppressed: &'a [(String, u64)],
    /// Which expressions do not select rows, and how many.
    pub(crate) not_selected: &'a [(String, u64)],
    /// The campaign's file. Findings without a place of their own are there.
    pub(crate) campaign: &'a Path,
    /// The working directory. Paths are relative to it.
    pub(crate) base: &'a Path,
}

impl Report<'_> {
    /// The path of the file that a group of findings is about, or of the campaign.
    fn path(&self, group: &FindingGroup) -> PathBuf {
        let named = group.finding.place.file.as_deref();
        let Some(file) = named.filter(|_| self.has_file(group)) else {
            return self.relative(self.campaign);
        };
        self.relative(file)
    }

    /// Whether a group is about a file that can be opened. Standard input can't.
    fn has_file(&self, group: &FindingGroup) -> bool {
        let named = group.finding.place.file.as_deref();
        named.is_some_and(|file| file != Path::new(STANDARD_INPUT))
    }

    /// The path of a file relative to the working directory, or the absolute path of a file outside of it.
    fn relative(&self, file: &Path) -> PathBuf {
        let path = normalized(&self.base.join(file));
        match path.strip_prefix(normalized(self.base)) {
            Ok(relative) => relative.to_owned(),
            Err(_) => path,
        }
    }
}

/// Removes `.` and `..` from a path.
fn normalized(path: &Path) -> PathBuf {
    let mut normalized = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normalized.pop();
            }
            part => normalized.push(part),
        }
    }
    normalized
}

/// The message, the rows and the help of a group.
fn text(group: &FindingGroup) -> String {
    let finding = &group.finding;
    let mut text = finding.message.clone();
    if group.count > 1 {
        text.push_str(&format!(" ({} rows: {})", group.count, group.named_rows()));
    } else if let Some(row) = finding.place.row {
        text.push_str(&format!(" (row {row})"));
    }
    if let Some(help) = &finding.help {
        text.push_str(&format!("\n{help}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_working_directory() {
        let report = Report {
            findings: &Findings::default(),
            rows: None,
            off: &Off::new(),
            suppressed: &[],
            not_selected: &[],
            campaign: Path::new("campaign.toml"),
            base: Path::new("/home/here"),
        };
        for (file, expected) in [
            ("./news/../a/b.html", "a/b.html"),
            ("../there/x", "/home/there/x"),
            ("/home/here/x", "x"),
        ] {
            assert_eq!(report.relative(Path::new(file)), Path::new(expected));
        }
    }
}
