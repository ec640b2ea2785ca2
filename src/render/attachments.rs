//! Reads and encodes each attachment once, and shares it between rows.

mod own_files;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) use self::own_files::OwnFiles;
use crate::api::WireFormat;
use crate::finding::{Finding, Place};
use crate::message::{Attachment, Attachments, PathError, check_size, inside};

/// How many bytes of base64 are cached. If more is needed, the cache starts afresh.
const MAX_SIZE: usize = 64 << 20;

/// The path of an attachment, as a row has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct AttachmentPath {
    /// The index in the campaign's list of attachments.
    pub(super) position: usize,
    pub(super) path: PathBuf,
    pub(super) inline: bool,
    /// The media type, if the campaign sets it.
    pub(super) media_type: Option<String>,
    /// If the path depends on the row: the folder that it must stay in.
    pub(super) own_folder: Option<PathBuf>,
}

/// A row's own attachment, as it was when the run was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The index in the list of attachments, after those of the variants before.
    pub position: u32,
    /// Inside the campaign's folder.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
}

pub(super) struct AttachmentCache {
    dir: PathBuf,
    own_files: OwnFiles,
    format: &'static dyn WireFormat,
    none: Arc<Attachments>,
    /// The number under which the first attachment in the campaign's list is recorded.
    pub(super) first: u32,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    sets: HashMap<Vec<AttachmentPath>, Arc<Attachments>>,
    /// By the path, whether the file is inline, and its media type.
    files: HashMap<(PathBuf, bool, Option<String>), Arc<Attachment>>,
    size: usize,
}

impl AttachmentCache {
    /// `dir` holds the attachments that all rows share.
    pub(super) fn new(dir: &Path, own_files: OwnFiles, format: &'static dyn WireFormat) -> Self {
        Self {
            dir: dir.to_owned(),
            own_files,
            format,
            none: Arc::new(Attachments::new(Vec::new(), format)),
            first: 0,
            entries: Mutex::default(),
        }
    }

    pub(super) fn none(&self) -> Arc<Attachments> {
        Arc::clone(&self.none)
    }

    /// # Errors
    /// If a file can't be attached, or is not what was `recorded` of it.
    pub(super) fn get(
        &self,
        paths: &[AttachmentPath],
        recorded: &[Recorded],
    ) -> Result<Arc<Attachments>, Box<Finding>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let set = match entries.sets.get(paths) {
            Some(set) => Arc::clone(set),
            None => self.read(paths, &mut entries)?,
        };
        for (file, path) in set.files.iter().zip(paths) {
            if let Some(record) = recorded
                .iter()
                .find(|record| record.position == self.number(path))
                && (record.path != path.path
                    || record.size != file.size
                    || record.sha256 != file.sha256)
            {
                return Err(Box::new(changed(&path.path)));
            }
        }
        Ok(set)
    }

    /// Describes the row's own attachments among `paths`.
    pub(super) fn record(&self, paths: &[AttachmentPath]) -> Result<Vec<Recorded>, Box<Finding>> {
        let set = self.get(paths, &[])?;
        let own = set
            .files
            .iter()
            .zip(paths)
            .filter(|(_, path)| path.own_folder.is_some());
        Ok(own
            .map(|(file, path)| Recorded {
                position: self.number(path),
                path: path.path.clone(),
                size: file.size,
                sha256: file.sha256.clone(),
            })
            .collect())
    }

    fn number(&self, path: &AttachmentPath) -> u32 {
        self.first + path.position as u32
    }

    fn read(
        &self,
        paths: &[AttachmentPath],
        entries: &mut Entries,
    ) -> Result<Arc<Attachments>, Box<Finding>> {
        let files = paths
            .iter()
            .map(|path| self.file(path, entries))
            .collect::<Result<Vec<_>, _>>()?;
        let set = Arc::new(Attachments::new(files, self.format));
        if entries.size + set.encoded.len() > MAX_SIZE {
            *entries = Entries::default();
        }
        entries.size += set.encoded.len();
        entries.sets.insert(paths.to_vec(), Arc::clone(&set));
        Ok(set)
    }

    fn file(
        &self,
        path: &AttachmentPath,
        entries: &mut Entries,
    ) -> Result<Arc<Attachment>, Box<Finding>> {
        let full = match &path.own_folder {
            Some(folder) => self.own_files.find(&path.path, folder),
            None => inside(&self.dir, &path.path),
        };
        let full = full.map_err(|error| refused(&error, path))?;
        let key = (full, path.inline, path.media_type.clone());
        if let Some(file) = entries.files.get(&key) {
            return Ok(Arc::clone(file));
        }
        check_size(&key.0, &path.path).map_err(|error| refused(&error, path))?;
        let file = Attachment::read(&key.0, path.inline, path.media_type.as_deref())
            .map_err(|error| refused(&PathError::Missing(path.path.clone(), error), path))?;
        let file = Arc::new(file);
        entries.size += file.base64.len();
        entries.files.insert(key, Arc::clone(&file));
        Ok(file)
    }
}

fn refused(error: &PathError, path: &AttachmentPath) -> Box<Finding> {
    let is_own = path.own_folder.is_some();
    let separator = [';', ',', '|', '\n']
        .into_iter()
        .find(|separator| is_own && path.path.to_string_lossy().contains(*separator));
    let help = match (error, separator) {
        (PathError::Missing(..), Some(separator)) => several(separator),
        (PathError::TooLarge { .. }, _) => {
            "link to the file instead, or make it smaller".to_owned()
        }
        (PathError::OtherFolder(..), _) => {
            "correct the cell; a row can choose only among the files in that folder".to_owned()
        }
        (PathError::Protected(_), _) => "keep the attachments in a folder of their own, and write it in the path: \"files/{{ name }}\"".to_owned(),
        (PathError::Missing(..), None) if path.path.to_string_lossy().contains('\\') => {
            "write / between folders, not \\".to_owned()
        }
        _ => "attach files from inside the campaign's folder".to_owned(),
    };
    let (code, problem) = match error {
        PathError::Missing(..) => ("attachment", "is missing"),
        PathError::NotAFile(_) => ("attachment", "is not a file"),
        PathError::Outside(_) => ("attachment", "is outside"),
        PathError::OtherFolder(..) => ("attachment", "is in another folder"),
        PathError::Protected(_) => ("attachment", "is protected"),
        PathError::TooLarge { .. } => ("over-limit", "is too large"),
    };
    let finding = Finding::error(code, Place::default(), error.to_string());
    // The rows of a list may each name another file.
    let kind = format!("attachment {} {problem}: {help}", path.position);
    Box::new(finding.kind(kind).help(help))
}

/// What to do about several files in one cell.
fn several(separator: char) -> String {
    let separator = separator.to_string();
    format!(
        "an entry attaches one file; for several files in a cell, write one [[message.attachments]] for each, \
         such as path = '{{{{ files | split(pat={separator:?}) | nth(n=0) }}}}', then n=1 and so on"
    )
}

fn changed(path: &Path) -> Finding {
    let message = format!("{} has changed since the run was planned", path.display());
    Finding::error("attachment-changed", Place::default(), message)
}
