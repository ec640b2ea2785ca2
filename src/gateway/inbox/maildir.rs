//! A Maildir that others fill, shown as it grows: its files are read, and stay where they are.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::gateway::capture::snippet;
use crate::gateway::store::{NewMessage, Status, Store, StoreError, insert_message};
use crate::web::{Header, Mail};

/// How many messages are put into the store in one commit: so many appear at a time.
const BATCH: usize = 500;
/// How long to wait between two looks at the folder.
const LOOK: Duration = Duration::from_millis(200);

/// Why a Maildir can't be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The folder can't be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The store can't be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts every message of a Maildir into a store, by its path, and then every one that comes, until
/// `ended` says so. A file that is no message is passed over.
///
/// # Errors
/// A folder that can't be read, or a store that can't be written.
pub fn follow(store: &Store, maildir: &Path, ended: &dyn Fn() -> bool) -> Result<(), FollowError> {
    let mut known = Known::read(store)?;
    let mut folders = ["new", "cur"].map(|name| Watched::new(maildir.join(name)));
    while !ended() {
        let mut found = Vec::new();
        for folder in &mut folders {
            found.extend(folder.files(&known)?);
        }
        found.sort();
        for files in found.chunks(BATCH) {
            if ended() {
                return Ok(());
            }
            known.put(store, files)?;
        }
        if found.is_empty() {
            std::thread::sleep(LOOK);
        }
    }
    Ok(())
}

/// A file of a Maildir; what follows the colon says whether it was seen, and can change.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    name: String,
    path: PathBuf,
}

impl Found {
    fn new(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let name = name.split(':').next().unwrap_or(name).to_owned();
        // Files that begin with a dot are no messages.
        (!name.starts_with('.')).then_some(Self { name, path })
    }
}

/// A folder that is read again only when something has changed in it.
struct Watched {
    path: PathBuf,
    /// Its time when it was last read, if that found nothing.
    quiet_since: Option<SystemTime>,
}

impl Watched {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            quiet_since: None,
        }
    }

    /// The files in it that are not known, or not known to be there.
    fn files(&mut self, known: &Known) -> Result<Vec<Found>, FollowError> {
        let failed = |error| FollowError::Io {
            path: self.path.clone(),
            error,
        };
        let changed = match fs::metadata(&self.path) {
            Ok(folder) => folder.modified().ok(),
            // It is made when the first message comes.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        if changed.is_some() && changed == self.quiet_since {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            found.extend(Found::new(entry.map_err(failed)?.path()));
        }
        found.retain(|file| !known.has(file));
        self.quiet_since = changed.filter(|_| found.is_empty());
        Ok(found)
    }
}

/// The files that are in the store, and those that can't be.
struct Known {
    paths: HashMap<String, PathBuf>,
    no_messages: HashSet<String>,
}

impl Known {
    fn read(store: &Store) -> Result<Self, StoreError> {
        let paths = store.read(|connection| {
            let mut select =
                connection.prepare("SELECT path FROM message WHERE path IS NOT NULL")?;
            let paths = select.query_map([], |row| Ok(PathBuf::from(row.get::<_, String>(0)?)))?;
            paths.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let found = paths.into_iter().filter_map(Found::new);
        Ok(Self {
            paths: found.map(|file| (file.name, file.path)).collect(),
            no_messages: HashSet::new(),
        })
    }

    fn has(&self, file: &Found) -> bool {
        self.paths.get(&file.name) == Some(&file.path) || self.no_messages.contains(&file.name)
    }

    /// Puts files into the store; of those that have moved the path.
    fn put(&mut self, store: &Store, files: &[Found]) -> Result<(), StoreError> {
        let mut messages = Vec::with_capacity(files.len());
        let mut moved = Vec::new();
        for file in files {
            // Removed meanwhile, it is not found again.
            let Some(path) = file.path.to_str() else {
                continue;
            };
            if self.paths.contains_key(&file.name) {
                moved.push((uid(&file.name), path.to_owned()));
            } else if let Some(message) = fs::read(path)
                .ok()
                .and_then(|raw| message(file, path, &raw))
            {
                messages.push(message);
            } else {
                self.no_messages.insert(file.name.clone());
                continue;
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

/// The public name of a message: the same whenever its file is read.
fn uid(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn message(file: &Found, path: &str, raw: &[u8]) -> Option<NewMessage> {
    let mail = Mail::read(raw)?;
    let headers = mail.headers();
    let kept = |name| all(&headers, name);
    let first = |name| kept(name).next().unwrap_or_default().to_owned();
    let envelope: Vec<_> = kept("X-Mailrun-Envelope-To").collect();
    let tags: Vec<_> = kept("X-Mailrun-Tag").collect();
    let parsed = mail.message();
    let [from, to] = [parsed.from(), parsed.to()].map(|list| {
        let first = list.and_then(mail_parser::Address::first);
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        first.map_or_else(Default::default, |one| {
            (text(one.name()), text(one.address()))
        })
    });
    let files = mail.files();
    let has_html = mail.html().is_some();
    Some(NewMessage {
        request: None,
        body: None,
        head: Vec::new(),
        path: Some(path.to_owned()),
        uid: uid(&file.name),
        message_id: parsed.message_id().unwrap_or_default().to_owned(),
        account: first("X-Mailrun-Account"),
        envelope_from: first("X-Mailrun-Envelope-From"),
        from_address: from.1,
        from_name: from.0,
        to_address: to.1,
        to_name: to.0,
        copies: json!(envelope.get(1..).unwrap_or_default()).to_string(),
        subject: parsed.subject().unwrap_or_default().to_owned(),
        tags: json!(tags).to_string(),
        created_at: time(file, parsed),
        size: raw.len(),
        has_attachment: files.iter().any(|file| !(file.inline && has_html)),
        status: Status::Ok,
        snippet: snippet(mail.text(), mail.html()),
    })
}

fn all<'a>(headers: &'a [Header], name: &'a str) -> impl Iterator<Item = &'a str> {
    let named = headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.map(Header::text)
}

/// When it came: as the file's name says, else as the message says, else as the file system says.
fn time(file: &Found, message: &mail_parser::Message<'_>) -> Timestamp {
    let named = || {
        let (seconds, rest) = file.name.split_once('.')?;
        let micros = rest
            .strip_prefix('M')
            .and_then(|rest| rest.get(..6)?.parse().ok());
        Timestamp::new(seconds.parse().ok()?, micros.unwrap_or(0) * 1000).ok()
    };
    let dated = || Timestamp::from_second(message.date()?.to_timestamp()).ok();
    let modified = || Timestamp::try_from(fs::metadata(&file.path).ok()?.modified().ok()?).ok();
    named()
        .or_else(dated)
        .or_else(modified)
        .unwrap_or(Timestamp::UNIX_EPOCH)
}
