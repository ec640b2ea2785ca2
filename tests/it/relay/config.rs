//! Mistakes in an account are reported before anything is sent.

use super::{account, command};

/// The error output of a gateway with this configuration, which must not start.
#[track_caller]
fn startup_error(config: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = command(folder.path(), config).run();
    ran.code(1);
    ran.stderr.clone()
}

#[test]
fn mistakes_are_reported_with_their_line_and_a_fix() {
    let cases = [
        ("http://mail.example", "", ":2:", "use smtp: or smtps:"),
        ("mail.example:25", "", ":2:", "use smtp: or smtps:"),
        ("smtp://", "", ":2:", "no valid host"),
        (
            "smtp://a:b@mail.example",
            "",
            ":2:",
            "username_env and password_env",
        ),
        (
            "smtp://mail.example/x",
            "",
            ":2:",
            "after the host and the port",
        ),
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
            "use a number from 1 to 1000",
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
            "use smtp:",
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
            "or remove `from`",
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
        let error = startup_error(&account(url, more));
        assert!(
            error.contains(&format!("gateway.toml{line}")),
            "{url} {more}\n{error}"
        );
        assert!(error.contains(help), "{url} {more}\n{error}");
    }
}

#[test]
fn an_unset_login_variable_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let login = "username_env = \"RELAY_USER\"\npassword_env = \"RELAY_PASSWORD\"\n";
    let config = account("smtp://mail.example", login);
    let run = || command(folder.path(), &config).env("RELAY_USER", "u");
    let ran = run().run();
    ran.code(1).stderr_has("RELAY_PASSWORD is not set");
    let ran = run().env("RELAY_PASSWORD", " ").run();
    ran.code(1).stderr_has("RELAY_PASSWORD is not set");
}
