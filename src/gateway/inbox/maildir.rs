//! Indexes the messages of a Maildir while another process adds to it. The files stay in place.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::gateway::capture::described;
use crate::gateway::store::{MAX_SIZE, NewMessage, Store, StoreError, insert_message};
use crate::regular_file;
use crate::web::{Mail, MailHeader};

/// How many messages are indexed in one commit.
const BATCH: usize = 500;
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Why a Maildir can't be indexed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error("can't read {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Indexes the messages of a Maildir, and those that arrive later, until `stopped` returns true. Files
/// that are not messages are skipped.
///
/// # Errors
/// The folder can't be read, or the store can't be written.
pub fn follow(
    store: &Store,
    maildir: &Path,
    stopped: &dyn Fn() -> bool,
) -> Result<(), FollowError> {
    let mut index = MaildirIndex::load(store)?;
    let mut folders = ["new", "cur"].map(|name| PolledFolder::new(maildir.join(name)));
    while !stopped() {
        let mut files = Vec::new();
        for folder in &mut folders {
            files.extend(folder.unindexed_files(&index)?);
        }
        files.sort();
        for batch in files.chunks(BATCH) {
            if stopped() {
                return Ok(());
            }
            index.add(store, batch)?;
        }
        if files.is_empty() {
            std::thread::sleep(POLL_INTERVAL);
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct MaildirFile {
    /// Without the flags after the colon, which change when the message is read.
    name: String,
    path: PathBuf,
}

impl MaildirFile {
    fn new(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let name = name.split(':').next().unwrap_or(name).to_owned();
        // Hidden files are not messages.
        (!name.starts_with('.')).then_some(Self { name, path })
    }
}

/// A folder that is read only after its modification time has changed.
struct PolledFolder {
    path: PathBuf,
    /// The modification time at the last reading, if that returned no files.
    quiet_since: Option<SystemTime>,
}

impl PolledFolder {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            quiet_since: None,
        }
    }

    /// The files that are not in the index, or are there under another path.
    fn unindexed_files(&mut self, index: &MaildirIndex) -> Result<Vec<MaildirFile>, FollowError> {
        let io_error = |error| FollowError::Io {
            path: self.path.clone(),
            error,
        };
        let modified = match fs::symlink_metadata(&self.path) {
            Ok(folder) if !folder.is_dir() => {
                return Err(io_error(io::Error::other("it is not a folder")));
            }
            Ok(folder) => folder.modified().ok(),
            // The first message creates it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error(error)),
        };
        if modified.is_some() && modified == self.quiet_since {
            return Ok(Vec::new());
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(io_error)? {
            files.extend(MaildirFile::new(entry.map_err(io_error)?.path()));
        }
        files.retain(|file| !index.contains(file));
        self.quiet_since = modified.filter(|_| files.is_empty());
        Ok(files)
    }
}

struct MaildirIndex {
    /// The paths of the messages in the store, by the name of the file.
    paths: HashMap<String, PathBuf>,
    /// The names of files that are not messages.
    skipped: HashSet<String>,
}

impl MaildirIndex {
    fn load(store: &Store) -> Result<Self, StoreError> {
        let paths = store.read(|connection| {
            let mut select =
                connection.prepare("SELECT path FROM message WHERE path IS NOT NULL")?;
            let paths = select.query_map([], |row| Ok(PathBuf::from(row.get::<_, String>(0)?)))?;
            paths.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let files = paths.into_iter().filter_map(MaildirFile::new);
        Ok(Self {
            paths: files.map(|file| (file.name, file.path)).collect(),
            skipped: HashSet::new(),
        })
    }

    fn contains(&self, file: &MaildirFile) -> bool {
        self.paths.get(&file.name) == Some(&file.path) || self.skipped.contains(&file.name)
    }

    /// Adds new messages to the store, and updates the paths of moved ones.
    fn add(&mut self, store: &Store, files: &[MaildirFile]) -> Result<(), StoreError> {
        let mut messages = Vec::with_capacity(files.len());
        let mut moved = Vec::new();
        for file in files {
            let Some(path) = file.path.to_str() else {
                continue;
            };
            if self.paths.contains_key(&file.name) {
                moved.push((uid(&file.name), path.to_owned()));
            } else {
                let raw = regular_file::read_unlinked(&file.path, MAX_SIZE);
                if let Err(error) = &raw {
                    tracing::warn!(file = path, %error, "skipped a file in the outbox");
                }
                match raw.ok().and_then(|raw| message(file, path, &raw)) {
                    Some(message) => messages.push(message),
                    None => {
                        self.skipped.insert(file.name.clone());
                        continue;
                    }
                }
            }
            self.paths.insert(file.name.clone(), file.path.clone());
        }
        store.write_blocking(move |connection| {
            messages
                .iter()
                .try_for_each(|message| insert_message(connection, message).map(drop))?;
            moved
                .iter()
                .try_for_each(|(uid, path)| set_path(connection, uid, path))
        })
    }
}

fn set_path(connection: &Connection, uid: &str, path: &str) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached("UPDATE message SET path = ? WHERE uid = ?")?;
    update.execute([path, uid]).map(drop)
}

/// The UID of a message. It depends only on the name of the file.
fn uid(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn message(file: &MaildirFile, path: &str, raw: &[u8]) -> Option<NewMessage> {
    let mail = Mail::parse(raw)?;
    let headers = mail.headers();
    let values = |name| header_values(&headers, name);
    let first = |name| values(name).next().unwrap_or_default().to_owned();
    let envelope: Vec<_> = values("X-Mailrun-Envelope-To").collect();
    let tags: Vec<_> = values("X-Mailrun-Tag").collect();
    Some(NewMessage {
        path: Some(path.to_owned()),
        uid: uid(&file.name),
        account: first("X-Mailrun-Account"),
        envelope_from: first("X-Mailrun-Envelope-From"),
        copies: json!(envelope.get(1..).unwrap_or_default()).to_string(),
        tags: json!(tags).to_string(),
        created_at: time(file, mail.message()),
        size: raw.len(),
        ..described(&mail)
    })
}

fn header_values<'a>(headers: &'a [MailHeader], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(MailHeader::text)
}

/// When the message arrived: from the name of the file, its `Date` header, or the file system.
fn time(file: &MaildirFile, message: &mail_parser::Message<'_>) -> Timestamp {
    let from_name = || {
        let (seconds, rest) = file.name.split_once('.')?;
        let micros = rest
            .strip_prefix('M')
            .and_then(|rest| rest.get(..6)?.parse().ok());
        Timestamp::new(seconds.parse().ok()?, micros.unwrap_or(0) * 1000).ok()
    };
    let from_header = || Timestamp::from_second(message.date()?.to_timestamp()).ok();
    let modified = || Timestamp::try_from(fs::metadata(&file.path).ok()?.modified().ok()?).ok();
    from_name()
        .or_else(from_header)
        .or_else(modified)
        .unwrap_or(Timestamp::UNIX_EPOCH)
}
