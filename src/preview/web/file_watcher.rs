//! Detects saves by polling the campaign's files, which works with every editor, file system and
//! container.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::live_campaign::LiveCampaign;

const INTERVAL: Duration = Duration::from_millis(300);
/// The most files to watch. A campaign with more has an attachment for each row.
const MAX_FILES: usize = 10_000;
/// A folder of the campaign that is not watched: what was sent.
const RUNS: &str = "runs";
/// The files of kept lists, some of which change when the lists are read.
const DATABASES: [&str; 3] = [".db", ".db-wal", ".db-shm"];

/// The modification time and the length of each file.
type FileStamps = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// Loads the campaign again after each save. Never returns.
pub(super) async fn watch(live: Arc<LiveCampaign>) {
    let mut loaded = stamps(&live).await;
    loop {
        sleep(INTERVAL).await;
        let mut now = stamps(&live).await;
        if now == loaded {
            continue;
        }
        // Wait until an editor or a program has finished writing.
        loop {
            sleep(INTERVAL / 6).await;
            let next = stamps(&live).await;
            if next == now {
                break;
            }
            now = next;
        }
        loaded = now;
        let live = Arc::clone(&live);
        if spawn_blocking(move || live.load()).await.is_err() {
            tracing::error!("can't load the campaign again");
        }
    }
}

async fn stamps(live: &Arc<LiveCampaign>) -> FileStamps {
    let (folder, lists) = live.files();
    let stamps = spawn_blocking(move || {
        let mut stamps = folder_stamps(&folder);
        for list in lists {
            let data = std::fs::metadata(&list).ok();
            add(list, data.as_ref(), &mut stamps);
        }
        stamps
    });
    stamps.await.unwrap_or_default()
}

fn folder_stamps(folder: &Path) -> FileStamps {
    let mut stamps = FileStamps::new();
    walk(folder, &mut BTreeSet::new(), &mut stamps);
    stamps
}

/// Follows symbolic links, but visits each folder once: a link may lead to a parent.
fn walk(folder: &Path, visited: &mut BTreeSet<PathBuf>, stamps: &mut FileStamps) {
    let top = visited.is_empty();
    let is_new = folder.canonicalize().is_ok_and(|it| visited.insert(it));
    let entries = is_new.then(|| std::fs::read_dir(folder).ok()).flatten();
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if stamps.len() >= MAX_FILES || hidden || (top && name == RUNS) {
            continue;
        }
        let path = entry.path();
        match std::fs::metadata(&path) {
            Ok(data) if data.is_dir() => walk(&path, visited, stamps),
            data => add(path, data.as_ref().ok(), stamps),
        }
    }
}

fn add(file: PathBuf, data: Option<&Metadata>, stamps: &mut FileStamps) {
    let name = file.file_name().unwrap_or_default().as_encoded_bytes();
    if DATABASES.iter().any(|end| name.ends_with(end.as_bytes())) {
        return;
    }
    let modified = data.and_then(|data| data.modified().ok());
    stamps.insert(file, (modified, data.map_or(0, Metadata::len)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_detected_except_in_runs_and_hidden_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let stamps = || folder_stamps(folder.path());
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("room");
        };
        write("campaign.toml", "a");
        let first = stamps();
        write("templates/sub/a.html", "a");
        let second = stamps();
        assert_ne!(first, second);
        write("runs/1/results.csv", "a");
        write("templates/.a.html.swp", "a");
        write("lists/acme.db-shm", "a");
        assert_eq!(stamps(), second);
        write("templates/sub/a.html", "ab");
        assert_ne!(stamps(), second);
        std::fs::remove_file(folder.path().join("templates/sub/a.html")).expect("it exists");
        assert_eq!(stamps(), first);
    }
}
