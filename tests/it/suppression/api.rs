//! The API's blacklist: `import --from-api` and `export --to-api`.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{entries, suppress};
use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::run::SECRET_KEY;
use crate::support::send::campaign;

/// How many rows the fake has on a page, whatever is asked for.
const PAGE: usize = 2;

/// A fake API with a blacklist, and what it blocks: the account, the address, the reason and the comment.
fn blocking(rows: &[[&str; 3]]) -> (FakeApi, Arc<Mutex<Vec<[String; 4]>>>) {
    let listed: Vec<[String; 3]> = rows.iter().map(|row| row.map(str::to_owned)).collect();
    let blocked = Arc::new(Mutex::new(Vec::new()));
    let added = Arc::clone(&blocked);
    let api = FakeApi::start(move |n, request| {
        // The first answer of each kind can't be used.
        if n == 0 {
            return Reply::error(503, "Not now").into();
        }
        match request.method.as_str() {
            "GET" => list(&listed, request),
            _ => {
                let entry = posted(request);
                if entry[1] == "refused@one.example" {
                    return match request.endpoint() {
                        "blacklist" => Reply::error_v2(422, "no such domain").into(),
                        _ => Reply::error(400, "no such domain").into(),
                    };
                }
                added.lock().expect("no panic").push(entry);
                done(request, &[json!({})])
            }
        }
    });
    (api, blocked)
}

fn list(rows: &[[String; 3]], request: &Request) -> Reply {
    let is_v2 = request.endpoint() == "blacklist";
    let (_, query) = request.target.split_once('?').expect("a query");
    assert!(query.contains(if is_v2 {
        "smtpAccount=1.test.smtp"
    } else {
        "account::1.test.smtp"
    }));
    let offset = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "offset");
    let offset = offset.map_or(0, |(_, value)| value.parse().expect("a number"));
    let time = if is_v2 { "createdAt" } else { "created_at" };
    let page = rows.iter().skip(offset).take(PAGE);
    let page: Vec<Value> = page
        .map(|[email, reason, comment]| {
            json!({"email": email, "reason": reason, "comment": comment, time: "2026-01-02 03:04:05"})
        })
        .collect();
    done(request, &page)
}

fn done(request: &Request, rows: &[Value]) -> Reply {
    let status = if rows.is_empty() { 404 } else { 200 };
    let body = match (request.endpoint(), rows.is_empty()) {
        ("blacklist", _) => json!({"meta": {"status": status}, "data": rows, "errors": []}),
        (_, true) => json!({"code": 404, "status": "error", "message": "No items", "data": []}),
        (_, false) => json!({"code": 200, "status": "success", "message": "", "data": rows}),
    };
    Reply::json(status, body.to_string()).into()
}

fn posted(request: &Request) -> [String; 4] {
    match request.endpoint() {
        "blacklist" => {
            let body = request.json();
            let names = ["smtpAccount", "email", "reason", "comment"];
            names.map(|name| body[name].as_str().expect("text").to_owned())
        }
        "blacklists" => {
            let names = ["account", "email", "reason", "comment"];
            names.map(|name| request.field(name).expect("a field"))
        }
        other => panic!("posted to {other}"),
    }
}

fn in_dialects(play: impl Fn(&dyn Fn(&FakeApi) -> Campaign)) {
    for dialect in ["new_sendmail", "v2"] {
        play(&|api| campaign(api).set("api.dialect", dialect));
    }
}

#[test]
fn the_blacklist_is_imported_page_by_page() {
    in_dialects(|campaign| {
        let rows = [
            ["ann@one.example", "unsubscribe", "by the form"],
            ["bob@one.example", "hardbounce", ""],
            ["not an address", "other", ""],
            ["cleo@one.example", "spam_complaint", ""],
            ["dee@one.example", "abuse", "a word of their own"],
        ];
        let (api, _) = blocking(&rows);
        let campaign = campaign(&api);
        let import = || suppress(&campaign, "import").arg("--from-api").run();
        let ran = import();
        ran.code(0)
            .stderr_has("Created the list @acme")
            .stderr_has("Added 4 entries to @acme")
            .stderr_lacks(SECRET_KEY);
        let expected = [
            "ann@one.example unsubscribe api by the form",
            "bob@one.example hard-bounce api",
            "cleo@one.example complaint api",
            "dee@one.example imported api a word of their own",
        ];
        assert_eq!(entries(&campaign), expected);
        import().code(0).stderr_has("Added 0 entries");
        let exported = suppress(&campaign, "export").run();
        exported.code(0).stdout_has("2026-01-02T03:04:05Z");
    });
}

#[test]
fn what_the_api_lacks_is_added_to_its_blacklist() {
    in_dialects(|campaign| {
        let (api, blocked) = blocking(&[["Ann@one.example", "other", ""]]);
        let campaign = campaign(&api);
        let list = "email,reason,source,at,note\n\
            ann@one.example,complaint,follow,2026-01-02T03:04:05Z,\n\
            bob@one.example,manual,command line,2026-01-02T03:04:05Z,\n\
            bob@one.example,hard-bounce,follow,2026-01-02T03:04:05Z,550 & more\n\
            cleo@one.example,soft-bounces,follow,2026-01-02T03:04:05Z,\n\
            refused@one.example,unsubscribe,one-click,2026-01-02T03:04:05Z,\n";
        let campaign = campaign.file("list.csv", list);
        let file = campaign.path().join("list.csv");
        suppress(&campaign, "import").arg(file).run().code(0);
        suppress(&campaign, "export")
            .arg("--to-api")
            .run()
            .code(3)
            .stdout_has("refused@one.example: refused:")
            .stderr_has("2 added to the blacklist of 1.test.smtp, 1 there already, 1 refused");
        let entry = |email: &str, reason: &str, comment: &str| {
            ["1.test.smtp", email, reason, comment].map(str::to_owned)
        };
        assert_eq!(
            *blocked.lock().expect("no panic"),
            [
                entry("bob@one.example", "hardbounce", "550 & more"),
                entry("cleo@one.example", "other", ""),
            ]
        );
    });
}

#[test]
fn a_refused_login_and_smtp_are_errors() {
    let api = FakeApi::start(|_, _| Reply::wrong_key());
    let campaign = campaign(&api);
    suppress(&campaign, "import")
        .arg("--from-api")
        .run()
        .code(5)
        .stderr_has("refuses the login");
    assert!(!campaign.path().join("lists").exists());
    assert_eq!(api.requests().len(), 1);
    let smtp = campaign.unset("api").set("smtp.url", "smtp://localhost");
    suppress(&smtp, "import")
        .arg("--from-api")
        .run()
        .code(2)
        .stderr_has("SMTP, which has no blacklist");
}
