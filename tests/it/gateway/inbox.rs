//! The JSON API of the inbox: the list, the search, messages, and the outbox of a run.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::campaign::Campaign;
use crate::support::fake_api::FakeApi;
use crate::support::http::Site;
use crate::support::inbox::Gateway;
use crate::support::run::{Run, Running};

#[test]
fn the_list_is_newest_first_in_pages() {
    let gateway = Gateway::start();
    for number in 1..=5 {
        let to = format!("jan{number}@example.com");
        let subject = format!("Hello {number}");
        gateway.sendmail(&[("to[0]", &to), ("subject", &subject), ("text", "One\n two")]);
    }
    let page = gateway.site.get("/inbox/messages?limit=2").code(200).json();
    assert_eq!(page["more"], true);
    let newest = &page["messages"][0];
    assert_eq!(newest["to"]["address"], "jan5@example.com");
    assert_eq!(newest["subject"], "Hello 5");
    assert_eq!(newest["snippet"], "One two");
    assert_eq!(
        (&newest["unread"], &newest["status"]),
        (&json!(true), &json!("ok"))
    );
    let before = page["messages"][1]["id"].as_i64().expect("an ID");
    let rest = gateway
        .site
        .get(&format!("/inbox/messages?limit=3&before={before}"))
        .json();
    assert_eq!(rest["more"], false);
    let subjects = rest["messages"].as_array().expect("messages").iter();
    let subjects: Vec<_> = subjects.map(|message| &message["subject"]).collect();
    assert_eq!(subjects, ["Hello 3", "Hello 2", "Hello 1"]);
    let count = gateway.site.get("/inbox/count").json();
    assert_eq!(
        count,
        json!({ "total": 5, "unread": 5, "matches": 5, "capped": false })
    );
}

#[test]
fn a_search_finds_by_every_key() {
    let gateway = Gateway::start();
    gateway.post(
        "new_sendmail",
        &[
            (
                "to[anna@two.example][message_id]",
                "0123456789abcdef0123.1@acme.example",
            ),
            ("to[anna@two.example][reciver_name]", "Anna Łucka"),
            ("subject", "Autumn sale"),
            ("text", "Everything with cinnamon"),
            ("tags[]", "autumn 2026"),
            ("tags[]", "a \"b\""),
        ],
    );
    gateway.sendmail(&[
        ("to[0]", "jan@one.example"),
        ("subject", "Invoice"),
        ("html", "<p>Cinnamon is <b>due</b></p>"),
        ("tags[]", "autumn"),
        ("smtp_account", "2.acme.smtp"),
        ("files[0][name]", "a.pdf"),
        ("files[0][mime]", "application/pdf"),
        ("files[0][content]", "AAAA"),
    ]);
    gateway.indexed();
    let (sale, invoice) = (vec!["Autumn sale"], vec!["Invoice"]);
    let both = vec!["Invoice", "Autumn sale"];
    let request = gateway
        .site
        .get(&format!("{}/request", gateway.newest()))
        .json();
    let request = format!("request:{}", request["req_id"].as_str().expect("an ID"));
    for (query, subjects) in [
        ("", &both),
        ("cinnamon", &both),
        ("cinna due", &invoice),
        ("\"with cinnamon\"", &sale),
        ("\"cinnamon with\"", &vec![]),
        ("to:lucka", &sale),
        ("to:jan@one.example", &invoice),
        ("from:news@acme.example", &both),
        ("from:jan", &vec![]),
        ("subject:autumn", &sale),
        ("text:autumn", &vec![]),
        ("tag:autumn", &both),
        ("tag:\"autumn\"", &invoice),
        ("tag:\"Autumn 2026\"", &sale),
        ("tag:\"a \"\"b\"\"\"", &sale),
        ("tag:2026", &vec![]),
        ("-tag:\"autumn\"", &sale),
        ("has:attachment", &invoice),
        ("-has:attachment", &sale),
        ("-due", &sale),
        ("autumn -invoice", &sale),
        ("is:unread", &both),
        ("is:read", &vec![]),
        ("status:ok", &both),
        ("-status:ok", &vec![]),
        ("status:dropped", &vec![]),
        ("after:1h", &both),
        ("before:1h", &vec![]),
        ("cinnamon after:1h before:2100-01-01", &both),
        ("-before:1h", &both),
        ("-after:1h", &vec![]),
        ("before:2000-01-01 after:2100-01-01", &vec![]),
        ("account:2.acme.smtp", &invoice),
        ("-account:2.acme.smtp", &sale),
        ("id:<0123456789abcdef0123.1@acme.example>", &sale),
        ("run:0123456789abcdef0123", &sale),
        ("-run:0123456789abcdef0123", &invoice),
        (&request, &invoice),
        ("… \"", &vec![]),
        ("\"", &both),
    ] {
        assert_eq!(&gateway.subjects(query), subjects, "{query}");
    }
    for (query, message) in [
        ("before:soon", "before: expects a day"),
        ("is:big", "must be one of unread, read"),
    ] {
        let reply = gateway
            .site
            .get(&format!("/inbox/messages?q={query}"))
            .code(400)
            .json();
        let error = reply["error"].as_str().expect("a message");
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_search_finds_headers_links_and_any_part_of_japanese() {
    let gateway = Gateway::start();
    gateway.sendmail(&[
        ("to[0]", "jan@example.com"),
        ("subject", "Headers"),
        (
            "html",
            "<p>Hello</p><a href=\"https://shop.example/u/4711?from=mail\">shop</a>",
        ),
        ("headers[X-Campaign-Id]", "74f4096e03"),
    ]);
    gateway.sendmail(&[
        ("to[0]", "jan@example.com"),
        ("subject", "日本語のニュースレター"),
        ("text", "東京から、こんにちは。iPhoneケース"),
    ]);
    gateway.indexed();
    let (headers, japanese) = (vec!["Headers"], vec!["日本語のニュースレター"]);
    for (query, subjects) in [
        ("74f4096e03", &headers),
        ("74f4", &headers),
        ("shop.example/u/4711", &headers),
        ("4711", &headers),
        ("text:4711", &vec![]),
        ("ニュース", &japanese),
        ("subject:ニュース", &japanese),
        ("本語", &japanese),
        ("\"のニュースレター\"", &japanese),
        ("語本", &vec![]),
        ("京から", &japanese),
        ("iphone", &japanese),
        ("ケース", &japanese),
        ("-ニュース", &headers),
        ("-74f4096e03", &japanese),
    ] {
        assert_eq!(&gateway.subjects(query), subjects, "{query}");
    }
}

#[test]
fn messages_are_grouped_by_tag_run_and_request() {
    let gateway = Gateway::start();
    let to = |id| ("to[a@two.example][message_id]", id);
    for (id, tag) in [
        ("0123456789abcdef0123.1@x", "b"),
        ("0123456789abcdef0123.2@x", "a \"x\""),
    ] {
        gateway.post(
            "new_sendmail",
            &[to(id), ("text", "x"), ("tags[]", tag), ("tags[]", "all")],
        );
    }
    let to = [
        ("to[0]", "a@one.example"),
        ("to[1]", "b@one.example"),
        ("subject", "Two"),
        ("text", "x"),
    ];
    gateway.sendmail(&to);
    let groups = |by: &str| {
        gateway
            .site
            .get(&format!("/inbox/groups?by={by}"))
            .code(200)
            .json()
    };
    let fields = |groups: Value| {
        let group = |group: &Value| json!([group["name"], group["count"], group["query"]]);
        groups
            .as_array()
            .expect("groups")
            .iter()
            .map(group)
            .collect::<Value>()
    };
    assert_eq!(
        fields(groups("tag")),
        json!([
            ["all", 2, "tag:\"all\""],
            ["a \"x\"", 1, "tag:\"a \"\"x\"\"\""],
            ["b", 1, "tag:\"b\""]
        ])
    );
    let run = "0123456789abcdef0123";
    assert_eq!(
        fields(groups("run")),
        json!([[run, 2, format!("run:\"{run}\"")]])
    );
    let requests = groups("request");
    assert_eq!(
        (&requests[0]["name"], &requests[0]["count"]),
        (&json!("Two"), &json!(2))
    );
    gateway.indexed();
    for by in ["tag", "run", "request"] {
        for group in groups(by).as_array().expect("groups") {
            let matches = gateway
                .list(group["query"].as_str().expect("a query"))
                .len();
            assert_eq!(json!(matches), group["count"], "{group}");
        }
    }
    gateway.site.get("/inbox/groups?by=size").code(400);
}

/// Posts a message with every kind of content. Returns its path.
fn post_full_message(gateway: &Gateway) -> String {
    gateway.sendmail(&[
        ("to[0]", "jan@example.com"),
        ("subject", "Zażółć"),
        (
            "html",
            "<p>Cześć</p><img src=\"cid:a b.png\"><img src=\"https://far.example/x.png\">",
        ),
        ("text", "Cześć"),
        ("bcc", "bcc@example.com"),
        ("tags[]", "autumn"),
        ("files[0][name]", "a b.png"),
        ("files[0][mime]", "image/png"),
        ("files[0][content]", "iVBORw=="),
        ("files[0][inline]", "1"),
        ("files[1][name]", "../../e\"vil\u{202e}.html"),
        ("files[1][mime]", "text/html"),
        ("files[1][content]", "PHNjcmlwdD4xPC9zY3JpcHQ+"),
    ]);
    gateway.newest()
}

#[test]
fn a_message_has_all_its_parts() {
    let gateway = Gateway::start();
    let path = post_full_message(&gateway);
    let view = gateway.site.get(&path).code(200).json();
    assert_eq!(view["subject"], "Zażółć");
    assert_eq!(view["text"], "Cześć");
    assert_eq!(view["html"], true);
    assert_eq!(view["copies"], json!(["bcc@example.com"]));
    assert_eq!(view["tags"], json!(["autumn"]));
    let kinds: Vec<_> = view["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| &event["kind"])
        .collect();
    assert_eq!(kinds, ["injected", "ok"]);
    let headers = view["headers"].as_array().expect("headers");
    let subject = headers
        .iter()
        .find(|header| header["name"] == "Subject")
        .expect("a subject");
    assert_eq!(subject["decoded"], "Zażółć");
    let files = &view["files"];
    assert_eq!(
        (&files[0]["name"], &files[0]["inline"], &files[0]["size"]),
        (&json!("a b.png"), &json!(true), &json!(4))
    );
    assert_eq!(files[1]["mime"], "text/html");

    let source = gateway.site.get(&format!("{path}/source")).code(200);
    assert_eq!(source.header("content-type"), "text/plain; charset=utf-8");
    assert!(source.text().contains("\r\nSubject: =?utf-8?"));
    let eml = gateway.site.get(&format!("{path}/eml")).code(200);
    assert_eq!(eml.text(), source.text());
    assert!(
        eml.header("content-disposition")
            .starts_with("attachment; ")
    );

    let request = gateway
        .site
        .get(&format!("{path}/request"))
        .code(200)
        .json();
    assert_eq!(request["endpoint"], "sendmail");
    let fields = request["fields"].as_array().expect("fields");
    let names: Vec<_> = fields
        .iter()
        .map(|field| field[0].as_str().expect("a name"))
        .collect();
    assert_eq!(names[..4], ["smtp_account", "from", "to[0]", "subject"]);
    assert_eq!(
        fields[4][1],
        "<p>Cześć</p><img src=\"cid:a b.png\"><img src=\"https://far.example/x.png\">"
    );
    assert!(
        !request.to_string().contains("iVBORw"),
        "attachments are not stored twice"
    );
}

#[test]
fn the_response_itself_sandboxes_the_frame() {
    let gateway = Gateway::start();
    let path = post_full_message(&gateway);
    let frame = gateway.site.get(&format!("{path}/html")).code(200);
    let policy = frame.header("content-security-policy");
    assert!(
        policy.starts_with(
            "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none';"
        ),
        "{policy}"
    );
    assert!(
        policy.contains("img-src data:;") && policy.contains("frame-ancestors 'self'"),
        "{policy}"
    );
    assert_eq!(frame.header("referrer-policy"), "no-referrer");
    assert_eq!(frame.header("x-content-type-options"), "nosniff");
    assert_eq!(frame.header("x-dns-prefetch-control"), "off");
    assert!(
        frame
            .text()
            .contains("<img src=\"data:image/png;base64,iVBORw==\">"),
        "{}",
        frame.text()
    );
    let frame = gateway.site.get(&format!("{path}/html?images=1")).code(200);
    assert!(
        frame
            .header("content-security-policy")
            .contains("img-src data: http: https:;")
    );
    gateway.sendmail(&[("to[0]", "jan@example.com"), ("text", "no HTML")]);
    gateway
        .site
        .get(&format!("{}/html", gateway.newest()))
        .code(404);
}

#[test]
fn browsers_never_show_downloads() {
    let gateway = Gateway::start();
    let path = post_full_message(&gateway);
    let file = gateway.site.get(&format!("{path}/parts/1")).code(200);
    assert_eq!(file.body, b"<script>1</script>");
    assert_eq!(file.header("content-type"), "application/octet-stream");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"evil.html\"; filename*=UTF-8''evil.html"
    );
    gateway.site.get(&format!("{path}/parts/2")).code(404);
    gateway.site.get(&format!("{path}/parts/x")).code(400);
}

#[test]
fn missing_messages_are_404() {
    let gateway = Gateway::start();
    let none = "0".repeat(32);
    for path in ["", "/html", "/source", "/request", "/eml", "/parts/0"] {
        let reply = gateway
            .site
            .get(&format!("/inbox/m/{none}{path}"))
            .code(404);
        assert!(reply.json()["error"].is_string(), "{path}");
    }
    gateway
        .site
        .get("/inbox/m/..%2F..%2Fetc%2Fpasswd/eml")
        .code(404);
    gateway.site.get("/inbox/..%2FCargo.toml").code(404);
    gateway
        .site
        .change("POST", &format!("/inbox/m/{none}/read"))
        .code(404);
    gateway
        .site
        .change("DELETE", &format!("/inbox/m/{none}"))
        .code(404);
}

#[test]
fn invalid_addresses_are_400_with_json() {
    let gateway = Gateway::start();
    let path = post_full_message(&gateway);
    let parts = format!("{path}/parts/99999999999");
    for path in ["/inbox/m/%ff", "/inbox/m/%ff/html", "/inbox/%ff", &parts] {
        let reply = gateway.site.get(path).code(400);
        assert!(reply.json()["error"].is_string(), "{path}");
    }
    gateway
        .site
        .change("DELETE", "/inbox/m/%ff")
        .code(400)
        .json();
}

#[test]
fn messages_are_marked_and_deleted() {
    let gateway = Gateway::start();
    for subject in ["One", "Two", "Three"] {
        gateway.sendmail(&[
            ("to[0]", "jan@example.com"),
            ("subject", subject),
            ("text", "x"),
        ]);
    }
    let path = gateway.newest();
    gateway
        .site
        .change("POST", &format!("{path}/read"))
        .code(204);
    assert_eq!(gateway.subjects("is:read"), ["Three"]);
    gateway
        .site
        .change("POST", &format!("{path}/unread"))
        .code(204);
    assert_eq!(gateway.subjects("is:read"), [""; 0]);
    gateway.site.change("DELETE", &path).code(204);
    assert_eq!(gateway.subjects(""), ["Two", "One"]);
    gateway.site.get(&path).code(404);
    gateway.indexed();
    let deleted = gateway
        .site
        .change("DELETE", "/inbox/messages?q=subject:one")
        .code(200);
    assert_eq!(deleted.json(), json!({ "deleted": 1, "kept": 0 }));
    assert_eq!(gateway.subjects(""), ["Two"]);
    gateway
        .site
        .change("DELETE", "/inbox/messages?q=before:soon")
        .code(400);
    let deleted = gateway.site.change("DELETE", "/inbox/messages").code(200);
    assert_eq!(deleted.json(), json!({ "deleted": 1, "kept": 0 }));
    assert_eq!(gateway.subjects(""), [""; 0]);
}

#[test]
fn text_without_a_letter_is_found_literally() {
    let gateway = Gateway::start();
    for (subject, tag) in [("Hello", "a"), ("Party 🎉 100%", "🎈")] {
        gateway.sendmail(&[
            ("to[0]", "jan@example.com"),
            ("subject", subject),
            ("text", "One, two & three"),
            ("tags[]", tag),
        ]);
    }
    gateway.indexed();
    let (none, hello) = (vec![], vec!["Hello"]);
    let party = vec!["Party 🎉 100%"];
    let both = vec!["Party 🎉 100%", "Hello"];
    for (query, subjects) in [
        ("🎉", &party),
        ("\"🎉\"", &party),
        ("-🎉", &hello),
        ("subject:🎉", &party),
        ("subject:🎉 hello", &none),
        ("-subject:🎉", &hello),
        ("text:🎉", &none),
        ("text:&", &both),
        ("to:@", &both),
        ("from:\"...\"", &none),
        ("🎈", &party),
        ("tag:🎈", &party),
        ("%", &party),
        ("[", &none),
        ("!!!", &none),
        ("🅰 hello", &none),
    ] {
        assert_eq!(&gateway.subjects(query), subjects, "{query}");
    }
    let page = gateway.site.get("/inbox/messages?q=%ff").code(200).json();
    assert_eq!(page["messages"], json!([]));
    // Deleting uses the same matches as the list, and refuses incomplete searches.
    let delete = |query: &str| {
        let path = format!("/inbox/messages?q={query}");
        gateway.site.change("DELETE", &path)
    };
    for incomplete in ["subject:", "hello%20to:", "%22"] {
        let error = delete(incomplete).code(400).json()["error"].to_string();
        assert!(error.contains("incomplete"), "{error}");
    }
    let deleted = delete("subject:%F0%9F%8E%89").code(200).json();
    assert_eq!(deleted, json!({ "deleted": 1, "kept": 0 }));
    assert_eq!(gateway.subjects(""), hello);
}

#[test]
fn changes_are_sent_at_once_and_do_not_delay_shutdown() {
    let gateway = Gateway::start();
    let stream = gateway.site.send("GET /inbox/events", &[], b"");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a limit");
    let mut lines = BufReader::new(stream)
        .lines()
        .map(|line| line.expect("an event"));
    let mut next_id = || {
        // Browsers ignore an event without data.
        let line = lines.find(|line| line.starts_with("data:"));
        line.expect("an event")
            .trim_start_matches("data:")
            .trim()
            .to_owned()
    };
    let first = next_id();
    gateway.sendmail(&[("to[0]", "jan@example.com"), ("text", "x")]);
    let second = next_id();
    assert_ne!(first, second);
    // A page that knows the present state gets no event until something changes.
    let last_id = format!("Last-Event-ID: {first}");
    let stream = gateway.site.send("GET /inbox/events", &[&last_id], b"");
    let mut others = BufReader::new(stream)
        .lines()
        .map(|line| line.expect("an event"));
    assert!(others.any(|line| line.starts_with("id:")));
    gateway.running.signal(Signal::TERM);
    gateway.running.wait().code(0);
}

/// Opens the inbox of a local run.
fn inbox(run: &std::path::Path) -> (Running, Site) {
    let running = Run::new("inbox").arg(run).spawn();
    let site = Site::of(&running.first_line());
    (running, site)
}

fn subjects(site: &Site) -> Vec<String> {
    let page = site.get("/inbox/messages").code(200).json();
    let subject = |message: &Value| message["subject"].as_str().expect("a subject").to_owned();
    page["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(subject)
        .collect()
}

fn wait_for(running: &Running, site: &Site, count: usize) {
    running.wait_until("the messages", |_| subjects(site).len() == count);
}

#[test]
fn a_runs_outbox_opens_in_the_inbox() {
    let campaign = Campaign::new()
        .set("message.tags", vec!["autumn"])
        .set("pace.concurrency", 1)
        .set("message.text", "newsletter.txt");
    let campaign = campaign.template("newsletter.txt", "Dear {{ first_name }}, cinnamon");
    let run = Run::new("send")
        .arg(campaign.path())
        .arg("--local")
        .run()
        .code(0)
        .run_dir();
    let (running, site) = inbox(campaign.path());
    wait_for(&running, &site, 3);
    assert_eq!(subjects(&site), ["Hello Cleo", "Hello Bob", "Hello Ann"]);
    let about = site.get("/inbox/about").json();
    assert_eq!(about["writable"], false);
    assert_eq!(
        about["title"],
        run.file_name().expect("a name").to_str().expect("UTF-8")
    );
    let newest = site.get("/inbox/messages").json()["messages"][0].clone();
    assert_eq!(
        (&newest["tags"], &newest["to"]["address"]),
        (&json!(["autumn"]), &json!("cleo@one.example"))
    );
    assert_eq!(newest["snippet"], "Dear Cleo, cinnamon");
    let path = format!("/inbox/m/{}", newest["uid"].as_str().expect("a UID"));
    assert_eq!(site.get(&path).json()["account"], "1.test.smtp");
    assert!(
        site.get(&format!("{path}/html"))
            .text()
            .contains("Hello Cleo")
    );
    let count_matches = |query: &str| {
        site.get(&format!("/inbox/messages?q={query}")).json()["messages"]
            .as_array()
            .expect("messages")
            .len()
    };
    running.wait_until("the index", |_| count_matches("cinnamon") == 3);
    // It accepts no messages and deletes none.
    site.post("sendmail", &[]).code(404);
    site.change("DELETE", &path).code(403);
    site.change("DELETE", "/inbox/messages").code(403);
    site.change("POST", &format!("{path}/read")).code(204);
    running.signal(Signal::INT);
    running.wait().code(0);

    // Reopened, it remembers what was read, and finds a file that a mail client has moved.
    let new = run.join("outbox/new");
    let file = std::fs::read_dir(&new)
        .expect("an outbox")
        .next()
        .expect("a message")
        .expect("an entry");
    let seen = format!("{}:2,S", file.file_name().to_str().expect("UTF-8"));
    std::fs::rename(file.path(), run.join("outbox/cur").join(seen)).expect("it can be moved");
    let (running, site) = inbox(&run);
    wait_for(&running, &site, 3);
    let all = site.get("/inbox/messages").json();
    for message in all["messages"].as_array().expect("messages") {
        let path = format!("/inbox/m/{}", message["uid"].as_str().expect("a UID"));
        running.wait_until("the file", |_| site.get(&path).status == 200);
    }
    assert_eq!(
        all["messages"]
            .as_array()
            .expect("messages")
            .iter()
            .filter(|it| it["unread"] == false)
            .count(),
        1
    );
}

#[test]
fn a_running_run_is_followed() {
    let campaign = Campaign::new().rows(30);
    let run = Run::new("send")
        .arg(campaign.path())
        .args(["--local", "--limit", "10"])
        .run();
    let run = run.run_dir();
    let (running, site) = inbox(&run);
    wait_for(&running, &site, 10);
    Run::new("resume").arg(&run).run().code(0);
    wait_for(&running, &site, 30);
    // A second process would write to the same index.
    Run::new("inbox")
        .arg(&run)
        .run()
        .code(1)
        .stderr_has("is in use")
        .stdout_is("");
}

#[test]
fn a_run_without_an_outbox_is_an_error() {
    let api = FakeApi::taking_all();
    let campaign = Campaign::new().api(&api.url());
    Run::new("inbox")
        .arg(campaign.path())
        .run()
        .code(1)
        .stderr_has("has no runs")
        .stdout_is("");
    let local = Run::new("send")
        .arg(campaign.path())
        .arg("--local")
        .run()
        .run_dir();
    let real = Run::send(campaign.path()).run().run_dir();
    let ran = Run::new("inbox").arg(&real).run();
    ran.code(1)
        .stderr_has("has no outbox")
        .stderr_has("--local")
        .stdout_is("");
    // For a campaign, the newest run with an outbox is opened.
    let (_running, site) = inbox(campaign.path());
    let title = site.get("/inbox/about").json()["title"].clone();
    assert_eq!(
        title,
        local.file_name().expect("a name").to_str().expect("UTF-8")
    );
    let ran = Run::new("inbox")
        .arg(&local)
        .args(["--listen", "0.0.0.0:0"])
        .run();
    ran.code(2)
        .stderr_has("the page has no login")
        .stdout_is("");
}
