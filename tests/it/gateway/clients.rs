//! Programs in other languages send as public clients of the API do, and read back what they sent.

use mail_parser::{Address, Message, MessageParser, MimeHeaders};

use crate::support::gateway::Gateway;
use crate::support::{client, has_program, real_part};

/// The sources of all stored messages, oldest first.
fn sources(gateway: &Gateway) -> Vec<Vec<u8>> {
    let store = gateway.store();
    let mut select = store
        .prepare(
            "SELECT head || bytes FROM message JOIN body ON body.id = body ORDER BY message.id",
        )
        .expect("the tables");
    let rows = select.query_map([], |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec()));
    rows.expect("messages")
        .map(|row| row.expect("a message"))
        .collect()
}

fn parsed(source: &[u8]) -> Message<'_> {
    MessageParser::default().parse(source).expect("a message")
}

/// The copies in the newest message's envelope, as JSON.
fn copies(gateway: &Gateway) -> String {
    let sql = "SELECT copies FROM message ORDER BY id DESC LIMIT 1";
    let copies = gateway.store().query_row(sql, [], |row| row.get(0));
    copies.expect("a message")
}

/// Names and addresses.
fn named<'a>(list: Option<&'a Address<'a>>) -> Vec<(Option<&'a str>, Option<&'a str>)> {
    let list = list.expect("addresses").iter();
    list.map(|one| (one.name(), one.address())).collect()
}

/// Posts a form that PHP encodes from an array, and returns the response.
fn php(gateway: &Gateway, endpoint: &str, form: &str) -> String {
    let script = format!(
        r#"<?php
echo file_get_contents('{}{endpoint}', false, stream_context_create(['http' => [
    'method' => 'POST',
    'ignore_errors' => true,
    'header' => 'Authorization: Basic ' . base64_encode('key:secret') . "\r\nContent-Type: application/x-www-form-urlencoded",
    'content' => http_build_query({form} + ['smtp_account' => '1.acme.smtp', 'subject' => 'S', 'text' => 'T', 'from' => 'news@acme.example']),
]]));
"#,
        gateway.api()
    );
    client("php", &[], &script)
}

#[test]
fn a_php_mailer_posts_all_headers_of_its_message() {
    if !real_part("PHP", has_program("php")) {
        return;
    }
    let gateway = Gateway::start();
    let lines = r#"[
        'new_structure' => '1', 'multi_cc' => '1', 'multi_bcc' => '1',
        'to' => [
            ['email' => 'jan@example.com', 'reciver_name' => '', 'message_id' => 'same@acme.example'],
            ['email' => 'ola@example.com', 'reciver_name' => 'Ola Ż', 'message_id' => 'same@acme.example'],
        ],
        'cc' => ['c@example.com' => ''],
        'headers' => [
            'Date: Tue, 24 Nov 2026 10:20:30 +0000',
            'Reply-To: =?utf-8?Q?Jan_=C5=BB?= <jan@acme.example>, b@acme.example',
            "List-Unsubscribe: <https://acme.example/u>,\r\n <mailto:u@acme.example>",
        ],
        'files' => [['name' => 'a.bin', 'mime' => 'application/octet-stream', 'inline' => 0,
            'content' => chunk_split(base64_encode(str_repeat("\xff", 100)))]],
    ]"#;
    let answer = php(&gateway, "new_sendmail", lines);
    assert!(answer.contains(r#""code":200"#), "{answer}");
    let map = r#"[
        'to' => ['jan@example.com' => 'Jan'],
        'html' => '', 'txt' => 'T', 'files' => [],
        'reply_to' => '"Żak, Jan" <jan@acme.example>',
        'return_path' => 'bounces@acme.example',
        'headers' => ['From' => 'x@example.com', 'To' => 'Jan <jan@example.com>', 'Subject' => 'Other', 'X-A' => 'b'],
        'cc' => ['c@example.com' => 'C', 'd@example.com' => 'd@example.com'],
        'bcc' => ['e@example.com' => 'E'],
    ]"#;
    let answer = php(&gateway, "new_sendmail", map);
    assert!(answer.contains(r#""code":200"#), "{answer}");
    let several = r#"["c@example.com","d@example.com","e@example.com"]"#;
    assert_eq!(copies(&gateway), several);

    let sources = sources(&gateway);
    let messages: Vec<_> = sources.iter().map(|source| parsed(source)).collect();
    assert_eq!(messages.len(), 3);
    for message in &messages[..2] {
        assert_eq!(message.message_id(), Some("same@acme.example"));
        assert_eq!(named(message.cc()), [(None, Some("c@example.com"))]);
        let reply_to = [
            (Some("Jan Ż"), Some("jan@acme.example")),
            (None, Some("b@acme.example")),
        ];
        assert_eq!(named(message.reply_to()), reply_to);
        let unsubscribe = message.header_raw("List-Unsubscribe").expect("a header");
        let unsubscribe = unsubscribe.split_whitespace().collect::<Vec<_>>();
        let links = ["<https://acme.example/u>,", "<mailto:u@acme.example>"];
        assert_eq!(unsubscribe, links);
        let file = message.attachments().next().expect("a file");
        assert_eq!(file.attachment_name(), Some("a.bin"));
        assert_eq!(file.contents(), [0xff; 100]);
        let dates = message.headers_raw().filter(|(name, _)| *name == "Date");
        assert_eq!(dates.count(), 1);
    }
    assert_eq!(
        named(messages[1].to()),
        [(Some("Ola Ż"), Some("ola@example.com"))]
    );
    let last = &messages[2];
    let reply_to = [(Some("Żak, Jan"), Some("jan@acme.example"))];
    assert_eq!(named(last.reply_to()), reply_to);
    assert_eq!(named(last.from()), [(None, Some("news@acme.example"))]);
    assert_eq!(last.subject(), Some("S"));
    assert_eq!(last.header_raw("X-A").map(str::trim), Some("b"));
}

#[test]
fn a_php_mailer_posts_a_single_copy_as_an_array() {
    if !real_part("PHP", has_program("php")) {
        return;
    }
    let gateway = Gateway::start();
    let form =
        "['to' => ['jan@example.com'], 'cc' => ['c@example.com'], 'bcc' => ['d@example.com']]";
    let answer = php(&gateway, "sendmail", form);
    assert!(answer.contains(r#""code":200"#), "{answer}");
    assert_eq!(copies(&gateway), r#"["c@example.com","d@example.com"]"#);
    let two = "['to' => ['jan@example.com'], 'cc' => ['c@example.com', 'd@example.com']]";
    let answer = php(&gateway, "sendmail", two);
    assert!(
        answer.contains("the cc has 2 addresses; the maximum is 1"),
        "{answer}"
    );
}

#[test]
fn a_posted_reply_to_cannot_add_headers() {
    let gateway = Gateway::start();
    let post = |reply_to: &str| {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("to[0]", "jan@example.com")
            .append_pair("smtp_account", "1.acme.smtp")
            .append_pair("subject", "S")
            .append_pair("text", "T")
            .append_pair("from", "news@acme.example")
            .append_pair("headers[0]", &format!("Reply-To: {reply_to}"))
            .finish();
        gateway.ask("POST /api/sendmail", &[], &form)
    };
    let hidden = "=?utf-8?Q?a=0D=0ABcc:_x@example.com?= <r@acme.example>";
    assert_eq!(post(hidden).status, 200);
    let sources = sources(&gateway);
    let message = parsed(&sources[0]);
    assert!(message.bcc().is_none());
    assert!(message.headers_raw().all(|(name, _)| name != "Bcc"));
    assert_eq!(named(message.reply_to())[0].1, Some("r@acme.example"));
    for bad in [
        "a@acme.example\r\nBcc: x@example.com",
        "Jan Nowak",
        "<>",
        "group: a@acme.example, b;",
    ] {
        let reply = post(bad);
        assert_eq!(reply.status, 500, "{bad}");
        assert!(reply.body.contains("reply_to"), "{bad}: {}", reply.body);
    }
}

#[test]
fn node_sends_and_reads_back() {
    if !real_part("Node", has_program("node")) {
        return;
    }
    let gateway = Gateway::start();
    let script = format!(
        r#"
const api = "{}", authorization = "Basic " + Buffer.from("key:secret").toString("base64");
const ask = async (method, path, fields) => {{
  const body = fields && new URLSearchParams(fields);
  const answer = await fetch(api + path, {{ method, headers: {{ Authorization: authorization }}, body }});
  return [answer.status, await answer.json()];
}};
const same = (value, expected) => {{
  if (JSON.stringify(value) !== JSON.stringify(expected)) throw new Error(JSON.stringify(value));
}};
(async () => {{
  const [status, sent] = await ask("POST", "new_sendmail", [
    ["to[jan+1@example.com]", ""], ["smtp_account", "1.acme.smtp"], ["subject", "Zażółć & +"],
    ["from", "news@acme.example"], ["from_name", "Żółw"], ["html", "<p>Cześć</p>"], ["text", "Cześć"],
    ["reply_to", "reply@acme.example"], ["tags[]", "a"], ["tags[]", "b"],
    ["files[0][name]", "żółw.pdf"], ["files[0][mime]", "application/pdf"],
    ["files[0][content]", Buffer.from([0, 1, 255]).toString("base64")],
  ]);
  same([status, sent.status], [200, "success"]);
  const id = sent.data[0]["jan+1@example.com"];
  const [, list] = await ask("GET", "emails?" + new URLSearchParams({{ filter: "message_id::" + id, limit: 5 }}));
  same(list.data.map((row) => [row.to, row.subject, row.tags]), [["jan+1@example.com", "Zażółć & +", ["a", "b"]]]);
  const entry = {{ account: "1.acme.smtp", email: "jan+1@example.com", reason: "unsubscribe" }};
  same((await ask("POST", "blacklists", entry))[0], 200);
  const [, blocked] = await ask("GET", "blacklists?sort=email&filter=reason::unsubscribe");
  same(blocked.data.map((row) => row.email), ["jan+1@example.com"]);
  await ask("POST", "sendmail", {{ "to[0]": "jan+1@example.com", smtp_account: "1.acme.smtp", subject: "S", text: "T", from: "news@acme.example" }});
  const [, dropped] = await ask("GET", "smtp_events/dropped?sort=-created_at");
  same(dropped.number_of_elements, 1);
  same((await ask("DELETE", "blacklists/email/" + encodeURIComponent("jan+1@example.com")))[0], 200);
  same((await ask("GET", "blacklists/email/jan+1@example.com"))[0], 404);
  same((await ask("GET", "smtp"))[1].data.map((row) => row.account), ["1.acme.smtp"]);
  const json = await fetch(api + "new_sendmail", {{ method: "POST", headers: {{ Authorization: authorization, "Content-Type": "application/json" }}, body: "{{}}" }});
  console.log(json.status, (await json.json()).message);
}})().catch((error) => {{ console.error(error); process.exit(1); }});
"#,
        gateway.api()
    );
    let wrote = client("node", &["-"], &script);
    assert_eq!(
        wrote,
        "415 The body must be application/x-www-form-urlencoded\n"
    );
    let sources = sources(&gateway);
    let message = parsed(&sources[0]);
    let file = message.attachments().next().expect("a file");
    assert_eq!(file.attachment_name(), Some("żółw.pdf"));
    assert_eq!(file.contents(), [0, 1, 255]);
    assert_eq!(message.body_text(0).as_deref(), Some("Cześć"));
}

#[test]
fn pythons_library_sends_templates_and_reads_page_by_page() {
    if !real_part("Python", has_program("python3")) {
        return;
    }
    let gateway = Gateway::start();
    let script = format!(
        r#"
import base64, json, urllib.error, urllib.parse, urllib.request

def ask(path, pairs=None):
    body = urllib.parse.urlencode(pairs).encode() if pairs else None
    request = urllib.request.Request("{}" + path, data=body)
    request.add_header("Authorization", "Basic " + base64.b64encode(b"key:secret").decode())
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)

common = [("smtp_account", "1.acme.smtp"), ("from", "news@acme.example"), ("from_name", "")]
template = ask("add_template", [("html", "<p>{{{{ name }}}}</p>"), ("txt", "{{{{name}}}}")])["data"]["template_id"]
recipients = [("to[jan@example.com]", ""), ("to[jan@example.com][message_id]", "py.1@acme.example"),
    ("to[jan@example.com][vars][name]", "Jan Ż"), ("to[ola@example.com]", ""), ("to[ola@example.com][vars][name]", "Ola")]
sent = ask("sendmail_templates", common + [("template_id", template), ("subject", "Hello {{{{ name }}}}")] + recipients)
assert sent["data"][0] == {{"jan@example.com": "py.1@acme.example"}}, sent
ask("new_sendmail", common + [("subject", "S"), ("html", "<p>H</p>"), ("to[ewa@example.com][reciver_name]", "Ewa E"),
    ("headers[List-Unsubscribe]", "<https://acme.example/u>"), ("files[0][name]", "event.ics"),
    ("files[0][mime]", "text/calendar; method=PUBLISH"), ("files[0][content]", base64.b64encode(b"BEGIN:VCALENDAR").decode()),
    ("files[0][inline]", "0")])
subjects, offset = [], 0
while True:
    try:
        page = ask("emails?" + urllib.parse.urlencode({{"limit": 2, "offset": offset, "sort": "created_at"}}))
    except urllib.error.HTTPError as error:
        assert error.code == 404, error
        break
    subjects += [row["subject"] for row in page["data"]]
    offset += 2
print(subjects)
"#,
        gateway.api()
    );
    let wrote = client("python3", &["-"], &script);
    assert_eq!(wrote, "['Hello Jan Ż', 'Hello Ola', 'S']\n");
    let sources = sources(&gateway);
    let first = parsed(&sources[0]);
    assert_eq!(first.body_text(0).as_deref(), Some("Jan Ż"));
    let last = parsed(&sources[2]);
    let to = [(Some("Ewa E"), Some("ewa@example.com"))];
    assert_eq!(named(last.to()), to);
    let file = last.attachments().next().expect("a file");
    let kind = file.content_type().expect("a type");
    assert_eq!((kind.ctype(), kind.subtype()), ("text", Some("calendar")));
    assert_eq!(kind.attribute("method"), Some("PUBLISH"));
}
