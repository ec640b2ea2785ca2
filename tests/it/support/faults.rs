//! Every fault that a server can show a client, and what must become of the rows and the run.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::fake_api::{Early, FakeApi, Json, Reply, Verdict};

/// What a server does to a request.
pub enum Act {
    /// Before it reads the body.
    Early(Early),
    /// Before it reads the body, which is too long for the buffers.
    UnderBody(Early),
    /// After it read the whole body.
    Late(Reply),
}

/// What happens to the run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It continues.
    On,
    /// The request is posted again: the server was not ready.
    Again,
    /// The request is posted again, and the attempt counts.
    Counted,
    /// It stops, and can be resumed.
    Stops,
    /// It continues. Each recipient of a request with several is posted alone.
    Alone,
}
use Then::{Again, Alone, Counted, On, Stops};

/// A fault, and what it must lead to.
pub struct Fault {
    pub name: &'static str,
    /// What happens to a request. The argument says whether the server takes it, if it can.
    pub act: fn(bool) -> Act,
    /// The status of the rows.
    pub status: &'static str,
    /// The `code` and `error` of the rows.
    pub code: &'static str,
    pub words: &'static str,
    /// Whether a server that was told to take the request has it, if that is certain.
    pub takes: Option<bool>,
    pub then: Then,
}

#[rustfmt::skip]
const fn fault(name: &'static str, act: fn(bool) -> Act, status: &'static str, code: &'static str, words: &'static str, takes: Option<bool>, then: Then) -> Fault {
    Fault { name, act, status, code, words, takes, then }
}

const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);
/// The client may notice that there will be no answer before it has written the whole request.
const MAYBE: Option<bool> = None;
/// The error of an answer that is late. Faults with this error get a short timeout.
pub const LATE: &str = "no complete answer within the timeout";
const NOT_THE_APIS: &str = "without an answer from the API";
const SENDER: &str = "Sender address is not valid";

/// The faults that a dialect can meet.
pub fn faults(dialect: &str) -> Vec<&'static Fault> {
    if dialect == "v2" {
        let same = FAULTS.iter().filter(|fault| !fault.is_of_forms());
        same.chain(V2_FAULTS).collect()
    } else {
        FAULTS.iter().collect()
    }
}

/// What v2.1 answers in its own JSON, or means differently, in place of the lines of the same name.
#[rustfmt::skip]
pub const V2_FAULTS: &[Fault] = &[
    fault("413 before the body was read", |_| Act::UnderBody(Early::Answer(TOO_LONG)), "rejected", "413", "HTTP 413", NO, On),
    fault("bad JSON 200", |take| page(200, r#"{"meta":{"status":200},"data":["#, take), "unknown", "", "not the API's", YES, On),
    fault("JSON 200 without data", |take| page(200, r#"{"status":200}"#, take), "unknown", "", "not the API's", YES, On),
    fault("the form's JSON", |take| page(200, r#"{"code":200,"status":"success","message":"Message sent"}"#, take), "unknown", "", "not the API's", YES, On),
    fault("200 without the addresses", |take| page(200, r#"{"meta":{"status":200,"numberOfData":0},"data":[],"errors":[]}"#, take), "unknown", "", "does not mention this address", YES, On),
    fault("200 with other addresses", |take| page(200, r#"{"data":[{"to":{"email":"x@y.example","messageId":"1@y"}}]}"#, take), "unknown", "", "does not mention this address", YES, On),
    fault("200 with errors only", |take| page(200, &refused(200), take), "unknown", "", "does not mention this address", YES, On),
    fault("200 with empty IDs", |_| late(blank(true)), "accepted", "200", "", YES, On),
    fault("202", |take| page(202, r#"{"meta":{"status":202},"data":[],"errors":[]}"#, take), "unknown", "", "HTTP 202", YES, On),
    fault("204", |take| page(204, "", take), "unknown", "", "HTTP 204", YES, On),
    fault("207 with errors for the addresses", |_| late(refuse()), "rejected", "207", "Address has white sign", NO, On),
    fault("207 with errors that name nobody", |take| page(207, &refused(207), take), "unknown", "", "does not mention this address", YES, On),
    fault("207 with an error for a longer address", |take| page(207, r#"{"meta":{"status":207},"data":[],"errors":[{"message":"xr2@three.example, r2@three.example.pl, xr4@two.example, r5@three.example-b.pl and xr6@one.example are invalid"}]}"#, take), "unknown", "", "does not mention this address", YES, On),
    fault("207 without JSON", |take| page(207, "<h1>Multi</h1>", take), "unknown", "", "not the API's", YES, On),
    fault("400 without the API's JSON", |take| page(400, "<h1>Bad</h1>", take), "unknown", "", NOT_THE_APIS, YES, On),
    fault("400 with errors", |_| late(Reply::error_v2(400, "Name is too short")), "rejected", "400", "Name is too short", NO, Alone),
    fault("401", |_| late(Reply::error_v2(401, "Token is empty")), "pending", "", "Token is empty", NO, Stops),
    fault("404", |_| late(Reply::error_v2(404, "Not found")), "pending", "", "Not found", NO, Stops),
    fault("405 without the API's JSON", |take| page(405, "", take), "unknown", "", "HTTP 405", YES, On),
    fault("413 with errors", |_| late(Reply::error_v2(413, "Too large")), "rejected", "413", "Too large", NO, On),
    fault("422", |_| page(422, "", false), "rejected", "422", NOT_THE_APIS, NO, On),
    fault("422 with errors", |_| late(Reply::error_v2(422, "Not so")), "rejected", "422", "Not so", NO, On),
    fault("408 with errors", |_| late(Reply::error_v2(408, "Too slow")), "accepted", "200", "", NO, Counted),
    fault("429 with errors", |_| late(Reply::error_v2(429, "Too many requests")), "accepted", "200", "", NO, Again),
    fault("503 with errors", |_| late(Reply::error_v2(503, "Try again later")), "accepted", "200", "", NO, Again),
    fault("500 with errors", |take| page(500, &refused(500), take), "unknown", "", SENDER, YES, On),
];

/// An answer of v2.1 with an error that names nobody.
fn refused(status: u16) -> String {
    Reply::error_v2(status, SENDER).body
}

/// One line per fault: what happens | its rows: status, code, words | the server has it | the run.
#[rustfmt::skip]
pub const FAULTS: &[Fault] = &[
    // The connection.
    fault("reset before reading", |_| Act::Early(Early::Reset), "unknown", "", "", NO, On),
    fault("close before reading", |_| Act::Early(Early::Close), "unknown", "", "", NO, On),
    fault("half-close before reading", |_| Act::Early(Early::HalfClose), "unknown", "", "", MAYBE, On),
    fault("reset in the body", |_| Act::UnderBody(Early::Reset), "unknown", "", "", NO, On),
    fault("close in the body", |_| Act::UnderBody(Early::Close), "unknown", "", "", NO, On),
    fault("half-close in the body", |_| Act::UnderBody(Early::HalfClose), "unknown", "", "", MAYBE, On),
    fault("body never read", |_| Act::UnderBody(Early::Stall), "unknown", "", LATE, NO, On),
    fault("413 before the body was read", |_| Act::UnderBody(Early::Answer(TOO_LONG)), "rejected", "413", "HTTP 413", NO, On),
    fault("reset after reading", |take| late(Reply::ResetAfterReading { take }), "unknown", "", "", YES, On),
    fault("close after reading", |take| late(Reply::CloseAfterReading { take }), "unknown", "", "", YES, On),
    fault("hang", |take| late(Reply::Hang { take }), "unknown", "", LATE, YES, On),
    fault("close after the answer", |_| late(Reply::TakeAndClose), "accepted", "200", "", YES, On),
    // The answer's bytes.
    fault("slow answer", |_| late(Reply::Take.after(Duration::from_millis(100))), "accepted", "200", "", YES, On),
    fault("answer in single bytes", |_| drip(true, 0), "accepted", "200", "", YES, On),
    fault("drip", |take| drip(take, 50), "unknown", "", LATE, YES, On),
    fault("endless answer", |take| late(Reply::EndlessAnswer { take }), "unknown", "", LATE, YES, On),
    fault("endless head", |take| late(Reply::EndlessHead { take }), "unknown", "", LATE, YES, On),
    fault("cut answer", |take| late(Reply::CutAnswer { take }), "unknown", "", "", YES, On),
    fault("cut head", |take| raw(b"HTTP/1.1 200 OK\r\nContent-", take), "unknown", "", "", YES, On),
    fault("not HTTP", |take| raw(b"SSH-2.0-x\r\n", take), "unknown", "", "", YES, On),
    fault("100 and close", |take| raw(CONTINUE, take), "unknown", "", "", YES, On),
    fault("101 and close", |take| raw(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", take), "unknown", "", "HTTP 101", YES, On),
    fault("102 and close", |take| raw(b"HTTP/1.1 102 Processing\r\n\r\n", take), "unknown", "", "", YES, On),
    fault("103 and close", |take| raw(HINTS, take), "unknown", "", "", YES, On),
    fault("100 and hang", |take| before(CONTINUE, Reply::Hang { take }), "unknown", "", LATE, YES, On),
    fault("100 and a good answer", |_| before(CONTINUE, Reply::Take), "accepted", "200", "", YES, On),
    fault("103 and a good answer", |_| before(HINTS, Reply::Take), "accepted", "200", "", YES, On),
    fault("good answer twice", |_| late(Reply::TakeAndRepeat), "accepted", "200", "", YES, On),
    // A success, or not.
    fault("empty 200", |take| page(200, "", take), "unknown", "", "HTTP 200 with an empty answer", YES, On),
    fault("HTML 200", |take| page(200, "<h1>It works</h1>", take), "unknown", "", "not the API's", YES, On),
    fault("bad JSON 200", |take| page(200, r#"{"code":200,"status":"success","data":["#, take), "unknown", "", "not the API's", YES, On),
    fault("JSON 200 without a status", |take| page(200, r#"{"code":200}"#, take), "unknown", "", "not the API's", YES, On),
    fault("201 inside a success", |take| page(200, r#"{"code":201,"status":"success","message":"Queued"}"#, take), "unknown", "", "contradicts itself: Queued", MAYBE, On),
    fault("an error with the code 200", |take| page(200, r#"{"code":200,"status":"error","message":"No"}"#, take), "unknown", "", "contradicts itself: No", MAYBE, On),
    fault("200 without the addresses", |take| page(200, r#"{"code":200,"status":"success","data":[]}"#, take), "unknown", "", "does not mention this address", YES, On),
    fault("200 with other addresses", |take| page(200, r#"{"code":200,"status":"success","data":[{"x@y.example":"1"}]}"#, take), "unknown", "", "does not mention this address", YES, On),
    fault("200 with empty IDs", |take| late(blank(take)), "unknown", "", "does not mention this address", YES, On),
    fault("200 with code 500", |_| page(200, REFUSED, false), "rejected", "500", SENDER, NO, On),
    fault("200 with errors for the addresses", |_| late(refuse()), "rejected", "200", "Address has white sign", NO, On),
    fault("204", |take| page(204, "", take), "unknown", "", "HTTP 204", YES, On),
    // Redirects.
    fault("301", |_| late(Reply::redirect(301, ELSEWHERE)), "pending", "", ELSEWHERE, NO, Stops),
    fault("302", |take| elsewhere(302, take), "unknown", "", ELSEWHERE, YES, Stops),
    fault("303", |take| elsewhere(303, take), "unknown", "", ELSEWHERE, YES, Stops),
    fault("304", |take| page(304, "", take), "unknown", "", "HTTP 304", YES, On),
    fault("307", |_| late(Reply::redirect(307, ELSEWHERE)), "pending", "", ELSEWHERE, NO, Stops),
    fault("308", |_| late(Reply::redirect(308, ELSEWHERE)), "pending", "", ELSEWHERE, NO, Stops),
    // Client errors.
    fault("400", |_| page(400, "<h1>Bad</h1>", false), "rejected", "400", NOT_THE_APIS, NO, On),
    fault("400 with the API's JSON", |_| error(400, "No subject"), "rejected", "400", "No subject", NO, On),
    fault("401", |_| late(Reply::wrong_key()), "pending", "", "App Key is invalid", NO, Stops),
    fault("401 inside a 200", |_| inside(401), "pending", "", "refuses the login", NO, Stops),
    fault("403", |_| page(403, "no", false), "pending", "", "refuses access", NO, Stops),
    fault("404", |_| error(404, "No items"), "pending", "", "No items", NO, Stops),
    fault("413", |_| page(413, "", false), "rejected", "413", NOT_THE_APIS, NO, On),
    fault("413 with the API's JSON", |_| error(413, "Email size exceeds"), "rejected", "413", "Email size exceeds", NO, On),
    // Not now.
    fault("408", |_| page(408, "", false), "accepted", "200", "", NO, Counted),
    fault("408 with the API's JSON", |_| error(408, "Too slow"), "accepted", "200", "", NO, Counted),
    fault("429", |_| late(Reply::too_many(None)), "accepted", "200", "", NO, Again),
    fault("429 inside a 200", |_| inside(429), "accepted", "200", "", NO, Again),
    fault("429 with seconds", |_| late(Reply::too_many(Some("1"))), "accepted", "200", "", NO, Again),
    fault("429 with a date", |_| late(Reply::too_many(Some(&in_a_second()))), "accepted", "200", "", NO, Again),
    fault("429 for hours", |_| late(Reply::too_many(Some("7200"))), "pending", "", "no request before", NO, Stops),
    fault("429 for ages", |_| late(Reply::too_many(Some("99999999999999999999999"))), "pending", "", "no request before", NO, Stops),
    fault("503 with the API's JSON", |_| error(503, "Try again later"), "accepted", "200", "", NO, Again),
    fault("503 with seconds", |_| late(Reply::unavailable(Some("1"))), "accepted", "200", "", NO, Again),
    fault("503 for hours", |_| late(Reply::unavailable(Some("7200"))), "pending", "", "no request before", NO, Stops),
    // Server errors.
    fault("503", |take| page(503, "<h1>Down</h1>", take), "unknown", "", "HTTP 503", YES, On),
    fault("500 with the API's JSON", |_| page(500, REFUSED, false), "rejected", "500", SENDER, NO, On),
    fault("500", |take| page(500, "oops", take), "unknown", "", "HTTP 500", YES, On),
    fault("502", |take| page(502, "<h1>Bad Gateway</h1>", take), "unknown", "", "HTTP 502", YES, On),
    fault("504", |take| page(504, "", take), "unknown", "", "HTTP 504", YES, On),
];

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\n\r\n";
const TOO_LONG: &[u8] = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
const REFUSED: &str = r#"{"code":500,"status":"error","message":"Sender address is not valid"}"#;
const ELSEWHERE: &str = "https://elsewhere.example/";

pub fn late(reply: impl Into<Reply>) -> Act {
    Act::Late(reply.into())
}

fn raw(bytes: &[u8], take: bool) -> Act {
    late(Reply::Raw(bytes.to_vec(), take))
}

fn before(bytes: &[u8], reply: Reply) -> Act {
    late(Reply::Preceded(bytes.to_vec(), Box::new(reply)))
}

fn drip(take: bool, millis: u64) -> Act {
    let every = Duration::from_millis(millis);
    late(Reply::Drip { take, every })
}

fn page(http: u16, body: &str, take: bool) -> Act {
    late(Json {
        take,
        ..Reply::json(http, body)
    })
}

fn error(http: u16, message: &str) -> Act {
    late(Reply::error(http, message))
}

/// The API's error in an answer whose HTTP status is 200.
fn inside(code: u16) -> Act {
    late(Json {
        http: 200,
        ..Reply::error(code, "Not so")
    })
}

fn elsewhere(http: u16, take: bool) -> Act {
    late(Json {
        take,
        ..Reply::json(http, "").header("Location", ELSEWHERE)
    })
}

fn blank(take: bool) -> Reply {
    Reply::PerRecipient(Box::new(move |_| Verdict::Blank { take }))
}

fn refuse() -> Reply {
    Reply::PerRecipient(Box::new(|to| {
        Verdict::Refuse(format!("{to} is incorrect. Address has white sign."))
    }))
}

/// One second from now, as an HTTP date.
fn in_a_second() -> String {
    let date = Timestamp::now() + Duration::from_secs(1);
    date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A server that answers the `n`th request as `pick` says.
pub fn serve(pick: impl Fn(usize) -> Act + Send + Sync + 'static) -> FakeApi {
    let pick = Arc::new(pick);
    let early = Arc::clone(&pick);
    FakeApi::start_with(
        move |n| match early(n) {
            Act::Early(early) | Act::UnderBody(early) => early,
            Act::Late(_) => Early::Read,
        },
        move |n, _| match pick(n) {
            Act::Late(reply) => reply,
            Act::Early(_) | Act::UnderBody(_) => Reply::Take,
        },
    )
}

impl Fault {
    /// Whether the answer is the form dialects', or means something else in v2.1.
    fn is_of_forms(&self) -> bool {
        const WITH_THEIR_JSON: [&str; 21] = [
            "bad JSON 200",
            "JSON 200 without a status",
            "201 inside a success",
            "an error with the code 200",
            "200 without the addresses",
            "200 with other addresses",
            "200 with empty IDs",
            "200 with code 500",
            "200 with errors for the addresses",
            "204",
            "400",
            "400 with the API's JSON",
            "401",
            "401 inside a 200",
            "404",
            "413 before the body was read",
            "413 with the API's JSON",
            "408 with the API's JSON",
            "429 inside a 200",
            "503 with the API's JSON",
            "500 with the API's JSON",
        ];
        WITH_THEIR_JSON.contains(&self.name)
    }

    /// Whether it costs time: the run stops, or all requests wait.
    pub fn holds_up(&self) -> bool {
        self.then == Stops || self.name.ends_with("with seconds") || self.name.ends_with("a date")
    }
}
