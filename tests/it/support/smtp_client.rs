//! An SMTP client that sends exactly what a test says.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long a reply may take before the test fails.
const TIMEOUT: Duration = Duration::from_secs(30);

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection whose greeting was read.
pub struct SmtpClient {
    stream: Option<Stream>,
    read: Vec<u8>,
}

impl SmtpClient {
    pub fn connect(address: SocketAddr) -> Self {
        let mut client = Self::silent(address);
        client.expect("220");
        client
    }

    /// A connection whose greeting was not read.
    pub fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a limit");
        stream.set_nodelay(true).expect("an option");
        Self {
            stream: Some(Stream::Plain(stream)),
            read: Vec::new(),
        }
    }

    /// Sends bytes. A closed connection is no error: the replies show it.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = match self.stream.as_mut().expect("a stream") {
            Stream::Plain(stream) => stream.write_all(bytes.as_ref()),
            Stream::Tls(stream) => stream.write_all(bytes.as_ref()),
        };
        self
    }

    /// Reads more bytes. `Ok(0)` and errors are the end of the connection.
    fn read_more(&mut self) -> std::io::Result<usize> {
        let mut bytes = [0; 4096];
        let count = match self.stream.as_mut().expect("a stream") {
            Stream::Plain(stream) => stream.read(&mut bytes)?,
            Stream::Tls(stream) => stream.read(&mut bytes)?,
        };
        self.read.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// The next reply with all its lines, or `None` at the end of the connection.
    pub fn try_reply(&mut self) -> Option<String> {
        loop {
            if let Some(length) = whole_reply(&self.read) {
                let reply = self.read.drain(..length).collect();
                return Some(String::from_utf8(reply).expect("an ASCII reply"));
            }
            match self.read_more() {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no reply came"),
                Err(_) => return None,
            }
        }
    }

    /// Asserts the start of the next reply, and returns the reply.
    #[track_caller]
    pub fn expect(&mut self, start: &str) -> String {
        let reply = self.try_reply().expect("a reply before the end");
        assert!(reply.starts_with(start), "{start}: {reply}");
        reply
    }

    /// Sends a line and asserts the start of its reply.
    #[track_caller]
    pub fn say(&mut self, line: &str, start: &str) -> String {
        self.send(format!("{line}\r\n"));
        let reply = self.try_reply().expect("a reply before the end");
        assert!(reply.starts_with(start), "{line}: {reply}");
        reply
    }

    /// Starts a transaction: everything up to the reply to DATA.
    #[track_caller]
    pub fn begin(&mut self, from: &str, to: &[&str]) {
        self.say("EHLO client.example", "250");
        self.say(&format!("MAIL FROM:<{from}>"), "250");
        for to in to {
            self.say(&format!("RCPT TO:<{to}>"), "250");
        }
        self.say("DATA", "354");
    }

    /// Whether the connection ends without another reply.
    pub fn ends(&mut self) -> bool {
        self.try_reply().is_none()
    }

    /// Whether the connection ends by a reset, without another reply.
    pub fn ends_by_reset(&mut self) -> bool {
        loop {
            match self.read_more() {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    }

    /// Whether nothing arrives for this time.
    pub fn is_silent_for(&mut self, time: Duration) -> bool {
        let Some(Stream::Plain(stream)) = &self.stream else {
            panic!("not over TLS")
        };
        stream.set_read_timeout(Some(time)).expect("a limit");
        let read = self.read_more();
        let Some(Stream::Plain(stream)) = &self.stream else {
            panic!("not over TLS")
        };
        stream.set_read_timeout(Some(TIMEOUT)).expect("a limit");
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Starts TLS, and trusts only this authority. The server must be on 127.0.0.1.
    pub fn start_tls(&mut self, authority: &str) {
        self.say("STARTTLS", "220");
        let Some(Stream::Plain(stream)) = self.stream.take() else {
            panic!("TLS is on")
        };
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(authority.as_bytes());
        roots.add(certificate.expect("PEM")).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
        let stream = StreamOwned::new(connection, stream);
        self.stream = Some(Stream::Tls(Box::new(stream)));
    }
}

/// The length of the first reply, if all its lines have arrived.
fn whole_reply(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        length += line.len();
        if !line.ends_with(b"\r\n") {
            return None;
        }
        assert!(line.len() >= 5 && line[..3].iter().all(u8::is_ascii_digit));
        if line[3] == b' ' || line[3] == b'\r' {
            return Some(length);
        }
    }
    None
}

/// The text of a message as it is sent after DATA: with added dots and the final dot.
pub fn with_dots(message: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            sent.push(b'.');
        }
        sent.extend_from_slice(line);
    }
    sent.extend_from_slice(b".\r\n");
    sent
}
