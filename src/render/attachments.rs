//! The attachments of rows: each file read and encoded once, and shared.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::finding::{Finding, Place};
use crate::message::{Attachment, Attachments, PathError, inside};

/// How many bytes of base64 are kept for rows to come; the rest is read again.
const KEEP: usize = 64 << 20;

/// A file that a row's message wants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    /// Its place in the campaign's list.
    pub(super) position: usize,
    pub(super) path: PathBuf,
    pub(super) inline: bool,
    /// The row's own, not the same for all.
    pub(super) own: bool,
}

/// What a row's own attachment was when the run was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the campaign's list.
    pub position: u32,
    /// Its path inside the campaign's folder.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// The attachments that have been read.
pub(super) struct Shelf {
    dir: PathBuf,
    own_dir: PathBuf,
    none: Arc<Attachments>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    sets: HashMap<Vec<Wanted>, Arc<Attachments>>,
    files: HashMap<(PathBuf, bool), Arc<Attachment>>,
    bytes: usize,
}

impl Shelf {
    pub(super) fn new(dir: &Path, own_dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            own_dir: own_dir.to_owned(),
            none: Arc::default(),
            kept: Mutex::default(),
        }
    }

    pub(super) fn none(&self) -> Arc<Attachments> {
        Arc::clone(&self.none)
    }

    /// The attachments for `wanted`, as they were `recorded` if they were.
    pub(super) fn get(
        &self,
        wanted: &[Wanted],
        recorded: &[Recorded],
    ) -> Result<Arc<Attachments>, Box<Finding>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let set = match kept.sets.get(wanted) {
            Some(set) => Arc::clone(set),
            None => self.read(wanted, &mut kept)?,
        };
        for (file, wanted) in set.files.iter().zip(wanted) {
            if let Some(record) = recorded
                .iter()
                .find(|record| record.position as usize == wanted.position)
                && (record.path != wanted.path
                    || record.size != file.size
                    || record.sha256 != file.sha256)
            {
                return Err(Box::new(changed(&wanted.path)));
            }
        }
        Ok(set)
    }

    /// What to record of the row's own among `wanted`.
    pub(super) fn record(&self, wanted: &[Wanted]) -> Result<Vec<Recorded>, Box<Finding>> {
        let set = self.get(wanted, &[])?;
        let own = set
            .files
            .iter()
            .zip(wanted)
            .filter(|(_, wanted)| wanted.own);
        Ok(own
            .map(|(file, wanted)| Recorded {
                position: wanted.position as u32,
                path: wanted.path.clone(),
                size: file.size,
                sha256: file.sha256.clone(),
            })
            .collect())
    }

    fn read(&self, wanted: &[Wanted], kept: &mut Kept) -> Result<Arc<Attachments>, Box<Finding>> {
        let files = wanted
            .iter()
            .map(|wanted| self.file(wanted, kept))
            .collect::<Result<Vec<_>, _>>()?;
        let set = Arc::new(Attachments::new(files));
        if kept.bytes + set.form.len() > KEEP {
            *kept = Kept::default();
        }
        kept.bytes += set.form.len();
        kept.sets.insert(wanted.to_vec(), Arc::clone(&set));
        Ok(set)
    }

    fn file(&self, wanted: &Wanted, kept: &mut Kept) -> Result<Arc<Attachment>, Box<Finding>> {
        let dir = if wanted.own { &self.own_dir } else { &self.dir };
        let path = inside(dir, &wanted.path).map_err(|error| refused(&error))?;
        let key = (path, wanted.inline);
        if let Some(file) = kept.files.get(&key) {
            return Ok(Arc::clone(file));
        }
        let file = Attachment::read(&key.0, wanted.inline)
            .map_err(|error| refused(&PathError::Missing(wanted.path.clone(), error)))?;
        let file = Arc::new(file);
        kept.bytes += file.base64.len();
        kept.files.insert(key, Arc::clone(&file));
        Ok(file)
    }
}

fn refused(error: &PathError) -> Box<Finding> {
    let finding = Finding::error("attachment", Place::default(), error.to_string());
    Box::new(finding.help("attachments are files inside the campaign's folder"))
}

fn changed(path: &Path) -> Finding {
    let message = format!(
        "{} is not the file any more that it was when the run was planned",
        path.display()
    );
    Finding::error("attachment-changed", Place::default(), message)
}
