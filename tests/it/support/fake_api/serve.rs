//! The server: a thread a connection, one request after the other on each.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustls::ServerConfig;

use super::http::{Head, read_body, read_head};
use super::ledger::{Ledger, Taken};
use super::reply::{Early, Json, Reply, Verdict};
use super::request::Request;
use super::wire::Wire;

type EarlyScript = Box<dyn Fn(usize) -> Early + Send + Sync>;
type Script = Box<dyn Fn(usize, &Request) -> Reply + Send + Sync>;

/// All that the connections of one fake share.
pub struct Server {
    early: EarlyScript,
    script: Script,
    tls: Option<Arc<ServerConfig>>,
    ledger: Mutex<Ledger>,
    /// The open connections by number, to close them from outside; none once the server has stopped.
    open: Mutex<Option<HashMap<usize, TcpStream>>>,
}

/// What becomes of a connection after an answer.
enum Then {
    KeepAlive,
    Close,
    Reset,
}

impl Server {
    pub fn new(early: EarlyScript, script: Script) -> Self {
        Self {
            early,
            script,
            tls: None,
            ledger: Mutex::default(),
            open: Mutex::new(Some(HashMap::new())),
        }
    }

    pub fn with_tls(self, tls: Arc<ServerConfig>) -> Self {
        Self {
            tls: Some(tls),
            ..self
        }
    }

    pub fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The ledger. It can be read after a script panicked, so that the test shows its own failure.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes connections until [`Server::stop`].
    pub fn accept(self: Arc<Self>, listener: &TcpListener) {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let Ok(handle) = stream.try_clone() else {
                continue;
            };
            match self.open().as_mut() {
                Some(open) => open.insert(number, handle),
                None => return,
            };
            self.ledger().connections += 1;
            let server = Arc::clone(&self);
            std::thread::spawn(move || {
                // A connection that breaks is the client's to notice, and so is a script that panics.
                let _ = catch_unwind(AssertUnwindSafe(|| server.converse(stream)));
                // The socket closes with its last handle.
                server.open().as_mut().map(|open| open.remove(&number));
            });
        }
    }

    /// Closes all connections and makes [`Server::accept`] return.
    pub fn stop(&self, address: SocketAddr) {
        let open = self.open().take();
        for stream in open.into_iter().flat_map(HashMap::into_values) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // The acceptor sees that it has stopped when the next connection comes.
        let _ = TcpStream::connect(address);
    }

    fn open(&self) -> MutexGuard<'_, Option<HashMap<usize, TcpStream>>> {
        self.open.lock().expect("no panic while locked")
    }

    fn converse(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(Wire::new(stream, self.tls.clone())?);
        while let Some(head) = read_head(&mut reader)? {
            match self.exchange(head, &mut reader)? {
                Then::KeepAlive => {}
                Then::Close => return close(reader.get_mut()),
                Then::Reset => {
                    return set_socket_linger(reader.get_ref().socket(), Some(Duration::ZERO))
                        .map_err(io::Error::from);
                }
            }
        }
        Ok(())
    }

    fn exchange(&self, head: Head, reader: &mut BufReader<Wire>) -> io::Result<Then> {
        let (n, held) = self.begin();
        match (self.early)(n) {
            Early::Read => {}
            Early::Reset => return Ok(Then::Reset),
            Early::Close => return Ok(Then::Close),
            Early::HalfClose => reader.get_ref().socket().shutdown(Shutdown::Write)?,
            Early::Stall => {
                self.wait_for_the_end();
                return Ok(Then::Reset);
            }
            Early::Answer(bytes) => {
                return held.write(reader.get_mut(), bytes).map(|_| Then::Close);
            }
        }
        let body = read_body(reader, &head)?;
        let request = Arc::new(Request::new(n, head, body));
        self.ledger().requests.push(Arc::clone(&request));
        let reply = (self.script)(n, &request);
        self.answer(&request, reply, held, reader.get_mut())
    }

    fn wait_for_the_end(&self) {
        while self.open().is_some() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn begin(&self) -> (usize, Held<'_>) {
        let mut ledger = self.ledger();
        ledger.in_flight += 1;
        ledger.max_in_flight = ledger.max_in_flight.max(ledger.in_flight);
        ledger.seen += 1;
        (ledger.seen - 1, Held(self))
    }

    fn answer(
        &self,
        request: &Request,
        reply: Reply,
        held: Held<'_>,
        to: &mut Wire,
    ) -> io::Result<Then> {
        match reply {
            Reply::Take => held.write(to, &self.good(request, true).bytes()),
            Reply::PerRecipient(verdict) => held.write(to, &self.judge(request, verdict).bytes()),
            Reply::Json(json) => {
                self.take_all(request, json.take);
                held.write(to, &json.bytes())
            }
            Reply::Raw(bytes, take) => {
                self.take_all(request, take);
                held.write(to, &bytes).map(|_| Then::Close)
            }
            Reply::ResetAfterReading { take } => {
                self.take_all(request, take);
                Ok(Then::Reset)
            }
            Reply::CloseAfterReading { take } => {
                self.take_all(request, take);
                Ok(Then::Close)
            }
            Reply::Hang { take } => {
                self.take_all(request, take);
                wait_for_the_client(to)
            }
            Reply::CutAnswer { take } => held
                .write(to, &self.good(request, take).half())
                .map(|_| Then::Close),
            Reply::EndlessAnswer { take } => {
                self.take_all(request, take);
                endless(to)
            }
            Reply::EndlessHead { take } => {
                self.take_all(request, take);
                endless_head(to)
            }
            Reply::TakeAndClose => held
                .write(to, &self.good(request, true).bytes())
                .map(|_| Then::Close),
            Reply::TakeAndRepeat => held.write(to, &self.good(request, true).bytes().repeat(2)),
            Reply::Preceded(bytes, inner) => {
                to.write_all(&bytes)?;
                self.answer(request, *inner, held, to)
            }
            Reply::Drip { take, every } => drip(&self.good(request, take).bytes(), every, to),
            Reply::Delay(wait, inner) => {
                std::thread::sleep(wait);
                self.answer(request, *inner, held, to)
            }
        }
    }

    /// The answer of a healthy API; in the ledger, it takes when `take` says so.
    fn good(&self, request: &Request, take: bool) -> Json {
        if request.method == "GET" && request.is_v2() {
            return self.lookup_v2(request);
        }
        if request.method == "GET" {
            return self.lookup(request);
        }
        self.take_all(request, take);
        if request.is_v2() {
            let ids = (0..).map(|place| request.message_id(place));
            let data = std::iter::zip(&request.recipients, ids);
            let data: Vec<_> = data.map(|(to, id)| one_v2(&to.address, &id)).collect();
            return Reply::json(200, answer_v2(200, &data, &[]));
        }
        let ids = request.recipients.iter().enumerate();
        let data: Vec<_> = ids
            .map(|(place, to)| one(&to.address, &request.message_id(place)))
            .collect();
        Reply::json(200, success(&data))
    }

    fn judge(&self, request: &Request, verdict: impl Fn(&str) -> Verdict) -> Json {
        let mut data = Vec::new();
        let mut data_v2 = Vec::new();
        let mut errors = Vec::new();
        for (place, recipient) in request.recipients.iter().enumerate() {
            let address = &recipient.address;
            let (taken, said) = match verdict(address) {
                Verdict::Take => (
                    Some(request.message_id(place)),
                    Some(request.message_id(place)),
                ),
                Verdict::TakeAs(id) => (Some(id.clone()), Some(id)),
                Verdict::Refuse(text) => (None, Some(text)),
                // In v2.1, an entry without an ID is a success all the same.
                Verdict::Blank { take: false } if request.is_v2() => (None, None),
                Verdict::Blank { take } => {
                    (take.then(|| request.message_id(place)), Some(String::new()))
                }
                Verdict::Omit { take } => (take.then(|| request.message_id(place)), None),
            };
            if let Some(message_id) = taken {
                self.take(request, address, message_id);
            }
            // v2.1 has refusals in `errors`.
            match &said {
                Some(said) if said.contains(' ') => errors.push(error_v2(said)),
                Some(said) => data_v2.push(one_v2(address, said)),
                None => {}
            }
            data.extend(said.map(|said| one(address, &said)));
        }
        if request.is_v2() {
            let status = if errors.is_empty() { 200 } else { 207 };
            return Reply::json(status, answer_v2(status, &data_v2, &errors));
        }
        Reply::json(200, success(&data))
    }

    /// `GET emails?filter=message_id::X`: the row of a message that was taken, or `No items`.
    fn lookup(&self, request: &Request) -> Json {
        let query = request
            .target
            .split_once('?')
            .map_or("", |(_, query)| query);
        let wanted = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "filter")
            .flat_map(|(_, filter)| filter.split('|').map(str::to_owned).collect::<Vec<_>>())
            .find_map(|term| term.strip_prefix("message_id::").map(str::to_owned));
        let rows: Vec<_> = (self.ledger().taken.iter())
            .filter(|taken| wanted.as_ref().is_none_or(|id| *id == taken.message_id))
            .map(|taken| serde_json::json!({"to": taken.address, "message_id": taken.message_id}))
            .collect();
        if rows.is_empty() {
            return Reply::error(404, "No items");
        }
        let list = serde_json::json!({
            "code": 200, "status": "success", "message": "", "number_of_elements": rows.len(),
            "data": rows, "req_id": "fake",
        });
        Reply::json(200, list.to_string())
    }

    /// `GET email?messageId=X`: the same in v2.1.
    fn lookup_v2(&self, request: &Request) -> Json {
        let query = request
            .target
            .split_once('?')
            .map_or("", |(_, query)| query);
        let wanted = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "messageId")
            .map(|(_, id)| id.into_owned());
        let rows: Vec<_> = (self.ledger().taken.iter())
            .filter(|taken| wanted.as_ref().is_none_or(|id| *id == taken.message_id))
            .map(|taken| one_v2(&taken.address, &format!("<{}>", taken.message_id)))
            .collect();
        let status = if rows.is_empty() { 404 } else { 200 };
        Reply::json(status, answer_v2(status, &rows, &[]))
    }

    fn take_all(&self, request: &Request, take: bool) {
        let taken = if take {
            request.recipients.as_slice()
        } else {
            &[]
        };
        for (place, recipient) in taken.iter().enumerate() {
            self.take(request, &recipient.address, request.message_id(place));
        }
    }

    fn take(&self, request: &Request, address: &str, message_id: String) {
        let address = address.to_owned();
        self.ledger().taken.push(Taken {
            address,
            message_id,
            request: request.n,
        });
    }
}

fn one(address: &str, value: &str) -> serde_json::Value {
    serde_json::json!({ address: value })
}

/// An entry of `data` in v2.1.
fn one_v2(address: &str, message_id: &str) -> serde_json::Value {
    serde_json::json!({
        "subject": "S", "smtpAccount": "1.acme.smtp", "status": "injected", "tags": [],
        "to": {"email": address, "name": "", "messageId": message_id},
        "from": {"email": "news@sender.example", "name": ""},
    })
}

fn error_v2(message: &str) -> serde_json::Value {
    serde_json::json!({"title": "Validation", "message": message, "code": "E-1-002"})
}

pub(super) fn answer_v2(
    status: u16,
    data: &[serde_json::Value],
    errors: &[serde_json::Value],
) -> String {
    let meta = serde_json::json!({
        "numberOfErrors": errors.len(), "numberOfData": data.len(), "status": status, "uniqId": "fake",
    });
    serde_json::json!({"meta": meta, "data": data, "errors": errors}).to_string()
}

fn success(data: &[serde_json::Value]) -> String {
    let body = serde_json::json!({
        "code": 200, "status": "success", "message": "Message sent", "data": data, "req_id": "fake",
    });
    body.to_string()
}

/// A request in the server's hands.
struct Held<'a>(&'a Server);

impl Held<'_> {
    /// Writes the whole answer. The request is out of the server's hands before the client can read
    /// a byte of it, so that the next one is never counted beside it.
    fn write(self, to: &mut Wire, answer: &[u8]) -> io::Result<Then> {
        drop(self);
        to.write_all(answer).map(|()| Then::KeepAlive)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.ledger().in_flight -= 1;
    }
}

/// Ends the connection in order: what the client still sends is read, as the system would else reset it.
fn close(stream: &mut Wire) -> io::Result<()> {
    stream.socket().shutdown(Shutdown::Write)?;
    stream
        .socket()
        .set_read_timeout(Some(Duration::from_secs(2)))?;
    io::copy(stream, &mut io::sink()).map(|_| ())
}

/// Reads until the client closes the connection, or [`Server::stop`] does.
fn wait_for_the_client(stream: &mut Wire) -> io::Result<Then> {
    io::copy(stream, &mut io::sink()).map(|_| Then::Close)
}

/// Writes until the client closes the connection.
fn endless(stream: &mut Wire) -> io::Result<Then> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    loop {
        stream.write_all(b"10\r\n                \r\n")?;
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Writes header fields until the client closes the connection.
fn endless_head(stream: &mut Wire) -> io::Result<Then> {
    stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
    loop {
        stream.write_all(b"X-More: to come\r\n")?;
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn drip(answer: &[u8], every: Duration, stream: &mut Wire) -> io::Result<Then> {
    for byte in answer {
        std::thread::sleep(every);
        stream.write_all(&[*byte])?;
    }
    Ok(Then::KeepAlive)
}
