//! Runs the binary: a command line goes in, the exit code and both outputs come out.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

/// How long a command may take before it is killed and the test fails.
const LIMIT: Duration = Duration::from_secs(60);
/// How long to wait between two looks at a child.
const LOOK: Duration = Duration::from_millis(5);

/// The program that is run: that of `MAILRUN_PROGRAM`, else the one that Cargo has built for the tests, in
/// which the features of their own crates are on as well.
pub fn program() -> String {
    let built = env!("CARGO_BIN_EXE_mailrun");
    std::env::var("MAILRUN_PROGRAM").unwrap_or_else(|_| built.to_owned())
}

/// A command line of `mailrun`, in an environment that holds nothing of the caller's but `PATH`.
pub struct Run {
    command: Command,
    shown: String,
    stdin: Vec<u8>,
    terminal: bool,
    home: TempDir,
}

impl Run {
    /// `mailrun COMMAND`.
    pub fn new(command: &str) -> Self {
        let home = TempDir::new().expect("a home folder");
        let mut process = Command::new(program());
        process
            .env_clear()
            .env("HOME", home.path())
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC");
        process.current_dir(home.path());
        if let Some(path) = std::env::var_os("PATH") {
            process.env("PATH", path);
        }
        Self {
            command: process,
            shown: "mailrun".into(),
            stdin: Vec::new(),
            terminal: false,
            home,
        }
        .arg(command)
    }

    /// `mailrun send CAMPAIGN --yes`, with keys.
    pub fn send(campaign: &Path) -> Self {
        Self::new("send").arg(campaign).arg("--yes").keys()
    }

    /// A command that takes a run, with keys.
    pub fn on(command: &str, run: &Path) -> Self {
        Self::new(command).arg(run).keys()
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{} {}", self.shown, arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Sets the two keys of the API, as a campaign expects them.
    pub fn keys(self) -> Self {
        self.env("EMAILLABS_APP_KEY", APP_KEY)
            .env("EMAILLABS_SECRET_KEY", SECRET_KEY)
    }

    /// What the command reads from standard input; nothing unless set.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.stdin = input.into();
        self
    }

    /// Makes standard input a terminal, on which nobody types anything.
    pub fn terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// The folder that it runs in; an empty one unless set.
    pub fn cwd(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// The command as it is, and its home folder, which is gone when that is dropped.
    pub(super) fn into_command(self) -> (Command, TempDir) {
        (self.command, self.home)
    }

    /// Runs it to its end.
    pub fn run(self) -> Ran {
        self.spawn().wait()
    }

    /// Starts it.
    pub fn spawn(mut self) -> Running {
        let keyboard = self.terminal.then(keyboard);
        let stdin = match &keyboard {
            Some((_, terminal)) => terminal.try_clone().expect("a descriptor").into(),
            None => Stdio::piped(),
        };
        self.command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the binary starts");
        let input = self.stdin;
        if let Some(mut stdin) = child.stdin.take() {
            std::thread::spawn(move || {
                // A command that does not read its input may be gone before it is written.
                let _ = stdin.write_all(&input);
            });
        }
        Running {
            stdout: Captured::start(child.stdout.take().expect("a pipe")),
            stderr: Captured::start(child.stderr.take().expect("a pipe")),
            child,
            shown: self.shown,
            started: Instant::now(),
            _keyboard: keyboard.map(|(keyboard, _)| keyboard),
            _home: self.home,
        }
    }
}

/// A terminal, with what would be typed on it.
pub(super) fn keyboard() -> (OwnedFd, File) {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&keyboard).expect("its owner");
    unlockpt(&keyboard).expect("its lock");
    let name = ptsname(&keyboard, Vec::new()).expect("its name");
    let path = Path::new(OsStr::from_bytes(name.as_bytes()));
    let mut options = OpenOptions::new();
    // Without NOCTTY it would become the terminal of the tests.
    options.read(true).write(true);
    options.custom_flags(OFlags::NOCTTY.bits() as i32);
    (keyboard, options.open(path).expect("the terminal"))
}

/// The key that [`Run::keys`] sets.
pub const APP_KEY: &str = "app-key-of-the-tests";
/// The secret that [`Run::keys`] sets; no output may ever show it.
pub const SECRET_KEY: &str = "hush-4f1c9a7d";

/// A command that is running. It is killed when it is dropped.
pub struct Running {
    child: Child,
    stdout: Captured,
    stderr: Captured,
    shown: String,
    started: Instant,
    _keyboard: Option<OwnedFd>,
    _home: TempDir,
}

impl Running {
    /// Sends a signal, such as `Signal::TERM`.
    pub fn signal(&self, signal: Signal) -> &Self {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
        self
    }

    /// Whether it has ended, however it did.
    pub fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait();
        status.expect("the process can be waited for").is_some()
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    pub fn kill(mut self) -> Ran {
        self.child.kill().expect("the process is there");
        self.wait()
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    /// Waits until `done` holds; `what` names it in the failure.
    pub fn wait_until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) -> &Self {
        while !done(self) {
            assert!(
                self.started.elapsed() < LIMIT,
                "`{}`: {what} did not come about in {:?}\n{}",
                self.shown,
                LIMIT,
                both(&self.stdout(), &self.stderr())
            );
            std::thread::sleep(LOOK);
        }
        self
    }

    /// Waits for the first line of standard output: for `send` the folder of its run.
    pub fn first_line(&self) -> String {
        self.wait_until("a line on standard output", |it| it.stdout().contains('\n'));
        self.stdout().lines().next().expect("a line").to_owned()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let status = loop {
            if let Some(status) = self
                .child
                .try_wait()
                .expect("the process can be waited for")
            {
                break status;
            }
            if self.started.elapsed() >= LIMIT {
                let shown = both(&self.stdout(), &self.stderr());
                panic!("`{}` took more than {:?}\n{shown}", self.shown, LIMIT);
            }
            std::thread::sleep(LOOK);
        };
        Ran {
            shown: std::mem::take(&mut self.shown),
            status,
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It fails when the process has ended, which is the usual case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One output of a child, read by a thread as it comes.
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    fn start(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                kept.lock()
                    .expect("no panic while locked")
                    .extend_from_slice(&buffer[..count]);
            }
        });
        Self {
            bytes,
            reader: Some(reader),
        }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no panic while locked")).into_owned()
    }

    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        self.so_far()
    }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    shown: String,
    status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Ran {
    /// Its exit code; none when a signal ended it.
    pub fn exit(&self) -> Option<i32> {
        self.status.code()
    }

    /// Asserts its exit code.
    #[track_caller]
    pub fn code(&self, code: i32) -> &Self {
        self.assert(
            self.status.code() == Some(code),
            &format!("exit code {code}"),
        )
    }

    /// Asserts that standard output has this text.
    #[track_caller]
    pub fn stdout_has(&self, text: &str) -> &Self {
        self.assert(
            self.stdout.contains(text),
            &format!("{text:?} on standard output"),
        )
    }

    /// Asserts that standard output does not have this text.
    #[track_caller]
    pub fn stdout_lacks(&self, text: &str) -> &Self {
        self.assert(
            !self.stdout.contains(text),
            &format!("no {text:?} on standard output"),
        )
    }

    /// Asserts the whole standard output.
    #[track_caller]
    pub fn stdout_is(&self, text: &str) -> &Self {
        self.assert(
            self.stdout == text,
            &format!("{text:?} as the whole standard output"),
        )
    }

    /// Asserts that standard error has this text.
    #[track_caller]
    pub fn stderr_has(&self, text: &str) -> &Self {
        self.assert(
            self.stderr.contains(text),
            &format!("{text:?} on standard error"),
        )
    }

    /// Asserts that standard error does not have this text.
    #[track_caller]
    pub fn stderr_lacks(&self, text: &str) -> &Self {
        self.assert(
            !self.stderr.contains(text),
            &format!("no {text:?} on standard error"),
        )
    }

    /// Asserts the whole standard error.
    #[track_caller]
    pub fn stderr_is(&self, text: &str) -> &Self {
        self.assert(
            self.stderr == text,
            &format!("{text:?} as the whole standard error"),
        )
    }

    /// The first line of standard output as a path: for `send` the folder of its run.
    #[track_caller]
    pub fn run_dir(&self) -> PathBuf {
        let line = self.stdout.lines().next().map(PathBuf::from);
        self.assert(
            line.as_ref().is_some_and(|run| run.is_dir()),
            "a folder on the first line",
        );
        line.expect("a line")
    }

    #[track_caller]
    fn assert(&self, holds: bool, wanted: &str) -> &Self {
        assert!(
            holds,
            "`{}`: wanted {wanted}, and it ended with {}\n{}",
            self.shown,
            self.status,
            both(&self.stdout, &self.stderr)
        );
        self
    }
}

fn both(stdout: &str, stderr: &str) -> String {
    format!("--- standard output\n{stdout}\n--- standard error\n{stderr}\n---")
}
