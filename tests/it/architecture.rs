//! The directions in which modules may use each other, read from the source.

mod imports;

use std::sync::LazyLock;

use imports::{Crate, Source};

static CRATE: LazyLock<Crate> = LazyLock::new(Crate::read);

/// Asserts that only files that `may` holds for have one of these words.
#[track_caller]
fn only_in(words: &[&str], may: impl Fn(&Source) -> bool) {
    let (allowed, others): (Vec<_>, Vec<_>) = CRATE.sources.iter().partition(|source| may(source));
    for word in words {
        let here: Vec<_> = others.iter().filter(|source| source.has(word)).collect();
        let here: Vec<_> = here.iter().map(|source| &source.path).collect();
        assert!(here.is_empty(), "{word} is in {here:?}");
    }
    let used = words
        .iter()
        .any(|word| allowed.iter().any(|source| source.has(word)));
    assert!(
        used,
        "nothing has any of {words:?}: the test looks for the wrong words"
    );
}

#[track_caller]
fn imports_only(module: &str, allowed: &[&str]) {
    let imports = CRATE.imports_of(module);
    let more: Vec<_> = imports
        .iter()
        .filter(|name| !allowed.contains(&name.as_str()))
        .collect();
    assert!(more.is_empty(), "{module} imports {more:?}");
    assert!(
        !imports.is_empty(),
        "{module} imports nothing: the test does not see it"
    );
}

#[test]
fn the_gateway_and_the_delivery_meet_on_the_wire_alone() {
    assert!(!CRATE.imports_of("delivery").contains("gateway"));
    imports_only(
        "gateway",
        &[
            "api",
            "address",
            "clock",
            "durable",
            "finding",
            "frame",
            "html",
            "message",
            "pace",
            "regular_file",
            "smtp",
            "source",
            "web",
        ],
    );
}

#[test]
fn the_contract_knows_nothing_of_ours_but_addresses_and_outcomes() {
    imports_only("api", &["address", "outcome"]);
}

#[test]
fn what_serves_pages_knows_nothing_of_what_is_on_them() {
    imports_only("web", &["api", "clock", "frame"]);
}

#[test]
fn html_does_no_io_and_alone_knows_the_tokenizer_and_css() {
    imports_only("html", &["clock"]);
    for source in CRATE.sources.iter().filter(|source| source.top() == "html") {
        for word in ["std::fs", "std::io", "std::net", "tokio::"] {
            assert!(!source.has(word), "{} has {word}", source.path);
        }
    }
    let words = [
        "TokenSink",
        "Tokenizer",
        "RawKind",
        "cssparser::",
        "csscolorparser::",
    ];
    only_in(&words, |source| source.top() == "html");
}

#[test]
fn smtp_imports_no_other_module() {
    assert!(CRATE.sources.iter().any(|source| source.top() == "smtp"));
    let imports: Vec<_> = CRATE.imports_of("smtp").into_iter().collect();
    assert_eq!(imports, [""; 0]);
}

#[test]
fn nothing_below_the_commands_knows_them() {
    for source in &CRATE.sources {
        if ["commands", "main", "cli", "lib"].contains(&source.top()) {
            continue;
        }
        let imports = CRATE.imports_of(source.top());
        for above in ["commands", "cli"] {
            assert!(!imports.contains(above), "{} imports {above}", source.path);
        }
    }
}

#[test]
fn only_the_commands_see_the_command_line_and_print() {
    let above = |source: &Source| ["commands", "cli", "main"].contains(&source.top());
    only_in(&["clap::", "clap_complete::", "clap_mangen::"], above);
}

#[test]
fn what_is_printed_goes_through_one_module() {
    let path = |source: &Source| source.path.to_string();
    only_in(&["stdout"], |source| {
        [
            "commands/output.rs",
            "commands/completions.rs",
            "commands/preview_terminal.rs",
            "commands/screen.rs",
        ]
        .contains(&path(source).as_str())
            // A child's output.
            || path(source) == "commands/secret_command.rs"
    });
    only_in(&["eprintln"], |source| path(source) == "report/progress.rs");
    for word in ["println", "print!", "eprint!"] {
        let here: Vec<_> = CRATE
            .sources
            .iter()
            .filter(|it| it.has(word))
            .map(path)
            .collect();
        assert!(here.is_empty(), "{word} is in {here:?}");
    }
}

#[test]
fn only_the_transport_smtp_the_gateway_the_pages_and_postgres_open_sockets() {
    let sockets = [
        "reqwest::",
        "axum::",
        "TcpListener",
        "TcpStream",
        "UdpSocket",
        "hyper::",
        "hickory_resolver::",
        "tokio_postgres::",
    ];
    only_in(&sockets, |source| {
        ["transport", "smtp", "gateway", "web"].contains(&source.top())
            || source.path.starts_with("preview/web/")
            || source.path.starts_with("feedback/server/")
            || source.path.starts_with("ledger/postgres")
            // It uses its connections.
            || ["feedback/postgres.rs", "suppression/postgres.rs"].contains(&source.path.as_str())
            || ["commands/local_gateway.rs", "commands/serve.rs"].contains(&source.path.as_str())
    });
}

#[test]
fn no_two_modules_use_each_other_in_a_circle() {
    let circles = CRATE.circles();
    assert!(circles.is_empty(), "circles:\n{}", circles.join("\n"));
}

fn crate_of(files: &[(&str, &str)]) -> Crate {
    let sources = files.iter().map(|(path, text)| Source::new(path, text));
    Crate::new(sources.collect())
}

#[test]
fn imports_are_read_from_groups_and_from_paths_in_the_code() {
    let code = "use crate::x::{y, z};\nuse crate::{p::{q, r}, s};\nlet _ = crate::t::u();";
    let files = ["x.rs", "p.rs", "s.rs", "t.rs"].map(|path| (path, ""));
    let imports = crate_of(&[&files[..], &[("a/b.rs", code)]].concat()).imports_of("a");
    let imports: Vec<_> = imports.into_iter().collect();
    assert_eq!(imports, ["p", "s", "t", "x"]);
}

#[test]
fn a_circle_through_a_re_export_is_found() {
    let files = [
        (
            "a/mod.rs",
            "mod b;\nmod c;\npub use b::B;\npub(super) use c::{C, D};",
        ),
        ("a/b.rs", "use super::{C, Other};\npub struct B;"),
        ("a/c.rs", "pub struct C;\nfn f(_: super::B) {}"),
    ];
    let circles = crate_of(&files).circles();
    assert_eq!(circles, ["a/b.rs uses a::C", "a/c.rs uses a::B"]);
}

#[test]
fn a_child_and_its_parent_are_no_circle() {
    let files = [
        ("a/mod.rs", "mod b;\nuse b::B;\npub struct A;"),
        ("a/b.rs", "use super::A;\npub struct B;"),
        ("d.rs", "use crate::a::A;"),
    ];
    assert!(crate_of(&files).circles().is_empty());
}
