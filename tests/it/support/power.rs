//! What a power failure leaves of a folder: everything that was synced, and a random part of the rest.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::shim::Event;

/// What happens to writes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// They are lost.
    Lost,
    /// They are kept.
    Kept,
    /// Each is lost or kept.
    Some,
    /// Each block of this size of each of them is lost or kept.
    Torn(usize),
}

impl Unsynced {
    pub const ALL: [Self; 5] = [
        Self::Lost,
        Self::Kept,
        Self::Some,
        Self::Torn(512),
        Self::Torn(4096),
    ];

    fn keeps(self, rng: &mut StdRng) -> bool {
        match self {
            Self::Lost => false,
            Self::Kept => true,
            Self::Some | Self::Torn(_) => rng.random(),
        }
    }
}

/// A power failure.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// How many of the events have happened.
    pub after: usize,
    /// What happens to writes that were not synced.
    pub unsynced: Unsynced,
    /// Whether syncs count. Without them, nothing is known to be on the disk.
    pub believe: bool,
    /// The seed of the random numbers.
    pub seed: u64,
}

/// What a name refers to.
#[derive(Clone, Copy)]
enum Entry {
    Folder,
    /// The file with this number, in the order of creation.
    File(usize),
}

/// Writes to `to` what a power failure leaves of `from`, in which `events` happened. Files from before
/// the first event are copied unchanged.
pub fn cut_power(from: &Path, events: &[Event], cut: Cut, to: &Path) {
    let mut rng = StdRng::seed_from_u64(cut.seed);
    let events = &events[..cut.after];
    let synced = Synced::of(events, cut.believe);
    let mut files: Vec<Vec<u8>> = Vec::new();
    let mut names: BTreeMap<&Path, Entry> = BTreeMap::new();
    let mut numbers: HashMap<u64, usize> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        match event {
            Event::Write { file, at, data, .. } => {
                if let Some(number) = numbers.get(file) {
                    let durable = synced.file(*number, index);
                    write(
                        &mut files[*number],
                        *at,
                        data,
                        durable,
                        cut.unsynced,
                        &mut rng,
                    );
                }
            }
            Event::Truncate { file, size } => {
                if let Some(number) = numbers.get(file)
                    && (synced.file(*number, index) || cut.unsynced.keeps(&mut rng))
                {
                    files[*number].resize(*size, 0);
                }
            }
            Event::Create { file, path } => {
                numbers.insert(*file, files.len());
                if synced.name(path, index) || cut.unsynced.keeps(&mut rng) {
                    names.insert(path, Entry::File(files.len()));
                }
                files.push(Vec::new());
            }
            Event::Mkdir { path, .. }
                if synced.name(path, index) || cut.unsynced.keeps(&mut rng) =>
            {
                names.insert(path, Entry::Folder);
            }
            Event::Rename { from, to } => {
                if (synced.name(to, index) || cut.unsynced.keeps(&mut rng))
                    && let Some(entry) = names.remove(from.as_path())
                {
                    names.insert(to, entry);
                }
            }
            Event::Remove { path } if synced.name(path, index) || cut.unsynced.keeps(&mut rng) => {
                names.remove(path.as_path());
            }
            _ => {}
        }
    }
    for (path, entry) in names {
        let path = to.join(path.strip_prefix(from).expect("it is below the folder"));
        // Sorted by path. A name in a lost folder is lost too.
        if !path.parent().is_some_and(Path::is_dir) {
            continue;
        }
        match entry {
            Entry::Folder => std::fs::create_dir(path).expect("a folder"),
            Entry::File(number) => std::fs::write(path, &files[number]).expect("a file"),
        }
    }
}

fn write(
    file: &mut Vec<u8>,
    at: usize,
    data: &[u8],
    durable: bool,
    unsynced: Unsynced,
    rng: &mut StdRng,
) {
    let block = match unsynced {
        Unsynced::Torn(block) if !durable => block,
        _ => usize::MAX,
    };
    let (mut at, mut data) = (at, data);
    while !data.is_empty() {
        let (now, rest) = data.split_at(data.len().min(block - at % block));
        if durable || unsynced.keeps(rng) {
            file.resize(file.len().max(at + now.len()), 0);
            file[at..at + now.len()].copy_from_slice(now);
        }
        at += now.len();
        data = rest;
    }
}

/// The event up to which everything is durable, for files and for names in folders.
#[derive(Default)]
struct Synced<'a> {
    files: HashMap<usize, usize>,
    folders: HashMap<&'a Path, usize>,
}

impl<'a> Synced<'a> {
    fn of(events: &'a [Event], believe: bool) -> Self {
        let mut synced = Self::default();
        let done: HashSet<u64> = (events.iter())
            .filter_map(|event| match event {
                Event::SyncEnd { number } => Some(*number),
                _ => None,
            })
            .collect();
        let mut made = 0;
        let mut numbers: HashMap<u64, usize> = HashMap::new();
        for (index, event) in events.iter().enumerate() {
            match event {
                Event::Create { file, .. } => {
                    numbers.insert(*file, made);
                    made += 1;
                }
                // The number of an inode is used again after its file was deleted.
                Event::Mkdir { folder, .. } => {
                    numbers.remove(folder);
                }
                Event::SyncBegin { number, file, path } if believe && done.contains(number) => {
                    match numbers.get(file) {
                        Some(file) => synced.files.insert(*file, index),
                        None => synced.folders.insert(path, index),
                    };
                }
                _ => {}
            }
        }
        synced
    }

    fn file(&self, number: usize, index: usize) -> bool {
        self.files.get(&number).is_some_and(|until| index < *until)
    }

    fn name(&self, path: &Path, index: usize) -> bool {
        let until = path.parent().and_then(|folder| self.folders.get(folder));
        until.is_some_and(|until| index < *until)
    }
}

/// Copies the files and folders of `from` into `to`.
pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let from = entry.expect("an entry").path();
        let to: PathBuf = to.join(from.file_name().expect("a name"));
        if from.is_dir() {
            copy_tree(&from, &to);
        } else {
            std::fs::copy(from, to).expect("it can be copied");
        }
    }
}
