//! Missing files, directories and pipes.

use std::fs;

use encoding_rs::WINDOWS_1250;
use mailrun::recipients::{Problem, ReadSettings};

use super::{encoded, fixtures, read_path};

#[test]
fn a_missing_file_and_a_directory_are_refused() {
    for path in [fixtures().join("none.csv"), fixtures()] {
        let error = read_path(&path, "none.csv", &ReadSettings::default()).expect_err("no file");
        assert!(matches!(error.problem, Problem::Io(_)));
        assert!(
            error.to_string().starts_with("none.csv: can't be read"),
            "{error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_spooled_and_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .expect("mkfifo");
    assert!(made.success());
    let text = encoded(
        "email;name\na@example.com;Żółć\nb@example.com;Łódź,ł\n",
        WINDOWS_1250,
    );
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, text)
    });
    let contents = read_path(&pipe, "-", &ReadSettings::default()).expect("a pipe");
    writer.join().expect("no panic").expect("written");
    assert_eq!(
        contents.cells(),
        [["a@example.com", "Żółć"], ["b@example.com", "Łódź,ł"]]
    );
}
