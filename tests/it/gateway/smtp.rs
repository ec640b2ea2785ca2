//! `mailrun gateway --smtp`: dialogues byte for byte, and what is stored of them.

use std::time::Duration;

use crate::support::fake_api::Authority;
use crate::support::gateway::Gateway;
use crate::support::run::{APP_KEY, SECRET_KEY};
use crate::support::smtp_client::{SmtpClient, with_dots};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const LOGIN: &str =
    "[login]\napp_key_env = \"EMAILLABS_APP_KEY\"\nsecret_key_env = \"EMAILLABS_SECRET_KEY\"\n";
const SMALL: &[u8] = b"Subject: Hello\r\n\r\nHello\r\n";

/// The recipient and the bytes of each stored message, oldest first.
pub(super) fn stored(gateway: &Gateway) -> Vec<(String, Vec<u8>)> {
    let store = gateway.store();
    let mut select = store
        .prepare(
            "SELECT to_address, head || bytes FROM message JOIN body ON body.id = body ORDER BY message.id",
        )
        .expect("the tables");
    let rows = select.query_map([], |row| {
        let bytes = row.get_ref(1)?.as_bytes()?.to_vec();
        Ok((row.get(0)?, bytes))
    });
    rows.expect("messages")
        .map(|row| row.expect("a message"))
        .collect()
}

/// The values of a column, oldest first.
fn column(gateway: &Gateway, name: &str) -> Vec<String> {
    let store = gateway.store();
    let sql = format!("SELECT CAST({name} AS TEXT) FROM message ORDER BY id");
    let mut select = store.prepare(&sql).expect("a query");
    let rows = select.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

fn plain(user: &str, password: &str) -> String {
    format!(
        "AUTH PLAIN {}",
        STANDARD.encode(format!("\0{user}\0{password}"))
    )
}

#[test]
fn a_message_is_stored_byte_for_byte_for_each_recipient() {
    let gateway = Gateway::with_smtp("", &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    let extensions = client.say("EHLO client.example", "250-[127.0.0.1]");
    let extensions: Vec<_> = extensions.lines().map(|line| &line[4..]).collect();
    assert_eq!(
        extensions[1..],
        [
            "PIPELINING",
            "SIZE 16000000",
            "8BITMIME",
            "ENHANCEDSTATUSCODES",
            "AUTH PLAIN LOGIN"
        ]
    );
    client.say(
        "MAIL FROM:<bounces@acme.example> SIZE=1000 BODY=8BITMIME",
        "250 2.1.0",
    );
    for to in ["jan@example.com", "OLA@example.com", "root@localhost"] {
        client.say(&format!("RCPT TO:<{to}>"), "250 2.1.5");
    }
    client.say("DATA", "354");
    let long = "x".repeat(100_000);
    let message = format!(
        "Received: from nowhere\r\nFrom: =?utf-8?q?=C5=BB=C3=B3=C5=82w?= <news@acme.example>\r\n\
         To: Jan Nowak <jan@example.com>,\r\n\t\"Ola\" <ola@example.com>\r\nSubject: Zażółć\r\n\
         Message-ID: <1@acme.example>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         .\r\n..\r\n...three dots\r\n.one\r\nżółw \0 \x7f\r\n{long}\r\n \r\n\r\n"
    );
    let message = message.as_bytes();
    client.send(with_dots(message));
    let reply = client.expect("250 2.0.0 Stored as ");
    client.say("QUIT", "221 2.0.0");
    assert!(client.ends());
    let expected = ["jan@example.com", "OLA@example.com", "root@localhost"];
    assert_eq!(
        stored(&gateway),
        expected.map(|to| (to.to_owned(), message.to_vec()))
    );
    for (name, values) in [
        ("envelope_from", ["bounces@acme.example"; 3]),
        ("from_address", ["news@acme.example"; 3]),
        ("from_name", ["Żółw"; 3]),
        ("to_name", ["Jan Nowak", "Ola", ""]),
        ("subject", ["Zażółć"; 3]),
        ("message_id", ["1@acme.example"; 3]),
        ("account", ["smtp"; 3]),
        ("status", ["ok"; 3]),
        ("copies", ["[]"; 3]),
        ("head", [""; 3]),
    ] {
        assert_eq!(column(&gateway, name), values, "{name}");
    }
    // One body for all, and the ID of the reply is that of the request.
    let store = gateway.store();
    let sql = "SELECT (SELECT count(*) FROM body), req_id, endpoint FROM request";
    let row = store.query_row(sql, [], |row| {
        let (bodies, id, endpoint): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((bodies, id, endpoint))
    });
    let (bodies, id, endpoint) = row.expect("one request");
    assert_eq!((bodies, &*endpoint), (1, "smtp"));
    assert_eq!(reply, format!("250 2.0.0 Stored as {id}\r\n"));
    // The inbox finds it as soon as it is indexed.
    let started = std::time::Instant::now();
    loop {
        let found = gateway
            .ask("GET /inbox/messages?q=three+dots", &[], "")
            .json();
        match found["messages"].as_array().map(Vec::len) {
            Some(3) => break,
            count => assert!(started.elapsed() < Duration::from_secs(30), "{count:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn pipelined_commands_are_answered_in_order() {
    let gateway = Gateway::with_smtp("", &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    client.send(
        "MAIL FROM:<a@acme.example>\r\nRCPT TO:<jan@example.com>\r\nRCPT TO:<wrong>\r\n\
         RCPT TO:<ola@example.com>\r\nDATA\r\n",
    );
    for start in ["250 2.1.0", "250 2.1.5", "553 5.1.3", "250 2.1.5", "354"] {
        client.expect(start);
    }
    // The next transaction comes with the end of the message.
    let next = "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<ewa@example.com>\r\nDATA\r\n";
    client.send([&with_dots(SMALL)[..], next.as_bytes()].concat());
    for start in ["250 2.0.0", "250 2.0.0", "250 2.1.0", "250 2.1.5", "354"] {
        client.expect(start);
    }
    client.send(".\r\nQUIT\r\n");
    client.expect("250 2.0.0");
    client.expect("221");
    let expected = [
        ("jan@example.com".to_owned(), SMALL.to_vec()),
        ("ola@example.com".to_owned(), SMALL.to_vec()),
        ("ewa@example.com".to_owned(), Vec::new()),
    ];
    assert_eq!(stored(&gateway), expected);
    assert_eq!(column(&gateway, "envelope_from")[2], "");
}

#[test]
fn a_message_behind_a_refused_data_is_not_read_as_commands() {
    let gateway = Gateway::with_smtp("", &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    client.send(
        "MAIL FROM:<a@acme.example>\r\nRCPT TO:<wrong>\r\nDATA\r\nRCPT TO:<ewa@example.com>\r\n",
    );
    for start in ["250", "553", "554 5.5.1"] {
        client.expect(start);
    }
    assert!(client.ends());
}

#[test]
fn bytes_may_arrive_one_by_one() {
    let gateway = Gateway::with_smtp("", &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.begin("a@acme.example", &["jan@example.com"]);
    let message = b"Subject: S\r\n\r\n.\r\n.a\r\n";
    for byte in with_dots(message) {
        client.send([byte]);
        std::thread::sleep(Duration::from_millis(1));
    }
    client.expect("250");
    assert_eq!(stored(&gateway)[0].1, message);
}

#[test]
fn smuggled_messages_are_refused_and_end_the_connection() {
    let gateway = Gateway::with_smtp("", &[]);
    let hidden =
        "MAIL FROM:<boss@acme.example>\r\nRCPT TO:<ewa@example.com>\r\nDATA\r\nhidden\r\n.\r\n";
    let ends = [
        "\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r\n.\n",
        "\r\n.\r",
        "\r.\r\n",
        "\n\n.\r\n",
        "\r\n\r.\r\n",
    ];
    for end in ends.into_iter().chain(["a\nb", "a\rb", "\0\n"]) {
        let mut client = SmtpClient::connect(gateway.smtp());
        client.begin("a@acme.example", &["jan@example.com"]);
        client.send(format!("Subject: S\r\n\r\ntext{end}{hidden}QUIT\r\n"));
        client.expect("550 5.6.0");
        assert!(client.ends(), "{end:?}");
    }
    // Lines of commands have the same ends.
    let mut client = SmtpClient::connect(gateway.smtp());
    client.send("EHLO client.example\nMAIL FROM:<a@acme.example>\r\n");
    client.expect("500 5.5.2");
    assert!(client.ends());
    assert_eq!(stored(&gateway), []);
}

#[test]
fn a_request_of_a_browser_ends_the_connection() {
    let gateway = Gateway::with_smtp("", &[]);
    let commands =
        "EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nx\r\n.\r\n";
    let mut client = SmtpClient::connect(gateway.smtp());
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n{commands}"
    ));
    client.expect("421 5.7.0");
    assert!(client.ends());
    assert_eq!(stored(&gateway), []);
}

#[test]
fn the_login_is_that_of_the_api() {
    let gateway = Gateway::with_smtp(LOGIN, &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    client.say("MAIL FROM:<a@acme.example>", "530 5.7.0");
    for (user, password) in [
        (APP_KEY, "wrong"),
        ("wrong", SECRET_KEY),
        ("", ""),
        (APP_KEY, ""),
    ] {
        client.say(&plain(user, password), "535 5.7.8");
        client.say("MAIL FROM:<a@acme.example>", "530 5.7.0");
    }
    client.say(&plain(APP_KEY, SECRET_KEY), "235 2.7.0");
    client.begin("a@acme.example", &["jan@example.com"]);
    client.send(with_dots(SMALL)).expect("250");
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    client.say("AUTH LOGIN", "334 VXNlcm5hbWU6");
    client.say(&STANDARD.encode(APP_KEY), "334 UGFzc3dvcmQ6");
    client.say(&STANDARD.encode(SECRET_KEY), "235");
    client.begin("a@acme.example", &["jan@example.com"]);
    let named = b"X-Mailrun-Account: 2.acme.smtp\r\n\r\nHello\r\n";
    client.send(with_dots(named)).expect("250");
    assert_eq!(column(&gateway, "account"), [APP_KEY, "2.acme.smtp"]);
}

#[test]
fn wrong_logins_slow_down_the_next_ones() {
    let gateway = Gateway::with_smtp(LOGIN, &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    for _ in 0..10 {
        client.say(&plain(APP_KEY, "wrong"), "535");
    }
    let started = std::time::Instant::now();
    client.say(&plain(APP_KEY, "wrong"), "535");
    client.say(&plain(APP_KEY, SECRET_KEY), "235");
    assert!(started.elapsed() >= Duration::from_millis(900));
    // The API counts the same guesses.
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    for _ in 0..11 {
        client.say(&plain(APP_KEY, "wrong"), "535");
    }
    let started = std::time::Instant::now();
    assert_eq!(gateway.post(&["a@example.com"]).status, 401);
    let basic = STANDARD.encode(format!("{APP_KEY}:{SECRET_KEY}"));
    let login = format!("Authorization: Basic {basic}");
    assert_ne!(gateway.ask("GET /api/emails", &[&login], "").status, 401);
    assert!(started.elapsed() >= Duration::from_millis(500));
}

#[test]
fn a_name_is_the_account_if_no_login_is_needed() {
    let gateway = Gateway::with_smtp("", &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    client.say(&plain("shop", "anything"), "235");
    client.begin("a@acme.example", &["jan@example.com"]);
    client.send(with_dots(SMALL)).expect("250");
    let gateway_with_account = Gateway::with_smtp("[smtp]\naccount = \"crm\"\n", &[]);
    let mut client = SmtpClient::connect(gateway_with_account.smtp());
    client.begin("a@acme.example", &["jan@example.com"]);
    client.send(with_dots(SMALL)).expect("250");
    assert_eq!(column(&gateway, "account"), ["shop"]);
    assert_eq!(column(&gateway_with_account, "account"), ["crm"]);
}

#[test]
fn starttls_uses_the_configured_certificate() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("chain.pem");
    std::fs::write(&file, authority.chain()).expect("a file");
    let config = format!(
        "{LOGIN}[smtp]\ncertificate = \"{0}\"\nkey = \"{0}\"\n",
        file.display()
    );
    let gateway = Gateway::with_smtp(&config, &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    assert!(
        client
            .say("EHLO client.example", "250")
            .contains("\r\n250-STARTTLS\r\n")
    );
    client.say(&plain(APP_KEY, SECRET_KEY), "235");
    client.start_tls(authority.pem());
    // Everything before TLS is forgotten.
    client.say("MAIL FROM:<a@acme.example>", "503 5.5.1");
    assert!(
        !client
            .say("EHLO client.example", "250")
            .contains("STARTTLS")
    );
    client.say("MAIL FROM:<a@acme.example>", "530 5.7.0");
    client.say(&plain(APP_KEY, SECRET_KEY), "235");
    client.say("STARTTLS", "503 5.5.1");
    client.begin("a@acme.example", &["jan@example.com"]);
    client.send(with_dots(SMALL)).expect("250");
    assert_eq!(stored(&gateway).len(), 1);
    // Commands that were sent before TLS do not count as sent over it.
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    client.send("STARTTLS\r\nMAIL FROM:<a@acme.example>\r\n");
    client.expect("501 5.5.2");
    assert!(client.ends());
}

#[test]
fn invalid_settings_are_reported() {
    let run = |config: &str, arguments: &[&str]| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, config).expect("a file");
        std::fs::write(folder.path().join("empty.pem"), "").expect("a file");
        let run = crate::support::run::Run::new("gateway")
            .arg("--config")
            .arg(file);
        let run = run.arg("--data").arg(folder.path().join("data"));
        run.args(["--listen", "127.0.0.1:0"]).args(arguments).run()
    };
    let local = ["--smtp", "127.0.0.1:0"];
    for (config, arguments, error) in [
        ("", &["--smtp", "0.0.0.0:0"][..], "but there is no login"),
        (
            "[smtp]\nlisten = \"0.0.0.0:0\"\n",
            &[],
            "but there is no login",
        ),
        (
            "[smtp]\nlisten = \"1025\"\n",
            &[],
            "is not an address with a port",
        ),
        (
            "[smtp]\nkey = \"a.pem\"\n",
            &local,
            "a certificate needs its key",
        ),
        (
            "[smtp]\nkey = \"empty.pem\"\ncertificate = \"none.pem\"\n",
            &local,
            "can't read",
        ),
        (
            "[smtp]\nkey = \"empty.pem\"\ncertificate = \"empty.pem\"\n",
            &local,
            "can't",
        ),
        (
            "[smtp]\naccount = \"b\"\n[accounts.a]\nrelay = \"smtp://127.0.0.1\"\n",
            &local,
            "there is no account “b”",
        ),
    ] {
        run(config, arguments).code(1).stderr_has(error);
    }
}

#[test]
fn recipient_names_script_their_outcome() {
    let gateway = Gateway::with_smtp("", &["--chaos", "magic"]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.say("EHLO client.example", "250");
    client.say("MAIL FROM:<a@acme.example>", "250");
    client.say("RCPT TO:<reject@example.com>", "550 5.1.1");
    client.say("RCPT TO:<tempfail@example.com>", "451 4.3.0");
    client.say("RCPT TO:<tempfail@example.com>", "250");
    client.say("RCPT TO:<ratelimit+1@example.com>", "450 4.7.1");
    client.say("RCPT TO:<ratelimit+1@example.com>", "250");
    client.say("RCPT TO:<hardbounce@example.com>", "250");
    client.say("DATA", "354");
    client.send(with_dots(SMALL)).expect("250");
    assert_eq!(column(&gateway, "status"), ["ok", "ok", "hardbounce"]);
    for (to, reply) in [
        ("timeout@example.com", "451 4.4.2"),
        ("reject-request@example.com", "554 5.3.0"),
        ("reject-too-large@example.com", "552 5.3.4"),
    ] {
        client.begin("a@acme.example", &["jan@example.com", to]);
        client.send(with_dots(SMALL)).expect(reply);
    }
    assert_eq!(stored(&gateway).len(), 3);
    client.begin("a@acme.example", &["reset@example.com"]);
    assert!(client.send(with_dots(SMALL)).ends_by_reset());
    assert_eq!(stored(&gateway).len(), 3);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.begin("a@acme.example", &["taken-no-answer@example.com"]);
    assert!(client.send(with_dots(SMALL)).ends());
    assert_eq!(stored(&gateway).len(), 4);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.begin("a@acme.example", &["hang@example.com"]);
    client.send(with_dots(SMALL));
    assert!(client.is_silent_for(Duration::from_millis(500)));
    assert_eq!(stored(&gateway).len(), 4);
}

#[test]
fn random_faults_affect_messages() {
    for (spec, reply) in [
        ("429=100%", "450"),
        ("500=100%", "554"),
        ("503=100%", "451"),
    ] {
        let gateway = Gateway::with_smtp("", &["--chaos", spec]);
        let mut client = SmtpClient::connect(gateway.smtp());
        client.begin("a@acme.example", &["jan@example.com"]);
        client.send(with_dots(SMALL)).expect(reply);
        assert_eq!(stored(&gateway), []);
    }
    let gateway = Gateway::with_smtp("", &["--chaos", "502=100%"]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.begin("a@acme.example", &["jan@example.com"]);
    client.send(with_dots(SMALL)).expect("421");
    assert!(client.ends());
    // Without --chaos, these are ordinary names.
    let gateway = Gateway::with_smtp("", &[]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.begin(
        "a@acme.example",
        &["reject@example.com", "hang@example.com"],
    );
    client.send(with_dots(SMALL)).expect("250");
}

#[test]
fn messages_count_in_the_metrics_and_the_log_names_nobody() {
    let mut gateway = Gateway::with_smtp("", &["--log-format", "json"]);
    let mut client = SmtpClient::connect(gateway.smtp());
    client.begin(
        "sender@acme.example",
        &["jan@example.com", "ola@example.com"],
    );
    client.send(with_dots(SMALL)).expect("250");
    client.say("QUIT", "221");
    assert!(client.ends());
    let metrics = gateway.ask("GET /metrics", &[], "").body;
    for line in [
        "mailrun_gateway_requests_total{endpoint=\"smtp\",code=\"250\"} 1\n",
        "mailrun_gateway_messages_taken_total 2\n",
        "mailrun_gateway_request_bytes_total 25\n",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    let log = gateway.stop().stderr;
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let fields = |message: &str| {
        let mut fields = lines.iter().map(|line| &line["fields"]);
        fields
            .find(|fields| fields["message"] == message)
            .expect("a line")
    };
    let message = fields("SMTP message");
    assert_eq!(message["status"], 250);
    assert_eq!(message["recipients"], 2);
    assert_eq!(message["bytes"], SMALL.len());
    let session = fields("SMTP session ended");
    assert_eq!(
        (&session["messages"], &session["tls"]),
        (&1.into(), &false.into())
    );
    for name in ["sender@", "jan@", "ola@"] {
        assert!(!log.contains(name), "{log}");
    }
}
