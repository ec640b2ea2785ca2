//! What has to outlive a cut of the power: names and files are on the disk only once they are synced.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes the names in a folder durable.
///
/// # Errors
/// When the system could not write them.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    match File::open(dir)?.sync_all() {
        // Some network file systems can't sync a folder, and need not.
        Err(error) if can_not(&error) => Ok(()),
        result => result,
    }
}

fn can_not(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];
    kinds.contains(&error.kind())
}

/// Makes everything in a folder durable, but not the folder's own name.
///
/// # Errors
/// When something can't be read, or the system could not write it.
pub fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(path)?.sync_all()?;
        }
    }
    sync_dir(dir)
}

/// Makes a folder for its owner alone, with those above it that are missing; durable when it returns.
///
/// # Errors
/// When that can't be done.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    let missing = dir.ancestors().take_while(|dir| !dir.exists()).count();
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let above = dir.ancestors().skip(1);
    above.take(missing).try_for_each(sync_dir)
}
