//! `mailrun preview` on a terminal: each key, and how it leaves the terminal.

use rustix::process::Signal;

use crate::support::campaign::Campaign;
use crate::support::run::Run;
use crate::support::screen::Screen;

const HTML: &str = "<!doctype html><html lang=\"en\"><head><title>T</title></head><body>\
     <div style=\"display:none\">The hidden preheader.</div><h1>Hello {{ first_name }}</h1>\
     <p>Read <a href=\"https://sender.example/autumn\">all of it</a>.</p></body></html>";

fn campaign() -> Campaign {
    Campaign::new()
        .template("newsletter.html", HTML)
        .template("newsletter.txt", "Dear {{ first_name }}, in plain words")
        .set("message.text", "newsletter.txt")
}

fn preview(campaign: &Campaign) -> Run {
    Run::new("preview").arg(campaign.path())
}

fn screen(campaign: &Campaign) -> Screen {
    let mut screen = Screen::start(preview(campaign), 40, 100);
    screen.until("? help");
    screen
}

#[test]
fn a_message_is_shown_with_its_inbox_line_headers_and_body() {
    let campaign = campaign();
    let mut screen = screen(&campaign);
    screen.until("1/3");
    let shown = screen.contents();
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[1].contains("│ Sender "), "{shown}");
    assert!(lines[2].contains("│ Hello Ann "), "{shown}");
    assert!(
        lines[3].contains("│ The hidden preheader. Hello Ann Read all of it."),
        "{shown}"
    );
    let body = shown
        .split_once("To: ann@one.example")
        .expect("the headers")
        .1;
    assert!(body.contains("Subject: Hello Ann"), "{shown}");
    assert!(body.contains("# Hello Ann"), "{shown}");
    assert!(body.contains("Read all of it[1]."), "{shown}");
    assert!(
        body.contains("[1]: https://sender.example/autumn"),
        "{shown}"
    );
    assert!(!body.contains("hidden preheader"), "{shown}");
    assert!(screen.is_own());
}

#[test]
fn keys_move_between_messages() {
    let campaign = campaign();
    let mut screen = screen(&campaign);
    screen.keys("n").until("2/3").until("# Hello Bob");
    screen.keys("\u{1b}[C").until("3/3").until("# Hello Cleo");
    screen.keys("n").until("this is the last message");
    screen.keys("p").until("2/3").until("# Hello Bob");
    screen.keys("\u{1b}[D").until("1/3").until("# Hello Ann");
    screen.keys("p").until("this is the first message");
}

#[test]
fn keys_switch_the_view() {
    let campaign = campaign();
    let mut screen = screen(&campaign);
    screen
        .keys("t")
        .until("text part")
        .until("Dear Ann, in plain words");
    screen
        .keys("s")
        .until("· source")
        .until("<h1>Hello Ann</h1>");
    screen.keys("h").until("# Hello Ann");
    assert!(!screen.contents().contains("· source"));
    screen
        .keys("nd")
        .until("2/3")
        .until("· data")
        .until("email: bob@two.example");
    screen.until("first_name: Bob").until("line: 3");
    screen.keys("?").until("search all cells");
    screen.keys("h").until("# Hello Bob");
}

#[test]
fn a_search_looks_in_all_cells_and_can_be_repeated() {
    let campaign = campaign();
    let mut screen = screen(&campaign);
    screen
        .keys("/cLeo")
        .until(" /cLeo")
        .keys("\r")
        .until("3/3")
        .until("# Hello Cleo");
    screen
        .keys("/one.example\r")
        .until("1/3")
        .until("# Hello Ann");
    screen.keys("/\r").until("3/3").until("# Hello Cleo");
    screen.keys("/nobody\r").until("no row contains “nobody”");
    screen
        .keys("/x")
        .until(" /x▏")
        .keys("\u{1b}")
        .until("? help");
    screen.keys("p").until("2/3");
}

#[test]
fn long_messages_are_scrolled() {
    let lines: String = (1..=100).map(|n| format!("<p>line {n}</p>")).collect();
    let campaign = campaign().template("newsletter.html", &lines);
    let mut screen = Screen::start(preview(&campaign), 20, 80);
    screen.until("line 1").until("more below");
    screen.keys("G").until("line 100");
    screen.keys("g").until("│ Sender");
    screen.keys("jjj").wait_until("three lines down", |it| {
        it.contents().starts_with("│ line 1 line 2")
    });
    screen
        .keys("k")
        .wait_until("a line up", |it| it.contents().starts_with("│ Hello Ann"));
    screen
        .keys("  ")
        .wait_until("two pages down", |it| !it.contents().contains("Subject"));
}

#[test]
fn findings_are_shown_and_counted() {
    let campaign = Campaign::good().html_with("https://sender.example/autumn?who={{ token }}", "");
    let mut screen = screen(&campaign);
    screen.until("a link leads nowhere").until("· 1 error");
    let checked = Run::new("check").arg(campaign.path()).run();
    checked.code(1).stdout_has("link-empty");
}

#[test]
fn a_row_without_a_message_shows_the_reason() {
    let campaign = campaign().recipients("email,first_name\nann at one,Ann\nbob@two.example,Bob\n");
    let mut screen = screen(&campaign);
    screen
        .until("gets no message")
        .until("recipients.csv:2")
        .until("1 error");
    screen
        .keys("d")
        .until("ann at one")
        .keys("hn")
        .until("# Hello Bob");
}

#[test]
fn findings_can_be_opened_from_every_view() {
    let campaign = campaign().recipients("email,first_name\nann at one,Ann\nbob@two.example,Bob\n");
    let mut screen = screen(&campaign);
    screen.keys("d").until("· data");
    screen
        .keys("f")
        .until("gets no message")
        .until("recipients.csv:2");
    let lines: String = (1..=100).map(|n| format!("<p>line {n}</p>")).collect();
    let campaign = Campaign::good()
        .html_with("<p>The Sender team", &format!("{lines}<p>The Sender team"))
        .html_with("https://sender.example/autumn?who={{ token }}", "");
    let mut screen = Screen::start(preview(&campaign), 20, 80);
    screen.until("more below");
    for (key, view) in [("d", "data"), ("?", "help"), ("s", "source")] {
        screen.keys(key).until(&format!("· {view}"));
        screen
            .keys("f")
            .until("link-empty")
            .keys("hg")
            .until("│ Sender");
    }
}

#[test]
fn a_read_error_is_shown_on_the_screen_and_at_the_end() {
    let campaign =
        campaign().recipients("email,first_name\nann@one.example,Ann\nbob@two.example,\"Bob\n");
    let mut screen = Screen::start(preview(&campaign), 40, 120);
    screen.until("# Hello Ann").until("can't be read further");
    assert_eq!(screen.keys("q").end(), Some(1));
    assert!(screen.is_restored());
    assert!(
        screen.contents().contains("recipients.csv:3"),
        "{}",
        screen.contents()
    );
}

#[test]
fn the_terminal_is_restored_however_the_preview_ends() {
    let campaign = campaign();
    type End = fn(&mut Screen) -> &mut Screen;
    let ends: [(&str, End, i32); 5] = [
        ("q", |it| it.keys("q"), 0),
        ("Ctrl-C", |it| it.keys("\u{3}"), 130),
        ("SIGINT", |it| it.signal(Signal::INT), 130),
        ("SIGTERM", |it| it.signal(Signal::TERM), 130),
        ("SIGHUP", |it| it.signal(Signal::HUP), 130),
    ];
    for (name, end, code) in ends {
        let mut screen = screen(&campaign);
        assert!(screen.is_own() && !screen.is_restored(), "{name}");
        end(&mut screen);
        assert_eq!(screen.end(), Some(code), "{name}");
        assert!(screen.is_restored(), "{name}: {:?}", screen.written());
    }
}

#[test]
fn data_cannot_control_the_terminal() {
    let hostile = "A\u{1b}[31mnn\u{1b}]52;c;eA==\u{7}\u{9b}1m\u{202e}\u{2066}\u{1b}[?1049l";
    let campaign = campaign()
        .recipients(format!("email,first_name\nann@one.example,\"{hostile}\"\n"))
        .template(
            "newsletter.html",
            &format!("{HTML}<p>&#27;]52;c;eA==&#7;&#x202e;{{{{ first_name }}}}"),
        );
    let mut screen = screen(&campaign);
    screen.until("A␛[31m");
    for (key, view) in [
        ("t", "text part"),
        ("s", "source"),
        ("d", "data"),
        ("?", "help"),
    ] {
        screen.keys(key).until(&format!("· {view}"));
    }
    screen
        .keys("/\u{202e}\u{2066}nobody\r")
        .until("no row contains");
    screen.keys("q");
    let written = screen.wait_until("the end", Screen::is_restored).written();
    for control in [
        "\u{1b}[31mnn",
        "\u{1b}]52",
        "\u{1b}]",
        "\u{7}",
        "\u{9b}",
        "\u{202e}",
        "\u{2066}",
    ] {
        assert!(!written.contains(control), "{control:?} is in {written:?}");
    }
    assert_eq!(written.matches("\u{1b}[?1049l").count(), 1);
}

#[test]
fn the_screen_adapts_to_the_size_of_the_terminal() {
    let campaign = campaign().set(
        "message.subject",
        "A subject that is longer than the terminal is wide, {{ first_name }}",
    );
    let mut screen = Screen::start(preview(&campaign), 24, 40);
    screen.until("1/3").until("than the terminal is wide,");
    let shown = screen.contents();
    assert!(
        shown
            .lines()
            .next()
            .is_some_and(|line| line.chars().count() == 40),
        "{shown}"
    );
    assert!(
        shown.contains("A subject that is longer than the t…"),
        "{shown}"
    );
    screen
        .resize(30, 120)
        .until("longer than the terminal is wide, Ann");
    screen.until("q quit").keys("n").until("2/3");
    screen.resize(5, 12).until("2/3").keys("n").until("3/3");
}

#[test]
fn no_color_turns_styles_off() {
    let campaign = campaign();
    let plain = |name: &str, value: &str| {
        let mut screen = Screen::start(preview(&campaign).env(name, value), 30, 100);
        screen.until("? help").keys("n").until("2/3");
        !screen.written().contains("\u{1b}[1m") && !screen.written().contains("\u{1b}[7m")
    };
    assert!(plain("NO_COLOR", "1"));
    assert!(!plain("OTHER", "1"));
}

#[test]
fn many_rows_can_be_searched() {
    let campaign = campaign().rows(30_000);
    let mut screen = screen(&campaign);
    screen.until("# Hello Name 1").until("1/30,000");
    screen
        .keys("/name 29999\r")
        .until("29,999/30,000")
        .until("# Hello Name 29999");
    screen.keys("nn").until("this is the last message");
}

#[test]
fn a_long_search_shows_its_progress_and_can_be_cancelled() {
    let campaign = campaign().rows(300_000);
    let mut screen = screen(&campaign);
    screen.until("# Hello Name 1");
    screen.keys("/nobody\r").until("rows so far; Esc cancels");
    screen.keys("\u{1b}").until("q quit");
    screen.keys("n").until("# Hello Name 2").until("2/");
    screen.keys("/name 4999\r").until("# Hello Name 4999");
    assert_eq!(screen.keys("q").end(), Some(0));
}

#[test]
fn selected_messages_are_printed_without_a_screen() {
    let campaign = campaign();
    for arguments in [
        ["--row", "2"],
        ["--email", "bob@two.example"],
        ["--limit", "2"],
    ] {
        let mut screen = Screen::start(preview(&campaign).args(arguments), 50, 100);
        assert_eq!(screen.end(), Some(0));
        let shown = screen.contents();
        assert!(
            shown.contains("# Hello Bob") && shown.contains("│ Hello Bob"),
            "{shown}"
        );
        assert!(!screen.written().contains("\u{1b}[?1049h"));
    }
    let mut dumb = Screen::start(preview(&campaign).env("TERM", "dumb"), 50, 100);
    dumb.until("To: ann@one.example");
}

#[test]
fn a_dry_run_shows_the_first_message_in_the_same_form() {
    let campaign = campaign();
    let run = Run::new("send").arg(campaign.path()).arg("--dry-run");
    let mut screen = Screen::start(run, 60, 100);
    assert_eq!(screen.end(), Some(0));
    let shown = screen.contents();
    for text in [
        "would send: 3 messages",
        "│ Hello Ann",
        "# Hello Ann",
        "[1]: https://",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(!shown.contains('␛'), "{shown}");
}
