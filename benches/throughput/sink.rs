//! A server that accepts everything and does as little as possible.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) struct Sink {
    /// The API's base URL.
    pub(crate) url: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    taken: AtomicU64,
    /// The body of the first request.
    first: OnceLock<Vec<u8>>,
    /// The arrival times of requests, if they are recorded.
    arrivals: Option<Mutex<Vec<Instant>>>,
}

impl Sink {
    /// Starts a server that responds after `wait`.
    pub(crate) fn start(wait: Duration) -> Self {
        Self::with(State::default(), wait)
    }

    /// Starts a server that records arrival times.
    pub(crate) fn with_a_clock() -> Self {
        Self::with_a_clock_after(Duration::ZERO)
    }

    /// The same, with a response after `wait`.
    pub(crate) fn with_a_clock_after(wait: Duration) -> Self {
        let state = State {
            arrivals: Some(Mutex::default()),
            ..State::default()
        };
        Self::with(state, wait)
    }

    fn with(state: State, wait: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::Builder::new()
                    .stack_size(256 << 10)
                    .spawn(move || serve(stream, &state, wait))
                    .expect("a thread");
            }
        });
        Self {
            url: format!("http://{address}/api/"),
            state,
        }
    }

    /// The number of accepted recipients so far.
    pub(crate) fn taken(&self) -> u64 {
        self.state.taken.load(Ordering::Relaxed)
    }

    /// The arrival times of requests, in order.
    pub(crate) fn arrivals(&self) -> Vec<Instant> {
        let arrivals = self.state.arrivals.as_ref().expect("it keeps them");
        let mut arrivals = arrivals.lock().expect("no panic while locked").clone();
        arrivals.sort();
        arrivals
    }

    /// The body of the first request.
    pub(crate) fn first(&self) -> Vec<u8> {
        self.state.first.get().expect("a request").clone()
    }
}

fn serve(mut stream: TcpStream, state: &State, wait: Duration) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut buffer = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    let mut answer = Vec::new();
    loop {
        let (head, length) = loop {
            if let Some(found) = request(&buffer) {
                break found;
            }
            match stream.read(&mut chunk).ok()? {
                0 => return None,
                read => buffer.extend_from_slice(&chunk[..read]),
            }
        };
        while buffer.len() < head + length {
            match stream.read(&mut chunk).ok()? {
                0 => return None,
                read => buffer.extend_from_slice(&chunk[..read]),
            }
        }
        let body = &buffer[head..head + length];
        state.first.get_or_init(|| body.to_vec());
        if let Some(arrivals) = &state.arrivals {
            let mut arrivals = arrivals.lock().expect("no panic while locked");
            arrivals.push(Instant::now());
        }
        let recipients = match body.first() {
            Some(b'{') => answer_to_json(body, &mut answer),
            _ => answer_to(body, &mut answer),
        };
        if !wait.is_zero() {
            thread::sleep(wait);
        }
        stream.write_all(&answer).ok()?;
        state.taken.fetch_add(recipients, Ordering::Relaxed);
        buffer.drain(..head + length);
    }
}

/// Where the body of the first request starts, and its length.
fn request(buffer: &[u8]) -> Option<(usize, usize)> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&buffer[..head]).ok()?;
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    Some((head, length.1.trim().parse().ok()?))
}

/// Writes a response that accepts each `to[…]` of a body, and returns the number of recipients. They stand
/// together near the start of the body.
fn answer_to(body: &[u8], answer: &mut Vec<u8>) -> u64 {
    const TO: &[u8] = b"to%5B";
    let mut json = br#"{"code":200,"status":"success","message":"ok","data":["#.to_vec();
    let mut recipients = 0;
    let variables = body.split(|byte| *byte == b'&');
    let to = variables
        .skip_while(|variable| !variable.starts_with(TO))
        .take_while(|variable| variable.starts_with(TO));
    for variable in to {
        let at = variable.iter().position(|byte| *byte == b'=');
        let value = &variable[at.map_or(0, |at| at + 1)..];
        if recipients > 0 {
            json.push(b',');
        }
        json.extend_from_slice(b"{\"");
        for part in value.split(|byte| *byte == b'%') {
            match part.strip_prefix(b"40") {
                Some(rest) => {
                    json.push(b'@');
                    json.extend_from_slice(rest);
                }
                None => json.extend_from_slice(part),
            }
        }
        json.extend_from_slice(b"\":\"id@sink\"}");
        recipients += 1;
    }
    json.extend_from_slice(b"]}");
    answer.clear();
    write!(
        answer,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        json.len()
    )
    .expect("memory");
    answer.extend_from_slice(&json);
    recipients
}

/// The same for the JSON of v2, whose first addresses after `"to"` are the recipients'.
fn answer_to_json(body: &[u8], answer: &mut Vec<u8>) -> u64 {
    let end = find(body, b"],\"content\"").expect("a content after the recipients");
    let mut rest = &body[find(body, b"\"to\":[").expect("recipients")..end];
    let mut json = br#"{"meta":{"status":200},"errors":[],"data":["#.to_vec();
    let mut recipients = 0;
    while let Some(at) = find(rest, b"\"email\":\"") {
        rest = &rest[at + 9..];
        let address = rest.split(|byte| *byte == b'"').next().unwrap_or_default();
        if recipients > 0 {
            json.push(b',');
        }
        json.extend_from_slice(br#"{"to":{"messageId":"id@sink","email":""#);
        json.extend_from_slice(address);
        json.extend_from_slice(b"\"}}");
        recipients += 1;
    }
    json.extend_from_slice(b"]}");
    answer.clear();
    write!(
        answer,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        json.len()
    )
    .expect("memory");
    answer.extend_from_slice(&json);
    recipients
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
