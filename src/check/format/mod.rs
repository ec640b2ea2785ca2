//! The findings of `check` as programs read them.

mod github;
mod json;
mod sarif;

use std::path::{Component, Path, PathBuf};

pub use github::github;
pub use json::json;
pub use sarif::sarif;

use super::findings::{Findings, Group};
use super::settings::Off;
use crate::campaign::STANDARD_INPUT;

/// What there is to tell.
pub struct Report<'a> {
    /// What is wrong.
    pub findings: &'a Findings,
    /// How many rows the recipients have, if they could be read.
    pub rows: Option<u64>,
    /// The rules that the campaign turns off.
    pub off: &'a Off,
    /// The campaign's file: where findings are that have no place of their own.
    pub campaign: &'a Path,
    /// The working directory: paths are told from here.
    pub base: &'a Path,
}

impl Report<'_> {
    /// The path, from the working directory, of the file that a group of findings is about; that of the
    /// campaign where there is none.
    fn path(&self, group: &Group) -> PathBuf {
        let named = group.finding.place.file.as_deref();
        let Some(file) = named.filter(|_| self.has_file(group)) else {
            return self.inside(self.campaign);
        };
        self.inside(file)
    }

    /// Whether a group is about a file, so that its line is one of that: recipients from standard
    /// input are in none.
    fn has_file(&self, group: &Group) -> bool {
        let named = group.finding.place.file.as_deref();
        named.is_some_and(|file| file != Path::new(STANDARD_INPUT))
    }

    /// A file's path from the working directory, if it is in there; else all of its path.
    fn inside(&self, file: &Path) -> PathBuf {
        let whole = plain(&self.base.join(file));
        match whole.strip_prefix(plain(self.base)) {
            Ok(inside) => inside.to_owned(),
            Err(_) => whole,
        }
    }
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// What a group says: the message, the rows that have it, the way out.
fn words(group: &Group) -> String {
    let finding = &group.finding;
    let mut words = finding.message.clone();
    if group.count > 1 {
        words.push_str(&format!(" ({} rows: {})", group.count, group.named_rows()));
    } else if let Some(row) = finding.place.row {
        words.push_str(&format!(" (row {row})"));
    }
    if let Some(help) = &finding.help {
        words.push_str(&format!("\n{help}"));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_the_working_directory() {
        let report = Report {
            findings: &Findings::default(),
            rows: None,
            off: &Off::new(),
            campaign: Path::new("campaign.toml"),
            base: Path::new("/home/here"),
        };
        for (file, told) in [
            ("./news/../a/b.html", "a/b.html"),
            ("../there/x", "/home/there/x"),
            ("/home/here/x", "x"),
        ] {
            assert_eq!(report.inside(Path::new(file)), Path::new(told));
        }
    }
}
