//! `send`: the requests it makes, the results it writes, and what it refuses.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::support::campaign::Campaign;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::results::Results;
use crate::support::run::{APP_KEY, Ran, Run, SECRET_KEY};
use crate::support::send::{addresses, campaign, newsletter, send, send_first};

/// The columns before those of the input.
const COLUMNS: &str = "row,email,status,message_id,code,error,attempts,possible_duplicate,finished_at,delivery,variant";

fn check_accepted(dialect: &str) {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api).rows(25).set("api.dialect", dialect);
    let ran = send(&campaign).run();
    let run = ran.code(0).run_dir();
    assert_eq!(run, campaign.only_run());
    ran.stdout_is(&format!("{}\n", run.display()));
    let ids: BTreeMap<_, _> = (api.taken().into_iter())
        .map(|taken| (taken.address, taken.message_id))
        .collect();
    let results = Results::of(&run);
    assert_eq!(results.counts(), [("accepted", 25)].into());
    assert_eq!(api.taken().len(), 25);
    for (n, row) in results.rows.iter().enumerate() {
        assert_eq!(row["row"], (n + 1).to_string(), "the order of the input");
        assert!(row["email"].starts_with(&format!("r{}@", n + 1)));
        assert_eq!(row["message_id"], ids[&row["email"]]);
        assert_eq!(
            (&*row["attempts"], &*row["code"], &*row["error"]),
            ("1", "200", "")
        );
        assert_eq!(row["possible_duplicate"], "false");
        let finished = &row["finished_at"];
        assert!(finished.parse::<jiff::Timestamp>().is_ok() && finished.ends_with('Z'));
        assert_eq!(row["first_name"], format!("Name {}", n + 1));
    }
    for request in api.requests() {
        assert_eq!((&*request.method, request.endpoint()), ("POST", dialect));
        assert_eq!(request.login(), Some((APP_KEY.into(), SECRET_KEY.into())));
    }
}

#[test]
fn every_row_is_accepted_with_the_id_from_the_api() {
    check_accepted("sendmail");
}

#[test]
fn every_row_is_accepted_with_the_id_that_mailrun_sent() {
    check_accepted("new_sendmail");
}

fn one_row(api: &FakeApi) -> Campaign {
    campaign(api)
        .recipients("email,first_name\njose+x@one.example,J & S\n")
        .template("newsletter.html", "<p>Hi {{ first_name }}</p>")
        .template("newsletter.txt", "Hi {{ first_name }} [1]=~.-_%\n")
        .set("message.text", "newsletter.txt")
        .set("message.from_name", "S\u{105}d")
        .set("message.reply_to", "back@sender.example")
        .set("message.tags", vec!["autumn", "t {{ first_name }}"])
        .set("message.headers.X-Row", "1; a=b")
}

/// The body after `to`, which is the same in both dialects.
const REST: &str = "&subject=Hello%20J%20%26%20S&smtp_account=1.test.smtp\
    &reply_to=back%40sender.example&html=%3Cp%3EHi%20J%20%26amp%3B%20S%3C%2Fp%3E\
    &text=Hi%20J%20%26%20S%20%5B1%5D%3D~.-_%25%0A&tags%5B0%5D=autumn&tags%5B1%5D=t%20J%20%26%20S\
    &headers%5BX-Row%5D=1%3B%20a%3Db";

fn body(api: &FakeApi, n: usize) -> String {
    String::from_utf8(api.requests()[n].body.clone()).expect("a form is ASCII")
}

#[test]
fn the_exact_body_of_sendmail() {
    let api = FakeApi::taking_all();
    send(&one_row(&api)).run().code(0);
    let start = "from=news%40sender.example&from_name=S%C4%85d&to%5B0%5D=jose%2Bx%40one.example";
    assert_eq!(body(&api, 0), format!("{start}{REST}"));
    let head = "application/x-www-form-urlencoded";
    assert_eq!(api.requests()[0].header("content-type"), Some(head));
}

#[test]
fn the_exact_body_of_new_sendmail() {
    let api = FakeApi::taking_all();
    send(&one_row(&api).set("api.dialect", "new_sendmail"))
        .run()
        .code(0);
    let id = api.taken()[0].message_id.clone();
    let (random, rest) = id.split_at(20);
    assert!(
        random.bytes().all(|b| b.is_ascii_hexdigit()),
        "80 bits in {id}"
    );
    assert_eq!(rest, ".1@sender.example");
    let start = "from=news%40sender.example&from_name=S%C4%85d\
                 &to%5Bjose%2Bx%40one.example%5D%5Bmessage_id%5D=";
    let id = id.replace('@', "%40");
    assert_eq!(body(&api, 0), format!("{start}{id}{REST}"));
}

#[test]
fn attachments_are_the_last_fields() {
    let api = FakeApi::taking_all();
    let logo: toml::Table = "path = 'logo.png'\ninline = true\ntype = 'image/x-logo; a=b'"
        .parse()
        .expect("TOML");
    let own: toml::Table = "path = '{{ first_name }}.pdf'".parse().expect("TOML");
    let campaign = campaign(&api)
        .set("message.attachments", vec![logo, own])
        .template("newsletter.html", "<img src='cid:logo.png'>")
        .file("logo.png", b"\x89PNG\xff")
        .file("Ann.pdf", "of Ann")
        .file("Bob.pdf", "of Bob")
        .file("Cleo.pdf", "of Cleo");
    send(&campaign).run().code(0);
    for request in api.requests() {
        let field = |name: &str| request.field(name).unwrap_or_default();
        let name = field("subject").replace("Hello ", "");
        let file = |n: usize, part: &str| field(&format!("files[{n}][{part}]"));
        assert_eq!(
            (file(0, "name"), file(0, "mime")),
            ("logo.png".into(), "image/x-logo; a=b".into())
        );
        assert_eq!(
            (file(0, "content"), file(0, "inline")),
            (BASE64_STANDARD.encode(b"\x89PNG\xff"), "1".into())
        );
        assert_eq!(
            (file(1, "name"), file(1, "mime")),
            (format!("{name}.pdf"), "application/pdf".into())
        );
        assert_eq!(
            file(1, "content"),
            BASE64_STANDARD.encode(format!("of {name}"))
        );
        assert_eq!(request.field("files[1][inline]"), None);
    }
    assert_eq!(api.requests().len(), 3);
}

#[test]
fn the_results_escape_formulas_and_have_the_input_columns() {
    let api = FakeApi::taking_all();
    let rows = "status,email,first_name,row,@x\nold,ann@one.example,=1+1,9,\"-2, \"\"q\"\"\"\n";
    let campaign = campaign(&api).recipients(rows);
    let run = send(&campaign).run().code(0).run_dir();
    let text = std::fs::read_to_string(run.join("results.csv")).expect("results");
    let header = format!("{COLUMNS},input.status,input.email,first_name,input.row,'@x\r\n");
    assert!(text.starts_with(&header), "{text}");
    assert!(
        text.ends_with("Z,,,old,ann@one.example,'=1+1,9,\"'-2, \"\"q\"\"\"\r\n"),
        "{text}"
    );
    assert_eq!(
        api.requests()[0].field("subject").as_deref(),
        Some("Hello =1+1")
    );

    let raw = Run::new("results")
        .arg(&run)
        .args(["--raw", "--out", "-"])
        .run();
    raw.code(0).stdout_has(",=1+1,9,\"-2, \"\"q\"\"\"\r\n");
    let again = campaign.recipients(&raw.stdout);
    send(&again).arg("--again").run().code(0);
    assert_eq!(
        api.requests()[1].field("subject").as_deref(),
        Some("Hello =1+1")
    );
}

/// `send` exits with 1, posts nothing and leaves no run.
#[track_caller]
fn refused(api: &FakeApi, campaign: &Campaign, command: Run) -> Ran {
    let before = api.requests().len();
    let ran = command.run();
    ran.code(1).stdout_is("");
    assert_eq!(api.requests().len(), before, "something was posted");
    assert_eq!(campaign.runs(), Vec::<PathBuf>::new(), "a run is left");
    ran
}

#[test]
fn without_keys_nothing_starts() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let bare = || Run::new("send").arg(campaign.path()).arg("--yes");
    refused(&api, &campaign, bare())
        .stderr_has("EMAILLABS_APP_KEY")
        .stderr_has("EMAILLABS_SECRET_KEY")
        .stderr_has("--local");
    assert!(!campaign.path().join("runs").exists());
    refused(&api, &campaign, bare().env("EMAILLABS_APP_KEY", "x"))
        .stderr_has("EMAILLABS_SECRET_KEY is not set")
        .stderr_lacks("EMAILLABS_APP_KEY");
}

#[test]
fn keys_come_from_the_configured_places() {
    let api = FakeApi::taking_all();
    let command = vec!["printf", "%s\\n", "from a command"];
    let campaign = campaign(&api)
        .set("api.app_key_env", "OTHER")
        .set("api.secret_key_command", command);
    let run = Run::new("send").arg(campaign.path()).arg("--yes");
    run.env("OTHER", "other").run().code(0);
    let login = Some(("other".to_owned(), "from a command".to_owned()));
    assert_eq!(api.requests()[0].login(), login);
}

#[test]
fn without_a_terminal_it_needs_yes() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let command = Run::new("send").arg(campaign.path()).keys().stdin("y\n");
    refused(&api, &campaign, command).stderr_has("--yes");
}

#[test]
fn a_campaign_is_not_sent_twice_by_accident() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    send(&campaign).run().code(0);
    send(&campaign)
        .run()
        .code(1)
        .stdout_is("")
        .stderr_has("--except-sent")
        .stderr_has("--again");
    assert_eq!((api.taken().len(), campaign.runs().len()), (3, 1));

    let campaign =
        campaign.recipients("email,first_name\nANN@One.Example,Ann\nnew@one.example,New\n");
    let run = send(&campaign).arg("--except-sent").run().code(0).run_dir();
    let results = Results::of(&run);
    assert_eq!(results.row("ANN@One.Example")["status"], "skipped");
    assert_eq!(results.row("new@one.example")["status"], "accepted");
    assert_eq!(api.taken().len(), 4);

    send(&campaign).arg("--again").run().code(0);
    assert_eq!(api.taken().len(), 6);
}

#[test]
fn a_new_name_is_a_new_campaign() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    send(&campaign).run().code(0);
    send(&campaign.set("name", "other")).run().code(0);
    assert_eq!(api.taken().len(), 6);
}

#[test]
fn a_limit_leaves_the_others_pending() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api).rows(10);
    let run = send_first(&campaign, 4);
    let counts = |expected: &[(&str, usize)]| {
        assert_eq!(
            Results::of(&run).counts(),
            expected.iter().copied().collect()
        );
    };
    counts(&[("accepted", 4), ("pending", 6)]);
    assert_eq!(api.taken().len(), 4);
    Run::on("resume", &run).args(["--limit", "1"]).run().code(5);
    counts(&[("accepted", 5), ("pending", 5)]);
    Run::on("resume", &run).run().code(0);
    counts(&[("accepted", 10)]);
    assert_eq!(api.taken_addresses(), addresses(&Results::of(&run)));
}

#[test]
fn a_test_goes_to_one_address_only() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api)
        .set("message.cc", "copy@sender.example")
        .set("message.bcc", "blind@sender.example")
        .set("pace.batch", 3);
    let test = || send(&campaign).args(["--test-to", "me@sender.example"]);
    test().run().code(0);
    assert_eq!(api.requests().len(), 1);
    test().args(["--limit", "3"]).run().code(0);
    let requests = api.requests();
    assert_eq!(requests.len(), 4);
    for request in &requests {
        assert_eq!(request.addresses(), ["me@sender.example"]);
        assert_eq!((request.field("cc"), request.field("bcc")), (None, None));
        let subject = request.field("subject").expect("a subject");
        assert!(
            subject.starts_with("[TEST]") && subject.contains("Hello"),
            "{subject}"
        );
        let body = String::from_utf8_lossy(&request.body);
        assert!(
            !body.contains("copy%40") && !body.contains("one.example"),
            "{body}"
        );
    }
    let mut subjects: Vec<_> = requests[1..]
        .iter()
        .filter_map(|r| r.field("subject"))
        .collect();
    subjects.sort();
    assert_eq!(subjects.len(), 3);
    assert!(
        subjects[0].ends_with("Ann") && subjects[2].ends_with("Cleo"),
        "{subjects:?}"
    );
    send(&campaign).run().code(0);
}

/// Three rows; the second can't be rendered.
fn with_a_bad_row(api: &FakeApi) -> Campaign {
    campaign(api)
        .recipients(
            "email,first_name,n\na@one.example,Ann,1\nb@one.example,Bob,x\nc@one.example,Cleo,3\n",
        )
        .set("message.subject", "{{ n | int }}")
}

#[test]
fn a_row_that_cannot_be_rendered_stops_send() {
    let api = FakeApi::taking_all();
    let campaign = with_a_bad_row(&api);
    refused(&api, &campaign, send(&campaign)).stderr_has("row 2");
}

#[test]
fn rows_that_cannot_be_rendered_can_be_skipped() {
    for option in ["--skip-invalid", "--no-preflight"] {
        let api = FakeApi::taking_all();
        let campaign = with_a_bad_row(&api);
        let run = send(&campaign).arg(option).run().code(3).run_dir();
        let results = Results::of(&run);
        assert_eq!(results.counts(), [("accepted", 2), ("invalid", 1)].into());
        let row = results.row("b@one.example");
        assert_eq!(
            (&*row["status"], &*row["attempts"], &*row["message_id"]),
            ("invalid", "0", "")
        );
        assert!(
            !row["error"].is_empty() && !row["code"].is_empty(),
            "{row:?}"
        );
        assert_eq!(api.taken_addresses(), ["a@one.example", "c@one.example"]);
    }
}

#[test]
fn bad_addresses_and_duplicates_stop_nothing() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api)
        .recipients("email,first_name\nann@one.example,Ann\nnobody,Bob\nANN@one.example,Twin\nout@one.example,Out\n\ncleo@one.example\n")
        .file("out.csv", "OUT@one.example\n")
        .set("recipients.suppress", vec!["out.csv"]);
    let run = send(&campaign).run().code(3).run_dir();
    let results = Results::of(&run);
    let statuses: Vec<_> = results.rows.iter().map(|row| &*row["status"]).collect();
    assert_eq!(
        statuses,
        ["accepted", "invalid", "skipped", "skipped", "invalid"]
    );
    assert!(
        results.rows[2]["error"].contains("row 1"),
        "{:?}",
        results.rows[2]
    );
    assert!(
        results.rows[3]["error"].contains("out.csv"),
        "{:?}",
        results.rows[3]
    );
    assert_eq!(api.taken_addresses(), ["ann@one.example"]);
}

/// All files in a folder and its subfolders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn the_keys_are_not_written_anywhere() {
    let login = BASE64_STANDARD.encode(format!("{APP_KEY}:{SECRET_KEY}"));
    let secrets = [SECRET_KEY, APP_KEY, &login];
    for wrong in [false, true] {
        let api = FakeApi::start(move |_, _| {
            if wrong {
                Reply::wrong_key()
            } else {
                Reply::Take
            }
        });
        let campaign = campaign(&api);
        let ran = send(&campaign).args(["-vv", "--log-format", "json"]).run();
        ran.code(if wrong { 5 } else { 0 });
        for secret in secrets {
            ran.stdout_lacks(secret).stderr_lacks(secret);
        }
        let files = files(campaign.path());
        assert!(files.iter().any(|file| file.ends_with("ledger.db")));
        for file in files {
            let bytes = std::fs::read(&file).expect("a file");
            for secret in secrets {
                let leaked = bytes
                    .windows(secret.len())
                    .any(|part| part == secret.as_bytes());
                assert!(!leaked, "{secret} is in {}", file.display());
            }
        }
    }
}

#[test]
fn the_run_folder_can_be_anywhere() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let run = campaign.path().join("elsewhere/mine");
    let ran = send(&campaign).arg("--run-dir").arg(&run).run();
    assert_eq!(ran.code(0).run_dir(), run);
    assert_eq!(Results::of(&run).count("accepted"), 3);
    assert!(campaign.runs().is_empty());
    send(&campaign)
        .arg("--run-dir")
        .arg(&run)
        .run()
        .code(1)
        .stderr_has("not empty");
    assert_eq!(api.taken().len(), 3);
}

#[test]
fn runs_are_private_and_ignored_by_git() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api);
    let run = send(&campaign).run().code(0).run_dir();
    let runs = campaign.path().join("runs");
    for folder in [&runs, &run] {
        let mode = std::fs::metadata(folder)
            .expect("a folder")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    }
    assert_eq!(
        std::fs::read_to_string(runs.join(".gitignore")).expect("it"),
        "*\n"
    );
    let name = run
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a name");
    let parts: Vec<_> = name.split('-').collect();
    assert_eq!(
        (parts.len(), parts[1], parts[2].len()),
        (3, "test", 4),
        "{name}"
    );
    assert!(parts[0].len() == 20 && parts[0].ends_with('Z'), "{name}");
}

#[test]
fn recipients_can_come_from_standard_input() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api).set("recipients.file", "-");
    let run = send(&campaign)
        .args(["--limit", "1"])
        .stdin("email,first_name\nx@one.example,X\ny@one.example,Y\n")
        .run()
        .code(5)
        .run_dir();
    Run::on("resume", &run).run().code(0);
    assert_eq!(api.taken_addresses(), ["x@one.example", "y@one.example"]);
}

#[test]
fn a_wrong_key_costs_one_request() {
    let api = FakeApi::start(|_, _| Reply::wrong_key().after(Duration::from_millis(50)));
    let campaign = campaign(&api).rows(100).set("pace.concurrency", 64);
    let ran = send(&campaign).run();
    let run = ran.code(5).stderr_has("App Key is invalid").run_dir();
    assert_eq!(api.requests().len(), 1);
    let results = Results::of(&run);
    assert_eq!(results.counts(), [("pending", 100)].into());
    assert_eq!(results.rows[0]["attempts"], "0");
}

#[test]
fn the_first_request_goes_alone() {
    let wait = Duration::from_millis(200);
    let api = FakeApi::start(move |n, _| {
        if n == 0 {
            Reply::Take.after(wait)
        } else {
            Reply::Take
        }
    });
    send(&campaign(&api).rows(20)).run().code(0);
    let arrivals = api.arrivals();
    assert!(arrivals[1] - arrivals[0] >= wait);
}

#[test]
fn requests_in_flight_reach_the_limit_and_not_more() {
    let api = FakeApi::start(|_, _| Reply::Take.after(Duration::from_millis(60)));
    send(&campaign(&api).rows(60).set("pace.concurrency", 7))
        .run()
        .code(0);
    assert_eq!(api.max_in_flight(), 7);
    assert_eq!(api.taken().len(), 60);
}

/// The number of recipients in each request, in order.
fn sizes(api: &FakeApi) -> Vec<usize> {
    api.requests()
        .iter()
        .map(|request| request.recipients.len())
        .collect()
}

#[test]
fn the_same_message_is_sent_in_batches() {
    for dialect in ["sendmail", "new_sendmail"] {
        let api = FakeApi::taking_all();
        let campaign = newsletter(&api)
            .rows(11)
            .set("api.dialect", dialect)
            .set("pace.batch", 4)
            .set("pace.concurrency", 1);
        let run = send(&campaign).run().code(0).run_dir();
        assert_eq!(sizes(&api), [4, 4, 3]);
        let results = Results::of(&run);
        assert_eq!(api.taken_addresses(), addresses(&results));
        for taken in api.taken() {
            assert_eq!(results.row(&taken.address)["message_id"], taken.message_id);
        }
    }
}

#[test]
fn with_copies_each_request_has_one_recipient() {
    let api = FakeApi::taking_all();
    let campaign = newsletter(&api)
        .set("pace.batch", 4)
        .set("message.cc", "boss@sender.example");
    send(&campaign).run().code(0);
    assert_eq!(sizes(&api), [1, 1, 1]);
}

#[test]
fn different_messages_are_never_batched() {
    let api = FakeApi::taking_all();
    let names = ["A", "A", "B", "B", "B", "A"];
    let rows: String = names
        .iter()
        .enumerate()
        .map(|(n, name)| format!("r{n}@one.example,{name}\n"))
        .collect();
    let campaign = campaign(&api)
        .recipients(format!("email,first_name\n{rows}"))
        .set("pace.batch", 10)
        .set("pace.concurrency", 1);
    send(&campaign).run().code(0);
    assert_eq!(sizes(&api), [2, 3, 1]);
    for request in api.requests() {
        let subject = request.field("subject").expect("a subject");
        for address in request.addresses() {
            let n: usize = address[1..2].parse().expect("a number");
            assert_eq!(subject, format!("Hello {}", names[n]));
        }
    }
}

#[test]
fn a_list_without_recipients_is_not_an_error() {
    let api = FakeApi::taking_all();
    let campaign = campaign(&api).recipients("email,first_name\n");
    let run = send(&campaign).run().code(0).run_dir();
    assert!(api.requests().is_empty());
    let results = std::fs::read_to_string(run.join("results.csv")).expect("results");
    assert_eq!(results, format!("{COLUMNS},input.email,first_name\r\n"));
}

#[test]
fn send_reports_a_list_without_recipients() {
    let campaign = Campaign::new().recipients("email,first_name\n");
    let ran = Run::new("send").arg(campaign.path()).arg("--local").run();
    ran.code(0).stderr_has("there is nobody to send to");
    let ran = Run::new("check").arg(campaign.path()).arg("--strict").run();
    ran.code(1).stdout_has("no-recipients");
}
