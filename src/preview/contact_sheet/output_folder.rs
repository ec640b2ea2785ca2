//! Clears the folder of `mailrun preview --out`: removes the files of an earlier preview, and nothing else.

use std::fs;
use std::io;
use std::path::Path;

use super::ContactSheetError;

/// The contact sheet. [`MARK`] in it shows that the numbered files beside it are a preview's.
pub(super) const INDEX: &str = "index.html";
const MARK: &str = "<meta name=\"generator\" content=\"mailrun preview\">";
/// The extensions of a message's files.
const EXTENSIONS: [&str; 5] = ["eml", "html", "txt", "preview.html", "html.txt"];
/// The fewest digits of a row number in a file name.
const DIGITS: usize = 5;

/// Removes the files of an earlier preview.
///
/// # Errors
/// When a file has a name that a preview would use, but no preview wrote it; or on I/O errors.
pub(super) fn clear(dir: &Path) -> Result<(), ContactSheetError> {
    let failed = |error| ContactSheetError::Io(dir.to_owned(), error);
    let names = match preview_files(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names.map_err(failed)?,
    };
    if let Some(name) = names.first().filter(|_| !is_preview(dir)) {
        return Err(ContactSheetError::NotOurs(dir.join(name)));
    }
    // The contact sheet stays until it is overwritten: it marks the other files as a preview's.
    let mut numbered = names.iter().filter(|name| *name != INDEX);
    numbered
        .try_for_each(|name| fs::remove_file(dir.join(name)))
        .map_err(failed)
}

/// The files with names that a preview uses.
fn preview_files(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        if let Ok(name) = entry?.file_name().into_string()
            && (name == INDEX || is_numbered(&name))
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn is_numbered(name: &str) -> bool {
    name.split_once('.').is_some_and(|(number, extension)| {
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        digits && number.len() >= DIGITS && EXTENSIONS.contains(&extension)
    })
}

fn is_preview(dir: &Path) -> bool {
    let sheet = fs::read_to_string(dir.join(INDEX));
    sheet.is_ok_and(|sheet| sheet.contains(MARK))
}
