//! Every form of `mailrun preview` shows rows that get no message, with the reason.

use std::fs;

use serde_json::Value;

use crate::support::campaign::Campaign;
use crate::support::preview::Preview;
use crate::support::run::Run;
use crate::support::screen::Screen;

/// Why each row but the first and the last gets no message.
const REASONS: [&str; 5] = [
    "duplicate of row 1",
    "on the suppression list gone.csv",
    "not an email address",
    "3 fields",
    "128",
];

/// Seven rows, of which two get a message.
fn campaign() -> Campaign {
    let long = "long ".repeat(40);
    Campaign::new()
        .recipients(format!(
            "email,first_name\nann@one.example,Ann\nANN@one.example,Twice\ngone@one.example,Gone\n\
             ann at one,Bad\nbob@two.example,Bob,more\ncleo@one.example,{long}\ndan@one.example,Dan\n"
        ))
        .set("recipients.suppress", vec!["gone.csv"])
        .file("gone.csv", "gone@one.example\n")
}

fn preview(campaign: &Campaign) -> Run {
    Run::new("preview").arg(campaign.path())
}

#[test]
fn they_are_printed() {
    let campaign = campaign();
    let ran = preview(&campaign).args(["--limit", "7"]).run();
    ran.code(0)
        .stdout_has("Hello Ann")
        .stdout_has("Hello Dan")
        .stdout_lacks("Hello Twice");
    for reason in REASONS {
        ran.stdout_has(reason);
    }
    let count = ran.stdout.matches("This row gets no message.").count();
    assert_eq!(count, 5, "{}", ran.stdout);
    // Asking for such a row alone is an error.
    for (arguments, reason) in [
        (["--row", "2"], REASONS[0]),
        (["--email", "Gone@one.example"], REASONS[1]),
        (["--row", "4"], REASONS[2]),
        (["--row", "6"], REASONS[4]),
    ] {
        let ran = preview(&campaign).args(arguments).run();
        ran.code(1).stderr_has(reason).stdout_is("");
    }
    // Rows after it are not read.
    let broken =
        Campaign::new().recipients("email,first_name\nann at one,Ann\nbob@one.example,Bob\n\"x\n");
    let row = |number| preview(&broken).args(["--row", number]).run();
    row("1")
        .code(1)
        .stderr_has("not an email address")
        .stderr_lacks("quote");
    row("2").code(0).stdout_has("Hello Bob").stderr_is("");
    // Of several rows with an address, the one that gets a message is shown.
    preview(&campaign)
        .args(["--email", "ann@one.example"])
        .run()
        .code(0)
        .stdout_has("row: 1");
}

#[test]
fn they_have_cards_on_the_contact_sheet() {
    let campaign = campaign();
    let out = campaign.path().join("out");
    let ran = preview(&campaign).arg("--out").arg(&out).run();
    let file = |name: &str| out.join(name).display().to_string();
    ran.code(0)
        .stdout_is(&format!("{}\n{}\n", file("00001.eml"), file("00007.eml")));
    ran.stderr_has("5 rows have no message");
    let page = fs::read_to_string(out.join("index.html")).expect("the contact sheet");
    assert_eq!(page.matches("<article").count(), 7, "{page}");
    let count = page.matches("<h2>This row gets no message</h2>").count();
    assert_eq!(count, 5, "{page}");
    assert!(page.contains("2 messages") && page.contains("5 rows without a message"));
    for text in REASONS
        .into_iter()
        .chain(["gone@one.example", "ann at one"])
    {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
    assert!(!out.join("00002.eml").exists());
}

#[test]
fn they_are_shown_on_the_terminal() {
    let campaign = campaign();
    let mut screen = Screen::start(preview(&campaign), 40, 100);
    screen.until("Hello Ann").until("1/7");
    for reason in REASONS {
        screen.keys("n").until("gets no message").until(reason);
    }
    screen.keys("n").until("7/7").until("Hello Dan");
}

#[test]
fn they_are_shown_on_the_page() {
    let campaign = campaign();
    let preview = Preview::start(campaign.path());
    let page = preview.json("/preview/rows?q=");
    for (row, reason) in (1..).zip(REASONS) {
        let error = page["rows"][row]["error"].to_string();
        assert!(error.contains(reason), "{error}");
    }
    let view = |row: u32, fields: &str| preview.json(&format!("/preview/m/{row}?{fields}"));
    let twice = view(2, "");
    assert_eq!(twice["message"], Value::Null);
    assert_eq!(twice["error"]["code"], "duplicate");
    assert_eq!(twice["error"]["severity"], "note");
    assert_eq!(twice["error"]["place"], "recipients.csv:3, row 2");
    assert_eq!(twice["findings"][0]["code"], "duplicate");
    assert_eq!(view(3, "")["error"]["code"], "suppressed");
    preview.site.get("/preview/m/3/eml").code(422);
    // Changed data can make or unmake the reason.
    let code = |row, fields| view(row, fields)["error"]["code"].clone();
    assert_eq!(code(2, "set.first_name=X"), "duplicate");
    assert_eq!(code(2, "set.email=new@one.example"), Value::Null);
    assert_eq!(code(1, "set.email=gone@one.example"), "suppressed");
    assert_eq!(code(7, "set.email=Cleo@one.example"), "duplicate");
    assert_eq!(code(1, "set.email=dan@one.example"), Value::Null);
    // The page follows changes of the suppression list.
    preview.saved(|| {
        fs::write(campaign.path().join("gone.csv"), "dan@one.example\n").expect("room");
    });
    assert_eq!(code(3, ""), Value::Null);
    assert_eq!(code(7, ""), "suppressed");
    preview.saved(|| {
        fs::write(campaign.path().join("gone.csv"), "a;b;c\n1;2;3\n").expect("room");
    });
    let broken = &preview.json("/preview/about")["broken"];
    assert!(broken.to_string().contains("gone.csv"), "{broken}");
}

#[test]
fn edited_cells_decide_whether_a_row_is_selected_and_has_a_key() {
    let campaign = campaign()
        .set("recipients.where", "first_name in ['Ann', 'Dan', '']")
        .set("recipients.same_address", "send")
        .set("recipients.row_key", "first_name");
    let preview = Preview::start(campaign.path());
    let code = |row: u32, fields: &str| {
        preview.json(&format!("/preview/m/{row}?{fields}"))["error"]["code"].clone()
    };
    assert_eq!(code(1, ""), Value::Null);
    assert_eq!(code(1, "set.first_name=Bob"), "not-selected");
    assert_eq!(code(1, "set.first_name="), "no-row-key");
    assert_eq!(code(2, ""), "not-selected");
    assert_eq!(code(2, "set.first_name=Dan"), Value::Null);
    assert_eq!(code(2, "set.first_name=Ann"), "duplicate");
    assert_eq!(code(4, "set.first_name=Bob"), "not-selected");
    assert_eq!(code(4, "set.first_name=Ann"), "bad-address");
}
