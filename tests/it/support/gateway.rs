//! Runs `mailrun gateway` as a process, and exchanges bytes with it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::run::{Ran, Run, Running};

/// How long a response may take before the test fails.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A gateway on a free port of the loopback address, with its own folder.
pub struct Gateway {
    running: Option<Running>,
    address: SocketAddr,
    folder: TempDir,
    /// Besides those of every gateway.
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Gateway {
    /// A gateway without configuration.
    pub fn start() -> Self {
        Self::with("", &[])
    }

    /// A gateway with a `gateway.toml` and additional arguments.
    pub fn with(config: &str, arguments: &[&str]) -> Self {
        Self::with_env(config, arguments, &[])
    }

    /// As [`Gateway::with`], with environment variables.
    pub fn with_env(config: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("gateway.toml"), config).expect("a file");
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<_> = environment.iter().map(owned).collect();
        let (running, address) = run(&folder, arguments, &environment);
        Self {
            running: Some(running),
            address,
            folder,
            arguments: arguments.iter().map(|it| (*it).to_owned()).collect(),
            environment,
        }
    }

    /// A gateway that also receives messages by SMTP.
    pub fn with_smtp(config: &str, arguments: &[&str]) -> Self {
        let smtp = ["--smtp", "127.0.0.1:0"];
        Self::with(config, &[&smtp[..], arguments].concat())
    }

    /// Where it receives messages by SMTP.
    pub fn smtp(&self) -> SocketAddr {
        smtp_address(self.running())
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of its API.
    pub fn api(&self) -> String {
        format!("http://{}/api/", self.address)
    }

    /// The folder with its store.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Stops it by SIGTERM.
    pub fn stop(&mut self) -> Ran {
        self.running().signal(Signal::TERM);
        self.wait()
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        self.running().signal(Signal::KILL);
        self.wait();
    }

    /// Starts it again after it has ended, at the same address.
    pub fn restart(&mut self) {
        let address = self.address.to_string();
        let mut arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        if !arguments.contains(&"--listen") {
            arguments.extend(["--listen", &address]);
        }
        let (running, address) = run(&self.folder, &arguments, &self.environment);
        (self.running, self.address) = (Some(running), address);
    }

    /// Waits until it ends.
    pub fn wait(&mut self) -> Ran {
        self.running.take().expect("it runs").wait()
    }

    /// Its database, opened by SQLite alone.
    pub fn store(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data().join("gateway.db")).expect("a store")
    }

    /// The recipient and the message ID of each stored message, oldest first.
    pub fn stored_messages(&self) -> Vec<(String, String)> {
        let store = self.store();
        let mut select = store
            .prepare("SELECT to_address, message_id FROM message ORDER BY id")
            .expect("a table of messages");
        let rows = select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("messages");
        rows.map(|row| row.expect("a message")).collect()
    }

    /// The message ID of each stored message, oldest first.
    pub fn message_ids(&self) -> Vec<String> {
        self.stored_messages()
            .into_iter()
            .map(|(_, id)| id)
            .collect()
    }

    pub fn connect(&self) -> Wire {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a limit");
        stream.set_nodelay(true).expect("an option");
        Wire {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends a request on a new connection: the request line without the version, headers, a body.
    pub fn ask(&self, line: &str, lines: &[&str], body: &str) -> Reply {
        let mut wire = self.connect();
        wire.send(&self.request(line, lines, body));
        wire.reply()
    }

    /// A request as bytes. `Host` and the length of the body are added if they are missing.
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

    /// Posts a message to these addresses.
    pub fn post(&self, to: &[&str]) -> Reply {
        self.ask("POST /api/sendmail", &[], &form(to))
    }
}

/// Starts a gateway, and waits until it listens.
fn run(
    folder: &TempDir,
    arguments: &[&str],
    environment: &[(String, String)],
) -> (Running, SocketAddr) {
    let path = folder.path().join("gateway.toml");
    let run = Run::new("gateway").keys().arg("--config").arg(path);
    let run = environment
        .iter()
        .fold(run, |run, (name, value)| run.env(name, value));
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

/// Where a gateway receives messages by SMTP: its second line of output.
pub fn smtp_address(running: &Running) -> SocketAddr {
    let address = |running: &Running| -> Option<SocketAddr> {
        let stdout = running.stdout();
        let line = stdout.lines().nth(1)?.strip_prefix("smtp://")?;
        line.parse().ok()
    };
    running.wait_until("the SMTP address", |running| address(running).is_some());
    address(running).expect("an address")
}

/// The form of a small message to these addresses.
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

/// A connection to a gateway.
pub struct Wire {
    stream: TcpStream,
    /// Received bytes that were not parsed yet.
    read: Vec<u8>,
}

impl Wire {
    /// Sends bytes. A closed connection is no error: its responses show it.
    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.stream.write_all(bytes);
        self
    }

    /// Sends bytes one by one with a pause after each, until the gateway closes the connection. Returns how
    /// many were sent.
    pub fn trickle(&mut self, bytes: &[u8], pause: Duration) -> usize {
        for (n, byte) in bytes.iter().enumerate() {
            if self.stream.write_all(&[*byte]).is_err() || self.has_ended() {
                return n;
            }
            std::thread::sleep(pause);
        }
        bytes.len()
    }

    /// Whether the gateway has closed the connection by now.
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

    /// Waits until the gateway closes the connection, and returns the bytes before that.
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

    /// Waits until the connection ends, and returns whether it was reset.
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

    /// Reads one response.
    pub fn reply(&mut self) -> Reply {
        self.try_reply().expect("a response before the end")
    }

    /// Reads one response, if there is one before the connection ends.
    pub fn try_reply(&mut self) -> Option<Reply> {
        let started = Instant::now();
        loop {
            if let Some((reply, length)) = Reply::parse(&self.read) {
                self.read.drain(..length);
                return Some(reply);
            }
            assert!(started.elapsed() < TIMEOUT, "no response came");
            let mut bytes = [0; 65536];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.read.extend_from_slice(&bytes[..count]),
                Err(error) if is_end(&error) => return None,
                Err(error) => panic!("no response: {error}"),
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

/// An HTTP response.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// The names are in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    /// The first complete response in the received bytes, and its length.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(begin) = head.parse(bytes).expect("an HTTP response") else {
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

    /// The request's ID.
    pub fn req_id(&self) -> String {
        let json = self.json();
        json["req_id"].as_str().expect("a req_id").to_owned()
    }

    /// For each recipient its message ID, or the reason why there is none.
    pub fn values(&self) -> Vec<String> {
        let json = self.json();
        let data = json["data"].as_array().expect("a list").iter();
        let values = data.flat_map(|entry| entry.as_object().expect("an object").values());
        values
            .map(|value| value.as_str().expect("text").to_owned())
            .collect()
    }
}
