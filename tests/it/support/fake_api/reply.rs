//! What a script can make the fake do with a request.

use std::fmt::Write;
use std::time::Duration;

use super::request::Request;
use super::serve::answer_v2;

/// What to do before the body of a request is read. The server takes nothing of what it did not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Early {
    /// Read it; then the script decides.
    Read,
    /// Reset the connection.
    Reset,
    /// Close the connection in order.
    Close,
    /// Say that there will be no answer (TCP FIN), and read it all the same; then the script decides.
    HalfClose,
    /// Never read it, and hold the connection open.
    Stall,
    /// Answer with these bytes, head and all, without having read it, and close the connection.
    Answer(&'static [u8]),
}

/// What to do with a request that was read to its end.
pub enum Reply {
    /// What a healthy API does: takes each recipient's message and says so. A `GET emails` is answered from the ledger.
    Take,
    /// A verdict of its own for each address, in an answer with `code` 200.
    PerRecipient(Box<dyn Fn(&str) -> Verdict>),
    /// An answer with a body of the script's.
    Json(Json),
    /// These bytes, head and all, and the end of the connection. The second says whether the messages are taken.
    Raw(Vec<u8>, bool),
    /// Resets the connection (TCP RST) in place of an answer.
    ResetAfterReading { take: bool },
    /// Closes the connection in order in place of an answer.
    CloseAfterReading { take: bool },
    /// Never answers, and holds the connection open.
    Hang { take: bool },
    /// Half of a good answer, then the end of the connection.
    CutAnswer { take: bool },
    /// The head of a good answer, then white space without an end.
    EndlessAnswer { take: bool },
    /// The head of an answer, without an end.
    EndlessHead { take: bool },
    /// A good answer and, without a word about it, the end of the connection.
    TakeAndClose,
    /// A good answer two times: the second answers nothing.
    TakeAndRepeat,
    /// These bytes, such as an interim answer, and then what the inner one says.
    Preceded(Vec<u8>, Box<Reply>),
    /// A good answer, byte by byte, each after this time.
    Drip { take: bool, every: Duration },
    /// Waits, and then does what the inner one says.
    Delay(Duration, Box<Reply>),
}

/// What becomes of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Taken, under the ID that the fake or the sender gives.
    Take,
    /// Taken, under this ID.
    TakeAs(String),
    /// Not taken: the text stands in the place of the ID.
    Refuse(String),
    /// Nothing in the place of the ID, taken or not.
    Blank { take: bool },
    /// Left out of the answer, taken or not.
    Omit { take: bool },
}

/// An answer of the script's.
#[derive(Debug, Clone)]
pub struct Json {
    pub http: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub take: bool,
}

impl Reply {
    /// An answer with this body; the messages are not taken.
    pub fn json(http: u16, body: impl Into<String>) -> Json {
        Json {
            http,
            headers: Vec::new(),
            body: body.into(),
            take: false,
        }
    }

    /// The API's error, with the same `code` as the HTTP status.
    pub fn error(http: u16, message: &str) -> Json {
        let body =
            serde_json::json!({"code": http, "status": "error", "message": message, "data": []});
        Self::json(http, body.to_string())
    }

    /// The errors of v2.1, with this message.
    pub fn error_v2(http: u16, message: &str) -> Json {
        let error = serde_json::json!({"title": "Error", "message": message, "code": "E-1-002"});
        Self::json(http, answer_v2(http, &[], &[error]))
    }

    /// The API's answer to a wrong key.
    pub fn wrong_key() -> Self {
        let body = r#"{"code":401,"status":"error","message":"Error: App Key is invalid"}"#;
        Self::json(401, body).into()
    }

    /// 429, with a Retry-After in seconds or as a date when given.
    pub fn too_many(retry_after: Option<&str>) -> Self {
        Self::error(429, "Too many requests")
            .retry_after(retry_after)
            .into()
    }

    /// 503 without the API's JSON, with a Retry-After when given.
    pub fn unavailable(retry_after: Option<&str>) -> Self {
        Self::json(503, "<h1>Service Unavailable</h1>")
            .retry_after(retry_after)
            .into()
    }

    /// A redirect.
    pub fn redirect(http: u16, location: &str) -> Self {
        Self::json(http, "").header("Location", location).into()
    }

    /// The same after a wait.
    pub fn after(self, wait: Duration) -> Self {
        Self::Delay(wait, Box::new(self))
    }

    /// Goes by the local part of each address: `reject…` is refused, `omit…` left out, and a
    /// `tempfail…` makes the whole request a 503 with the API's JSON.
    pub fn by_address(request: &Request) -> Self {
        if request
            .addresses()
            .iter()
            .any(|address| address.starts_with("tempfail"))
        {
            return Self::error(503, "Try again later").into();
        }
        Self::PerRecipient(Box::new(|address| {
            if address.starts_with("reject") {
                Verdict::Refuse(format!("{address} is incorrect. Address has white sign."))
            } else if address.starts_with("omit") {
                Verdict::Omit { take: true }
            } else {
                Verdict::Take
            }
        }))
    }
}

impl Json {
    /// Adds a header field.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes the messages all the same.
    pub fn taken(mut self) -> Self {
        self.take = true;
        self
    }

    fn retry_after(self, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.header("Retry-After", value),
            None => self,
        }
    }

    /// Head and body in one piece: two writes would cost 40 ms each.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut answer = format!("HTTP/1.1 {} It\r\nContent-Type: text/html\r\n", self.http);
        for (name, value) in &self.headers {
            write!(answer, "{name}: {value}\r\n").expect("a string takes all");
        }
        write!(
            answer,
            "Content-Length: {}\r\n\r\n{}",
            self.body.len(),
            self.body
        )
        .expect("a string takes all");
        answer.into_bytes()
    }

    /// [`Json::bytes`] without the second half of the body.
    pub(super) fn half(&self) -> Vec<u8> {
        let mut answer = self.bytes();
        answer.truncate(answer.len() - self.body.len() / 2);
        answer
    }
}

impl From<Json> for Reply {
    fn from(json: Json) -> Self {
        Self::Json(json)
    }
}
