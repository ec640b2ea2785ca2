//! The mails in a mailbox: a Maildir, an mbox file, or a folder of `.eml` files. Nothing in it is changed.
//!
//! `mail_parser` reads mailboxes too, but whole mails of any size, and files that are no regular files.

use std::fs::{self, File, ReadDir};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use crate::regular_file;

/// The bytes of a mail that are read. The parts of a bounce that matter come before a long message that is returned.
const MAX_MAIL: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub(crate) enum MailboxError {
    #[error("can't read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error(
        "{} is no mailbox: it does not begin with “From ”. Name a Maildir, an mbox file, or a folder of .eml files",
        .0.display()
    )]
    NotAMailbox(PathBuf),
}

/// Its mails, one after the other.
pub(crate) struct Mailbox {
    path: PathBuf,
    content: Content,
}

enum Content {
    /// The folders that are not read yet, and the one that is. The mails of a folder of `.eml` files have this ending.
    Files {
        folders: Vec<PathBuf>,
        open: Option<ReadDir>,
        only_eml: bool,
    },
    Mbox(Mbox<BufReader<File>>),
    /// A file with one mail.
    Mail(Option<PathBuf>),
}

/// A mail, or why it can't be read.
pub(crate) type RawMail = Result<Vec<u8>, MailboxError>;

impl Mailbox {
    /// # Errors
    /// It is not a mailbox, or can't be read.
    pub(crate) fn open(path: &Path) -> Result<Self, MailboxError> {
        let unreadable = |error| MailboxError::Unreadable {
            path: path.to_owned(),
            error,
        };
        let content = if fs::metadata(path).map_err(unreadable)?.is_dir() {
            let folders = ["cur", "new"].map(|name| path.join(name));
            let mut folders: Vec<_> = folders.into_iter().filter(|it| it.is_dir()).collect();
            let only_eml = folders.is_empty();
            if only_eml {
                folders.push(path.to_owned());
            }
            // The last one is read first. A mail program moves mails from `new` to `cur`, so none is missed.
            let open = folders.pop().map(fs::read_dir);
            Content::Files {
                folders,
                open: open.transpose().map_err(unreadable)?,
                only_eml,
            }
        } else {
            let file = regular_file::open(path).map_err(unreadable)?;
            let mut reader = BufReader::new(file);
            let start = reader.fill_buf().map_err(unreadable)?;
            if start.is_empty() || start.starts_with(b"From ") {
                Content::Mbox(Mbox::new(reader))
            } else if is_eml(path) {
                Content::Mail(Some(path.to_owned()))
            } else {
                return Err(MailboxError::NotAMailbox(path.to_owned()));
            }
        };
        let path = path.to_owned();
        Ok(Self { path, content })
    }
}

impl Iterator for Mailbox {
    type Item = RawMail;

    fn next(&mut self) -> Option<RawMail> {
        let (path, mail) = match &mut self.content {
            Content::Files {
                folders,
                open,
                only_eml,
            } => loop {
                let Some(entry) = open.as_mut()?.next() else {
                    *open = None;
                    let folder = folders.pop()?;
                    match fs::read_dir(&folder) {
                        Ok(entries) => *open = Some(entries),
                        Err(error) => break (folder, Err(error)),
                    }
                    continue;
                };
                let path = match entry {
                    Ok(entry) => entry.path(),
                    Err(error) => break (self.path.clone(), Err(error)),
                };
                let is_hidden = path
                    .file_name()
                    .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
                if is_hidden || path.is_dir() || *only_eml && !is_eml(&path) {
                    continue;
                }
                match read_start(&path) {
                    // It was moved or deleted in the meantime.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    mail => break (path, mail),
                }
            },
            Content::Mbox(mbox) => (self.path.clone(), mbox.next()?),
            Content::Mail(path) => {
                let path = path.take()?;
                let mail = read_start(&path);
                (path, mail)
            }
        };
        Some(mail.map_err(|error| MailboxError::Unreadable { path, error }))
    }
}

fn is_eml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("eml"))
}

fn read_start(path: &Path) -> io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    regular_file::open(path)?
        .take(MAX_MAIL as u64)
        .read_to_end(&mut mail)?;
    Ok(mail)
}

/// The mails of an mbox file (RFC 4155). A line that begins with `From ` after an empty one begins a mail.
struct Mbox<R> {
    reader: R,
    /// Whether the line that begins the next mail has been read.
    is_in_mail: bool,
    is_over: bool,
}

impl<R: BufRead> Mbox<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            is_in_mail: false,
            is_over: false,
        }
    }

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        let (mut mail, mut line) = (Vec::new(), Vec::new());
        let mut after_empty = !self.is_in_mail;
        while !self.is_over {
            match read_line(&mut self.reader, &mut line) {
                Ok(true) => {}
                Ok(false) => {
                    self.is_over = true;
                    break;
                }
                Err(error) => {
                    (self.is_over, self.is_in_mail) = (true, false);
                    return Some(Err(error));
                }
            }
            if after_empty && line.starts_with(b"From ") {
                if std::mem::replace(&mut self.is_in_mail, true) {
                    return Some(Ok(mail));
                }
                after_empty = false;
                continue;
            }
            after_empty = line.trim_ascii().is_empty();
            let quoted = line.iter().take_while(|byte| **byte == b'>').count();
            let is_quoted = quoted > 0 && line[quoted..].starts_with(b"From ");
            let content = &line[usize::from(is_quoted)..];
            let room = MAX_MAIL - mail.len();
            mail.extend_from_slice(&content[..content.len().min(room)]);
        }
        std::mem::take(&mut self.is_in_mail).then_some(Ok(mail))
    }
}

/// Reads a line, of which it keeps [`MAX_MAIL`] bytes. Returns whether there was one.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut has_read = false;
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(has_read);
        }
        has_read = true;
        let end = memchr::memchr(b'\n', buffer).map(|at| at + 1);
        let length = end.unwrap_or(buffer.len());
        let room = MAX_MAIL - line.len();
        line.extend_from_slice(&buffer[..length.min(room)]);
        reader.consume(length);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mails(path: &Path) -> Vec<String> {
        let mailbox = Mailbox::open(path).expect("a mailbox");
        let mut mails: Vec<_> = mailbox
            .map(|mail| String::from_utf8(mail.expect("a mail")).expect("text"))
            .collect();
        mails.sort();
        mails
    }

    #[test]
    fn an_mbox_is_split_at_lines_that_begin_a_mail() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("mbox");
        let text = "From a Mon\nSubject: 1\n\n>From here\n>>From there\nx\nFrom the text\n\nFrom b Tue\nSubject: 2\n\n";
        fs::write(&path, text).expect("a file");
        assert_eq!(
            mails(&path),
            [
                "Subject: 1\n\nFrom here\n>From there\nx\nFrom the text\n\n",
                "Subject: 2\n\n"
            ]
        );
        fs::write(&path, "").expect("a file");
        assert!(mails(&path).is_empty());
        fs::write(&path, "Subject: 1\n").expect("a file");
        assert!(matches!(
            Mailbox::open(&path),
            Err(MailboxError::NotAMailbox(_))
        ));
    }

    #[test]
    fn the_start_of_a_huge_mail_is_read() {
        let text = format!(
            "From a\n{}\n\nFrom b\nSubject: 2\n",
            "x".repeat(3 * MAX_MAIL)
        );
        let mut mbox = Mbox::new(text.as_bytes());
        let first = mbox.next().expect("a mail").expect("it is read");
        assert_eq!(first.len(), MAX_MAIL);
        let second = mbox.next().expect("a mail").expect("it is read");
        assert_eq!(second, b"Subject: 2\n");
        assert!(mbox.next().is_none());
    }

    #[test]
    fn maildirs_and_folders_of_files_are_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text);
        write("a.eml", "1").expect("a file");
        write("b.txt", "2").expect("a file");
        assert_eq!(mails(dir.path()), ["1"]);
        assert_eq!(mails(&dir.path().join("a.eml")), ["1"]);
        for folder in ["new", "cur", "tmp"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder");
            write(&format!("{folder}/1:2,S"), folder).expect("a file");
        }
        write("cur/.hidden", "4").expect("a file");
        assert_eq!(mails(dir.path()), ["cur", "new"]);
        let fifo = dir.path().join("new/fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).expect("a FIFO");
        let mailbox = Mailbox::open(dir.path()).expect("a mailbox");
        assert_eq!(mailbox.filter(Result::is_err).count(), 1);
    }
}
