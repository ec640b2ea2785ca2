//! The API's wire format byte for byte, how PHP reads it, and the limits.

use std::borrow::Cow;

use mailrun::address::Address;
use mailrun::api::form::{self, FormError, Map, Value};
use mailrun::api::{
    Answer, Copy, Data, DecodeError, File, FormDialect, Recipient, Request, Violation,
};
use proptest::prelude::*;

const VECTORS: &str = include_str!("../fixtures/php-form/vectors.json");
const SENDMAIL: &[u8] = include_bytes!("../fixtures/wire/sendmail.form");
const NEW_SENDMAIL: &[u8] = include_bytes!("../fixtures/wire/new_sendmail.form");
const SUCCESS: &[u8] = include_bytes!("../fixtures/wire/success.json");
const REFUSAL: &[u8] = include_bytes!("../fixtures/wire/refusal.json");

/// A form in the shape of the vectors, in which an array with keys counting from 0 is a list.
fn as_json(map: &Map) -> serde_json::Value {
    let is_list = map
        .iter()
        .enumerate()
        .all(|(at, (key, _))| key == at.to_string());
    let value = |value: &Value| match value {
        Value::Text(text) => serde_json::Value::from(text.as_str()),
        Value::Map(map) => as_json(map),
    };
    if is_list {
        map.iter().map(|(_, v)| value(v)).collect()
    } else {
        map.iter()
            .map(|(key, v)| (key.to_owned(), value(v)))
            .collect()
    }
}

#[test]
fn every_body_is_read_as_php_reads_it_or_refused() {
    let vectors: Vec<serde_json::Value> = serde_json::from_str(VECTORS).expect("the vectors");
    let (mut agreed, mut refused) = (0, Vec::new());
    for vector in &vectors {
        let recipe = || {
            (0..1005)
                .map(|n| format!("k{n}=1"))
                .collect::<Vec<_>>()
                .join("&")
        };
        let body = vector["body"].as_str().map_or_else(recipe, str::to_owned);
        match form::parse(body.as_bytes()) {
            Ok(form) => {
                assert_eq!(as_json(&form), vector["php"], "{body}");
                agreed += 1;
            }
            Err(error) => refused.push(error),
        }
    }
    assert_eq!(vectors.len(), 71, "70 bodies and a recipe");
    assert_eq!(agreed, 64);
    let unclosed = |name: &str| FormError::UnclosedBracket(name.to_owned());
    let nul = |name: &str| FormError::NulInName(name.to_owned());
    assert_eq!(
        refused[..2],
        [
            nul("to[nul@example.com][message_id]"),
            nul("to[nul@example.com][message_id]")
        ]
    );
    assert_eq!(
        refused[2..5],
        [unclosed("to[a"), unclosed("to]a["), nul("ab")]
    );
    assert!(matches!(refused[5], FormError::TooDeep(_)));
    assert_eq!(refused[6..], [FormError::TooManyVariables]);
}

#[test]
fn a_thousand_variables_and_64_levels_are_read() {
    let body = vec!["a[]=1"; 1000].join("&");
    let form = form::parse(body.as_bytes()).expect("a thousand variables");
    assert!(matches!(form.get("a"), Some(Value::Map(map)) if map.len() == 1000));
    assert!(form::parse(format!("a{}=1", "[b]".repeat(64)).as_bytes()).is_ok());
    let deep = form::parse(format!("a{}=1", "[b]".repeat(65)).as_bytes());
    assert!(matches!(deep, Err(FormError::TooDeep(_))));
}

#[test]
fn text_that_is_not_utf8_is_refused_by_its_name() {
    assert_eq!(
        form::parse(b"a[b]=%FF"),
        Err(FormError::NotUtf8("a[b]".to_owned()))
    );
    assert!(matches!(
        form::parse(b"%FF=1"),
        Err(FormError::NameNotUtf8(_))
    ));
    assert_eq!(form::parse(b"a=\0"), Err(FormError::RawNul));
    let last = format!("a[{}]=1&a[]=2", i64::MAX);
    assert!(matches!(
        form::parse(last.as_bytes()),
        Err(FormError::NoNextKey(_))
    ));
}

fn file(
    name: &'static str,
    mime: &'static str,
    content: &'static str,
    inline: bool,
) -> File<'static> {
    File {
        name: name.into(),
        mime: mime.into(),
        content: content.into(),
        inline,
    }
}

fn copy(address: &'static str, name: Option<&'static str>) -> Copy<'static> {
    Copy {
        address: address.into(),
        name: name.map(Cow::from),
    }
}

fn to(address: &str) -> Recipient<'static> {
    Recipient {
        address: address.to_owned().into(),
        ..Recipient::default()
    }
}

/// The request in `sendmail.form`.
fn request() -> Request<'static> {
    Request {
        to: vec![to("jan@example.com"), to("plus+tag@example.com")],
        smtp_account: "1.acme.smtp".into(),
        subject: "Zażółć = 100% & więcej+ 🎉".into(),
        html: Some("<p class=\"x\">a&amp;b</p>\r\n<img src=\"cid:logo.png\">".into()),
        text: Some("linia\nlinia2\t€".into()),
        from: "news@acme.example".into(),
        from_name: Some("Żółć & Co".into()),
        headers: vec![
            (
                "List-Unsubscribe".into(),
                "<https://acme.example/u/1?a=b>".into(),
            ),
            ("X-A".into(), "1".into()),
        ],
        cc: vec![copy("cc@example.com", Some("Kopia"))],
        bcc: vec![copy("bcc@example.com", None)],
        reply_to: Some("hello@acme.example".into()),
        tags: vec!["autumn".into(), "t 2".into()],
        files: vec![
            file("ż.pdf", "application/pdf", "AA+/", false),
            file("logo.png", "image/png", "iVBORw0KGgo=", true),
        ],
        return_path: None,
    }
}

/// The request in `new_sendmail.form`.
fn new_request() -> Request<'static> {
    let jan = Recipient {
        address: "jan@example.com".into(),
        name: Some("Jan Żak".into()),
        message_id: Some("m1@acme.example".into()),
    };
    let plus = Recipient {
        message_id: Some("m2@acme.example".into()),
        ..to("plus+tag@example.com")
    };
    Request {
        to: vec![jan, plus, to("o'brien@example.com")],
        return_path: Some("bounces@acme.example".into()),
        ..request()
    }
}

#[test]
fn requests_are_these_bytes() {
    for (dialect, request, wire) in [
        (FormDialect::Sendmail, request(), SENDMAIL),
        (FormDialect::NewSendmail, new_request(), NEW_SENDMAIL),
    ] {
        let body = request.encode(dialect);
        assert_eq!(
            String::from_utf8_lossy(&body),
            String::from_utf8_lossy(wire)
        );
        assert_eq!(Request::decode(wire, dialect), Ok(request.clone()));
        assert_eq!(request.violations(dialect), []);
        let variables = wire.split(|byte| *byte == b'&').count();
        assert_eq!(request.variables(dialect), variables);
    }
}

#[test]
fn files_encoded_apart_make_the_same_body() {
    let request = request();
    let mut body = Vec::new();
    request.encode_into(FormDialect::Sendmail, &mut body);
    for (index, file) in request.files.iter().enumerate() {
        file.encode_into(index, &mut body);
    }
    assert_eq!(body, SENDMAIL);
}

#[test]
fn the_vendors_client_is_understood() {
    let vectors: Vec<serde_json::Value> = serde_json::from_str(VECTORS).expect("the vectors");
    let vector = vectors
        .iter()
        .find(|vector| vector["note"] == "http_build_query of the official client")
        .expect("the vector");
    let body = vector["body"].as_str().expect("a body");
    let request = Request::decode(body.as_bytes(), FormDialect::NewSendmail).expect("a request");
    let id = |address, id: &str| Recipient {
        message_id: Some(id.to_owned().into()),
        ..to(address)
    };
    assert_eq!(request.to, [id("a@b.pl", "1@x"), id("c+d@b.pl", "2@x")]);
    assert_eq!(request.subject, "Zażółć = 100% & więcej+");
    assert_eq!(request.headers[1].1, "<mailto:u@x.pl?subject=a b>");
    assert_eq!(
        request.files,
        [file("ż.pdf", "application/pdf", "AA+/=", false)]
    );
}

fn decode(body: &str, dialect: FormDialect) -> Request<'static> {
    Request::decode(body.as_bytes(), dialect).unwrap_or_else(|error| panic!("{body}: {error}"))
}

#[test]
fn recipients_are_read_in_every_shape_that_clients_send() {
    let ab = vec![to("a@x"), to("b@x")];
    let named = vec![Recipient {
        name: Some("Jan".into()),
        ..to("a@x")
    }];
    let cases: [(FormDialect, &str, Vec<Recipient<'_>>); 12] = [
        (FormDialect::Sendmail, "to[0]=a@x&to[1]=b@x", ab.clone()),
        (FormDialect::Sendmail, "to[]=a@x&to[]=b@x&to[]=", ab.clone()),
        (FormDialect::Sendmail, "to=a@x", vec![to("a@x")]),
        (FormDialect::Sendmail, "to=", vec![]),
        (FormDialect::NewSendmail, "to[a@x]=&to[b@x]=", ab.clone()),
        (
            FormDialect::NewSendmail,
            "to[a@x]=scalar&to[b@x]=1",
            ab.clone(),
        ),
        (
            FormDialect::NewSendmail,
            "to[a@x]=scalar&to[a@x][reciver_name]=Jan",
            named.clone(),
        ),
        (
            FormDialect::NewSendmail,
            "to[a@x][reciver_name]=Jan&to[a@x][message_id]=",
            named.clone(),
        ),
        (FormDialect::NewSendmail, "to[0]=a@x&to[]=b@x", ab),
        (FormDialect::NewSendmail, "to=a@x", vec![to("a@x")]),
        (
            FormDialect::NewSendmail,
            "new_structure=1&to[0][email]=a@x&to[0][reciver_name]=Jan",
            named,
        ),
        (FormDialect::NewSendmail, "", vec![]),
    ];
    for (dialect, body, expected) in cases {
        assert_eq!(decode(body, dialect).to, expected, "{body}");
    }
}

#[test]
fn fields_are_read_in_every_shape_that_clients_send() {
    let read = |body| decode(body, FormDialect::Sendmail);
    assert_eq!(read("txt=a").text.as_deref(), Some("a"));
    assert_eq!(read("txt=a&text=b").text.as_deref(), Some("b"));
    assert_eq!(
        read("text=&html=&cc=&bcc=&tags=&headers=&files="),
        Request::default()
    );
    assert_eq!(read("replay_to=a@x").reply_to.as_deref(), Some("a@x"));
    let header = vec![(Cow::from("X-A"), Cow::from("b: c"))];
    assert_eq!(read("headers[X-A]=b: c").headers, header);
    assert_eq!(read("headers[0]=X-A: b: c").headers, header);
    assert_eq!(read("headers[]=X-A:b: c").headers, header);
    let all = "from=a@x&headers[]=From: a@x&headers[]=Reply-To: J <b@x>&headers[]=X-A: b:%0D%0A c&headers[]=Date: now";
    assert_eq!(read(all).headers, header);
    assert_eq!(read(all).reply_to.as_deref(), Some("J <b@x>"));
    let both = read("headers[reply-to]=a@x&reply_to=b@x&headers[CC]=s&cc=c@x&headers[X-A]=b: c");
    assert_eq!(
        (both.reply_to.as_deref(), both.headers),
        (Some("b@x"), header)
    );
    let unsaid = read("headers[Bcc]=a@x&headers[Sender]=b@x&headers[]=Sender: c@x&bcc=");
    assert_eq!(unsaid.headers.len(), 2, "nothing else says them");
    let broken = read("headers[]=X-A: b%0D%0ABcc: c&headers[X-B]=b%0D%0A c");
    assert!(broken.headers.iter().all(|(_, value)| value.contains('\n')));
    assert_eq!(read("tags=a").tags, ["a"]);
    assert_eq!(read("tags[]=a&tags[]=b").tags, ["a", "b"]);
    assert_eq!(read("cc=a@x&cc_name=A").cc, [copy("a@x", Some("A"))]);
    let several = [copy("a@x", Some("A")), copy("b@x", None)];
    assert_eq!(read("multi_cc=1&cc[a@x]=A&cc[b@x]=").cc, several);
    assert_eq!(read("multi_bcc=1&bcc[a@x]=A&bcc[b@x]=").bcc, several);
    assert_eq!(read("cc[a@x]=A&cc[b@x]=").cc, several);
    let list = [copy("a@x", None), copy("b@x", None)];
    assert_eq!(read("bcc[]=a@x&bcc[]=&bcc[]=b@x").bcc, list);
    assert_eq!(read("multi_cc=1&cc[0]=a@x&cc[1]=b@x").cc, list);
    assert_eq!(read("return_path=r@x").return_path.as_deref(), Some("r@x"));
    let wrapped = read(
        "files[a][name]=n&files[a][mime]=m/m&files[a][content]=QUFB%0D%0AQUFB&files[a][inline]=1",
    );
    assert_eq!(wrapped.files, [file("n", "m/m", "QUFB\r\nQUFB", true)]);
}

#[test]
fn a_field_of_another_shape_is_refused_by_its_name() {
    let cases = [
        (
            FormDialect::Sendmail,
            "subject[]=a",
            "the field subject must be one value, not an array",
        ),
        (
            FormDialect::Sendmail,
            "to[0][x]=a",
            "the field to[0] must be one value, not an array",
        ),
        (
            FormDialect::Sendmail,
            "headers=a",
            "the field headers must be an array, not one value",
        ),
        (
            FormDialect::Sendmail,
            "headers[0]=a",
            "the field headers[0] must look like “Name: value”",
        ),
        (
            FormDialect::Sendmail,
            "headers[]=Return-Path: <>",
            "the field headers[Return-Path] must contain an address",
        ),
        (
            FormDialect::Sendmail,
            "headers[A][]=a",
            "the field headers[A] must be one value, not an array",
        ),
        (
            FormDialect::Sendmail,
            "cc[0][x]=a",
            "the field cc[0] must be one value, not an array",
        ),
        (
            FormDialect::Sendmail,
            "multi_cc=1&cc=a",
            "the field cc must be an array, not one value",
        ),
        (
            FormDialect::Sendmail,
            "files[0]=a",
            "the field files[0] must have a name, a mime and a content",
        ),
        (
            FormDialect::Sendmail,
            "files[0][name]=a&files[0][mime]=b",
            "the field files[0][content] is missing",
        ),
        (
            FormDialect::Sendmail,
            "files[0][inline]=x",
            "the field files[0][inline] must be 1 or 0",
        ),
        (
            FormDialect::NewSendmail,
            "to[a@x][message_id][]=a",
            "the field to[a@x][message_id] must be one value, not an array",
        ),
        (
            FormDialect::NewSendmail,
            "new_structure=1&to[0][reciver_name]=a",
            "the field to[0][email] is missing",
        ),
        (
            FormDialect::NewSendmail,
            "to[a=1",
            "the name of the field “to[a” has a bracket that is not closed",
        ),
    ];
    for (dialect, body, expected) in cases {
        let error = Request::decode(body.as_bytes(), dialect).expect_err(body);
        assert_eq!(error.to_string(), expected, "{body}");
    }
}

/// A valid request after a change.
fn violations(change: impl FnOnce(&mut Request<'static>)) -> Vec<String> {
    violations_of(FormDialect::Sendmail, change)
}

fn violations_of(dialect: FormDialect, change: impl FnOnce(&mut Request<'static>)) -> Vec<String> {
    let mut request = request();
    change(&mut request);
    request
        .violations(dialect)
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn lengths_are_counted_in_characters() {
    let (most, over) = ("ż".repeat(128), "ż".repeat(129));
    type Set = fn(&mut Request<'static>, String);
    let fields: [(&str, Set); 4] = [
        ("subject", |request, text| request.subject = text.into()),
        ("from_name", |request, text| {
            request.from_name = Some(text.into())
        }),
        ("cc_name", |request, text| {
            request.cc[0].name = Some(text.into())
        }),
        ("bcc_name", |request, text| {
            request.bcc[0].name = Some(text.into())
        }),
    ];
    for (field, set) in fields {
        assert_eq!(
            violations(|request| set(request, most.clone())),
            none(),
            "{field}"
        );
        let expected = format!("the {field} has 129 characters; the maximum is 128");
        assert_eq!(violations(|request| set(request, over.clone())), [expected]);
    }
    let tags = |length| vec![Cow::from("ż".repeat(length)), "ż".repeat(64).into()];
    assert_eq!(violations(|request| request.tags = tags(64)), none());
    let found = violations(|request| request.tags = tags(65));
    assert_eq!(found, ["the tags have 129 characters; the maximum is 128"]);
}

#[test]
fn a_request_has_200_recipients_1000_variables_and_15_000_000_bytes() {
    let many = |number| {
        (0..number)
            .map(|n| to(&format!("{n}@example.com")))
            .collect::<Vec<_>>()
    };
    assert_eq!(violations(|request| request.to = many(200)), none());
    let found = violations(|request| request.to = many(201));
    assert_eq!(
        found,
        ["the request has 201 recipients; the maximum is 200"]
    );

    let headers = |number| {
        (0..number)
            .map(|n| (format!("X-{n}").into(), "1".into()))
            .collect()
    };
    let others = request().variables(FormDialect::Sendmail) - 2;
    assert_eq!(
        violations(|request| request.headers = headers(1000 - others)),
        none()
    );
    let found = violations(|request| request.headers = headers(1001 - others));
    assert_eq!(found, ["the form has 1001 variables; the maximum is 1000"]);

    let others = request().size() - request().html.map_or(0, |html| html.len());
    let html = |length: usize| Some(Cow::from("a".repeat(length - others)));
    assert_eq!(
        violations(|request| request.html = html(15_000_000)),
        none()
    );
    let found = violations(|request| request.html = html(15_000_001));
    assert_eq!(
        found,
        [
            "the html, the text and the attachments in base64 have 15000001 bytes; the maximum is 15000000"
        ]
    );
}

#[test]
fn what_has_to_be_there_is_there() {
    let found: Vec<_> = Request::default().violations(FormDialect::Sendmail);
    let missing = |field: &'static str| Violation::Missing(field.into());
    let fields = ["smtp_account", "to", "subject", "from"].map(missing);
    assert_eq!(found[..4], fields);
    assert_eq!(found[4..], [Violation::NoBody]);
    assert_eq!(violations(|request| request.html = None), none());
    assert_eq!(violations(|request| request.text = Some("".into())), none());
    let found = violations(|request| request.files[0].name = "".into());
    assert_eq!(found, ["the files[0][name] is missing"]);
}

#[test]
fn no_line_gets_into_a_header() {
    type Set = fn(&mut Request<'static>, &'static str);
    let fields: [(&str, Set); 12] = [
        ("subject", |request, text| request.subject = text.into()),
        ("smtp_account", |request, text| {
            request.smtp_account = text.into()
        }),
        ("from", |request, text| request.from = text.into()),
        ("from_name", |request, text| {
            request.from_name = Some(text.into())
        }),
        ("reply_to", |request, text| {
            request.reply_to = Some(text.into())
        }),
        ("cc", |request, text| request.cc[0].address = text.into()),
        ("cc_name", |request, text| {
            request.cc[0].name = Some(text.into())
        }),
        ("bcc_name", |request, text| {
            request.bcc[0].name = Some(text.into())
        }),
        ("tags[1]", |request, text| request.tags[1] = text.into()),
        ("header X-A", |request, text| {
            request.headers[1].1 = text.into()
        }),
        ("files[0][name]", |request, text| {
            request.files[0].name = text.into()
        }),
        ("files[0][mime]", |request, text| {
            request.files[0].mime = text.into()
        }),
    ];
    for (field, set) in fields {
        for text in ["a\rb", "a\n", "\r\nBcc: x@example.com"] {
            let found = violations(|request| set(request, text));
            assert_eq!(found, [format!("the {field} contains a line break")]);
        }
        let found = violations(|request| set(request, "a\0"));
        assert_eq!(found, [format!("the {field} contains a NUL")]);
    }
}

#[test]
fn only_headers_that_the_message_does_not_have_can_be_added() {
    let named = |name: &'static str| violations(|request| request.headers[0].0 = name.into());
    for name in [
        "X-B",
        "x-a.b_c!#$%&'*+^`|~",
        "Precedence",
        "In-Reply-To",
        "Contents",
    ] {
        assert_eq!(named(name), none(), "{name}");
    }
    for name in ["", "X A", "X:A", "X\r\nBcc", "Ż", "X[A]", "12", "X\0"] {
        let expected = format!("{name:?} is not a valid header name");
        assert_eq!(named(name), [expected], "{name:?}");
    }
    for name in [
        "From",
        "to",
        "BCC",
        "Subject",
        "content-type",
        "X-Mailrun-Account",
        "Message-Id",
    ] {
        let expected =
            format!("the header {name} can't be an extra header: every message has it already");
        assert_eq!(named(name), [expected]);
    }
    assert_eq!(named("x-a"), ["the header X-A is repeated"]);
}

#[test]
fn an_address_in_a_key_is_one_that_php_can_read() {
    let of = |address: &'static str| {
        violations_of(FormDialect::NewSendmail, |request| {
            request.to[0] = to(address)
        })
    };
    assert_eq!(of("o'brien+{{x}}@example.com"), none());
    for address in [
        "a[b]@example.com",
        "a\n@example.com",
        "a\0@example.com",
        "12",
    ] {
        let expected = format!("the address {address:?} can't be posted to new_sendmail");
        assert_eq!(of(address), [expected]);
    }
    let twice =
        ["the address plus+tag@example.com is repeated; new_sendmail can send to it only once"];
    assert_eq!(of("plus+tag@example.com"), twice);
    assert_eq!(
        violations(|request| request.to[0] = request.to[1].clone()),
        none()
    );

    let id = |id: &'static str| {
        violations_of(FormDialect::NewSendmail, |request| {
            request.to[0].message_id = Some(id.into())
        })
    };
    assert_eq!(id("1.a@x"), none());
    for text in ["", "a b", "<a@x>", "ż", "a\r\nBcc: x"] {
        assert_eq!(id(text).len(), 1, "{text:?}");
    }
}

#[test]
fn several_copies_are_for_new_sendmail() {
    let set = |request: &mut Request<'static>| request.cc.push(copy("d@example.com", None));
    assert_eq!(violations_of(FormDialect::NewSendmail, set), none());
    assert_eq!(
        violations(set),
        ["the cc has 2 addresses; the maximum is 1"]
    );
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

#[test]
fn answers_are_these_bytes() {
    let values = [
        ("jan@example.com", "m1@api.emaillabs.co"),
        ("Plus+Tag@Example.com", "m2@api.emaillabs.co"),
    ];
    let values = values.map(|(address, id)| (address.to_owned(), id.to_owned()));
    let success = Answer::success(values, "k3v9".to_owned());
    let refusal = Answer::error(401, "Error: App Key is invalid", "k3va".to_owned());
    for (answer, wire) in [(success, SUCCESS), (refusal, REFUSAL)] {
        let decoded = Answer::decode(wire).expect("an answer");
        assert_eq!(decoded, answer);
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).expect("JSON");
        assert_eq!(json(&answer.encode()), json(wire));
    }
}

#[test]
fn values_are_found_by_the_normalized_address() {
    let answer = Answer::decode(SUCCESS).expect("an answer");
    assert!(answer.is_success());
    assert_eq!(
        answer.value_for(&address("JAN@example.com")),
        Some("m1@api.emaillabs.co")
    );
    assert_eq!(
        answer.value_for(&address("plus+tag@example.com")),
        Some("m2@api.emaillabs.co")
    );
    assert_eq!(answer.value_for(&address("other@example.com")), None);
    let idn = Answer::decode(
        r#"{"code":"200","status":"success","data":{"jan@żółw.pl":"1"}}"#.as_bytes(),
    );
    let idn = idn.expect("a plain object and a code in quotes");
    assert_eq!(idn.value_for(&address("jan@xn--w-uga1v8h.pl")), Some("1"));
}

#[test]
fn a_value_that_is_no_text_does_not_pass_for_a_message_id() {
    let values = |json: &str| {
        let body = format!(r#"{{"code":200,"status":"success","data":[{{"a@x.pl":{json}}}]}}"#);
        let answer = Answer::decode(body.as_bytes()).expect("an answer");
        answer.value_for(&address("a@x.pl")).map(str::to_owned)
    };
    for json in ["null", "false", "true", "[]", "{\"id\":\"1\"}"] {
        assert_eq!(values(json), None, "{json}");
    }
    assert_eq!(values("12"), Some("12".to_owned()));
    assert_eq!(values("\"\""), Some(String::new()));
    assert_eq!(values("\"1@x\\n\""), Some("1@x ".to_owned()));
}

#[test]
fn only_an_object_with_code_and_status_is_an_answer() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "200",
        "<html>",
        r#"{"code":200}"#,
        r#"{"status":"success"}"#,
        r#"{"code":"x","status":"success"}"#,
        r#"{"code":-1,"status":"a"}"#,
        r#"{"code":70000,"status":"a"}"#,
        r#"{"code":200,"status":"success"}x"#,
        r#"[{"code":200,"status":"success"}]"#,
    ] {
        assert_eq!(Answer::decode(body.as_bytes()), None, "{body}");
    }
    let answer = |body: &str| Answer::decode(body.as_bytes()).expect(body);
    assert!(answer("\u{feff} {\"code\":200,\"status\":\"success\"}").is_success());
    assert!(!answer(r#"{"code":200,"status":"Error"}"#).is_success());
    assert!(!answer(r#"{"code":201,"status":"success"}"#).is_success());
    let errors = answer(r#"{"code":500,"status":"error","data":{"from":["bad\nsender"]}}"#);
    assert_eq!(
        errors.data,
        Data::Text(r#"{"from":["bad\nsender"]}"#.to_owned())
    );
    let errors = answer(r#"{"code":500,"status":"error","message":null,"data":"two\nlines"}"#);
    assert_eq!(errors.data, Data::Text("two lines".to_owned()));
    assert_eq!(errors.message, "");
}

/// A text with characters that are special in forms, headers and PHP.
fn text() -> impl Strategy<Value = Cow<'static, str>> {
    let nasty = "[a-c +&=%\\[\\];.@\"'<>\\\\\u{0}\r\n\tżé€🎉\u{301}\u{202e}]{1,24}";
    prop_oneof![nasty, "\\PC{1,24}"].prop_map(Cow::Owned)
}

fn option() -> impl Strategy<Value = Option<Cow<'static, str>>> {
    proptest::option::of(text())
}

/// A text that PHP can read in brackets.
fn key() -> impl Strategy<Value = Cow<'static, str>> {
    "[a-c +&=%;.\"'<>ż🎉]{0,6}@[a-c+&=%.ż]{0,6}".prop_map(Cow::Owned)
}

fn map<V>(value: impl Strategy<Value = V>) -> impl Strategy<Value = Vec<(Cow<'static, str>, V)>>
where
    V: std::fmt::Debug,
{
    proptest::collection::vec((key(), value), 0..5).prop_map(|mut entries| {
        let mut seen = std::collections::HashSet::new();
        entries.retain(|(key, _)| seen.insert(key.clone()));
        entries
    })
}

prop_compose! {
    fn recipients(dialect: FormDialect)(
        entries in map((option(), option()))
    ) -> Vec<Recipient<'static>> {
        let keyed = dialect == FormDialect::NewSendmail;
        let recipient = |(address, (name, id)): (_, (Option<_>, Option<_>))| Recipient {
            address,
            name: name.filter(|_| keyed),
            message_id: id.filter(|_| keyed),
        };
        entries.into_iter().map(recipient).collect()
    }
}

fn copies() -> impl Strategy<Value = Vec<Copy<'static>>> {
    map(option()).prop_map(|entries| {
        entries
            .into_iter()
            .map(|(address, name)| Copy { address, name })
            .collect()
    })
}

fn files() -> impl Strategy<Value = Vec<File<'static>>> {
    let file =
        (text(), text(), text(), any::<bool>()).prop_map(|(name, mime, content, inline)| File {
            name,
            mime,
            content,
            inline,
        });
    proptest::collection::vec(file, 0..3)
}

prop_compose! {
    fn requests(dialect: FormDialect)(
        to in recipients(dialect),
        (smtp_account, subject, from) in (text(), text(), text()),
        (html, text_body, from_name, reply_to, return_path)
            in (option(), option(), option(), option(), option()),
        (cc, bcc) in (copies(), copies()),
        headers in map(text()),
        tags in proptest::collection::vec(text(), 0..4),
        files in files(),
    ) -> Request<'static> {
        let return_path = return_path.filter(|_| dialect == FormDialect::NewSendmail);
        Request {
            to, smtp_account, subject, html, text: text_body, from, from_name, headers, cc, bcc,
            reply_to, tags, files, return_path,
        }
    }
}

proptest! {
    #[test]
    fn a_sendmail_request_comes_back(request in requests(FormDialect::Sendmail)) {
        let body = request.encode(FormDialect::Sendmail);
        prop_assert_eq!(Request::decode(&body, FormDialect::Sendmail), Ok(request));
    }

    #[test]
    fn a_new_sendmail_request_comes_back(request in requests(FormDialect::NewSendmail)) {
        let body = request.encode(FormDialect::NewSendmail);
        prop_assert_eq!(Request::decode(&body, FormDialect::NewSendmail), Ok(request));
    }

    #[test]
    fn text_is_encoded_as_others_decode_it(text in text()) {
        let mut body = Vec::new();
        form::encode_into(text.as_bytes(), &mut body);
        prop_assert!(body.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(b)));
        let pair = form_urlencoded::parse(&body).next().expect("one pair");
        prop_assert_eq!(pair.0, text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::decode(&body, FormDialect::Sendmail);
        let _ = Request::decode(&body, FormDialect::NewSendmail);
        let _ = Answer::decode(&body);
    }

    #[test]
    fn any_form_is_read_or_refused(body in "(to|cc|files|headers|tags|multi_cc|&|=|\\[|\\]|%|5B|[a0@]){0,60}") {
        for dialect in [FormDialect::Sendmail, FormDialect::NewSendmail] {
            if let Ok(request) = Request::decode(body.as_bytes(), dialect) {
                let _ = request.violations(dialect);
            }
        }
    }

    #[test]
    fn any_json_is_read_or_refused(
        code in "(200|\"200\"|\"\"|null|1e9|-1)",
        data in "(null|1|\"a\"|\\[\\]|\\[1,\\{\\}\\]|\\[\\{\"a@x.pl\":1\\},\\{\"a@x.pl\":null\\}\\]|\\{\"a\":\\[\\]\\})",
    ) {
        let body = format!("{{\"code\":{code},\"status\":{data},\"message\":{data},\"data\":{data}}}");
        if let Some(answer) = Answer::decode(body.as_bytes()) {
            let _ = answer.value_for(&address("a@x.pl"));
            prop_assert!(Answer::decode(&answer.encode()).is_some());
        }
    }
}

#[test]
fn errors_say_which_part_is_wrong() {
    let error = Request::decode(b"a=%FF", FormDialect::Sendmail).expect_err("not UTF-8");
    assert_eq!(error, DecodeError::Form(FormError::NotUtf8("a".to_owned())));
    assert_eq!(error.to_string(), "the field “a” is not UTF-8");
}
