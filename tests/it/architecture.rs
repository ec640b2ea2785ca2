//! The directions in which modules may know each other, read from the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of `src/`.
struct Source {
    /// Its path in `src/`, such as `message/mime.rs`.
    path: String,
    /// Its code, without comments and without its tests.
    code: String,
}

impl Source {
    /// The module at the top that it is or belongs to.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().expect("split gives one part");
        first.trim_end_matches(".rs")
    }

    /// The modules at the top that it names by `crate::`.
    fn imports(&self) -> BTreeSet<String> {
        let mut imports = BTreeSet::new();
        for (at, found) in self.code.match_indices("crate::") {
            let rest = &self.code[at + found.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                imports.extend(first_names(group));
            } else {
                imports.insert(name(rest).to_owned());
            }
        }
        imports
    }

    fn has(&self, word: &str) -> bool {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        self.code.match_indices(word).any(|(at, _)| {
            let path = word.ends_with(':');
            let whole = path || !self.code[at + word.len()..].starts_with(part);
            whole && !self.code[..at].ends_with(part)
        })
    }
}

fn name(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

/// The first name of every path in `a::{b, c}, d::e}`.
fn first_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut item) = (0, String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut item)),
            _ => item.push(c),
        }
    }
    names.push(item);
    let names = names.iter().map(|item| name(item.trim()).to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let sources: Vec<Source> = files.iter().map(|file| read(&root, file)).collect();
    assert!(sources.len() > 50, "the source was not found");
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn read(root: &Path, file: &Path) -> Source {
    let text = fs::read_to_string(file).expect("a file of the source");
    let code = text
        .split("#[cfg(test)]")
        .next()
        .expect("split gives one part");
    let code = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let path = file.strip_prefix(root).expect("it is in the source");
    Source {
        path: path.to_str().expect("UTF-8").to_owned(),
        code: code.collect::<Vec<_>>().join("\n"),
    }
}

/// Every module at the top that files of `module` name.
fn imports_of(module: &str) -> BTreeSet<String> {
    let own = sources()
        .into_iter()
        .filter(|source| source.module() == module);
    let mut imports: BTreeSet<String> = own.flat_map(|source| source.imports()).collect();
    imports.remove(module);
    imports
}

/// Asserts that only files that `may` holds for have one of these words.
#[track_caller]
fn only_in(words: &[&str], may: impl Fn(&Source) -> bool) {
    let (allowed, others): (Vec<_>, Vec<_>) = sources().into_iter().partition(may);
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
    let imports = imports_of(module);
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
    assert!(!imports_of("delivery").contains("gateway"));
    imports_only(
        "gateway",
        &[
            "api", "address", "clock", "durable", "finding", "frame", "message", "pace", "source",
            "web",
        ],
    );
}

#[test]
fn the_contract_knows_nothing_of_ours_but_addresses() {
    imports_only("api", &["address"]);
}

#[test]
fn what_serves_pages_knows_nothing_of_what_is_on_them() {
    imports_only("web", &["api", "clock", "frame"]);
}

#[test]
fn html_does_no_io_and_alone_knows_the_tokenizer_and_css() {
    imports_only("html", &["clock"]);
    for source in sources() {
        for word in ["std::fs", "std::io", "std::net", "tokio::"] {
            let is_html = source.module() == "html";
            assert!(!(is_html && source.has(word)), "{} has {word}", source.path);
        }
    }
    let words = [
        "TokenSink",
        "Tokenizer",
        "RawKind",
        "cssparser::",
        "csscolorparser::",
    ];
    only_in(&words, |source| source.module() == "html");
}

#[test]
fn nothing_below_the_commands_knows_them() {
    for source in sources() {
        if ["commands", "main", "cli"].contains(&source.module()) {
            continue;
        }
        for above in ["commands", "cli"] {
            assert!(
                !source.imports().contains(above),
                "{} imports {above}",
                source.path
            );
        }
    }
}

#[test]
fn only_the_commands_see_the_command_line_and_print() {
    let above = |source: &Source| ["commands", "cli", "main"].contains(&source.module());
    only_in(&["clap::", "clap_complete::"], above);
    only_in(&["println", "print", "stdout"], above);
    only_in(&["eprintln", "eprint"], |source| {
        above(source) || source.path == "report/progress.rs"
    });
}

#[test]
fn only_the_transport_the_gateway_and_the_pages_open_sockets() {
    let sockets = [
        "reqwest::",
        "axum::",
        "TcpListener",
        "TcpStream",
        "UdpSocket",
        "hyper::",
        "hickory_resolver::",
    ];
    only_in(&sockets, |source| {
        ["transport", "gateway", "web"].contains(&source.module())
            || source.path.starts_with("preview/web/")
            || ["commands/local_gateway.rs", "commands/serve.rs"].contains(&source.path.as_str())
    });
}

#[test]
fn reads_imports_as_they_are_written() {
    let source = Source {
        path: "a/b.rs".into(),
        code: "use crate::x::{y, z};\nuse crate::{p::{q, r}, s};\nlet _ = crate::t::u();".into(),
    };
    let imports: Vec<_> = source.imports().into_iter().collect();
    assert_eq!(imports, ["p", "s", "t", "x"]);
}
