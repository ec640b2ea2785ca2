//! Sees when a file of the campaign was saved, by looking at all of them again and again: that holds
//! for every editor, file system and container.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::site::Site;

/// How often it looks.
const OFTEN: Duration = Duration::from_millis(300);
/// The most files that are looked at: beyond them are the rows' own attachments.
const MOST: usize = 10_000;
/// A folder of the campaign that it does not look at: what was sent.
const RUNS: &str = "runs";

/// When each file was saved, and how long it is.
type Seen = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Reads the campaign again whenever it was saved; without an end.
pub(super) async fn watch(site: Arc<Site>) {
    let mut seen = look(&site).await;
    loop {
        sleep(OFTEN).await;
        let mut now = look(&site).await;
        if now == seen {
            continue;
        }
        // An editor, or a program that writes many rows, may be in the middle of it.
        loop {
            sleep(OFTEN / 6).await;
            let next = look(&site).await;
            if next == now {
                break;
            }
            now = next;
        }
        seen = now;
        let site = Arc::clone(&site);
        if spawn_blocking(move || site.load()).await.is_err() {
            tracing::error!("the campaign can't be read again");
        }
    }
}

async fn look(site: &Arc<Site>) -> Seen {
    let (folder, lists) = site.files();
    let looked = spawn_blocking(move || {
        let mut seen = all(&folder);
        for list in lists {
            let data = std::fs::metadata(&list).ok();
            note(list, data.as_ref(), &mut seen);
        }
        seen
    });
    looked.await.unwrap_or_default()
}

/// All files in a folder.
fn all(folder: &Path) -> Seen {
    let mut seen = Seen::new();
    walk(folder, &mut BTreeSet::new(), &mut seen);
    seen
}

/// Goes through a folder, behind links too, but through none twice: a link may lead back.
fn walk(folder: &Path, walked: &mut BTreeSet<PathBuf>, seen: &mut Seen) {
    let top = walked.is_empty();
    let is_new = folder.canonicalize().is_ok_and(|it| walked.insert(it));
    let entries = is_new.then(|| std::fs::read_dir(folder).ok()).flatten();
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if seen.len() >= MOST || hidden || (top && name == RUNS) {
            continue;
        }
        let path = entry.path();
        match std::fs::metadata(&path) {
            Ok(data) if data.is_dir() => walk(&path, walked, seen),
            data => note(path, data.as_ref().ok(), seen),
        }
    }
}

fn note(file: PathBuf, data: Option<&Metadata>, seen: &mut Seen) {
    let saved = data.and_then(|data| data.modified().ok());
    seen.insert(file, (saved, data.map_or(0, Metadata::len)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_what_is_written_removed_or_made_but_no_runs() {
        let folder = tempfile::tempdir().expect("a folder");
        let look = || all(folder.path());
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("room");
        };
        write("campaign.toml", "a");
        let first = look();
        write("templates/sub/a.html", "a");
        let second = look();
        assert_ne!(first, second);
        write("runs/1/results.csv", "a");
        write("templates/.a.html.swp", "a");
        assert_eq!(look(), second);
        write("templates/sub/a.html", "ab");
        assert_ne!(look(), second);
        std::fs::remove_file(folder.path().join("templates/sub/a.html")).expect("it is there");
        assert_eq!(look(), first);
    }
}
