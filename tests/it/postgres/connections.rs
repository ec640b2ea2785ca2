//! Which servers a ledger may be on, and what is said about the others.

use std::time::Duration;

use mailrun::ledger::postgres::connect;
use mailrun::ledger_url::LedgerUrl;

use super::{init, is_available};
use crate::support::fake_api::Authority;
use crate::support::postgres::{Cluster, Setup, Stop, USER};
use crate::support::run::Run;

const PASSWORD: &str = "hush-51c07e9d";

#[test]
fn the_password_is_from_the_environment() {
    if !is_available() {
        return;
    }
    let setup = Setup {
        password: Some(PASSWORD),
        ..Setup::default()
    };
    let cluster = Cluster::with(&setup);
    let url = cluster.url();
    let ran = init(&url).run();
    ran.code(1)
        .stderr_has("needs a password")
        .stderr_has("PGPASSWORD");
    let ran = init(&url).env("PGPASSWORD", "wrong-hush").run();
    ran.code(1)
        .stderr_has("password authentication failed for user \"postgres\"")
        .stderr_has("PGPASSWORD")
        .stderr_lacks("hush");
    let ran = init(&url).env("PGPASSWORD", PASSWORD).run();
    ran.code(0)
        .stdout_has("Created the ledger")
        .stdout_lacks("hush");
    let url = format!("postgres://{USER}:{PASSWORD}@127.0.0.1/postgres");
    let ran = init(&url).run();
    ran.code(2)
        .stderr_has("--ledger: the ledger's URL contains a password")
        .stderr_lacks("hush");
    let ran = Run::new("ledger").arg("init").env("MAILRUN_LEDGER", url);
    ran.run()
        .code(2)
        .stderr_has("MAILRUN_LEDGER: the ledger's URL contains a password")
        .stderr_lacks("hush");
}

#[test]
fn the_option_replaces_the_variable() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::shared();
    Run::new("ledger")
        .arg("init")
        .run()
        .code(2)
        .stderr_has("neither `--ledger` nor MAILRUN_LEDGER")
        .stderr_has("MAILRUN_LEDGER");
    let (database, other) = (cluster.database(), cluster.database());
    let url = |name: &str| cluster.url_of(USER, name);
    let ran = Run::new("ledger").arg("init");
    let ran = ran.env("MAILRUN_LEDGER", url(&database)).run();
    ran.code(0)
        .stdout_has(&format!("Created the ledger {}", url(&database)));
    let ran = init(&url(&other))
        .env("MAILRUN_LEDGER", url(&database))
        .run();
    ran.code(0)
        .stdout_has(&format!("Created the ledger {}", url(&other)));
}

#[test]
fn unix_sockets_work() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let url = cluster.socket_url(USER, &cluster.database());
    init(&url).run().code(0).stdout_has("Created the ledger");
}

#[test]
fn servers_and_databases_that_are_missing_are_reported() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let ran = init(&cluster.url_of(USER, "nowhere")).run();
    ran.code(1)
        .stderr_has("database \"nowhere\" does not exist")
        .stderr_has("createdb");
    let ran = init(&cluster.url_of("nobody", "postgres")).run();
    ran.code(1)
        .stderr_has("role \"nobody\" does not exist")
        .stderr_has("check the user in the URL");
    let ran = init("postgres://127.0.0.1:1/a").run();
    ran.code(1)
        .stderr_has("can't connect to the ledger postgres://127.0.0.1:1/a")
        .stderr_has("Connection refused")
        .stderr_has("check the host and the port");
}

#[test]
fn a_server_that_does_not_answer_is_reported() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let ran = init(&format!("postgres://127.0.0.1:{port}/a")).run();
    ran.code(1).stderr_has("no answer within 10 seconds");
}

#[test]
fn tls_needs_a_trusted_certificate() {
    if !is_available() {
        return;
    }
    let authority = Authority::new();
    let chain = authority.chain();
    let setup = Setup {
        tls: Some(&chain),
        ..Setup::default()
    };
    let cluster = Cluster::with(&setup);
    // Refuses everything but TLS.
    let hba = cluster.psql("SHOW hba_file");
    std::fs::write(
        hba,
        "local all all trust\nhostssl all all 127.0.0.1/32 trust\n",
    )
    .expect("a file");
    cluster.psql("SELECT pg_reload_conf()");
    let home = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, content).expect("a file");
        path.display().to_string()
    };
    let right = file("right.pem", authority.pem());
    let wrong = file("wrong.pem", Authority::new().pem());
    let empty = file("empty.pem", "");
    let url = format!("{}?sslmode=verify-full", cluster.url());
    let with_root = |path: &str| init(&format!("{url}&sslrootcert={path}"));
    for path in [&wrong, &empty] {
        // sslrootcert replaces the system's.
        let ran = with_root(path).env("SSL_CERT_FILE", &right).run();
        ran.code(1)
            .stderr_has("certificate")
            .stderr_has("sslrootcert");
    }
    let ran = with_root("/nowhere.pem").run();
    ran.code(1)
        .stderr_has("can't read the certificates in /nowhere.pem")
        .stderr_has("PEM");
    let ran = init(&url).env("SSL_CERT_FILE", &wrong).run();
    ran.code(1).stderr_has("can't be used with TLS");
    let other_name = url.replace("127.0.0.1", "localhost") + "&sslrootcert=" + &right;
    let ran = init(&other_name).run();
    ran.code(1).stderr_has("can't be used with TLS");
    init(&cluster.url())
        .run()
        .code(1)
        .stderr_has("no encryption");
    with_root(&right)
        .run()
        .code(0)
        .stdout_has("Created the ledger");
    let ran = init(&url).env("SSL_CERT_FILE", &right).run();
    ran.code(0).stdout_has("up to date");
}

#[test]
fn a_server_without_tls_is_refused_when_tls_is_required() {
    if !is_available() {
        return;
    }
    let url = format!("{}?sslmode=verify-full", Cluster::shared().url());
    let ran = init(&url).run();
    ran.code(1)
        .stderr_has("can't be used with TLS")
        .stderr_has("server does not support TLS")
        .stderr_has("set ssl = on");
}

#[test]
fn servers_that_forget_commits_in_a_crash_are_refused() {
    if !is_available() {
        return;
    }
    let cluster = Cluster::shared();
    let (role, database) = (cluster.role(), cluster.database());
    cluster.psql(&format!("ALTER ROLE {role} SET synchronous_commit = off"));
    let ran = init(&cluster.url_of(&role, &database)).run();
    ran.code(1)
        .stderr_has("synchronous_commit = off")
        .stderr_has("ALTER ROLE");
    let setup = Setup {
        settings: "fsync = off\n",
        ..Setup::default()
    };
    let ran = init(&Cluster::with(&setup).url()).run();
    ran.code(1)
        .stderr_has("fsync = off")
        .stderr_has("postgresql.conf");
}

#[test]
fn a_standby_is_refused_until_it_is_promoted() {
    if !is_available() {
        return;
    }
    let primary = Cluster::start();
    let standby = primary.standby();
    let ran = init(&standby.url()).run();
    ran.code(1).stderr_has("standby").stderr_has("primary");
    standby.promote();
    init(&standby.url()).run().code(0);
}

#[tokio::test]
async fn a_session_has_its_settings_and_its_task_reports_a_lost_server() {
    if !is_available() {
        return;
    }
    let mut cluster = Cluster::start();
    let url = LedgerUrl::parse(&cluster.url()).expect("a URL");
    let connected = connect(&url, None, Duration::from_secs(10)).await;
    let (client, task) = connected.expect("a connection");
    for (setting, value) in [
        ("application_name", "mailrun"),
        ("search_path", "pg_catalog, pg_temp"),
        ("TimeZone", "UTC"),
        ("idle_in_transaction_session_timeout", "15s"),
        ("tcp_user_timeout", "10000"),
        ("tcp_keepalives_idle", "4"),
    ] {
        let row = client
            .query_one("SELECT current_setting($1)", &[&setting])
            .await;
        let found: String = row.expect("a row").get(0);
        assert_eq!(found, value, "{setting}");
    }
    cluster.stop(Stop::Immediate);
    let ended = tokio::time::timeout(Duration::from_secs(10), task).await;
    let ended = ended.expect("it notices").expect("no panic");
    assert!(ended.is_err(), "{ended:?}");
    assert!(client.is_closed());
}
