//! A minimal HTTP client: one request a connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

pub struct Reply {
    pub status: u16,
    /// Lower-case names, and values.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// Parses everything that came on a connection.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let length = head.parse(bytes).expect("a head").unwrap();
        let pair = |header: &httparse::Header<'_>| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_ascii_lowercase(), value)
        };
        Self {
            status: head.code.expect("a status"),
            headers: head.headers.iter().map(pair).collect(),
            body: bytes[length..].to_vec(),
        }
    }

    /// The value of a header, which must occur once.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => value,
            other => panic!("{name} must occur once: {other:?}"),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Asserts the status.
    #[track_caller]
    pub fn code(self, status: u16) -> Self {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{body}");
        self
    }
}

/// Whether all bytes have come of an answer with a Content-Length.
fn is_whole(bytes: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = head.parse(bytes) else {
        return false;
    };
    let named = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case("content-length");
    let length_header = head.headers.iter().find(named);
    let body = length_header.and_then(|header| {
        std::str::from_utf8(header.value)
            .ok()?
            .parse::<usize>()
            .ok()
    });
    body.is_some_and(|body| bytes.len() >= length + body)
}

/// A server at an address such as `127.0.0.1:4711`.
#[derive(Clone)]
pub struct Site(pub String);

impl Site {
    /// From a URL such as `http://127.0.0.1:4711/`.
    pub fn of(url: &str) -> Self {
        let host = url.strip_prefix("http://").expect("a URL");
        Self(host.trim_end_matches('/').to_owned())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0)
    }

    /// Sends a request such as `GET /path`, and returns the connection.
    pub fn send(&self, line: &str, headers: &[&str], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.0).expect("a connection");
        let mut head = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.0
        );
        for header in headers {
            head += &format!("{header}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        stream
            .write_all(&[head.as_bytes(), body].concat())
            .expect("a request");
        stream
    }

    /// Sends a request, and reads the whole answer.
    pub fn ask(&self, line: &str, headers: &[&str], body: &[u8]) -> Reply {
        let mut stream = self.send(line, headers, body);
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        let (mut bytes, mut buffer) = (Vec::new(), [0; 65536]);
        // Some servers keep the connection open despite `Connection: close`.
        while !is_whole(&bytes) {
            match stream.read(&mut buffer).expect("an answer") {
                0 => break,
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
        Reply::parse(&bytes)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path}"), &[], b"")
    }

    /// Sends a request that changes something, with the header that the inbox page sends.
    pub fn change(&self, method: &str, path: &str) -> Reply {
        self.ask(&format!("{method} {path}"), &["X-Mailrun: inbox"], b"")
    }

    /// Posts a form to the API of the gateway.
    pub fn post(&self, action: &str, fields: &[(&str, &str)]) -> Reply {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let login = format!("Authorization: Basic {}", STANDARD.encode("key:secret"));
        let kind = "Content-Type: application/x-www-form-urlencoded";
        self.ask(
            &format!("POST /api/{action}"),
            &[&login, kind],
            form.finish().as_bytes(),
        )
    }
}
