//! The folder that the files of a preview are in: what an older preview left there is removed, and what
//! anybody else put there is left alone.

use std::fs;
use std::io;
use std::path::Path;

use super::sheet::SheetError;

/// The sheet of all. Its mark says that the numbered files beside it are a preview's.
pub(super) const INDEX: &str = "index.html";
/// What a sheet has near its beginning.
const MARK: &str = "<meta name=\"generator\" content=\"mailrun preview\">";
/// The endings of a message's files.
const ENDINGS: [&str; 4] = ["eml", "html", "txt", "preview.html"];
/// The fewest digits of a row's number in a name.
const DIGITS: usize = 5;

/// Removes what an older preview left.
///
/// # Errors
/// When there are files of such names that no preview has made, or they can't be removed.
pub(super) fn clear(dir: &Path) -> Result<(), SheetError> {
    let failed = |error| SheetError::Io(dir.to_owned(), error);
    let names = match names(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names.map_err(failed)?,
    };
    if let Some(name) = names.first().filter(|_| !is_ours(dir)) {
        return Err(SheetError::NotOurs(dir.join(name)));
    }
    // The sheet is written over: until then it says whose the others are.
    let mut numbered = names.iter().filter(|name| *name != INDEX);
    numbered
        .try_for_each(|name| fs::remove_file(dir.join(name)))
        .map_err(failed)
}

/// The files that a preview would have, or write over.
fn names(dir: &Path) -> io::Result<Vec<String>> {
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
    name.split_once('.').is_some_and(|(number, ending)| {
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        digits && number.len() >= DIGITS && ENDINGS.contains(&ending)
    })
}

fn is_ours(dir: &Path) -> bool {
    let sheet = fs::read_to_string(dir.join(INDEX));
    sheet.is_ok_and(|sheet| sheet.contains(MARK))
}
