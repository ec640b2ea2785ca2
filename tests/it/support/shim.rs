//! `shim.c` under the binary: records its calls to the file system and the network, makes them fail, or
//! changes the time of day.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::run::Run;
use super::{has_program, real_part};

/// The shim, with its own record and clock.
pub struct Shim {
    library: &'static Path,
    own: TempDir,
}

/// What the program did, in the order in which it took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Bytes were written into a file, by its inode.
    Write {
        file: u64,
        path: PathBuf,
        at: usize,
        data: Vec<u8>,
    },
    /// A file got this size.
    Truncate { file: u64, size: usize },
    /// A file was created under this name.
    Create { file: u64, path: PathBuf },
    /// A folder was created.
    Mkdir { folder: u64, path: PathBuf },
    /// A file was renamed.
    Rename { from: PathBuf, to: PathBuf },
    /// A name was removed.
    Remove { path: PathBuf },
    /// A file or a folder is being synced: the call with this number.
    SyncBegin {
        number: u64,
        file: u64,
        path: PathBuf,
    },
    /// The sync with this number is done.
    SyncEnd { number: u64 },
    /// Bytes are about to be sent on a socket, by its inode.
    Sent { socket: u64, data: Vec<u8> },
    /// A call was made to fail.
    Failed { path: PathBuf, call: String },
}

/// A fault of the disk.
#[derive(Clone, Copy)]
pub struct Fault {
    /// The call that fails: `write`, `sync`, `truncate`, `open` (also for creating folders and renaming) or `any`.
    pub call: &'static str,
    /// The error.
    pub error: rustix::io::Errno,
    /// Which of these calls fails, from 1.
    pub nth: usize,
    /// `once`, `on` (all later ones too), `short` (half of it is written, and all later ones fail) or `kill` (the process is
    /// killed in its place).
    pub how: &'static str,
    /// A part of the paths of the files concerned.
    pub part: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.error.raw_os_error();
        let Self {
            call,
            nth,
            how,
            part,
            ..
        } = self;
        write!(f, "{call},{error},{nth},{how},{part}")
    }
}

impl Shim {
    /// The shim, if it can be built and loaded; otherwise the test skips what needs it.
    pub fn new() -> Option<Self> {
        static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
        let here = cfg!(all(target_os = "linux", target_env = "gnu"));
        real_part(
            "faults of the disk and the clock (a C compiler on Linux with glibc)",
            here && has_program("cc"),
        )
        .then(|| Self {
            library: LIBRARY.get_or_init(build),
            own: TempDir::new().expect("a folder"),
        })
    }

    /// Records the command's calls on files in `under`, and what it sends.
    pub fn record(&self, run: Run, under: &Path) -> Run {
        self.load(run)
            .env("SHIM_UNDER", under)
            .env("SHIM_LOG", self.log())
    }

    /// Makes calls on the files in `under` fail.
    pub fn fail(&self, run: Run, under: &Path, fault: &Fault) -> Run {
        self.record(run, under).env("SHIM_FAIL", fault.to_string())
    }

    /// Makes calls fail only while [`Shim::arm`] has been called.
    pub fn fail_once_armed(&self, run: Run, under: &Path, fault: &Fault) -> Run {
        self.fail(run, under, fault).env("SHIM_WHILE", self.armed())
    }

    /// A function that makes faults begin; it can be called from any thread.
    pub fn arm(&self) -> impl Fn() + Send + Sync + 'static {
        let armed = self.armed();
        move || std::fs::write(&armed, "").expect("the file can be written")
    }

    fn armed(&self) -> PathBuf {
        self.own.path().join("armed")
    }

    /// Makes the command use this shim's clock.
    pub fn clock(&self, run: Run) -> Run {
        self.load(run)
            .env("SHIM_CLOCK", self.own.path().join("clock"))
    }

    /// Sets this shim's clock to this many seconds from the true time.
    pub fn shift_clock(&self, seconds: i64) {
        let new = self.own.path().join("new");
        std::fs::write(&new, seconds.to_string()).expect("the file can be written");
        std::fs::rename(new, self.own.path().join("clock")).expect("it can be renamed");
    }

    /// What has been recorded so far.
    pub fn events(&self) -> Vec<Event> {
        let log = std::fs::read(self.log()).expect("a record: the shim was loaded");
        let mut rest = log.as_slice();
        std::iter::from_fn(|| (!rest.is_empty()).then(|| event(&mut rest))).collect()
    }

    fn load(&self, run: Run) -> Run {
        run.env("LD_PRELOAD", self.library)
    }

    fn log(&self) -> PathBuf {
        self.own.path().join("log")
    }
}

fn build() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/shim.c");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let new = folder.join(format!("shim-{}.so", std::process::id()));
    let built = Command::new("cc")
        .args(["-Wall", "-Wextra", "-O1", "-shared", "-fPIC", "-o"])
        .args([&new, &source])
        .args(["-ldl", "-lpthread"])
        .output()
        .expect("the compiler starts");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success() && said.is_empty(), "cc: {said}");
    let library = folder.join("shim.so");
    std::fs::rename(new, &library).expect("it can be renamed");
    library
}

/// Reads the first record of `rest`, as `struct record` in `shim.c` has it.
fn event(rest: &mut &[u8]) -> Event {
    let mut numbers = [0_u64; 7];
    for (place, number) in numbers.iter_mut().enumerate() {
        *number = if place < 4 {
            u32::from_ne_bytes(take(rest, 4).try_into().expect("four bytes")).into()
        } else {
            u64::from_ne_bytes(take(rest, 8).try_into().expect("eight bytes"))
        };
    }
    let [kind, path, second, _, id, at, length] = numbers;
    let mut text = |length: u64| {
        let bytes = take(rest, length as usize);
        String::from_utf8(bytes.to_vec()).expect("paths of the tests are UTF-8")
    };
    // Without `.` components, because paths are compared.
    let path = text(path);
    let second = text(second);
    let clean = |path: &str| Path::new(path).components().collect::<PathBuf>();
    let data = take(rest, length as usize).to_vec();
    let at = at as usize;
    match kind {
        1 => Event::Write {
            file: id,
            path: clean(&path),
            at,
            data,
        },
        2 => Event::Truncate { file: id, size: at },
        3 => Event::Create {
            file: id,
            path: clean(&path),
        },
        4 => Event::Mkdir {
            folder: id,
            path: clean(&path),
        },
        5 => Event::Rename {
            from: clean(&path),
            to: clean(&second),
        },
        6 => Event::Remove { path: clean(&path) },
        7 => Event::SyncBegin {
            number: at as u64,
            file: id,
            path: clean(&path),
        },
        8 => Event::SyncEnd { number: at as u64 },
        9 => Event::Sent { socket: id, data },
        10 => Event::Failed {
            path: clean(&path),
            call: second,
        },
        other => panic!("a record of the kind {other}"),
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (bytes, after) = rest.split_at(length);
    *rest = after;
    bytes
}

/// A request, as it left.
#[derive(Debug)]
pub struct Post {
    /// The event with its first byte.
    pub first: usize,
    /// The recipients.
    pub to: Vec<String>,
}

/// The requests that were sent completely, in the order of their first bytes.
pub fn posts(events: &[Event]) -> Vec<Post> {
    let mut open = std::collections::HashMap::<u64, (usize, Vec<u8>)>::new();
    let mut posts = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let Event::Sent { socket, data } = event else {
            continue;
        };
        let (first, bytes) = open.entry(*socket).or_default();
        if bytes.is_empty() {
            *first = index;
        }
        bytes.extend(data);
        if let Some(body) = whole(bytes) {
            let to = form_urlencoded::parse(body)
                .filter(|(name, _)| name.starts_with("to["))
                .map(|(_, address)| address.into_owned())
                .collect();
            posts.push(Post { first: *first, to });
            bytes.clear();
        }
    }
    posts.sort_by_key(|post| post.first);
    posts
}

/// The body of a request that has all its bytes.
fn whole(request: &[u8]) -> Option<&[u8]> {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ")?;
    let length: usize = length.lines().next()?.parse().expect("a number");
    (request.len() - end >= length).then(|| &request[end..])
}
