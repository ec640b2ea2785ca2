//! `mailrun gateway` as a process of its own, and bytes to and from it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::run::{Ran, Run, Running};

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway on a free port of the loopback address, with a folder of its own.
pub struct Gateway {
    running: Option<Running>,
    address: SocketAddr,
    folder: TempDir,
}

impl Gateway {
    /// A gateway as it is without any configuration.
    pub fn start() -> Self {
        Self::with("", &[])
    }

    /// A gateway with a `gateway.toml` and further arguments.
    pub fn with(config: &str, arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (running, address) = run(&folder, config, arguments);
        Self {
            running: Some(running),
            address,
            folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its API, as a campaign wants it.
    pub fn api(&self) -> String {
        format!("http://{}/api/", self.address)
    }

    /// The folder in which it keeps everything.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The process.
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Tells it to end, and waits for that.
    pub fn stop(&mut self) -> Ran {
        self.running().signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> Ran {
        self.running.take().expect("it runs").wait()
    }

    /// Its store, read by SQLite alone.
    pub fn store(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data().join("gateway.db")).expect("a store")
    }

    /// The recipient and the message ID of everything in its store, in its order.
    pub fn kept(&self) -> Vec<(String, String)> {
        let store = self.store();
        let mut select = store
            .prepare("SELECT to_address, message_id FROM message ORDER BY id")
            .expect("a table of messages");
        let rows = select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("messages");
        rows.map(|row| row.expect("a message")).collect()
    }

    /// The message IDs of everything in its store, in its order.
    pub fn message_ids(&self) -> Vec<String> {
        self.kept().into_iter().map(|(_, id)| id).collect()
    }

    /// A connection to it.
    pub fn connect(&self) -> Wire {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        stream.set_nodelay(true).expect("an option");
        Wire {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends a request on a connection of its own: a first line, further lines of the head, a body.
    pub fn ask(&self, line: &str, lines: &[&str], body: &str) -> Reply {
        let mut wire = self.connect();
        wire.send(&self.request(line, lines, body));
        wire.reply()
    }

    /// A request as bytes, with its Host, unless there is one, and the length of its body.
    pub fn request(&self, line: &str, lines: &[&str], body: &str) -> Vec<u8> {
        let mut request = format!("{line} HTTP/1.1\r\n");
        let has = |name: &str| {
            let mut all = lines.iter();
            all.any(|line| line.to_ascii_lowercase().starts_with(name))
        };
        if !has("host:") {
            request += &format!("Host: {}\r\n", self.address);
        }
        if !has("content-length:") && !has("transfer-encoding:") {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        for line in lines {
            request += &format!("{line}\r\n");
        }
        request += "\r\n";
        request += body;
        request.into_bytes()
    }

    /// Posts one message to these addresses.
    pub fn post(&self, to: &[&str]) -> Reply {
        self.ask("POST /api/sendmail", &[], &form(to))
    }
}

/// Starts a gateway in a folder, and waits until it listens.
fn run(folder: &TempDir, config: &str, arguments: &[&str]) -> (Running, SocketAddr) {
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, config).expect("a file");
    let run = Run::new("gateway").keys().arg("--config").arg(path);
    let run = run.arg("--data").arg(folder.path().join("data"));
    let listens = arguments.contains(&"--listen");
    let run = if listens {
        run
    } else {
        run.args(["--listen", "127.0.0.1:0"])
    };
    let running = run.args(arguments).spawn();
    let line = running.first_line();
    let address = line
        .strip_prefix("http://")
        .and_then(|rest| rest.trim_end_matches('/').parse().ok());
    (running, address.expect("where it listens"))
}

/// The body of a small message to these addresses.
pub fn form(to: &[&str]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (n, to) in to.iter().enumerate() {
        form.append_pair(&format!("to[{n}]"), to);
    }
    form.append_pair("smtp_account", "1.acme.smtp")
        .append_pair("from", "news@acme.example")
        .append_pair("subject", "Hello")
        .append_pair("text", "Hello");
    form.finish()
}

/// A connection.
pub struct Wire {
    stream: TcpStream,
    /// What has come and was not asked for yet.
    read: Vec<u8>,
}

impl Wire {
    /// Sends bytes. A peer that is gone is no failure: what it said before shows it.
    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.stream.write_all(bytes);
        self
    }

    /// Sends bytes one by one with a rest after each, until the other side ends it; says after how many.
    pub fn trickle(&mut self, bytes: &[u8], rest: Duration) -> usize {
        for (n, byte) in bytes.iter().enumerate() {
            if self.stream.write_all(&[*byte]).is_err() || self.has_ended() {
                return n;
            }
            std::thread::sleep(rest);
        }
        bytes.len()
    }

    /// Whether the other side has ended it, as far as can be seen at once.
    pub fn has_ended(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("an option");
        let mut bytes = [0; 4096];
        let ended = loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => break true,
                Ok(count) => self.read.extend_from_slice(&bytes[..count]),
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        self.stream.set_nonblocking(false).expect("an option");
        ended
    }

    /// Waits for the other side to end it, and gives what came before.
    pub fn end(&mut self) -> Vec<u8> {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => self.read.extend_from_slice(&bytes[..count]),
                Err(error) if is_end(&error) => break,
                Err(error) => panic!("the connection did not end: {error}"),
            }
        }
        std::mem::take(&mut self.read)
    }

    /// How the connection ends when nothing more comes: by a reset, or not.
    pub fn ends_by_reset(&mut self) -> bool {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if is_end(&error) => return true,
                Err(error) => panic!("the connection did not end: {error}"),
            }
        }
    }

    /// Reads one answer.
    pub fn reply(&mut self) -> Reply {
        self.try_reply().expect("an answer before the end")
    }

    /// Reads one answer, if there is one before the connection ends.
    pub fn try_reply(&mut self) -> Option<Reply> {
        let started = Instant::now();
        loop {
            if let Some((reply, length)) = Reply::parse(&self.read) {
                self.read.drain(..length);
                return Some(reply);
            }
            assert!(started.elapsed() < PATIENCE, "no answer came");
            let mut bytes = [0; 65536];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.read.extend_from_slice(&bytes[..count]),
                Err(error) if is_end(&error) => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }
}

fn is_end(error: &std::io::Error) -> bool {
    [
        ErrorKind::ConnectionReset,
        ErrorKind::BrokenPipe,
        ErrorKind::ConnectionAborted,
    ]
    .contains(&error.kind())
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers, with names in small letters.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Reply {
    /// One whole answer at the beginning of what has come, and its length.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(begin) = head.parse(bytes).expect("an HTTP answer") else {
            return None;
        };
        let headers: Vec<_> = head
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8(header.value.to_vec()).expect("text");
                (header.name.to_ascii_lowercase(), value)
            })
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, length)| length.parse().expect("a length"));
        let body = bytes.get(begin..begin + length)?;
        let reply = Self {
            status: head.code.expect("a status"),
            headers,
            body: String::from_utf8(body.to_vec()).expect("text"),
        };
        Some((reply, begin + length))
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let header = headers.find(|(other, _)| other == name);
        header.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.status, self.body))
    }

    /// The name of the request.
    pub fn req_id(&self) -> String {
        let json = self.json();
        json["req_id"].as_str().expect("a req_id").to_owned()
    }

    /// The message IDs of the addresses that were taken, or the reasons.
    pub fn values(&self) -> Vec<String> {
        let json = self.json();
        let data = json["data"].as_array().expect("a list").iter();
        let values = data.flat_map(|entry| entry.as_object().expect("an object").values());
        values
            .map(|value| value.as_str().expect("text").to_owned())
            .collect()
    }
}
