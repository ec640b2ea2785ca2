//! The HTTP API of `mailrun preview --web`: its routes, and its access rules.

use std::fs;
use std::io::Read;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::campaign::Campaign;
use crate::support::preview::Preview;
use crate::support::run::Run;

const RECIPIENTS: &str = "email,first_name,city\n\
    ann@one.example,Ann,Łódź\n\
    bob at two,Bob,\n\
    Cleo <cleo@three.example>,Cleopatra,Kraków\n\
    dan@four.example,,łódź\n\
    eve@five.example,Eve\n";

fn campaign() -> Campaign {
    Campaign::new()
        .recipients(RECIPIENTS)
        .set("message.inline_css", false)
}

#[test]
fn rows_are_listed_as_in_an_inbox() {
    let campaign = campaign().template(
        "newsletter.html",
        "<title>No</title><div style=\"display:none\">First words.</div><p>Hello {{ first_name }}</p>",
    );
    let preview = Preview::start(campaign.path());
    let page = preview.json("/preview/rows?from=1&limit=2&row=3");
    assert_eq!(
        page,
        json!({
            "total": 5, "matches": 5, "from": 1, "place": 2, "scan": false,
            "rows": [
                { "row": 2, "from": "", "subject": "", "preheader": "",
                  "to": { "name": null, "address": "bob at two" },
                  "error": page["rows"][0]["error"] },
                { "row": 3, "from": "Sender", "subject": "Hello Cleopatra",
                  "preheader": "First words. Hello Cleopatra",
                  "to": { "name": "Cleo", "address": "cleo@three.example" }, "error": null },
            ],
        })
    );
    assert!(page["rows"][0]["error"].is_string());
    let page = preview.json("/preview/rows?of=4,1,99");
    let rows: Vec<_> = page["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| &row["row"])
        .collect();
    assert_eq!(rows, [4, 1]);
    let about = preview.json("/preview/about");
    assert_eq!(about["rows"], 5);
    assert_eq!(
        about["columns"][1],
        json!({ "name": "first_name", "used": true })
    );
    assert_eq!(
        about["columns"][2],
        json!({ "name": "city", "used": false })
    );
}

#[test]
fn rows_are_searched_and_filtered() {
    let campaign = campaign();
    let preview = Preview::start(campaign.path());
    for (query, rows) in [
        ("", &[1, 2, 3, 4, 5][..]),
        ("cleo", &[3]),
        ("example -five", &[1, 3, 4]),
        ("city:ŁÓDŹ", &[1, 4]),
        ("city:łó*", &[1, 4]),
        ("city:łó", &[]),
        ("missing:city", &[2, 5]),
        ("missing:first_name", &[4]),
        ("-missing:city example", &[1, 3, 4]),
        ("longest:first_name", &[3, 1, 2, 5, 4]),
        ("shortest:first_name", &[4, 1, 2, 5, 3]),
        ("shortest:first_name example", &[4, 1, 5, 3]),
    ] {
        assert_eq!(
            preview.found(query),
            (rows.len() as u64, rows.to_vec()),
            "{query}"
        );
    }
    for (query, word) in [
        ("missing:town", "email, first_name, city"),
        ("citi:x", "“city”"),
        ("has:fun", "has:errors"),
    ] {
        let reply = preview
            .site
            .get(&format!("/preview/rows?q={query}"))
            .code(400);
        let error = reply.json()["error"].to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_scan_finds_messages_with_findings_from_a_place_on() {
    let campaign = campaign();
    let preview = Preview::start(campaign.path());
    let scan = |fields: &str| preview.json(&format!("/preview/scan?q=has:errors{fields}"));
    assert_eq!(
        scan(""),
        json!({ "found": [{ "place": 1, "row": 2 }], "next": 2, "matches": 5, "done": false })
    );
    assert_eq!(
        scan("&from=2&limit=9"),
        json!({ "found": [{ "place": 4, "row": 5 }], "next": 5, "matches": 5, "done": true })
    );
    // The other terms of the search apply too.
    assert_eq!(
        scan("+missing:city&limit=9")["found"],
        json!([{ "place": 0, "row": 2 }, { "place": 1, "row": 5 }])
    );
}

#[test]
fn a_message_has_its_parts_and_cells() {
    let campaign = campaign()
        .set("message.subject", "Zażółć {{ first_name }}")
        .set("message.tags", vec!["autumn"])
        .set("message.headers.X-City", "{{ city }}");
    let preview = Preview::start(campaign.path());
    let view = preview.json("/preview/m/3");
    assert_eq!(view["message"]["subject"], "Zażółć Cleopatra");
    assert_eq!(
        view["message"]["to"],
        json!({ "name": "Cleo", "address": "cleo@three.example" })
    );
    assert_eq!(view["message"]["tags"], json!(["autumn"]));
    assert_eq!(view["message"]["text"], "Hello Cleopatra\n");
    assert_eq!(view["line"], 4);
    assert_eq!(
        view["cells"][1],
        json!({ "column": "first_name", "value": "Cleopatra", "original": "Cleopatra", "used": true })
    );
    let source = preview.site.get("/preview/m/3/source").code(200);
    assert!(source.text().contains("<p>Hello Cleopatra</p>"));
    assert_eq!(source.header("content-type"), "text/plain; charset=utf-8");
    let headers = preview.json("/preview/m/3/headers");
    let headers = headers.as_array().expect("headers");
    let of = |name: &str| {
        headers
            .iter()
            .find(|header| header["name"] == name)
            .expect("a header")
    };
    assert_eq!(of("Subject")["decoded"], "Zażółć Cleopatra");
    assert_eq!(of("X-City")["decoded"], "Kraków");
    let eml = preview.site.get("/preview/m/3/eml").code(200);
    assert!(eml.header("content-disposition").contains("00003.eml"));
    preview.site.get("/preview/m/6").code(404);
    preview.site.get("/preview/m/x").code(400);
}

#[test]
fn an_invalid_row_has_the_reason() {
    let campaign = campaign();
    let preview = Preview::start(campaign.path());
    let view = preview.json("/preview/m/2");
    assert_eq!(view["message"], Value::Null);
    assert_eq!(view["findings"].as_array().expect("findings").len(), 1);
    assert_eq!(view["findings"][0]["code"], "bad-address");
    assert_eq!(view["findings"][0]["place"], "recipients.csv:3, row 2");
    assert_eq!(view["error"]["code"], "bad-address");
    preview.site.get("/preview/m/2/html").code(422);
    assert_eq!(
        preview.json("/preview/m/5")["findings"][0]["code"],
        "field-count"
    );
}

#[test]
fn the_frame_is_sandboxed_and_has_the_selected_colours() {
    let campaign = campaign()
        .file("logo.png", b"\x89PNG")
        .toml(&format!(
            "{}\n[[message.attachments]]\npath = \"logo.png\"\ninline = true\n",
            fs::read_to_string(campaign().path().join("campaign.toml")).expect("a campaign")
        ))
        .template(
            "newsletter.html",
            "<style>@media (prefers-color-scheme: dark) { p { color: red } }</style>\
             <p onclick=x>{{ first_name }}</p><script>1</script><img src=\"cid:logo.png\"><img src=http://x.example/i>",
        );
    let preview = Preview::start(campaign.path());
    let page = preview.html("/preview/m/1/html").code(200);
    let text = page.text();
    assert!(
        text.contains("<p>Ann</p>") && !text.contains("script"),
        "{text}"
    );
    assert!(
        text.contains("src=\"data:image/png;base64,iVBORw==\""),
        "{text}"
    );
    assert!(text.contains("@media (max-width:0px)"), "{text}");
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("sandbox ") && policy.contains("img-src data:;"),
        "{policy}"
    );
    assert!(!policy.contains("allow-scripts") && !policy.contains("allow-same-origin"));
    let page = preview
        .html("/preview/m/1/html?images=1&look=dark")
        .code(200);
    assert!(
        page.header("content-security-policy")
            .contains("img-src data: http: https:")
    );
    assert!(page.text().contains("@media (min-width:0px)"));
    let page = preview.html("/preview/m/1/html?look=inverted").code(200);
    assert!(page.text().contains("invert(1)"));
}

#[test]
fn changed_cells_affect_no_file() {
    let campaign = campaign();
    let files = || {
        ["campaign.toml", "recipients.csv"]
            .map(|name| fs::read(campaign.path().join(name)).expect("a file"))
    };
    let before = files();
    let preview = Preview::start(campaign.path());
    let view = preview.json("/preview/m/1?set.first_name=Zo%C3%AB&set.email=zoe@six.example");
    assert_eq!(view["message"]["subject"], "Hello Zoë");
    assert_eq!(view["message"]["to"]["address"], "zoe@six.example");
    assert_eq!(view["cells"][1]["value"], "Zoë");
    assert_eq!(view["cells"][1]["original"], "Ann");
    let page = preview
        .html("/preview/m/1/html?set.first_name=%3Cb%3E")
        .code(200);
    assert!(page.text().contains("Hello &lt;b&gt;"));
    // A changed cell can make an invalid row valid, and a valid one invalid.
    let view = preview.json("/preview/m/2?set.email=bob@two.example");
    assert_eq!(view["message"]["subject"], "Hello Bob");
    let view = preview.json("/preview/m/1?set.email=nobody");
    assert_eq!(view["error"]["code"], "bad-address");
    assert_eq!(
        preview.json("/preview/m/1")["message"]["subject"],
        "Hello Ann"
    );
    assert_eq!(files(), before);
    assert!(campaign.runs().is_empty());
}

#[test]
fn saves_are_shown_and_errors_reported_until_they_are_fixed() {
    let campaign = campaign();
    let preview = Preview::start(campaign.path());
    let write = |name: &str, text: &str| fs::write(campaign.path().join(name), text).expect("room");
    let html = "templates/newsletter.html";
    let good = fs::read_to_string(campaign.path().join(html)).expect("a template");
    preview.saved(|| write(html, "<p>Good day, {{ first_name }}</p>"));
    assert!(
        preview
            .html("/preview/m/1/html")
            .text()
            .contains("Good day, Ann")
    );
    // An error is reported, and the last version without errors is shown.
    preview.saved(|| write(html, "<p>{{ first_name </p>"));
    let about = preview.json("/preview/about");
    assert_eq!(about["broken"][0]["severity"], "error");
    assert!(
        about["broken"][0]["place"]
            .as_str()
            .expect("a place")
            .contains("newsletter.html:1")
    );
    assert!(
        preview
            .html("/preview/m/1/html")
            .text()
            .contains("Good day, Ann")
    );
    preview.saved(|| write(html, &good));
    assert_eq!(preview.json("/preview/about")["broken"], json!([]));
    assert!(
        preview
            .html("/preview/m/1/html")
            .text()
            .contains("Hello Ann")
    );
    // Recipients.
    preview.saved(|| write("recipients.csv", "email,first_name\nzoe@six.example,Zoe\n"));
    assert_eq!(preview.found(""), (1, vec![1]));
    assert_eq!(
        preview.json("/preview/m/1")["message"]["subject"],
        "Hello Zoe"
    );
    preview.saved(|| {
        write(
            "recipients.csv",
            "email,first_name\n\"zoe@six.example,Zoe\n",
        )
    });
    assert_eq!(
        preview.json("/preview/about")["broken"][0]["code"],
        "recipients"
    );
    // campaign.toml.
    preview.saved(|| write("recipients.csv", RECIPIENTS));
    let toml = fs::read_to_string(campaign.path().join("campaign.toml")).expect("a campaign");
    preview.saved(|| {
        write(
            "campaign.toml",
            &toml.replace("Hello {{ first_name }}", "Bye {{ first_name }}"),
        )
    });
    assert_eq!(
        preview.json("/preview/m/1")["message"]["subject"],
        "Bye Ann"
    );
}

#[test]
fn a_campaign_with_errors_at_the_start_is_shown_once_they_are_fixed() {
    let campaign = campaign().template("newsletter.html", "{{ nobody }}");
    let preview = Preview::start(campaign.path());
    assert_eq!(
        preview.json("/preview/about")["broken"][0]["code"],
        "undefined-variable"
    );
    preview.site.get("/preview/rows").code(409);
    preview.saved(|| {
        fs::write(campaign.path().join("templates/newsletter.html"), "<p>x").expect("room");
    });
    assert_eq!(preview.found("").0, 5);
}

#[test]
fn a_diff_compares_with_another_row_or_the_last_save() {
    let campaign = campaign();
    let preview = Preview::start(campaign.path());
    let texts = |diff: &Value, tag: &str| -> Vec<String> {
        let groups = diff["groups"].as_array().expect("groups").iter();
        let lines = groups.flat_map(|group| group.as_array().expect("lines"));
        let lines = lines.filter(|line| line["tag"] == tag);
        let text = |line: &Value| {
            let parts = line["parts"].as_array().expect("parts").iter();
            parts.map(|part| part[1].as_str().expect("text")).collect()
        };
        lines.map(text).collect()
    };
    let diff = preview.json("/preview/m/3/diff?other=1&of=text");
    assert_eq!(
        (texts(&diff, "-"), texts(&diff, "+")),
        (
            vec!["Hello Ann".to_owned()],
            vec!["Hello Cleopatra".to_owned()]
        )
    );
    assert_eq!(preview.json("/preview/m/1/diff?other=1")["same"], true);
    preview.site.get("/preview/m/1/diff").code(404);
    preview.saved(|| {
        let html = "<!doctype html>\n<html lang=\"en\"><head><title>Hello</title></head><body><p>Bye {{ first_name }}</p></body></html>\n";
        fs::write(campaign.path().join("templates/newsletter.html"), html).expect("room");
    });
    let diff = preview.json("/preview/m/1/diff?of=text");
    assert_eq!(
        (texts(&diff, "-"), texts(&diff, "+")),
        (vec!["Hello Ann".to_owned()], vec!["Bye Ann".to_owned()])
    );
    let diff = preview.json("/preview/m/1/diff?of=html&set.first_name=Bea");
    assert!(texts(&diff, "+").concat().contains("Bye Bea"));
}

#[test]
fn a_diff_ignores_saves_that_change_no_message() {
    let campaign = campaign();
    let preview = Preview::start(campaign.path());
    let write = |name: &str, text: &str| fs::write(campaign.path().join(name), text).expect("room");
    preview.saved(|| write("templates/newsletter.html", "<p>Good day, {{ first_name }}"));
    let shown = || preview.json("/preview/m/1/diff?of=text").to_string();
    assert!(shown().contains("Good day"), "{}", shown());
    preview.saved(|| write("notes.txt", "to do"));
    preview.saved(|| write("recipients.csv", RECIPIENTS));
    assert!(shown().contains("Good day"), "{}", shown());
    preview.saved(|| write("templates/newsletter.html", "<p>Bye, {{ first_name }}"));
    assert!(shown().contains("Bye"), "{}", shown());
    // Included templates count.
    preview.saved(|| write("templates/newsletter.html", "<p>{% include \"end.txt\" %}"));
    assert_eq!(
        preview.json("/preview/about")["broken"][0]["severity"],
        "error"
    );
    preview.saved(|| write("templates/end.txt", "The end"));
    preview.saved(|| write("templates/end.txt", "The very end"));
    assert!(shown().contains("very "), "{}", shown());
}

#[test]
fn a_save_sends_an_event() {
    let campaign = campaign();
    let preview = Preview::start(campaign.path());
    let mut stream = preview.site.send("GET /preview/events", &[], b"");
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(30)))
        .expect("a limit");
    let mut read = String::new();
    let begun = std::time::Instant::now();
    let mut until = |count: usize| {
        let mut bytes = [0; 1000];
        while read.matches("event: saved").count() < count {
            let length = stream.read(&mut bytes).expect("an event");
            // Skip comments that keep the connection alive.
            let waits = length > 0 && begun.elapsed().as_secs() < 30;
            assert!(waits, "there is no event: {read}");
            read.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    };
    until(1);
    fs::write(campaign.path().join("templates/other.html"), "x").expect("room");
    until(2);
    assert!(
        preview
            .running
            .signal(Signal::TERM)
            .stderr()
            .contains("Ctrl-C")
    );
}

#[test]
fn others_are_refused() {
    let campaign = campaign();
    let preview = Preview::start(campaign.path());
    let site = &preview.site;
    for path in [
        "/",
        "/preview/rows",
        "/preview/m/1",
        "/preview/m/1/html",
        "/preview/preview.js",
        "/nowhere",
    ] {
        let ask = |headers: &[&str]| site.ask(&format!("GET {path}"), headers, b"");
        // A second Host is as bad as another one.
        ask(&["Host: evil.example"]).code(403);
        ask(&["Origin: http://evil.example"]).code(403);
        ask(&[
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Dest: image",
        ])
        .code(403);
        let reply = ask(&[]);
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("cross-origin-resource-policy"), "same-origin");
        assert!(
            !reply
                .headers
                .iter()
                .any(|(name, _)| name.starts_with("access-control"))
        );
        assert!(
            reply
                .header("content-security-policy")
                .contains("default-src 'none'"),
            "{path}"
        );
    }
    let evil = crate::support::http::Reply::parse;
    let mut stream = std::net::TcpStream::connect(&site.0).expect("a connection");
    std::io::Write::write_all(
        &mut stream,
        b"GET /preview/rows HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    )
    .expect("a request");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    assert_eq!(evil(&bytes).status, 403);
    // Nothing changes anything, and nothing is posted.
    site.ask("POST /preview/rows", &[], b"").code(403);
    site.change("POST", "/preview/rows").code(405);
    site.get("/nowhere").code(404);
}

#[test]
fn it_listens_on_this_machine_alone() {
    let campaign = campaign();
    let ran = Run::new("preview")
        .arg(campaign.path())
        .args(["--web", "0.0.0.0:0"])
        .run();
    ran.code(2).stderr_has("other machines can reach");
    let ran = Run::new("preview").args(["nowhere", "--web"]).run();
    ran.code(1).stderr_has("does not exist");
    let running = Run::new("preview")
        .arg(campaign.path())
        .args(["--web", "127.0.0.1:0", "--row", "3"])
        .spawn();
    assert!(running.first_line().ends_with("/?row=3"));
    running.signal(Signal::INT);
    running.wait().code(0);
}

#[test]
fn recipients_from_standard_input_survive_a_reload() {
    let campaign = campaign().unset("recipients.file");
    let running = Run::new("preview")
        .arg(campaign.path())
        .arg("--web")
        .stdin(RECIPIENTS)
        .spawn();
    let preview = Preview {
        site: crate::support::http::Site::of(&running.first_line()),
        running,
    };
    assert_eq!(preview.found("cleo"), (1, vec![3]));
    preview.saved(|| {
        fs::write(
            campaign.path().join("templates/newsletter.html"),
            "<p>Bye {{ city }}",
        )
        .expect("room");
    });
    assert!(
        preview
            .html("/preview/m/3/html")
            .text()
            .contains("Bye Kraków")
    );
}
