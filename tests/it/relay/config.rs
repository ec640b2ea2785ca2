//! What can be wrong with an account, told before anything is sent.

use super::{account, command};

/// What a gateway says of a file that it can't use.
#[track_caller]
fn refused(config: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = command(folder.path(), config).run();
    ran.code(1);
    ran.stderr.clone()
}

#[test]
fn mistakes_are_told_with_their_line_and_what_would_be_right() {
    let cases = [
        ("http://mail.example", "", ":2:", "use smtp: or smtps:"),
        ("mail.example:25", "", ":2:", "use smtp: or smtps:"),
        ("smtp://", "", ":2:", "no host"),
        (
            "smtp://a:b@mail.example",
            "",
            ":2:",
            "username_env and password_env",
        ),
        ("smtp://mail.example/x", "", ":2:", "behind the host"),
        (
            "smtp://mail.example",
            "conections = 3\n",
            ":3:",
            "did you mean `connections`?",
        ),
        (
            "smtp://mail.example",
            "connections = 0\n",
            ":3:",
            "must be from 1 to 1000",
        ),
        (
            "smtp://mail.example",
            "rate = [\"5\"]\n",
            ":3:",
            "write “20/s”",
        ),
        ("smtp://mail.example", "give_up = \"soon\"\n", ":3:", "“2d”"),
        (
            "smtp://mail.example",
            "starttls = \"yes\"\n",
            ":3:",
            "\"required\" or \"opportunistic\"",
        ),
        (
            "smtps://mail.example",
            "starttls = \"never\"\n",
            ":3:",
            "write smtp:",
        ),
        (
            "smtp://mail.example",
            "from = [\"acme.example\"]\n",
            ":3:",
            "\"@acme.example\"",
        ),
        (
            "smtp://mail.example",
            "from = []\n",
            ":3:",
            "or leave `from` out",
        ),
        (
            "smtp://mail.example",
            "hello = \"a b\"\n",
            ":3:",
            "this machine's name",
        ),
        (
            "smtp://mail.example",
            "username_env = \"U\"\n",
            ":3:",
            "add `password_env`",
        ),
        (
            "smtp://mail.example",
            "password_env = \"P\"\n",
            ":3:",
            "add `username_env`",
        ),
        (
            "smtp://mail.example",
            "starttls = \"opportunistic\"\nusername_env = \"U\"\npassword_env = \"P\"\n",
            ":3:",
            "use starttls = \"required\"",
        ),
    ];
    for (url, more, line, help) in cases {
        let said = refused(&account(url, more));
        assert!(
            said.contains(&format!("gateway.toml{line}")),
            "{url} {more}\n{said}"
        );
        assert!(said.contains(help), "{url} {more}\n{said}");
    }
}

#[test]
fn a_login_that_is_not_set_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let login = "username_env = \"RELAY_USER\"\npassword_env = \"RELAY_PASSWORD\"\n";
    let config = account("smtp://mail.example", login);
    let run = || command(folder.path(), &config).env("RELAY_USER", "u");
    let ran = run().run();
    ran.code(1).stderr_has("RELAY_PASSWORD is not set");
    let ran = run().env("RELAY_PASSWORD", " ").run();
    ran.code(1).stderr_has("RELAY_PASSWORD is not set");
}
