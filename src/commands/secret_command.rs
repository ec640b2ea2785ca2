//! A command that writes a secret to standard output.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::failure::Failure;

/// The longest output that is read, in bytes.
const MAX_OUTPUT: u64 = 64 << 10;
/// A password manager may ask the user for a passphrase.
const TIME_LIMIT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Runs a command and returns what it writes to standard output, without the line break at the end.
///
/// # Errors
/// If the command fails, takes too long, or writes nothing or too much. The message names the setting `key`.
pub(super) fn secret_from_command(key: &str, command: &[String]) -> Result<String, Failure> {
    run(command, TIME_LIMIT)
        .map_err(|why| Failure::new("no-keys", format!("`{key}` gave no secret: {why}")))
}

fn run(command: &[String], time_limit: Duration) -> Result<String, String> {
    let (program, arguments) = command.split_first().ok_or("the command is empty")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let result = output(&mut child, program, time_limit);
    if result.is_err() {
        // Errors mean that it has ended.
        let _ = child.kill();
        let _ = child.wait();
    }
    let secret = String::from_utf8(result?)
        .map_err(|_| format!("{program} wrote bytes that are not UTF-8 text"))?;
    let secret = secret.trim_end_matches(['\r', '\n']);
    match secret.is_empty() {
        true => Err(format!("{program} wrote nothing")),
        false => Ok(secret.to_owned()),
    }
}

/// The output of a process that must succeed.
fn output(child: &mut Child, program: &str, time_limit: Duration) -> Result<Vec<u8>, String> {
    let deadline = Instant::now() + time_limit;
    let late = || {
        format!(
            "{program} did not end within {} seconds",
            time_limit.as_secs()
        )
    };
    let stdout = child.stdout.take().ok_or("it has no standard output")?;
    let (sender, receiver) = mpsc::channel();
    // The pipe may stay open after the process has ended, in a process that it started.
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
        // The receiver is gone after the deadline.
        let _ = sender.send(read.map(|_| bytes));
    });
    let read = receiver.recv_timeout(time_limit).map_err(|_| late())?;
    let bytes = read.map_err(|error| format!("{program}: {error}"))?;
    if bytes.len() as u64 > MAX_OUTPUT {
        return Err(format!("{program} wrote more than {MAX_OUTPUT} bytes"));
    }
    loop {
        match child
            .try_wait()
            .map_err(|error| format!("{program}: {error}"))?
        {
            Some(status) if status.success() => return Ok(bytes),
            Some(status) => return Err(format!("{program} failed ({status})")),
            None if Instant::now() >= deadline => return Err(late()),
            None => std::thread::sleep(POLL_INTERVAL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<String, String> {
        let command = ["sh", "-c", script].map(str::to_owned);
        run(&command, Duration::from_secs(2))
    }

    #[test]
    fn output_and_time_are_limited() {
        assert_eq!(shell("echo hush").expect("a secret"), "hush");
        let large = shell("yes").expect_err("too much");
        assert!(large.contains("more than 65536 bytes"), "{large}");
        let started = Instant::now();
        let late = shell("sleep 60").expect_err("too late");
        assert!(late.contains("within 2 seconds"), "{late}");
        assert!(started.elapsed() < Duration::from_secs(30), "{late}");
        let late = shell("exec 1>&-; sleep 60").expect_err("too late");
        assert!(late.contains("within 2 seconds"), "{late}");
        let failed = shell("echo hush; exit 3").expect_err("a failure");
        assert!(
            failed.contains("failed") && !failed.contains("hush"),
            "{failed}"
        );
        assert!(run(&["a\0b".to_owned()], TIME_LIMIT).is_err());
        assert!(run(&[], TIME_LIMIT).is_err());
    }
}
