//! Reads regular files of a limited size: never a FIFO or a device, which may have no end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Reads a file of at most `max` bytes.
///
/// # Errors
/// If it is no regular file, is larger, or can't be read.
pub(crate) fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    read_file(open(path)?, max)
}

/// The same, but for a link it is an error.
///
/// # Errors
/// The same.
pub(crate) fn read_unlinked(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    if path.symlink_metadata()?.is_symlink() {
        return Err(io::Error::other("it is a link"));
    }
    read_file(open_with(path, OFlags::NOFOLLOW)?, max)
}

/// Opens a file for reading.
///
/// # Errors
/// If it is no regular file, or can't be opened.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::empty())
}

fn open_with(path: &Path, flags: OFlags) -> io::Result<File> {
    // NONBLOCK, because opening a FIFO would wait for its other end.
    let flags = flags | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

fn read_file(file: File, max: u64) -> io::Result<Vec<u8>> {
    let too_large = |size| io::Error::other(format!("it has {size} bytes; the maximum is {max}"));
    let size = file.metadata()?.len();
    if size > max {
        return Err(too_large(size));
    }
    let mut content = Vec::with_capacity(size as usize);
    file.take(max + 1).read_to_end(&mut content)?;
    match content.len() as u64 {
        size if size > max => Err(too_large(size)),
        _ => Ok(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a");
        std::fs::write(&path, "abc").expect("a file");
        assert_eq!(read(&path, 3).expect("content"), b"abc");
        assert!(read(&path, 2).is_err());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert_eq!(read(&link, 3).expect("content"), b"abc");
        assert!(read_unlinked(&link, 3).is_err());
        assert_eq!(read_unlinked(&path, 3).expect("content"), b"abc");
        for other in [dir.path(), Path::new("/dev/zero")] {
            assert!(read(other, 3).is_err(), "{}", other.display());
        }
        let fifo = dir.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).expect("a FIFO");
        assert!(read(&fifo, 3).is_err());
    }
}
