//! The messages in the outbox contain what was posted.
//!
//! Requests are encoded, and messages parsed, by code that the program does not use.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{Message, MessageParser, MimeHeaders};
use mailrun::address::Mailbox;
use mailrun::api::Request;
use mailrun::gateway::{ConnectionLimits, Login, Setup, Storage, serve};
use mailrun::message::mime::Draft;
use proptest::prelude::*;
use rand::SeedableRng;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// 2026-11-24T10:20:30.123456Z
const NOW: i64 = 1_795_515_630_123_456;

/// A gateway on a free port, stopped at the end of the test.
struct Gateway {
    address: SocketAddr,
    folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// An HTTP answer.
struct Reply {
    status: u16,
    content_type: String,
    json: Value,
}

impl Gateway {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let setup = Setup {
            permits: mailrun::gateway::relay::Permits::default(),
            login: Some(Login {
                app_key: "key".to_owned(),
                secret_key: "s3cr:et ż".into(),
            }),
            hosts: Vec::new(),
            limits: ConnectionLimits::default(),
            chaos: None,
            storage: Storage::Outbox(folder.path().join("outbox")),
            clock: mailrun::clock::Clock::new(|| {
                jiff::Timestamp::from_microsecond(NOW).expect("a time")
            }),
            random: Box::new(rand::rngs::StdRng::seed_from_u64(1)),
        };
        let (stop, stopped) = oneshot::channel();
        let (send_address, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
                    .await
                    .expect("a port");
                send_address
                    .send(listener.local_addr().expect("an address"))
                    .expect("a test");
                let shutdown = async { drop(stopped.await) };
                serve(listener, setup, shutdown).await.expect("a gateway");
            });
        });
        let address = address.recv().expect("a gateway");
        Self {
            address,
            folder,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn outbox(&self) -> PathBuf {
        self.folder.path().join("outbox")
    }

    /// Sends bytes and reads a response.
    fn exchange(&self, request: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.write_all(request).expect("a request");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer");
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut head = httparse::Response::new(&mut headers);
        let length = head.parse(&bytes).expect("a head").unwrap();
        let content_type = head
            .headers
            .iter()
            .find(|header| header.name == "content-type");
        Reply {
            status: head.code.expect("a status"),
            content_type: content_type.map_or(String::new(), |h| {
                String::from_utf8_lossy(h.value).into_owned()
            }),
            json: serde_json::from_slice(&bytes[length..]).expect("JSON"),
        }
    }

    /// Posts a body with additional headers.
    fn request(&self, line: &str, lines: &[&str], body: &[u8]) -> Reply {
        let mut request = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
        for line in lines {
            request += &format!("{line}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n", body.len());
        self.exchange(&[request.as_bytes(), body].concat())
    }

    fn post_bytes(&self, path: &str, body: &[u8]) -> Reply {
        let login = login("key:s3cr:et ż");
        let host = format!("Host: {}", self.address);
        let kind = "Content-Type: application/x-www-form-urlencoded; charset=utf-8";
        self.request(&format!("POST {path}"), &[&host, &login, kind], body)
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.post_bytes(path, form.finish().as_bytes())
    }

    /// Posts the required fields, with some added or replaced.
    fn sendmail(&self, fields: &[(&str, &str)]) -> Reply {
        self.post("/api/sendmail", &with(&BASE, fields))
    }

    /// The files in the outbox.
    fn files(&self) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(self.outbox().join("new")).expect("an outbox");
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        paths
            .iter()
            .map(|path| fs::read(path).expect("a message"))
            .collect()
    }

    fn only_file(&self) -> Vec<u8> {
        let mut files = self.files();
        assert_eq!(files.len(), 1);
        files.remove(0)
    }

    fn assert_empty(&self) {
        for folder in ["new", "tmp", "cur"] {
            let entries = fs::read_dir(self.outbox().join(folder)).expect("an outbox");
            assert_eq!(entries.count(), 0, "{folder}");
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn login(pair: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(pair))
}

const BASE: [(&str, &str); 5] = [
    ("to[0]", "jan@example.com"),
    ("smtp_account", "1.acme.smtp"),
    ("from", "news@acme.example"),
    ("subject", "Hello"),
    ("html", "<p>Hello</p>"),
];

/// `base` with the fields of the same name replaced by `fields`. Empty fields are left out.
fn with<'a>(base: &[(&'a str, &'a str)], fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let is_new = |name| !fields.iter().any(|(other, _)| *other == name);
    let unchanged = base.iter().filter(|(name, _)| is_new(*name));
    unchanged
        .chain(fields)
        .filter(|(_, value)| !value.is_empty())
        .copied()
        .collect()
}

fn parse(bytes: &[u8]) -> Message<'_> {
    MessageParser::new()
        .with_mime_headers()
        .with_address_headers()
        .with_date_headers()
        .with_message_ids()
        .default_header_text()
        .parse(bytes)
        .expect("a message")
}

fn text_of(part: &mail_parser::MessagePart<'_>) -> String {
    String::from_utf8(part.contents().to_vec()).expect("UTF-8")
}

/// The values of all headers of one name.
fn headers(message: &Message<'_>, name: &str) -> Vec<String> {
    let named = message
        .headers()
        .iter()
        .filter(|header| header.name().eq_ignore_ascii_case(name));
    named
        .map(|header| header.value().as_text().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_message_contains_what_was_posted() {
    let gateway = Gateway::start();
    let reply = gateway.sendmail(&[
        ("to[0]", "jan@żółw.pl"),
        ("from_name", "Żółć & \"Co\", Sp. z o.o."),
        ("subject", "Zażółć gęślą jaźń"),
        ("text", "Cześć,\n\nżółw\n"),
        ("cc", "cc@example.com"),
        ("cc_name", "Łucja"),
        ("bcc", "bcc@example.com"),
        ("reply_to", "hello@acme.example"),
        (
            "headers[List-Unsubscribe]",
            "<https://acme.example/u/1?a=b&c=d>",
        ),
        ("tags[]", "autumn"),
        ("tags[]", "Łódź, 2"),
    ]);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.content_type, "application/json");
    let id = reply.json["data"][0]["jan@żółw.pl"]
        .as_str()
        .expect("an ID")
        .to_owned();
    assert!(id.ends_with("@acme.example"), "{id}");
    assert_eq!(reply.json["code"], 200);
    assert_eq!(reply.json["status"], "success");
    assert_eq!(reply.json["message"], "Message sent");
    assert!(reply.json["req_id"].is_string());

    let file = gateway.only_file();
    let message = parse(&file);
    assert_eq!(message.message_id(), Some(&*id));
    assert_eq!(message.subject(), Some("Zażółć gęślą jaźń"));
    let from = message
        .from()
        .and_then(|from| from.first())
        .expect("a sender");
    assert_eq!(from.name(), Some("Żółć & \"Co\", Sp. z o.o."));
    assert_eq!(from.address(), Some("news@acme.example"));
    let to = message.to().and_then(|to| to.first()).expect("a recipient");
    assert_eq!(
        (to.name(), to.address()),
        (None, Some("jan@xn--w-uga1v8h.pl"))
    );
    let cc = message.cc().and_then(|cc| cc.first()).expect("a copy");
    assert_eq!(
        (cc.name(), cc.address()),
        (Some("Łucja"), Some("cc@example.com"))
    );
    let reply_to = message
        .reply_to()
        .and_then(|to| to.first())
        .expect("a reply address");
    assert_eq!(reply_to.address(), Some("hello@acme.example"));
    assert!(message.bcc().is_none());
    assert_eq!(
        message.date().map(mail_parser::DateTime::to_rfc3339),
        Some("2026-11-24T10:20:30Z".into())
    );
    assert_eq!(message.parts.len(), 3);
    assert_eq!(text_of(&message.parts[1]), "Cześć,\r\n\r\nżółw\r\n");
    assert_eq!(text_of(&message.parts[2]), "<p>Hello</p>");
    assert!(message.parts[0].is_content_type("multipart", "alternative"));

    let source = String::from_utf8(file.clone()).expect("ASCII");
    assert!(source.is_ascii());
    assert!(
        source.replace("\r\n", "").find(['\r', '\n']).is_none(),
        "CRLF alone ends lines"
    );
    assert!(source.contains("\r\nList-Unsubscribe: <https://acme.example/u/1?a=b&c=d>\r\n"));
    assert!(source.contains("\r\nMIME-Version: 1.0\r\n"));
    assert_eq!(headers(&message, "X-Mailrun-Account"), ["1.acme.smtp"]);
    assert_eq!(headers(&message, "X-Mailrun-Tag"), ["autumn", "Łódź, 2"]);
    assert_eq!(
        headers(&message, "X-Mailrun-Envelope-From"),
        ["news@acme.example"]
    );
    let envelope = ["jan@xn--w-uga1v8h.pl", "cc@example.com", "bcc@example.com"];
    assert_eq!(headers(&message, "X-Mailrun-Envelope-To"), envelope);
}

#[test]
fn every_recipient_gets_its_own_message_and_id() {
    let gateway = Gateway::start();
    let reply = gateway.sendmail(&[("to[0]", "a@example.com"), ("to[1]", "b@example.com")]);
    let ids = [
        &reply.json["data"][0]["a@example.com"],
        &reply.json["data"][1]["b@example.com"],
    ];
    let ids = ids.map(|id| id.as_str().expect("an ID"));
    assert_ne!(ids[0], ids[1]);
    let files = gateway.files();
    for ((file, id), to) in files
        .iter()
        .zip(ids)
        .zip(["a@example.com", "b@example.com"])
    {
        let message = parse(file);
        assert_eq!(message.message_id(), Some(id));
        let all = message.to().expect("recipients");
        assert_eq!(
            all.iter().map(|a| a.address()).collect::<Vec<_>>(),
            [Some(to)]
        );
        assert!(
            !String::from_utf8_lossy(file).contains(if to.starts_with('a') {
                "b@example.com"
            } else {
                "a@example.com"
            })
        );
    }
    assert_eq!(files.len(), 2);
}

#[test]
fn new_sendmail_uses_the_senders_ids_and_names() {
    let gateway = Gateway::start();
    let fields = with(
        &BASE,
        &[
            ("to[0]", ""),
            ("to[jan+1@example.com][message_id]", "abc.1@acme.example"),
            ("to[jan+1@example.com][reciver_name]", "Jan Żak"),
            ("to[ola@example.com]", "ignored"),
            ("return_path", "bounces@acme.example"),
        ],
    );
    let reply = gateway.post("/api/new_sendmail", &fields);
    assert_eq!(
        reply.json["data"][0],
        json!({"jan+1@example.com": "abc.1@acme.example"})
    );
    assert!(reply.json["data"][1]["ola@example.com"].is_string());
    let file = &gateway.files()[0];
    let message = parse(file);
    assert_eq!(message.message_id(), Some("abc.1@acme.example"));
    let to = message.to().and_then(|to| to.first()).expect("a recipient");
    assert_eq!(
        (to.name(), to.address()),
        (Some("Jan Żak"), Some("jan+1@example.com"))
    );
    assert_eq!(
        headers(&message, "X-Mailrun-Envelope-From"),
        ["bounces@acme.example"]
    );
}

#[test]
fn an_invalid_recipient_does_not_affect_the_others() {
    let gateway = Gateway::start();
    let reply = gateway.sendmail(&[
        ("to[0]", "jan kowalski@example.com"),
        ("to[1]", "b@example.com"),
    ]);
    assert_eq!((reply.status, &reply.json["code"]), (200, &json!(200)));
    let refused = reply.json["data"][0]["jan kowalski@example.com"].as_str();
    let expected = " > Address: jan kowalski@example.com is incorrect. Address has white sign.";
    assert!(refused.is_some_and(|refused| refused.ends_with(expected)));
    let id = reply.json["data"][1]["b@example.com"]
        .as_str()
        .expect("an ID");
    assert!(!id.contains(char::is_whitespace));
    assert_eq!(parse(&gateway.only_file()).message_id(), Some(id));
}

#[test]
fn inline_files_are_related_to_the_html_and_others_attached() {
    let gateway = Gateway::start();
    let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let content = STANDARD.encode(&bytes);
    let wrapped = content
        .as_bytes()
        .chunks(60)
        .map(|l| String::from_utf8_lossy(l) + "\r\n");
    let wrapped: String = wrapped.collect();
    gateway.sendmail(&[
        ("text", "see the picture"),
        ("html", "<img src=\"cid:logo.png\">"),
        ("files[0][name]", "logo.png"),
        ("files[0][mime]", "image/png"),
        ("files[0][content]", &wrapped),
        ("files[0][inline]", "1"),
        ("files[1][name]", "umowa \"żółw\"; 2%.pdf"),
        ("files[1][mime]", "application/pdf"),
        ("files[1][content]", &content),
        ("files[2][name]", "notes.txt"),
        ("files[2][mime]", "text/plain; charset=utf-8"),
        ("files[2][content]", &STANDARD.encode("a\nż\r\n")),
        ("files[3][name]", "mail.eml"),
        ("files[3][mime]", "message/rfc822"),
        ("files[3][content]", &STANDARD.encode("Subject: a\r\n\r\nb")),
    ]);
    let file = gateway.only_file();
    let message = parse(&file);
    let kinds = message.parts.iter().map(|part| {
        let kind = part.content_type().expect("a type");
        format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default())
    });
    let kinds = kinds.collect::<Vec<_>>();
    let expected = [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
        "text/plain",
        "application/octet-stream",
    ];
    assert_eq!(kinds, expected);
    let logo = &message.parts[5];
    assert_eq!(
        (logo.content_id(), logo.attachment_name()),
        (Some("logo.png"), Some("logo.png"))
    );
    assert!(
        logo.content_disposition()
            .is_some_and(mail_parser::ContentType::is_inline)
    );
    assert_eq!(logo.contents(), bytes);
    let pdf = &message.parts[6];
    assert_eq!(pdf.attachment_name(), Some("umowa \"żółw\"; 2%.pdf"));
    assert!(
        pdf.content_disposition()
            .is_some_and(mail_parser::ContentType::is_attachment)
    );
    assert_eq!(pdf.contents(), bytes);
    assert_eq!(message.parts[7].contents(), "a\nż\r\n".as_bytes());
    assert_eq!(message.parts[8].contents(), b"Subject: a\r\n\r\nb");
}

/// Bodies that mail software often changes. Each must come out unchanged, with CRLF for line breaks.
const BODIES: [&str; 18] = [
    "a",
    "\n",
    "a\nb\n",
    "a\r\nb\r\n",
    "a\rb\r",
    "\r\n\r\na\r\n \r\n",
    "trailing \nspaces\t\r\nhere ",
    ".\r\n.\n..\r\n",
    "From here\nFrom there\r\n>From",
    "--=_mixed\r\n--=_alternative--\n--=_related\r\n",
    "=\r\n==3D=?utf-8?Q?a?=",
    "🎉👩‍👩‍👧‍👦 zażółć \u{202e}gęślą\u{feff} e\u{301}",
    "\u{0}\u{1}\u{7f}\u{85}\u{2028}",
    "<script>alert('x')</script> {{ x }} ${7*7}",
    "Robert'); DROP TABLE students;--",
    "%s%x %n %00 ../../etc/passwd",
    "田中さんにあげて下さい",
    "Subject: x\r\nBcc: y@example.com\r\n\r\nbody",
];

/// RFC 2046 4.1.1: the line breaks of text are CRLF.
fn with_crlf(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.replace('\n', "\r\n")
}

#[test]
fn bodies_are_unchanged_except_for_line_breaks() {
    let gateway = Gateway::start();
    let long = "x".repeat(3000) + " \n" + &"ż ".repeat(2000) + &".".repeat(998);
    let bodies: Vec<&str> = BODIES.into_iter().chain([&*long]).collect();
    for body in &bodies {
        gateway.sendmail(&[("text", body), ("html", body)]);
        gateway.sendmail(&[("text", body), ("html", "")]);
    }
    let files = gateway.files();
    assert_eq!(files.len(), 2 * bodies.len());
    for (pair, body) in files.chunks(2).zip(&bodies) {
        for file in pair {
            let lines = file.split(|byte| *byte == b'\n');
            assert!(lines.map(<[u8]>::len).max() <= Some(79), "{body:?}");
            let message = parse(file);
            let texts = message.parts.iter().filter(|part| part.is_text());
            let texts = texts.map(text_of).collect::<Vec<_>>();
            assert_eq!(texts.len(), if message.parts.len() == 1 { 1 } else { 2 });
            assert!(
                texts.iter().all(|text| *text == with_crlf(body)),
                "{body:?} came out as {texts:?}"
            );
        }
    }
}

/// Texts that are hard to put into headers. As a subject, a name, a tag and a file name, each must come
/// out unchanged.
const LINES: [&str; 16] = [
    "a",
    " leading and trailing ",
    "two  spaces   three",
    "a\ttab",
    "=?utf-8?Q?=41?=",
    "=?utf-8?B?QQ==?= =?utf-8?B?QQ==?=",
    "\"quoted\" \\ back\\slash",
    "a, b; c: <d@example.com> (e)",
    "Zażółć gęślą jaźń, zażółć gęślą jaźń, zażółć gęślą jaźń, zażółć gęślą jaźń",
    "🎉🎊👩‍👩‍👧‍👦🎉🎊👩‍👩‍👧‍👦🎉🎊👩‍👩‍👧‍👦🎉🎊👩‍👩‍👧‍👦🎉🎊👩‍👩‍👧‍👦🎉🎊👩‍👩‍👧‍👦🎉🎊",
    "a plain subject of more than seventy-five characters, which has to be folded somewhere",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "\u{1}\u{7f}\u{85}\u{2028}\u{feff}",
    "\u{202e}right to left",
    "田中さん",
    "%0D%0ABcc: x@example.com",
];

/// A request with the same text in every one-line field.
fn request_of(line: &str) -> Vec<(&'static str, String)> {
    let named = [
        "subject",
        "from_name",
        "cc_name",
        "files[0][name]",
        "headers[X-Test]",
        "tags[0]",
    ];
    let fields = named.into_iter().map(|name| (name, line.to_owned()));
    let fixed = [
        ("cc", "cc@example.com"),
        ("text", "body"),
        ("files[0][mime]", "image/png"),
        ("files[0][content]", "QUJD"),
    ];
    fields
        .chain(fixed.map(|(name, value)| (name, value.to_owned())))
        .collect()
}

#[test]
fn header_texts_are_unchanged_byte_for_byte() {
    let gateway = Gateway::start();
    for line in LINES {
        let fields = request_of(line);
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let reply = gateway.sendmail(&fields);
        assert_eq!(reply.status, 200, "{line:?}: {}", reply.json);
    }
    let files = gateway.files();
    assert_eq!(files.len(), LINES.len());
    for (file, line) in files.iter().zip(LINES) {
        let message = parse(file);
        assert_eq!(message.subject(), Some(line));
        let name = |group: Option<&mail_parser::Address<'_>>| {
            group
                .and_then(|a| a.first())
                .and_then(|a| a.name())
                .map(str::to_owned)
        };
        assert_eq!(name(message.from()).as_deref(), Some(line));
        assert_eq!(name(message.cc()).as_deref(), Some(line));
        assert_eq!(headers(&message, "X-Test"), [line]);
        assert_eq!(headers(&message, "X-Mailrun-Tag"), [line]);
        let file = message.attachments().next().expect("an attachment");
        assert_eq!(file.attachment_name(), Some(line));
    }
}

const READ_WITH_PYTHON: &str = r#"
import base64, json, sys
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import collapse_rfc2231_value
def name(part):
    return collapse_rfc2231_value(part.get_param("filename", header="Content-Disposition"))
for path in sys.argv[1:]:
    message = message_from_bytes(open(path, "rb").read(), policy=policy.compat32)
    leaves = [part for part in message.walk() if not part.is_multipart()]
    print(json.dumps({
        "subject": str(make_header(decode_header(message["Subject"].replace("\r\n", "")))),
        "defects": [str(defect) for part in message.walk() for defect in part.defects],
        "bodies": [base64.b64encode(part.get_payload(decode=True)).decode() for part in leaves],
        "names": [name(part) for part in leaves if part.get_filename() is not None],
    }))
"#;

fn read_with_python(outbox: &Path) -> Option<Vec<Value>> {
    let mut paths: Vec<_> = fs::read_dir(outbox.join("new"))
        .expect("an outbox")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let output = Command::new("python3")
        .arg("-c")
        .arg(READ_WITH_PYTHON)
        .args(paths)
        .output();
    let Ok(output) = output.inspect_err(|error| eprintln!("not tested, no python3: {error}"))
    else {
        return None;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    Some(
        lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect(),
    )
}

#[test]
fn python_reads_what_was_posted() {
    let gateway = Gateway::start();
    for body in BODIES {
        gateway.sendmail(&[("text", body), ("html", "")]);
    }
    for line in LINES {
        let fields = request_of(line);
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        gateway.sendmail(&fields);
    }
    let Some(messages) = read_with_python(&gateway.outbox()) else {
        return;
    };
    assert_eq!(messages.len(), BODIES.len() + LINES.len());
    for (message, body) in messages.iter().zip(BODIES) {
        assert_eq!(
            message["bodies"],
            json!([STANDARD.encode(with_crlf(body))]),
            "{body:?}"
        );
        assert_eq!(message["defects"], json!([]), "{body:?}");
    }
    for (message, line) in messages[BODIES.len()..].iter().zip(LINES) {
        assert_eq!(message["subject"], line);
        assert_eq!(message["names"], json!([line]));
        assert_eq!(message["defects"], json!([]), "{line:?}");
        assert_eq!(message["bodies"][2], "QUJD");
    }
}

#[test]
fn only_the_correct_login_is_accepted() {
    let gateway = Gateway::start();
    let host = format!("Host: {}", gateway.address);
    let logins = [
        "key:wrong",
        "key:s3cr:et zz",
        "other:s3cr:et ż",
        "key:s3cr:et żz",
        "key",
        "",
        ":",
    ]
    .map(login);
    let others = [
        "Authorization: Bearer x",
        "Authorization: Basic ***",
        "X-Nothing: x",
    ];
    let all: Vec<&str> = logins.iter().map(String::as_str).chain(others).collect();
    for path in ["/api/sendmail", "/api/new_sendmail", "/nothing"] {
        for login in &all {
            let reply = gateway.request(&format!("POST {path}"), &[&host, login], b"");
            assert_eq!(reply.status, 401, "{login}");
            assert_eq!(reply.json["code"], 401);
            assert_eq!(reply.json["status"], "error");
            assert_eq!(reply.json["message"], "Error: App Key is invalid");
            assert!(reply.json["req_id"].is_string());
        }
    }
    gateway.assert_empty();
    let right = login("key:s3cr:et ż").replace("Basic", "basic");
    let reply = gateway.request("POST /api/sendmail", &[&host, &right], b"");
    assert_ne!(reply.status, 401);
}

#[test]
fn only_loopback_hosts_are_accepted() {
    let gateway = Gateway::start();
    let login = login("key:s3cr:et ż");
    let status = |host: &str| {
        let line = format!("Host: {host}");
        gateway
            .request("POST /api/sendmail", &[&line, &login], b"")
            .status
    };
    let port = gateway.address.port();
    for host in [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1",
        "[::1]",
        "127.9.9.9:1",
    ] {
        assert_ne!(status(host), 403, "{host}");
    }
    assert_ne!(status(&format!("127.0.0.1:{port}")), 403);
    for host in [
        "evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "127.0.0.1.evil.example",
        "",
    ] {
        assert_eq!(status(host), 403, "{host}");
    }
}

#[test]
fn unknown_paths_are_answered_404_in_json() {
    let gateway = Gateway::start();
    let login = login("key:s3cr:et ż");
    for line in [
        "GET /",
        "POST /api/nothing",
        "GET /api/sendmail",
        "POST /api/sendmail/x",
    ] {
        let reply = gateway.request(line, &["Host: localhost", &login], b"");
        assert_eq!(
            (reply.status, &reply.json["code"]),
            (404, &json!(404)),
            "{line}"
        );
        assert_eq!(reply.json["status"], "error");
    }
}

/// Posts a request that must be refused, and returns the status and the message.
fn refusal(gateway: &Gateway, fields: &[(&str, &str)]) -> (u16, String) {
    let reply = gateway.sendmail(fields);
    assert_eq!(reply.json["status"], "error", "{fields:?}");
    assert_eq!(reply.json["code"], reply.status);
    gateway.assert_empty();
    (
        reply.status,
        reply.json["message"]
            .as_str()
            .expect("a message")
            .to_owned(),
    )
}

#[test]
fn invalid_values_are_refused_by_field_name() {
    let gateway = Gateway::start();
    let refused = |fields: &[(&str, &str)]| refusal(&gateway, fields);
    let permanent = |message: &str| (500, message.to_owned());
    for name in ["smtp_account", "from", "subject"] {
        assert_eq!(
            refused(&[(name, "")]),
            permanent(&format!("the {name} is missing"))
        );
    }
    assert_eq!(refused(&[("to[0]", "")]), permanent("the to is missing"));
    assert_eq!(
        refused(&[("html", "")]),
        permanent("the message has neither html nor text")
    );
    let long = "ż".repeat(129);
    let expected = "the subject has 129 characters; the maximum is 128";
    assert_eq!(refused(&[("subject", &long)]), permanent(expected));
    let expected = "Sender address is not valid: the domain “localhost” has no dot";
    assert_eq!(refused(&[("from", "me@localhost")]), permanent(expected));
    let expected = "cc is not valid: not an email address: it must look like name@example.com";
    assert_eq!(refused(&[("cc", "x")]), permanent(expected));
    let file = |name, content| {
        [
            ("files[0][name]", "a"),
            ("files[0][mime]", name),
            ("files[0][content]", content),
        ]
    };
    assert_eq!(
        refused(&file("a/b", "*")),
        permanent("files[0][content] is not valid base64")
    );
    let expected = "files[0][mime] is not a media type such as image/png";
    assert_eq!(refused(&file("png", "QQ==")), permanent(expected));
    let shape = (
        400,
        "the field subject must be one value, not an array".to_owned(),
    );
    assert_eq!(refused(&[("subject", ""), ("subject[]", "a")]), shape);
}

#[test]
fn no_field_can_add_headers() {
    let gateway = Gateway::start();
    let injection = "x\r\nBcc: victim@example.com";
    for name in [
        "subject",
        "from_name",
        "headers[X-A]",
        "tags[]",
        "reply_to",
        "smtp_account",
    ] {
        let (status, message) = refusal(&gateway, &[(name, injection)]);
        assert_eq!(status, 500);
        assert!(message.ends_with("contains a line break"), "{message}");
    }
    let fields = [("cc", "a@example.com"), ("cc_name", injection)];
    assert_eq!(
        refusal(&gateway, &fields).1,
        "the cc_name contains a line break"
    );
    for (name, message) in [
        (
            "headers[X-A\r\nBcc]",
            "headers[…]: \"X-A\\r\\nBcc\" is not a valid header name",
        ),
        (
            "headers[X-A: b\nBcc]",
            "headers[…]: \"X-A: b\\nBcc\" is not a valid header name",
        ),
    ] {
        assert_eq!(refusal(&gateway, &[(name, "a")]), (500, message.to_owned()));
    }
    for name in ["Bcc", "Sender", "Content-Type", "X-Mailrun-Envelope-To"] {
        let (status, message) = refusal(&gateway, &[(&format!("headers[{name}]"), "a")]);
        assert_eq!(status, 500);
        assert!(message.contains(name), "{message}");
    }
    let (status, message) = refusal(&gateway, &[("headers[Return-Path]", "a")]);
    assert_eq!(status, 500);
    assert!(message.contains("return_path is not valid"), "{message}");
    let fields = with(
        &BASE,
        &[
            ("to[0]", ""),
            ("to[a@example.com][message_id]", "a>\r\nBcc: b"),
        ],
    );
    let reply = gateway.post("/api/new_sendmail", &fields);
    assert_eq!(reply.status, 500);
    let message = reply.json["message"].as_str().expect("words");
    assert!(
        message.starts_with("the to[a@example.com][message_id] "),
        "{message}"
    );
    gateway.assert_empty();
}

#[test]
fn values_that_make_a_line_too_long_are_refused_by_field_name() {
    let gateway = Gateway::start();
    let file = |name, mime| {
        [
            ("files[0][name]", name),
            ("files[0][mime]", mime),
            ("files[0][content]", "QQ=="),
        ]
    };
    let long = "x".repeat(1200);
    let name = format!("headers[X{long}]");
    let encoded = format!("=?{}", "ż".repeat(3000));
    let mime = format!("text/plain; a={long}");
    for (fields, named) in [
        (vec![(&*name, "a")], "it has 1201 bytes; the maximum is 90"),
        (
            file(&encoded, "a/b").to_vec(),
            "the files[0][name] has 6002 bytes; the maximum is 255",
        ),
        (
            file("a", &mime).to_vec(),
            "the files[0][mime] has 1214 bytes; the maximum is 255",
        ),
    ] {
        let (status, message) = refusal(&gateway, &fields);
        assert_eq!(status, 500);
        assert!(message.contains(named), "{message}");
    }
    let id = "i".repeat(1999);
    let id = [("to[0]", ""), ("to[a@example.com][message_id]", &id)];
    let reply = gateway.post("/api/new_sendmail", &with(&BASE, &id));
    let message = "the to[a@example.com][message_id] has 1999 bytes; the maximum is 980";
    assert_eq!(
        (reply.status, &reply.json["message"]),
        (500, &json!(message))
    );
    gateway.assert_empty();
}

#[test]
fn no_line_exceeds_the_smtp_limit() {
    let gateway = Gateway::start();
    let (name, value) = (format!("headers[X{}]", "x".repeat(89)), "v".repeat(900));
    let (words, id) = ("word ".repeat(600), "i".repeat(980));
    let (file, mime) = (
        format!("=?{}", "ż".repeat(126)),
        format!("a/{}", "b".repeat(253)),
    );
    let fields = [
        ("to[0]", ""),
        ("to[a@example.com][message_id]", &*id),
        ("to[a@example.com][reciver_name]", words.trim_end()),
        (&*name, &*value),
        ("headers[X-Long]", &"w".repeat(3000)),
        (
            "cc[c@example.com]",
            words.trim_end().get(..127).expect("a name"),
        ),
        ("html", "x"),
        ("files[0][name]", &file),
        ("files[0][mime]", &mime),
        ("files[0][content]", "QQ=="),
        ("files[0][inline]", "1"),
    ];
    let reply = gateway.post("/api/new_sendmail", &with(&BASE, &fields));
    assert_eq!(reply.status, 200, "{}", reply.json);
    let message = gateway.only_file();
    let longest = message.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
    assert!(longest <= Some(999), "{longest:?}");
    let parsed = parse(&message);
    let to = parsed.to().and_then(|to| to.first()).expect("a recipient");
    assert_eq!(to.name(), Some(words.trim_end()));
    assert_eq!(
        parsed.attachment(0).and_then(|file| file.attachment_name()),
        Some(&*file)
    );
}

#[test]
fn a_message_that_is_too_large_is_answered_413() {
    let gateway = Gateway::start();
    let html = "a".repeat(15_000_001);
    let (status, message) = refusal(&gateway, &[("html", &html)]);
    assert_eq!(status, 413);
    assert!(
        message.starts_with("Email size exceeds outgoing message size limit."),
        "{message}"
    );
    let login = login("key:s3cr:et ż");
    let head = format!(
        "POST /api/sendmail HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{login}\r\n\
         Content-Length: 100000000\r\n\r\n"
    );
    let reply = gateway.exchange(head.as_bytes());
    assert_eq!((reply.status, &reply.json["code"]), (413, &json!(413)));
    assert_eq!(gateway.sendmail(&[("html", &html[1..])]).status, 200);
}

#[test]
fn an_unreadable_body_is_refused() {
    let gateway = Gateway::start();
    for (body, message) in [
        (&b"subject=%FF"[..], "the field “subject” is not UTF-8"),
        (
            b"to[a=1",
            "the name of the field “to[a” has a bracket that is not closed",
        ),
        (
            &b"a=1&".repeat(1001)[..],
            "the body has more than 1000 variables",
        ),
    ] {
        let reply = gateway.post_bytes("/api/sendmail", body);
        assert_eq!(
            (reply.status, reply.json["message"].as_str()),
            (400, Some(message))
        );
    }
    let login = login("key:s3cr:et ż");
    let lines = [
        "Host: localhost",
        &login,
        "Content-Type: multipart/form-data; boundary=x",
    ];
    assert_eq!(
        gateway.request("POST /api/sendmail", &lines, b"").status,
        415
    );
    gateway.assert_empty();
}

#[test]
fn the_outbox_is_private_and_complete() {
    let gateway = Gateway::start();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let gateway = &gateway;
            scope.spawn(move || {
                for m in 0..10 {
                    let to = format!("{n}.{m}@example.com");
                    assert_eq!(gateway.sendmail(&[("to[0]", &to)]).status, 200);
                }
            });
        }
    });
    let mut recipients: Vec<_> = gateway
        .files()
        .iter()
        .map(|file| headers(&parse(file), "X-Mailrun-Envelope-To").remove(0))
        .collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!(recipients.len(), 80);
    assert_eq!(gateway.files().len(), 80);
    let mode = |path: PathBuf| fs::metadata(path).expect("a path").permissions().mode() & 0o777;
    for folder in ["", "new", "tmp", "cur"] {
        assert_eq!(mode(gateway.outbox().join(folder)), 0o700, "{folder}");
    }
    for entry in fs::read_dir(gateway.outbox().join("new")).expect("an outbox") {
        assert_eq!(mode(entry.expect("an entry").path()), 0o600);
    }
    assert_eq!(
        fs::read_dir(gateway.outbox().join("tmp"))
            .expect("a folder")
            .count(),
        0
    );
}

#[test]
fn an_unwritable_outbox_accepts_nothing() {
    let gateway = Gateway::start();
    gateway.sendmail(&[("subject", "")]);
    fs::remove_dir(gateway.outbox().join("tmp")).expect("an empty folder");
    let reply = gateway.sendmail(&[]);
    assert_eq!((reply.status, &reply.json["code"]), (503, &json!(503)));
    assert_eq!(reply.json["status"], "error");
    assert!(gateway.files().is_empty());
}

/// One line of text that is hard to put into a header.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c =?_.,;:@\"\\\\<>()\tżé🎉\u{301}\u{1}-]{1,60}",
        "[^\u{0}\r\n]{1,60}"
    ]
}

/// A text that is hard to put into a body.
fn body() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c =.\r\n\tż🎉F\u{0}-]{1,300}", "(?s:.){1,300}"]
}

proptest! {
    #[test]
    fn any_text_comes_back(
        subject in line(), from_name in line(), to_name in line(), value in line(),
        file_name in line(), text in body(), html in body(),
        content in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let base64 = STANDARD.encode(&content);
        let file = mailrun::api::File {
            name: file_name.as_str().into(),
            mime: "image/png".into(),
            content: base64.into(),
            inline: false,
        };
        let request = Request {
            from: "news@acme.example".into(),
            from_name: Some(from_name.as_str().into()),
            subject: subject.as_str().into(),
            headers: vec![("X-Test".into(), value.as_str().into())],
            text: Some(text.as_str().into()),
            html: Some(html.as_str().into()),
            files: vec![file],
            ..Request::default()
        };
        let to = Mailbox {
            name: Some(to_name.clone()),
            address: "jan@example.com".parse().expect("an address"),
        };
        let draft = Draft::new(&request).expect("a draft");
        let bytes = draft.message(&to, "1@acme.example", jiff::Timestamp::UNIX_EPOCH);
        let message = parse(&bytes);
        prop_assert_eq!(message.subject(), Some(&*subject));
        let name = |group: Option<&mail_parser::Address<'_>>| {
            group.and_then(|a| a.first()).and_then(|a| a.name()).map(str::to_owned)
        };
        prop_assert_eq!(name(message.from()), Some(from_name));
        prop_assert_eq!(name(message.to()), Some(to_name));
        prop_assert_eq!(headers(&message, "X-Test"), [value]);
        prop_assert_eq!(message.parts.len(), 5);
        prop_assert_eq!(text_of(&message.parts[2]), with_crlf(&text));
        prop_assert_eq!(text_of(&message.parts[3]), with_crlf(&html));
        prop_assert_eq!(message.parts[4].attachment_name(), Some(&*file_name));
        prop_assert_eq!(message.parts[4].contents(), content);
        prop_assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));
    }
}
