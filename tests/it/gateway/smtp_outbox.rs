//! SMTP into an outbox, in the same process: what a local run of an SMTP campaign uses.

use std::fs;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use mailrun::gateway::relay::Permits;
use mailrun::gateway::{ConnectionLimits, Login, Setup, Storage, serve_smtp};
use rand::SeedableRng;
use tokio::sync::oneshot;

use crate::support::smtp_client::{SmtpClient, with_dots};

struct Server {
    address: SocketAddr,
    folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let setup = Setup {
            permits: Permits::default(),
            login: Some(Login {
                app_key: "key".to_owned(),
                secret_key: "secret".into(),
            }),
            hosts: Vec::new(),
            limits: ConnectionLimits::default(),
            chaos: None,
            storage: Storage::Outbox(folder.path().join("outbox")),
            clock: mailrun::clock::Clock::system(),
            random: Box::new(rand::rngs::StdRng::seed_from_u64(1)),
        };
        let (stop, stopped) = oneshot::channel();
        let (send_address, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("a port");
                let address = listener.local_addr().expect("an address");
                send_address.send(address).expect("a test");
                let shutdown = async { drop(stopped.await) };
                let served = serve_smtp(listener, setup, shutdown).await;
                served.expect("a server");
            });
        });
        Self {
            address: address.recv().expect("a server"),
            folder,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn files(&self) -> Vec<Vec<u8>> {
        let new = self.folder.path().join("outbox/new");
        let mut paths: Vec<_> = fs::read_dir(new)
            .expect("an outbox")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        let read = |path| fs::read(path).expect("a file");
        paths.into_iter().map(read).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn each_recipient_gets_a_file_with_the_headers_of_an_outbox() {
    let server = Server::start();
    let mut client = SmtpClient::connect(server.address);
    let message = b"Subject: S\r\nTo: jan@example.com\r\n\r\n.dot\r\n\xc5\xbc\r\n";
    client.say("EHLO client.example", "250");
    client.say("MAIL FROM:<b+1@acme.example>", "530 5.7.0");
    client.say("AUTH PLAIN AGtleQBzZWNyZXQ=", "235 2.7.0");
    client.begin("b+1@acme.example", &["jan@example.com", "ola@EXAMPLE.com"]);
    client.send(with_dots(message)).expect("250 2.0.0");
    client.say("QUIT", "221");
    assert!(client.ends());
    let envelope = |to: &str| {
        format!(
            "X-Mailrun-Envelope-From: b+1@acme.example\r\nX-Mailrun-Envelope-To: {to}\r\n\
             X-Mailrun-Account: smtp\r\n"
        )
    };
    let file = |to| [envelope(to).as_bytes(), message].concat();
    let expected = [file("jan@example.com"), file("ola@example.com")];
    assert_eq!(server.files(), expected);
}

#[test]
fn a_message_that_cannot_be_stored_is_refused_for_now() {
    let server = Server::start();
    let mut client = SmtpClient::connect(server.address);
    let new = server.folder.path().join("outbox/new");
    fs::remove_dir(&new).expect("an empty folder");
    client.say("EHLO client.example", "250");
    client.say("AUTH PLAIN AGtleQBzZWNyZXQ=", "235 2.7.0");
    client.begin("a@acme.example", &["jan@example.com"]);
    client.send("Subject: S\r\n\r\n.\r\n").expect("451 4.3.0");
    fs::create_dir(&new).expect("a folder");
    client.begin("a@acme.example", &["jan@example.com"]);
    client.send("Subject: S\r\n\r\n.\r\n").expect("250 2.0.0");
    assert_eq!(server.files().len(), 1);
}
