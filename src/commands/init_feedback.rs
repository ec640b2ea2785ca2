//! `mailrun init --feedback`: a starter with links to unsubscribe, its list and its key.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rand::RngExt as _;

use super::deliver::rng;
use super::failure::Failure;
use super::kept_lists::ListHome;
use crate::campaign::Campaign;
use crate::cli::LedgerOption;
use crate::suppression::KeptList;

/// The file of the starter that the list replaces.
pub(super) const REPLACED: &str = "unsubscribed.csv";
/// The file with the key.
pub(super) const KEY_FILE: &str = "feedback.env";
/// What must not be published.
const IGNORED: &str = "feedback.env\nfeedback.db*\nlists/\nruns/\n";
/// The longest name of a list.
const MAX_NAME: usize = 64;

/// A file of the starter, with links that mailrun makes.
pub(super) fn with_links(name: &str, text: &str, dir: &Path, url: &str) -> String {
    match name {
        "campaign.toml" => {
            let (start, rest) = text
                .split_once("# Additional headers.")
                .unwrap_or((text, ""));
            let (_, end) = rest.split_once("\n\n").unwrap_or(("", rest));
            let list = list_name(dir);
            let files =
                "# Files with addresses that get no message.\nsuppress = [\"unsubscribed.csv\"]";
            let kept = format!(
                "# Who gets no message: files with addresses, and lists that mailrun keeps. `mailrun feedback` adds those who unsubscribe.\n\
                 suppress = [\"@{list}\"]"
            );
            let feedback = format!(
                "[feedback]\n# The public address of `mailrun feedback`. It makes {{{{ unsubscribe_url }}}}, and the headers for unsubscribing by one click.\n\
                 url = \"{url}\"\n\n[pace]"
            );
            format!("{start}{end}")
                .replace(files, &kept)
                .replace("[pace]", &feedback)
        }
        "recipients.csv" => {
            let rows = text
                .lines()
                .map(|row| row.rsplit_once(',').map_or(row, |(row, _)| row));
            rows.map(|row| format!("{row}\n")).collect()
        }
        _ => text.replace(
            "{{ site }}/unsubscribe/{{ token }}",
            "{{ unsubscribe_url }}",
        ),
    }
}

/// Creates the list and the key.
///
/// # Errors
/// They can't be written.
pub(super) fn create(dir: &Path) -> Result<(), Failure> {
    let campaign = Campaign::load(dir)?;
    if let Some(name) = &campaign.feedback.list {
        let home = ListHome::of(&campaign, dir, &LedgerOption { url: None })?;
        KeptList::create(&home.place(&campaign, name))?;
    }
    let key: [u8; 32] = rng().random();
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let env = format!(
        "# The key of the links to unsubscribe. Without it, links in old messages stop working: keep a copy.\n\
         MAILRUN_FEEDBACK_KEY={key}\n"
    );
    for (name, text) in [(KEY_FILE, &*env), (".gitignore", IGNORED)] {
        let path = dir.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| (path, error))?;
    }
    Ok(())
}

/// A list named like the folder.
fn list_name(dir: &Path) -> String {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let name = dir
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(MAX_NAME)
        .collect();
    match plain.trim_matches('-') {
        "" => "news".to_owned(),
        plain => plain.to_owned(),
    }
}
