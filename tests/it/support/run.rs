//! Runs the binary, and captures its exit code and outputs.

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
/// How often to poll a child process.
const POLL: Duration = Duration::from_millis(5);

/// The binary under test: `MAILRUN_PROGRAM`, or the one that Cargo built with the tests. The latter has the
/// features that dev-dependencies turn on as well.
pub fn program() -> String {
    let built = env!("CARGO_BIN_EXE_mailrun");
    std::env::var("MAILRUN_PROGRAM").unwrap_or_else(|_| built.to_owned())
}

/// A `mailrun` command. Of the environment it inherits only `PATH`.
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

    /// `mailrun COMMAND RUN`, with keys.
    pub fn on(command: &str, run: &Path) -> Self {
        Self::new(command).arg(run).keys()
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{} {}", self.shown, arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Sets the API keys in the default environment variables of a campaign.
    pub fn keys(self) -> Self {
        self.env("EMAILLABS_APP_KEY", APP_KEY)
            .env("EMAILLABS_SECRET_KEY", SECRET_KEY)
    }

    /// Sets standard input; empty by default.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.stdin = input.into();
        self
    }

    /// Makes standard input a terminal without input.
    pub fn terminal(mut self) -> Self {
        self.terminal = true;
        self
    }

    /// Sets the working directory; an empty folder by default.
    pub fn cwd(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs the command in a network namespace of this name.
    pub fn in_namespace(mut self, name: &str) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", name]);
        command.arg(self.command.get_program());
        command.args(self.command.get_args()).env_clear();
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.current_dir(self.home.path());
        self.command = command;
        self
    }

    /// The command, and its home folder, which is deleted on drop.
    pub(super) fn into_command(self) -> (Command, TempDir) {
        (self.command, self.home)
    }

    pub fn run(self) -> Ran {
        self.spawn().wait()
    }

    /// Runs the command on a pseudo-terminal, types `keys`, and returns everything that reaches the terminal.
    pub fn on_terminal(mut self, keys: &str) -> String {
        let (terminal, other_side) = keyboard();
        let side = || Stdio::from(other_side.try_clone().expect("a descriptor"));
        self.command.stdin(side()).stdout(side()).stderr(side());
        let mut child = self.command.spawn().expect("the binary starts");
        // Only the child holds the other side now, so that reading ends with it.
        drop(self.command);
        drop(other_side);
        let mut terminal = File::from(terminal);
        let mut typing = terminal.try_clone().expect("a descriptor");
        typing
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
        let reader = std::thread::spawn(move || {
            let (mut all, mut buffer) = (Vec::new(), [0; 8192]);
            // Linux reports the end as an error.
            while let Ok(count @ 1..) = terminal.read(&mut buffer) {
                all.extend_from_slice(&buffer[..count]);
            }
            all
        });
        let started = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if started.elapsed() >= LIMIT {
                let _ = child.kill();
                panic!("`{}` took more than {LIMIT:?}", self.shown);
            }
            std::thread::sleep(POLL);
        }
        let all = reader.join().expect("the reader does not panic");
        String::from_utf8_lossy(&all).into_owned()
    }

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
                // Fails if the command ends without reading its input.
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

/// A pseudo-terminal: the side to type on, and the side for the command.
pub(super) fn keyboard() -> (OwnedFd, File) {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&keyboard).expect("its owner");
    unlockpt(&keyboard).expect("its lock");
    let name = ptsname(&keyboard, Vec::new()).expect("its name");
    let path = Path::new(OsStr::from_bytes(name.as_bytes()));
    let mut options = OpenOptions::new();
    // NOCTTY keeps it from becoming the controlling terminal of the tests.
    options.read(true).write(true);
    options.custom_flags(OFlags::NOCTTY.bits() as i32);
    (keyboard, options.open(path).expect("the terminal"))
}

/// The key that [`Run::keys`] sets.
pub const APP_KEY: &str = "app-key-of-the-tests";
/// The secret that [`Run::keys`] sets. No output may contain it.
pub const SECRET_KEY: &str = "hush-4f1c9a7d";

/// A running command; killed on drop.
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
    pub fn signal(&self, signal: Signal) -> &Self {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
        self
    }

    pub fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait();
        status.expect("the process can be waited for").is_some()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL, and waits for the end.
    pub fn kill(mut self) -> Ran {
        self.child.kill().expect("the process is there");
        self.wait()
    }

    /// Standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// Standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    /// Waits until `done` returns true. `what` describes it for the failure message.
    pub fn wait_until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) -> &Self {
        while !done(self) {
            assert!(
                self.started.elapsed() < LIMIT,
                "`{}`: timed out waiting for {what} after {:?}\n{}",
                self.shown,
                LIMIT,
                both(&self.stdout(), &self.stderr())
            );
            std::thread::sleep(POLL);
        }
        self
    }

    /// Waits for the first line of standard output; `send` prints the folder of its run.
    pub fn first_line(&self) -> String {
        self.wait_until("a line on standard output", |it| it.stdout().contains('\n'));
        self.stdout().lines().next().expect("a line").to_owned()
    }

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
            std::thread::sleep(POLL);
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
        // Fails if the process has ended, which is the usual case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An output of a child, read by a thread.
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

    /// Asserts that standard output contains a text.
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

    /// The folder on the first line of standard output; `send` prints that of its run.
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
    fn assert(&self, holds: bool, expected: &str) -> &Self {
        assert!(
            holds,
            "`{}`: expected {expected}; it ended with {}\n{}",
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
