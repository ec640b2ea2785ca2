//! Removes the messages of people from the outbox of a local run. No process may write to it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use crate::address::Address;
use crate::durable::sync_dir;

/// The most bytes of headers.
const MAX_HEADERS: u64 = 1 << 20;
const ENVELOPE_TO: &[u8] = b"x-mailrun-envelope-to:";

/// Removes the messages that went to an address, or all messages. Returns their number.
///
/// # Errors
/// The outbox can't be read or written.
pub(crate) fn remove_messages(outbox: &Path, to: Option<&Address>) -> io::Result<u64> {
    let to = to.map(Address::normalized);
    let mut removed = 0;
    for folder in ["tmp", "new", "cur"] {
        let folder = outbox.join(folder);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        let before = removed;
        for entry in entries {
            let entry = entry?;
            if !entry.file_type()?.is_file() {
                continue;
            }
            // What a process left in `tmp` when it died is no message.
            let incomplete = folder.ends_with("tmp");
            let matches = match &to {
                Some(to) => incomplete || went_to(&entry.path(), to)?,
                None => true,
            };
            if matches {
                fs::remove_file(entry.path())?;
                removed += u64::from(!incomplete);
            }
        }
        if removed > before {
            sync_dir(&folder)?;
        }
    }
    Ok(removed)
}

/// Whether one of the recipients of a message is `normalized`.
fn went_to(path: &Path, normalized: &str) -> io::Result<bool> {
    let mut lines = BufReader::new(File::open(path)?.take(MAX_HEADERS));
    let (mut header, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let ended =
            lines.read_until(b'\n', &mut line)? == 0 || line.iter().all(|c| b"\r\n".contains(c));
        // A line that begins with white space continues a header.
        if !ended && line.first().is_some_and(|c| b" \t".contains(c)) {
            header.extend_from_slice(&line);
            continue;
        }
        let name = header.get(..ENVELOPE_TO.len()).unwrap_or_default();
        if name.eq_ignore_ascii_case(ENVELOPE_TO) {
            let value = String::from_utf8_lossy(&header[ENVELOPE_TO.len()..]);
            let address = Address::parse(&value);
            if address.is_ok_and(|address| address.normalized() == normalized) {
                return Ok(true);
            }
        }
        if ended {
            return Ok(false);
        }
        std::mem::swap(&mut header, &mut line);
    }
}
