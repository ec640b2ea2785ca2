//! The fake API does what its scripts say, seen over raw TCP.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::fake_api::{Early, FakeApi, Reply, Taken, Verdict};

const TO_ONE: &str = "to%5B0%5D=a%40one.example&subject=Hi+there";

fn request(path: &str, body: &str) -> String {
    format!(
        "POST /api/{path} HTTP/1.1\r\nHost: it\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Writes `bytes`, says that no more will come, and reads to the end.
fn talk(api: &FakeApi, bytes: impl AsRef<[u8]>) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(api.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(bytes.as_ref())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8(answer).expect("an answer in UTF-8"))
}

fn data(answer: &str) -> serde_json::Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let body: serde_json::Value = serde_json::from_str(body).expect("the answer is JSON");
    assert_eq!(body["code"], 200, "{answer}");
    body["data"].clone()
}

#[test]
fn takes_each_recipient_and_says_its_id() {
    let api = FakeApi::taking_all();
    let body = "to%5B%5D=a%40one.example&to[]=b%2Bc%40two.example&subject=Hi+there&tags%5B0%5D=x";
    let answer = talk(&api, request("sendmail", body)).expect("an answer");
    assert_eq!(
        data(&answer),
        serde_json::json!([
            {"a@one.example": "fake.0.0@api.example"},
            {"b+c@two.example": "fake.0.1@api.example"},
        ])
    );
    assert_eq!(
        api.taken()[1],
        Taken {
            address: "b+c@two.example".into(),
            message_id: "fake.0.1@api.example".into(),
            request: 0
        }
    );
    let requests = api.requests();
    assert_eq!(requests[0].body, body.as_bytes());
    assert_eq!(requests[0].field("subject").as_deref(), Some("Hi there"));
    assert_eq!(requests[0].field("tags[0]").as_deref(), Some("x"));
    assert_eq!(requests[0].endpoint(), "sendmail");
}

#[test]
fn takes_the_ids_that_the_sender_chose() {
    let api = FakeApi::taking_all();
    let body = "to%5Ba%40one.example%5D%5Bmessage_id%5D=1.x%40s.example\
                &to%5Ba%40one.example%5D%5Breciver_name%5D=Ann\
                &to[b@one.example]=&to[0]=c@one.example\
                &to[7][email]=d@one.example&to[7][message_id]=4.x@s.example";
    let answer = talk(&api, request("new_sendmail", body)).expect("an answer");
    assert_eq!(
        data(&answer),
        serde_json::json!([
            {"a@one.example": "1.x@s.example"},
            {"b@one.example": "fake.0.1@api.example"},
            {"c@one.example": "fake.0.2@api.example"},
            {"d@one.example": "4.x@s.example"},
        ])
    );
    assert_eq!(api.requests()[0].recipients[0].name.as_deref(), Some("Ann"));
}

#[test]
fn reads_chunks_and_several_requests_on_one_connection() {
    let api = FakeApi::taking_all();
    let (first, second) = TO_ONE.split_at(10);
    let chunked = format!(
        "POST /api/sendmail HTTP/1.1\r\nTransfer-Encoding: chunked\r\nAuthorization: Basic YTpi\r\n\r\n\
         {:x}\r\n{first}\r\n{:X};x=y\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len(),
    );
    let answers = talk(&api, chunked + &request("sendmail", TO_ONE)).expect("answers");
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    assert_eq!(api.connections(), 1);
    assert_eq!(api.taken_addresses(), ["a@one.example", "a@one.example"]);
    assert_eq!(api.requests()[0].login(), Some(("a".into(), "b".into())));
    assert_eq!(api.requests()[1].login(), None);
}

#[test]
fn half_a_request_is_nothing() {
    let api = FakeApi::taking_all();
    let whole = request("sendmail", TO_ONE);
    talk(&api, &whole[..whole.len() - 1]).expect("no answer");
    assert!(api.requests().is_empty() && api.taken().is_empty());
}

#[test]
fn judges_each_recipient() {
    let api = FakeApi::start(|_, _| {
        Reply::PerRecipient(Box::new(|address| match address {
            "a@x.example" => Verdict::TakeAs("mine@x.example".into()),
            "b@x.example" => Verdict::Refuse("is incorrect".into()),
            "c@x.example" => Verdict::Omit { take: true },
            _ => Verdict::Omit { take: false },
        }))
    });
    let body = "to[]=a@x.example&to[]=b@x.example&to[]=c@x.example&to[]=d@x.example";
    let answer = talk(&api, request("sendmail", body)).expect("an answer");
    let wanted =
        serde_json::json!([{"a@x.example": "mine@x.example"}, {"b@x.example": "is incorrect"}]);
    assert_eq!(data(&answer), wanted);
    assert_eq!(api.taken_addresses(), ["a@x.example", "c@x.example"]);
}

#[test]
fn breaks_as_told_and_keeps_what_it_took() {
    let every = Duration::from_micros(10);
    let api = FakeApi::start(move |n, _| match n {
        0 => Reply::ResetAfterReading { take: true },
        1 => Reply::CloseAfterReading { take: true },
        2 => Reply::CutAnswer { take: true },
        3 => Reply::Drip { take: true, every },
        4 => Reply::Raw(b"garbage".to_vec(), true),
        5 => Reply::ResetAfterReading { take: false },
        6 => Reply::Hang { take: false },
        _ => Reply::EndlessAnswer { take: false },
    });
    let once = || talk(&api, request("sendmail", TO_ONE));
    assert_eq!(
        once().expect_err("a reset").kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(once().expect("a close"), "");
    let cut = once().expect("half an answer");
    assert!(cut.contains("\r\n\r\n{") && !cut.ends_with('}'), "{cut}");
    assert_eq!(
        data(&once().expect("a slow answer"))[0]["a@one.example"],
        "fake.3.0@api.example"
    );
    assert_eq!(once().expect("bytes"), "garbage");
    once().expect_err("a reset");
    let taken_by: Vec<_> = api.taken().iter().map(|taken| taken.request).collect();
    assert_eq!(taken_by, [0, 1, 2, 3, 4]);

    let mut hanging = TcpStream::connect(api.address()).expect("a connection");
    hanging
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a timeout");
    hanging
        .write_all(request("sendmail", TO_ONE).as_bytes())
        .expect("it reads");
    assert_eq!(
        hanging.read(&mut [0]).expect_err("no answer").kind(),
        ErrorKind::WouldBlock
    );

    let mut endless = TcpStream::connect(api.address()).expect("a connection");
    endless
        .write_all(request("sendmail", TO_ONE).as_bytes())
        .expect("it reads");
    endless.read_exact(&mut [0; 5_000]).expect("it goes on");
    assert_eq!(api.taken().len(), 5);
}

#[test]
fn ends_a_connection_before_it_reads() {
    let early = |n| [Early::Reset, Early::Close, Early::Read][n];
    let api = FakeApi::start_with(early, |_, _| Reply::Take);
    let long = format!("{TO_ONE}&html={}", "x".repeat(4_000_000));
    talk(&api, request("sendmail", &long)).expect_err("a reset");
    assert_eq!(
        talk(&api, request("sendmail", TO_ONE)).expect("a close"),
        ""
    );
    assert!(api.requests().is_empty() && api.taken().is_empty());
    assert!(
        talk(&api, request("sendmail", TO_ONE))
            .expect("an answer")
            .contains("200")
    );
    assert_eq!(api.requests()[0].n, 2);
}

#[test]
fn says_more_or_less_than_one_answer() {
    let hint = b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec();
    let api = FakeApi::start(move |n, _| match n {
        0 => Reply::Preceded(hint.clone(), Box::new(Reply::Take)),
        1 => Reply::TakeAndRepeat,
        2 => Reply::TakeAndClose,
        _ => Reply::PerRecipient(Box::new(|_| Verdict::Blank { take: true })),
    });
    let once = || talk(&api, request("sendmail", TO_ONE)).expect("an answer");
    let hinted = once();
    let (hint, answer) = hinted.split_once("\r\n\r\n").expect("two heads");
    assert_eq!(hint, "HTTP/1.1 103 Early Hints");
    assert_eq!(data(answer)[0]["a@one.example"], "fake.0.0@api.example");
    assert_eq!(once().matches("fake.1.0@api.example").count(), 2);

    let two = request("sendmail", TO_ONE).repeat(2);
    let closed = talk(&api, two).expect("an answer");
    assert_eq!(closed.matches("HTTP/1.1 200").count(), 1, "{closed}");
    assert_eq!(data(&once())[0]["a@one.example"], "");
    assert_eq!((api.taken().len(), api.seen()), (4, 4));
}

#[test]
fn does_more_before_it_reads() {
    const REFUSAL: &[u8] = b"HTTP/1.1 413 It\r\n\r\n";
    let early = |n| [Early::Answer(REFUSAL), Early::HalfClose, Early::Stall][n];
    let api = FakeApi::start_with(early, |_, _| Reply::Take);
    let once = || talk(&api, request("sendmail", TO_ONE)).expect("an end");
    assert_eq!(once().as_bytes(), REFUSAL);
    assert!(api.taken().is_empty());

    assert_eq!(once(), "");
    while api.taken().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }

    let long = request(
        "sendmail",
        &format!("{TO_ONE}&html={}", "x".repeat(8_000_000)),
    );
    let mut stalled = TcpStream::connect(api.address()).expect("a connection");
    let wait = Some(Duration::from_millis(200));
    stalled.set_write_timeout(wait).expect("a timeout");
    let error = stalled
        .write_all(long.as_bytes())
        .expect_err("it does not read");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert_eq!((api.requests().len(), api.seen()), (1, 3));
}

#[test]
fn counts_what_is_in_its_hands() {
    let api = FakeApi::start(|_, _| Reply::Take.after(Duration::from_millis(200)));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| talk(&api, request("sendmail", TO_ONE)).expect("an answer"));
        }
    });
    assert_eq!(api.max_in_flight(), 5);
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!(api.arrivals().len(), 5);
    assert_eq!(api.in_flight(), 0);
}

#[test]
fn answers_what_became_of_a_message() {
    let api = FakeApi::taking_all();
    talk(&api, request("sendmail", TO_ONE)).expect("an answer");
    let get = |filter: &str| {
        talk(
            &api,
            format!("GET /api/emails?filter={filter} HTTP/1.1\r\n\r\n"),
        )
        .expect("an answer")
    };
    let found = data(&get("account::1.x%7Cmessage_id::fake.0.0%40api.example"));
    assert_eq!(found[0]["to"], "a@one.example");
    let missing = get("message_id::other");
    assert!(
        missing.starts_with("HTTP/1.1 404") && missing.contains("No items"),
        "{missing}"
    );
}

#[test]
fn carries_what_a_refusal_needs() {
    let api = FakeApi::start(|n, request| match n {
        0 => Reply::wrong_key(),
        1 => Reply::too_many(Some("7")),
        2 => Reply::unavailable(None),
        3 => Reply::redirect(302, "http://other.example/"),
        _ => Reply::by_address(request),
    });
    let ask = |body: &str| talk(&api, request("sendmail", body)).expect("an answer");
    assert!(ask(TO_ONE).starts_with("HTTP/1.1 401"));
    assert!(ask(TO_ONE).contains("\r\nRetry-After: 7\r\n"));
    assert!(!ask(TO_ONE).contains("Retry-After"));
    assert!(ask(TO_ONE).contains("\r\nLocation: http://other.example/\r\n"));
    assert!(ask("to[]=tempfail@x.example").starts_with("HTTP/1.1 503"));
    assert!(api.taken().is_empty());
    let answer = ask("to[]=reject@x.example&to[]=good@x.example");
    assert!(answer.contains("white sign"), "{answer}");
    assert_eq!(api.taken_addresses(), ["good@x.example"]);
}

#[test]
fn stops_and_comes_back_on_the_same_port() {
    let mut api = FakeApi::taking_all();
    let address = api.address();
    api.stop();
    let refused = TcpStream::connect(address).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let again = FakeApi::start_at(address, |_, _| Reply::Take);
    assert!(
        talk(&again, request("sendmail", TO_ONE))
            .expect("an answer")
            .contains("200")
    );
}
