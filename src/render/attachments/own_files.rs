//! Which files a row may attach. A cell is data: it may choose a file, but not any file.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::campaign::{Campaign, RUNS, TEMPLATES};
use crate::message::{PathError, inside};

pub(in crate::render) struct OwnFiles {
    /// The campaign's folder.
    dir: PathBuf,
    /// The campaign's file and its lists, by device and inode: names may differ in case or be links.
    protected: Vec<(u64, u64)>,
}

impl OwnFiles {
    pub(in crate::render) fn new(dir: &Path, campaign: &Campaign) -> Self {
        let files = Campaign::lists(dir).into_iter();
        let files = files.chain([
            campaign.recipients_path(),
            campaign.source.path.clone(),
            Campaign::file(dir),
        ]);
        Self {
            dir: dir.to_owned(),
            protected: files.filter_map(|file| identity(&file)).collect(),
        }
    }

    /// Resolves a path that a row chose. `folder` is the part of it that `campaign.toml` fixes.
    ///
    /// # Errors
    /// If there is no such file, or no row may attach it.
    pub(in crate::render) fn find(&self, path: &Path, folder: &Path) -> Result<PathBuf, PathError> {
        let other = || match folder.as_os_str().is_empty() {
            true => PathError::Outside(path.to_owned()),
            false => PathError::OtherFolder(path.to_owned(), folder.to_owned()),
        };
        let chosen = path.strip_prefix(folder).map_err(|_| other())?;
        let is_name =
            |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !chosen.components().all(is_name) {
            return Err(other());
        }
        let protected = || PathError::Protected(path.to_owned());
        let is_hidden = |part: &OsStr| part.as_encoded_bytes().starts_with(b".");
        let mut parts = chosen.components();
        if parts.any(|part| matches!(part, Component::Normal(name) if is_hidden(name))) {
            return Err(protected());
        }
        let full = inside(&self.dir, path)?;
        let is_inside = |folder: &str| {
            let folder = self.dir.join(folder).canonicalize();
            folder.is_ok_and(|folder| full.starts_with(folder))
        };
        let is_protected = identity(&full).is_some_and(|file| self.protected.contains(&file));
        if is_protected || is_inside(TEMPLATES) || is_inside(RUNS) {
            return Err(protected());
        }
        Ok(full)
    }
}

fn identity(file: &Path) -> Option<(u64, u64)> {
    let metadata = file.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}
