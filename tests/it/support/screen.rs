//! Runs a command on a terminal with a keyboard and a screen.

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

/// How long to wait for the screen.
const LIMIT: Duration = Duration::from_secs(60);

/// A command on a terminal; killed on drop.
pub struct Screen {
    child: Child,
    terminal: File,
    output: Arc<Mutex<Output>>,
    reader: Option<JoinHandle<()>>,
    _home: TempDir,
}

/// What the command wrote to the terminal.
struct Output {
    bytes: Vec<u8>,
    parser: vt100::Parser,
}

impl Screen {
    pub fn start(run: Run, rows: u16, columns: u16) -> Self {
        let (keyboard, terminal) = keyboard();
        tcsetwinsize(&keyboard, window(rows, columns)).expect("its size");
        let (mut command, home) = run.env("TERM", "xterm-256color").into_command();
        let again = || terminal.try_clone().expect("a descriptor");
        command.stdin(again()).stdout(again()).stderr(again());
        let child = command.spawn().expect("the binary starts");
        // Only the command may hold the terminal, so that reading from it ends with the command.
        drop((command, terminal));
        let terminal = File::from(keyboard);
        let output = Arc::new(Mutex::new(Output {
            bytes: Vec::new(),
            parser: vt100::Parser::new(rows, columns, 0),
        }));
        let reader = read(terminal.try_clone().expect("a descriptor"), &output);
        Self {
            child,
            terminal,
            output,
            reader: Some(reader),
            _home: home,
        }
    }

    pub fn contents(&self) -> String {
        self.read(|output| output.parser.screen().contents())
    }

    /// Everything that was written, with control sequences.
    pub fn written(&self) -> String {
        self.read(|output| String::from_utf8_lossy(&output.bytes).into_owned())
    }

    /// Whether the alternate screen is shown, with the cursor hidden.
    pub fn is_own(&self) -> bool {
        self.read(|output| {
            output.parser.screen().alternate_screen() && output.parser.screen().hide_cursor()
        })
    }

    /// Whether the main screen is shown with the cursor, and the terminal echoes and reads by lines.
    pub fn is_restored(&self) -> bool {
        let modes = tcgetattr(&self.terminal).expect("its modes").local_modes;
        let usual = modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        let screen = self.read(|output| {
            let screen = output.parser.screen();
            !screen.alternate_screen() && !screen.hide_cursor()
        });
        usual && screen
    }

    fn read<T>(&self, read: impl FnOnce(&Output) -> T) -> T {
        read(&self.output.lock().expect("no panic while locked"))
    }

    pub fn keys(&mut self, keys: &str) -> &mut Self {
        self.terminal
            .write_all(keys.as_bytes())
            .expect("a keyboard");
        self
    }

    #[track_caller]
    pub fn until(&mut self, text: &str) -> &mut Self {
        self.wait_until(text, |it| it.contents().contains(text))
    }

    #[track_caller]
    pub fn wait_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> &mut Self {
        let begun = Instant::now();
        while !done(self) {
            assert!(
                begun.elapsed() < LIMIT,
                "timed out waiting for {what}. The screen has\n{}",
                self.contents()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    pub fn resize(&mut self, rows: u16, columns: u16) -> &mut Self {
        let mut output = self.output.lock().expect("no panic while locked");
        output.parser.screen_mut().set_size(rows, columns);
        drop(output);
        tcsetwinsize(&self.terminal, window(rows, columns)).expect("its size");
        // Only a controlling terminal sends this signal by itself.
        self.signal(Signal::WINCH)
    }

    pub fn signal(&mut self, signal: Signal) -> &mut Self {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
        self
    }

    /// Waits for the end, and returns the exit code.
    #[track_caller]
    pub fn end(&mut self) -> Option<i32> {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                break status;
            }
            assert!(
                begun.elapsed() < LIMIT,
                "the command does not end. The screen has\n{}",
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

fn read(mut terminal: File, output: &Arc<Mutex<Output>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        // Fails when the command has ended.
        while let Ok(count @ 1..) = terminal.read(&mut buffer) {
            let mut output = output.lock().expect("no panic while locked");
            output.bytes.extend_from_slice(&buffer[..count]);
            output.parser.process(&buffer[..count]);
        }
    })
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Fails if the process has ended, which is the usual case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
