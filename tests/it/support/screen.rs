//! A terminal with a keyboard and a screen, on which a command runs.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tempfile::TempDir;

use super::run::{Run, keyboard};

/// How long to wait for what is to come about on the screen.
const LIMIT: Duration = Duration::from_secs(60);

/// A command on a terminal. It is killed when it is dropped.
pub struct Screen {
    child: Child,
    terminal: File,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<()>>,
    _home: TempDir,
}

/// What was written to the terminal.
struct Seen {
    bytes: Vec<u8>,
    parser: vt100::Parser,
}

impl Screen {
    /// Starts a command on a terminal of so many rows and columns.
    pub fn start(run: Run, rows: u16, columns: u16) -> Self {
        let (keyboard, terminal) = keyboard();
        tcsetwinsize(&keyboard, window(rows, columns)).expect("its size");
        let (mut command, home) = run.env("TERM", "xterm-256color").into_command();
        let again = || terminal.try_clone().expect("a descriptor");
        command.stdin(again()).stdout(again()).stderr(again());
        let child = command.spawn().expect("the binary starts");
        // The command has the only others, so that the end of all is seen.
        drop((command, terminal));
        let terminal = File::from(keyboard);
        let seen = Arc::new(Mutex::new(Seen {
            bytes: Vec::new(),
            parser: vt100::Parser::new(rows, columns, 0),
        }));
        let reader = read(terminal.try_clone().expect("a descriptor"), &seen);
        Self {
            child,
            terminal,
            seen,
            reader: Some(reader),
            _home: home,
        }
    }

    /// What is on the screen.
    pub fn contents(&self) -> String {
        self.look(|seen| seen.parser.screen().contents())
    }

    /// All that was ever written to it.
    pub fn written(&self) -> String {
        self.look(|seen| String::from_utf8_lossy(&seen.bytes).into_owned())
    }

    /// Whether the screen is the command's own, with the cursor hidden.
    pub fn is_own(&self) -> bool {
        self.look(|seen| {
            seen.parser.screen().alternate_screen() && seen.parser.screen().hide_cursor()
        })
    }

    /// Whether the screen is the user's, the cursor is seen, and what is typed is shown and read by lines.
    pub fn is_restored(&self) -> bool {
        let modes = tcgetattr(&self.terminal).expect("its modes").local_modes;
        let usual = modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        let screen = self.look(|seen| {
            let screen = seen.parser.screen();
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        usual && screen
    }

    fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().expect("no panic while locked"))
    }

    /// Types.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        self.terminal
            .write_all(keys.as_bytes())
            .expect("a keyboard");
        self
    }

    /// Waits until a text is on the screen.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> &mut Self {
        self.wait_until(text, |it| it.contents().contains(text))
    }

    /// Waits until something holds.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> &mut Self {
        let begun = Instant::now();
        while !done(self) {
            assert!(
                begun.elapsed() < LIMIT,
                "{what} did not come about; the screen is\n{}",
                self.contents()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    /// Makes it another size.
    pub fn resize(&mut self, rows: u16, columns: u16) -> &mut Self {
        let mut seen = self.seen.lock().expect("no panic while locked");
        seen.parser.screen_mut().set_size(rows, columns);
        drop(seen);
        tcsetwinsize(&self.terminal, window(rows, columns)).expect("its size");
        // It is not the command's controlling terminal, which would tell it.
        self.signal(Signal::WINCH)
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) -> &mut Self {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
        self
    }

    /// Waits for the end, and gives the exit code.
    #[track_caller]
    pub fn end(&mut self) -> Option<i32> {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                break status;
            }
            assert!(
                begun.elapsed() < LIMIT,
                "it does not end\n{}",
                self.contents()
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        status.code()
    }
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn read(mut terminal: File, seen: &Arc<Mutex<Seen>>) -> JoinHandle<()> {
    let seen = Arc::clone(seen);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        // It fails when the command has ended.
        while let Ok(count @ 1..) = terminal.read(&mut buffer) {
            let mut seen = seen.lock().expect("no panic while locked");
            seen.bytes.extend_from_slice(&buffer[..count]);
            seen.parser.process(&buffer[..count]);
        }
    })
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It fails when the process has ended, which is the usual case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
